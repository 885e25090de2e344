# SPDX-License-Identifier: MIT
"""Two tracers as two hosts, the clock of one an hour ahead: only Lamport times tell the order."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.engine.tools import environment, execute, facts, line_of, running, traced

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOUR = 3600
# Answers one request with what its handler, a program below the request's context, has found in
# its own environment: a line with TRACEPARENT and TRACESTATE.
SERVER = """
import os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
with connection, connection.makefile("rw") as stream:
    parent, state = stream.readline().split()
    env = dict(os.environ, TRACEPARENT=parent, TRACESTATE=state)
    done = subprocess.run(sys.argv[1:], env=env, stdout=subprocess.PIPE, text=True, check=True)
    stream.write(done.stdout)
"""
HANDLER = "test -e /before-the-answer; echo $TRACEPARENT $TRACESTATE"
# Sends the context that it finds in its environment, and starts a program below the answer's.
CLIENT = """
import os, socket, subprocess, sys
os.access("/before-the-request", os.F_OK)
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    with connection.makefile("rw") as stream:
        print(os.environ["TRACEPARENT"], os.environ["TRACESTATE"], file=stream, flush=True)
        parent, state = stream.readline().split()
env = dict(os.environ, TRACEPARENT=parent, TRACESTATE=state)
subprocess.run(["sh", "-c", "test -e /after-the-answer"], env=env)
"""


@dataclass(frozen=True)
class Hosts:
    """What happened at one after the other."""

    before: Span  # a call of the client
    handler: Span  # a process
    within: Span  # a call of it
    after: Span  # a process of the client's host
    runs: list[Span]


def both(own: bool) -> Hosts:
    """`own`: the handler has a tracer of its own; else the server is traced."""
    with Receiver() as receiver:
        trace = traced("--otlp-endpoint", receiver.endpoint)
        ahead = environment(RENACER_CLOCK_OFFSET=str(HOUR))
        handler = [*(trace if own else ()), "sh", "-c", HANDLER]
        words = [*(() if own else trace), sys.executable, "-ISc", SERVER, *handler]
        with running(words) as server:
            port = line_of(server)
            done = execute([*trace, sys.executable, "-ISc", CLIENT, port], ahead)
            assert (done.status, done.output, done.errors) == (0, "", "")
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(server.wait).result(60) == 0
        spans = [received.span for received in receiver.spans]
    by_id = {(span.trace_id, span.span_id): span for span in spans}

    def call(path: str) -> Span:
        (found,) = [span for span in spans if facts(span).get("file.path") == path]
        return found

    def process(span: Span) -> Span:
        return by_id[span.trace_id, span.parent_span_id]

    within = call("/before-the-answer")
    return Hosts(
        before=call("/before-the-request"),
        handler=process(within),
        within=within,
        after=process(call("/after-the-answer")),
        runs=[span for span in spans if span.name == "renacer-otel run"],
    )


def start(span: Span) -> int:
    return int(facts(span)["renacer.lamport.start"])


def end(span: Span) -> int:
    return int(facts(span)["renacer.lamport.end"])


@pytest.mark.parametrize("own", [False, True], ids=["server", "handler"])
def test_lamport_time_tells_the_order_and_the_clock_does_not(own: bool) -> None:
    hosts = both(own)
    assert end(hosts.before) < start(hosts.handler) <= start(hosts.within)
    assert end(hosts.within) < start(hosts.after)
    # By the clocks, what the client did first came long after what came of it.
    assert hosts.before.start_time_unix_nano > hosts.within.end_time_unix_nano
    ahead = hosts.before.start_time_unix_nano - hosts.within.start_time_unix_nano
    assert ahead == pytest.approx(HOUR * 10**9, abs=120 * 10**9)
    # One trace, in which each is below what led to it.
    assert len(hosts.runs) == 2
    trace = {span.trace_id for span in (hosts.before, hosts.within, hosts.after)}
    assert len(trace) == 1
    assert hosts.after.parent_span_id == hosts.handler.span_id
