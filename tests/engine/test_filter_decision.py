# SPDX-License-Identifier: MIT
"""Whether there is a filter: by what was asked for, by permission, and told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from renacer_otel.engine.filtering import Decision, Facts, decide, look
from renacer_otel.sidecar import filters
from tests.engine.test_filter import FEW, OFF, ON
from tests.engine.tools import execute, export, facts, traced

# Runs a command under a filter that answers one call by an errno.
DENYING = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
code = struct.pack("<HBBI", 0x20, 0, 0, 0) + struct.pack("<HBBI", 0x15, 0, 1, NR)
code += struct.pack("<HBBI", 6, 0, 0, 0x50000 | ERRNO) + struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000)
class Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(4, code))) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""
PTRACE, ADMIN = 1 << 19, 1 << 21
ROOT = Facts((6, 18), PTRACE | ADMIN, no_new_privs=False, filtered=False, transitions="")
USER = ROOT._replace(capabilities=0)
WANTED = filters.select(["trace=openat"]).wanted
MOST = filters.select(["trace=!%memory"]).wanted


@pytest.mark.parametrize(
    ("asked", "wanted", "detaches", "given", "expected"),
    [
        ("auto", WANTED, "", ROOT, ("auto", False)),
        ("on", WANTED, "", ROOT, ("on", False)),
        ("on", MOST, "", ROOT, ("on", False)),
        ("auto", MOST, "", ROOT, "half"),
        ("off", WANTED, "", ROOT, "as asked"),
        ("auto", None, "", ROOT, "every call"),
        ("on", None, "", ROOT, "every call"),
        ("on", WANTED, "--for", ROOT, "--for lets go"),
        ("auto", WANTED, "--for", ROOT, "--for lets go"),
        ("auto", WANTED, "", USER, ("auto", True)),
        ("auto", WANTED, "", USER._replace(no_new_privs=True), ("auto", False)),
        ("auto", WANTED, "", ROOT._replace(capabilities=ADMIN), ("auto", False)),
        ("on", WANTED, "", ROOT._replace(capabilities=PTRACE), "CAP_SYS_PTRACE"),
        ("auto", WANTED, "", ROOT._replace(capabilities=PTRACE), "CAP_SYS_PTRACE"),
        (
            "auto",
            WANTED,
            "",
            ROOT._replace(capabilities=PTRACE, no_new_privs=True),
            ("auto", False),
        ),
        ("on", WANTED, "", USER._replace(transitions="SELinux"), "SELinux"),
        ("auto", WANTED, "", ROOT._replace(transitions="SELinux"), ("auto", False)),
        ("auto", WANTED, "", ROOT._replace(filtered=True), "seccomp filter ourselves"),
        ("on", WANTED, "", ROOT._replace(kernel=(4, 7)), "Linux 4.8"),
        ("on", WANTED, "", ROOT._replace(kernel=(5, 0)), ("on", False)),
    ],
)
def test_decision(
    asked: str,
    wanted: list[int] | None,
    detaches: str,
    given: Facts,
    expected: tuple[str, bool] | str,
) -> None:
    found = decide(asked, wanted, detaches, given)
    if isinstance(expected, str):
        assert found.mode == "off"
        assert expected in found.reason
    else:
        assert found == Decision(*expected)


def test_forced_where_our_caller_filters_it_warns() -> None:
    found = decide("on", WANTED, "", ROOT._replace(filtered=True))
    assert found.mode == "on"
    assert "would not be seen" in found.reason


def test_the_facts_of_this_machine() -> None:
    found = look()
    assert found.kernel >= (3, 17)
    status = Path("/proc/self/status").read_text()
    assert f"CapEff:\t{found.capabilities:016x}\n" in status
    assert found.filtered == ("Seccomp:\t2\n" in status)
    assert found.no_new_privs == ("NoNewPrivs:\t1\n" in status)


@pytest.mark.parametrize("how", [(), ON, OFF])
def test_the_root_span_says_so(subject: Path, how: tuple[str, ...]) -> None:
    root = facts(export([subject, "mark", "300"], "-e", "trace=execve", *how).root)
    filtered = how != OFF
    assert root.get("renacer.seccomp", False) is filtered
    assert (root["renacer.stops"] < 100) is filtered


def test_a_kernel_that_refuses(tmp_path: Path) -> None:
    """Auto goes on without; `on` says so and runs nothing. A filter around us refuses ours."""
    script = tmp_path / "refusing.py"
    script.write_text(DENYING.replace("NR", str(seccomp_number())).replace("ERRNO", "22"))
    import sys

    before = [sys.executable, script]
    forced = execute([*before, *traced(*ON, "-e", FEW, "-o", tmp_path / "a"), "echo", "run"])
    assert (forced.status, forced.output) == (125, "")
    assert "the kernel refuses the filter (seccomp: Invalid argument)" in forced.errors
    assert forced.errors.count("\n") == 2  # the warning, and the error
    verbose = traced("--verbose", "-e", FEW, "-o", tmp_path / "b")
    free = execute([*before, *verbose, "echo", "run"])
    assert (free.status, free.output) == (0, "run\n")
    assert "seccomp filter off: we run under a seccomp filter ourselves" in free.errors
    assert "execve" in (tmp_path / "b").read_text()


def seccomp_number() -> int:
    from renacer_otel.engine import native

    return int(native.lib.rn_table_number(native.lib.rn_native_abi(), b"seccomp"))


def test_under_another_s_filter_it_warns(subject: Path, tmp_path: Path) -> None:
    """Forced where our caller has a filter that denies a call: told, and all else is the same."""
    import sys

    from renacer_otel.engine import native

    number = native.lib.rn_table_number(native.lib.rn_native_abi(), b"getpgid")
    script = tmp_path / "denying.py"
    script.write_text(DENYING.replace("NR", str(number)).replace("ERRNO", "18"))
    before = [sys.executable, script]
    for what in ("mode", "strict", "errno"):
        bare = execute([*before, subject, "seccomp", what])
        seen = execute([*before, *traced(*ON, "-e", FEW, "-o", tmp_path / "a"), subject, "seccomp",
                        what])  # fmt: skip
        assert (seen.status, seen.output) == (bare.status, bare.output)
        assert seen.errors.count("\n") == 1
        assert "warning: --seccomp-bpf on: we run under a seccomp filter" in seen.errors
