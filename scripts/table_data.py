# SPDX-License-Identifier: MIT
"""What the tables in native/tables/ are made of, and how their .tsv files are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

TABLES = Path(__file__).resolve().parent.parent / "native" / "tables"
ABIS = ("x86_64", "i386", "x32", "aarch64", "arm")
MAX_ARGS = 6

Args = tuple[tuple[str, str], ...]  # (C type, name), in order


class TableError(Exception):
    """A source or a table says something that cannot be right; the message says where."""


@dataclass
class Rules:
    """``rules.tsv``: see the head of that file for what each line means."""

    proto: dict[str, Args] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    kind: dict[tuple[str, str], str] = field(default_factory=dict)
    flag: dict[str, list[str]] = field(default_factory=dict)
    routine: list[str] = field(default_factory=list)
    text: dict[str, str] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass
class Call:
    """One line of ``syscalls.tsv``: a call with the same arguments in every ABI named."""

    name: str
    numbers: dict[str, int]
    source: str
    args: Args


def rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    """Line numbers and tab-separated columns of the lines that are not comments."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.split("\t")


def parse_args(text: str) -> Args:
    """``"int dfd, const char * filename"`` as pairs of type and name; ``void`` is none."""
    result: list[tuple[str, str]] = []
    for index, part in enumerate(text.split(",")):
        part = re.sub(r"\b__user\b|\b__force\b", " ", part)
        part = re.sub(r"\s+", " ", part.replace("*", " * ")).strip()
        if part in ("", "void"):
            continue
        match = re.fullmatch(r"(.*[ *])([A-Za-z_]\w*)", part)
        # A prototype may leave the name out; then the last word belongs to the type.
        if match is None or match[2] in ("int", "long", "char", "unsigned", "size_t", "pid_t"):
            result.append((part, f"arg{index}"))
        else:
            result.append((match[1].strip(), match[2]))
    return tuple(result)


def read_rules(path: Path) -> Rules:
    rules = Rules()
    for number, columns in rows(path):
        what, rest = columns[0], columns[1:]
        try:
            if what == "proto":
                rules.proto[rest[0]] = parse_args(rest[1] if len(rest) > 1 else "")
            elif what == "alias":
                rules.alias[rest[0]] = rest[1]
            elif what == "kind":
                rules.kind[rest[0], rest[1]] = rest[2]
            elif what == "flag":
                rules.flag.setdefault(rest[0], []).append(rest[1])
            elif what == "routine":
                rules.routine.append(rest[0])
            elif what == "names":
                rules.names[rest[0]] = frozenset(rest[1].split())
            elif what == "text":
                rules.text[rest[0]] = rest[1]
            else:
                raise TableError(f"{path.name}:{number}: unknown kind of line {what!r}")
        except IndexError:
            raise TableError(f"{path.name}:{number}: too few columns") from None
    return rules


def read_calls(path: Path) -> list[Call]:
    calls: list[Call] = []
    for number, columns in rows(path):
        columns += [""] * (3 + len(ABIS) - len(columns))
        try:
            own = {a: int(c) for a, c in zip(ABIS, columns[1:], strict=False) if c != "-"}
        except ValueError:
            raise TableError(f"{path.name}:{number}: a number is not a number") from None
        source, args = columns[len(ABIS) + 1 : len(ABIS) + 3]
        calls.append(Call(columns[0], own, source, parse_args(args)))
    return calls


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
