# SPDX-License-Identifier: MIT
"""What a program sets something to is compared: attributes, timers, scheduling, limits."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import canonical, differences, golden_file, learning
from renacer_otel.spans import replay
from tests.golden.runs import traced

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Canonical, Golden

pytestmark = pytest.mark.needs("cc")

#: What the program is told to set to something else, and words of the sentence about it.
CHANGES = {
    "attribute": 'sets the attribute "user.one" of {folder}/file to "two" instead of',
    "size of an attribute": 'sets the attribute "user.two" of {folder}/file to "thre" instead',
    "end of a long attribute": 'aaaa\\1" instead of "…aaaa',
    "memory": "now leaves other bytes in {folder}/mapped through shared memory (5000 bytes",
    "memory of what is renamed": "now leaves other bytes in {folder}/second through shared memory",
    "memory by mprotect": "now leaves other bytes in {folder}/later through shared memory",
    "memory of what gets a name": "now leaves other bytes in {folder}/named through shared memory",
    "interval": "{it_interval={tv_sec=5, tv_usec=0}",
    "alarm": "now calls alarm(2000) with 2000 instead of 1000",
    "timer": "now calls timer_settime(0, 0, {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=2",
    "timer by descriptor": "tv_nsec=0}, it_value={tv_sec=2000, tv_nsec=0}}) with {it_interval",
    "affinity": "now calls sched_setaffinity(0, 128, [",
    "policy": "now calls sched_setscheduler(0, SCHED_BATCH, [0]) with SCHED_BATCH instead of SCHED",
    "parameter": "now calls sched_setparam(0, [7])",
    "priority": "now calls setpriority(PRIO_PROCESS, 0, 3) with 3 instead of 2",
    "priority of input": "IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6) instead of IOPRIO_PRIO_VALUE(",
    "limit": "{rlim_cur=200, rlim_max=",
    "name": 'now calls prctl(PR_SET_NAME, "two") with "two" instead of "one"',
    "signal": "now calls prctl(PR_SET_PDEATHSIG, SIGTERM) with SIGTERM instead of SIGKILL",
}  # fmt: skip


def _can_set(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program; it works in its folder."""
    folder = tmp_path_factory.mktemp("values")
    source = Path(__file__).with_name("values.c")
    subprocess.run(["cc", "-o", folder / "values", source], check=True)
    return folder / "values"


def _traced(program: Path, *changed: str) -> Canonical:
    """As golden traces are captured."""
    return traced(_command(program, *changed), program.parent, options=("--capture", "writes"))


def _command(program: Path, *changed: str) -> list[str]:
    return ["sh", "-c", 'cd "$0" && exec ./values "$@"', str(program.parent), *changed]


@pytest.fixture(scope="module")
def golden(program: Path) -> Golden:
    """Learned from runs that are read from a file."""
    runs = [_traced(program) for _ in range(2)]
    return golden_file.load(golden_file.dump(learning.learn(runs, "values")))


def _told(golden: Golden, program: Path, *changed: str) -> list[str]:
    found = differences.between(golden, [_traced(program, *changed)])
    return [one.sentence for one in found if differences.changed([one])]


def _expected(program: Path) -> dict[str, str]:
    expected = {
        name: words.replace("{folder}", str(program.parent)) for name, words in CHANGES.items()
    }
    if len(os.sched_getaffinity(0)) < 2:
        del expected["affinity"]
    if not _can_set(program.parent):
        for name in CHANGES:
            if "attribute" in name:
                expected[name] = "fails with EOPNOTSUPP"
    return expected


def test_the_same_values(golden: Golden, program: Path) -> None:
    assert _told(golden, program, "memory of what is removed") == []
    assert golden.form.missing == ()


def test_memory_where_more_or_nothing_is_looked_at(golden: Golden, program: Path) -> None:
    """A trace of all that files are tells it, too; of one without that it is told."""
    form = traced(_command(program, "memory"), program.parent)
    (changed,) = [one.sentence for one in differences.between(golden, [form])
                  if differences.changed([one])]  # fmt: skip
    assert "now leaves other bytes in " in changed
    run = replay.of_trace(program.parent / "run.renacer", shown=True)
    without = dataclasses.replace(run, metadata={**run.metadata, "states": False})
    (missing,) = canonical.of_replay(without).missing
    assert missing.startswith("what memory wrote into ")
    assert "first, gone, mapped" in missing
    assert not differences.changed(differences.between(golden, [canonical.of_replay(without)]))
    (missing,) = _traced(program, "memory elsewhere").missing
    assert missing.startswith("what memory wrote into ")
    assert missing.endswith("one (deleted) was not seen")


def test_other_values(golden: Golden, program: Path, test_scale: int) -> None:
    """Each is told; in full size each alone, and then first."""
    expected = _expected(program)
    told = _told(golden, program, *expected)
    for name, words in expected.items():
        assert any(words in sentence for sentence in told), (name, told)
    assert len(told) == len(expected)
    for name, words in expected.items() if test_scale > 1 else ():
        assert [words in sentence for sentence in _told(golden, program, name)] == [True], name
