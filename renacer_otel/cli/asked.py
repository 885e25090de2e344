# SPDX-License-Identifier: MIT
"""What the options of `run` and `attach` ask for, as a session is told it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel import config as values
from renacer_otel.cli import (
    handing,
    launching,
    metric_options,
    options,
    otlp_flags,
    output,
    redacting,
    span_options,
    spooling,
    summaries,
    text_options,
    without_core,
)
from renacer_otel.engine.launch import (
    ALL_DEPTHS,
    CPU_POLICIES,
    ON_FULL,
    SECCOMP_MODES,
    Tuning,
    own_environ,
)
from renacer_otel.errors import ConfigError, UsageError, one_line
from renacer_otel.sidecar import filters
from renacer_otel.sidecar.opened import Opened
from renacer_otel.sidecar.session_config import SessionConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.exporters.otlp_settings import OtlpSettings

_MAX_STRING = 65_536
# Fallbacks of the engine that tests force: names of FALLBACKS, comma-separated.
_DISABLE = "RENACER_DISABLE"
# Seconds by which tests set the tracer's wall clock ahead: another host's.
_CLOCK_OFFSET = "RENACER_CLOCK_OFFSET"
_MAX_CLOCK_OFFSET = 10**6


def session_of(
    given: argparse.Namespace, command: list[str], environ: Mapping[str, str]
) -> tuple[SessionConfig, list[str]]:
    """What the options ask for, and warnings; checked whole before anything is started or opened.

    Raises RenacerErrors.
    """
    options.choose("--engine", given.engine, options.ENGINES)
    metric_options.with_file(given, environ)
    given.core = not without_core.is_alone(given, exports=_asked_to_export(given, environ))
    if given.engine == "python":
        _check_python(given)
    chosen = given.format
    if chosen is not None:
        options.choose("--format", chosen, options.FORMATS)
    given.plan = plan = summaries.plan(given, chosen)
    if given.source and (chosen == "csv" or (plan and plan.only)):
        raise UsageError("--source: neither rows nor counts show it; use text, json or otlp-json")
    if chosen in ("record", "otlp-json") and given.output is None:
        raise UsageError(f"--format {chosen} needs a file: add -o FILE")
    if given.capture is not None:
        for word in given.capture.split(","):
            options.choose("--capture", word, options.CAPTURES)
        if chosen != "record":
            raise UsageError("--capture is for TRACE files: add --format record -o FILE")
    output.check(given, chosen)
    asked = _asked_to_export(given, environ)
    sidecar = handing.sidecar_of(given, environ)
    span_options.check(given, exports=asked or chosen == "otlp-json" or sidecar is not None)
    flight = span_options.flight(given, exports=asked, form=chosen)
    tuning = _tuning(given, environ)._replace(flight=flight)
    flush_timeout = values.parse_duration(given.flush_timeout, "--flush-timeout")
    duration = given.duration
    if duration is not None:
        duration = values.parse_duration(duration, "--for")
    if not command:
        _check_no_command(given)
    if given.away and (given.pids or given.names or given.cgroups):
        raise UsageError("-D is for a command alone; leave out what to attach to")
    pids = _pids(given)
    asked_sidecar = sidecar is not None
    if sidecar and (given.spool or given.status_file):
        raise UsageError("--spool and --status-file: the sidecar sends; leave them out")
    otlp, warnings = (None, []) if sidecar else otlp_of(given, environ)
    if tuning.seccomp == "on" and tuning.seccomp_reason:
        warnings.append(f"--seccomp-bpf on: {tuning.seccomp_reason}")
    choose = metric_options.refused if sidecar else metric_options.chosen
    metering, more = choose(given, environ)
    warnings += more
    tuning = tuning._replace(
        meters=metering is not None, meter_pids=bool(metering and metering.by_pid)
    )
    exports = bool(otlp or sidecar or metering) or chosen in ("record", "otlp-json")
    exports = exports or given.trace_parent is not None  # if only to say that it is malformed
    context, run_id, shown, because = None, "", "", ""
    if exports:
        from renacer_otel.spans.context import inbound, new_run_id

        run_id = new_run_id()
        shown = redacting.shown(given.words, tuning.redaction if given.core else None)
        context, more = inbound(given.trace_parent, environ)
        warnings += more
    if context is not None and (sidecar or otlp is not None or chosen == "otlp-json"):
        from renacer_otel.spans import sampling

        context, because, more = sampling.decide(context, environ)
        warnings += more
        if not sidecar or handing.says_limits(environ):  # its tracer is to start at once
            from renacer_otel.cli import exporting

            tuning, otlp, more = exporting.as_variables_say(tuning, otlp, environ)
            warnings += more
    if because:
        otlp = sidecar = None
        if given.verbose:
            warnings.append(f"{because}: nothing is exported")
        if chosen == "otlp-json":
            chosen = "none"
    text = given.output is not None or (otlp is None and not asked)
    form = chosen or ("text" if text and not asked_sidecar else None)
    environment = launching.with_changes(own_environ(), given.variables)
    user = launching.find_user(given.user)
    if form == "none":
        form = None
    if plan is not None and plan.only:
        form = None
    spool = spooling.of_options(given, is_exported=otlp is not None)
    opened = output.open_output(given) if form or plan else Opened()
    if plan is not None:
        beside = form in ("record", "otlp-json")  # whose file holds nothing else
        given.plan = plan._replace(
            limit_s=tuning.block_limit_ns / 1e9,
            descriptor=output.standard_error() if beside else opened.for_closer(),
        )
    return SessionConfig(
        argv=command,
        attach=pids,
        duration_s=duration,
        tell_waiting=bool(given.verbose) or os.isatty(2),
        on_attached=_teller(quiet="attach" in text_options.silenced(given)) if pids else None,
        environ=dict(environ),
        own_environ=environment,
        user=user,
        context=context,
        otlp=otlp,
        metering=metering,
        sidecar=sidecar,
        spool=spool,
        status=given.status_file or "",
        format=form,
        output=opened,
        tuning=spool.tuned(tuning) if spool else tuning,
        flush_timeout_s=flush_timeout,
        propagate=not given.no_propagate,
        unsampled=bool(because) and asked,
        service_name=given.otlp_service_name,
        run_id=run_id,
        options=shown,
        clock_offset_ns=_clock_offset(environ),
    ), warnings


def _check_no_command(given: argparse.Namespace) -> None:
    """Raises UsageError for what only a command to be started makes use of."""
    for name, value in (("-E", given.variables), ("-u", given.user is not None)):
        if value:
            raise UsageError(f"{name} is for a command that is started; leave it out")
    if given.cpu == "share":
        raise UsageError("--cpu share: attached processes keep their CPUs; leave it out")


def _check_python(given: argparse.Namespace) -> None:
    """Raises UsageError for what the python engine cannot do, EngineError if it is missing."""
    if given.pids or given.names or given.cgroups:
        raise UsageError("--engine python cannot attach; leave out the processes, or the engine")
    if given.duration is not None:
        raise UsageError("--engine python cannot detach from a command: leave out --for")
    if given.seccomp_bpf == "on":
        raise UsageError("--engine python has no seccomp filter; leave out --seccomp-bpf on")
    if given.away:
        raise UsageError("--engine python traces what it starts itself; leave out -D")
    if text_options.described_fds(given):
        raise UsageError("--engine python does not look up descriptors; leave out -y, --decode-fds")
    if given.source:
        raise UsageError("--engine python does not look for sources; leave out --source")
    if given.cpu == "share":
        raise UsageError("--engine python does not choose CPUs; leave out --cpu share")
    from renacer_otel.engine.python_require import require

    require()


def _pids(given: argparse.Namespace) -> list[int]:
    if not (given.pids or given.names or given.cgroups):
        return []
    from renacer_otel.cli import attach

    return attach.chosen(given)


def _teller(*, quiet: bool) -> Callable[[Sequence[tuple[int, int]]], None]:
    from renacer_otel.cli import attach

    return lambda results: attach.tell(results, quiet=quiet)


def _tuning(given: argparse.Namespace, environ: Mapping[str, str]) -> Tuning:
    ring_bytes = values.parse_size(given.ring_size, "--ring-size")
    if not 512 << 10 <= ring_bytes <= 1 << 30:
        raise ConfigError("--ring-size: give 512KiB to 1GiB")
    selection = filters.select(given.expressions, given.paths)
    if not given.core:
        without_core.check_selection(selection)
    disable = _disabled(environ)
    seccomp, no_new_privs, reason = _filtering(given, selection.wanted, disable)
    captured = (given.capture or "").split(",")
    return Tuning(
        text_flags=_text_flags(given),
        text_column=values.parse_count(given.columns, "-a", 0, 1000),
        string_limit=values.parse_count(given.string_limit, "-s", 0, _MAX_STRING),
        describe_fds=text_options.described_fds(given),
        hashes=bool({"hashes", "writes"} & {*captured}),
        states="hashes" in captured,
        mapped="writes" in captured,
        peaks="rss" in captured,
        source=given.source,
        redaction=redacting.chosen(given),
        payload=given.capture_payload,
        follow=not given.no_follow,
        max_depth=_max_depth(given),
        seccomp=seccomp,
        no_new_privs=no_new_privs,
        seccomp_reason=reason,
        cpu=options.choose("--cpu", given.cpu, CPU_POLICIES),
        on_full=options.choose("--on-full", given.on_full, ON_FULL),
        block_limit_ns=values.parse_duration_ns(given.block_limit, "--block-limit"),
        ring_bytes=ring_bytes,
        disable=disable,
        engine="python" if given.engine == "python" else "ptrace",
        core=given.core,
        count_by=given.plan.by if given.plan else "",
        count_wall=bool(given.plan and given.plan.wall),
        **span_options.tuning(given),
        **selection._asdict(),
    )


def _text_flags(given: argparse.Namespace) -> int:
    if given.core:
        return output.text_flags(given)
    return int("exit" in text_options.silenced(given))  # all that plain text can leave out


def _filtering(
    given: argparse.Namespace, wanted: Sequence[int] | None, disable: frozenset[str]
) -> tuple[str, bool, str]:
    """A filtering.Decision. Raises UsageError where the filter must be and may not."""
    asked = options.choose("--seccomp-bpf", given.seccomp_bpf, SECCOMP_MODES)
    if asked == "auto" and wanted is None:
        return "off", False, ""  # the usual case, and start-up matters
    if given.engine == "python":
        return "off", False, "the python engine has none"
    from renacer_otel.engine.filtering import decide

    detaches = "--for" if given.duration is not None else ""
    if given.away:
        reason = "with -D the command is not started by the tracer"
        if asked == "on":
            raise UsageError(f"--seccomp-bpf on: {reason}")
        return "off", False, reason
    if given.pids or given.names or given.cgroups:
        detaches = "attaching"
    decision = decide("off" if "seccomp" in disable else asked, wanted, detaches)
    if asked == "on" and decision.mode == "off":
        raise UsageError(f"--seccomp-bpf on: {decision.reason}")
    return decision


def _max_depth(given: argparse.Namespace) -> int:
    """Generations of processes below the command that are followed; the lesser of two options."""
    if given.no_follow and (given.follow or given.max_depth):
        raise UsageError("--no-follow and --follow or --max-depth contradict each other; drop one")
    depths = [ALL_DEPTHS]
    if given.follow is not None:
        depth = options.FOLLOW[options.choose("--follow", given.follow, tuple(options.FOLLOW))]
        depths += [] if depth is None else [depth]
    if given.max_depth is not None:
        depths.append(values.parse_count(given.max_depth, "--max-depth", 0, 1_000_000))
    return min(depths)


def _asked_to_export(given: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Whether an endpoint is named, or a protocol or exporter, by its flag or OTEL_TRACES_EXPORTER:
    its default endpoint is meant.

    Then there is no text by default, sampled or not."""
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if given.otlp_endpoint is not None or given.otlp_protocol is not None:
        return True
    if given.exporter is not None:
        return bool(given.exporter != "none")
    if environ.get("OTEL_TRACES_EXPORTER", "").strip():
        from renacer_otel.cli import exporting

        return exporting.by_variable(environ)
    return any(environ.get(name, "").strip() for name in names)


# Of no use without an endpoint: given alone, they are a mistake.
_NEED_ENDPOINT = (
    "otlp_header",
    "otlp_insecure",
    "otlp_certificate",
    "otlp_client_key",
    "otlp_client_certificate",
    "otlp_compression",
    "otlp_timeout",
    "spool",
    "status_file",
)


def otlp_of(
    given: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[OtlpSettings | None, list[str]]:
    """The way to the collector that options and variables name, and warnings.

    Raises UsageError, ConfigError.
    """
    if not _asked_to_export(given, environ):
        alone = [name for name in _NEED_ENDPOINT if getattr(given, name) not in (None, [])]
        if alone and not given.metrics:
            flag = "--" + alone[0].replace("_", "-")
            raise UsageError(f"{flag} has no use without an endpoint; add --otlp-endpoint URL")
        if not environ.get("OTEL_TRACES_EXPORTER"):
            return None, []
    from renacer_otel.exporters.otlp_settings import resolve

    choice = resolve(otlp_flags.of(given), environ)
    return choice.settings, list(choice.warnings)


def _disabled(environ: Mapping[str, str]) -> frozenset[str]:
    from renacer_otel.engine.launch import FALLBACKS

    names = frozenset(filter(None, environ.get(_DISABLE, "").split(",")))
    if unknown := names - FALLBACKS.keys() - {"core"}:
        raise ConfigError(f"{_DISABLE}: unknown {one_line(min(unknown), 40)}")
    return names - {"core"}


def _clock_offset(environ: Mapping[str, str]) -> int:
    text = environ.get(_CLOCK_OFFSET, "0")
    if not text.isascii() or not text.isdigit() or int(text[:8]) > _MAX_CLOCK_OFFSET:
        raise ConfigError(
            f"{_CLOCK_OFFSET}: '{one_line(text, 40)}' is no number of seconds from 0 to"
            f" {_MAX_CLOCK_OFFSET}"
        )
    return int(text) * 10**9
