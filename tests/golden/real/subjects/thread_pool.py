# SPDX-License-Identifier: MIT
"""Four threads hash files; what they found is printed as they end."""

import concurrent.futures
import hashlib
import pathlib


def digest(path: pathlib.Path) -> str:
    """Writes the digest beside the others; its name and size."""
    data = path.read_bytes()
    target = pathlib.Path("digests", f"{path.parent.name}-{path.stem}.sha256")
    target.write_text(hashlib.sha256(data).hexdigest() + "\n")
    return f"{path.name} {len(data)}"


pathlib.Path("digests").mkdir(exist_ok=True)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    jobs = [pool.submit(digest, path) for path in sorted(pathlib.Path("tree").rglob("*.txt"))]
    for job in concurrent.futures.as_completed(jobs):
        print(job.result(), flush=True)
