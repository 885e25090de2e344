# SPDX-License-Identifier: MIT
"""Where the native core cannot be loaded: plain text and TRACE files, and nothing pretended."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import renacer_otel
from tests.engine.test_python_engine import stories
from tests.engine.tools import Done, execute, read_events, record, traced

NO_CORE = {**os.environ, "RENACER_DISABLE": "core"}
NO_CORE.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
TOLD = "--engine python traces without it, plain text or TRACE files only"


def run(words: list[str], *options: str | Path) -> Done:
    return execute([*traced(*options), *words], NO_CORE)


def test_text(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "renacer_otel", "-o", str(out), "--"]
    done = execute([*words, "sh", "-c", "echo hi; cat /no/such; kill -USR1 $$"], NO_CORE)
    assert done.status == -10
    assert done.output == "hi\n"
    first, *_, last = done.errors.splitlines()
    assert TOLD in first
    assert re.search(r": [1-9]\d* calls, 0 lost; tracer \d+ % of [\d.]+ s$", last)
    lines = out.read_text().splitlines()
    assert all(re.match(r"\d+ (\w+\(|<\.\.\. |---|\+\+\+)", line) for line in lines)
    text = "\n".join(lines)
    assert re.search(r'(?m)^\d+ write\(1, "hi\\n", 3\) += 3$', text)
    assert re.search(r'(?m)^\d+ execve\("/\S+/sh", \["sh", "-c", "[^"]+"\], 0x\w+\) += 0$', text)
    assert re.search(r'"/no/such", 0, 0\) += -1 ENOENT \(No such file or directory\)$', text, re.M)
    assert re.search(
        r'(?m) execve\("/\S+/cat", \["cat", "/no/such"\], 0x\w+(\) += 0| <unf\w+ \.+>)$', text
    )
    cut = re.findall(r"(?m)^(\d+) (\w+)\(.* <unfinished \.\.\.>$", text)
    assert cut
    assert sorted(cut) == sorted(re.findall(r"(?m)^(\d+) <\.\.\. (\w+) resumed>", text))
    assert re.search(r"(?m)^(\d+) --- SIGUSR1 {si_code=0, si_pid=\1, si_uid=\d+} ---$", text)
    assert lines[-1].endswith("+++ killed by SIGUSR1 +++")


def test_trace_file_is_that_of_the_core(tmp_path: Path) -> None:
    words = ["sh", "-c", "echo one | cat >/dev/null; exit 3"]
    (tmp_path / "core").mkdir()
    with_core = record(tmp_path / "core", words, "--engine", "python")
    path = tmp_path / "alone.renacer"
    done = run(words, "--format", "record", "-o", path)
    assert (done.status, with_core.done.status) == (3, 3)
    events = read_events(path)
    assert len(stories(events)[0]) > 2
    assert stories(events) == stories(with_core.events)


def test_selection_and_hostile_strings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    name = tmp_path / "a\n\x1b[31mb\udcff1"
    code = f"import os; fd = os.open({os.fsencode(name)!r}, 65); os.write(fd, b'x' * 100)"
    words = [sys.executable, "-c", code]
    assert run(words, "-o", out, "-e", "trace=openat,write", "-s", "4").status == 0
    text = out.read_bytes()
    assert rb"a\n\33[31mb\3771" in text
    assert b'"xxxx"..., 100)' in text
    assert set(re.findall(rb"(?m)^\d+ (\w+)\(", text)) == {b"openat", b"write"}
    # One that reads slowly, and one that goes away.
    assert run(["seq", "9"], "-o", f"|sleep 0.2; cat > {out}").status == 0
    assert "+++ exited with 0 +++" in out.read_text()
    done = run(["sh", "-c", "seq 9; cat /etc/passwd >/dev/null"], "-o", "|true")
    assert done.status == 0
    assert "could not be written" in done.errors


def test_environment_user_and_depth(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(["sh", "-c", "/bin/echo $XY"], "-E", "XY=z", "--max-depth", "0", "-q", "-o", out)
    assert (done.status, done.output) == (0, "z\n")
    assert len(done.errors.splitlines()) == 1
    assert len({line.split()[0] for line in out.read_text().splitlines()}) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--otlp-endpoint", "http://localhost:1"], "--otlp-endpoint"),
        (["--format", "csv"], "--format csv"),
        (["--format", "otlp-json", "-o", "x"], "--format otlp-json"),
        (["-c"], "--summary-only"),
        (["-C"], "--summary"),
        (["-P", "/etc"], "--trace-path"),
        (["-z"], "-z"),
        (["-e", "signal=none"], "-e signal="),
        (["-ff", "-o", "x"], "-ff"),
        (["-T"], "--syscall-times"),
        (["-tt"], "--absolute-timestamps"),
        (["-v"], "--no-abbrev"),
        (["-x"], "-x"),
        (["-y"], "-y"),
        (["-D"], "--daemonize"),
        (["-p", "1"], "--attach"),
        (["--ring-size", "1MiB"], "--ring-size"),
        (["--engine", "ptrace"], "core is switched off"),
        (["-e", "trace=opnat"], "openat"),
    ],
)
def test_what_needs_the_core_is_refused(options: list[str], says: str) -> None:
    done = run(["true"], *options)
    assert done.status == 125
    line = done.errors.splitlines()[-1]
    assert says in line
    assert len(done.errors.splitlines()) <= 2  # that the core is missing may be told before


def test_export_by_environment_is_refused() -> None:
    env = {**NO_CORE, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1"}
    done = execute([*traced(), "true"], env)
    assert done.status == 125
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in done.errors


ELF_OF_ANOTHER_MACHINE = b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xf3\0\1\0\0\0" + bytes(40)


@pytest.mark.parametrize("core", [None, b"", b"no library", ELF_OF_ANOTHER_MACHINE])
def test_a_core_that_cannot_be_loaded(tmp_path: Path, core: bytes | None) -> None:
    package = tmp_path / "renacer_otel"
    library = package / "_native" / "librenacer.so"
    installed = Path(renacer_otel.__file__).parent
    shutil.copytree(installed, package, ignore=shutil.ignore_patterns("*.pyc"))
    library.unlink()
    if core is not None:
        library.write_bytes(core)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from renacer_otel.cli.main import main; sys.exit(main())"
    )
    env = {name: value for name, value in NO_CORE.items() if name != "RENACER_DISABLE"}
    words = [sys.executable, "-c", code]
    done = execute([*words, "-o", str(tmp_path / "out"), "--", "true"], env)
    assert done.status == 0
    assert TOLD in done.errors.splitlines()[0]
    assert "+++ exited with 0 +++" in (tmp_path / "out").read_text()
    (package.parent / "ptrace.py").write_text("raise ImportError('not here')\n")
    done = execute([*words, "--", "true"], env)
    assert done.status == 125
    (line,) = done.errors.splitlines()
    assert "pip install 'renacer-otel[python]'" in line


def test_exit_codes_without_the_core() -> None:
    assert run(["/no/such"], "-o", "/dev/null").status == 127
    assert run(["/etc/passwd"], "-o", "/dev/null").status == 126
    assert run(["false"], "-o", "/dev/null").status == 1
