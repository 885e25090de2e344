# SPDX-License-Identifier: MIT
"""New programs: from threads, from scripts, from files that are none; and ends of every kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.engine.tools import (
    END,
    EXEC,
    Done,
    entries,
    environment,
    execute,
    export,
    facts,
    record,
    same,
    traced,
)


@pytest.mark.parametrize("how", ["thread", "orphan"])
def test_from_a_thread_that_is_not_the_first(subject: Path, tmp_path: Path, how: str) -> None:
    """The other threads vanish, the one takes over the process's id; its execve ends once."""
    words = [subject, "exec", how, subject, "mark", "3"]
    assert same(words) == Done(0, "", "")
    run = record(tmp_path, words)
    events = run.events
    pid = events[0].pid
    execs = [event for event in events if event.kind == EXEC]
    assert len(execs) == 2
    former = execs[1].args[1]
    assert former != pid
    assert execs[1].tid == pid
    # Begun by the thread, ended under the id that it has now.
    calls = [event for event in events if event.name == "execve" and event.kind in (1, 2)]
    (begun,) = [event for event in calls if event.tid == former]
    (ended,) = [event for event in calls if event.seq > begun.seq]
    assert (begun.kind, ended.kind) == (1, 2)
    assert (ended.tid, ended.result) == (pid, 0)
    # All others are told to have ended, each once; the former id is not heard of again.
    ends = [event.tid for event in events if event.kind == END]
    assert len(ends) == len(set(ends))
    assert former not in ends
    assert all(event.tid == pid for event in events if event.seq > ended.seq)
    assert entries(events, pid)[-4:] == ["getppid"] * 3 + ["exit_group"]


@pytest.mark.parametrize("how", ["thread", "orphan"])
def test_spans_of_an_exec_from_a_thread(subject: Path, how: str) -> None:
    run = export([subject, "exec", how, subject, "mark", "2"])
    run.check_tree()
    (process,) = run.processes
    assert facts(process)["process.exit.code"] == 0
    for span in run.named("getppid"):
        assert span.parent_span_id == process.span_id
    assert len(run.named("getppid")) == 3
    assert [facts(span)["syscall.result"] for span in run.named("execve")] == [0, 0]


def test_threads_inside_calls_at_exit_group(subject: Path, tmp_path: Path) -> None:
    words = [subject, "death", "group", "3"]
    assert same(words).status == 3
    run = record(tmp_path, words)
    ends = [event for event in run.events if event.kind == END]
    assert len(ends) == 5
    assert ends[-1].args[2] == 1
    assert all(os.waitstatus_to_exitcode(event.args[1]) == 3 for event in ends)
    spans = export(words)
    spans.check_tree()
    unfinished = [span.name for span in spans.spans if "renacer.unfinished" in facts(span)]
    assert unfinished.count("exit_group") == 1
    assert set(unfinished) <= {"exit_group", "read", "getppid", "write", "rseq", "set_robust_list",
                               "rt_sigprocmask"}  # fmt: skip


def test_the_first_thread_ends_first(subject: Path, tmp_path: Path) -> None:
    words = [subject, "death", "leader"]
    assert same(words).status == 9
    run = record(tmp_path, words)
    events = run.events
    pid = events[0].pid
    # Its own end is told last, when the other thread, which lived on, is gone.
    assert [event.tid == pid for event in events if event.kind == END] == [False, True]
    after = [event for event in events if event.name == "getppid"]
    assert after
    assert all(event.tid != pid for event in after)


@pytest.mark.parametrize(
    ("name", "mode", "content"),
    [
        ("missing", None, ""),
        ("not-executable", 0o644, "#!/bin/sh\n"),
        ("no-interpreter", 0o755, "#!/no/such/interpreter\n"),
        ("no-program", 0o755, "\x7fELF and nothing else"),
        ("empty", 0o755, ""),
        ("folder", 0o40755, ""),
    ],
)
def test_an_exec_that_fails(
    subject: Path, tmp_path: Path, name: str, mode: int | None, content: str
) -> None:
    path = tmp_path / name
    if mode is not None and mode & 0o40000:
        path.mkdir()
    elif mode is not None:
        path.write_text(content)
        path.chmod(mode)
    done = same([subject, "exec", "fails", path])
    assert done.status == 0
    assert done.output.strip()
    run = record(tmp_path, [subject, "exec", "fails", path])
    last = [event for event in run.events if event.name == "execve"][-1]
    assert last.result < 0
    assert os.strerror(-last.result) == done.output.strip()
    assert sum(event.kind == EXEC for event in run.events) == 1


def script(folder: Path, text: str, mode: int = 0o755) -> Path:
    path = folder / "script with space"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "first", ["#!/bin/sh\n", f"#!{sys.executable} -I\n", "#!/usr/bin/env -S sh -e\n"]
)
def test_scripts(tmp_path: Path, first: str) -> None:
    body = "print('said', 5)\n" if "python" in first else 'echo said 5 "$@" "$0"\n'
    path = script(tmp_path, first + body)
    done = same([path, "a  b", ""])
    assert done.output.startswith("said 5")
    run = export([path])
    (process,) = run.processes
    assert process.name in (
        "dash",
        "sh",
        "bash",
        os.path.basename(os.path.realpath(sys.executable)),
    )


def test_a_script_that_does_not_name_its_interpreter(tmp_path: Path) -> None:
    """A shell would run it itself; so does sh for us."""
    path = script(tmp_path, 'echo "$0" "$#" "$2"\nexit 4\n')
    done = execute([*traced("-o", os.devnull), path, "a", "b  c"])
    assert done == Done(4, f"{path} 2 b  c\n", "")
    assert execute(["sh", "-c", '"$0" "$@"', path, "a", "b  c"]).output == done.output


def test_found_by_path_of_the_command_s_environment(tmp_path: Path) -> None:
    tool = tmp_path / "a-tool-of-ours"
    tool.write_text("#!/bin/sh\necho found $0\n")
    tool.chmod(0o755)
    path = f"/no/such/folder:{tmp_path}:{os.environ['PATH']}"
    done = execute([*traced("-o", os.devnull), tool.name], environment(PATH=path))
    assert done == Done(0, f"found {tool}\n", "")


def test_many_arguments_and_a_great_environment(tmp_path: Path) -> None:
    script = "import sys, os; print(len(sys.argv), sum(map(len, sys.argv)), len(os.environ['BIG']))"
    words = [sys.executable, "-ISc", script]
    arguments = ["x" * 100] * 5000
    done = same([*words, *arguments], env=environment(BIG="y" * 120_000))
    assert done.output.split()[0] == "5001"


def test_streams_pass_through() -> None:
    bare = execute(["sh", "-c", "cat; echo error >&2; exit 3"], feed="in\n" * 1000)
    seen = execute(
        [*traced("-o", os.devnull), "sh", "-c", "cat; echo error >&2; exit 3"], feed="in\n" * 1000
    )
    assert seen == bare == Done(3, "in\n" * 1000, "error\n")
