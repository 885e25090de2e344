# SPDX-License-Identifier: MIT
"""OTEL_TRACES_SAMPLER, OTEL_BSP_* and the span limits on real runs: what arrives, and what the
command is told.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import environ, renacer

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-0"
SHOW = ("sh", "-c", "echo $TRACEPARENT $TRACESTATE")
KEPT, NOT_KEPT = "parentbased_always_on", "parentbased_always_off"


def unsampled(*words: str, **variables: str) -> str:
    """A run of which nothing arrives; what the command was told of its trace."""
    with Receiver() as receiver:
        done = renacer(
            "--otlp-endpoint", receiver.endpoint, *words, "--", *SHOW, env=environ(**variables)
        )
        assert receiver.totals()["requests"] == 0
    assert done.code == 0
    assert len(done.lines) == 1  # and no text
    assert done.totals.calls > 10
    assert (done.totals.sent, done.totals.lost) == (None, 0)
    return done.out.strip()


@pytest.mark.parametrize(
    "sampler", [{"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_TRACES_SAMPLER": NOT_KEPT},
                {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}]
)  # fmt: skip
def test_a_run_that_is_not_sampled(sampler: dict[str, str]) -> None:
    told = unsampled(**sampler)
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-02", told)
    assert match, told
    assert any(bytes.fromhex(match[1]))
    assert any(bytes.fromhex(match[2]))
    assert unsampled("--no-propagate", **sampler) == ""


def test_below_a_span_that_is_not_sampled() -> None:
    state = {"TRACEPARENT": f"{PARENT}0", "TRACESTATE": "a=b"}
    assert unsampled(**state) == f"{PARENT}0 a=b"
    # What we would have continued is what the command continues.
    sampled = {**state, "TRACEPARENT": f"{PARENT}3"}
    assert unsampled(OTEL_TRACES_SAMPLER="always_off", **sampled) == f"{PARENT}2 a=b"
    assert unsampled("--trace-parent", f"{PARENT}0", TRACEPARENT="") == f"{PARENT}0"


def test_always_on_is_stronger_than_the_parent() -> None:
    variables = {"OTEL_TRACES_SAMPLER": "always_on", "TRACEPARENT": f"{PARENT}0"}
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "--", *SHOW, env=environ(**variables))
        assert receiver.count == done.totals.sent == done.totals.calls + 2
        spans = [item.span for item in receiver.spans]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {span.flags & 0xFF for span in spans} == {1}
    assert re.match(rf"00-{TRACE}-[0-9a-f]{{16}}-01 renacer=", done.out)


def test_the_share_is_of_the_trace_s_id(tmp_path: Path) -> None:
    """The same id, the same verdict, as by the specification's threshold."""
    id_of_half = f"00-{'1' * 18}8{'0' * 13}-b7ad6b7169203331-01"
    for ratio, kept in (("0.4999", False), ("0.5", True), ("1", True)):
        file = tmp_path / ratio
        words = ("--format", "otlp-json", "-o", file, "--trace-parent", id_of_half)
        variables = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
        done = renacer("--verbose", *words, "--", "true", env=environ(**variables))
        assert done.code == 0
        assert (file.exists() and file.stat().st_size > 0) is kept
        told = f"(OTEL_TRACES_SAMPLER=traceidratio, {ratio}): nothing is exported"
        assert (told in done.err) is not kept


def test_a_trace_file_is_made_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "run.renacer"
    variables = environ(OTEL_TRACES_SAMPLER="always_off", OTEL_EXPORTER_OTLP_ENDPOINT="http://h:1")
    done = renacer("--format", "record", "-o", file, "--", "true", env=variables)
    assert (done.code, done.totals.lost) == (0, 0)
    assert file.stat().st_size > 500


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
    ],
)
def test_nonsense_is_told_and_the_command_runs(variable: str) -> None:
    with Receiver() as receiver:
        variables = {"OTEL_TRACES_SAMPLER": "traceidratio", variable: "non\x1bsense"}
        done = renacer("--otlp-endpoint", receiver.endpoint, "true", env=environ(**variables))
        assert done.totals.sent == receiver.count > 10
    assert done.code == 0
    assert len(done.lines) == 2
    assert done.lines[0].startswith(f"renacer-otel: warning: {variable}: 'non\\x1bsense' is ")
    assert done.lines[0].endswith(" is used")


def test_without_an_export_nothing_is_said() -> None:
    done = renacer("true", env=environ(OTEL_TRACES_SAMPLER="x", OTEL_BSP_MAX_QUEUE_SIZE="x"))
    assert (done.code, "OTEL" in done.err) == (0, False)


# --- batches ----------------------------------------------------------------------------------


def sizes(receiver: Receiver) -> list[int]:
    """Spans of each request: those of one share their resource."""
    found: dict[int, int] = {}
    for item in receiver.spans:
        found[id(item.resource)] = found.get(id(item.resource), 0) + 1
    return list(found.values())


def test_batches_have_so_many_spans() -> None:
    with Receiver() as receiver:
        variables = environ(OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10")
        done = renacer("--otlp-endpoint", receiver.endpoint, "--", "ls", "/", env=variables)
        found = sizes(receiver)
        assert sum(found) == done.totals.sent == done.totals.calls + 2
    assert max(found) == 10
    assert len(found) >= done.totals.calls // 10


def test_spans_that_wait_are_bounded_and_the_rest_is_counted() -> None:
    """Nobody takes any: the queue, what is being sent, and the root span are all that is kept."""
    with Receiver() as receiver:
        endpoint = receiver.endpoint
    variables = environ(OTEL_BSP_MAX_QUEUE_SIZE="20", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="5")
    words = ("--otlp-endpoint", endpoint, "--flush-timeout", "0")
    done = renacer(*words, "--", "ls", "/", env=variables)
    assert done.code == 0
    assert (done.totals.sent, done.totals.lost) == (0, done.totals.calls + 2)


def test_spans_do_not_wait_for_others() -> None:
    """Half a second of nothing between two calls: with no delay they go in two requests."""
    command = ("sh", "-c", "sleep 0.3; :")
    for delay, least in (("0", 2), ("60000", 1)):
        with Receiver() as receiver:
            variables = environ(OTEL_BSP_SCHEDULE_DELAY=delay)
            done = renacer("--otlp-endpoint", receiver.endpoint, "--", *command, env=variables)
            assert done.totals.sent == receiver.count
            found = len(receiver.calls)
        assert found >= least
        assert found == 1 or delay == "0"


# --- limits -----------------------------------------------------------------------------------


def spans_in(file: Path) -> list[dict[str, Any]]:
    return [
        span
        for line in file.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_limits_in_requests_and_files(tmp_path: Path) -> None:
    variables = environ(
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="4",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="3",
        OTEL_SPAN_LINK_COUNT_LIMIT="0",
    )
    file = tmp_path / "spans"
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--format", "otlp-json", "-o", file)
        done = renacer(*words, "--", "sh", "-c", "true | cat", env=variables)
        spans = [item.span for item in receiver.spans]
    assert done.code == 0
    written = {span["spanId"]: span for span in spans_in(file)}
    assert len(written) == len(spans) == done.totals.sent
    assert sum(span.dropped_links_count for span in spans) > 0
    for span in spans:
        texts = [pair.value.string_value for pair in span.attributes]
        assert all(len(text) <= 3 for text in texts)
        assert len(span.attributes) == 4
        assert span.dropped_attributes_count > 0
        assert not span.links
        same = written[span.span_id.hex()]
        assert same["droppedAttributesCount"] == span.dropped_attributes_count
        assert same.get("droppedLinksCount", 0) == span.dropped_links_count
        assert len(same["attributes"]) == 4
