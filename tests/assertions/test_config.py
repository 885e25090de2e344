# SPDX-License-Identifier: MIT
# ruff: noqa: E501
"""renacer.toml: all that its users have is taken, all else is an error with its place."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.assertions import config
from renacer_otel.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SEED = """\
[[assertion]]
name = "cli_startup_latency"
type = "critical_path"
max_duration_ms = 15
fail_on_violation = true
enabled = true

[[assertion]]
name = "max_syscall_budget"
type = "span_count"
max_spans = 150
fail_on_violation = true

[[assertion]]
name = "memory_allocation_budget"
type = "memory_usage"
max_bytes = 10485760
tracking_mode = "allocations"

[[assertion]]
name = "prevent_god_process"
type = "anti_pattern"
pattern = "GodProcess"
threshold = 0.8
fail_on_violation = false

[[assertion]]
name = "detect_tight_loops"
type = "anti_pattern"
pattern = "TightLoop"
threshold = 0.7
process_name_pattern = ".*"
fail_on_violation = false

[[assertion]]
name = "ultra_strict_latency"
type = "critical_path"
max_duration_ms = 5
trace_name_pattern = "trivial.*"
enabled = false

[semantic_equivalence]
enabled = true
python_trace_dir = "golden_traces/python"
rust_trace_dir = "golden_traces/rust"
baseline_dir = "golden_traces"
min_confidence = 0.90
check_write_patterns = true
check_file_operations = true
check_output_correctness = true
check_memory_allocations = false
expected_speedup_min = 1.0
expected_speedup_max = 100
expected_memory_reduction_min = 0.5

[lamport_clock]
enabled = true
propagate_across_fork = true
propagate_across_exec = true
env_var = "RENACER_LAMPORT_CLOCK"

[compression]
enabled = true
algorithm = "rle"
min_file_size_kb = 100

[otlp]
enabled = false
endpoint = "http://localhost:4317"
service_name = "trivial"

[ci]
fail_fast = true
export_format = "json"
export_path = "out.json"
compare_with_baseline = true
"""
SPANS = '[[assertion]]\nname = "a"\ntype = "span_count"\n'


def load(folder: Path, text: str | bytes, *, lenient: bool = False) -> config.Config:
    path = folder / "renacer.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return config.load(str(path), lenient=lenient)


def wrong(folder: Path, text: str | bytes, *, lenient: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, lenient=lenient)
    assert caught.value.exit_code == caught.value.analysis_exit_code == 5
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{folder}/renacer.toml:")


def test_the_file_of_its_users(tmp_path: Path) -> None:
    found = load(tmp_path, SEED)
    assert [(each.kind, each.enabled, each.fails) for each in found.assertions] == [
        ("critical_path", True, True),
        ("span_count", True, True),
        ("memory_usage", True, True),
        ("anti_pattern", True, False),
        ("anti_pattern", True, False),
        ("critical_path", False, True),
    ]
    assert found.assertions[2].values == {"max_bytes": 10485760, "tracking_mode": "allocations"}
    assert found.assertions[1].line == 8
    assert found.sections["semantic_equivalence"]["min_confidence"] == 0.9
    assert found.sections["ci"]["export_format"] == "json"
    assert found.lines["otlp"] == SEED.split("\n").index("[otlp]") + 1
    assert found.keys["otlp", "endpoint"] == found.lines["otlp"] + 2
    marked = load(tmp_path, b"\xef\xbb\xbf" + SEED.encode())
    assert marked == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SPANS + "max_span = 3\n", "4: 'a' (span_count): unknown key 'max_span'; did you mean max_spans?"),
        (SPANS + "max_spans = 3\nmax_bytes = 1\n", "5: 'a' (span_count): unknown key 'max_bytes': it is of type memory_usage"),
        (SPANS, "1: 'a' (span_count) lacks max_spans"),
        (SPANS + "max_spans = -1\n", "4: 'a' (span_count): max_spans must be a whole number, 0 or more"),
        (SPANS + "max_spans = true\n", "4: 'a' (span_count): max_spans must be a whole number, 0 or more"),
        (SPANS + "max_spans = 1.5\n", "4: 'a' (span_count): max_spans must be a whole number, 0 or more"),
        (SPANS + "max_spans = 9223372036854775808\n", "4: 'a' (span_count): max_spans must be a whole number, 0 or more"),
        (SPANS + 'max_spans = 1\nspan_name_pattern = "("\n', "5: 'a' (span_count): span_name_pattern is no regular expression: missing ), unterminated subpattern at position 0"),
        (SPANS + 'max_spans = 1\nspan_name_pattern = "(a+)+"\n', "5: 'a' (span_count): span_name_pattern repeats what is repeated already, as (a+)+ does: that may take for ever"),
        (SPANS + "max_spans = 1\nenabled = 1\n", "5: 'a' (span_count): enabled must be true or false"),
        (SPANS + "max_spans = 1\n" + SPANS + "max_spans = 1\n", "5: a second assertion 'a'; the first is in line 1"),
        ('[[assertion]]\nname = "a"\ntype = "span_cont"\n', "3: unknown type 'span_cont'; did you mean span_count?"),
        ('[[assertion]]\nname = "a"\n', "1: [[assertion]] lacks its type: one of critical_path, span_count, memory_usage, anti_pattern, custom"),
        ('[[assertion]]\ntype = "span_count"\nmax_spans = 1\n', "1: [[assertion]] (span_count) lacks name"),
        ('assertion = 3\n', "1: write each assertion as a section [[assertion]]"),
        ('[[assertion]]\nname = "a"\ntype = "critical_path"\nmax_duration_ms = nan\n', "4: 'a' (critical_path): max_duration_ms must be a number, 0 or more"),
        ('[[assertion]]\nname = "a"\ntype = "critical_path"\nmax_duration_ms = inf\n', "4: 'a' (critical_path): max_duration_ms must be a number, 0 or more"),
        ('[[assertion]]\nname = "a"\ntype = "anti_pattern"\npattern = "GodProces"\n', "4: 'a': unknown pattern 'GodProces'; did you mean GodProcess?"),
        ('[[assertion]]\nname = "a"\ntype = "anti_pattern"\npattern = "GodProcess"\nthreshold = 1.01\n', "5: 'a' (anti_pattern): threshold must be a number from 0 to 1"),
        ('\n[comprssion]\nenabled = true\n', "2: unknown section 'comprssion'; did you mean compression?"),
        ('enabled = true\n', "1: unknown key 'enabled'; there are assertion, semantic_equivalence, lamport_clock, compression, redact, metrics, otlp, ci, sidecar"),
        ('otlp = 3\n', "1: otlp must be a section: [otlp]"),
        ('[otlp]\nendpoint = ""\n', "2: [otlp]: endpoint must be a text in quotes, not empty"),
        ('[ci]\nexport_format = "jsn"\n', "2: [ci]: export_format cannot be 'jsn': one of text, json, junit; did you mean json?"),
        ('[ci]\nx = """\n[otlp]\n"""\nfail_fas = true\n', "2: [ci]: unknown key 'x'; it takes fail_fast, export_format, export_path, compare_with_baseline"),
        ('[ci]\nexport_path = """\n[otlp]\n"""\nfail_fas = true\n', "5: [ci]: unknown key 'fail_fas'; did you mean fail_fast?"),
        ('[otlp]\n[otlp]\n', "2: no TOML: Cannot declare ('otlp',) twice"),
        ('[ci]\nfail_fast = true\nfail_fast = true\n', "3: no TOML: Cannot overwrite a value"),
        ('[ci]\nfail_fast = yes\n', "2: no TOML: Invalid value"),
        ('[semantic_equivalence]\nexpected_speedup_max = 1\nexpected_speedup_min = 1.5\n', "2: [semantic_equivalence]: expected_speedup_max is less than expected_speedup_min"),
        ('[ci]\n\nfail_fast = ' + "9" * 5000 + "\n", "3: no TOML: a number of too many digits"),
        (b'[ci]\n\nexport_path = "\xff"\n', "3: not UTF-8, as TOML must be"),
        ("[ci]\n".encode("utf-16"), "1: UTF-16, and not UTF-8, as TOML must be"),
    ],
)  # fmt: skip
def test_errors_name_the_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert wrong(tmp_path, text) == told


def test_lenient_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    text = (
        SPANS + "max_spans = 3\nmax_span = 4\n"
        '[[assertion]]\nname = "b"\ntype = "none"\n'
        '[[assertion]]\nname = "c"\ntype = "anti_pattern"\npattern = "None"\n'
        "[nothing]\n[ci]\nfail_fst = 3\n"
    )
    found = load(tmp_path, text, lenient=True)
    assert [(each.name, each.values["max_spans"]) for each in found.assertions] == [("a", 3)]
    assert len(found.warnings) == 5
    assert all(warning.endswith(" (left out)") for warning in found.warnings)
    assert wrong(tmp_path, SPANS + "max_spans = -3\n", lenient=True).startswith("4: ")
    many = "".join(f"k{number} = 1\n" for number in range(20_000))
    assert wrong(tmp_path, many, lenient=True) == "101: more than 100 keys that are not known"


def test_no_file(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=told) as caught:
            config.load(str(path))
        assert caught.value.exit_code == 5


HOSTILE = {
    "brackets": b"",
    "headers": b"[" * 200_000,
    "braces": b"x = " + b"{a=" * 60_000,
    "parts": b"a" + b".a" * 120_000 + b" = 1\n",
    "quoted parts": b'"a"' + b' . "a"' * 40_000 + b" = 1\n",
    "header of parts": b"[a" + b".a" * 120_000 + b"]\n",
    "digits": b"[ci]\nfail_fast = " + b"9" * 250_000,
    "many": b'[[assertion]]\nname="a"\ntype="none"\n' * 7000,
    "one long word": b"a" * 260_000,
    "quotes": b'"' * 260_000,
    "a string without end": b'[ci]\nexport_path = """' + b"\\\n" * 120_000,
    "nul": bytes(1000),
    "a header of blanks": b"[" + b" " * 250_000,
    "a value like a header": b"x = [\n[" + b" " * 250_000 + b"\n]]\n",
    "keys": b"".join(b"k%d = 1\n" % n for n in range(24_000)),
    "a long key": b"k" * 260_000 + b" = 1\n",
    "dates": b"x = [" + b"1979-05-27T07:32:00Z," * 12_000 + b"]\n",
}


# Each in a process of its own, with the memory and the time that it may take.
READER = """
import os, resource, sys
from renacer_otel.analysis.assertions import config
from renacer_otel.errors import ConfigError
for path in sys.argv[1:]:
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
        try:
            config.load(path)
        except ConfigError as error:
            os._exit(error.exit_code if len(error.message.splitlines()) == 1 else 99)
        os._exit(0)
    print(os.path.basename(path), os.waitpid(pid, 0)[1] / 256)
"""


def test_hostile_files(tmp_path: Path) -> None:
    for name, data in HOSTILE.items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "brackets").open("wb") as file:  # a gigabyte, sparse but for its beginning
        file.write(b"x = " + b"[" * 1000)
        file.truncate(1 << 30)
    done = subprocess.run(
        [sys.executable, "-c", READER, *(tmp_path / name for name in HOSTILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} 5.0" for name in HOSTILE]
