# SPDX-License-Identifier: MIT
"""spans_of_its_own.py WHAT: a Python program with spans, which tells of them by markers.

Each step is a call of getpgid(1000 + N), and a line: N and the span that OpenTelemetry says is
current there, or "-" where none that is sampled is live.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from renacer_otel.instrument import instrument, uninstrument

WHAT = sys.argv[1]
provider = TracerProvider(
    sampler=ALWAYS_OFF if WHAT == "unsampled" else None, shutdown_on_exit=False
)
trace.set_tracer_provider(provider)
instrument()
instrument()  # once more does nothing
tracer = trace.get_tracer("of its own")
span = tracer.start_as_current_span


def step(number: int, live: bool = True) -> None:
    own = trace.get_current_span()
    named = own.get_span_context()
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(1000 + number)
    text = f"{named.trace_id:032x}-{named.span_id:016x}-{named.trace_flags:02x}"
    os.write(1, f"{number} {text if live and own.is_recording() else '-'}\n".encode())


def spans(first: int) -> None:
    step(first)
    with span("outer"):
        step(first + 1)
        with span("inner"):
            step(first + 2)
        step(first + 3)
    step(first + 4)


def plain() -> None:
    spans(0)
    uninstrument()
    with span("not told"):
        step(9, live=False)


def threads() -> None:
    with span("maker") as maker:
        thread = threading.Thread(target=spans, args=(0,))
        thread.start()
        thread.join()
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(spans, 10))
        thread.start()
        thread.join()
        step(20)
    assert maker is not None


def executors() -> None:
    with ThreadPoolExecutor(1) as pool, span("submitter"):
        pool.submit(spans, 0).result()
        pool.submit(contextvars.copy_context().run, spans, 10).result()
        pool.submit(functools.partial(contextvars.copy_context().run, spans, 20)).result()
        pool.submit(step, 30).result()
        step(31)


async def worker(first: int) -> None:
    with span("task"):
        for number in range(first, first + 5):
            step(number)
            await asyncio.sleep(0)
        await asyncio.to_thread(spans, first + 5)
        step(first + 10)
    await asyncio.sleep(0)
    step(first + 11)


async def tasks() -> None:
    loop = asyncio.get_running_loop()
    with span("all"):
        loop.call_soon(step, 900)
        await asyncio.gather(*(worker(20 * number) for number in range(4)))
        await loop.run_in_executor(None, step, 901)
        step(902)
    loop.call_later(0, step, 903)
    await asyncio.sleep(0.001)


def in_asyncio() -> None:
    with span("around"):
        asyncio.run(tasks())
        step(904)
    step(905)


def forks() -> None:
    with span("parent"):
        pid = os.fork()
        if pid == 0:
            step(0)  # the context is its, too
            with span("of the child"):
                step(1)
            os._exit(0)
        os.waitpid(pid, 0)
        step(2)
        subprocess.run([sys.executable, "-I", "-S", "-c", "import os; os.getppid()"], check=True)
        step(3)


def signals() -> None:
    def handler(_number: int, _frame: object) -> None:
        with span("handler"):
            step(1)

    signal.signal(signal.SIGUSR1, handler)
    with span("main"):
        step(0)
        os.kill(os.getpid(), signal.SIGUSR1)
        step(2)


def odd() -> None:
    """Current, but not live: one that has ended, and another program's."""
    with span("short", end_on_exit=False) as ended:
        step(0)
        ended.end()
        step(1)
    remote = trace.SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = contexts.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    step(2)
    with span("server"):
        step(3)
    contexts.detach(token)
    step(4)


{
    "plain": plain,
    "unsampled": lambda: spans(0),
    "threads": threads,
    "executors": executors,
    "asyncio": in_asyncio,
    "forks": forks,
    "signals": signals,
    "odd": odd,
}[WHAT]()
