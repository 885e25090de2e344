# SPDX-License-Identifier: MIT
"""A run as the sidecar has it: the consumer's half, and its way into the shared exporter.

What a tracer says of its run is checked here, field by field, before the core sees any of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from renacer_otel.engine.halves import ConsumerRun
from renacer_otel.engine.launch import (
    ABI_COUNT,
    FOLD_MODES,
    SPANS_MODES,
    WORDS_PER_ABI,
    RunConfig,
    Tuning,
)
from renacer_otel.engine.redaction import Redaction, WrongPattern, redacted_values
from renacer_otel.errors import EngineError, one_line
from renacer_otel.exporters.ledger import QUEUE_FULL
from renacer_otel.sidecar.handover import NO_LIMIT
from renacer_otel.sidecar.outputs import Output
from renacer_otel.sidecar.tally import RunFigures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renacer_otel.exporters.otlp_sender import Envelope
    from renacer_otel.sidecar.exporter import Exporter

_MAX_TEXT = 4096  # bytes of a path, a name, the options
_MAX_TRACESTATE = 512
_MAX_RUN_ID = 64
_MAX_STRING = 65_536
_MAX_PATHS = 1024
_MAX_RULES = 64
_MOST_SPANS = 1_000_000_000
_MAX_ENVIRONMENT = 131_072
_WORDS = ABI_COUNT * WORDS_PER_ABI
#: The reason of edges from calls that another sidecar had to calls of ours.
REPLACED = "sidecar_replaced"
_LIMITS = 6  # of rn_span_limits
_U63 = (1 << 63) - 1


class RefusedRun(Exception):  # noqa: N818
    """What a tracer says makes no sense; the reason."""


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise RefusedRun(reason)


def _decoded(data: bytes, what: str, limit: int = _MAX_TEXT) -> str:
    _require(len(data) <= limit and b"\0" not in data, f"{what}: too long, or a NUL in it")
    return os.fsdecode(data)


def run_config(
    said: Any, ring: int, base: Tuning, *, json: bool, holds: bool, same_user: bool
) -> RunConfig:
    """What the core is told of a Register message. Raises RefusedRun.

    `base`: what of the tuning is the sidecar's. `json`: blocks are to be JSON. `holds`: what is
    read stays in the ring until it is safe. Where sources of calls are, another user's word is not
    taken for.
    """
    _require(len(said.trace_id) == 16 and any(said.trace_id), "trace_id: 16 bytes, not all zero")
    _require(said.trace_flags <= 3, "trace_flags: bits 0 and 1 only")
    _require(len(said.id_key) == 2, "id_key: two numbers")
    _require(said.lamport_seed <= 1 << 62, "lamport_seed: too great")
    _require(len(said.tracestate) <= _MAX_TRACESTATE, "tracestate: too long")
    _require(said.tracestate.isascii() and said.tracestate.isprintable(), "tracestate: no such")
    _require(0 < said.realtime_anchor <= _U63, "realtime_anchor: no time")
    _require(0 < said.monotonic_anchor <= _U63, "monotonic_anchor: no time")
    _require(0 < said.started <= _U63, "started: no time")
    _require(said.string_limit <= _MAX_STRING, "string_limit: too great")
    _require(len(said.wanted) in (0, _WORDS), f"wanted: {_WORDS} words or none")
    _require(len(said.paths) <= _MAX_PATHS, f"paths: more than {_MAX_PATHS}")
    _require(len(said.path_fds) <= _MAX_PATHS, f"path_fds: more than {_MAX_PATHS}")
    _require(all(0 <= fd < 1 << 31 for fd in said.path_fds), "path_fds: no descriptors")
    _require(len(said.options) <= _MAX_TEXT and "\0" not in said.options, "options: too long")
    _require(said.turn >= 1, "turn: from 1 on")
    _require(said.fold in FOLD_MODES, "fold: no such mode")
    _require(said.spans in SPANS_MODES, "spans: no such mode")
    _require(said.max_trace_spans <= _MOST_SPANS, "max_trace_spans: too many")
    _require(max(said.min_duration, said.keep_slow) <= _U63, "min_duration, keep_slow: no times")
    _require(len(said.keep_calls) in (0, _WORDS), f"keep_calls: {_WORDS} words or none")
    command = _decoded(said.command, "command")
    _require(len(said.redact_patterns) <= _MAX_RULES, "redact_patterns: too many")
    _require(len(said.redact_keys) <= _MAX_RULES, "redact_keys: too many")
    redaction = Redaction(
        not said.no_redact_defaults,
        tuple(_decoded(pattern, "redact_patterns") for pattern in said.redact_patterns),
        tuple(_decoded(key, "redact_keys") for key in said.redact_keys),
    )
    return RunConfig(
        argv=[command] if said.command_given else [],
        environ=[],
        trace_id=said.trace_id,
        id_key=(said.id_key[0], said.id_key[1]),
        tuning=base._replace(
            limits=_limits(said.limits) if said.limits else base.limits,
            string_limit=said.string_limit,
            source=said.source and same_user,
            disable=frozenset({"edges"} if said.no_edges else ()),
            wanted=list(said.wanted) or None,
            hidden_signals=said.hidden_signals,
            hidden_statuses=said.hidden_statuses,
            paths=[_decoded(path, "paths") for path in said.paths],
            path_fds=list(said.path_fds),
            otlp_waits=True,  # for us alone: what the exporter has no room for, it drops
            fold=said.fold,
            spans=said.spans,
            max_trace_spans=said.max_trace_spans,
            min_duration_ns=said.min_duration,
            errors_only=said.errors_only,
            keep_errors=said.keep_errors,
            keep_slow_ns=said.keep_slow,
            keep_calls=list(said.keep_calls) or None,
            redaction=None if said.not_redacted else redaction,
            payload=said.payload,
        ),
        otlp=True,
        otlp_json=json,
        parent_span_id=said.parent_span_id,
        trace_flags=said.trace_flags,
        lamport_seed=said.lamport_seed,
        tracestate=said.tracestate,
        options=said.options,
        realtime_anchor=said.realtime_anchor,
        monotonic_anchor=said.monotonic_anchor,
        side="consumer",
        ring=ring,
        resumed=said.resumed,
        holds=holds,
        turn=said.turn,
        started=said.started,
    )


def _limits(said: Sequence[int]) -> list[int | None]:
    _require(len(said) == _LIMITS, f"limits: {_LIMITS} or none")
    _require(max(said) <= NO_LIMIT, "limits: too great")
    return [None if limit == NO_LIMIT else limit for limit in said]


def attributes(said: Any, redaction: Redaction | None) -> dict[str, Any]:
    """The resource of a run. Raises RefusedRun, WrongPattern."""
    from renacer_otel.spans.resource import make_resource

    _require(0 < len(said.run_id) <= _MAX_RUN_ID and said.run_id.isprintable(), "run_id: no such")
    _require(len(said.environment) <= 8, "environment: too much")
    environ: dict[str, str] = {}
    for entry in said.environment:
        name, _, value = _decoded(entry, "environment", _MAX_ENVIRONMENT).partition("=")
        environ[name] = value
    command = _decoded(said.command, "command")
    service = one_line(said.service_name, 1024) or None
    made = make_resource(command, environ, service, said.run_id)
    return redacted_values(made.attributes, redaction)


class SharedOutput(Output):
    """A run's blocks into the exporter that all runs share, in the envelope of its own resource."""

    def __init__(
        self, run: ConsumerRun, exporter: Exporter, envelope: Envelope, *, resumed: bool = False
    ) -> None:
        super().__init__(run, run.OTLP, "renacer-run")
        self._exporter = exporter
        self._envelope = envelope
        self._resumed = resumed
        self.refused = 0  # of the lost spans: the exporter counts them, too

    def _put(self, view: memoryview, count: int, first_seq: int) -> None:
        del first_seq
        block: bytes | memoryview = view
        if self._is_last and (losses := self._losses()):
            from renacer_otel.exporters.root_losses import with_losses

            block = with_losses(bytes(view), losses, is_json=self._exporter.json)
        if self._exporter.put(self._envelope.wrap(block), count, last=self._is_last):
            self.result.written += count
        else:
            self.result.lost += count
            self.refused += count

    def _losses(self) -> dict[str, int]:
        """What of this run has been dropped behind the encoder so far: reason -> spans."""
        found = {QUEUE_FULL: self._run.stats().dropped_spans}
        reason = "not_spooled" if self._exporter.keeps else QUEUE_FULL
        found[reason] = found.get(reason, 0) + self.result.lost
        told = {why: spans for why, spans in found.items() if spans}
        if self._resumed:  # edges, and how many nobody knows
            told[REPLACED] = 0
        return told


class TakenRun:
    """One tracer's run. Use: start(), then poll() until it is over, then end() and free()."""

    def __init__(
        self,
        said: Any,
        ring: int,
        exporter: Exporter,
        base: Tuning,
        *,
        same_user: bool,
    ) -> None:
        """Raises RefusedRun for what makes no sense, and for a ring that is none."""
        from renacer_otel.exporters import envelope

        config = run_config(
            said,
            ring,
            base,
            json=exporter.json,
            holds=exporter.keeps,
            same_user=same_user,
        )
        if exporter.spooling is not None:
            config = config._replace(tuning=exporter.spooling.tuned(config.tuning))
        make = envelope.JsonEnvelope if exporter.json else envelope.OtlpEnvelope
        self.name = one_line(config.argv[0] if config.argv else os.fsdecode(said.command), 60)
        try:
            wrapper = make(attributes(said, config.tuning.redaction))
            self._run = ConsumerRun(config)
        except (EngineError, WrongPattern) as error:
            raise RefusedRun(error.message) from error
        self._output = SharedOutput(self._run, exporter, wrapper, resumed=config.resumed)
        self.is_over = False

    def start(self) -> None:
        """Begins to read the ring. Raises RefusedRun where there can be no more threads."""
        started = False
        try:
            self._output.prepare()
            self._run.start()
            started = True
        except EngineError as error:
            raise RefusedRun(error.message) from error
        finally:
            if self._output.ident is not None:
                self._output.begin(wanted=started)

    def cut(self) -> None:
        """The tracer writes no more."""
        self._run.cut()

    def leave(self) -> None:
        """The ring is to be another's."""
        self._run.leave()

    def poll(self) -> bool:
        """Whether all that came is encoded, and with the exporter."""
        if not self.is_over:
            encoded = self._run.wait(0) is not None
            self.is_over = encoded and not self._output.is_alive()
        return self.is_over

    def ended(self) -> Mapping[int, int]:
        """The fields of Ended, once it is over."""
        stats = self._run.stats()
        spans, dropped = stats.spans, stats.dropped_spans + self._output.result.lost
        return {1: spans, 2: dropped, 3: stats.corrupt, 4: stats.lost_calls, 5: stats.lost_events}

    def figures(self) -> RunFigures:
        """What it has counted so far; until free()."""
        stats, result = self._run.stats(), self._output.result
        return RunFigures(
            waiting=stats.queued_spans,
            dropped=stats.dropped_spans,
            failed=result.lost - self._output.refused,
            calls=stats.calls,
            lost_calls=stats.lost_calls,
            lost_events=stats.lost_events,
            damages=stats.corrupt,
            tracer_ns=stats.tracer_ns,
            stops=stats.stops,
        )

    def end(self) -> None:
        """Only once it is over, or after leave(). Waits for its threads, which wait for nobody but
        the disk."""
        while self._run.wait(1.0) is None:
            pass
        if self._output.ident is not None:
            self._output.join()

    def free(self) -> None:
        """Frees one that has ended, or has not been started."""
        self._run.close()
