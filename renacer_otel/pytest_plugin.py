# SPDX-License-Identifier: MIT
"""The pytest plugin: what the commands of a test, or the test itself, do by system calls.

Fixtures `syscall_trace` and `golden_trace`, marker `renacer`, assertions of renacer.toml as tests:
docs/pytest.md. Here is only what pytest needs to know in every session; the rest is loaded by who
uses it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from renacer_otel.testing.bounds import Bounds
    from renacer_otel.testing.goldens import GoldenChecker
    from renacer_otel.testing.traced import Trace, TracedRun, Tracer

_MARKER = (
    "renacer(max_syscalls=N, max_duration_ms=T, no_network=True, writes_only=[PATTERN, ...]): what"
    " each command that the test runs by syscall_trace, or else the test itself, may do at most"
)
_FIXTURES = ("syscall_trace", "golden_trace")
_GOLDENS = "renacer_otel.testing.goldens"
#: Property of a test: what --golden-update has captured.
_UPDATED = "golden_trace_updated"

pytest.register_assert_rewrite(_GOLDENS)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our settings."""
    parser.getgroup("renacer-otel").addoption("--golden-update", action="store_true",
        help="capture again what golden_trace finds missing or changed")  # fmt: skip
    parser.addini("renacer_golden_dir", "where golden traces are", default="golden_traces")
    parser.addini("renacer_assertions", "collect files named renacer.toml as tests", "bool", False)
    parser.addini("renacer_toml", "a file of assertions to be collected as tests", default="")
    parser.addini("renacer_command", "the command that these assertions are about", "args", [])
    parser.addini("renacer_trace", "or else the TRACE file that they are about", default="")


def pytest_configure(config: pytest.Config) -> None:
    """The marker; and the file of renacer_toml, unless what to collect was named."""
    config.addinivalue_line("markers", _MARKER)
    wanted = config.getini("renacer_toml")
    if wanted and config.args_source is not pytest.Config.ArgsSource.ARGS:
        path = config.rootpath / wanted
        here = config.invocation_params.dir
        if not any(path.is_relative_to(here / arg) for arg in config.args):
            config.args.append(str(path))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A renacer.toml, where that is asked for."""
    config = parent.config
    wanted = config.getini("renacer_toml")
    is_wanted = bool(wanted) and file_path == config.rootpath / wanted
    if is_wanted or (file_path.name == "renacer.toml" and config.getini("renacer_assertions")):
        from renacer_otel.testing.toml_items import AssertionsFile

        return AssertionsFile.from_parent(parent, path=file_path)
    return None


def _bounds(item: pytest.Item) -> Bounds | None:
    """What the test's markers say; None = it has none. Fails the test if they are wrong."""
    markers = [(marker.args, marker.kwargs) for marker in item.iter_markers("renacer")]
    if not markers:
        return None
    from renacer_otel.testing import bounds

    try:
        return bounds.of_markers(markers)
    except bounds.MarkerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A wrong marker is told before anything of the test runs."""
    if _bounds(item) is not None and _fixtures(item) & {*_FIXTURES} == {"golden_trace"}:
        raise pytest.fail.Exception(
            "renacer: commands of golden_trace have no bounds but their golden traces; run them by"
            " syscall_trace, or leave the marker out",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Bounds the test itself, unless it runs its commands by a fixture of ours."""
    bounds = _bounds(item)
    if bounds is None or not bounds.are_some or _fixtures(item) & {*_FIXTURES}:
        return (yield)
    from renacer_otel import recording
    from renacer_otel.testing import own

    attached = own.Attached(_folder(item.config) / f"{id(item)}.renacer")
    try:
        attached.begin()
    except recording.Forbidden as error:
        raise pytest.skip.Exception(f"tracing is forbidden: {error}") from None
    try:
        result = yield
    except BaseException:
        with contextlib.suppress(recording.RecorderError):  # what the test raised matters
            attached.end()
        raise
    _hold(item, bounds, attached.end(), "the test", attached.cwd)
    return result


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _folder(config: pytest.Config) -> Path:
    """Where TRACE files go: among pytest's temporary folders, which it removes."""
    made: Path | None = config.stash.get(_FOLDER, None)
    if made is None:
        factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001
        made = config.stash[_FOLDER] = factory.mktemp("renacer")
    return made


_FOLDER = pytest.StashKey["Path"]()


def _hold(item: pytest.Item, bounds: Bounds, trace: Trace, who: str, cwd: str) -> None:
    """Fails the test if the trace is not within the bounds."""
    from renacer_otel.testing.bounds import MarkerError, exceeded

    tmp_path = getattr(item, "funcargs", {}).get("tmp_path")
    try:
        found = exceeded(bounds, trace, cwd, None if tmp_path is None else str(tmp_path))
    except MarkerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if found:
        pytest.fail("\n".join(f"{who}: {sentence}" for sentence in found), pytrace=False)


@pytest.fixture
def syscall_trace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tracer:
    """Runs a command under the tracer: `trace = syscall_trace(["git", "status"], cwd=folder)`.

    The result has `exit_code`, `stdout`, `stderr` (bytes), `calls` (counts by name), `errors`,
    `files_read`, `files_written`, `peers`, `processes`, `duration_ms`, `path` (of the TRACE file)
    and `columns` (NumPy). The test is skipped where tracing is forbidden.
    """
    from renacer_otel.testing.traced import Tracer, shown

    bounds = _bounds(request.node)

    def judge(run: TracedRun) -> None:
        if bounds is not None:
            _hold(request.node, bounds, run, shown(run.args), run.cwd)

    return Tracer(lambda: tmp_path_factory.mktemp("renacer"), judge)


@pytest.fixture
def golden_trace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> GoldenChecker:
    """Fails unless a command does what it did: `golden_trace("sorted", ["sort", "words.txt"])`.

    Compared is with NAME.golden in the folder of the setting `renacer_golden_dir` (golden_traces);
    `pytest --golden-update` makes what is missing, and captures again what has changed. The test
    is skipped where tracing is forbidden.
    """
    from renacer_otel.testing.goldens import Captured, GoldenChecker

    config = request.config
    folder = config.rootpath / str(config.getini("renacer_golden_dir"))

    def places() -> dict[str, str]:
        found = {"basetemp": tmp_path_factory.getbasetemp(), "rootdir": config.rootpath}
        if "tmp_path" in request.fixturenames:
            found["tmp_path"] = request.getfixturevalue("tmp_path")
        return {name: str(path) for name, path in found.items()}

    return GoldenChecker(
        folder,
        update=bool(config.getoption("--golden-update")),
        tell=lambda text: request.node.user_properties.append((_UPDATED, text)),
        places=places,
        captured=Captured(lambda: _shared(tmp_path_factory, config), request.node.nodeid),
    )


def _shared(factory: pytest.TempPathFactory, config: pytest.Config) -> Path:
    """A folder that all workers of the session have."""
    base = factory.getbasetemp()
    return base.parent if hasattr(config, "workerinput") else base


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What --golden-update has captured, by whatever worker."""
    if not terminalreporter.config.getoption("--golden-update"):
        return
    found: dict[str, None] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == _UPDATED:
                    found[str(text)] = None
    if found:
        terminalreporter.section("golden traces")
        for text in sorted(found):
            terminalreporter.write_line(text)


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """What a run does otherwise than its golden trace, as sentences."""
    if op != "==" or {type(left).__module__, type(right).__module__} != {_GOLDENS}:
        return None
    from renacer_otel.testing.goldens import GoldenRun, GoldenTrace

    run, golden = (left, right) if isinstance(left, GoldenRun) else (right, left)
    if not isinstance(run, GoldenRun) or not isinstance(golden, GoldenTrace):
        return None
    return list(run.explained(golden, config.get_verbosity()))
