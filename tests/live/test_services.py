# SPDX-License-Identifier: MIT
"""Two HTTP services with the OpenTelemetry SDK under one tracer, all of them into one Jaeger.

Each request is a trace of the services'. In it are both services' spans, as they export them, and
the calls that they made, under the span that was live; the rest is in the run's own trace.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.ring import trace_file
from tests.live.jaeger_api import read_trace
from tests.live.traced import trace

if TYPE_CHECKING:
    from tests.live.backend import Jaeger
    from tests.live.jaeger_api import ReadSpan

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

REQUESTS = 4
CLIENT = Path(__file__).parent / "subjects" / "client.py"
FRONT, BACK = 1000, 2000  # what the services' steps are counted from
OURS = "renacer_otel"


def is_process(span: ReadSpan) -> bool:
    return span.scope[0] == OURS and "process.pid" in span.attributes


@dataclass
class Seen:
    """What Jaeger holds of one run, and what the services say of their steps."""

    run_id: str
    traces: dict[str, list[ReadSpan]]
    steps: dict[int, tuple[str, str]]  # number of a step: trace and span that were current

    @cached_property
    def spans(self) -> list[ReadSpan]:
        return [span for spans in self.traces.values() for span in spans]

    @cached_property
    def calls(self) -> list[ReadSpan]:
        return [span for span in self.spans if "syscall.name" in span.attributes]

    @cached_property
    def processes(self) -> list[ReadSpan]:
        return [span for span in self.spans if is_process(span)]

    @cached_property
    def requests(self) -> dict[str, list[ReadSpan]]:
        return {name: spans for name, spans in self.traces.items() if name != self.run_id}


@pytest.fixture(scope="module")
def seen(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("services")
    command = [sys.executable, "-W", "ignore", str(CLIENT), str(jaeger.otlp_port), str(REQUESTS)]
    run = trace(folder, command, port=jaeger.otlp_port)
    assert run.status == 0, run.errors
    steps = {}
    for role in ("front", "back"):
        for line in (folder / f"{role}.steps").read_text("ascii").splitlines():
            number, trace_id, span_id = line.split()
            steps[int(number)] = trace_id, span_id
    assert len(steps) == REQUESTS * (6 + 3)
    run_id = trace_file.read(run.file).metadata["trace_id"]
    names = {run_id, *(trace_id for trace_id, _ in steps.values())}
    assert len(names) == REQUESTS + 1
    return Seen(run_id, {name: read_trace(jaeger.query_port, name) for name in names}, steps)


def named(spans: list[ReadSpan], service: str, name: str) -> ReadSpan:
    (found,) = [
        span for span in spans if span.resource["service.name"] == service and span.name == name
    ]
    return found


def edges(span: ReadSpan) -> dict[str, tuple[str, str]]:
    return {
        str(link.attributes["renacer.edge"]): (link.trace_id, link.span_id) for link in span.links
    }


def test_each_request_is_one_trace_of_both_services(seen: Seen) -> None:
    for trace_id, spans in seen.requests.items():
        front, ask = named(spans, "front", "request"), named(spans, "front", "ask")
        back, work = named(spans, "back", "request"), named(spans, "child", "work")
        assert (front.parent_id, ask.parent_id) == ("", front.span_id)
        assert back.parent_id == ask.span_id
        # The child continues from its own process span, which continues the request.
        (process,) = [span for span in seen.processes if span.span_id == work.parent_id]
        assert (process.trace_id, process.parent_id) == (trace_id, front.span_id)
        assert process.attributes["renacer.context"] == "foreign"
        known = {span.span_id for span in spans}
        assert all(span.parent_id in known for span in spans if span is not front)
        calls = Counter(span.parent_id for span in spans if "syscall.name" in span.attributes)
        assert {front.span_id, ask.span_id, back.span_id, process.span_id} <= set(calls)


def test_the_runs_trace_holds_all_processes_but_those_under_a_foreign_context(seen: Seen) -> None:
    assert len(seen.traces[seen.run_id]) > 1000
    foreign = [span for span in seen.processes if span.attributes["renacer.context"] == "foreign"]
    assert len(foreign) == REQUESTS
    for span in seen.processes:
        assert (span.trace_id == seen.run_id) == (span not in foreign)
    own = {span.span_id: span for span in seen.traces[seen.run_id]}
    for span in own.values():
        assert span.parent_id in own or span.name == "renacer-otel run"
        assert span.scope[0] == OURS
    # The client, two services, and what the children were before they ran their program.
    processes = [span for span in seen.processes if span not in foreign]
    assert len(processes) == 3 + REQUESTS
    assert len([span for span in processes if "renacer.superseded" in span.attributes]) == REQUESTS


def test_links_lead_both_ways(seen: Seen) -> None:
    there = {(span.trace_id, span.span_id): span for span in seen.spans}
    assert len(there) == len(seen.spans)
    for span in seen.spans:
        for link in span.links:
            assert (link.trace_id, link.span_id) in there
    for spans in seen.requests.values():
        front = named(spans, "front", "request")
        # From the run to the request: what the child was before is linked to the span over it.
        (before,) = [
            span
            for span in seen.processes
            if edges(span).get("application") == (front.trace_id, front.span_id)
        ]
        assert (before.trace_id, before.attributes["renacer.superseded"]) == (seen.run_id, True)
        # And back: the child to what it was and to the call that made it, each call to its process.
        (child,) = [span for span in spans if is_process(span)]
        assert edges(child)["exec"] == (before.trace_id, before.span_id)
        assert there[edges(child)["fork"]].parent_id == front.span_id
        assert there[edges(child)["parent"]].trace_id == seen.run_id
        for span in spans:
            if "syscall.name" in span.attributes and span.parent_id != child.span_id:
                process = there[edges(span)["process"]]
                assert (process.trace_id, process.name[:6]) == (seen.run_id, "python")


def test_calls_of_handlers_are_under_the_span_that_was_live(seen: Seen) -> None:
    threads = defaultdict(list)
    for call in seen.calls:
        threads[call.attributes["syscall.tid"]].append(call)
    right = wrong = outside = 0
    processes = {span.span_id for span in seen.processes}
    found: set[int] = set()
    for calls in threads.values():
        calls.sort(key=lambda call: call.start)
        steps = [step_of(call, seen) for call in calls]
        if not any(steps):
            continue
        # Between two steps the span of one of them, or, where both say the same, that one.
        before: int | None = None
        waiting: list[ReadSpan] = []
        for call, step in zip(calls, steps, strict=True):
            if step is None:
                waiting.append(call)
                continue
            found.add(step)
            begins = step % 10 == 0
            allowed = {seen.steps[step], seen.steps[step if before is None else before]}
            for one in [call] if begins else [*waiting, call]:
                is_right = (one.trace_id, one.parent_id) in allowed
                right, wrong = right + is_right, wrong + (not is_right)
            if begins:
                outside += check_outside(waiting, processes, allowed)
            before, waiting = (None if step % 10 == 5 else step), []
            last = seen.steps[step]
        outside += check_outside(waiting, processes, {last})
    assert found == set(seen.steps)
    assert right + wrong > 2 * len(found)
    assert right / (right + wrong) >= 0.99, (right, wrong)
    print(f"under the live span: {right}, elsewhere: {wrong}, where none was live: {outside}")


def step_of(call: ReadSpan, seen: Seen) -> int | None:
    """The number of the step that a call is."""
    number = call.attributes.get("syscall.args.pid")
    return number if call.name == "getpgid" and isinstance(number, int) else None


def check_outside(calls: list[ReadSpan], processes: set[str], edge: set[tuple[str, str]]) -> int:
    """Before the first step and after the last one: the process's, or at the span's very edge."""
    for call in calls:
        assert call.parent_id in processes or (call.trace_id, call.parent_id) in edge, call
    return len(calls)


def test_what_the_services_export_comes_once_and_from_them(seen: Seen) -> None:
    theirs = [span for span in seen.spans if span.scope[0] != OURS]
    assert Counter((span.resource["service.name"], span.name) for span in theirs) == {
        ("front", "request"): REQUESTS,
        ("front", "ask"): REQUESTS,
        ("back", "request"): REQUESTS,
        ("child", "work"): REQUESTS,
    }
    assert all("telemetry.distro.name" not in span.resource for span in theirs)
    assert {
        span.resource["telemetry.distro.name"] for span in seen.spans if span not in theirs
    } == {"renacer-otel"}
