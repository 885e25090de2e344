# SPDX-License-Identifier: MIT
"""SIGKILL at any instant, to tracer or traced: nobody hangs, nothing attached is harmed.

200 kills, at other instants each time; 10,000 with RENACER_TEST_SCALE=full. Where the instants
lie is told when a test fails.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.engine.attaching import last_words, stat_of, tell, until
from tests.engine.terminal import Terminal
from tests.engine.tools import LIMIT, PROGRAM, environment, line_of, ready_pid, running, traced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = 50
# Python's start takes most of it: the instants lie before, in and after the attach or launch.
WITHIN_S = 0.25
SIGNALS, APART_US = 400, 300


@pytest.fixture(params=range(PARTS))
def rounds(request: pytest.FixtureRequest, test_scale: int) -> int:
    """Kills in this part: of four kinds, 50 parts each, 200 or 10,000 in all."""
    del request
    return 1 if test_scale == 1 else 50


@pytest.fixture
def instants() -> random.Random:
    """Random times, the same again for the seed that is printed."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    return random.Random(seed)


@contextmanager
def tracer(*words: object, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A tracer in silence."""
    process = subprocess.Popen(
        [*PROGRAM, "-q", *map(str, words)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **more,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def signals_to(subject: Path, pid: int) -> Iterator[None]:
    """A storm of queued signals meanwhile; returns when all are sent."""
    words = [str(subject), "attached", "sender", str(pid), str(SIGNALS), str(APART_US)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as sender:
        yield
        assert sender.wait(LIMIT) == 0


def counts(line: str) -> dict[str, int]:
    """What the subject says of signals, CPUs, tracer and its children."""
    words = line.split()
    return dict(zip(words[0::2], map(int, words[1::2]), strict=True))


def what_it_saw(process: subprocess.Popen[str]) -> dict[str, int]:
    tell(process)
    return counts(line_of(process))


def test_attached_the_tracer_is_killed(subject: Path, rounds: int, instants: random.Random) -> None:
    """Whatever it was in the middle of: every signal is handled, calls and births go on."""
    with running([subject, "attached", "storm", "3", "births"]) as process:
        pid = ready_pid(process)
        cpus = len(os.sched_getaffinity(pid))
        for turn in range(1, rounds + 1):
            with signals_to(subject, pid), tracer("-p", pid, "-o", os.devnull) as killed:
                time.sleep(instants.uniform(0, WITHIN_S))
                killed.kill()
                killed.wait()
            # A stop by job control afterwards is like any other.
            os.kill(pid, signal.SIGSTOP)
            until(lambda: stat_of(pid) == "T")
            os.kill(pid, signal.SIGCONT)
            while (seen := what_it_saw(process))["signals"] < turn * SIGNALS:
                time.sleep(0.01)
            assert seen == {
                "signals": turn * SIGNALS,
                "sum": turn * SIGNALS * (SIGNALS + 1) // 2,
                "cpus": cpus,
                "tracer": 0,
                "wrong": 0,
            }
        assert counts(last_words(process))["wrong"] == 0
        assert process.wait(LIMIT) == 0


def test_attached_the_traced_is_killed(subject: Path, rounds: int, instants: random.Random) -> None:
    """The tracer ends by itself, whatever the process was in the middle of."""
    for _ in range(rounds):
        with running([subject, "attached", "storm", "3", "births"]) as process:
            pid = ready_pid(process)
            with tracer("-p", pid, "-o", os.devnull) as watching:
                time.sleep(instants.uniform(0, WITHIN_S))
                process.kill()
                assert process.wait(LIMIT) == -signal.SIGKILL
                assert watching.wait(LIMIT) in (0, 125)  # 125: gone before we came


@contextmanager
def lifeline() -> Iterator[tuple[int, int]]:
    """A pipe: whoever holds the second end lives; the first one ends with the last of them."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        with suppress(OSError):
            os.close(writer)


def all_are_gone(reader: int) -> bool:
    return bool(select.select([reader], [], [], LIMIT)[0]) and os.read(reader, 1) == b""


def test_launched_the_tracer_is_killed(subject: Path, rounds: int, instants: random.Random) -> None:
    """The command and all that it started end with it."""
    for _ in range(rounds):
        with lifeline() as (reader, writer):
            words = ("-o", os.devnull, "--", subject, "death", "busy")
            with tracer(*words, pass_fds=[writer]) as killed:
                os.close(writer)
                time.sleep(instants.uniform(0, WITHIN_S))
                killed.kill()
                killed.wait()
                assert all_are_gone(reader)


def test_launched_the_traced_is_killed(subject: Path, rounds: int, instants: random.Random) -> None:
    """The tracer ends by the same signal, once all that the command started has ended."""
    for _ in range(rounds):
        with (
            lifeline() as (reader, writer),
            running(
                [*traced("-o", os.devnull), subject, "death", "busy"], pass_fds=[writer]
            ) as process,
        ):
            os.close(writer)
            pid = ready_pid(process)
            time.sleep(instants.uniform(0, WITHIN_S / 5))
            os.kill(pid, signal.SIGKILL)
            assert process.wait(LIMIT) == -signal.SIGKILL
            assert all_are_gone(reader)


@pytest.mark.needs("bash")
def test_the_terminal_is_the_shell_s_again(
    subject: Path, test_scale: int, instants: random.Random
) -> None:
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.read_until("prompt> ")
        run = " ".join(map(str, traced("-o", os.devnull)))
        for turn in range(4 * test_scale):
            terminal.type(f"sh -c 'echo pid-$$-; exec {run} {subject} signals counts 10'\n")
            terminal.read_until("\r\npid-")
            pid = int(terminal.read_until("-")[:-1])
            time.sleep(instants.uniform(0, WITHIN_S))
            os.kill(pid, signal.SIGKILL)
            terminal.read_until("Killed")
            terminal.read_until("prompt> ")
            assert terminal.foreground() == terminal.pid
            terminal.type(f"echo again $(({turn} * 2))\n")
            terminal.read_until(f"again {turn * 2}\r\n")
            terminal.read_until("prompt> ")
        terminal.type("exit\n")
        terminal.wait()
