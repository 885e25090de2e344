# SPDX-License-Identifier: MIT
"""Tracer and tracees share a CPU, and no tracee sees it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.engine.tools import Done, environment, execute, record, same, traced

POLICIES = ("auto", "share", "free")
several_cpus = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs more than one CPU"
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("part", ["show", "others", "chosen", "crowd", "classes", "child"])
def test_masks_as_the_program_sees_them(subject: Path, policy: str, part: str) -> None:
    done = same([subject, "cpu", part], "--cpu", policy)
    assert done.status == 0
    assert done.output


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("part", ["show", "chosen", "child"])
def test_masks_of_those_that_are_not_followed(subject: Path, policy: str, part: str) -> None:
    assert same([subject, "cpu", part], "--cpu", policy, "--no-follow").status == 0


PROGRAMS = {
    "nproc": ["nproc"],
    "python": [sys.executable, "-ISc", "import os; print(os.sched_getaffinity(0), os.cpu_count())"],
    "nproc in a pipe": ["sh", "-c", "for i in 1 2 3; do nproc | cat; done; nproc"],
    "subshells": ["sh", "-c", "(nproc; (nproc)); echo $(nproc)"],
}


@several_cpus
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_ask(name: str, policy: str) -> None:
    assert same(PROGRAMS[name], "--cpu", policy).status == 0


@pytest.mark.needs("taskset")
@pytest.mark.parametrize("policy", POLICIES)
def test_taskset(policy: str) -> None:
    script = (
        "mask() { taskset -p $1 | sed 's/.*: //'; }; mask $$; taskset -p 1 $$ >/dev/null; mask $$;"
        " sh -c 'taskset -p $$' | sed 's/.*: //'; taskset -c 0 nproc"
    )
    done = same(["sh", "-c", script], "--cpu", policy)
    assert done.status == 0
    assert done.output.split()[1:] == ["1", "1", "1"]


@pytest.mark.needs("taskset")
@several_cpus
@pytest.mark.parametrize("policy", POLICIES)
def test_started_on_one_cpu_by_the_caller(subject: Path, policy: str) -> None:
    cpu = str(max(os.sched_getaffinity(0)))
    words = ["taskset", "-c", cpu]
    bare = execute([*words, subject, "cpu", "chosen"])
    before = [*words, *traced("-o", os.devnull, "--cpu", policy)]
    assert execute([*before, subject, "cpu", "chosen"]) == bare
    assert bare.output.splitlines()[0] == f"one {cpu}"


@pytest.mark.needs("chrt")
@as_root
@pytest.mark.parametrize("kind", ["-f 5", "-r 3", "-b 0", "-i 0"])
def test_started_in_a_class_of_its_own(subject: Path, kind: str) -> None:
    words = ["chrt", *kind.split()]
    bare = execute([*words, subject, "inherit"])
    seen = execute([*words, *traced("-o", os.devnull), subject, "inherit"])
    policy = [line for line in bare.output.splitlines() if "policy" in line]
    assert policy == [line for line in seen.output.splitlines() if "policy" in line]
    assert not policy[0].endswith("policy 0")


@several_cpus
def test_it_does_share(subject: Path) -> None:
    """The tests above would hold nothing if the tracer left CPUs alone."""
    script = (
        "import os, time\n"
        "def cpus():\n"
        "    text = open('/proc/self/status').read()\n"
        "    return text.split('Cpus_allowed_list:')[1].split()[0]\n"
        "for _ in range(2000):\n"
        "    os.getppid()\n"
        "print(cpus() == cpus_of_all)\n"
    )
    own = Path("/proc/self/status").read_text().split("Cpus_allowed_list:")[1].split()[0]
    script = f"cpus_of_all = {own!r}\n{script}"
    words = [sys.executable, "-ISc", script]
    assert execute(words) == Done(0, "True\n", "")
    before = traced("-o", os.devnull, "--cpu", "share")
    assert execute([*before, *words], environment()) == Done(0, "False\n", "")
    before = traced("-o", os.devnull, "--cpu", "free")
    assert execute([*before, *words], environment()) == Done(0, "True\n", "")


def test_calls_about_cpus_are_recorded_as_made(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "cpu", "classes"])
    names = [event.name for event in run.events if event.name.startswith("sched_")]
    assert names.count("sched_setattr") == 2
    assert names.count("sched_setscheduler") == 2
