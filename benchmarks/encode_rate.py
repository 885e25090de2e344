# SPDX-License-Identifier: MIT
"""The encoder behind a ring that is filled from memory: its blocks are taken and thrown away.

usage: encode_rate.py CALLS protobuf|json|nothing; prints seconds of CPU time, of all threads. What
fills the ring and the interpreter are in it; with "nothing" there is no encoder, so that the
difference is the encoder's.
"""

from __future__ import annotations

import os
import sys
import time

from renacer_otel.engine.launch import NativeRun, RunConfig, Tuning


def main() -> None:
    calls, form = int(sys.argv[1]), sys.argv[2]
    run = NativeRun(
        RunConfig(
            argv=["synthetic"],
            environ=[],
            trace_id=os.urandom(16),
            id_key=(1, 2),
            tuning=Tuning(synthetic_calls=calls, queue_bytes=4 << 30),
            otlp=form != "nothing",
            otlp_json=form == "json",
            realtime_anchor=time.time_ns(),
            monotonic_anchor=time.monotonic_ns(),
        )
    )
    begun, spans = time.process_time(), 0
    run.start()
    while form != "nothing" and (block := run.take(run.OTLP, 3600.0)) is not None:
        spans += block.spans
        block.release()
    while run.wait(1.0) is None:
        pass
    took = time.process_time() - begun
    run.close()
    assert spans == (0 if form == "nothing" else calls + 2)  # the process and the run
    print(took)


if __name__ == "__main__":
    main()
