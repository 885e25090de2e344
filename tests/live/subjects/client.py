# SPDX-License-Identifier: MIT
"""client.py OTLP-PORT COUNT: starts two services, asks the first, two requests at a time."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OTLP, COUNT = sys.argv[1], int(sys.argv[2])
SERVICE = Path(__file__).with_name("service.py")


def start(role: str, *more: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(SERVICE), role, OTLP, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def ask(port: str, numbers: range) -> None:
    for number in numbers:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}", timeout=60) as answer:
            assert answer.status == 200


back, back_port = start("back")
front, front_port = start("front", back_port)
with ThreadPoolExecutor(2) as pool:
    for asked in [pool.submit(ask, front_port, range(first, COUNT, 2)) for first in (0, 1)]:
        asked.result()
for process in (front, back):
    process.communicate()
    assert process.returncode == 0
