# SPDX-License-Identifier: MIT
"""A run that is given up: closing it waits for the command, never for who takes blocks."""

from __future__ import annotations

import sys

import pytest

from tests.engine.tools import environment, execute

GIVEN_UP = """
import sys
from renacer_otel.engine.launch import NativeRun, RunConfig, Tuning

# More than the queue and the ring hold together.
tuning = Tuning(synthetic_calls=300_000)
outputs = {sys.argv[1]: True}
run = NativeRun(RunConfig(("x",), (), bytes(range(16)), (1, 2), tuning, **outputs))
run.start()
run.close()
print("closed")
"""


@pytest.mark.parametrize("output", ["record", "json", "otlp"])
def test_a_run_whose_blocks_nobody_takes_is_closed(output: str) -> None:
    done = execute([sys.executable, "-c", GIVEN_UP, output], environment())
    assert (done.status, done.output, done.errors) == (0, "closed\n", "")
