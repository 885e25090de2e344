# SPDX-License-Identifier: MIT
"""Processes made by a fork server of the library; each job writes a file."""

import multiprocessing
import os


def job(number: int) -> int:
    """Writes its number, squared."""
    with open(f"squares/{number}.txt", "w") as file:
        file.write(f"{number * number}\n")
    return number * number


if __name__ == "__main__":
    os.makedirs("squares", exist_ok=True)
    with multiprocessing.get_context("forkserver").Pool(2) as pool:
        print(sum(pool.map(job, range(16), chunksize=1)))
        pool.close()
        pool.join()
