# SPDX-License-Identifier: MIT
"""The context that a caller hands us: taken whole, or ignored with one warning."""

from __future__ import annotations

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.context.spans import REMOTE, inbound, parse, printed, span_named_by
from tests.engine.tools import environment, execute, export, facts, traced

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"
PARENT = (bytes.fromhex(TRACE), bytes.fromhex(SPAN))
OTHER = "00-" + "11" * 16 + "-" + "22" * 8 + "-01"


def test_from_the_environment() -> None:
    run = export(["sh", "-c", "echo $TRACEPARENT; echo $TRACESTATE"],
                 env=inbound(TRACEPARENT=VALID, TRACESTATE="vendor=x:y,other=2"))  # fmt: skip
    assert run.done.errors == ""
    run.check_tree(PARENT)
    root = run.root
    assert (root.trace_id, root.parent_span_id) == PARENT
    assert root.flags == REMOTE | 1
    parent, state = run.done.output.splitlines()
    assert parse(parent).trace_id == PARENT[0]
    assert span_named_by(run, parse(parent)).parent_span_id == root.span_id
    assert state.split(",")[0].startswith("renacer=")
    assert state.split(",")[1:] == ["vendor=x:y", "other=2"]
    for span in run.spans:
        assert span.trace_state == "vendor=x:y,other=2"


def test_the_option_comes_first() -> None:
    env = inbound(TRACEPARENT=OTHER, TRACESTATE="vendor=1")
    run = export(["true"], "--trace-parent", VALID, env=env)
    assert run.done.errors == ""
    run.check_tree(PARENT)
    assert run.root.trace_state == "", "the state belongs to the other trace"


@pytest.mark.parametrize(
    ("sent", "kept"), [("01", 1), ("03", 3), ("ff", 3), ("fd", 1), ("0b", 3), ("81", 1)]
)
def test_bits_of_the_flags(sent: str, kept: int) -> None:
    run = export(["sh", "-c", "echo $TRACEPARENT"], env=inbound(TRACEPARENT=VALID[:-2] + sent))
    assert {span.flags & 0xFF for span in run.spans} == {kept}
    assert parse(run.done.output.strip()).flags == kept


@pytest.mark.parametrize(
    "text", [f"cc-{TRACE}-{SPAN}-01-what-comes-later", f"01-{TRACE}-{SPAN}-01"]
)
def test_a_later_version(text: str) -> None:
    run = export(["true"], env=inbound(TRACEPARENT=text))
    assert run.done.errors == ""
    run.check_tree(PARENT)


INVALID = [
    "x",
    VALID.upper(),
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f" {VALID}",
    f"{VALID}\x1b[2J",
    "y" * 100_000,
]


@pytest.mark.parametrize("text", INVALID, ids=lambda text: repr(text[:24]))
def test_malformed_is_ignored_with_one_warning(text: str) -> None:
    run = export(["sh", "-c", "echo $TRACEPARENT"], env=inbound(TRACEPARENT=text))
    assert run.done.status == 0
    (warning,) = run.done.errors.splitlines()
    assert "TRACEPARENT" in warning
    assert len(warning) < 300
    assert warning.isprintable()
    run.check_tree()
    assert run.root.trace_id != PARENT[0]
    assert run.root.flags & 0xFF == 3
    assert span_named_by(run, parse(run.done.output.strip())) is not None


def test_all_that_is_malformed_makes_one_warning() -> None:
    env = inbound(TRACEPARENT="x", TRACESTATE="=", BAGGAGE="=;;")
    run = export(["true"], "--trace-parent", "y", env=env)
    assert len(run.done.errors.splitlines()) == 1
    run.check_tree()


def test_a_bad_state_leaves_the_parent() -> None:
    run = export(["true"], env=inbound(TRACEPARENT=VALID, TRACESTATE="A=1"))
    assert len(run.done.errors.splitlines()) == 1
    run.check_tree(PARENT)
    assert run.root.trace_state == ""


def test_lower_case_names_say_nothing() -> None:
    run = export(["sh", "-c", "env | grep -i ^trace | sort"],
                 env=inbound(traceparent=VALID, tracestate="a=b"))  # fmt: skip
    assert run.done.errors == ""
    run.check_tree()
    assert run.root.trace_id != PARENT[0]
    assert f"traceparent={VALID}" in run.done.output.splitlines()


@pytest.mark.parametrize("flags", ["00", "02", "fe"])
def test_not_sampled(flags: str) -> None:
    """The command runs as ever; nothing is sent, nothing is written into its environment."""
    text = VALID[:-2] + flags
    with Receiver() as receiver:
        words = [*traced("--otlp-endpoint", receiver.endpoint), "sh", "-c"]
        script = "echo $TRACEPARENT $TRACESTATE; sh -c 'echo $TRACEPARENT'; exit 3"
        done = execute([*words, script], inbound(TRACEPARENT=text, TRACESTATE="a=b"))
        assert receiver.totals()["requests"] == 0
    assert (done.status, done.errors) == (3, "")
    assert done.output == f"{text} a=b\n{text}\n"


def test_the_clock_goes_on_from_the_caller_s() -> None:
    env = inbound(TRACEPARENT=VALID, TRACESTATE="renacer=00000000000f4240,a=b")
    run = export(["sh", "-c", "echo $TRACESTATE"], env=env)
    assert facts(run.root)["renacer.lamport.start"] > 1_000_000
    ours, others = run.done.output.strip().split(",")
    assert int(ours.partition("=")[2], 16) > 1_000_000
    assert others == "a=b"


def test_a_record_file_keeps_the_context_and_leaves_the_environment(tmp_path: object) -> None:
    from renacer_otel.ring import trace_file

    path = f"{tmp_path}/x.renacer"
    words = [*traced("--format", "record", "-o", path), "sh", "-c", "echo $TRACEPARENT"]
    done = execute(words, inbound(TRACEPARENT=VALID))
    assert done.output == f"{VALID}\n"
    metadata = trace_file.read(path).metadata
    assert (metadata["trace_id"], metadata["parent_span_id"]) == (TRACE, SPAN)


def test_text_does_not_care() -> None:
    lines, errors = printed(["sh", "-c", "echo $TRACEPARENT"], environment(TRACEPARENT="x"))
    assert (lines, errors) == (["x"], "")
