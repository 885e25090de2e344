# SPDX-License-Identifier: MIT
"""Graphs of real programs against what they are known to do: these edges, and no others.

Processes are told by roles. An expectation is written from what the program's text says.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.causality.critical_path import critical_path
from renacer_otel.analysis.causality.graph import graph_of
from renacer_otel.analysis.causality.history import History
from renacer_otel.spans import replay
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from collections.abc import Iterable

WORKLOADS = Path(__file__).parent / "workloads"

#: Kinds that this version follows; the expectations say more.
FOLLOWED = {"fork", "wait", "signal", "pipe", "eof", "unix", "tcp", "connect"}
#: Not told yet: the end of a TCP connection that the end of its process closed.
UNTOLD = {"eof"}

Edges = set[tuple[str, str, str]]


def traced(path: Path, *command: str | Path, engine: str = "auto") -> History:
    options = ("--engine", engine, "--format", "record", "-o", path)
    done = renacer("-q", *options, "--", *command)
    assert done.code == 0, done.err
    run = replay.of_trace(path)
    assert run.is_whole
    return History.of(run)


def by_name(history: History) -> dict[int, str]:
    """Roles: what each process ran last."""
    return {ordinal: process.name for ordinal, process in history.run.processes.items()}


def by_birth(history: History, roles: Iterable[str]) -> dict[int, str]:
    """Roles in the order in which processes came to be."""
    return dict(zip(sorted(history.run.processes), roles, strict=True))


def edges_of(
    history: History, roles: dict[int, str], without: Iterable[str] = ()
) -> tuple[Edges, Edges]:
    """(certain edges, edges that are only possible), of the kinds that are followed."""
    assert history.unplaced == 0
    found: tuple[Edges, Edges] = (set(), set())
    for edge in graph_of(history).edges:
        if edge.kind in FOLLOWED and edge.kind not in without:
            found[not edge.certain].add((roles[edge.cause], roles[edge.effect], edge.kind))
    return found


def family(parent: str, *children: str) -> Edges:
    """A parent that makes children, and waits for each."""
    return {(parent, child, "fork") for child in children} | {
        (child, parent, "wait") for child in children
    }


def check(found: Edges, wanted: Edges, without: Iterable[str] = ()) -> None:
    """The edges that are wanted, all of them, and no others."""
    kinds = FOLLOWED - set(without)
    # Whether a shell waits for the exec of what it starts (vfork) is its own affair.
    assert {edge for edge in found if edge[2] != "exec"} == {
        edge for edge in wanted if edge[2] in kinds
    }


@pytest.mark.parametrize("engine", ["ptrace", "python"])
def test_shell_pipeline(tmp_path: Path, engine: str) -> None:
    (tmp_path / "words").write_text("two\none\n")
    script = 'cat "$1" | sort | head -n 1'
    history = traced(tmp_path / "r", "sh", "-c", script, "sh", tmp_path / "words", engine=engine)
    roles = by_name(history)
    shell = roles[1]
    assert Counter(roles.values()) == Counter([shell, "cat", "sort", "head"])
    found, possible = edges_of(history, roles)
    check(
        found,
        family(shell, "cat", "sort", "head")
        | {("cat", "sort", "pipe"), ("sort", "head", "pipe"), ("cat", "sort", "eof")},
    )
    assert possible == set()


def test_critical_path_of_a_command_that_waits(tmp_path: Path) -> None:
    """The shell does nothing but wait for what it starts, one after the other."""
    history = traced(tmp_path / "r", "sh", "-c", "cat /dev/null; sort /dev/null; exit 0")
    roles = by_name(history)
    path = critical_path(history)
    last = history.run.events[history.run.events["last"] != 0][-1]
    assert path.total == int(last["t"]) - int(history.run.events["t"][0])
    assert sum(share.running + share.kernel + share.blocked for share in path.shares) == path.total
    shell = roles[1]
    steps = [roles[history.process_of(step.first.thread)] for step in path.steps]
    assert steps == [shell, "cat", shell, "sort", shell]
    assert path.certain
    kinds = [(roles[row.process], roles[row.on], row.edge) for row in path.blocked_on]
    assert sorted(kinds) == sorted([
        ("cat", shell, "fork"), (shell, "cat", "wait"),
        ("sort", shell, "fork"), (shell, "sort", "wait"),
    ])  # fmt: skip


def test_preforking_server_and_client(tmp_path: Path) -> None:
    history = traced(tmp_path / "r", sys.executable, "-S", WORKLOADS / "server.py")
    found, possible = edges_of(history, by_birth(history, ["parent", "one", "two", "client"]))
    wanted = family("parent", "one", "two", "client")
    for worker in ("one", "two"):
        wanted |= {
            ("client", worker, "connect"),
            ("client", worker, "tcp"),  # the request
            (worker, "client", "tcp"),  # the answer
            (worker, "client", "eof"),
        }
    check(found, wanted)
    assert possible == set()


def test_multiprocessing_pool(tmp_path: Path) -> None:
    history = traced(tmp_path / "r", sys.executable, "-S", WORKLOADS / "pool.py")
    found, possible = edges_of(history, by_birth(history, ["parent", "one", "two"]))
    wanted = family("parent", "one", "two")
    wanted |= {("one", "two", "pipe"), ("two", "one", "pipe")}  # the tasks, to each other
    for worker in ("one", "two"):
        wanted |= {("parent", worker, "pipe"), (worker, "parent", "pipe")}  # tasks and results
    # Who of the two has to wait for the other at the locks of the pool's queues is chance.
    check({edge for edge in found if edge[2] != "futex"}, wanted)
    assert {kind for _, _, kind in possible} <= {"ready", "futex"}


@pytest.mark.needs("redis-server", "redis-cli")
def test_redis_and_a_client(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    script = (
        'redis-server --port "$1" --bind 127.0.0.1 --save "" --dir "$2" >/dev/null &\n'
        'until redis-cli -p "$1" ping >/dev/null 2>&1; do :; done\n'
        'redis-cli -p "$1" set key value >/dev/null\n'
        'redis-cli -p "$1" get key >/dev/null\n'
        'redis-cli -p "$1" shutdown nosave\n'
        "wait"
    )
    history = traced(tmp_path / "r", "sh", "-c", script, "sh", port, tmp_path)
    roles = by_name(history)
    roles.update({
        ordinal: "server" if "server" in name or "check" in name else "client"
        for ordinal, name in roles.items() if name.startswith("redis")
    })  # fmt: skip
    shell = roles[1]
    found, possible = edges_of(history, roles, UNTOLD)
    wanted = family(shell, "client", "server") | {
        ("client", "server", "connect"),
        ("client", "server", "tcp"),
        ("server", "client", "tcp"),
        ("client", "server", "eof"),
        ("server", "client", "eof"),  # of shutdown
    }
    check(found, wanted, without=UNTOLD)
    assert {kind for _, _, kind in possible} <= {"ready"}


@pytest.mark.needs("bash", "mkfifo")
def test_bash_job_control(tmp_path: Path) -> None:
    history = traced(tmp_path / "r", "bash", WORKLOADS / "jobs.sh", tmp_path)
    roles = by_name(history)
    assert Counter(roles.values()) == Counter(["bash", "mkfifo", "cat"])
    found, possible = edges_of(history, roles)
    wanted = family("bash", "mkfifo", "cat") | {
        ("bash", "cat", "pipe"),
        ("cat", "bash", "pipe"),
        ("bash", "cat", "signal"),
    }
    # A job reads its group's pipe until none writes to it: who closes it last is as it comes.
    check(found - {("bash", "cat", "eof"), ("bash", "mkfifo", "eof")}, wanted)
    assert possible == set()
