# SPDX-License-Identifier: MIT
"""One run from its options to its last span.

The command is started first; resource, grpc and files' writers are made while it runs.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, cast

from renacer_otel.engine.launch import NativeRun, NothingAttached, RunConfig
from renacer_otel.errors import EngineError
from renacer_otel.sidecar import summary
from renacer_otel.sidecar.identity import Identity
from renacer_otel.sidecar.session_config import Outcome, SessionConfig
from renacer_otel.sidecar.session_outputs import Outputs
from renacer_otel.sidecar.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renacer_otel.engine.launch import Stats
    from renacer_otel.sidecar.detach import DetachSignals
    from renacer_otel.sidecar.ending import EndingSignals
    from renacer_otel.sidecar.link import Handed, SidecarLink
    from renacer_otel.sidecar.outputs import Output
    from renacer_otel.spans.counts import Counts

    _AnySignals = Signals | DetachSignals | EndingSignals

# A signal's handler runs when the main thread is back in Python: this often.
_WAIT_S = 0.05
_SILENCE_S = 1.0  # a user who waits longer is told for what
_STAYS = (
    "what the command left running cannot go on untraced: its calls are filtered"
    " (--seccomp-bpf off lets it go). It was sent the signal; waiting for its end"
)


class Session:
    """Runs one command to its end. Use: run(). `tell` gets a sentence that cannot wait."""

    def __init__(self, config: SessionConfig, tell: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._tell = tell
        self._warn = tell  # as often as need be
        self._identity = Identity.new(config.context, config.clock_offset_ns)
        self._warnings: list[str] = []
        self._until = float("inf")

    def run(self) -> Outcome:
        """Starts the command, exports while it runs, returns when all is settled.

        Raises the RenacerErrors of NativeRun.start(); the command's own failure is no error.
        """
        config = self._config
        run = _make_run(self._run_config())
        metering = None
        status_file = None
        try:
            with self._signals(run) as signals:
                made = Outputs(config, self._identity, self.environ())
                otlp, file = made.otlp(run), made.file(run)
                metering = made.metering(run, otlp)
                outputs = [output for output in (otlp, file, metering) if output]
                status_file = made.status_file(run, otlp)
                link = self._link(run)
                self._start(run, outputs, link)
                judge = config.judge
                while (status := run.wait(_WAIT_S)) is None:
                    if judge and file and run.traced() and not file.is_alive():
                        run.judge(violated=judge())
                        judge = None
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
                stats, handed = run.stats(), None
                self._warnings += summary.void_rights(stats)
                if link:
                    handed = link.end(config.flush_timeout_s, lambda: run.given_up)
                for sends in (otlp, metering):
                    if sends:
                        sends.start_deadline(config.flush_timeout_s)
                since = time.monotonic()
                for output in outputs:
                    while output.is_alive():
                        output.join(_WAIT_S)
                        if time.monotonic() - since > _SILENCE_S:
                            self._tell_of_waiting(output is not file)
                            since = float("inf")
                        for sends in (otlp, metering) if run.given_up else ():
                            if sends:
                                sends.start_deadline(0.0)
            return Outcome(
                wait_status=status,
                stats=with_handed(stats, handed) if handed else run.stats(),
                otlp=otlp.result if otlp else None,
                file=file.result if file else None,
                warnings=[*self._warnings, *made.warnings],
                attached=sum(number == 0 for _, number in run.attached()),
                number=signals.number,
                counts=self._counts(run),
                metrics=metering.result if metering else None,
                late=config.ends_all and signals.let_go,
                handed=handed,
            )
        finally:
            if metering:
                metering.end()
            if status_file:
                status_file.close()
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
        records = self._config.tuning.flight > 0
        if self._config.ends_all:
            from renacer_otel.sidecar.ending import EndingSignals

            return EndingSignals(run, records=records)
        if self._config.argv:
            return Signals(run, records=records)
        from renacer_otel.sidecar.detach import DetachSignals

        return DetachSignals(run, records=records)

    def _counts(self, run: NativeRun) -> Counts | None:
        tuning = self._config.tuning
        if not tuning.count_by:
            return None
        from renacer_otel.spans import counts

        return counts.of_run(run, tuning.count_by, wall=tuning.count_wall)

    def _link(self, run: NativeRun) -> SidecarLink | None:
        """Hands the ring over, if it is to be. Raises NoSidecar where there must be one."""
        sidecar = self._config.sidecar
        if sidecar is None:
            return None
        from renacer_otel.engine.halves import ProducerRun
        from renacer_otel.sidecar.link import SidecarLink

        assert isinstance(run, ProducerRun)
        link = SidecarLink(sidecar.path, self._config, self._identity)
        try:
            link.connect(run)
        except EngineError as error:
            if sidecar.required:
                link.close()
                raise
            link.note_absence(run, error.message)
            if self._warn:
                self._warn(f"warning: {error.message}; the command runs, one that comes is joined")
        return link

    def _start(
        self, run: NativeRun, outputs: Sequence[Output], link: SidecarLink | None = None
    ) -> None:
        """Starts the command once there is a thread for each output, and lets those begin."""
        started = False
        try:
            for output in outputs:
                output.prepare()
            if link:
                link.start()
            run.start()
            started = True
        except NothingAttached as error:
            if self._config.on_attached:
                self._config.on_attached(error.results)
            raise
        finally:
            for output in outputs:
                output.begin(wanted=started)
            if link and not started:
                link.abandon()
        if self._config.duration_s is not None:
            self._until = time.monotonic() + self._config.duration_s
        if self._config.on_attached:
            self._config.on_attached(run.attached())

    def _run_config(self) -> RunConfig:
        config = self._config
        context = self._identity.context
        return RunConfig(
            argv=config.argv,
            attach=config.attach,
            adopt=config.adopt,
            environ=self.environ(),
            trace_id=context.trace_id,
            id_key=self._identity.id_key,
            tuning=config.tuning,
            otlp=config.otlp is not None or config.sidecar is not None,
            side="both" if config.sidecar is None else "producer",
            started=0 if config.sidecar is None else self._identity.anchors[1],
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
            realtime_anchor=self._identity.anchors[0],
            monotonic_anchor=self._identity.anchors[1],
        )

    @property
    def _propagates(self) -> bool:
        config = self._config
        return config.propagate and (config.otlp is not None or config.sidecar is not None)

    def adopt(self, process: int, socket: int) -> None:
        """Before run(): this process is to be the command; see engine.become."""
        self._config = self._config._replace(adopt=(process, socket))

    def environ(self) -> list[str]:
        """The command's environment; to propagate, TRACEPARENT names its own process span."""
        from renacer_otel.sidecar import environment

        config = self._config
        given = config.own_environ
        if given is None:
            given = [f"{name}={value}" for name, value in config.environ.items()]
        if self._propagates:
            return environment.with_context(given, self._identity)
        if config.propagate and config.unsampled:
            return environment.without_sampling(given, self._identity)
        return list(given)


def _make_run(config: RunConfig) -> NativeRun:
    if config.side == "producer":
        from renacer_otel.engine.halves import ProducerRun

        return ProducerRun(config)
    if config.tuning.engine == "ptrace":
        return NativeRun(config)
    if not config.tuning.core:
        from renacer_otel.engine.python_alone import AloneRun

        return cast("NativeRun", AloneRun(config))
    from renacer_otel.engine.python_run import PythonRun

    return PythonRun(config)


def with_handed(stats: Stats, handed: Handed) -> Stats:
    """A tracer's counts with what sidecars said of its run."""
    return stats._replace(spans=handed.spans, corrupt=handed.corrupt)
