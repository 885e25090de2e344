# SPDX-License-Identifier: MIT
"""One run from its options to its last span.

The command is started first; resource, grpc and files' writers are made while it runs.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from renacer_otel._version import __version__
from renacer_otel.engine.launch import (
    NativeRun,
    NothingAttached,
    RunConfig,
    Stats,
    Tuning,
    User,
    span_ids,
)
from renacer_otel.sidecar.opened import Opened
from renacer_otel.sidecar.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.exporters.otlp_sender import OtlpSender
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.sidecar.detach import DetachSignals
    from renacer_otel.sidecar.ending import EndingSignals
    from renacer_otel.sidecar.outputs import (
        Delivered,
        FileOutput,
        JsonWriter,
        OtlpOutput,
        Output,
        PlainWriter,
        RecordWriter,
    )
    from renacer_otel.spans.context import TraceContext
    from renacer_otel.spans.counts import Counts

    _AnySignals = Signals | DetachSignals | EndingSignals

# A signal's handler runs when the main thread is back in Python: this often.
_WAIT_S = 0.05
_SILENCE_S = 1.0  # a user who waits longer is told for what
_STAYS = (
    "what the command left running cannot go on untraced: its calls are filtered"
    " (--seccomp-bpf off lets it go). It was sent the signal; waiting for its end"
)


class SessionConfig(NamedTuple):
    """What a run is to do. Without a context, a new trace.

    `environ` is what we go by; `own_environ`, if given, is what the command gets instead, with
    all that a mapping cannot say (NAME=value in order, a name twice).
    At most one file format besides OTLP: `format` is None, "text", "csv", "json", "record" or
    "otlp-json"; `output` is where it goes. Session closes its descriptor, but for text and readers.
    """

    argv: Sequence[str]  # empty = no command
    environ: Mapping[str, str]
    own_environ: Sequence[str] | None = None
    context: TraceContext | None = None
    otlp: OtlpSettings | None = None
    format: str | None = None
    output: Opened = Opened()
    user: User | None = None
    tuning: Tuning = Tuning()
    flush_timeout_s: float = 5.0
    propagate: bool = True
    service_name: str | None = None
    run_id: str = ""
    options: str = ""
    attach: Sequence[int] = ()  # processes that run already
    on_attached: Callable[[Sequence[tuple[int, int]]], None] | None = None  # pid and errno of each
    duration_s: float | None = None  # all are let go after so long; with ends_all, ended
    adopt: tuple[int, int] | None = None  # a process to be the command, and a socket to it
    tell_waiting: bool = False  # for outputs, once nothing is traced any more
    clock_offset_ns: int = 0  # tests: our wall clock is so much ahead
    ends_all: bool = False  # a signal to us that asks to end ends all that is traced, at once

    @property
    def program(self) -> str:
        """What the trace is named by: the command, else the first process."""
        from renacer_otel.engine.attach import program_of

        return self.argv[0] if self.argv else program_of(self.attach[0])


class Outcome(NamedTuple):
    """How a run ended: the command's wait status, counts, and what became of each output.

    `attached`: how many processes; `number`: the signal by which we were asked to let them go, or,
    with `ends_all`, to end them; 0 = none. `late`: they were ended as the time was over.
    """

    wait_status: int
    stats: Stats
    otlp: Delivered | None
    file: Delivered | None
    warnings: list[str]
    attached: int = 0
    number: int = 0
    counts: Counts | None = None  # if the tuning asks for them
    late: bool = False

    @property
    def lost_spans(self) -> int:
        """Calls and spans that no exporter delivered; the ring's losses included."""
        otlp = self.otlp.lost + self.stats.dropped_spans if self.otlp else 0
        return otlp + self.stats.lost_calls

    @property
    def complete(self) -> bool:
        """Whether nothing at all was lost."""
        failed = self.file is not None and bool(self.file.lost or self.file.error)
        rejected = self.otlp.rejected if self.otlp else 0
        return not (
            self.lost_spans
            or self.stats.lost_events
            or self.stats.text_lost
            or self.stats.corrupt
            or failed
            or rejected
        )


class Session:
    """Runs one command to its end. Use: run(). `tell` gets a sentence that cannot wait."""

    def __init__(self, config: SessionConfig, tell: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._tell = tell
        self._warn = tell  # as often as need be
        real, monotonic = _anchors()
        self._anchors = (real + config.clock_offset_ns, monotonic)
        self._id_key = _random_key()
        self._context = config.context or _Context(_random_trace_id())
        self._warnings: list[str] = []
        self._until = float("inf")

    def run(self) -> Outcome:
        """Starts the command, exports while it runs, returns when all is settled.

        Raises the RenacerErrors of NativeRun.start(); the command's own failure is no error.
        """
        config = self._config
        run = _make_run(self._run_config())
        try:
            with self._signals(run) as signals:
                otlp, file = self._otlp_output(run), self._file_output(run)
                outputs = [output for output in (otlp, file) if output]
                self._start(run, outputs)
                while (status := run.wait(_WAIT_S)) is None:
                    if run.traced() and (config.adopt or run.command() <= 0):
                        signals.command_has_ended()
                    else:
                        if time.monotonic() > self._until:  # no |=: a handler sets it, too
                            signals.let_go = True
                        signals.follow()
                    if signals.stays and self._tell:
                        self._tell(_STAYS)
                        self._tell = None
                if run.command() > 0 and not config.adopt:
                    status = self._wait_untraced(run, signals)
                elif config.argv and not config.attach and signals.let_go and run.let_go():
                    self._warnings.append("what the command left running goes on, untraced")
                signals.command_has_ended()
                if otlp:
                    otlp.start_deadline(config.flush_timeout_s)
                since = time.monotonic()
                for output in outputs:
                    while output.is_alive():
                        output.join(_WAIT_S)
                        if time.monotonic() - since > _SILENCE_S:
                            self._tell_of_waiting(output is otlp)
                            since = float("inf")
                        if run.given_up and otlp:
                            otlp.start_deadline(0.0)
            return Outcome(
                wait_status=status,
                stats=run.stats(),
                otlp=otlp.result if otlp else None,
                file=file.result if file else None,
                warnings=self._warnings,
                attached=sum(number == 0 for _, number in run.attached()),
                number=signals.number,
                counts=self._counts(run),
                late=config.ends_all and signals.let_go,
            )
        finally:
            run.close()

    def _tell_of_waiting(self, for_collector: bool) -> None:
        if not (self._config.tell_waiting and self._warn):
            return
        otlp, limit = self._config.otlp, self._config.flush_timeout_s
        if for_collector and otlp:
            self._warn(
                f"waiting for {otlp.endpoint} to take the rest, {limit:g} s at most"
                " (--flush-timeout; Ctrl-C gives up)"
            )
        else:
            self._warn("waiting for the output to take the rest (Ctrl-C gives up)")

    @staticmethod
    def _wait_untraced(run: NativeRun, signals: _AnySignals) -> int:
        """The command was let go; we are its parent still, and end as it ends."""
        signals.tracing_has_ended()
        while True:
            signals.follow()
            pid, status = os.waitpid(run.command(), os.WNOHANG)
            if pid:
                return status
            time.sleep(_WAIT_S)

    def _signals(self, run: NativeRun) -> _AnySignals:
        if self._config.ends_all:
            from renacer_otel.sidecar.ending import EndingSignals

            return EndingSignals(run)
        if self._config.argv:
            return Signals(run)
        from renacer_otel.sidecar.detach import DetachSignals

        return DetachSignals(run)

    def _counts(self, run: NativeRun) -> Counts | None:
        tuning = self._config.tuning
        if not tuning.count_by:
            return None
        from renacer_otel.spans import counts

        return counts.of_run(run, tuning.count_by, wall=tuning.count_wall)

    def _start(self, run: NativeRun, outputs: Sequence[Output]) -> None:
        """Starts the command once there is a thread for each output, and lets those begin."""
        started = False
        try:
            for output in outputs:
                output.prepare()
            run.start()
            started = True
        except NothingAttached as error:
            if self._config.on_attached:
                self._config.on_attached(error.results)
            raise
        finally:
            for output in outputs:
                output.begin(wanted=started)
        if self._config.duration_s is not None:
            self._until = time.monotonic() + self._config.duration_s
        if self._config.on_attached:
            self._config.on_attached(run.attached())

    def _run_config(self) -> RunConfig:
        config = self._config
        context = self._context
        return RunConfig(
            argv=config.argv,
            attach=config.attach,
            adopt=config.adopt,
            environ=self.environ(),
            trace_id=context.trace_id,
            id_key=self._id_key,
            tuning=config.tuning,
            otlp=config.otlp is not None,
            otlp_json=config.otlp is not None and config.otlp.protocol == "http/json",
            json=config.format == "otlp-json",
            record=config.format == "record",
            csv=config.format == "csv",
            listing=config.format == "json",
            text_fd=config.output.descriptor if config.format == "text" else -1,
            text_prefix=config.output.prefix,
            text_append=config.output.append,
            user=config.user,
            propagate=self._propagates,
            parent_span_id=context.span_id,
            trace_flags=context.flags,
            lamport_seed=context.lamport,
            tracestate=context.tracestate,
            options=config.options,
            realtime_anchor=self._anchors[0],
            monotonic_anchor=self._anchors[1],
        )

    @property
    def _propagates(self) -> bool:
        return self._config.propagate and self._config.otlp is not None

    def adopt(self, process: int, socket: int) -> None:
        """Before run(): this process is to be the command; see engine.become."""
        self._config = self._config._replace(adopt=(process, socket))

    def environ(self) -> list[str]:
        """The command's environment; to propagate, TRACEPARENT names its own process span."""
        config = self._config
        environ = config.own_environ
        if environ is None:
            environ = [f"{name}={value}" for name, value in config.environ.items()]
        if not self._propagates:
            return list(environ)
        from renacer_otel.spans.context import LAMPORT_AHEAD, format_traceparent, with_lamport
        from renacer_otel.spans.markers import VARIABLE, value_for

        context = self._context
        process = span_ids(self._id_key)[1]
        ours = {
            VARIABLE: value_for(),
            "TRACEPARENT": format_traceparent(context.trace_id, process, context.flags),
            # The run's own start is the event that happened before the command's.
            "TRACESTATE": with_lamport(context.tracestate, context.lamport + 1 + LAMPORT_AHEAD),
        }
        others = [entry for entry in environ if entry.partition("=")[0] not in ours]
        return [*others, *(f"{name}={value}" for name, value in ours.items())]

    def _otlp_output(self, run: NativeRun) -> OtlpOutput | None:
        settings = self._config.otlp
        if settings is None:
            return None
        from renacer_otel.sidecar.outputs import OtlpOutput

        return OtlpOutput(run, lambda: self._make_sender(settings))

    def _file_output(self, run: NativeRun) -> FileOutput | None:
        config = self._config
        plain = config.format == "text" and not config.tuning.core
        if config.format not in ("record", "otlp-json", "csv", "json") and not plain:
            return None
        from renacer_otel.sidecar.outputs import FileOutput

        limit_s = config.tuning.block_limit_ns / 1e9
        if plain:
            from renacer_otel.sidecar.outputs import PlainWriter

            return FileOutput(run, 0, config.output.for_closer(), limit_s, PlainWriter)
        descriptor = config.output.for_closer()
        if config.format == "record":
            looked = run.looked if self._looks_at_files() else None

            def trace_writer(write: Callable[[bytes], None]) -> RecordWriter:
                return self._trace_writer(write, looked)

            return FileOutput(run, run.RECORD, descriptor, limit_s, trace_writer)
        if config.format == "csv":
            from renacer_otel.sidecar.outputs import CsvWriter

            return FileOutput(run, run.CSV, descriptor, limit_s, CsvWriter)
        if config.format == "json":
            return FileOutput(run, run.LISTING, descriptor, limit_s, self._listing_writer)
        return FileOutput(run, run.JSON, descriptor, limit_s, self._json_writer)

    def _attributes(self) -> dict[str, Any]:
        from renacer_otel.spans.resource import make_resource

        config = self._config
        choice = make_resource(config.program, config.environ, config.service_name, config.run_id)
        self._warnings += choice.warnings
        return dict(choice.attributes)

    def _make_sender(self, settings: OtlpSettings) -> OtlpSender:
        from renacer_otel.exporters.senders import make_sender

        return make_sender(settings, self._attributes())

    def _json_writer(self, write: Callable[[bytes], None]) -> JsonWriter:
        from renacer_otel.sidecar.outputs import JsonWriter

        return JsonWriter(write, self._attributes())

    def _listing_writer(self, write: Callable[[bytes | memoryview], None]) -> PlainWriter:
        from renacer_otel.sidecar.outputs import PlainWriter
        from renacer_otel.spans import listing

        write(listing.head(self._config.argv, self._anchors[0]))
        return PlainWriter(write)

    def _given(self) -> list[str]:
        """What variables the command has, by name and a piece of a hash."""
        if self._config.attach:
            return []
        from renacer_otel.spans import variables

        given = (entry.partition("=") for entry in self.environ())
        return sorted(variables.key(name, value) for name, _, value in given)

    def _looks_at_files(self) -> bool:
        tuning = self._config.tuning
        looks = tuning.states or tuning.mapped
        return looks and tuning.engine == "ptrace" and not self._config.attach

    def _trace_writer(
        self, write: Callable[[bytes], None], looked: Callable[[], dict[str, Any]] | None
    ) -> RecordWriter:
        from renacer_otel.sidecar.outputs import RecordWriter
        from renacer_otel.spans import variables

        config = self._config
        context = self._context
        machine = os.uname()
        return RecordWriter(
            write,
            {
                "event_version": 1,
                "renacer_otel": __version__,
                "command": list(config.argv),
                "attached": list(config.attach),
                "options": config.options,
                "cwd": _working_folder(),
                "home": "" if config.attach else variables.home(self.environ()),
                "umask": _umask(),
                "run_id": config.run_id,
                "trace_id": context.trace_id.hex(),
                "trace_flags": context.flags,
                "parent_span_id": f"{context.span_id:016x}",
                "tracestate": context.tracestate,
                "lamport_seed": context.lamport,
                "id_key": list(self._id_key),
                "realtime_anchor": self._anchors[0],
                "monotonic_anchor": self._anchors[1],
                "machine": machine.machine,
                "kernel": machine.release,
                "filtered": config.tuning.wanted is not None,
                "wanted": [f"{word:x}" for word in config.tuning.wanted or ()],
                "string_limit": config.tuning.string_limit,
                "peaks": config.tuning.peaks,
                "hashes": config.tuning.hashes,
                "environment": self._given() if config.tuning.hashes else [],
                "states": looked is not None and (config.tuning.states or "mapped"),
                "engine": config.tuning.engine,
                "cpu_times": bool(config.tuning.count_by) and not config.tuning.count_wall,
            },
            looked,
        )


def _make_run(config: RunConfig) -> NativeRun:
    if config.tuning.engine == "ptrace":
        return NativeRun(config)
    if not config.tuning.core:
        from renacer_otel.engine.python_alone import AloneRun

        return cast("NativeRun", AloneRun(config))
    from renacer_otel.engine.python_run import PythonRun

    return PythonRun(config)


class _Context(NamedTuple):
    """A new trace: as spans.context.TraceContext, without the cost of importing it."""

    trace_id: bytes
    span_id: int = 0
    flags: int = 3  # sampled, and of a random id
    tracestate: str = ""
    lamport: int = 0


def _anchors() -> tuple[int, int]:
    """CLOCK_REALTIME and CLOCK_MONOTONIC of the same moment, in ns: the tightest of a few looks."""
    best = (1 << 62, 0, 0)
    for _ in range(5):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        best = min(best, (after - before, real, (before + after) // 2))
    return best[1], best[2]


def _working_folder() -> str:
    """Where the command starts; "" where that has no name any more."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _umask() -> int | None:
    """The one that the command starts with; None = not known."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Umask:"):
                    return int(line[6:], 8)
    except OSError:
        pass
    return None


def _random_trace_id() -> bytes:
    while not any(trace_id := os.urandom(16)):
        pass
    return trace_id


def _random_key() -> tuple[int, int]:
    return int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")
