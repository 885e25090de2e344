# SPDX-License-Identifier: MIT
"""What measuring costs beside encoding: CPU ns a call behind a ring that is filled from memory.

usage: metrics_cost.py [CALLS [ROUNDS]]; prints one JSON object. Blocks of spans are taken and
thrown away, so that it is what the consumer does (and the thread that fills the ring); medians of
ROUNDS (5) that take turns, of CALLS (5 million) each. `series`: what 2,000 series take to be
encoded and shown, in seconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from dataclasses import replace

from renacer_otel.engine.launch import NativeRun, RunConfig, Tuning
from renacer_otel.exporters.call_metrics import call_metrics
from renacer_otel.exporters.metric_data import Interval
from renacer_otel.exporters.otlp_metrics import MetricsEncoder
from renacer_otel.exporters.prometheus_text import render
from renacer_otel.spans import metered

VARIANTS = {"spans": (True, False), "spans, measured": (True, True), "measured": (False, True)}


def behind_ring(otlp: bool, meters: bool, calls: int) -> float:
    """CPU ns a call."""
    run = NativeRun(
        RunConfig(
            argv=["synthetic"],
            environ=[],
            trace_id=b"t" * 16,
            id_key=(1, 2),
            tuning=Tuning(synthetic_calls=calls, meters=meters, queue_bytes=1 << 30),
            otlp=otlp,
        )
    )

    def drain() -> None:
        while (block := run.take(run.OTLP, 3600)) is not None:
            block.release()

    taker = threading.Thread(target=drain)
    before = time.process_time()
    taker.start()
    run.start()
    while run.wait(1.0) is None:
        pass
    taker.join()
    cpu = time.process_time() - before
    if meters:
        found = metered.of_run(run, metered.NOTHING)
        assert sum(series.count + series.unfinished for series in found.calls) == calls
    run.close()
    return cpu / calls * 1e9


def of_many_series() -> dict[str, float]:
    """Seconds that as many series as there can be take."""
    series = metered.CallSeries(
        "read", "program", 1, False, 160, 0, 10**9, 1, 10**9, 3, -80, (1,) * 160, 5, None, 1, None
    )
    measured = metered.Measured([replace(series, pid=pid) for pid in range(2000)], [])
    took = {}
    begin = time.process_time()
    metrics = call_metrics(measured, lambda at: at, exemplars=True)
    requests = MetricsEncoder({"a": "b"}, as_json=False).encode(metrics, Interval(0, 1))
    took["encoded"] = time.process_time() - begin
    begin = time.process_time()
    text = render(metrics, {"a": "b"})
    took["shown"] = time.process_time() - begin
    assert requests
    assert text
    return took


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, (otlp, meters) in VARIANTS.items():
            found[name].append(behind_ring(otlp, meters, calls))
    medians = {name: round(statistics.median(each), 1) for name, each in found.items()}
    print(json.dumps({"ns_a_call": medians, "series": of_many_series()}, indent=1))


if __name__ == "__main__":
    main()
