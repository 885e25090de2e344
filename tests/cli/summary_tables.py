# SPDX-License-Identifier: MIT
"""Reads the tables of -c, ours and strace's."""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    """`rows`: cells by title, the total's apart."""

    titles: list[str]
    widths: list[int]
    rows: list[dict[str, str]]
    total: dict[str, str]

    def column(self, title: str) -> dict[str, str]:
        """A column's cells by the name of the call."""
        return {row["syscall"]: row[title] for row in self.rows}


def read_tables(text: str) -> list[Table]:
    """All tables in a text; whatever else is there is left out."""
    lines = text.splitlines()
    dividers = [at for at, line in enumerate(lines) if line and set(line) == {"-", " "}]
    assert len(dividers) % 2 == 0, text
    return [
        _table(lines[first - 1 : second + 2])
        for first, second in zip(dividers[::2], dividers[1::2], strict=True)
    ]


def _table(lines: list[str]) -> Table:
    head, divider, *body, second, total = lines
    assert divider == second
    widths = [len(word) for word in divider.split(" ")]
    titles = _cells(head, widths)
    rows = [dict(zip(titles, _cells(line, widths), strict=True)) for line in body]
    return Table(titles, widths, rows, dict(zip(titles, _cells(total, widths), strict=True)))


def _cells(line: str, widths: list[int]) -> list[str]:
    cells = []
    at = 0
    for width in widths:
        cells.append(line[at : at + width].strip())
        assert line[at + width : at + width + 1] in ("", " "), line
        at += width + 1
    assert not line[at:], line
    return cells
