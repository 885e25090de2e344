# SPDX-License-Identifier: MIT
"""`renacer-otel compare`: do two programs do the same?

State is compared, not calls: what is left of files, the bytes of outputs and connections, the exit
status, what was made durable and in which order. Of two TRACE files, or of two commands, which are
run and recorded for it, each in its own copy of a folder; then the files are looked at, too.
docs/equivalence.md tells what counts and what the confidence means. The report goes to standard
output, or to the file of -o.

Exit code 0: equal; 1: not equal, not sure enough, or an expectation does not hold; 2: no such TRACE
file, 3: it cannot be read; 4: one command failed, and the other not alike, or took longer than
--timeout; 5: renacer.toml is wrong; 125: a failure of our own; 126, 127: a command cannot be run.
"""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from typing import TYPE_CHECKING, Any

from renacer_otel import config as values
from renacer_otel.cli import options, terminal, written
from renacer_otel.cli.stopping import stopping
from renacer_otel.errors import (
    EXIT_BAD_CONFIGURATION,
    ConfigError,
    TraceNotFound,
    UsageError,
    one_line,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from renacer_otel.analysis.equivalence.judge import Rules
    from renacer_otel.analysis.equivalence.state import State
    from renacer_otel.reporters.compare_reports import Compared

_FORMATS = ("text", "json", "junit")
_EXIT_COMMAND_FAILED = 4
_MOST_RUNS = 100
_LONG_S = 10.0  # both commands together: no second run of them unless asked for


def main(arguments: Sequence[str]) -> int:
    """Compares, and writes the report. Raises RenacerErrors."""
    given = _parser().parse_args(list(arguments))
    options.one_of("--format", given.format, _FORMATS)
    runs = None
    if given.runs is not None:
        runs = values.parse_count(given.runs, "--runs", 1, _MOST_RUNS)
    section = None if given.config is None else _section(given.config)
    rules = _rules(given, section)
    if given.run:
        found = [_of_commands(given, rules, runs)]
    elif given.traces:
        found = [_of_traces(given, rules)]
    elif section is not None:
        found = _of_folders(given, rules, section)
    else:
        raise UsageError("nothing to compare: name two TRACE files, or two commands by --run")
    from renacer_otel.reporters import compare_reports

    if not found:
        return 0
    written.write(compare_reports.FORMATS[given.format](found, rules), given.output)
    return max(each.exit_code for each in found)


def _parser() -> options.Parser:
    parser = options.parser_of(
        "compare", "[OPTION...] (A B | --run 'COMMAND' --run 'COMMAND')", __doc__
    )
    parser.add_argument("traces", metavar="A B", nargs="*", help="TRACE files, made by --format"
        " record (--capture hashes)")  # fmt: skip
    parser.add_argument("--run", metavar="COMMAND", action="append", default=[],
        help="run this command, twice given: A and B; words as a shell splits them")  # fmt: skip
    parser.add_argument("--in-copy-of", metavar="DIR", dest="folder",
        help="each run begins in its own copy of DIR (an empty folder)")  # fmt: skip
    parser.add_argument("--runs", metavar="N",
        help="run each command N times, to see what varies by itself (2, if they take"
        " 10 s at most together)")  # fmt: skip
    parser.add_argument("--timeout", metavar="TIME",
        help="end a run that takes longer, with all that it left running: 10s")  # fmt: skip
    parser.add_argument("--min-confidence", metavar="X",
        help="equal with less than this is not equal enough (0.9)")  # fmt: skip
    parser.add_argument("--strict", metavar="RULE,...", action="append", default=[],
        help="also compare: times, writes, caches, memory")  # fmt: skip
    parser.add_argument("--ignore", metavar="RULE,...", action="append", default=[],
        help="do not compare: output, stderr, files, durability, connections, owner")  # fmt: skip
    parser.add_argument("--config", metavar="FILE",
        help="take [semantic_equivalence] of this renacer.toml")  # fmt: skip
    parser.add_argument("--format", metavar="FORMAT", default="text",
        help="text, json or junit (text)")  # fmt: skip
    options.add_output(parser, "the report ")
    return parser


def _rules(given: argparse.Namespace, section: dict[str, Any] | None) -> Rules:
    """What the options and the configuration ask for; options go first."""
    from renacer_otel.analysis.equivalence import configured, judge

    rules = judge.Rules()
    if section is not None:
        rules = configured.rules(section, rules)
    strict = _names("--strict", given.strict, judge.STRICT)
    ignored = _names("--ignore", given.ignore, judge.IGNORED)
    rules = configured.changed(rules, strict=strict, ignored=ignored)
    if given.min_confidence is not None:
        try:
            wanted = float(given.min_confidence)
        except ValueError:
            wanted = -1.0
        if not 0 <= wanted <= 1:
            word = one_line(given.min_confidence, 40)
            raise UsageError(f"--min-confidence {word}: not a number from 0 to 1")
        rules = configured.changed(rules, min_confidence=wanted)
    return rules


def _section(path: str) -> dict[str, Any]:
    from renacer_otel.analysis.assertions import config as configuration

    config = configuration.load(path)
    section = config.sections.get("semantic_equivalence")
    if section is None:
        raise ConfigError(
            f"{one_line(path, 120)}: no [semantic_equivalence], which is what is taken of it",
            EXIT_BAD_CONFIGURATION,
        )
    return section


def _names(option: str, given: Sequence[str], known: dict[str, str]) -> frozenset[str]:
    words = [word.strip() for text in given for word in text.split(",")]
    for word in words:
        options.one_of(option, word, tuple(known))
    return frozenset(words)


def _of_traces(given: argparse.Namespace, rules: Rules) -> Compared:
    if len(given.traces) != 2:
        raise UsageError("name two TRACE files: A and B")
    _refuse_of_runs(given)
    return _judged(given.traces[0], given.traces[1], rules)


def _refuse_of_runs(given: argparse.Namespace) -> None:
    for name, value in (
        ("--in-copy-of", given.folder), ("--runs", given.runs), ("--timeout", given.timeout)
    ):  # fmt: skip
        if value is not None:
            raise UsageError(f"{name} is for commands that are run: --run")


def _judged(a: str, b: str, rules: Rules) -> Compared:
    from renacer_otel.analysis.equivalence import evidence, judge
    from renacer_otel.reporters.compare_reports import Compared

    runs = [written.replay_of(path, details=True, shown=True) for path in (a, b)]
    if runs[0].form != runs[1].form:
        raise UsageError(
            f"{one_line(a, 60)} is {runs[0].form}, {one_line(b, 60)} {runs[1].form}: what one does"
            " not tell would be a difference; compare two of the same form"
        )
    states = [evidence.of_trace(run) for run in runs]
    verdict = judge.judge(states[:1], states[1:], rules)
    return Compared((a, b), verdict, 0 if verdict.holds(rules) else 1)


def _of_folders(given: argparse.Namespace, rules: Rules, section: dict[str, Any]) -> list[Compared]:
    """Every pair that the configuration names."""
    from renacer_otel.analysis.equivalence import configured

    _refuse_of_runs(given)
    where = f"{one_line(given.config, 120)}: [semantic_equivalence]"
    if section["enabled"] is False:
        terminal.complain(f"{where} enabled = false: nothing is compared")
        return []
    pairs = configured.pairs(section, given.config)
    if not pairs:
        raise ConfigError(
            f"{where} names no traces: give python_trace_dir and rust_trace_dir with *.renacer in"
            " them, or two TRACE files",
            EXIT_BAD_CONFIGURATION,
        )
    found = []
    for pair in pairs:
        if pair.a is None or pair.b is None:
            raise TraceNotFound(
                f"{one_line(pair.name, 120)}.renacer: {'A' if pair.a is None else 'B'} has no trace"
                " of that name; capture it"
            )
        found.append(_judged(pair.a, pair.b, rules))
    return found


def _of_commands(given: argparse.Namespace, rules: Rules, runs: int | None) -> Compared:
    if given.traces:
        raise UsageError("two TRACE files or two commands by --run, not both")
    if len(given.run) != 2:
        raise UsageError("give --run twice: A and B")
    from renacer_otel.analysis.equivalence import hints, judge
    from renacer_otel.cli import copies, recording, trials
    from renacer_otel.reporters.compare_reports import Compared

    commands = [_words(text) for text in given.run]
    limit_s = _limit(given.timeout)
    folder = None if given.folder is None else os.path.abspath(given.folder)
    if folder is not None:
        copies.require_folder(given.folder)
    states: list[list[State]] = [[], []]
    failed: set[str] = set()
    changed: set[str] = set()
    with stopping(), tempfile.TemporaryDirectory(prefix="renacer-otel-") as room:
        if folder is not None:
            copies.require_outside(room, folder)
        since, done = time.monotonic(), 0
        while done < (runs or 1):
            if done:
                recording.wait_for_another_second(time.time())
            for which, command in enumerate(commands):
                try:
                    trial = trials.trial(
                        command, folder, room, hashes=True, caches="caches" in rules.strict,
                        limit_s=limit_s,
                    )  # fmt: skip
                except trials.TookTooLong as error:
                    error.message = (
                        f"{'AB'[which]}, {one_line(given.run[which], 80)}: {error.message}"
                        f" (--timeout {given.timeout})"
                    )
                    raise
                states[which].append(trial.state)
                failed |= hints.not_as_expected(trial.run)
                changed.update(trial.changed)
                for line in trial.said:
                    terminal.complain(f"{'AB'[which]}: {line}")
            done += 1
            if runs is None:
                runs = 1 if time.monotonic() - since > _LONG_S else 2
    verdict = judge.judge(states[0], states[1], rules, final_state=True)
    if not verdict.equal or any(each.wait_status for side in states for each in side):
        hint = hints.hint(failed, changed, has_folder=folder is not None)
        if hint:
            terminal.complain(hint)
    code = 0 if verdict.holds(rules) else _EXIT_COMMAND_FAILED if verdict.failed else 1
    return Compared(given.run, verdict, code)


def _limit(timeout: str | None) -> float | None:
    """Seconds. Raises ConfigError, UsageError."""
    if timeout is None:
        return None
    limit_s = values.parse_duration(timeout, "--timeout")
    if not limit_s:
        raise UsageError("--timeout: no command is over at once; give a duration like 10s")
    return limit_s


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--run '{one_line(text, 60)}': {error}") from error
    if not words:
        raise UsageError("--run: the command is empty")
    return words
