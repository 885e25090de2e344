# SPDX-License-Identifier: MIT
"""What a session costs that does not use the plugin, and what becomes of one that cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.cli.tool import DENY, RENACER

Over = Callable[..., pytest.RunResult]

LIGHT = """
import pytest, sys
import renacer_otel.pytest_plugin as plugin

def test_it(request):
    assert request.config.pluginmanager.has_plugin("renacer")
    heavy = {"numpy", "cffi", "grpc", "google", "opentelemetry", "ctypes", "duckdb"}
    assert not heavy & {name.partition(".")[0] for name in sys.modules}
    ours = {name for name in sys.modules if name.startswith("renacer_otel")}
    assert ours == {"renacer_otel", "renacer_otel._version", "renacer_otel.pytest_plugin"}
"""


def test_nothing_is_loaded_that_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=LIGHT)
    pytester.makefile(".toml", renacer="not = even toml")
    done = pytester.runpytest_subprocess("-p", "no:xdist")
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*renacer.toml*")


USES = """
def test_fixture(syscall_trace):
    syscall_trace(["true"])

@pytest.mark.renacer(max_syscalls=1_000_000)
def test_itself():
    print("reached")

def test_golden(golden_trace):
    golden_trace("it", ["true"])

def test_other():
    pass
"""
SETTINGS = "[pytest]\nrenacer_assertions = true\nrenacer_command = true\n"
TOML = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 1000\n'


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ([sys.executable, DENY, "ptrace:EPERM", "--"], "*a seccomp filter*"),
        ([RENACER, "-q", "-o", "/dev/null", "--"], "*trace*already*"),
    ],
    ids=["seccomp", "traced"],
)
def test_forbidden_is_skipped(pytester: pytest.Pytester, before: list[str], why: str) -> None:
    pytester.makepyfile(test_it="import pytest\n" + USES)
    pytester.makefile(".toml", renacer=TOML)
    pytester.makefile(".ini", pytest=SETTINGS)
    command = [*before, sys.executable, "-m", "pytest", "-rs", "--golden-update"]
    done = pytester.run(*command)
    done.assert_outcomes(passed=1, skipped=5)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["SKIPPED*tracing is forbidden: *"])
    done.stdout.fnmatch_lines([f"SKIPPED*{why}"])
    done.stdout.no_fnmatch_line("*reached*")
