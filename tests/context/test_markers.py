# SPDX-License-Identifier: MIT
"""Markers: a program tells which span of its own is live, and its calls go under that span."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

import renacer_otel
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans.markers import value_for
from tests.compiling import compiler
from tests.context.marks import (
    FIRST,
    SECOND,
    UNSAMPLED,
    WAYS,
    is_under,
    is_under_process,
    ran,
    steps,
)
from tests.context.spans import links, parse
from tests.engine.attaching import attached, settled, until
from tests.engine.tools import (
    LIMIT,
    Done,
    Spans,
    environment,
    execute,
    export,
    facts,
    line_of,
    record,
    running,
    traced,
)

CONTEXT_RECORD = 9


@pytest.mark.parametrize(
    ("cc", "standards"),
    [
        ("cc", ("c90", "c99", "c11", "gnu11")),
        ("musl-gcc", ("c11", "gnu11")),
        ("c++", ("c++98", "c++20")),
    ],
)
def test_the_header_in_any_standard(tmp_path: Path, cc: str, standards: tuple[str, ...]) -> None:
    """Strict ones hide what is not theirs: the header is for programs that have chosen already."""
    include = Path(renacer_otel.__file__).parent / "include"
    source = tmp_path / ("a.cc" if cc == "c++" else "a.c")
    source.write_text("#include <renacer_marker.h>\nvoid f(void) { renacer_marker(0); }\n")
    flags = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wredundant-decls", "-Werror")
    for standard in standards:
        words = [compiler(cc), "-c", *flags, f"-std={standard}", "-I", include, source]
        assert execute([*words, "-o", tmp_path / "a.o"]) == Done(0, "", "")


@pytest.mark.parametrize("way", WAYS)
def test_calls_go_under_the_span_that_was_told(marks: Path, way: str) -> None:
    run = ran([marks, "plain", FIRST, SECOND], *WAYS[way])
    found = steps(run)
    assert set(found) == set(range(5))
    is_under_process(run, found[0])
    is_under(run, found[1], FIRST)
    is_under(run, found[2], SECOND)
    is_under(run, found[3], FIRST)
    is_under_process(run, found[4])


@pytest.mark.parametrize("way", WAYS)
def test_each_thread_has_its_own(marks: Path, way: str) -> None:
    run = ran([marks, "threads", FIRST, SECOND], *WAYS[way])
    found = steps(run)
    is_under(run, found[0], FIRST)
    is_under_process(run, found[5])
    is_under(run, found[6], SECOND)
    is_under(run, found[1], FIRST)


@pytest.mark.parametrize("way", WAYS)
def test_what_it_makes_begins_with_none_and_is_linked(marks: Path, way: str) -> None:
    run = ran([marks, "forks", FIRST, SECOND], *WAYS[way])
    found = steps(run)
    is_under_process(run, found[5])
    is_under(run, found[6], SECOND)
    is_under_process(run, found[7])
    is_under(run, found[0], FIRST)
    is_under(run, found[1], FIRST)
    # Its own process span is in the tree, and knows of the span that was live over its birth.
    parent = parse(FIRST)
    children = [span for span in run.processes if "application" in links(span)]
    assert len(children) == (2 if way != "filtered" else len(children))
    for child in children:
        assert links(child)["application"] == (parent.trace_id, parent.span_id)
        assert run.by_id[child.trace_id, child.parent_span_id] in run.processes


@pytest.mark.parametrize("way", WAYS)
def test_in_a_signal_handler(marks: Path, way: str) -> None:
    run = ran([marks, "signals", FIRST, SECOND], *WAYS[way])
    found = steps(run)
    is_under(run, found[0], FIRST)
    is_under(run, found[5], SECOND)
    is_under(run, found[1], FIRST)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the 32-bit ABI of x86_64")
@pytest.mark.parametrize("way", WAYS)
def test_by_the_other_abi(marks: Path, way: str) -> None:
    run = ran([marks, "compat", FIRST, SECOND], *WAYS[way])
    is_under(run, steps(run)[0], FIRST)


def test_of_a_process_that_is_attached_to(marks: Path) -> None:
    env = environment(RENACER_MARKERS=value_for())
    with (
        Receiver() as receiver,
        running([marks, "attached", FIRST, SECOND], env=env) as process,
    ):
        assert line_of(process) == "ready"
        with attached(process.pid, "--otlp-endpoint", receiver.endpoint) as tracer:
            until(lambda: settled(process.pid))
            assert process.stdin is not None
            process.stdin.close()
            assert tracer.wait(LIMIT) == 0
        run = Spans(Done(0, "", ""), [received.span for received in receiver.spans])
    found = steps(run)
    is_under_process(run, found[0])
    is_under(run, found[1], FIRST)
    is_under(run, found[2], SECOND)
    is_under_process(run, found[4])


def test_a_span_that_nobody_will_see_holds_nothing(marks: Path) -> None:
    run = ran([marks, "plain", FIRST, UNSAMPLED])
    is_under(run, steps(run)[1], FIRST)
    is_under_process(run, steps(run)[2])


@pytest.mark.parametrize("engine", ["ptrace", "python"])
def test_a_marker_is_no_call(marks: Path, engine: str, tmp_path: Path) -> None:
    words, silent = [marks, "plain", FIRST, SECOND], [marks, "plain", FIRST, SECOND]
    told = {"RENACER_MARKERS": "1:00000"}
    options = ("--engine", engine)
    env = environment(**told)

    def text(env: dict[str, str]) -> str:
        done = execute([*traced("-e", "trace=write,getpgid", *options), *words], env)
        assert done.status == 0
        return done.errors

    def totals(env: dict[str, str]) -> tuple[object, object]:
        root = export(silent, *options, env=env).root
        return facts(root)["renacer.calls"], facts(root)["renacer.errors"]

    assert text(env) == text(environment())
    assert "write" not in text(env)
    counted = execute([*traced("-c", "-e", "trace=write,getpgid", *options), *words], env)
    assert "getpgid" in counted.errors
    assert "write" not in counted.errors
    run = record(tmp_path, words, *options, env=env)
    kinds = [event.kind for event in run.events]
    assert kinds.count(CONTEXT_RECORD) == 4
    assert not [event for event in run.events if event.name == "write"]
    # Without markers it reads no status of its own: three calls less, and none of them fails.
    asked, bare = totals(environment()), export(words, "--no-propagate", *options).root
    assert asked[0] - facts(bare)["renacer.calls"] == 3
    assert asked[1] == facts(bare)["renacer.errors"]


@pytest.mark.parametrize("way", ["ptrace", "python"])
def test_what_is_no_frame_is_a_call(marks: Path, way: str) -> None:
    run = ran([marks, "others", FIRST, SECOND], *WAYS[way])
    writes = [span for span in run.named("write") if facts(span)["syscall.args.fd"] == -1]
    assert len(writes) == 9
    assert all(facts(span)["syscall.result"] == -9 for span in writes)
    is_under_process(run, steps(run)[0])


def test_untraced_it_says_nothing(marks: Path) -> None:
    """A filter that kills who tells proves it."""
    words = [marks, "filter", FIRST, SECOND]
    assert execute(words, environment()).status == 0
    told = environment(RENACER_MARKERS="1:00009")
    assert execute(words, told).status == -31


@pytest.mark.parametrize("way", WAYS)
def test_silent_under_a_filter_that_is_not_ours(marks: Path, way: str) -> None:
    run = ran([marks, "filter", FIRST, SECOND], *WAYS[way])
    for span in steps(run).values():
        is_under_process(run, span)
    # Under ours alone it has told: that filter is known.
    assert links(steps(ran([marks, "plain", FIRST, SECOND], *WAYS[way]))[1])


def test_the_filters_around_us_are_known(marks: Path) -> None:
    """A container's filter is there before we are."""
    with_filter = execute(
        ["sh", "-c", "grep -q '^Seccomp:.*2' /proc/self/status && echo $RENACER_MARKERS"],
        environment(RENACER_MARKERS="x"),
    )
    around = int(with_filter.output.strip() != "")
    done = export(["sh", "-c", "echo $RENACER_MARKERS"])
    assert done.done.output.strip() == f"1:{around:05d}"
    filtered = export(["sh", "-c", "echo $RENACER_MARKERS"], *WAYS["filtered"])
    assert filtered.done.output.strip() == f"1:{around + 1:05d}"


def test_not_asked_for_without_spans_to_export() -> None:
    done = execute([*traced("-o", os.devnull), "sh", "-c", "echo .$RENACER_MARKERS"])
    assert done.output == ".\n"
    done = export(["sh", "-c", "echo .$RENACER_MARKERS"], "--no-propagate").done
    assert done.output == ".\n"
