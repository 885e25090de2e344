# SPDX-License-Identifier: MIT
"""Some twenty commands under strace 6.1 and under us: how many of strace's lines are ours, too."""

from __future__ import annotations

import collections
import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decode.normal import threads

RENACER = str(Path(sys.executable).parent / "renacer-otel")

# Percent of strace's lines that must be ours, each command and all together. What was
# reached when this was written is 99 % and more; a busy machine may cost single lines.
EACH, ALL = 90.0, 96.0

COMMANDS = {
    "true": "true",
    "ls": "ls -l /etc",
    "cat": "cat text",
    "cp": "cp text copy",
    "mv": "mv moved elsewhere",
    "pipeline": "printf 'b\\na\\n' | sort | head -n 1",
    "python": f"{sys.executable} -I -c 'print(1)'",
    "git-status": "git -C repo status --short",
    "git-log": "git -C repo log --oneline",
    "tar": "tar c tree",
    "gzip": "gzip -k text",
    "grep": "grep -r word tree",
    "find": "find tree -type f",
    "sort": "sort text",
    "sed": "sed s/word/other/ text",
    "awk": "awk '{print $1}' text",
    "env": "env",
    "id": "id",
    "date": "date",
    "dd": "dd if=/dev/zero of=zeros bs=512 count=64",
    "sleep": "sleep 0.01",
    "xargs": "echo a b c >words; xargs -n1 echo <words",
    "timeout": "timeout 5 sleep 0.01",
}

pytestmark = pytest.mark.needs("strace", "git", "tar", "gzip", "awk", "sed", "find", "id", "xargs")


@pytest.fixture
def environment() -> dict[str, str]:
    """Nothing in it that two runs could differ by."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def prepare(folder: Path, environment: dict[str, str]) -> None:
    (folder / "tree" / "sub").mkdir(parents=True)
    for path in ("text", "moved", "tree/one", "tree/sub/two"):
        (folder / path).write_text("word and more\nanother line\n" * 40)
    author = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "gc.auto=0"]
    for command in (
        ["init", "-q", "repo"],
        ["-C", "repo", *author, "commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)


def trace(tool: list[str], command: str, folder: Path, environment: dict[str, str]) -> str:
    # The same path both times: a path's length shows in the trace.
    folder.mkdir()
    prepare(folder, environment)
    log = folder.parent / "log"
    done = subprocess.run(
        [*tool, "-o", str(log), "--", "sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    text = log.read_text()
    folder.rename(folder.with_name(f"done-{tool[0].rpartition('/')[2]}"))
    return text


def shared(expected: list[str], found: list[str]) -> int:
    """How many lines the two have in common, in any order."""
    return (collections.Counter(expected) & collections.Counter(found)).total()


def compare(theirs: str, ours: str) -> tuple[int, int, list[str]]:
    """Lines of strace, those of them that are ours, and what differs."""
    total = same = 0
    differences: list[str] = []
    remaining = threads(ours)
    for expected in threads(theirs):
        # Of threads that run side by side, either may be the first to be heard of.
        found = max(remaining, key=lambda lines: shared(expected, lines), default=[])
        remaining = [lines for lines in remaining if lines is not found]
        total += len(expected)
        matcher = difflib.SequenceMatcher(None, expected, found, autojunk=False)
        same += sum(block.size for block in matcher.get_matching_blocks())
        for tag, i, j, k, m in matcher.get_opcodes():
            if tag != "equal":
                differences += [f"- {line}" for line in expected[i:j]]
                differences += [f"+ {line}" for line in found[k:m]]
    return total, same, differences


def test_lines_are_those_of_strace(tmp_path: Path, environment: dict[str, str]) -> None:
    version = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=True)
    print(version.stdout.splitlines()[0])
    strace = ["strace", "-f"]
    own = [RENACER, "-f", "--no-propagate"]
    totals = [0, 0]
    kinds: collections.Counter[str] = collections.Counter()
    failed: list[str] = []
    for name, command in COMMANDS.items():
        base = tmp_path / name
        base.mkdir()
        theirs = trace(strace, command, base / "work", environment)
        ours = trace(own, command, base / "work", environment)
        total, same, differences = compare(theirs, ours)
        totals[0] += total
        totals[1] += same
        percent = 100 * same / total
        print(f"{name:12} {total:5} lines, {percent:5.1f} % the same")
        for line in differences:
            print(f"    {line[:180]}")
            if line.startswith("- "):
                kinds[re.split(r"\W", line[2:], maxsplit=1)[0]] += 1
        if percent < EACH:
            failed.append(f"{name}: {percent:.1f} %")
    percent = 100 * totals[1] / totals[0]
    print(f"all: {totals[0]} lines, {percent:.2f} % the same; different: {kinds.most_common()}")
    assert not failed
    assert percent >= ALL
