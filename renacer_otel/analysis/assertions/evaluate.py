# SPDX-License-Identifier: MIT
"""Whether the assertions of renacer.toml hold for a trace."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.assertions import memory, patterns
from renacer_otel.errors import (
    EXIT_BAD_CONFIGURATION,
    ConfigError,
    RenacerError,
    did_you_mean,
    one_line,
)
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renacer_otel.analysis.assertions.config import Assertion, Config
    from renacer_otel.analysis.assertions.subject import Subject

HOLDS, VIOLATED, WARNED, UNKNOWN = "holds", "violated", "warning", "unknown"
DISABLED, OTHERS, LEFT = "disabled", "not for this trace", "not reached"
_MOST_EVIDENCE = 5
_GLANCE = 5.0  # seconds for SQL before there is a trace
#: What a sentence of evidence begins with where the assertion asks for something odd.
WARNING = "warning: "
_CALLS = 576  # numbers of calls are less
_ABIS = (1, 2, 3, 4, 5)  # enum rn_abi
_PATH_NEEDS = ("times", "durations", "processes", "causes")
# What of replay.UNKNOWN words of SQL ask for: tables and columns.
_COLUMNS = {
    "times": {"start_ns", "time_ns", "number"},
    "durations": {"duration_ns"},
    "processes": {"processes", "threads", "process", "thread", "pid", "tid", "maker"},
    "arguments": {f"arg{n}" for n in range(6)},
    "paths": {"path", "other_path"},
    "objects": {"object"},
    "peers": {"peer"},
    "signals": {"signals", "events"},
    "causes": {"edges", "causes_missing", "lamport_start", "lamport_end"},
}
# By how much the estimate of what tracing added may be wrong.
_ESTIMATE_ERROR = 0.3


@dataclass
class Result:
    """What came of one assertion.

    `actual` and `expected` are in `unit`; None where there is none. `evidence`: sentences.
    """

    name: str
    kind: str
    line: int
    status: str
    message: str
    actual: float | None = None
    expected: float | None = None
    unit: str = ""
    evidence: list[str] = field(default_factory=list)


@dataclass
class _Judged:
    """Of an assertion that applies. `problem`: why it cannot be known whether it holds.

    `sure`: a violation is one whatever is missing in the trace; a lower bound counts.
    """

    holds: bool
    message: str
    actual: float | None
    expected: float | None
    unit: str
    evidence: list[str] = field(default_factory=list)
    problem: str = ""
    calls: tuple[str, ...] = ()  # those that have to be recorded; none = all
    needs: tuple[str, ...] = ()  # what the trace has to tell: of replay.UNKNOWN


class _Elsewhere(Exception):  # noqa: N818
    """The assertion is for other traces; the message says why."""


def evaluate(config: Config, subject: Subject) -> Iterator[Result]:
    """The result of each assertion, in the order of the file; [ci] fail_fast is kept to."""
    stops = bool(config.sections.get("ci", {}).get("fail_fast"))
    stopped = ""
    for assertion in config.assertions:
        result = _result(assertion, subject, stopped)
        if stops and not stopped and result.status in (VIOLATED, UNKNOWN):
            stopped = assertion.name
        yield result


def exit_code(results: list[Result]) -> int:
    """1 if one is violated, else 125 if of one that would fail it cannot be known, else 0."""
    statuses = {result.status for result in results}
    if VIOLATED in statuses:
        return 1
    return 125 if UNKNOWN in statuses else 0


def _result(assertion: Assertion, subject: Subject, stopped: str) -> Result:
    plain = (assertion.name, assertion.kind, assertion.line)
    if not assertion.enabled:
        return Result(*plain, DISABLED, "enabled = false")
    if stopped:
        return Result(*plain, LEFT, f"fail_fast: '{one_line(stopped, 60)}' came before")
    try:
        judged = _JUDGES[assertion.kind](assertion.values, subject)
    except _Elsewhere as elsewhere:
        return Result(*plain, OTHERS, str(elsewhere))
    except ConfigError as error:
        raise _of(assertion, error) from error
    problem = judged.problem or (_missing(judged, subject) if judged.holds else "")
    status = HOLDS if judged.holds else VIOLATED
    message = judged.message
    if problem:
        status = UNKNOWN
        message = f"cannot be known: {problem}"
    if status in (VIOLATED, UNKNOWN) and not assertion.fails:
        status = WARNED
    return Result(
        *plain, status, message, judged.actual, judged.expected, judged.unit,
        [one_line(sentence, 400) for sentence in judged.evidence[:_MOST_EVIDENCE]],
    )  # fmt: skip


def _missing(judged: _Judged, subject: Subject) -> str:
    """Why what holds for what is in the trace may not hold for what happened; "" = it does."""
    run = subject.run
    if not run.complete:
        return "the trace was cut short; capture it again"
    if run.lost_events or run.lost_calls:
        lost = run.lost_events + run.lost_calls
        return f"{lost:,} events were lost; capture it again with a larger --ring-size"
    if run.missed:
        return f"there was no memory for {run.missed:,} rows of the trace"
    if untold := _untold(("calls", *judged.needs), subject):
        return untold
    if run.is_filtered and not _recorded(judged.calls, run.metadata):
        calls = f"all of {', '.join(judged.calls[:4])}" if judged.calls else "all calls"
        more = " and the like" if len(judged.calls) > 4 else ""
        return f"-e trace= left out calls; it needs {calls}{more}; capture it again"
    return ""


def _untold(needs: tuple[str, ...], subject: Subject) -> str:
    """What of this the trace does not tell, in words; "" = it tells it all."""
    run = subject.run
    lacking = [
        replay.UNKNOWN[what] for what in replay.UNKNOWN if what in needs and what in run.unknown
    ]
    return f"{run.form} does not tell {', '.join(lacking)}" if lacking else ""


def _machine(metadata: dict[str, Any]) -> int:
    """The ABI of the machine's own programs: enum rn_abi."""
    return {"x86_64": 1, "aarch64": 4}.get(str(metadata.get("machine")), 1)


def _recorded(names: tuple[str, ...], metadata: dict[str, Any]) -> bool:
    """Whether a filtered trace has all calls of these names; none = all that there are."""
    if not names:
        return False
    words = [int(word, 16) for word in metadata["wanted"]]
    per_abi = len(words) // 6
    machine = _machine(metadata)
    for name in names:
        number = replay.call_number(machine, name)
        if number is None:
            continue
        at = machine * per_abi + number // 64
        if at < len(words) and not words[at] >> number % 64 & 1:
            return False
    return True


# --- each type --------------------------------------------------------------------------------


def _critical_path(values: dict[str, Any], subject: Subject) -> _Judged:
    wanted: re.Pattern[str] | None = values["trace_name_pattern"]
    if wanted is not None and not wanted.search(subject.command[:200]):
        raise _Elsewhere(
            f"trace_name_pattern '{one_line(wanted.pattern, 60)}' is not in its command's name,"
            f" '{one_line(subject.command, 60)}'"
        )
    path = subject.critical_path
    limit = values["max_duration_ms"]
    added, told = _added(subject, path.total)
    net = (path.total - added) / 1e6
    parts = (
        f"running {path.running / 1e6:,.3f} ms, in the kernel {path.kernel / 1e6:,.3f}, blocked on"
        f" others {path.blocked / 1e6:,.3f}"
    )
    evidence = [f"{path.total / 1e6:,.3f} ms measured, {told}: {parts}"]
    if abs(net - limit) < _ESTIMATE_ERROR * added / 1e6:
        evidence.append("the difference is less than that estimate may be wrong (30 %)")
    evidence += [
        f"{subject.who(share.process)}: running {share.running / 1e6:,.3f} ms, in the kernel"
        f" {share.kernel / 1e6:,.3f}, blocked {share.blocked / 1e6:,.3f}"
        for share in path.shares[:2]
    ]
    evidence += [
        f"{subject.who(row.process)} waited {row.waited / 1e6:,.3f} ms for"
        f" {subject.who(row.on)} ({row.edge}), {row.times:,} times"
        for row in path.blocked_on[:1]
    ]
    evidence += [
        f"{subject.who(call.process)} was {call.time / 1e6:,.3f} ms in {call.calls:,} calls of"
        f" {call.call}"
        for call in path.calls[:1]
    ]
    relation = "and may take" if net <= limit else "more than"
    message = f"the critical path takes {net:,.3f} ms, {relation} {limit:,g} ms"
    problem = "" if path.steps else "the trace has no events"
    # Without these it may come out too long as well as too short.
    problem = problem or _untold(_PATH_NEEDS, subject)
    return _Judged(net <= limit, message, net, limit, "ms", evidence, problem)


def _added(subject: Subject, total: int) -> tuple[int, str]:
    """What tracing added to a path of this length, ns, and in words."""
    end = subject.run.end or {}
    try:
        added, wall = int(end["added_ns"]), int(end["wall_ns"])
    except (LookupError, TypeError, ValueError):
        added, wall = -1, 0
    if added < 0 or wall <= 0:
        return 0, "what tracing added is not known and not taken off"
    added = min(int(added * min(total / wall, 1.0)), total)
    return added, f"about {added / 1e6:,.3f} ms of it added by tracing and taken off"


def _span_count(values: dict[str, Any], subject: Subject) -> _Judged:
    wanted: re.Pattern[str] | None = values["span_name_pattern"]
    counts = np.bincount(subject.codes, minlength=len(subject.names))
    by_name: dict[str, int] = {}
    for name, count in zip(subject.names, counts.tolist(), strict=True):
        if wanted is None or wanted.search(name):
            by_name[name] = by_name.get(name, 0) + count
    total, limit = sum(by_name.values()), values["max_spans"]
    most = sorted(by_name.items(), key=lambda item: -item[1])[:8]
    evidence = [", ".join(f"{count:,} {name}" for name, count in most)] if most else []
    what = f" of /{one_line(wanted.pattern, 60)}/" if wanted else ""
    relation = "and there may be" if total <= limit else "more than"
    message = f"there are {total:,} spans of calls{what}, {relation} {limit:,}"
    calls: tuple[str, ...] = ()
    if wanted is not None:
        machine = _machine(subject.run.metadata)
        known = (replay.call_name(machine, number) for number in range(_CALLS))
        calls = tuple(name for name in known if wanted.search(name)) or tuple(by_name)
        if not by_name and not any(map(wanted.search, _call_names())):
            evidence.append(_of_no_call(wanted.pattern))
    return _Judged(total <= limit, message, total, limit, "spans", evidence, calls=calls)


@functools.cache
def _call_names() -> frozenset[str]:
    """Of every ABI."""
    return frozenset(replay.call_name(abi, nr) for abi in _ABIS for nr in range(_CALLS))


def _of_no_call(pattern: str) -> str:
    """What to say of a pattern that fits no call that there is: it would hold for ever."""
    hint = did_you_mean(re.sub(r"\W", "", pattern), sorted(_call_names()))
    return (
        f"{WARNING}no system call has a name with /{one_line(pattern, 60)}/, so this always"
        f" holds{hint}"
    )


def _memory_usage(values: dict[str, Any], subject: Subject) -> _Judged:
    limit = values["max_bytes"]
    if values["tracking_mode"] == "rss":
        return _resident(limit, subject)
    try:
        peaks = memory.peaks(subject)
    except memory.TooMany:
        problem = f"a process has more than {memory.MOST_MAPPINGS:,} mappings at once"
        return _Judged(False, "", None, limit, "bytes", problem=problem)
    peak = peaks[0].total if peaks else 0
    evidence = [
        f"{subject.who(each.process)} had {each.total:,} bytes, {each.heap:,} of them by brk, after"
        f" event #{each.event}"
        for each in peaks
    ]
    relation = "and may have" if peak <= limit else "more than"
    message = f"a process had {peak:,} bytes allocated at most, {relation} {limit:,}"
    return _Judged(peak <= limit, message, peak, limit, "bytes", evidence, calls=memory.CALLS,
                   needs=("processes", "arguments"))  # fmt: skip


def _resident(limit: int, subject: Subject) -> _Judged:
    if not subject.run.has_peaks:
        problem = "the trace does not tell resident sizes; capture it with --capture rss"
        return _Judged(False, "", None, limit, "bytes", problem=problem)
    processes = sorted(subject.run.processes.values(), key=lambda each: -each.peak)
    peak = processes[0].peak if processes else 0
    evidence = [
        f"{subject.who(each.ordinal)} had {each.peak:,} bytes resident at most"
        + ("" if each.peak_known else ", as far as that is known")
        for each in processes
        if each.peak
    ]
    unknown = [each for each in processes if not each.peak_known]
    problem = ""
    if peak <= limit and unknown:
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        what = "which did not end by a call of its own, nor by a signal that could be seen to come"
        problem = f"it is not known of {subject.who(unknown[0].ordinal)}{more}, {what}"
    relation = "and may have" if peak <= limit else "more than"
    message = f"a process had {peak:,} bytes resident at most, {relation} {limit:,}"
    return _Judged(peak <= limit, message, peak, limit, "bytes", evidence, problem)


def wants_peaks(config: Config) -> bool:
    """Whether a trace for these assertions is to be captured with resident sizes."""
    return any(
        each.enabled and each.kind == "memory_usage" and each.values["tracking_mode"] == "rss"
        for each in config.assertions
    )


def check_expressions(config: Config) -> None:
    """Whether the SQL of custom assertions can be asked of any trace.

    Raises ConfigError, and RenacerError where it cannot be asked at all.
    """
    asks = [each for each in config.assertions if each.enabled and each.kind == "custom"]
    if asks:
        from renacer_otel.analysis.sql import database

        database.require()
    for assertion in asks:
        _check_expression(assertion)


def _check_expression(assertion: Assertion) -> None:
    from renacer_otel.analysis.sql.evaluate import answer

    try:
        answer(replay.nothing(), assertion.values["expression"], seconds=_GLANCE)
    except ConfigError as error:
        raise _of(assertion, error) from error
    except RenacerError:
        pass  # it takes long whatever the trace: the result will say so, of that one alone


def _of(assertion: Assertion, error: ConfigError) -> ConfigError:
    name = one_line(assertion.name, 60)
    hint = _pitfall(assertion.values["expression"]) if assertion.kind == "custom" else ""
    message = f"{error.message}; {hint}" if hint else error.message
    return ConfigError(f"'{name}': {message}", EXIT_BAD_CONFIGURATION)


def _anti_pattern(values: dict[str, Any], subject: Subject) -> _Judged:
    name, threshold = values["pattern"], values["threshold"]
    rule = patterns.rule(name)
    wanted: re.Pattern[str] | None = values["process_name_pattern"]
    if wanted is not None:
        programs = {process.name for process in subject.run.processes.values()}
        if not any(wanted.search(program[:200]) for program in programs):
            shown = ", ".join(sorted(one_line(program, 30) for program in programs)[:6])
            raise _Elsewhere(
                f"process_name_pattern '{one_line(wanted.pattern, 60)}' is in no name of its"
                f" processes: {shown}"
            )
    try:
        found = list(rule.find(subject))
    except RenacerError:
        raise
    except Exception as error:
        if name in patterns.ours():
            raise
        what = one_line(f"{type(error).__name__}: {error}", 120)
        return _Judged(False, "", None, threshold, "severity", problem=f"{name} failed: {what}")
    if wanted is not None:
        found = [each for each in found if wanted.search(subject.program(each.process)[:200])]
    found = sorted((each for each in found if each.severity > 0), key=lambda each: -each.severity)
    worst = min(found[0].severity, 1.0) if found else 0.0
    holds = not found or worst < threshold
    message = (
        f"{name} shows" if not holds else f"{name} shows less than that" if found
        else f"{name} does not show"
    ) + f": severity {beside(worst, threshold)}, threshold {threshold:g}"  # fmt: skip
    evidence = [f"{beside(each.severity, threshold)}: {each.what}" for each in found]
    if not holds and rule.advice:
        evidence = [*evidence[: _MOST_EVIDENCE - 1], f"better: {rule.advice}"]
    return _Judged(holds, message, worst, threshold, "severity", evidence, calls=rule.calls,
                   needs=rule.needs or tuple(replay.UNKNOWN))  # fmt: skip


def beside(severity: float, threshold: float) -> str:
    """A severity; one that is not 0 does not look so, and each is on its side of the threshold."""
    shown = f"{severity:.1g}" if 0 < severity < 0.005 else f"{severity:.2f}"
    for digits in range(3, 17):
        if (float(shown) < threshold) == (severity < threshold):
            return shown
        shown = f"{severity:.{digits}f}"
    return repr(severity)


def _custom(values: dict[str, Any], subject: Subject) -> _Judged:
    from renacer_otel.analysis.sql.evaluate import answer

    expression = values["expression"]
    try:
        holds, rows, is_null = answer(subject.run, expression)
    except ConfigError as error:
        if error.__cause__ is None:  # it is no condition, whatever the trace
            raise
        answer(replay.nothing(), expression)  # raises it, too, unless it is the trace's doing
        return _Judged(False, "", None, None, "", problem=error.message)
    except RenacerError as error:
        return _Judged(False, "", None, None, "", problem=error.message)
    evidence = [", ".join(f"{name} = {value}" for name, value in row.items()) for row in rows]
    if pitfall := _pitfall(expression):
        evidence.insert(0, f"{WARNING}{pitfall}")
    message = f"the expression {'holds' if holds else 'does not hold'}"
    message += ": it is NULL, which is not true" * is_null
    words = set(re.findall(r"\w+", expression.lower()))
    needs = tuple(what for what, named in _COLUMNS.items() if words & named)
    return _Judged(holds, message, None, None, "", evidence, needs=needs)


def _pitfall(expression: str) -> str:
    from renacer_otel.analysis.sql import pitfalls

    return pitfalls.told(expression)


_JUDGES: dict[str, Callable[[dict[str, Any], Subject], _Judged]] = {
    "critical_path": _critical_path,
    "span_count": _span_count,
    "memory_usage": _memory_usage,
    "anti_pattern": _anti_pattern,
    "custom": _custom,
}
