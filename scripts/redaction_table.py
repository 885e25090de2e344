#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the tables of docs/redaction.md, from native/encode/redact_table.h.

scripts/redaction_table.py [--check]    with --check: says whether they are as they should be
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "native" / "encode" / "redact_table.h"
PAGE = ROOT / "docs" / "redaction.md"

_CLASSES = {
    "d": "[0-9]",
    "h": "[0-9A-Fa-f]",
    "l": "[0-9a-z]",
    "u": "[0-9A-Z]",
    "a": "[0-9A-Za-z]",
    "w": "[0-9A-Za-z_-]",
    "j": "[0-9A-Za-z_.-]",
    "p": "[0-9A-Za-z_./-]",
    "b": "[0-9A-Za-z+/=_-]",
    "m": "[MNO]",
}
_HOW = {
    "ENDS": "names that end so",
    "PART": "names whose last part is it",
    "HEADER": "names that end so: all of the line",
}
_VALUE = {
    "NEXT": "the next word",
    "TIED": "what is tied to it",
    "EITHER": "the next word, or what is tied to it",
    "USER": "behind `:` in the next word, or in what is tied to it",
    "PERCENT": "behind `%`",
    "COMMA": "behind `,`",
    "SLASH": "behind `/` in any word that is no flag",
    "LOGIN": "the next word, after a word `login`",
}


def _rows(text: str, macro: str) -> list[list[str]]:
    """The arguments of each ROW of a macro."""
    start = text.index(f"#define {macro}(ROW)")
    body = text[start : text.index("\n\n", start)].replace("\\\n", " ")
    found = re.findall(r"ROW\(((?:\"[^\"]*\"|[^()\"])*)\)", body)
    return [_arguments(words) for words in found]


def _arguments(words: str) -> list[str]:
    found = []
    for part in re.findall(r"((?:\"[^\"]*\"\s*)+|\w+)", words):
        texts = re.findall(r"\"([^\"]*)\"", part)
        found.append("".join(texts) if texts else part)
    return found


def regex_of(pattern: str) -> str:
    """A token's pattern as a regular expression."""
    made = ""
    for literal, name, limits in re.findall(r"([^%]+)|%(.)(\{[\d,]+\})", pattern):
        made += re.escape(literal).replace("\\-", "-") if literal else _CLASSES[name] + limits
    return made.replace("{1}", "")


def tables() -> dict[str, str]:
    """The text of each table, by the name that its place in the page has."""
    text = TABLE.read_text(encoding="utf-8")
    tokens = [f"| {name} | `{regex_of(row)}` |" for name, row in _rows(text, "RN_TOKENS")]
    keys: dict[str, list[str]] = {}
    for name, how in _rows(text, "RN_KEYS"):
        keys.setdefault(how, []).append(f"`{name}`")
    named = [f"| {_HOW[how]} | {', '.join(names)} |" for how, names in keys.items()]
    flags = []
    for programs, flag, how in _rows(text, "RN_FLAGS"):
        who = "any" if programs == "*" else ", ".join(f"`{name}`" for name in programs.split())
        flags.append(f"| {who} | {f'`{flag}`' if flag else ''} | {_VALUE[how]} |")
    return {
        "tokens": "\n".join(["| token | pattern |", "|---|---|", *tokens]),
        "names": "\n".join(["| which | |", "|---|---|", *named]),
        "flags": "\n".join(["| program | flag | what is secret |", "|---|---|---|", *flags]),
    }


def page_with(page: str, made: dict[str, str]) -> str:
    """The page with its tables in their places."""
    for name, table in made.items():
        begin, end = f"<!-- table: {name} -->\n", f"\n<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"docs/redaction.md has no place for the table of {name}")
        page = before + begin + table + end + after
    return page


def main() -> int:
    """Writes the page, or checks it."""
    page = PAGE.read_text(encoding="utf-8")
    made = page_with(page, tables())
    if "--check" in sys.argv[1:]:
        return int(made != page)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
