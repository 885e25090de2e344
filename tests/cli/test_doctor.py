# SPDX-License-Identifier: MIT
"""`renacer-otel doctor`, here and where something is forbidden."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.engine import abilities
from renacer_otel.exporters.receiver import Receiver, Reply
from tests.cli.tool import DENY, RENACER, Done, denied, environ, renacer, run_program

if TYPE_CHECKING:
    from renacer_otel.engine.abilities import Ability

ENDS = {
    "all": "Commands can be traced here.",
    "no endpoint": "Commands can be traced here, but no span would arrive: see FAIL above.",
    "nothing": "Commands cannot be traced here: see FAIL above.",
}


class Report(dict[str, tuple[str, str, str]]):
    """(mark, what was found, fix) of each ability."""

    end = ""

    def marks(self, mark: str) -> set[str]:
        """The abilities with this mark."""
        return {name for name, item in self.items() if item[0] == mark}


def report(done: Done) -> Report:
    """Reads what doctor printed; fails the test where it is not of that form."""
    assert done.err == ""
    assert all(line.isprintable() for line in done.out.splitlines())
    made = Report()
    *lines, made.end = done.out.splitlines()
    name = ""
    for line in lines:
        if match := re.fullmatch(r"(ok|note|FAIL) +(\S+(?: \S+)*)  +(\S.*)", line):
            name = match[2]
            assert name not in made
            made[name] = (match[1], match[3], "")
        else:
            fix = re.fullmatch(r" +fix: (\S.*)", line)
            assert fix, line
            made[name] = (*made[name][:2], fix[1])
    for name, (mark, _, fix_) in made.items():
        assert bool(fix_) == (mark != "ok"), name  # each lack with its fix, and only a lack
    return made


def test_machine_that_can(tmp_path: Path) -> None:
    done = renacer("doctor", cwd=tmp_path)
    found = report(done)
    assert done.code == 0, done.out
    assert found.end == ENDS["all"]
    assert found.marks("FAIL") == set()
    assert found.keys() >= {
        "machine",
        "kernel",
        "Yama ptrace_scope",
        "CAP_SYS_PTRACE",
        "CAP_SYS_NICE",
        "seccomp",
        "security modules",
        "no tracer around us",
        "ptrace",
        "PTRACE_GET_SYSCALL_INFO",
        "process_vm_readv",
        "CPU sharing",
        "sealed memory (ring)",
        "engine ptrace",
        "OTLP endpoint",
    }
    assert re.match(r"traced `true`: \d+ calls in \d+ ms", found["engine ptrace"][1])
    assert found["OTLP endpoint"][1].startswith("none: the trace is written as text")
    assert list(tmp_path.iterdir()) == []


def test_ptrace_is_forbidden() -> None:
    done = denied(["ptrace:EPERM"], "doctor")
    found = report(done)
    assert done.code == 125
    assert found.end == ENDS["nothing"]
    assert found.marks("FAIL") == {"ptrace", "engine ptrace"}
    assert found["ptrace"][1] == "PTRACE_SEIZE: EPERM, Operation not permitted"
    assert "--cap-add SYS_PTRACE" in found["ptrace"][2]
    assert found["seccomp"][1].startswith("a filter is on us")
    assert "process_vm_readv" not in found  # there is nothing to try it on


@pytest.mark.parametrize(
    ("rule", "name", "shown", "fix"),
    [
        ("ptrace:EIO:0x420e", "PTRACE_GET_SYSCALL_INFO", "registers are read instead", "5.3"),
        ("process_vm_readv:EPERM", "process_vm_readv", "EPERM", "--cap-add SYS_PTRACE"),
        ("process_vm_readv:ENOSYS", "process_vm_readv", "ENOSYS", "seccomp profile"),
    ],
)
def test_what_has_a_fallback_is_a_note(rule: str, name: str, shown: str, fix: str) -> None:
    done = denied([rule], "doctor")
    found = report(done)
    assert done.code == 0
    assert found[name][0] == "note"
    assert shown in found[name][1]
    assert fix in found[name][2]
    assert found.marks("FAIL") == set()


def test_cpus_cannot_be_shared() -> None:
    done = denied(["sched_setaffinity:EPERM"], "doctor")
    found = report(done)
    assert done.code == 0
    if len(os.sched_getaffinity(0)) > 1:
        assert found["CPU sharing"][0] == "note"
        assert "taskset" in found["CPU sharing"][2]


def test_kernel_without_seize_or_memory_files() -> None:
    done = denied(["ptrace:EIO:0x4206", "memfd_create:ENOSYS"], "doctor")
    found = report(done)
    assert done.code == 125
    assert found.marks("FAIL") == {"ptrace", "sealed memory (ring)", "engine ptrace"}
    assert "Linux 3.8" in found["ptrace"][2]
    assert "memfd_create is missing" in found["sealed memory (ring)"][2]


@pytest.mark.needs("strace")
def test_within_a_tracer() -> None:
    done = run_program(["strace", "-f", "-o", "/dev/null", RENACER, "doctor"])
    found = report(done)
    assert done.code == 125
    assert re.fullmatch(r"process \d+ traces us", found["no tracer around us"][1])
    assert found["no tracer around us"][0] == "note"
    assert "ptrace" in found.marks("FAIL")


@pytest.mark.needs("setpriv")
def test_like_a_container() -> None:
    """No capability, no new privileges, a filter that lets tracing through; with and without."""
    if os.geteuid() != 0:
        pytest.skip("needs root to give capabilities away")
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    done = run_program(
        [*drop, sys.executable, DENY, "memfd_create:EPERM:7", "--", RENACER, "doctor"]
    )
    found = report(done)
    assert done.code == 0, done.out
    assert found.marks("note") == {"CAP_SYS_PTRACE", "CAP_SYS_NICE", "calls filtered by -e"}
    assert "--cap-add SYS_PTRACE" in found["CAP_SYS_PTRACE"][2]
    assert found["seccomp"][1].startswith("a filter is on us")
    done = run_program([*drop, sys.executable, DENY, "ptrace:EPERM", "--", RENACER, "doctor"])
    found = report(done)
    assert done.code == 125
    assert found.marks("note") == {"CAP_SYS_PTRACE", "CAP_SYS_NICE", "calls filtered by -e"}
    assert found.marks("FAIL") == {"ptrace", "engine ptrace"}


def test_commands_are_traced_without_capabilities(tmp_path: Path) -> None:
    """What doctor promises of such a place is kept."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    done = run_program([*drop, RENACER, "-o", str(tmp_path / "trace"), "echo", "word"])
    assert (done.code, done.out) == (0, "word\n")
    assert done.totals.calls > 10


def test_endpoint() -> None:
    with Receiver() as receiver:
        done = renacer("doctor", "--otlp-endpoint", receiver.endpoint)
        assert receiver.totals()["requests"] == 1
        assert receiver.count == 0  # nothing but the question
    assert done.code == 0
    assert report(done)["OTLP endpoint"][:2] == ("ok", f"{receiver.endpoint}: takes OTLP/gRPC")


def test_endpoint_of_the_environment() -> None:
    with Receiver() as receiver:
        done = renacer("doctor", env=environ(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint))
        assert receiver.totals()["requests"] == 1
    assert done.code == 0


def test_endpoint_where_nobody_listens() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{holder.getsockname()[1]}"
        done = renacer("doctor", "--otlp-endpoint", endpoint)
    found = report(done)
    assert done.code == 125
    assert found.end == ENDS["no endpoint"]
    assert found.marks("FAIL") == {"OTLP endpoint"}
    assert "connection refused" in found["OTLP endpoint"][1]
    assert "docker compose up" in found["OTLP endpoint"][2]


def test_endpoint_that_refuses() -> None:
    with Receiver(script=[Reply(code="UNAUTHENTICATED", message="who\x1b?")]) as receiver:
        done = renacer("doctor", "--otlp-endpoint", receiver.endpoint)
    assert done.code == 125
    assert "UNAUTHENTICATED" in report(done)["OTLP endpoint"][1]


def test_endpoint_that_is_none() -> None:
    done = renacer("doctor", "--otlp-endpoint", "ftp://host")
    found = report(done)
    assert done.code == 125
    assert "the scheme 'ftp' is not supported yet" in found["OTLP endpoint"][1]


def test_unknown_words() -> None:
    done = renacer("doctor", "now")
    assert done.code == 125
    assert done.error == "not expected: now; see renacer-otel doctor --help"


# --- what this machine does not have: files in its place --------------------------------------

YAMA = "/proc/sys/kernel/yama/ptrace_scope"
STATUS = "/proc/self/status"
SELINUX = "/sys/fs/selinux/booleans/deny_ptrace"
LABEL = "/proc/self/attr/current"


def with_files(monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> None:
    """Lets abilities read these files, and no other."""
    monkeypatch.setattr(abilities, "read_line", files.get)


@pytest.mark.parametrize(
    ("scope", "capable", "ok", "shown", "fix"),
    [
        (None, False, True, "not there", ""),
        ("0", False, True, "any process of yours", ""),
        ("1", False, True, "commands that we start", ""),
        ("2", True, True, "administrators only", ""),
        ("2", False, False, "administrators only", "run as root, or sysctl"),
        ("3", True, False, "nobody", "reboot"),
        ("9\x1b", False, True, r"9\x1b", ""),
    ],
)
def test_yama(
    scope: str | None,
    capable: bool,
    ok: bool,
    shown: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {STATUS: f"CapEff:\t{1 << 19 if capable else 0:016x}"}
    with_files(monkeypatch, files if scope is None else {**files, YAMA: scope})
    found = abilities._yama()
    assert found.ok == ok
    assert found.needed
    assert shown in found.found
    assert fix in found.fix


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("0", "no filter on us"), ("2", "a filter is on us"), (None, "not in this kernel")],
)
def test_seccomp(mode: str | None, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_files(monkeypatch, {STATUS: f"Seccomp:\t{mode}" if mode else ""})
    assert shown in abilities._seccomp().found


@pytest.mark.parametrize(
    ("files", "ok", "shown"),
    [
        ({}, True, "none confines us"),
        ({LABEL: "unconfined"}, True, "none confines us"),
        ({LABEL: "docker-default (enforce)"}, True, "we run as docker-default (enforce)"),
        ({LABEL: "system_u:system_r:container_t:s0"}, True, "container_t"),
        ({LABEL: "unconfined_u:unconfined_r:unconfined_t:s0", SELINUX: "0 0"}, True, "none"),
        ({SELINUX: "1 1"}, False, "deny_ptrace is on"),
    ],
)
def test_security_modules(
    files: Mapping[str, str], ok: bool, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(monkeypatch, files)
    found = abilities._security_module()
    assert found.ok == ok
    assert shown in found.found
    assert ok or found.fix == "setsebool deny_ptrace off"


@pytest.mark.parametrize(
    ("release", "ok"),
    [("6.18.44-x", True), ("3.17.0", True), ("3.16.9", False), ("2.6.32-754.el6", False)],
)
def test_kernel(release: str, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    found = abilities._kernel()
    assert (found.ok, found.needed) == (ok, True)
    assert release in found.found


def test_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    found = abilities._machine()
    assert not found.ok
    assert found.needed
    assert "x86_64 and aarch64" in found.fix


def failing(error: OSError) -> Callable[..., int]:
    """A function that fails so."""

    def fail(*_: object) -> int:
        raise error

    return fail


@pytest.mark.parametrize(
    ("number", "fix"),
    [(1, "seccomp"), (24, "ulimit -n"), (27, "ulimit -f"), (12, "free some memory")],
)
def test_memory_for_the_ring(number: int, fix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr("os.memfd_create", failing(error))
    found = abilities._ring_memory()
    assert not found.ok
    assert found.needed
    assert fix in found.fix


def test_trial_leaves_no_child() -> None:
    found: list[Ability] = abilities._trials()
    assert [item.name for item in found] == [
        "ptrace",
        "PTRACE_GET_SYSCALL_INFO",
        "process_vm_readv",
    ]  # and the fixture no_leftover_processes looks for the child
