# SPDX-License-Identifier: MIT
"""The data path without processes: a ring filled from memory, to a collector.

usage: ring_export.py ENDPOINT CALLS [--exporter NAME | --spool DIR | --sidecar SOCKET] [--rate N]:
by an exporter of the SDK, through a spool, or handed to a sidecar; N calls a second. Prints one
JSON object: spans a second of wall time and of CPU time, spans sent (with a sidecar: handed over)
and lost, and whether nothing at all was. The queue is made large enough that nothing is dropped.
"""

from __future__ import annotations

import argparse
import json
import time

from renacer_otel.engine.launch import Tuning
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.spool import ON_FULL
from renacer_otel.exporters.spool_folder import SpoolFolder
from renacer_otel.sidecar.delivery import Spooling
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig, Sidecar

_SPOOL_BYTES = 8 << 30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("calls", type=int)
    parser.add_argument("--exporter")
    parser.add_argument("--spool")
    parser.add_argument("--sidecar")
    parser.add_argument("--rate", type=int, default=0)
    given = parser.parse_args()
    to = given.exporter
    flags = OtlpFlags(exporter=to) if to else OtlpFlags(endpoint=given.endpoint)
    config = SessionConfig(
        argv=["synthetic"],
        environ={},
        otlp=None if given.sidecar else resolve(flags, {}).settings,
        run_id="benchmark",
        tuning=Tuning(synthetic_calls=given.calls, synthetic_rate=given.rate, queue_bytes=4 << 30),
        flush_timeout_s=300.0,
    )
    if given.spool:
        spooling = Spooling(SpoolFolder(given.spool), _SPOOL_BYTES, ON_FULL[0])
        config = config._replace(spool=spooling, tuning=spooling.tuned(config.tuning))
    if given.sidecar:
        config = config._replace(sidecar=Sidecar(given.sidecar, required=True))
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = Session(config).run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if outcome.handed is not None:
        sent, rejected = outcome.handed.spans, 0
    else:
        assert outcome.otlp is not None
        sent, rejected = outcome.otlp.written, outcome.otlp.rejected
    print(
        json.dumps(
            {
                "sent": sent,
                "lost": outcome.lost_spans + rejected,
                "complete": outcome.complete,
                "per_second": sent / wall,
                "per_cpu_second": sent / cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
