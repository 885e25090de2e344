# SPDX-License-Identifier: MIT
"""A program under the filter sees nothing of it: it uses seccomp itself as if it were alone."""

from __future__ import annotations

import os
import platform
import shutil
import signal
from pathlib import Path

import pytest

from tests.engine.test_filter import FEW, OFF, ON, told
from tests.engine.tools import (
    CALL,
    END,
    ENTER,
    START,
    Done,
    entries,
    environment,
    execute,
    line_of,
    record,
    running,
    same,
    traced,
)

WHATS = (
    "mode",
    "privileges",
    "questions",
    "strict",
    "thread",
    "kills",
    "traps",
    "traces",
    "together",
    "busy",
    "listens",
    "untraced",
    "odd",
    "errno",
    "prctl",
    "log",
)
# getppid is what the subject's filters are about; write and getpgid are left alone by them.
CHOSEN = "trace=getppid,execve,prctl,seccomp,clone,clone3,exit,exit_group"


@pytest.fixture(scope="module")
def bare(subject: Path) -> dict[str, Done]:
    """What the subject says when nobody looks."""
    return {what: execute([subject, "seccomp", what]) for what in WHATS}


@pytest.mark.parametrize("what", WHATS)
def test_it_sees_what_it_sees_alone(subject: Path, bare: dict[str, Done], what: str) -> None:
    assert bare[what].status == 0, bare[what]
    for chosen in (FEW, "trace=getpgid", CHOSEN):
        words = [*traced("-o", "/dev/null", *ON, "-e", chosen), subject, "seccomp", what]
        assert execute(words) == bare[what], chosen


@pytest.mark.parametrize("disable", ["get_syscall_info", "process_vm_readv"])
@pytest.mark.parametrize("what", ["strict", "traces", "together", "untraced", "odd", "errno"])
def test_with_other_fallbacks(
    subject: Path, bare: dict[str, Done], what: str, disable: str
) -> None:
    words = [*traced("-o", "/dev/null", *ON, "-e", FEW), subject, "seccomp", what]
    assert execute(words, environment(RENACER_DISABLE=disable)) == bare[what]


def test_the_subject_is_worth_its_while(bare: dict[str, Done]) -> None:
    """What must differ between the kinds of filters does."""
    assert "getppid: ended -9" in bare["strict"].output
    assert "late: ended 5" in bare["strict"].output
    if platform.machine() == "x86_64":
        assert "clock: ended -11" in bare["strict"].output
    assert bare["kills"].output == "process: ended -31\nthread: ended -31\n"
    assert "both: getppid ENOSYS, getpgid ENOSYS" in bare["traces"].output
    assert bare["listens"].output == "answer 4242\nmode 2\n"
    assert "thread: getppid EXDEV" in bare["together"].output
    assert "flags changed" not in bare["untraced"].output


@pytest.mark.parametrize(
    "what", ["mode", "strict", "kills", "traps", "traces", "errno", "prctl", "log", "questions"]
)
def test_the_same_events(subject: Path, tmp_path: Path, what: str) -> None:
    """What a filter of the program's own denies is told as without ours."""
    found = []
    for how in (ON, OFF):
        run = record(tmp_path, [subject, "seccomp", what], *how, "-e", CHOSEN)
        assert run.done.status == 0
        found.append(told(run.events))
    assert found[0] == found[1]


@pytest.mark.parametrize("what", ["together", "busy"])
def test_a_filter_put_on_all_threads(subject: Path, tmp_path: Path, what: str) -> None:
    """Calls of the other thread that are denied from then on are told, too."""
    run = record(tmp_path, [subject, "seccomp", what], *ON, "-e", FEW)
    denied = [e for e in run.events if e.name == "getppid" and e.result == -18]  # EXDEV
    by_thread = {e.tid for e in denied}
    if what == "busy":
        assert len(denied) == 4
        assert len(by_thread) == 1
    else:
        # The one that slept in a read was not disturbed: it is heard of at its next stop.
        assert run.done.output.count("EXDEV") == 2
        assert len(denied) >= 1


def test_untraced_children_stay_and_are_not_recorded(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "seccomp", "untraced"], *ON, "-e", CHOSEN)
    events = run.events
    assert len({event.tid for event in events}) == 1
    assert entries(events).count("getppid") == 0
    assert sum(event.kind == START for event in events) == 1
    assert sum(event.kind == END for event in events) == 1
    # As the program asked for it, whatever became of it.
    (call,) = [e for e in events if e.name == "clone" and e.kind in (CALL, ENTER)]
    assert call.args[0] == 0x00800000 | signal.SIGCHLD


def test_a_traced_word_for_an_untraced_child(subject: Path, tmp_path: Path) -> None:
    """CLONE_UNTRACED and CLONE_PTRACE together: ours, by its own word."""
    run = record(tmp_path, [subject, "births", "clone-untraced-ptrace"], *ON, "-e", FEW)
    tid = int(run.done.output.split()[0])
    assert entries(run.events, tid) == ["getppid"]


def without(*capabilities: str) -> list[str]:
    """Words that run a command without these capabilities, as root or not."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    dropped = ",".join(f"-{name}" for name in capabilities)
    words = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
    if execute([*words, "true"]).status:
        pytest.skip("capabilities cannot be dropped here")
    return words


def test_without_privileges(subject: Path, tmp_path: Path) -> None:
    """no_new_privs is set for our filter, and the program is answered as if it were not."""
    words = without("sys_admin", "sys_ptrace")
    for what in ("privileges", "mode", "strict", "errno"):
        plain = execute([*words, subject, "seccomp", what])
        before = [*words, *traced("-o", tmp_path / "text", *ON, "-e", FEW)]
        assert execute([*before, subject, "seccomp", what]) == plain
    assert "filter EACCES" in execute([*words, subject, "seccomp", "privileges"]).output
    told = execute([*words, *traced("-o", tmp_path / "text", "-e", FEW, "--verbose"), "true"])
    assert "seccomp filter on" in told.errors
    seen = execute([*before, "grep", "NoNewPrivs", "/proc/self/status"])
    assert seen.output == "NoNewPrivs:\t1\n"  # this is told of in the docs


def test_with_one_capability_of_two(subject: Path, tmp_path: Path) -> None:
    words = without("sys_admin")
    told = execute([*words, *traced("-e", FEW, "--verbose", "-o", tmp_path / "text"), "true"])
    assert told.status == 0
    assert "seccomp filter off: it would need no_new_privs" in told.errors
    refused = execute([*words, *traced("-e", FEW, *ON), "true"])
    assert refused.status == 125
    assert refused.errors.count("\n") == 1
    assert "CAP_SYS_PTRACE" in refused.errors


def test_with_privileges_nothing_is_set(tmp_path: Path) -> None:
    if os.geteuid() != 0 or without("sys_nice") is None:
        pytest.skip("needs root")
    words = [*traced("-o", tmp_path / "text", *ON, "-e", FEW)]
    seen = execute([*words, "grep", "NoNewPrivs", "/proc/self/status"])
    assert seen.output == "NoNewPrivs:\t0\n"


@pytest.mark.parametrize("number", [signal.SIGKILL])
def test_the_command_dies_with_us(subject: Path, number: int) -> None:
    words = [*traced("-o", os.devnull, *ON, "-e", FEW), "sh", "-c", "echo $$; read line"]
    with running(words, start_new_session=True) as process:
        pid = int(line_of(process))
        handle = os.pidfd_open(pid)
        try:
            process.send_signal(number)
            assert process.wait(30) == -number
            import select

            assert select.select([handle], [], [], 30)[0], "the command outlived its tracer"
        finally:
            os.close(handle)


def test_a_bigger_program_with_a_filter_of_its_own(tmp_path: Path) -> None:
    """A shell whose children inherit our filter and theirs: nothing is lost on the way."""
    script = "for i in 1 2 3 4 5; do cat /etc/hostname > /dev/null || exit 9; done; echo done"
    same(["sh", "-c", script], *ON, "-e", "trace=openat")
