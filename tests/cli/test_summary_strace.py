# SPDX-License-Identifier: MIT
"""-c beside real strace's: the same names, calls and errors, and the same layout."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.summary_tables import Table, read_tables
from tests.cli.tool import PATIENCE, renacer, run_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("strace")

COMMANDS = [
    ("true",),
    ("ls", "/etc", "/nonexistent"),
    ("cat", "/etc/passwd", "/nonexistent"),
    ("dd", "if=/dev/zero", "of=/dev/null", "count=300", "status=none"),
    ("stat", "/", "/etc", "/no"),
    ("sort", "/etc/passwd"),
    ("sh", "-c", "cd /; test -e no; exec true"),
]
COUNTED = ("syscall", "calls", "errors")
# Of children in turn: how often a wait is interrupted depends on who comes first.
RACY = {"wait4", "rt_sigreturn"}


def strace(*words: str | Path, out: Path) -> str:
    """What `strace -f -o OUT WORDS…` writes."""
    run_program(["strace", "-f", "-o", out, *words])
    return out.read_text()


def ours(*words: str | Path, out: Path) -> str:
    """The same of renacer-otel."""
    assert renacer("-o", out, *words).totals.lost == 0
    return out.read_text()


def counted(table: Table) -> list[tuple[str, ...]]:
    """The rows but for the times, in order."""
    rows = [tuple(row[title] for title in COUNTED) for row in (*table.rows, table.total)]
    return [row for row in rows if row[0] not in RACY]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("sort", ["calls", "errors", "name", "nothing"])
def test_same_rows(command: tuple[str, ...], sort: str, tmp_path: Path) -> None:
    """In the same order too: equals stand by number."""
    words = ("-c", "-S", sort, *command)
    (theirs,) = read_tables(strace(*words, out=tmp_path / "strace"))
    (mine,) = read_tables(ours(*words, out=tmp_path / "ours"))
    assert counted(mine) == counted(theirs)


def test_same_rows_of_children(tmp_path: Path) -> None:
    words = ("-c", "-S", "name", "sh", "-c", "ls /no; cat /etc/passwd >/dev/null; true; /bin/true")
    (theirs,) = read_tables(strace(*words, out=tmp_path / "strace"))
    (mine,) = read_tables(ours(*words, out=tmp_path / "ours"))
    assert counted(mine)[:-1] == counted(theirs)[:-1]


def shape(text: str) -> list[str]:
    """The lines with every digit as 9, and no difference between 9 and 99."""
    digits = re.sub(r"\d", "9", text)
    return [re.sub(r" *9+\.?9*", lambda m: "#" * len(m[0]), line) for line in digits.splitlines()]


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-w", "-U", "time,total-time,avg-time,calls,errors,name"],
        ["-U", "name,calls,errors,time,total_time,min_time,max_time,avg_time"],
        ["-U", "shortest,longest,count,error"],
    ],
)
def test_same_layout(flags: list[str], tmp_path: Path) -> None:
    """Titles, widths and alignment, to the byte; times differ in their digits only."""
    words = ("-c", "-S", "name", *flags, "ls", "/etc", "/nonexistent")
    theirs, mine = strace(*words, out=tmp_path / "strace"), ours(*words, out=tmp_path / "ours")
    assert shape(mine) == shape(theirs)
    assert mine.splitlines()[:2] == theirs.splitlines()[:2]


def test_quantiles_come_after_straces_columns(tmp_path: Path) -> None:
    theirs = strace("-c", "-w", "true", out=tmp_path / "strace").splitlines()
    mine = ours("-c", "-w", "true", out=tmp_path / "ours").splitlines()
    assert mine[0].startswith(theirs[0])
    assert mine[1].startswith(theirs[1])


SUBJECT = """
#include <sched.h>
int main(void)
{
	sched_get_priority_max(0); /* a name that is wider than the column */
#ifdef __x86_64__
	for (int i = 0, result; i < 3; i++) /* 32-bit calls have a table of their own */
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
#endif
	return 0;
}
"""


@pytest.mark.needs("cc")
def test_long_names_and_other_modes(tmp_path: Path) -> None:
    (tmp_path / "s.c").write_text(SUBJECT)
    subprocess.run(["cc", "-o", tmp_path / "s", tmp_path / "s.c"], check=True, timeout=PATIENCE)
    if run_program([tmp_path / "s"]).code != 0:
        pytest.skip("needs 32-bit calls")
    words = ("-c", "-S", "name", tmp_path / "s")
    theirs, mine = strace(*words, out=tmp_path / "strace"), ours(*words, out=tmp_path / "ours")
    assert [counted(table) for table in read_tables(mine)] == [
        counted(table) for table in read_tables(theirs)
    ]
    assert shape(mine) == shape(theirs)
