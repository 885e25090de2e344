# SPDX-License-Identifier: MIT
"""`renacer-otel run`: trace a command."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.cli import options, summaries, text_options
from renacer_otel.cli.asked import session_of
from renacer_otel.cli.terminal import complain
from renacer_otel.engine.launch import Abandoned
from renacer_otel.errors import (
    EXIT_OWN_FAILURE,
    CommandNotFound,
    LossError,
    Stopped,
    UsageError,
    one_line,
)
from renacer_otel.sidecar import summary
from renacer_otel.sidecar.session import Session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.sidecar.session_config import Outcome, SessionConfig


class Caller(NamedTuple):
    """A program that records for itself, and what it decides that the command line leaves to the
    environment and the terminal.

    `environ`: what options default to; `own_environ`: the command's, NAME=value each; `on_attached`
    gets pid and errno of each process that was to be attached to. `ends_all`: a signal that asks us
    to end ends all that is traced, and then raises Stopped. `judge`: says, once all is recorded,
    whether it is wrong: then the flight recorder exports.
    """

    environ: Mapping[str, str]
    own_environ: Sequence[str] | None = None
    on_attached: Callable[[Sequence[tuple[int, int]]], None] | None = None
    ends_all: bool = False
    judge: Callable[[], bool] | None = None


def without_telemetry() -> dict[str, str]:
    """The environment of a recording that is nobody's telemetry: it sends nothing anywhere."""
    return {name: value for name, value in os.environ.items() if name.startswith("RENACER_")}


def main(arguments: Sequence[str]) -> int:
    """Parses, runs, tells; ends as the command ended."""
    given, words, command = options.RunParser().parse(arguments)
    if not command and not (given.pids or given.names or given.cgroups):
        raise UsageError("no command to trace; write it after the options: renacer-otel -- ls -l")
    if command and not command[0]:
        raise CommandNotFound("'': no such command; its name is empty")
    given.words = words
    return trace(given, command)


def recorded(arguments: Sequence[str], caller: Caller | None = None) -> int:
    """Traces a command as main() does, and returns its wait status: it does not end as it did."""
    given, words, command = options.RunParser().parse(arguments)
    if command and not command[0]:
        raise CommandNotFound("'': no such command; its name is empty")
    given.words = words
    outcome, _ = _traced(given, command, caller)
    if caller is not None and caller.ends_all and outcome.number:
        raise Stopped(outcome.number)
    return outcome.wait_status


def captured(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    tell: Callable[[str], None],
    limit_s: float | None = None,
) -> Outcome:
    """Traces a command as recorded() does; what is to be told goes to `tell`, not to our streams.

    `environ`: what we go by; the command gets our own environment. A signal that asks us to end
    ends all that is traced, and then raises Stopped. After `limit_s` all that is traced is ended.
    """
    given, words, command = options.RunParser().parse(arguments)
    if not command[0]:
        raise CommandNotFound("'': no such command; its name is empty")
    given.words = words
    session, warnings = session_of(given, command, environ)
    try:
        outcome = Session(session._replace(ends_all=True, duration_s=limit_s), tell).run()
    finally:
        warnings += session.output.finish()
    if outcome.number:
        raise Stopped(outcome.number)
    for line in (*warnings, *outcome.warnings):
        tell(f"warning: {line}")
    for loss in summary.losses(outcome.stats, outcome.file, summary.unit_of(session.format)):
        tell(loss)
    return outcome


def trace(given: argparse.Namespace, command: list[str]) -> int:
    """Traces a command (none: []) and the processes that the options name."""
    try:
        outcome, told = _traced(given, command)
    except Abandoned:
        return EXIT_OWN_FAILURE  # nobody's: the command-to-be has told
    if given.fail_on_loss and not (outcome.complete and told):
        raise LossError("something was lost (see above), and --fail-on-loss was given")
    if given.away:
        return 0  # nobody's
    if not command:
        return 128 + outcome.number if outcome.number else 0
    return _end_as(outcome.wait_status)


def _traced(
    given: argparse.Namespace, command: list[str], caller: Caller | None = None
) -> tuple[Outcome, bool]:
    """(how it ended, whether the summary could be told). Raises Abandoned, RenacerErrors."""
    session, warnings = session_of(given, command, os.environ if caller is None else caller.environ)
    if caller is not None:
        session = session._replace(
            own_environ=session.own_environ if caller.own_environ is None else caller.own_environ,
            on_attached=caller.on_attached or session.on_attached,
            ends_all=caller.ends_all,
        )
        if caller.judge and session.tuning.flight:
            tuning = session.tuning._replace(flight_held=True)
            session = session._replace(judge=caller.judge, tuning=tuning)
    for warning in warnings:
        complain(f"warning: {warning}")
    if given.verbose:
        _tell_decisions(session)
    running = Session(session, complain)
    if given.away:
        from renacer_otel.engine import become

        running.adopt(*become.part(given.away, command, running.environ(), session.user))
    try:
        outcome = running.run()
        told = given.plan is None or summaries.tell(given.plan, outcome)
    finally:
        ended = session.output.finish()
    outcome.warnings.extend(ended)
    if given.verbose and outcome.stats.seccomp < 0:
        reason = os.strerror(-outcome.stats.seccomp)
        complain(f"the kernel refused the seccomp filter ({reason}): every call stopped")
    _tell(outcome, session, quiet="attach" in text_options.silenced(given))
    return outcome, told


def _tell_decisions(session: SessionConfig) -> None:
    tuning = session.tuning
    complain(f"engine {tuning.engine}, cpu {tuning.cpu}, ring {tuning.ring_bytes} bytes")
    if session.tuning.wanted is not None:
        filtering = "off" if session.tuning.seccomp == "off" else "on"
        reason = session.tuning.seccomp_reason
        complain(f"seccomp filter {filtering}" + (f": {reason}" if reason else ""))
    if session.context is not None:
        complain(f"trace {session.context.trace_id.hex()}")
    if session.otlp is not None:
        complain(f"exporting to {session.otlp.endpoint}")
    if session.sidecar is not None:
        complain(f"handing over to the sidecar at {one_line(session.sidecar.path, 120)}")


def _tell(outcome: Outcome, session: SessionConfig, *, quiet: bool) -> None:
    for warning in outcome.warnings:
        complain(f"warning: {warning}")
    for loss in summary.losses(outcome.stats, outcome.file, summary.unit_of(session.format)):
        complain(loss)
    if outcome.handed:
        for sentence in summary.left_behind(outcome.handed, outcome.stats):
            complain(sentence)
    if otlp := outcome.otlp:
        endpoint = session.otlp.endpoint if session.otlp else ""
        if otlp.lost or otlp.rejected:
            complain(
                f"{endpoint}: {summary.plural(otlp.lost, 'span')} lost,"
                f" {otlp.rejected:,} rejected: {summary.reasons(otlp, session.spool is not None)}"
            )
        if otlp.earlier:
            complain(f"{endpoint}: {summary.plural(otlp.earlier, 'span')} of earlier runs sent")
        if otlp.spooled and session.spool is not None:
            from renacer_otel.cli import spooling

            complain(spooling.kept(otlp.spooled, session.spool.folder.path, otlp.error))
        if otlp.warning:
            complain(f"warning: {endpoint} says: {otlp.warning}")
    if metrics := outcome.metrics:
        settings = session.metering.settings if session.metering else None
        endpoint = settings.otlp.endpoint if settings else ""
        if metrics.error:
            complain(
                f"{endpoint}: metrics: {summary.plural(metrics.lost, 'data point')} lost,"
                f" {metrics.rejected:,} rejected: {metrics.error}"
            )
        if metrics.warning:
            complain(f"warning: {endpoint} says of metrics: {metrics.warning}")
    if session.tuning.flight and not quiet and (session.otlp or session.format):
        unit = "line" if session.format == "text" and not session.otlp else "call"
        complain(summary.recorded(outcome.stats, unit, attached=not session.argv))
    if not quiet:
        complain(summary.last_line(outcome, summary.unit_of(session.format)))


def _end_as(wait_status: int) -> int:
    """The command's exit code; or death by the signal that it died of, without a core."""
    if not os.WIFSIGNALED(wait_status):
        return os.waitstatus_to_exitcode(wait_status)
    number = os.WTERMSIG(wait_status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return EXIT_OWN_FAILURE  # it was ignored by whoever sits above us
