# SPDX-License-Identifier: MIT
"""`renacer-otel golden`: what a command does, captured once, and checked ever after.

  capture NAME -- COMMAND   runs it several times, and writes what these runs have in common
  check NAME [-- COMMAND]   runs it again: does it still do the same? --all: of every golden trace
  show NAME                 prints a golden trace
  diff A B                  compares two: TRACE files, golden traces, renacer-json, OTLP/JSON

What is compared, and what is left out, is told in docs/golden-traces.md. The command's own output
is not shown; of one that failed the end of it is.

Exit code 0: the same; 1: changed; 2: no golden trace, or no such file; 3: it cannot be read; 4: the
command failed where its golden trace does not; 5: bad configuration; 125: a failure of our own;
126, 127: the command cannot be run.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden.timing import DEFAULT_TOLERANCE
from renacer_otel.cli import golden_names, options, stopping, terminal, written
from renacer_otel.errors import UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

FOLDER = "golden_traces"
ACTIONS = ("capture", "check", "show", "diff")
FORMATS = ("text", "json", "junit", "github")
_MOST_RUNS = 100


def main(arguments: Sequence[str]) -> int:
    """Does what the first word says. Raises RenacerErrors."""
    if not arguments or arguments[0].startswith("-"):
        _parser("golden", "golden capture|check|show|diff [OPTION...]").parse_args(list(arguments))
        raise UsageError(f"golden: say what to do: {', '.join(ACTIONS)}")
    action, words, command = arguments[0], list(arguments[1:]), None
    if action not in ACTIONS:
        hint = did_you_mean(action, ACTIONS)
        raise UsageError(
            f"golden: '{one_line(action, 40)}' is not one of {', '.join(ACTIONS)}{hint}"
        )
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    if command is not None and action in ("show", "diff"):
        raise UsageError(f"golden {action} runs no command; leave it out")
    if command == []:
        raise UsageError("name a command after --")
    if action in ("capture", "check"):
        with stopping.stopping():
            return (_capture if action == "capture" else _check)(words, command)
    return _show(words) if action == "show" else _diff(words)


def _parser(name: str, usage: str) -> options.Parser:
    return options.Parser(
        prog=f"renacer-otel {name}",
        usage=f"renacer-otel {usage}",
        description=__doc__,
        formatter_class=options.Paragraphs,
        allow_abbrev=False,
    )


def _folder_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", metavar="FOLDER", default=FOLDER,
        help=f"where golden traces are ({FOLDER})")  # fmt: skip


def _place_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", metavar="NAME=FOLDER", action="append", default=[],
        help="in a golden trace <NAME> stands for the path of FOLDER, as <folder> does for where"
        " the command is run")  # fmt: skip


def _places(words: Sequence[str]) -> dict[str, str]:
    """Folders by their names. Raises UsageError."""
    found = {}
    for word in words:
        name, _, folder = word.partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name) or name == "folder" or not folder:
            raise UsageError(
                f"--place {one_line(word, 80)}: write NAME=FOLDER, the name of small letters,"
                " and not 'folder'"
            )
        found[name] = os.path.abspath(folder)
    return found


def _copy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in-copy-of", metavar="FOLDER", dest="copy_of", default="",
        help="each run begins in a new copy of FOLDER, which stays as it is")  # fmt: skip


def _output_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to FILE")


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", metavar="FORMAT", default="text",
        help="text, json, junit, github (text)")  # fmt: skip
    parser.add_argument("--all-differences", action="store_true",
        help="tells more than the 20 that matter most (github: 10); json always does")  # fmt: skip
    _output_option(parser)


def _rules_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true",
        help="what hardly matters is a change, too, and the first run counts")  # fmt: skip


def _capture(words: list[str], command: list[str] | None) -> int:
    parser = _parser("golden capture", "golden capture NAME [OPTION...] -- COMMAND [ARGUMENT...]")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--runs", metavar="N", default="5", help="how often to run it (5)")
    parser.add_argument("--source", action="store_true",
        help="also the lines of the program that make its calls (NAME_source.json)")  # fmt: skip
    parser.add_argument("--keep", metavar="RULE", action="append", default=[],
        help="compare what this rule leaves out, too (golden show names the rules)")  # fmt: skip
    _copy_option(parser)
    _place_option(parser)
    _folder_option(parser)
    given, others = parser.parse_known_args(words)
    if command is None and others and not others[0].startswith("-"):
        raise _behind("golden capture", [given.name, *others])
    given = parser.parse_args(words)
    name = golden_names.checked(given.name)
    if command is None:
        raise UsageError("nothing to capture: write the command after --")
    from renacer_otel import config
    from renacer_otel.cli import golden_capture
    from renacer_otel.cli.golden_runs import How

    runs = config.parse_count(given.runs, "--runs", 1, _MOST_RUNS)
    replaces = os.path.exists(golden_names.path_of(name, given.dir))
    how = How(_rules(given.keep), given.source, given.copy_of, places=_places(given.place))
    captured = golden_capture.capture(name, command, given.dir, runs=runs, how=how)
    for note in captured.notes:
        terminal.complain(f"{name}: {note}")
    files = ", ".join(captured.files)
    done = f"captured{' again' * replaces} in {runs} run{'s' if runs > 1 else ''}"
    place = ", in place of the former one" if replaces else ""
    terminal.complain(f"{name}: {done}{place}: {files}")
    return 0


def check_parser() -> options.Parser:
    """The options of `golden check`."""
    parser = _parser("golden check", "golden check [OPTION...] (NAME... | --all) [-- COMMAND...]")
    parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--all", action="store_true", dest="every", help="every one of the folder")
    _rules_options(parser)
    parser.add_argument("--ignore-timing", action="store_true", help="times are not compared")
    parser.add_argument("--tolerance", metavar="PERCENT", default=str(DEFAULT_TOLERANCE),
        help="by how much times may grow (50)")  # fmt: skip
    parser.add_argument("--fail-fast", action="store_true",
        help="stop at the first that is not the same")  # fmt: skip
    parser.add_argument("--update", action="store_true",
        help="capture again what has changed, and tell what that was")  # fmt: skip
    _copy_option(parser)
    _place_option(parser)
    _folder_option(parser)
    _report_options(parser)
    return parser


def _check(words: list[str], command: list[str] | None) -> int:
    given = check_parser().parse_args(words)
    options.one_of("--format", given.format, FORMATS)
    if given.every == bool(given.names):
        raise UsageError("golden check: give a NAME, or --all" + (", not both" * given.every))
    if command is not None and (given.every or len(given.names) > 1):
        which = "--all" if given.every else "of several"
        raise UsageError(f"golden check {which} runs each golden trace's own command; leave it out")
    if command is None and any("/" in name for name in given.names[1:]):
        raise _behind("golden check", given.names)
    names = list(dict.fromkeys(map(golden_names.checked, given.names)))
    if given.every:
        names = golden_names.all_of(given.dir)
    from renacer_otel.analysis.golden import verdict
    from renacer_otel.cli import golden_check

    choice = golden_check.Choice(
        folder=given.dir,
        command=command,
        strict=given.strict,
        times=not given.ignore_timing,
        tolerance=_percent(given.tolerance),
        update=given.update,
        copy_of=given.copy_of,
        places=_places(given.place),
    )
    verdicts = []
    for name in names:
        verdicts.append(golden_check.check(name, choice))
        if given.fail_fast and verdicts[-1].exit_code != verdict.SAME:
            break
    written.write(_report(given, verdicts), given.output)
    return verdict.gravest(one.exit_code for one in verdicts)


def _behind(action: str, words: list[str]) -> UsageError:
    """Of words that are a command's, with a NAME before it or not."""
    import shutil

    is_command = len(words) < 3 or shutil.which(words[0]) is not None
    name, words = ("NAME", words) if is_command else (words[0], words[1:])
    shown = one_line(shlex.join(words), 80)
    return UsageError(f"write the command behind --: {action} {one_line(name, 40)} -- {shown}")


def _report(given: argparse.Namespace, verdicts: list[Verdict]) -> str:
    from renacer_otel.reporters import (
        golden_check_github,
        golden_check_json,
        golden_check_junit,
        golden_check_text,
    )

    reporters = {
        "text": golden_check_text.render,
        "json": golden_check_json.render,
        "junit": golden_check_junit.render,
        "github": golden_check_github.render,
    }
    return reporters[given.format](verdicts, tells_all=given.all_differences)


def _show(words: list[str]) -> int:
    parser = _parser("golden show", "golden show NAME [OPTION...]")
    parser.add_argument("name", metavar="NAME")
    _folder_option(parser)
    _output_option(parser)
    given = parser.parse_args(words)
    from renacer_otel.reporters import golden_form_text

    golden = golden_names.read(golden_names.checked(given.name), given.dir)
    written.write(golden_form_text.render(golden), given.output)
    return 0


def _diff(words: list[str]) -> int:
    parser = _parser("golden diff", "golden diff [OPTION...] A B")
    parser.add_argument("before", metavar="A")
    parser.add_argument("after", metavar="B")
    _rules_options(parser)
    _folder_option(parser)
    _report_options(parser)
    given = parser.parse_args(words)
    options.one_of("--format", given.format, FORMATS)
    from renacer_otel.cli import golden_diff

    found = golden_diff.compare(given.before, given.after, given.dir, strict=given.strict)
    written.write(_report(given, [found]), given.output)
    return found.exit_code


def _rules(words: Sequence[str]) -> list[str]:
    """Rules by their names, of options with commas or without. Raises UsageError."""
    from renacer_otel.analysis.golden.rules import RULES

    names = [name for word in words for name in word.split(",")]
    for name in names:
        if name not in RULES:
            hint = did_you_mean(name, RULES)
            raise UsageError(
                f"--keep: '{one_line(name, 40)}' is not one of {', '.join(RULES)}{hint}"
            )
    return names


def _percent(text: str) -> float:
    """Raises UsageError."""
    number = text.removesuffix("%").strip()
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", number, re.ASCII):
        raise UsageError(
            f"--tolerance: '{one_line(text, 40)}' is no percentage; write --tolerance 50"
        )
    return float(number)
