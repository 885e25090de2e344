# SPDX-License-Identifier: MIT
"""The outputs of a run, and what stands at their heads."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from renacer_otel._version import __version__
from renacer_otel.engine.redaction import Redactor, redacted_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.engine.launch import NativeRun
    from renacer_otel.exporters.ledger import Ledger
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.exporters.status_file import StatusFile
    from renacer_otel.sidecar.identity import Identity
    from renacer_otel.sidecar.metering import Metering
    from renacer_otel.sidecar.outputs import (
        FileOutput,
        JsonWriter,
        OtlpOutput,
        PlainWriter,
        RecordWriter,
        Sender,
    )
    from renacer_otel.sidecar.session_config import SessionConfig


class Outputs:
    """Makes the outputs of one run. `environ`: the command's; `warnings`: for the user, later."""

    def __init__(self, config: SessionConfig, identity: Identity, environ: Sequence[str]) -> None:
        self._config = config
        self._identity = identity
        self._environ = environ
        self.warnings: list[str] = []
        self._making = threading.Lock()
        self._made_attributes: dict[str, Any] | None = None

    def otlp(self, run: NativeRun) -> OtlpOutput | None:
        """To a collector, if there is one."""
        settings = self._config.otlp
        if settings is None:
            return None
        from renacer_otel.exporters.ledger import Ledger
        from renacer_otel.sidecar.outputs import OtlpOutput

        ledger = Ledger()
        is_json = settings.protocol == "http/json"
        return OtlpOutput(run, lambda: self._make_sender(settings, ledger), ledger, is_json=is_json)

    def status_file(self, run: NativeRun, otlp: OtlpOutput | None) -> StatusFile | None:
        """Begun; None = nobody wants it. Raises OutputError."""
        config = self._config
        if not (config.status and otlp and config.otlp):
            return None
        from renacer_otel.sidecar import delivery

        about = {"pid": os.getpid(), "run_id": config.run_id, "endpoint": config.otlp.endpoint}
        flight = config.tuning.flight > 0
        return delivery.status_file(config.status, about, run, otlp, flight=flight)

    def metering(self, run: NativeRun, otlp: OtlpOutput | None) -> Metering | None:
        """For metrics, if any are asked for; `otlp`: the output of spans."""
        config = self._config
        if config.metering is None:
            return None
        from renacer_otel.sidecar.metering import Metering

        spans = (config.otlp, otlp) if config.otlp and otlp else None
        real, monotonic = self._identity.anchors
        return Metering(
            run, config.metering, self._attributes, spans, lambda at: real + at - monotonic
        )

    def file(self, run: NativeRun) -> FileOutput | None:
        """To the file that the output is, unless the core writes it itself."""
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
        """Of the resource; the same for whoever asks."""
        from renacer_otel.spans.resource import make_resource

        config = self._config
        with self._making:
            if self._made_attributes is None:
                choice = make_resource(
                    config.program, config.environ, config.service_name, config.run_id
                )
                self.warnings += choice.warnings
                self._made_attributes = self._redacted_values(choice.attributes)
            return dict(self._made_attributes)

    def _redacted(self, words: Sequence[str]) -> Sequence[str]:
        redaction = self._config.tuning.redaction
        return words if redaction is None else Redactor(redaction).words(words)

    def _redacted_values(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return redacted_values(attributes, self._config.tuning.redaction)

    def _make_sender(self, settings: OtlpSettings, ledger: Ledger) -> Sender:
        from renacer_otel.sidecar import delivery

        return delivery.make_sender(
            settings, self._attributes(), ledger, self._config.spool, self.warnings.append
        )

    def _json_writer(self, write: Callable[[bytes], None]) -> JsonWriter:
        from renacer_otel.sidecar.outputs import JsonWriter

        return JsonWriter(write, self._attributes())

    def _listing_writer(self, write: Callable[[bytes | memoryview], None]) -> PlainWriter:
        from renacer_otel.sidecar.outputs import PlainWriter
        from renacer_otel.spans import listing

        write(listing.head(self._redacted(self._config.argv), self._identity.anchors[0]))
        return PlainWriter(write)

    def _given(self) -> list[str]:
        """What variables the command has, by name and a piece of a hash."""
        if self._config.attach:
            return []
        from renacer_otel.spans import variables

        given = (entry.partition("=") for entry in self._environ)
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
        context = self._identity.context
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
                "home": "" if config.attach else variables.home(self._environ),
                "umask": _umask(),
                "run_id": config.run_id,
                "trace_id": context.trace_id.hex(),
                "trace_flags": context.flags,
                "parent_span_id": f"{context.span_id:016x}",
                "tracestate": context.tracestate,
                "lamport_seed": context.lamport,
                "id_key": list(self._identity.id_key),
                "realtime_anchor": self._identity.anchors[0],
                "monotonic_anchor": self._identity.anchors[1],
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
