# SPDX-License-Identifier: MIT
"""`renacer-otel doctor`: what this machine allows, and how to get what it lacks."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from renacer_otel.cli import options
from renacer_otel.engine import abilities
from renacer_otel.engine.abilities import Ability
from renacer_otel.errors import EXIT_OWN_FAILURE, RenacerError, one_line
from renacer_otel.sidecar.session import Session, SessionConfig
from renacer_otel.spans.context import new_context

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONNECT_S = 2.0


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each ability; 0 if commands can be traced, else 125."""
    parser = options.Parser(prog="renacer-otel doctor", description=__doc__, allow_abbrev=False)
    parser.add_argument("--otlp-endpoint", metavar="URL", help="the collector to look for")
    given = parser.parse_args(list(arguments))
    found = [*abilities.abilities(), abilities.vm_readv(), _engine(), _python_engine()]
    found.append(_endpoint(given.otlp_endpoint))
    width = max(len(item.name) for item in found)
    for item in found:
        mark = "ok  " if item.ok else ("FAIL" if item.needed else "note")
        print(f"{mark}  {item.name:{width}}  {item.found}")
        if not item.ok and item.fix:
            print(f"      {'':{width}}  fix: {item.fix}")
    if all(item.ok for item in found if item.needed):
        print("Commands can be traced here.")
        return 0
    print("Commands cannot be traced here: see FAIL above.")
    return EXIT_OWN_FAILURE


def _engine() -> Ability:
    """The engine, tried for real on a command that does nothing."""
    descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    config = SessionConfig(
        argv=["true"],
        environ=dict(os.environ),
        context=new_context(),
        format="text",
        descriptor=descriptor,
    )
    try:
        outcome = Session(config).run()
    except RenacerError as error:
        return Ability("engine ptrace", False, error.message, "see above", needed=True)
    finally:
        os.close(descriptor)
    return Ability(
        "engine ptrace",
        True,
        f"traced `true`: {outcome.stats.calls} calls in {outcome.stats.wall_ns / 1e6:.0f} ms",
        needed=True,
    )


def _python_engine() -> Ability:
    return Ability("engines", True, "ptrace (auto chooses it)")


def _endpoint(flag: str | None) -> Ability:
    from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve

    name = "OTLP endpoint"
    try:
        choice = resolve(OtlpFlags(endpoint=flag), os.environ)
    except RenacerError as error:
        return Ability(name, False, error.message, "correct it")
    if choice.settings is None:
        return Ability(name, True, "none named: the trace is written as text")
    host, _, port = choice.settings.target.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        return Ability(
            name,
            False,
            f"{choice.settings.endpoint}: {reason}",
            "start a collector there (docker compose up), or name another endpoint",
        )
    return Ability(name, True, f"{choice.settings.endpoint}: connects")
