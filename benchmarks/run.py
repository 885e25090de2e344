# SPDX-License-Identifier: MIT
"""`./dev bench [NAME...]`: the project's benchmarks, as ratios of commands timed in turn.

Names: trace, causality, filtered, export, ring, sidecar, spool, startup, check; and, not run
unless named since each takes minutes, overhead, loads, long (10 million calls).
What a benchmark needs and the machine lacks (a C compiler, strace, a built collector) is told,
and that row left out. Exit 1 if a ratio misses its target.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import delivery
import filtered
import loads
import made_trace
import timing
from loads import RENACER, dd
from serving import null_receiver, sidecar_of

HERE = Path(__file__).resolve().parent
ROUNDS = int(os.environ.get("RENACER_BENCH_ROUNDS", "5"))
missed: list[str] = []


def tell(name: str, value: str, target: str = "", held: bool = True) -> None:
    verdict = "" if not target else f"   target {target}: {'held' if held else 'MISSED'}"
    print(f"  {name:<58} {value:>14}{verdict}", flush=True)
    if not held:
        missed.append(name)


def ratio(name: str, value: float, most: float | None = None, least: float | None = None) -> None:
    """A figure against its bound."""
    if most is not None:
        tell(name, f"{value:.2f}", f"<= {most:g}", value <= most)
    elif least is not None:
        tell(name, f"{value:.2f}", f">= {least:g}", value >= least)
    else:
        tell(name, f"{value:.2f}")


def minimal_tracer(folder: Path) -> list[str] | None:
    program = loads.compiled("minimal_tracer.c", folder)
    if program is None:
        tell("minimal pinned C loop", "no C compiler")
        return None
    return [program]


def bench_trace(folder: Path) -> None:
    """Full text trace of dd against strace, free and pinned, and the least possible."""
    work = dd(40_000)
    out = str(folder / "out.txt")
    commands = {"bare": work, "ours": [*RENACER, "-o", out, "--", *work]}
    if minimal := minimal_tracer(folder):
        commands["minimal"] = [*minimal, *work]
    if shutil.which("strace"):
        strace = ["strace", "-f", "-o", str(folder / "strace.txt"), *work]
        commands["strace"] = strace
        commands["pinned"] = ["taskset", "-c", "0", *strace]
    else:
        tell("strace", "not installed")
    samples = timing.in_turn(commands, ROUNDS)
    wall = {name: timing.median_wall(found) for name, found in samples.items()}
    for name, seconds in wall.items():
        tell(f"dd, 40,000 calls: {name}, seconds", f"{seconds:.3f}")
    if "strace" in wall:
        ratio("strace -f -o / ours", wall["strace"] / wall["ours"], least=5)
        ratio("ours / strace pinned by taskset", wall["ours"] / wall["pinned"], most=1)
    if "minimal" in wall:
        ratio("ours / minimal pinned C loop", wall["ours"] / wall["minimal"], most=1.4)


def bench_causality(folder: Path) -> None:
    """dd with causes looked for and without, all calls to a file of spans."""
    work = dd(200_000)
    ours = [*RENACER, "--format", "otlp-json", "-o", str(folder / "out.json"), "--", *work]
    commands = {"with": ours, "without": ["env", "RENACER_DISABLE=edges", *ours]}
    samples = timing.in_turn(commands, ROUNDS)
    wall = {name: timing.median_wall(found) for name, found in samples.items()}
    cpu = {name: statistics.median(one.cpu for one in found) for name, found in samples.items()}
    for name, seconds in wall.items():
        tell(f"dd, 200,000 calls: {name} edges, seconds", f"{seconds:.3f}")
    ratio("the same in CPU time, with / without", cpu["with"] / cpu["without"])
    ratio("with edges / without", wall["with"] / wall["without"], most=1.1)


def bench_filtered(folder: Path) -> None:
    """dd of which nothing is asked for but openat: the filter with and without a tracer."""
    del folder
    filtered.bench(RENACER, dd, ROUNDS, tell, ratio)


def bench_export(folder: Path) -> None:
    """OTLP/gRPC to a null receiver against our text run."""
    work = dd(40_000)
    with null_receiver() as endpoint:
        samples = timing.in_turn(
            {
                "text": [*RENACER, "-o", str(folder / "out.txt"), "--", *work],
                "otlp": [*RENACER, "--fail-on-loss", "--otlp-endpoint", endpoint, "--", *work],
            },
            ROUNDS,
        )
    text, otlp = (timing.median_wall(samples[name]) for name in ("text", "otlp"))
    tell("dd, 40,000 calls: text, seconds", f"{text:.3f}")
    tell("dd, 40,000 calls: OTLP/gRPC to a null receiver, seconds", f"{otlp:.3f}")
    ratio("OTLP / text", otlp / text, most=1.3)


def ring_rate(endpoint: str, calls: int, cpu: int, *exporter: str) -> dict[str, Any]:
    """spans/s of the path behind the ring, the whole sender on one CPU."""
    command = [sys.executable, str(HERE / "ring_export.py"), endpoint, str(calls)]
    command += [word for name in exporter for word in ("--exporter", name)]
    done = subprocess.run(
        ["taskset", "-c", str(cpu), *command],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if exporter else None,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def best_rate(endpoint: str, calls: int) -> float:
    results = [ring_rate(endpoint, calls, 0) for _ in range(3)]
    for result in results:
        assert result["lost"] == 0, result
    return sorted(float(result["per_second"]) for result in results)[1]


def bench_ring(folder: Path) -> None:
    """Ring filled from memory, through interpreter, encoder and gRPC; and the SDK beside it."""
    if shutil.which("taskset") is None:
        tell("ring", "taskset (util-linux) is missing")
        return
    other = max(os.sched_getaffinity(0))
    with null_receiver(other) as endpoint:
        ours = best_rate(endpoint, 2_000_000)
        tell("ring -> null receiver, spans/s on one core", f"{ours:,.0f}", ">= 500,000",
             ours >= 500_000)  # fmt: skip
        bench_encoder(2_000_000)
        for exporter in ("console", "otlp_proto_grpc"):
            bench_bridge(endpoint, exporter, ours)
        sdk_export = [sys.executable, str(HERE / "sdk_export.py"), endpoint, "20000"]
        done = subprocess.run(
            ["taskset", "-c", "0", *sdk_export], check=False, capture_output=True, text=True
        )
        if done.returncode:
            tell("OpenTelemetry SDK", "not installed")
        else:
            sdk = float(done.stdout)
            tell("OpenTelemetry SDK, BatchSpanProcessor, spans/s", f"{sdk:,.0f}")
            ratio("ours / SDK", ours / sdk, least=50)
    with collector(folder, other) as found:
        if found is None:
            tell("ring -> real collector", "not built: Go is missing")
            return
        rate = best_rate(found, 2_000_000)
        tell("ring -> real collector (nop), spans/s", f"{rate:,.0f}", ">= 300,000",
             rate >= 300_000)  # fmt: skip


def bench_encoder(calls: int) -> None:
    """CPU time of the path from ring to encoded blocks, with an encoder and without: medians."""
    found: dict[str, list[float]] = {"protobuf": [], "json": [], "nothing": []}
    for _ in range(ROUNDS):
        for form, times in found.items():
            command = [sys.executable, str(HERE / "encode_rate.py"), str(calls), form]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            times.append(float(done.stdout))
    took = {form: statistics.median(times) for form, times in found.items()}
    for form in ("protobuf", "json"):
        tell(f"ring -> {form}, not sent, spans a CPU second", f"{calls / took[form]:,.0f}")
    alone = calls / (took["protobuf"] - took["nothing"])
    tell("the encoder of protobuf alone, spans a CPU second", f"{alone:,.0f}", ">= 1,000,000",
         alone >= 1_000_000)  # fmt: skip


def bench_bridge(endpoint: str, exporter: str, ours: float) -> None:
    """An exporter of the SDK in place of our own sender."""
    from renacer_otel.exporters.sdk_settings import installed_exporters

    if exporter not in installed_exporters():
        tell(f"--exporter {exporter}", "not installed")
        return
    result = ring_rate(endpoint, 20_000, 0, exporter)
    assert result["lost"] == 0, result
    rate = float(result["per_cpu_second"])
    tell(f"ring -> --exporter {exporter}, spans a CPU second", f"{rate:,.0f}")
    ratio(f"our own sender / --exporter {exporter}", ours / rate)


def bench_sidecar(folder: Path) -> None:
    """A producer's ring through a sidecar, and the SDK's BatchSpanProcessor; in turn, medians."""
    ours, theirs = [], []
    with null_receiver() as endpoint:
        for _ in range(3):
            ours.append(delivery.sidecar_rate(endpoint, 10_000_000, folder))
            theirs.append(delivery.sdk_rate(endpoint, 20_000))
    rate = statistics.median(ours)
    tell("ring -> sidecar -> null receiver, spans/s", f"{rate:,.0f}")
    sdk = [each for each in theirs if each is not None]
    if not sdk:
        tell("OpenTelemetry SDK", "not installed")
        return
    tell("OpenTelemetry SDK, BatchSpanProcessor, spans/s", f"{statistics.median(sdk):,.0f}")
    ratio("sidecar / SDK", rate / statistics.median(sdk), least=100)


def bench_spool(folder: Path) -> None:
    """The same spans with and without a spool before the network, on a real disk; in turn."""
    del folder  # in memory, and a spool is on a disk
    with null_receiver() as endpoint, tempfile.TemporaryDirectory(dir=HERE) as made:
        without, with_it = delivery.spool_costs(endpoint, 2_000_000, Path(made), ROUNDS)
    tell("ring -> null receiver, spans/s", f"{without:,.0f}")
    tell("ring -> spool -> null receiver, spans/s", f"{with_it:,.0f}")
    ratio("time with the spool / without", without / with_it, most=1.3)


@contextmanager
def collector(folder: Path, cpu: int) -> Iterator[str | None]:
    """The real collector with a nop exporter, as ./dev live builds it; None without Go."""
    backends = HERE.parent / "tests" / "live" / "backends"
    built = subprocess.run(
        [backends / "build.sh", "otelcol"], check=False, stdout=subprocess.PIPE, text=True
    )
    if built.returncode:
        yield None
        return
    ports = free_ports(2)
    with (folder / "otelcol.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("taskset", "-c", str(cpu), Path(built.stdout.strip()) / "otelcol"),
                *("--config", str(backends / "nop.yaml")),
            ],
            env={**os.environ, "OTLP_PORT": str(ports[0]), "HEALTH_PORT": str(ports[1])},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_port(ports[0], process)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there; RuntimeError if the process ends before."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the collector ended with {process.returncode} before it listened")


def bench_startup(folder: Path) -> None:
    """What `renacer-otel -- true` costs over `true`, alone and with a sidecar."""
    out = str(folder / "out.txt")
    commands = {
        "true": ["true"],
        "ours": [str(Path(sys.executable).with_name("renacer-otel")), "-q", "-o", out, "--",
                 "true"],
    }  # fmt: skip
    program = str(Path(sys.executable).with_name("renacer-otel"))
    with null_receiver() as endpoint, sidecar_of(folder, endpoint) as sidecar:
        commands["sidecar"] = [program, "-q", f"--sidecar={sidecar.path}", "--", "true"]
        samples = timing.in_turn(commands, 4 * ROUNDS)
    true = timing.median_wall(samples["true"])
    for name, what, most in (("ours", "", 100), ("sidecar", " --sidecar", 60)):
        added = 1000 * (timing.median_wall(samples[name]) - true)
        tell(f"renacer-otel{what} -- true over true, ms", f"{added:.0f}", f"<= {most}",
             added <= most)  # fmt: skip


# All types of assertions, and all rules: none is violated.
_ASSERTIONS = """
[[assertion]]
name = "path"
type = "critical_path"
max_duration_ms = 1e6

[[assertion]]
name = "calls"
type = "span_count"
max_spans = 2000000

[[assertion]]
name = "memory"
type = "memory_usage"
max_bytes = 10485760

[[assertion]]
name = "sql"
type = "custom"
expression = "(SELECT count(*) FROM calls WHERE failed) = 0"
"""
_QUERY = "SELECT path, count(*), sum(duration_ns) FROM calls GROUP BY path ORDER BY 2 DESC LIMIT 9"


def bench_check(folder: Path) -> None:
    """Every assertion that there is, a query, and golden traces, on a trace of a million calls."""
    from renacer_otel.analysis.assertions import patterns
    from renacer_otel.analysis.golden import canonical, golden_file, learning
    from renacer_otel.spans import replay

    config, trace = folder / "renacer.toml", folder / "million.renacer"
    config.write_text(_ASSERTIONS + "".join(
        f'[[assertion]]\nname = "{name}"\ntype = "anti_pattern"\npattern = "{name}"\n'
        "threshold = 1.0\nfail_on_violation = false\n" for name in patterns.ours()
    ))  # fmt: skip
    calls = made_trace.write(str(trace), 1_000_000)
    program = str(Path(sys.executable).with_name("renacer-otel"))
    other, golden = folder / "other.renacer", folder / "million.golden"
    shutil.copyfile(trace, other)
    form = canonical.of_replay(replay.of_trace(trace, shown=True, portable=True))
    golden_file.write(learning.learn([form], "million", ["made"]), golden)
    commands = {
        "check": [program, "check", "--config", str(config), str(trace)],
        "query": [program, "query", str(trace), _QUERY],
        "golden diff GOLDEN TRACE": [program, "golden", "diff", str(golden), str(trace)],
        "golden diff TRACE TRACE": [program, "golden", "diff", str(trace), str(other)],
    }
    for name, found in timing.in_turn(commands, ROUNDS).items():
        wall, peak = timing.median_wall(found), max(sample.rss for sample in found) / 1e6
        cpu = statistics.median(sample.cpu for sample in found)
        most = 10 if name.endswith("TRACE TRACE") else 5  # which are two of them
        tell(f"{name} of {calls:,} calls, seconds", f"{wall:.2f}", f"<= {most}", wall <= most)
        tell(f"{name} of {calls:,} calls, CPU seconds", f"{cpu:.2f}")
        tell(f"{name} of {calls:,} calls, peak resident MB", f"{peak:.0f}", "<= 500", peak <= 500)


def bench_loads(folder: Path) -> None:
    """Time added over bare, on loads of several kinds, against strace at its best."""
    minimal = loads.compiled("minimal_tracer.c", folder)
    for load in loads.all_loads(folder):
        wall = loads.measure(load, ROUNDS, minimal)
        added = {name: seconds - wall["bare"] for name, seconds in wall.items()}
        shown = ", ".join(f"{name} {added[name]:.3f}" for name in added if name != "bare")
        print(f"  {load.name}: bare {wall['bare']:.3f} s; added by {shown}")
        if "strace" in added:
            if load.of_free:
                ratio(f"{load.name}: added, ours / strace", added["ours"] / added["strace"],
                      most=load.of_free)  # fmt: skip
            better = min(added["strace"], added.get("pinned", added["strace"]))
            ratio(f"{load.name}: added, ours / better strace", added["ours"] / better, most=1)
        if "minimal" in added:
            most = 1.3 if load.name.startswith("dd") else None
            ratio(f"{load.name}: added, ours / minimal", added["ours"] / added["minimal"], most)
    if spin := loads.spin(folder, 2):
        wall = loads.measure(spin, ROUNDS, None)
        print(f"  {spin.name}: bare {wall['bare']:.3f} s, ours {wall['ours']:.3f} s")
        ratio(f"{spin.name}: ours / bare", wall["ours"] / wall["bare"], most=1.05)


# What tracing adds is judged where it is at least this much: below, runs differ by as much.
_FLOOR_S, _FLOOR_SHARE = 0.1, 0.1


def bench_overhead(folder: Path) -> None:
    """What the last line says that tracing added, against what it did add."""
    true = loads.overhead(loads.Load("true", ["true"], folder), 2 * ROUNDS)
    start = true.traced - true.bare
    tell("our own start and end, taken off, seconds", f"{start:.3f}")
    spin = loads.spin(folder, 2)
    for load in [*loads.all_loads(folder, 40_000), *([spin] if spin else [])]:
        for policy in ("auto", "free"):
            found = loads.overhead(load, ROUNDS, "--cpu", policy)
            truth = found.traced - found.bare - start
            print(f"  {load.name}, --cpu {policy}: bare {found.bare:.3f} s, tracing added"
                  f" {truth:.3f} s, told {found.told:.3f} s")  # fmt: skip
            if truth < max(_FLOOR_S, _FLOOR_SHARE * found.bare):
                tell(f"{load.name}, --cpu {policy}", "below the floor")
            else:
                value = found.told / truth
                tell(f"{load.name}, --cpu {policy}: told / added", f"{value:.2f}", "0.7 to 1.3",
                     0.7 <= value <= 1.3)  # fmt: skip


def bench_long(folder: Path) -> None:
    """10 million calls: memory, and cost a call against 1 million and 100,000.

    Of all, the time of a run of `true` is taken off: a start weighs more on a short run.
    """
    del folder
    with null_receiver() as endpoint:
        before = [*RENACER, "--otlp-endpoint", endpoint, "--"]
        start = timing.median_wall(timing.in_turn({"true": [*before, "true"]}, 5)["true"])
        cost = {}
        for calls, runs in ((100_000, 5), (1_000_000, 3), (10_000_000, 1)):
            found = timing.in_turn({"dd": [*before, *dd(calls)]}, runs)["dd"]
            cost[calls] = (timing.median_wall(found) - start) / calls
            peak = max(sample.rss for sample in found) / 1e6
            tell(f"{calls:,} calls: µs a call", f"{cost[calls] * 1e6:.2f}")
            tell(f"{calls:,} calls: peak resident MB", f"{peak:.0f}")
    ratio("cost a call, 10 million / 1 million", cost[10_000_000] / cost[1_000_000], most=1.1)
    ratio("cost a call, 10 million / 100,000", cost[10_000_000] / cost[100_000], most=1.1)
    tell("peak resident MB of 10 million calls", f"{peak:.0f}", "< 150", peak < 150)


BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "trace": bench_trace,
    "causality": bench_causality,
    "filtered": bench_filtered,
    "export": bench_export,
    "ring": bench_ring,
    "sidecar": bench_sidecar,
    "spool": bench_spool,
    "startup": bench_startup,
    "check": bench_check,
    "overhead": bench_overhead,
    "loads": bench_loads,
    "long": bench_long,
}
UNASKED = [name for name in BENCHMARKS if name not in ("overhead", "loads", "long")]


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
        return 125
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="renacer-bench-", dir=memory) as folder:
        for name in names or UNASKED:
            print(f"{name}: {(BENCHMARKS[name].__doc__ or '').strip()}")
            part = Path(folder, name)
            part.mkdir()
            BENCHMARKS[name](part)
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
