# SPDX-License-Identifier: MIT
"""Pools of forked and of spawned processes, a queue, a lock, and ends of every kind."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time


def work(number: int) -> str:
    with open(f"part{number % 8}", "a", encoding="ascii") as file:
        file.write("x")
    return hashlib.sha256(str(number).encode() * 500).hexdigest()


def add(total, lock, rounds: int) -> None:  # type: ignore[no-untyped-def]
    for _ in range(rounds):
        with lock:
            total.value += 1


def end(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "wait":
        time.sleep(600)
    os._exit(7)


def main() -> None:
    for context in (multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")):
        method = context.get_start_method()
        with context.Pool(4) as pool:
            print(method, hashlib.sha256("".join(pool.map(work, range(400))).encode()).hexdigest())
            print(method, len(set(pool.imap_unordered(work, range(100)))))
        total, lock = context.Value("i", 0), context.Lock()
        adders = [context.Process(target=add, args=(total, lock, 200)) for _ in range(4)]
        for adder in adders:
            adder.start()
        for adder in adders:
            adder.join()
        print(method, total.value, [adder.exitcode for adder in adders])
        for how in ("exit", "kill", "wait"):
            process = context.Process(target=end, args=(how,))
            process.start()
            if how == "wait":
                process.terminate()
            process.join()
            print(method, how, process.exitcode)


if __name__ == "__main__":
    main()
