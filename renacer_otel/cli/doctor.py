# SPDX-License-Identifier: MIT
"""`renacer-otel doctor`: what this machine allows, and how to get what it lacks.

Tries tracing and, where an endpoint is named, sending. Exit code 0 if all that is needed works,
else 125.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel.cli import options, terminal
from renacer_otel.engine import abilities
from renacer_otel.engine.abilities import Ability
from renacer_otel.errors import EXIT_OWN_FAILURE, RenacerError
from renacer_otel.sidecar.opened import Opened
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.exporters.otlp_settings import OtlpSettings

_ANSWER_S = 3.0
_ENDPOINT = "OTLP endpoint"
_TAKES = {
    "grpc": "OTLP/gRPC",
    "http/protobuf": "OTLP/HTTP in protobuf",
    "http/json": "OTLP/HTTP in JSON",
}


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each ability; 0 if commands can be traced, else 125."""
    parser = options.Parser(prog="renacer-otel doctor", description=__doc__, allow_abbrev=False)
    parser.add_argument("--otlp-endpoint", metavar="URL", help="the collector to look for")
    parser.add_argument(
        "--otlp-protocol", metavar="PROTOCOL", help="grpc, http/protobuf or http/json (grpc)"
    )
    given = parser.parse_args(list(arguments))
    found = [*abilities.abilities(), _engine()]
    endpoint = _endpoint(given.otlp_endpoint, given.otlp_protocol)
    width = max(len(item.name) for item in [*found, endpoint])
    for item in [*found, endpoint]:
        mark = "ok  " if item.ok else ("FAIL" if item.needed else "note")
        terminal.show(f"{mark}  {item.name:{width}}  {item.found}\n")
        if not item.ok and item.fix:
            terminal.show(f"      {'':{width}}  fix: {item.fix}\n")
    if not all(item.ok for item in found if item.needed):
        terminal.show("Commands cannot be traced here: see FAIL above.\n")
        return EXIT_OWN_FAILURE
    if endpoint.needed and not endpoint.ok:
        terminal.show("Commands can be traced here, but no span would arrive: see FAIL above.\n")
        return EXIT_OWN_FAILURE
    terminal.show("Commands can be traced here.\n")
    return 0


def _engine() -> Ability:
    """The engine, tried for real on a command that does nothing."""
    name, fix = "engine ptrace", "mend what fails above; other engines do not exist yet"
    descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    config = SessionConfig(
        argv=["true"], environ=dict(os.environ), format="text", output=Opened(descriptor)
    )
    try:
        outcome = Session(config).run()
    except RenacerError as error:
        return Ability(name, False, error.message, fix, needed=True)
    finally:
        os.close(descriptor)
    if outcome.wait_status != 0 or not outcome.stats.calls or not outcome.complete:
        found = f"tracing `true` gave {outcome.stats.calls} calls and status {outcome.wait_status}"
        return Ability(name, False, found, fix, needed=True)
    milliseconds = outcome.stats.wall_ns / 1e6
    found = f"traced `true`: {outcome.stats.calls} calls in {milliseconds:.0f} ms (auto chooses it)"
    return Ability(name, True, found, needed=True)


def _endpoint(flag: str | None, protocol: str | None) -> Ability:
    from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve

    try:
        choice = resolve(OtlpFlags(endpoint=flag, protocol=protocol), os.environ)
    except RenacerError as error:
        return Ability(_ENDPOINT, False, error.message, "correct it", needed=True)
    remarks = "".join(f"; {warning}" for warning in choice.warnings)
    if choice.settings is None:
        return Ability(_ENDPOINT, True, "none: the trace is written as text" + remarks)
    if choice.settings.exporter:
        return Ability(_ENDPOINT, True, f"none: spans go to {choice.settings.endpoint}{remarks}")
    problem, remark = _send_nothing(choice.settings)
    if remark:
        remarks += f"; it says: {remark}"
    where = choice.settings.endpoint
    if not problem:
        takes = _TAKES[choice.settings.protocol]
        return Ability(_ENDPOINT, True, f"{where}: takes {takes}{remarks}", needed=True)
    fix = "start a collector there (docker compose up -d), or name another endpoint"
    return Ability(_ENDPOINT, False, f"{where}: {problem}{remarks}", fix, needed=True)


def _send_nothing(settings: OtlpSettings) -> tuple[str, str]:
    """Sends a request without a span; returns what went wrong ("" if nothing did), and what the
    collector says besides."""
    from renacer_otel.exporters.senders import make_sender

    sender = make_sender(settings, {"service.name": "renacer-otel doctor"})
    sender.start_deadline(_ANSWER_S)
    sender.submit(b"", 0)
    counters = sender.close(_ANSWER_S)
    if counters.batches:
        return "", counters.warning
    return counters.last_error or f"no answer within {_ANSWER_S:.0f} s", ""
