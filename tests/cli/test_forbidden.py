# SPDX-License-Identifier: MIT
"""Where tracing is forbidden, where the kernel is too old, where there is no memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from renacer_otel.engine import failures
from renacer_otel.errors import TracingForbidden
from tests.cli.tool import RENACER, denied, renacer, run_program

TRACE_NOTHING = ("-q", "-o", "/dev/null", "--", "true")
SEIZE, INTERRUPT, SYSCALL_INFO = "0x4206", "0x4207", "0x420e"


@pytest.mark.parametrize("error", ["EPERM", "EACCES"])
@pytest.mark.parametrize("request_", ["", f":{SEIZE}", f":{INTERRUPT}"])
def test_seccomp_forbids_ptrace(error: str, request_: str) -> None:
    done = denied([f"ptrace:{error}{request_}"], *TRACE_NOTHING)
    assert done.code == 125
    assert "a seccomp filter (a container's?) forbids ptrace" in done.error
    assert "--cap-add SYS_PTRACE" in done.error
    assert ("PTRACE_INTERRUPT" if INTERRUPT in request_ else "PTRACE_SEIZE") in done.error


@pytest.mark.parametrize("error", ["EIO", "EINVAL", "ENOSYS"])
def test_kernel_without_seize(error: str) -> None:
    done = denied([f"ptrace:{error}:{SEIZE}"], *TRACE_NOTHING)
    assert done.code == 125
    assert done.error == (
        "PTRACE_SEIZE is not known here: Linux 3.8 or newer is needed, and no sandbox or seccomp"
        " filter that withholds it"
    )


def test_forbidden_command_has_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    done = denied(["ptrace:EPERM"], "-q", "-o", "/dev/null", "--", "touch", witness)
    assert done.code == 125
    assert not witness.exists()


@pytest.mark.parametrize("rule", [f"ptrace:EIO:{SYSCALL_INFO}", "process_vm_readv:EPERM"])
def test_what_has_a_fallback_is_not_missed(rule: str, tmp_path: Path) -> None:
    def trace(name: str, run: Callable[[Path], int]) -> list[str]:
        path = tmp_path / name
        assert run(path) == 0
        return [line.split(" ", 1)[1].lstrip() for line in path.read_text().splitlines()]

    options = ("-q", "-e", "trace=openat,read,exit_group")
    command = ("cat", "/proc/sys/kernel/ostype")
    plain = trace("plain", lambda path: renacer(*options, "-o", path, *command).code)
    without = trace("without", lambda path: denied([rule], *options, "-o", path, *command).code)
    assert without == plain
    assert any('read(3, "Linux\\n", ' in line for line in plain)


def test_within_another_tracer_of_ours() -> None:
    done = renacer("-q", "-o", "/dev/null", "--", RENACER, *TRACE_NOTHING)
    assert done.code == 125
    assert "we are traced ourselves" in done.error
    assert "run without it" in done.error


@pytest.mark.needs("strace")
def test_within_strace() -> None:
    done = run_program(["strace", "-f", "-o", "/dev/null", RENACER, *TRACE_NOTHING])
    assert done.code == 125
    assert "we are traced ourselves" in done.error


@pytest.mark.parametrize(
    ("scope", "capabilities", "expected"),
    [
        ("3", 1 << 19, "Yama forbids all tracing (kernel.yama.ptrace_scope is 3); only a reboot"),
        ("2", 0, "administrators only; run as root, or sysctl kernel.yama.ptrace_scope=1"),
        ("2", 1 << 19, "a security policy forbids it; renacer-otel doctor"),
        ("1", 0, "a security policy forbids it; renacer-otel doctor"),
        ("", 0, "a security policy forbids it; renacer-otel doctor"),
    ],
)
def test_yama(
    scope: str, capabilities: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "/proc/sys/kernel/yama/ptrace_scope": scope,
        "/proc/self/status": f"CapEff:\t{capabilities:016x}\nTracerPid:\t0\nSeccomp:\t0",
    }
    monkeypatch.setattr(failures, "_read", files.__getitem__)
    assert expected in failures.why_forbidden()


def test_forbidden_is_our_own_failure() -> None:
    assert TracingForbidden("").exit_code == 125


def limited(which: int, size: int) -> Callable[[], None]:
    """Sets a limit in the child, before it becomes renacer-otel."""
    return lambda: resource.setrlimit(which, (size, size))


@pytest.mark.parametrize(
    ("limit", "size", "ring", "error"),
    [
        (resource.RLIMIT_AS, 700 << 20, "1GiB", "Cannot allocate memory"),
        (resource.RLIMIT_FSIZE, 1 << 20, "8MiB", "over the limit on files (ulimit -f)"),
    ],
)
def test_no_memory_for_the_ring(
    limit: int, size: int, ring: str, error: str, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    words = ("-q", "-o", "/dev/null", "--ring-size", ring, "--", "touch", witness)
    done = renacer(*words, preexec_fn=limited(limit, size))
    assert done.code == 125
    assert "a ring of " in done.error
    assert error in done.error
    assert "--ring-size" in done.error
    assert not witness.exists()


def test_no_memfd() -> None:
    done = denied(["memfd_create:ENOSYS"], *TRACE_NOTHING)
    assert done.code == 125
    assert "memfd_create: Function not implemented" in done.error


def test_core_that_does_not_fit(tmp_path: Path) -> None:
    """A library of another version is refused before anything is started."""
    code = (
        "import sys\n"
        "from renacer_otel.engine import native\n"
        "native.LIBRARY = sys.argv[1]\n"
        "from renacer_otel.cli.main import main\n"
        "sys.exit(main(['--engine', 'ptrace', '-o', '/dev/null', 'true']))\n"
    )
    library = tmp_path / "librenacer.so"
    library.write_bytes(b"not a library")
    done = run_program([sys.executable, "-c", code, library])
    assert done.code == 125
    assert "the native core cannot be loaded" in done.error
    assert "reinstall renacer-otel" in done.error
