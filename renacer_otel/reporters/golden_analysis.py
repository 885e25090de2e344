# SPDX-License-Identifier: MIT
"""ANALYSIS.md: what the golden traces of a folder are of, a section for each."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden.timing import shown
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.model import Golden

_HEAD = """# Golden traces

What each command here did when it was captured. `renacer-otel golden check --all` says whether it
still does the same. Text outside the sections is kept when a command is captured again.
"""
_MOST_LINES = 12
_MOST_RULES = 12


class Captured(NamedTuple):
    """What a section tells. `files`: names of those written; `ending`: "0", "SIGKILL", …"""

    golden: Golden
    files: Sequence[str]
    ending: str
    system: str
    notes: Sequence[str]


def updated(text: str, captured: Captured) -> str:
    """The page with this golden's section in it, in the place of its former one."""
    name = captured.golden.name
    begin, end = f"<!-- golden: {name} -->", f"<!-- end of golden: {name} -->"
    section = f"{begin}\n{_section(captured)}{end}\n"
    if not text.strip():
        text = _HEAD
    at = text.find(begin)
    until = text.find(end, at) if at >= 0 else -1
    if until >= 0:
        return text[:at] + section + text[until + len(end) :].removeprefix("\n")
    return f"{text.rstrip()}\n\n{section}"


def _section(captured: Captured) -> str:
    golden = captured.golden
    form = golden.form
    figures = form.figures
    runs = f"{golden.runs} run" + ("" if golden.runs == 1 else "s")
    command = one_line(shlex.join(golden.command), 1000)
    lines = [
        f"## {golden.name}",
        "",
        f"    {command}",
        "",
        f"Captured with renacer-otel {golden.tool_version} on {_cell(captured.system)}, in {runs}.",
        f"It ended with {captured.ending}.",
        "",
        "| figure | least | most |",
        "|---|---|---|",
        *_rows(
            ("system calls", figures.calls),
            ("bytes read", figures.read_bytes),
            ("bytes written", figures.written_bytes),
            ("bytes allocated at once", [n for n in figures.peak_memory if n >= 0]),
        ),
    ]
    if figures.cpu_us:
        lines.append(_row("CPU time", shown(min(figures.cpu_us)), shown(max(figures.cpu_us))))
    longest = sorted(figures.off_cpu_us.items(), key=lambda item: -max(item[1]))
    lines += [
        _row(what, shown(min(values)), shown(max(values))) for what, values in longest[:_MOST_LINES]
    ]
    lines += ["", "Processes: " + _joined([_cell(role.shown) for role in form.roles]) + "."]
    if any(form.normalised.values()):
        took = [pair for pair in form.normalised.items() if pair[1]]
        rules = sorted(took, key=lambda item: (-item[1], item[0]))
        told = [f"{_cell(rule)} ({count})" for rule, count in rules[:_MOST_RULES]]
        lines += ["", f"Left out of the comparison, by rule: {_joined(told)}."]
    lines += [f"\nNote: {_cell(note)}" for note in (*captured.notes, *form.missing)]
    lines += ["", "Files:", "", *(_file(name) for name in captured.files), ""]
    lines += [f"Again: `renacer-otel golden check {golden.name}`", ""]
    return "\n".join(lines)


def _rows(*figures: tuple[str, Sequence[int]]) -> list[str]:
    return [_row(name, f"{min(of):,}", f"{max(of):,}") for name, of in figures if of]


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Nothing in it is Markdown, or ends a section."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", one_line(text, 200))


def _joined(words: Sequence[str]) -> str:
    return ", ".join(words[:20]) + (", …" if len(words) > 20 else "") if words else "none"


def _file(name: str) -> str:
    meaning = {
        ".golden": "what a check compares with; `renacer-otel golden show` prints it",
        "_source.json": "the same calls, with the line of the program that made each",
        ".json": "every call of one run, as `renacer-json-v1`",
        "_summary.txt": "how often that run made which call, and how long they took; as of `-c`,"
        " calls that never return, as exit_group, are not counted in it",
    }
    what = next(text for end, text in meaning.items() if name.endswith(end))
    return f"- `{name}`: {what}"
