# SPDX-License-Identifier: MIT
"""renacer.toml, read and checked whole before anything is done with it."""

from __future__ import annotations

import codecs
import importlib
import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.assertions import patterns, schema
from renacer_otel.errors import EXIT_BAD_CONFIGURATION, ConfigError, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_BYTES = 256 << 10
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_PARTS = 16
_MAX_ASSERTIONS = 1000
_MAX_WARNINGS = 100
# A key of so many parts: a parser takes a time that grows with the square of them.
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{{_MAX_PARTS}}}")
_LONG_NUMBER = re.compile(r"(?<![\w\"'])[+-]?[0-9][0-9_]{4000}")
# No two repeats in it take the same characters: its time grows with the line alone.
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\s\]][^\]\n]*)\]")
_KEY = re.compile(r"""\s*([\w-]+|"[^"\n]*"|'[^'\n]*')\s*[=.]""")


@dataclass
class Assertion:
    """One [[assertion]]: `values` are those of its type's keys, checked, with defaults."""

    name: str
    kind: str
    line: int
    enabled: bool
    fails: bool  # else it only warns
    values: dict[str, Any]


@dataclass
class Config:
    """The whole file. `sections`: only those that are there; `lines`: where each begins.

    `keys`: the line of each key of a section, where it is known.
    `warnings`: what was left out by --lenient.
    """

    path: str
    assertions: list[Assertion] = field(default_factory=list)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def place(self, section: str, key: str) -> str:
        """Where a key of a section that is there stands, for a message to begin with."""
        line = self.keys.get((section, key), self.lines[section])
        return f"{one_line(self.path, 120)}:{line}: [{section}] {key}"


def load(path: str, *, lenient: bool = False) -> Config:
    """The file, checked whole. Raises ConfigError, of one line with the place (exit code 5).

    `lenient`: what is not known is told as a warning and left out; wrong values are errors still.
    """
    text = _read(path)
    return _Checker(path, text, lenient).config(_parse(path, text))


def _fail(path: str, line: int, what: str) -> ConfigError:
    where = f"{one_line(path, 120)}:{line}" if line else one_line(path, 120)
    return ConfigError(f"{where}: {what}", EXIT_BAD_CONFIGURATION)


def _opened(path: str, flags: int) -> int:
    """Opens without waiting for who may write into a FIFO: with nobody, it is empty."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    return fd


def _read(path: str) -> str:
    try:
        with open(path, "rb", opener=_opened) as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _fail(path, 0, f"{reason}; name a file by --config FILE") from error
    if len(data) > _MAX_BYTES:
        raise _fail(path, 0, f"longer than {_MAX_BYTES >> 10} KiB, which no configuration needs")
    try:
        text = data.decode("utf-8-sig")  # some editors put a byte-order mark in front
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = "UTF-16, and not UTF-8" if data.startswith(_UTF16) else "not UTF-8"
        raise _fail(path, line, f"{what}, as TOML must be") from error
    if match := _LONG_KEY.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise _fail(path, line, f"a key of more than {_MAX_PARTS} parts; no key has more than two")
    return text


def _parse(path: str, text: str) -> dict[str, Any]:
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found: dict[str, Any] = toml.loads(text)
    except RecursionError as error:
        raise _fail(path, 0, "nested too deep; no value here is nested") from error
    except ValueError as error:
        if match := _LONG_NUMBER.search(text):  # of which Python tells how to allow it, and no line
            line = text.count("\n", 0, match.start()) + 1
            raise _fail(path, line, "no TOML: a number of too many digits") from error
        message = one_line(str(error), 160)
        at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        line = int(at[1] or text.count("\n") + 1) if at else 0
        message = message[: at.start()] if at else message
        raise _fail(path, line, f"no TOML: {message}") from error
    return found


class _Places:
    """Lines of headers and keys: of the n-th table of a name, from 0."""

    def __init__(self, text: str) -> None:
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, nth = "", 0
        for number, line in _lines_outside_strings(text):
            if match := _HEADER.match(line):
                table = _bare(match[2].rstrip())
                nth = counts.get(table, -1) + 1 if match[1] == "[[" else 0
                counts[table] = nth
                self._tables.setdefault((table, nth), number)
            elif match := _KEY.match(line):
                self._keys.setdefault((table, nth, _bare(match[1])), number)

    def table(self, name: str, nth: int = 0) -> int:
        """Of a table's header, or of the key that holds it; 0 = not found."""
        return self._tables.get((name, nth), self._keys.get(("", 0, name), 0))

    def key(self, table: str, nth: int, key: str) -> int:
        """Of a key, else of its table."""
        return self._keys.get((table, nth, key)) or self.table(table, nth)


def _bare(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if quoted else word


def _lines_outside_strings(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, but for those that begin within a string of several lines."""
    end = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not end:
            yield number, line
        at = 0
        while at < len(line):
            if end:
                found = line.find(end, at)
                at, end = (len(line), end) if found < 0 else (found + 3, "")
            elif line[at] == "#":
                break
            elif line[at] in "\"'":
                quote = line[at]
                if line.startswith(quote * 3, at):
                    end, at = quote * 3, at + 3
                    continue
                at += 1
                while at < len(line) and line[at] != quote:
                    at += 2 if line[at] == "\\" and quote == '"' else 1
                at += 1
            else:
                at += 1


class _Checker:
    """Checks what was parsed, key by key."""

    def __init__(self, path: str, text: str, lenient: bool) -> None:
        self._config = Config(path)
        self._places = _Places(text)
        self._lenient = lenient

    def config(self, found: Mapping[str, Any]) -> Config:
        """All of it. Raises ConfigError."""
        known = ("assertion", *schema.SECTIONS)
        for name, value in found.items():
            line = self._places.table(name)
            if name == "assertion":
                self._assertions(value, line)
            elif name in schema.SECTIONS:
                if not isinstance(value, dict):
                    raise self._wrong(line, f"{name} must be a section: [{name}]")
                self._config.sections[name] = self._values(
                    value, schema.SECTIONS[name], name, 0, f"[{name}]"
                )
                self._config.lines[name] = line
                self._config.keys |= {(name, key): self._places.key(name, 0, key) for key in value}
            else:
                what = "section" if isinstance(value, (dict, list)) else "key"
                hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
                self._unknown(line, f"unknown {what} '{one_line(name, 40)}'{hint}")
        self._check_speedup()
        return self._config

    def _check_speedup(self) -> None:
        section, most = "semantic_equivalence", "expected_speedup_max"
        values = self._config.sections.get(section, {})
        low, high = values.get("expected_speedup_min"), values.get(most)
        if low is not None and high is not None and low > high:
            line = self._places.key(section, 0, most)
            raise self._wrong(line, f"[{section}]: {most} is less than expected_speedup_min")

    def _wrong(self, line: int, what: str) -> ConfigError:
        return _fail(self._config.path, line, what)

    def _unknown(self, line: int, what: str) -> None:
        error = self._wrong(line, what)
        if not self._lenient:
            raise error
        if len(self._config.warnings) >= _MAX_WARNINGS:
            raise self._wrong(line, f"more than {_MAX_WARNINGS} keys that are not known")
        self._config.warnings.append(f"{error.message} (left out)")

    def _assertions(self, value: Any, line: int) -> None:
        tables = isinstance(value, list) and all(isinstance(each, dict) for each in value)
        if not tables:
            raise self._wrong(line, "write each assertion as a section [[assertion]]")
        if len(value) > _MAX_ASSERTIONS:
            raise self._wrong(line, f"more than {_MAX_ASSERTIONS:,} assertions")
        names: dict[str, int] = {}
        for nth, table in enumerate(value):
            made = self._assertion(table, nth)
            if made is None:
                continue
            shown = one_line(made.name, 60)
            if made.name in names:
                raise self._wrong(
                    made.line,
                    f"a second assertion '{shown}'; the first is in line {names[made.name]}",
                )
            names[made.name] = made.line
            self._config.assertions.append(made)

    def _assertion(self, table: dict[str, Any], nth: int) -> Assertion | None:
        line = self._places.table("assertion", nth)
        kind = table.get("type")
        if not isinstance(kind, str):
            what = "lacks its type" if kind is None else "has a type that is no text"
            raise self._wrong(line, f"[[assertion]] {what}: one of {', '.join(schema.TYPES)}")
        if kind not in schema.TYPES:
            line = self._places.key("assertion", nth, "type")
            hint = did_you_mean(kind, schema.TYPES) or f"; one of {', '.join(schema.TYPES)}"
            self._unknown(line, f"unknown type '{one_line(kind, 40)}'{hint}")
            return None
        name = table.get("name")
        who = f"'{one_line(name, 60)}'" if isinstance(name, str) else "[[assertion]]"
        keys = {**schema.COMMON, **schema.TYPES[kind]}
        values = self._values(table, keys, "assertion", nth, f"{who} ({kind})")
        if kind == "anti_pattern" and values["pattern"] not in patterns.names():
            known = patterns.names()
            hint = did_you_mean(values["pattern"], known) or f"; one of {', '.join(known)}"
            line = self._places.key("assertion", nth, "pattern")
            shown = one_line(values["pattern"], 40)
            self._unknown(line, f"{who}: unknown pattern '{shown}'{hint}")
            return None
        name, enabled, fails = (values.pop(key) for key in ("name", "enabled", "fail_on_violation"))
        del values["type"]
        return Assertion(name, kind, line, enabled, fails, values)

    def _values(
        self,
        table: Mapping[str, Any],
        keys: Mapping[str, schema.Key],
        where: str,
        nth: int,
        who: str,
    ) -> dict[str, Any]:
        values = {name: key.default for name, key in keys.items()}
        for name, value in table.items():
            line = self._places.key(where, nth, name)
            if name not in keys:
                self._unknown(
                    line, f"{who}: unknown key '{one_line(name, 40)}'{_meant(name, keys)}"
                )
                continue
            try:
                values[name] = keys[name].check(value)
            except schema.Wrong as wrong:
                raise self._wrong(line, f"{who}: {name} {wrong}") from wrong
        for name, key in keys.items():
            if key.required and name not in table:
                raise self._wrong(self._places.table(where, nth), f"{who} lacks {name}")
        return values


def _meant(name: str, keys: Mapping[str, Any]) -> str:
    """What the user may have meant by a key that there is not."""
    if hint := did_you_mean(name, keys):
        return hint
    if home := schema.home_of(name, schema.TYPES):
        return f": it is of type {home}"
    return f"; it takes {', '.join(keys)}"
