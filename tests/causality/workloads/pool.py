# SPDX-License-Identifier: MIT
"""A pool of two processes with a task each: a task ends only when the other has begun.

So both processes have one, whoever is first.
"""

from __future__ import annotations

import multiprocessing
import os

PIPES = [os.pipe(), os.pipe()]


def task(number: int) -> int:
    os.write(PIPES[number][1], b"x")
    assert os.read(PIPES[1 - number][0], 1) == b"x"
    return number


def main() -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map(task, [0, 1], 1) == [0, 1]
        pool.close()
        pool.join()


main()
