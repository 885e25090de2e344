# SPDX-License-Identifier: MIT
"""`renacer-otel sidecar`: makes spans of what many tracers record, and exports for all.

Tracers with --sidecar hand their rings over at its socket, and start no exporter. SIGTERM or SIGINT
ends it: runs that are at their end are waited for, others stay with their tracers, which go on,
and look for another sidecar; then what is left is sent. A second signal ends it at once. It
listens, unless told otherwise, at $XDG_RUNTIME_DIR/renacer-otel/sidecar.sock, else below /run.

Options go over the environment (OTEL_EXPORTER_OTLP_*), that over [sidecar] of the file of --config.

Exit code 0: it ended as it was asked to; 125: it cannot serve, or the configuration is wrong.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from renacer_otel.cli import exporting, options, otlp_flags, settings_file, spooling
from renacer_otel.cli.terminal import complain
from renacer_otel.errors import EngineError, UsageError
from renacer_otel.exporters.ledger import QUEUE_FULL, REJECTED
from renacer_otel.sidecar.place import default_path
from renacer_otel.sidecar.summary import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renacer_otel.exporters.otlp_settings import OtlpChoice
    from renacer_otel.sidecar.delivery import Spooling
    from renacer_otel.sidecar.server import Served, ServerSettings

_PREFIX = "OTEL_EXPORTER_OTLP_"
# Of open files. gRPC ends the process where it finds none.
_FEWEST_DESCRIPTORS, _MOST_DESCRIPTORS = 32, 65_536
# Keys of the file, and the variables that they stand for where these are not set.
_VARIABLES = {
    "otlp_endpoint": "ENDPOINT",
    "otlp_protocol": "PROTOCOL",
    "otlp_headers": "HEADERS",
    "otlp_insecure": "INSECURE",
    "otlp_certificate": "CERTIFICATE",
    "otlp_client_key": "CLIENT_KEY",
    "otlp_client_certificate": "CLIENT_CERTIFICATE",
    "otlp_compression": "COMPRESSION",
    "otlp_timeout": "TIMEOUT",
}


def main(arguments: Sequence[str]) -> int:
    """Serves until it is asked to end. Raises UsageError, ConfigError, EngineError."""
    given = _parser().parse_args(list(arguments))
    settings = _settings(given, os.environ)
    _have_descriptors()
    from renacer_otel.engine import native
    from renacer_otel.sidecar.server import Server

    native.load()
    _tell(Server(settings, complain).run(), settings.spool)
    return 0


def _have_descriptors() -> None:
    """As many as the hard limit gives. Raises EngineError where they are too few to serve with."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _MOST_DESCRIPTORS) if hard != resource.RLIM_INFINITY else _MOST_DESCRIPTORS
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft < _FEWEST_DESCRIPTORS:
        raise EngineError(
            f"a sidecar needs {_FEWEST_DESCRIPTORS} open files, and {soft} is the limit; raise it"
            " (ulimit -n)"
        )


def _parser() -> options.Parser:
    parser = options.parser_of("sidecar", "[OPTION...]", __doc__)
    parser.add_argument("--listen", metavar="PATH", help="the socket")
    parser.add_argument("--config", metavar="FILE", help="whose section [sidecar] is read")
    for name, how in (
        ("endpoint", {"metavar": "URL"}),
        ("protocol", {"metavar": "PROTOCOL"}),
        ("header", {"metavar": "KEY=VALUE", "action": "append", "default": []}),
        ("insecure", {"action": "store_true", "default": None}),
        ("certificate", {"metavar": "FILE"}),
        ("client-key", {"metavar": "FILE"}),
        ("client-certificate", {"metavar": "FILE"}),
        ("compression", {"metavar": "none|gzip"}),
        ("timeout", {"metavar": "TIME"}),
    ):
        parser.add_argument(f"--otlp-{name}", help="as for run", **how)
    parser.add_argument(
        "--spool", metavar="DIR", help="keep spans in DIR until the collector has them"
    )
    parser.add_argument("--spool-max", metavar="SIZE", help="the most that DIR may hold (1GiB)")
    parser.add_argument(
        "--spool-full",
        metavar="POLICY",
        help="what to do then: drop-newest, drop-oldest or block (drop-newest)",
    )
    parser.add_argument(
        "--metrics-listen",
        metavar="HOST:PORT",
        help="show our own metrics there, at /metrics, for Prometheus; and /readyz",
    )
    parser.add_argument(
        "--health-listen",
        metavar="HOST:PORT",
        help="serve grpc.health.v1 there, or at unix:/PATH",
    )
    return parser


def _settings(given: Any, environ: Mapping[str, str]) -> ServerSettings:
    from renacer_otel.sidecar.server import ServerSettings

    file = settings_file.of(given)
    section = file.sections.get("sidecar", {}) if file else {}
    choice = _otlp(given, environ, section)
    for warning in choice.warnings:
        complain(f"warning: {warning}")
    if choice.settings is None:
        raise UsageError("the sidecar exports: say where to, --otlp-endpoint URL")
    path = given.listen or section.get("listen") or default_path(environ)
    chosen = {
        name: section[key]
        for name, key in (
            ("max_runs", "max_runs"),
            ("max_ring_bytes", "max_ring_size"),
            ("queue_bytes", "queue_size"),
            ("drain_s", "drain_timeout"),
        )
        if section.get(key) is not None
    }
    base = ServerSettings(path, choice.settings).tuning
    tuning, otlp, warnings = exporting.as_variables_say(base, choice.settings, environ)
    for warning in warnings:
        complain(f"warning: {warning}")
    assert otlp is not None
    return ServerSettings(
        path,
        otlp,
        frozenset(section.get("allow_uids") or ()),
        metrics_listen=_metrics_listen(given.metrics_listen or section.get("metrics_listen")),
        health_listen=_health_listen(given.health_listen or section.get("health_listen")),
        tuning=tuning,
        spool=spooling.of_sidecar(given, section),
        **chosen,
    )


def _metrics_listen(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    from renacer_otel.exporters.metrics_server import parse_address

    return parse_address(text, "--metrics-listen")


def _health_listen(text: str | None) -> str:
    if text is None:
        return ""
    if text.startswith("unix:/") and "\0" not in text:
        return text
    from renacer_otel.exporters.metrics_server import parse_address

    host, port = parse_address(text, "--health-listen")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _otlp(given: Any, environ: Mapping[str, str], section: Mapping[str, Any]) -> OtlpChoice:
    from renacer_otel.exporters.otlp_settings import resolve

    merged = dict(environ)
    for key, name in _VARIABLES.items():
        value = section.get(key)
        taken = any(environ.get(_PREFIX + more + name, "").strip() for more in ("", "TRACES_"))
        if value is not None and not taken:
            merged[_PREFIX + name] = _as_variable(value)
    named = any(merged.get(f"{_PREFIX}{more}ENDPOINT", "").strip() for more in ("", "TRACES_"))
    if not (given.otlp_endpoint or given.otlp_protocol or named):
        raise UsageError("the sidecar exports: say where to, --otlp-endpoint URL")
    return resolve(otlp_flags.of(given), merged)


def _as_variable(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value * 1000)) if isinstance(value, float) else str(value)


def _tell(served: Served, spool: Spooling | None) -> None:
    books, sender = served.counts.books, served.counts.sender
    rejected = sum(books.because(REJECTED).values())
    reasons = [
        f"the queue was full for {spans:,} of them ([sidecar] queue_size)"
        if why == QUEUE_FULL
        else f"{why} {spans:,}"
        for why, spans in sorted(books.unoffered.items())
    ]
    if behind := [why for why in books.dropped if why not in books.unoffered]:
        reasons.append(sender.last_error or ", ".join(behind))
    complain(
        f"{plural(served.runs, 'run')}, {plural(books.exported, 'span')} sent,"
        f" {rejected:,} rejected, {books.lost - rejected + served.unread:,} lost"
        + (f": {'; '.join(reasons)}" if reasons else "")
    )
    if spool is not None and books.spooled:
        complain(spooling.kept(books.spooled, spool.folder.path, sender.last_error, "sidecar"))
    if served.left:
        complain(
            f"{plural(served.left, 'run')} went on: what is recorded stays with the tracers, until"
            " another sidecar listens here"
        )
