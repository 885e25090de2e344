# SPDX-License-Identifier: MIT
"""Tells the tracer which OpenTelemetry span is live in each thread, so that its calls go under it.

    from renacer_otel.instrument import instrument
    instrument()

after the TracerProvider was set. Where no tracer asks for it this does nothing. Spans are exported
as before, by the program itself. How it is told: docs/markers.md. Followed are attach and detach
of contexts, the ends of spans, threads, `Context.run` in thread pools and as a thread's target,
asyncio and os.fork. Not followed: other event loops (uvloop; under them nothing is told),
greenlets, eager asyncio tasks between their first suspension and the end of the step that made
them.
"""

from __future__ import annotations

import contextvars
import errno
import functools
import logging
import os
import re
import threading
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import TracerProvider

__all__ = ["instrument", "uninstrument"]

_VARIABLE = "RENACER_MARKERS"
_NONE = b"renacer:1:"
_NOWHERE = -1
_write = os.write


class _Thread(threading.local):
    told = _NONE  # a thread begins with no span


class _Teller:
    """What is live in this thread goes to the tracer, once for each change."""

    def __init__(self, known_filters: int) -> None:
        self.on = _may_tell(known_filters)
        self._known_filters = known_filters
        self._thread = _Thread()
        from opentelemetry import trace

        self._span_in = trace.get_current_span

    def tell(self, context: Any = None) -> None:
        """The span in `context`, or in the current one."""
        if not self.on:
            return
        try:
            frame = _NONE if _is_foreign_loop() else _frame(self._span_in(context))
        except Exception:  # noqa: BLE001 - a span of somebody's own making
            frame = _NONE
        if frame == self._thread.told:
            return
        self._thread.told = frame
        self._send(frame)

    def _send(self, frame: bytes) -> None:
        try:
            _write(_NOWHERE, frame)
        except OSError as error:
            if error.errno == errno.EBADF:
                return
        self.on = False  # nothing that we know answers so

    def forked(self) -> None:
        """In the child: its thread begins with none, and a filter may have come."""
        self._thread.told = _NONE
        self.on = self.on and _may_tell(self._known_filters)
        self.tell()


def _frame(span: Any) -> bytes:
    context = span.get_span_context()
    # Neither another program's span nor one that has ended is live here.
    if not context.is_valid or context.is_remote or getattr(span, "end_time", None) is not None:
        return _NONE
    ids = context.trace_id, context.span_id, context.trace_flags
    return b"renacer:1:00-%032x-%016x-%02x" % ids


def _is_foreign_loop() -> bool:
    """Its handles are not followed, so what was told could outlast them."""
    import asyncio

    loop = asyncio._get_running_loop()  # noqa: SLF001 - get_running_loop() would raise
    return loop is not None and not isinstance(loop, asyncio.BaseEventLoop)


def _may_tell(known_filters: int) -> bool:
    """No seccomp filter is on this thread but those that are known to let markers through."""
    try:
        with open("/proc/thread-self/status", encoding="ascii", errors="replace") as file:
            status = file.read()
    except OSError:
        return False
    mode = re.search(r"^Seccomp:\s*(\d+)$", status, re.MULTILINE)
    if mode is None or mode[1] == "0":
        return True
    filters = re.search(r"^Seccomp_filters:\s*(\d+)$", status, re.MULTILINE)
    return filters is not None and int(filters[1]) <= known_filters


# What is put into others' classes, so that it can be taken out again.
_patches: list[tuple[Any, str, Any]] = []
_teller: _Teller | None = None


def _patch(where: Any, name: str, value: Any) -> None:
    _patches.append((where, name, getattr(where, name)))
    setattr(where, name, value)


def instrument(provider: TracerProvider | None = None, *, auto: bool = True) -> bool:
    """Begins to tell; once more does nothing. Returns whether anything is told.

    `provider`: whose spans' ends are followed, else the global one. `auto`: only where the
    tracer asks for it, by RENACER_MARKERS; False: in any case, for a process that is attached to.
    Raises nothing, for a program must not fail because it is traced: where OpenTelemetry is not
    installed, or is not as it is known here, nothing is told, and why is logged (DEBUG).
    """
    global _teller
    if _teller is not None:
        return _teller.on
    asked = re.fullmatch(r"1:(\d{1,5})", os.environ.get(_VARIABLE, ""))
    if auto and not asked:
        return False
    teller = None
    try:
        teller = _Teller(int(asked[1]) if asked else 0)
        if teller.on:
            _follow(teller, provider)
    except Exception:
        if teller is not None:
            teller.on = False
        _unpatch()
        logging.getLogger(__name__).debug("calls are not put under spans", exc_info=True)
        return False
    if not teller.on:
        return False
    _teller = teller
    os.register_at_fork(after_in_child=lambda: teller.forked() if teller is _teller else None)
    teller.tell()
    return True


def _follow(teller: _Teller, provider: TracerProvider | None) -> None:
    variable = _follow_contexts(teller)
    _follow_threads(teller)
    if variable is not None:
        _follow_asyncio(teller, variable)
    _follow_spans(teller, provider)  # the one that cannot be undone


def _unpatch() -> None:
    while _patches:
        where, name, value = _patches.pop()
        setattr(where, name, value)


def uninstrument() -> None:
    """Tells that no span is live in this thread, and nothing more."""
    global _teller
    if _teller is None:
        return
    _unpatch()
    from opentelemetry.context import Context

    _teller.tell(Context())
    _teller.on = False
    _teller = None


def _follow_contexts(teller: _Teller) -> contextvars.ContextVar[Any] | None:
    """Each attach and detach. Returns where the current context is kept, if that is known."""
    from opentelemetry import context as api
    from opentelemetry.context.context import _RuntimeContext

    inner: _RuntimeContext = api._RUNTIME_CONTEXT  # noqa: SLF001 - there is no other way in

    class Runtime(_RuntimeContext):
        def attach(self, context: Any) -> Any:
            token = inner.attach(context)
            teller.tell(context)
            return token

        def get_current(self) -> Any:
            return inner.get_current()

        def detach(self, token: Any) -> None:
            try:
                inner.detach(token)
            finally:
                teller.tell()

    _patch(api, "_RUNTIME_CONTEXT", Runtime())
    variable = getattr(inner, "_current_context", None)
    return variable if isinstance(variable, contextvars.ContextVar) else None


def _follow_spans(teller: _Teller, provider: TracerProvider | None) -> None:
    """A span that ends while it is current is live no more."""
    from opentelemetry import trace

    chosen = provider or trace.get_tracer_provider()
    if not hasattr(chosen, "add_span_processor"):
        return
    from opentelemetry.sdk.trace import SpanProcessor

    class Processor(SpanProcessor):
        def on_end(self, span: Any) -> None:  # noqa: ARG002 - whichever it was
            teller.tell()

    chosen.add_span_processor(Processor())


def _follow_threads(teller: _Teller) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def begin(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        teller.tell()
        return fn(*args, **kwargs)

    def enter(context: contextvars.Context, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return context.run(begin, fn, args, kwargs)
        finally:
            teller.tell()

    def entering(fn: Any) -> Any:
        """`fn`, if it is a Context's run() so that what is told changes with the context."""
        if isinstance(fn, functools.partial):
            inner = entering(fn.func)
            return fn if inner is fn.func else functools.partial(inner, *fn.args, **fn.keywords)
        if isinstance(fn, BuiltinMethodType) and isinstance(fn.__self__, contextvars.Context):
            return functools.partial(enter, fn.__self__) if fn.__name__ == "run" else fn
        return fn

    submit, run = ThreadPoolExecutor.submit, threading.Thread.run

    def told_submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, entering(fn), *args, **kwargs)

    def told_run(self: Any) -> None:
        teller.tell()  # it may have begun in a context of its maker's
        if getattr(self, "_target", None) is not None:
            self._target = entering(self._target)
        run(self)

    _patch(ThreadPoolExecutor, "submit", told_submit)
    _patch(threading.Thread, "run", told_run)


def _follow_asyncio(teller: _Teller, variable: contextvars.ContextVar[Any]) -> None:
    """Each handle runs in its own context, and after it the thread's holds again."""
    from asyncio import Handle

    run = Handle._run  # noqa: SLF001 - where every callback and step of a task passes

    def told_run(self: Any) -> None:
        teller.tell(self._context.get(variable) or {})
        try:
            run(self)
        finally:
            teller.tell()

    _patch(Handle, "_run", told_run)
