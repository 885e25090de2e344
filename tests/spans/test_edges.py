# SPDX-License-Identifier: MIT
"""Which call caused which, in real programs: links that are exported, edges that a TRACE gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.compiling import compiled_once


class Link(NamedTuple):
    """From an effect's span to its cause's, by names."""

    effect: str
    edge: str
    cause: str


@pytest.fixture(scope="module")
def subject(shared_folder: Path) -> Path:
    source = Path(__file__).parent / "subjects" / "edges.c"
    return compiled_once(shared_folder / "edges", source)


def value(pairs: Any, key: str) -> str:
    return next((str(pair.value.string_value) for pair in pairs if pair.key == key), "")


def run(subject: Path, folder: Path, kind: str, *options: str) -> tuple[set[Link], replay.Replay]:
    """The links of a run's spans, and its TRACE."""
    trace = folder / "run.renacer"
    with Receiver() as receiver:
        done = renacer(
            *("-q", "--otlp-endpoint", receiver.endpoint, "--format", "record", "-o", trace),
            *options,
            *("--", subject, kind),
        )
        assert (done.code, done.err) == (0, "")
        spans = [item.span for item in receiver.spans]
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    links = set()
    for span in spans:
        assert span.dropped_links_count == 0
        for link in span.links:
            cause = by_id[link.trace_id, link.span_id]
            edge = value(link.attributes, "renacer.edge")
            links.add(Link(span.name, edge, cause.name))
            assert value(span.attributes, "renacer.causes.incomplete") == ""
    return links, replay.of_trace(trace)


def certain(trace: replay.Replay) -> set[tuple[str, int, int]]:
    names = replay.edge_names()
    return {
        (names[int(edge["kind"])], int(edge["cause"]), int(edge["effect"]))
        for edge in trace.edges
        if edge["certain"]
    }


LINKS = {
    "wait": {Link("edges", "fork", "CLONE"), Link("wait4", "wait", "edges")},
    "vfork": {
        Link("edges", "fork", "VFORK"),
        Link("VFORK", "exec", "execve"),
        Link("wait4", "wait", "edges"),
    },
    "join": {Link("futex", "join", "exit")},
    "futex": {Link("futex", "futex", "futex")},
    "shared-futex": {Link("edges", "fork", "CLONE"), Link("futex", "futex", "futex")},
    "file-futex": {Link("edges", "fork", "CLONE"), Link("futex", "futex", "futex")},
    "kill": {Link("edges", "fork", "CLONE"), Link("getppid", "signal", "kill")},
    "sigqueue": {Link("edges", "fork", "CLONE"), Link("getppid", "signal", "rt_sigqueueinfo")},
    "sigwait": {Link("edges", "fork", "CLONE"), Link("rt_sigtimedwait", "signal", "kill")},
    # Without siginfo nobody knows who sent it.
    "sigwait-blind": {Link("edges", "fork", "CLONE")},
}
MAKERS = {"fork": "CLONE", "clone": "CLONE", "clone3": "CLONE", "vfork": "VFORK"}


@pytest.mark.parametrize("cpu", ["auto", "free"])
@pytest.mark.parametrize("kind", LINKS)
def test_links(kind: str, cpu: str, subject: Path, tmp_path: Path) -> None:
    # A vfork may be told before the exec that it waited for, and whose trace that is in.
    alone = ("--no-propagate",) if kind == "vfork" else ()
    links, trace = run(subject, tmp_path, kind, "--cpu", cpu, *alone)
    # A libc may fork by fork or clone, vfork by clone.
    makers = {**MAKERS, "clone": "VFORK"} if kind == "vfork" else MAKERS
    named = {
        Link(makers.get(link.effect, link.effect), link.edge, makers.get(link.cause, link.cause))
        for link in links
    }
    # Nothing else is between two threads here, but the bytes by which they take turns, and ends.
    mine = {"pipe", "wait", "join"} - {edge for _, edge, _ in LINKS[kind]}
    found = {link for link in named if link.edge not in mine and link.effect != "restart_syscall"}
    # SIGCHLD tells of the end, too: of the next call that is there.
    found -= {link for link in found if link.edge == "wait" and link.effect != "wait4"}
    assert found == LINKS[kind]
    # Every edge runs forward, and each link is an edge.
    assert len(certain(trace)) >= len(links)
    assert (trace.edges["cause_lamport"] < trace.edges["effect_lamport"]).all()


@pytest.mark.parametrize("cpu", ["auto", "free"])
def test_vfork_where_execs_may_change_traces(cpu: str, subject: Path, tmp_path: Path) -> None:
    """Which span the exec is may be told after the vfork: its maker's next call has the link."""
    links, _ = run(subject, tmp_path, "vfork", "--cpu", cpu)
    found = [link for link in links if link.edge == "exec" and link.cause == "execve"]
    assert len(found) == 1
    assert found[0].effect in ("vfork", "clone", "clone3", "wait4")


def test_nothing_is_linked_to_what_is_not_exported(subject: Path, tmp_path: Path) -> None:
    links, _ = run(subject, tmp_path, "shared-futex", "-e", "status=failed")
    assert {link.edge for link in links} == set()
    links, _ = run(subject, tmp_path, "wait", "-e", "trace=wait4")
    assert links == {Link("wait4", "wait", "edges")}


@pytest.mark.parametrize(
    ("kind", "edge", "enough", "too_few"),
    [
        ("futex", "futex", "!getpid", "!exit"),
        ("shared-futex", "futex", "!getpid", "!mmap"),
        ("file-futex", "futex", "!getpid", "!openat"),
        ("kill", "signal", "!mmap", "kill,getppid"),
        ("join", "join", "!getpid", "futex,exit"),
    ],
)
def test_calls_that_are_left_out(
    kind: str, edge: str, enough: str, too_few: str, subject: Path, tmp_path: Path
) -> None:
    """Where a call that may be a cause is not recorded, what is recorded is no certain cause."""
    for trace, linked in ((enough, True), (too_few, False)):
        links, told = run(subject, tmp_path, kind, "-e", f"trace={trace}")
        assert (edge in {link.edge for link in links}) == linked
        assert bool(told.calls["incomplete"].any()) != linked


def test_switched_off(subject: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENACER_DISABLE", "edges")
    links, _ = run(subject, tmp_path, "wait")
    assert {link.edge for link in links} == {"fork"}
