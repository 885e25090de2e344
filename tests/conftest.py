# SPDX-License-Identifier: MIT
"""Rules for every test: a clean environment, no leftovers, and skips that CI does not accept."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.given_signals import take_signals
from tests.required import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# Tests import grpc themselves; ours is imported with this (exporters/otlp_grpc.py).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Set by a developer's own telemetry; a test that needs one sets it itself.
_TELEMETRY = re.compile(r"OTEL_.*|TRACEPARENT|TRACESTATE|BAGGAGE|RENACER_(?!TEST_|REQUIRE|LIVE).*")
for _name in list(os.environ):
    if _TELEMETRY.fullmatch(_name):
        del os.environ[_name]

_LIVE = Path(__file__).parent / "live"


take_signals()

pytest_plugins = ("pytester",)

# A loaded machine is slow at whatever example comes; that is no fault of the example.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what is in tests/live, and leaves it out unless ``-m`` asks for it (``./dev live``)."""
    for item in items:
        if _LIVE in item.path.parents:
            item.add_marker("live")
    if "live" in str(config.option.markexpr):
        return
    live = [item for item in items if item.get_closest_marker("live")]
    if live:
        items[:] = [item for item in items if not item.get_closest_marker("live")]
        config.hook.pytest_deselected(items=live)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Until it ends, a run has not ended: tests/again.py."""
    _tell_exit(session, None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """How it ended, beside the tests that failed."""
    _tell_exit(session, int(exitstatus))


def _tell_exit(session: pytest.Session, code: int | None) -> None:
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("renacer/exit", code)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what ``needs(...)`` a program that is not there."""
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool}")


def _refused(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Why a skip is not accepted, or None where it is (or where nothing was skipped)."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    longrepr = report.longrepr
    reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    words = set(re.findall(r"[\w.+-]+", reason))
    lacking = sorted(words & REQUIRED)
    if not lacking:
        return None
    return f"{reason} (RENACER_REQUIRE says that {', '.join(lacking)} must be here)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip for want of a required tool into a failure."""
    report = yield
    refused = _refused(report)
    if refused is not None:
        report.outcome = "failed"
        report.longrepr = refused
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself whole."""
    report = yield
    refused = _refused(report)
    if refused is not None:
        report.outcome = "failed"
        report.longrepr = refused
    return report


def _children() -> dict[int, str]:
    """Children of this process, pid to command name; zombies are marked."""
    found: dict[int, str] = {}
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            pids = [int(word) for word in listing.read_text().split()]
        except OSError:  # that thread has just ended
            continue
        for pid in pids:
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
            found[pid] = f"{name} (zombie)" if state == "Z" else name
    return found


@pytest.fixture(autouse=True)
def no_leftover_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a child process behind, running or unreaped."""
    before = _children()
    yield
    left = {pid: name for pid, name in _children().items() if pid not in before}
    if left:
        pytest.fail(f"{request.node.nodeid} left processes behind: {left}", pytrace=False)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The same folder for all workers of a run, for what is made once (tests/compiling.py)."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def source_root() -> Path:
    """The source tree; tests that need it are skipped where only the package is installed."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "native" / "include").is_dir():
        pytest.skip("needs the source tree")
    return root


@pytest.fixture(scope="session")
def test_scale() -> int:
    """1, or 10 with ``RENACER_TEST_SCALE=full`` (``./dev soak``): factor for sizes and counts."""
    return 10 if os.environ.get("RENACER_TEST_SCALE") == "full" else 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The number of conformance cases, and what they were compared with."""
    done = {"passed": 0, "failed": 0}
    runs, strace = 0, ""
    for verdict in done:
        for report in terminalreporter.getreports(verdict):
            found = dict(getattr(report, "user_properties", ())).get("conformance")
            if found is not None and report.when == "call":
                done[verdict] += 1
                number, _, strace = str(found).partition(" ")
                runs += int(number)
    if runs:
        terminalreporter.write_line(
            f"conformance: {sum(done.values())} cases, {runs} runs, {done['failed']} with"
            f" unexplained differences; {strace}"
        )


def pytest_report_header() -> list[str]:
    """What decides which tests run."""
    facts: dict[str, Any] = {"required": ",".join(sorted(REQUIRED)) or "nothing"}
    facts["scale"] = os.environ.get("RENACER_TEST_SCALE", "normal")
    return [f"renacer: {' '.join(f'{key}={value}' for key, value in facts.items())}"]
