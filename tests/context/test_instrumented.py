# SPDX-License-Identifier: MIT
"""Programs that make spans of their own and hand their context on to what they start."""

from __future__ import annotations

import sys

import pytest

from tests.context.spans import LOCAL, REMOTE, context_of, links, parse, span_named_by
from tests.engine.tools import Spans, export, facts

# Continues the context of its environment (or not), and starts a shell under a span of its own.
APPLICATION = """
import os, subprocess, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

propagator = TraceContextTextMapPropagator()
carrier = {name.lower(): os.environ[name] for name in ("TRACEPARENT", "TRACESTATE")}
context = propagator.extract(carrier) if sys.argv[1] == "continues" else None
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("application")
with tracer.start_as_current_span("work", context=context) as span:
    own = span.get_span_context()
    print(os.environ["TRACEPARENT"], f"{own.trace_id:032x} {own.span_id:016x}", flush=True)
    sent = {}
    propagator.inject(sent)
    env = os.environ | {name.upper(): value for name, value in sent.items()}
    subprocess.run(["sh", "-c", sys.argv[2]], env=env, check=True)
"""
# Continues by the getter that OpenTelemetry has for environments.
GETTER = """
import os
from opentelemetry.propagators._envcarrier import EnvironmentGetter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

context = TraceContextTextMapPropagator().extract(os.environ, getter=EnvironmentGetter())
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("application")
with tracer.start_as_current_span("work", context) as span:
    print(os.getpid(), f"{span.parent.trace_id:032x} {span.parent.span_id:016x}", flush=True)
"""
# Hands on whatever it is told to.
RELAY = """
import os, subprocess, sys
env = dict(os.environ, TRACEPARENT=sys.argv[1])
subprocess.run(["sh", "-c", sys.argv[2]], env=env, check=True)
"""
SHOW = "echo $TRACEPARENT"
FOREIGN = "00-" + "ab" * 16 + "-" + "cd" * 8
TWO = f"{SHOW}; sh -c '{SHOW}'; :"


def child_of(run: Spans, parent: bytes) -> object:
    (child,) = [span for span in run.processes if span.parent_span_id == parent]
    return child


def test_a_child_continues_from_its_own_process_span() -> None:
    pytest.importorskip("opentelemetry.propagators._envcarrier")
    python = f"{sys.executable} -I -W ignore -c '{GETTER}'"
    run = export(["sh", "-c", f"{python}; {python}; :"])
    assert run.done.status == 0, run.done
    lines = [line.split() for line in run.done.output.splitlines()]
    assert len({pid for pid, _, _ in lines}) == 2
    for pid, trace_id, span_id in lines:
        span = run.by_id[bytes.fromhex(trace_id), bytes.fromhex(span_id)]
        assert facts(span)["process.pid"] == int(pid)
        assert context_of(span) == "ours"
    run.check_tree()


@pytest.mark.parametrize("mode", ["continues", "begins"])
def test_an_application_with_the_sdk(mode: str) -> None:
    run = export([sys.executable, "-I", "-W", "ignore", "-c", APPLICATION, mode, TWO])
    assert run.done.status == 0, run.done
    head, first, second = run.done.output.splitlines()
    given, trace_hex, span_hex = head.split()
    trace_id, span_id = bytes.fromhex(trace_hex), bytes.fromhex(span_hex)
    application = span_named_by(run, parse(given))
    assert (trace_id == run.root.trace_id) == (mode == "continues")

    # The shell hangs under the application's span, in its trace; its own child under it.
    shell = span_named_by(run, parse(first))
    assert (shell.trace_id, shell.parent_span_id) == (trace_id, span_id)
    assert shell.flags & ~0xFF == REMOTE
    assert context_of(shell) == "foreign"
    inner = span_named_by(run, parse(second))
    assert (inner.trace_id, inner.parent_span_id) == (trace_id, shell.span_id)
    assert inner.flags & ~0xFF == LOCAL
    assert context_of(inner) == "ours"

    # What the process did before its program is in our trace, and both know of each other.
    (before,) = [span for span in run.processes if "renacer.superseded" in facts(span)]
    assert (before.trace_id, before.parent_span_id) == (run.root.trace_id, application.span_id)
    assert facts(before)["process.pid"] == facts(shell)["process.pid"]
    assert before.end_time_unix_nano <= shell.start_time_unix_nano
    found = links(shell)
    assert found["parent"] == (application.trace_id, application.span_id)
    assert found["exec"] == (before.trace_id, before.span_id)
    making = run.by_id[found["fork"]]
    assert making.name in ("vfork", "fork", "clone", "clone3")
    assert facts(making)["syscall.result"] == facts(shell)["process.pid"]

    # Calls are in the trace of their process; no parent is missing but the application's span.
    known = {*run.by_id, (trace_id, span_id)}
    for span in run.spans:
        if span is not run.root:
            assert (span.trace_id, span.parent_span_id) in known, span.name
    assert {span.trace_id for span in run.spans} == {run.root.trace_id, trace_id}
    for process in (shell, inner):
        calls = [span for span in run.spans if span.parent_span_id == process.span_id]
        assert {span.trace_id for span in calls} == {trace_id}
        assert len(calls) > 20


def relayed(value: str, script: str = TWO) -> tuple[Spans, list[str]]:
    """A run of a program that starts a shell with that TRACEPARENT."""
    run = export([sys.executable, "-ISc", RELAY, value, script])
    assert run.done.status == 0, run.done
    return run, run.done.output.splitlines()


def test_a_foreign_trace_that_is_not_sampled() -> None:
    """Nothing is written into it, nothing is sent to it; our trace goes on."""
    run, lines = relayed(f"{FOREIGN}-00")
    assert lines == [f"{FOREIGN}-00"] * 2
    run.check_tree()
    assert [context_of(span) for span in run.processes].count("unsampled") == 2
    assert all("parent" not in links(span) for span in run.spans)


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_the_flags_of_a_foreign_trace(flags: str) -> None:
    run, lines = relayed(f"{FOREIGN}-{flags}")
    kept = int(flags, 16) & 3
    assert [line[-2:] for line in lines] == [flags] * 2, "only the span id is written"
    theirs = [span for span in run.spans if span.trace_id == b"\xab" * 16]
    assert {span.flags & 0xFF for span in theirs} == {kept}
    assert {span.flags & 0xFF for span in run.spans} == {kept, 3}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        FOREIGN,
        f"{FOREIGN}-0",
        f"{FOREIGN}-01-more",
        f"ff{FOREIGN[2:]}-01",
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        f"{FOREIGN}-01".upper(),
        "z" * 70_000,
    ],
)
def test_what_is_no_traceparent_is_left_alone(value: str) -> None:
    run, lines = relayed(value)
    assert lines == [value] * 2
    run.check_tree()
    assert [context_of(span) for span in run.processes].count("invalid") == 2


def test_a_later_version_is_read_and_kept() -> None:
    run, lines = relayed(f"cc{FOREIGN[2:]}-01-later")
    assert all(line.startswith("cc-" + "ab" * 16) and line.endswith("-01-later") for line in lines)
    shell = run.by_id[b"\xab" * 16, bytes.fromhex(lines[0][36:52])]
    assert shell.parent_span_id == b"\xcd" * 8


def test_back_in_our_own_trace() -> None:
    """Under a foreign trace, a program that hands on what we gave the command."""
    script = f'echo $OURS; {SHOW}; TRACEPARENT=$OURS sh -c "echo \\$TRACEPARENT"; :'
    program = RELAY.replace("TRACEPARENT=", "OURS=os.environ['TRACEPARENT'], TRACEPARENT=")
    run = export([sys.executable, "-ISc", program, f"{FOREIGN}-01", script])
    ours, first, second = run.done.output.splitlines()
    shell = span_named_by(run, parse(first))
    assert shell.trace_id == b"\xab" * 16
    # It names the command's span, so the program's hangs under that, in our trace.
    command = span_named_by(run, parse(ours))
    span = span_named_by(run, parse(second))
    assert (span.trace_id, span.parent_span_id) == (run.root.trace_id, command.span_id)
    assert links(span)["parent"] == (shell.trace_id, shell.span_id)
    assert context_of(span) == "foreign"


def test_threads_of_a_process_in_a_foreign_trace(tmp_path: object) -> None:
    threads = (
        "import os, threading\n"
        "made = [threading.Thread(target=os.getppid) for _ in range(3)]\n"
        "[thread.start() for thread in made]\n"
        "[thread.join() for thread in made]\n"
    )
    script = f'exec "{sys.executable}" -ISc "{threads}"'
    run, _ = relayed(f"{FOREIGN}-01", script)
    marks = run.named("getppid")
    assert len([span for span in marks if span.trace_id == b"\xab" * 16]) >= 3
    (process,) = [span for span in run.processes if context_of(span) in ("foreign", "ours")
                  and span.trace_id == b"\xab" * 16]  # fmt: skip
    assert {span.parent_span_id for span in marks if span.trace_id == b"\xab" * 16} == {
        process.span_id
    }
