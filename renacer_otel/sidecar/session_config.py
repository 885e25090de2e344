# SPDX-License-Identifier: MIT
"""What a run is to do, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.engine.launch import Stats, Tuning, User
from renacer_otel.sidecar.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.sidecar.delivery import Spooling
    from renacer_otel.sidecar.link import Handed
    from renacer_otel.sidecar.metering import MeteringConfig
    from renacer_otel.sidecar.outputs import Delivered
    from renacer_otel.spans.context import TraceContext
    from renacer_otel.spans.counts import Counts


class Sidecar(NamedTuple):
    """The socket of the sidecar that is to have the records. Unless it is `required`, the command
    runs without one, too; one that comes later is joined."""

    path: str
    required: bool


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
    metering: MeteringConfig | None = None
    spool: Spooling | None = None  # between the encoder and the network
    status: str = ""  # a file that says where every span is
    format: str | None = None
    output: Opened = Opened()
    user: User | None = None
    tuning: Tuning = Tuning()
    flush_timeout_s: float = 5.0
    propagate: bool = True
    unsampled: bool = False  # spans would be exported, but for the trace's not being sampled
    service_name: str | None = None
    run_id: str = ""
    options: str = ""
    attach: Sequence[int] = ()  # processes that run already
    on_attached: Callable[[Sequence[tuple[int, int]]], None] | None = None  # pid and errno of each
    duration_s: float | None = None  # all are let go after so long; with ends_all, ended
    adopt: tuple[int, int] | None = None  # a process to be the command, and a socket to it
    tell_waiting: bool = False  # for outputs, once nothing is traced any more
    clock_offset_ns: int = 0  # tests: our wall clock is so much ahead
    sidecar: Sidecar | None = None  # who gets the records; there is no output besides
    judge: Callable[[], bool] | None = None  # with flight_held: whether what was recorded is wrong
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
    metrics: Delivered | None = None  # in data points
    late: bool = False
    handed: Handed | None = None  # with a sidecar

    @property
    def lost_spans(self) -> int:
        """Calls and spans that no exporter delivered; the ring's losses included."""
        otlp = self.otlp.lost + self.stats.dropped_spans if self.otlp else 0
        handed = self.handed.lost_beyond(self.stats.lost_calls) if self.handed else 0
        return otlp + self.stats.lost_calls + handed

    @property
    def complete(self) -> bool:
        """Whether nothing at all was lost."""
        failed = self.file is not None and bool(self.file.lost or self.file.error)
        failed = failed or (self.metrics is not None and bool(self.metrics.error))
        rejected = self.otlp.rejected if self.otlp else 0
        return not (
            self.lost_spans
            or self.stats.lost_events
            or self.stats.text_lost
            or self.stats.corrupt
            or failed
            or rejected
            or (self.handed is not None and not self.handed.complete)
        )
