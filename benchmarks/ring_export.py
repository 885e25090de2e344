# SPDX-License-Identifier: MIT
"""The data path without processes: a ring filled from memory, to a collector.

usage: ring_export.py ENDPOINT CALLS [EXPORTER]: by an exporter of the SDK, if one is named. Prints
one JSON object: spans a second of wall time and of CPU time, spans sent and lost. The queue is made
large enough that nothing is dropped.
"""

from __future__ import annotations

import json
import sys
import time

from renacer_otel.engine.launch import Tuning
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig


def main() -> None:
    endpoint, calls = sys.argv[1], int(sys.argv[2])
    exporter = sys.argv[3] if len(sys.argv) > 3 else None
    flags = OtlpFlags(exporter=exporter) if exporter else OtlpFlags(endpoint=endpoint)
    config = SessionConfig(
        argv=["synthetic"],
        environ={},
        otlp=resolve(flags, {}).settings,
        run_id="benchmark",
        tuning=Tuning(synthetic_calls=calls, queue_bytes=4 << 30),
        flush_timeout_s=300.0,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = Session(config).run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert outcome.otlp is not None
    sent = outcome.otlp.written
    print(
        json.dumps(
            {
                "sent": sent,
                "lost": outcome.lost_spans + outcome.otlp.rejected,
                "per_second": sent / wall,
                "per_cpu_second": sent / cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
