# SPDX-License-Identifier: MIT
"""Reads the project's pages: blocks, tables, links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Block(NamedTuple):
    """A code block: `language` is what stands behind the fence, "" for an indented one."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """For messages: README.md:12."""
        return f"{self.page}:{self.line}"


def pages(root: Path) -> list[Path]:
    """README.md, CHANGELOG.md and everything below docs/."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def blocks(root: Path) -> list[Block]:
    """All code blocks of all pages."""
    return [block for page in pages(root) for block in blocks_of(page, root)]


def blocks_of(page: Path, root: Path) -> list[Block]:
    """The code blocks of one page: fenced ones, and those that four spaces make."""
    name = str(page.relative_to(root))
    lines = page.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    at = 0
    while at < len(lines):
        start = at + 1
        if fence := re.match(r" {0,3}(```+|~~~+)\s*(\S*)\s*$", lines[at]):
            end = at + 1
            while end < len(lines) and lines[end].strip() != fence[1]:
                end += 1
            assert end < len(lines), f"{name}:{start}: this block has no end"
            found.append(Block(name, start, fence[2], "\n".join(lines[at + 1 : end])))
            at = end + 1
        elif re.match(r" {4}\S", lines[at]) and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith("    ")):
                end += 1
            text = "\n".join(line[4:] for line in lines[at:end]).rstrip()
            found.append(Block(name, start, "", text))
            at = end
        else:
            at += 1
    return found


def tables(page: Path) -> list[list[list[str]]]:
    """The tables of a page: rows of cells, the row of dashes left out."""
    found: list[list[list[str]]] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            continue
        if not inside:
            found.append([])
        inside = True
        found[-1].append([cell.replace("\\|", "|") for cell in cells])
    return found


def rows_under(page: Path, head: str) -> list[list[str]]:
    """All rows of the tables whose first heading is `head`."""
    found = [row for table in tables(page) if table[0][0] == head for row in table[1:]]
    assert found, f"{page.name} has no table of {head}"
    return found


def code_words(cell: str) -> list[str]:
    """The words of a cell that stand in back-quotes."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: Path) -> list[str]:
    """Where a page's links and pictures point to."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^(```+).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """What links may name behind a "#": headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
