# SPDX-License-Identifier: MIT
"""renacer_otel.instrument: calls go under the span that OpenTelemetry says is current."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from renacer_otel import instrument
from renacer_otel.spans.markers import value_for
from tests.context.marks import FIRST, SECOND, WAYS, is_under, is_under_process, ran, steps
from tests.context.spans import links
from tests.engine.tools import environment, execute, export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.tools import Spans

SUBJECT = Path(__file__).parent / "subjects" / "spans_of_its_own.py"
PYTHON = (sys.executable, "-W", "ignore", SUBJECT)


def checked(what: str, way: str) -> tuple[Spans, dict[int, str]]:
    """Each step under the span that the program itself says is live there."""
    run = ran([*PYTHON, what], *WAYS[way])
    said = dict(line.split() for line in run.done.output.splitlines())
    expected = {int(number): name for number, name in said.items()}
    found = steps(run)
    assert found.keys() == expected.keys()
    for number, name in expected.items():
        if name == "-":
            is_under_process(run, found[number])
        else:
            is_under(run, found[number], f"00-{name}")
    return run, expected


def under(expected: dict[int, str]) -> set[int]:
    return {number for number, name in expected.items() if name != "-"}


@pytest.mark.parametrize("way", WAYS)
def test_spans_within_spans(way: str) -> None:
    _, expected = checked("plain", way)
    assert under(expected) == {1, 2, 3}
    assert expected[1] == expected[3] != expected[2]


@pytest.mark.parametrize("way", WAYS)
def test_threads(way: str) -> None:
    _, expected = checked("threads", way)
    assert under(expected) == {1, 2, 3, *range(10, 15), 20}
    assert expected[10] == expected[14] == expected[20]


@pytest.mark.parametrize("way", WAYS)
def test_executors(way: str) -> None:
    _, expected = checked("executors", way)
    assert under(expected) == {1, 2, 3, *range(10, 15), *range(20, 25), 31}
    assert expected[10] == expected[24] == expected[31]


@pytest.mark.parametrize("way", WAYS)
def test_asyncio(way: str) -> None:
    _, expected = checked("asyncio", way)
    assert len({expected[20 * number] for number in range(4)}) == 4
    assert expected[0] == expected[4] == expected[5] == expected[9] == expected[10] != expected[11]
    assert expected[900] == expected[902] == expected[11]
    assert expected[901] == "-"
    assert expected[903] == expected[904] != "-"
    assert expected[905] == "-"


@pytest.mark.parametrize("way", WAYS)
def test_forked_and_executed(way: str) -> None:
    run, expected = checked("forks", way)
    assert under(expected) == {0, 1, 2, 3}
    assert expected[0] == expected[2] == expected[3] != expected[1]
    if way != "filtered":
        for child in run.processes:
            if run.by_id.get((child.trace_id, child.parent_span_id)) in run.processes:
                trace_id, span_id = links(child)["application"]
                assert expected[0].startswith(f"{trace_id.hex()}-{span_id.hex()}-")


@pytest.mark.parametrize("way", WAYS)
def test_in_a_signal_handler(way: str) -> None:
    _, expected = checked("signals", way)
    assert expected[0] == expected[2] != expected[1] != "-"


def test_current_but_not_live() -> None:
    assert under(checked("odd", "ptrace")[1]) == {0, 3}


def test_not_sampled() -> None:
    assert not under(checked("unsampled", "ptrace")[1])


def test_what_it_exports_is_not_ours() -> None:
    """No span of the application's comes from us."""
    run, expected = checked("plain", "ptrace")
    ours = {span.span_id.hex() for span in run.spans}
    assert not ours & {name.split("-")[1] for name in expected.values()}


def test_untraced_it_says_nothing(marks: Path) -> None:
    """A filter that kills who tells proves it."""
    words = [marks, "filter-exec", FIRST, SECOND, *PYTHON, "plain"]
    assert execute(words, environment()).status == 0
    assert execute(words, environment(RENACER_MARKERS="1:00009")).status == -31


@pytest.mark.parametrize("way", WAYS)
def test_silent_under_a_filter_that_is_not_ours(marks: Path, way: str) -> None:
    run = export([marks, "filter-exec", FIRST, SECOND, *PYTHON, "plain"], *WAYS[way])
    assert run.done.status == 0, run.done
    assert len(steps(run)) == 6
    for span in steps(run).values():
        is_under_process(run, span)


def test_nothing_is_imported_and_nothing_read_where_nobody_asks() -> None:
    code = (
        "import sys; from renacer_otel.instrument import instrument; assert not instrument()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "assert 'renacer_otel._native' not in sys.modules and 'cffi' not in sys.modules"
    )
    done = execute([sys.executable, "-c", code], environment())
    assert done.status == 0, done


@pytest.mark.parametrize(
    "what",
    [
        "sys.modules['opentelemetry'] = None",
        "from opentelemetry.context import context\ndel context._RuntimeContext",
        "from opentelemetry.sdk import trace\ndel trace.SpanProcessor",
    ],
    ids=["not installed", "other contexts", "other spans"],
)
def test_a_program_without_what_is_followed_runs_on(what: str) -> None:
    code = (
        f"import sys, threading\n{what}\nrun = threading.Thread.run\n"
        "from renacer_otel.instrument import instrument\n"
        "class Provider:\n    def add_span_processor(self, processor): pass\n"
        "assert not instrument(Provider())\nassert threading.Thread.run is run"
    )
    done = execute([sys.executable, "-c", code], environment(RENACER_MARKERS=value_for()))
    assert done.status == 0, done
    assert not done.errors, done


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is told in this process."""
    told: list[bytes] = []

    def write(descriptor: int, frame: bytes) -> int:
        assert descriptor == -1
        told.append(frame)
        raise OSError(errno.EBADF, "as it should")

    monkeypatch.setattr(instrument, "_write", write)
    monkeypatch.setenv("RENACER_MARKERS", value_for())
    yield told
    instrument.uninstrument()


def test_each_change_is_told_once(frames: list[bytes]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    assert instrument.instrument(provider)
    assert not frames
    with tracer.start_as_current_span("outer") as outer:
        for _ in range(3):
            with trace.use_span(outer):
                pass
        with tracer.start_as_current_span("inner"):
            tracer.start_span("not current").end()
    assert [len(frame) for frame in frames] == [65, 65, 65, 10]
    assert frames[0] == frames[2] != frames[1]
    assert frames[3] == b"renacer:1:"
    context = outer.get_span_context()
    assert frames[0] == b"renacer:1:00-%032x-%016x-%02x" % (
        context.trace_id, context.span_id, context.trace_flags,
    )  # fmt: skip


@pytest.mark.parametrize("answer", [65, OSError(errno.EPERM, "no"), OSError(errno.ENOSYS, "no")])
def test_any_other_answer_ends_it(
    frames: list[bytes], monkeypatch: pytest.MonkeyPatch, answer: int | OSError
) -> None:
    def write(_descriptor: int, frame: bytes) -> int:
        frames.append(frame)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(instrument, "_write", write)
    provider = TracerProvider(shutdown_on_exit=False)
    assert instrument.instrument(provider)
    for _ in range(3):
        with provider.get_tracer("test").start_as_current_span("span"):
            pass
    assert len(frames) == 1


@pytest.mark.parametrize("value", ["", "2:00000", "1:", "1:x", "1:123456"])
def test_what_does_not_ask(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RENACER_MARKERS", value)
    assert not instrument.instrument()


def test_asked_for_by_hand(frames: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    if value_for() != "1:00000":
        pytest.skip("under a seccomp filter")
    monkeypatch.delenv("RENACER_MARKERS")
    assert not instrument.instrument()
    assert instrument.instrument(auto=False)
    assert not frames
