# SPDX-License-Identifier: MIT
"""--source: every marked call of a program is told at its line, however it was compiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from renacer_otel.errors import EXIT_OWN_FAILURE
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans import source
from tests.cli.tool import renacer
from tests.compiling import compiled
from tests.source.subject import SUBJECTS, build, frames, marks, traced

if TYPE_CHECKING:
    from pathlib import Path

WITH_LINES = {
    "unoptimised": ("-g", "-O0", "-fno-omit-frame-pointer"),
    "optimised": ("-g", "-O2", "-fomit-frame-pointer"),
    "dwarf 4": ("-gdwarf-4", "-O2"),
    "dwarf 3, at a fixed address": ("-gdwarf-3", "-gstrict-dwarf", "-O1", "-no-pie"),
    "static": ("-g", "-O2", "-static"),
    "static, at any address": ("-g", "-O2", "-static-pie"),
}


@pytest.mark.needs("cc")
@pytest.mark.parametrize("flags", WITH_LINES.values(), ids=WITH_LINES)
def test_every_marked_call(tmp_path: Path, flags: tuple[str, ...]) -> None:
    try:
        program = build(tmp_path, *flags)
    except AssertionError:
        if "static" not in "".join(flags):
            raise
        pytest.skip("needs a static C library")
    told = frames(traced(tmp_path / "trace", program))
    for call, mark in marks().items():
        if call == "clone3" and call not in told:
            call = "clone"  # by an older C library
        places = {(frame.file, frame.line, frame.function) for frame in told[call]}
        assert (mark.file, mark.line, mark.function) in places, (call, places)
        for frame in told[call]:
            assert frame.where == f"{frame.file}:{frame.line}" or not frame.line
            if frame.line and "dwarf" not in "".join(flags):
                assert frame.path == str(SUBJECTS / frame.file)
            assert frame.by in ("cfi", "direct")
            assert frame.module == str(program)


@pytest.mark.needs("cc")
def test_without_lines_and_without_names(tmp_path: Path) -> None:
    program = build(tmp_path, "-O2", "-g0")
    told = frames(traced(tmp_path / "trace", program))
    (frame,) = told["chdir"]
    assert (frame.file, frame.line, frame.function, frame.path) == ("", 0, "deep", "")
    assert frame.where == f"subject+{frame.offset:#x}"
    text = program.read_bytes()
    assert text[frame.offset - 4] == 0xE8 or os.uname().machine != "x86_64"  # within the call
    stripped = build(tmp_path, "-O2", "-g0", "-s", name="stripped")
    (frame,) = frames(traced(tmp_path / "trace", stripped))["chdir"]
    assert (frame.function, frame.line, frame.module) == ("", 0, str(stripped))


@pytest.mark.needs("cc", "objcopy")
def test_a_file_of_debug_information_beside_it(tmp_path: Path) -> None:
    program = build(tmp_path, "-O2", "-g", "-Wl,--build-id=sha1")
    debug = tmp_path / ".debug" / "subject.dbg"
    debug.parent.mkdir()
    for words in (
        ("--only-keep-debug", program, debug),
        ("--strip-all", program),
        (f"--add-gnu-debuglink={debug}", program),
    ):
        subprocess.run(["objcopy", *words], check=True)
    (frame,) = frames(traced(tmp_path / "trace", program))["chdir"]
    mark = marks()["chdir"]
    assert (frame.file, frame.line, frame.function) == mark
    # That of another program tells nothing.
    other = build(tmp_path, "-O0", "-g", "-Wl,--build-id=sha1", name="other")
    subprocess.run(["objcopy", "--only-keep-debug", other, debug], check=True)
    (frame,) = frames(traced(tmp_path / "trace", program))["chdir"]
    assert (frame.line, frame.function) == (0, "")


@pytest.mark.needs("cc")
def test_objects_that_come_and_go(tmp_path: Path) -> None:
    """The second is mapped where the first one was."""
    program = build(tmp_path, "-g", "-O2")
    objects = []
    for name, call in (("one", "syscall(SYS_sched_yield)"), ("two", "syscall(SYS_getsid, 0)")):
        flags = ("-shared", "-fPIC", "-g", f"-DCALL={call}")
        objects.append(compiled(tmp_path / name, SUBJECTS / "object.c", *flags))
    for selection in ((), ("-e", "trace=sched_yield,getsid")):
        words = ("--source", "--format", "json", "-o", tmp_path / "out", *selection)
        done = renacer(*words, "--", program, *objects)
        assert done.code == 0, done.err
        calls = json.loads((tmp_path / "out").read_bytes())["syscalls"]
        for name, made in zip(("sched_yield", "getsid"), objects, strict=True):
            (told,) = [call["source"] for call in calls if call["name"] == name]
            assert told["module"] == str(made)
            assert told["function"] == "from_object"
            assert told["file"].endswith("/object.c")


@pytest.mark.needs("cc")
def test_all_that_show_it_agree(tmp_path: Path) -> None:
    program = build(tmp_path, "-g", "-O1")
    mark = marks()["chdir"]
    with Receiver() as receiver:
        done = renacer(
            *("--source", "--otlp-endpoint", receiver.endpoint),
            *("--format", "otlp-json", "-o", tmp_path / "spans", "--", program),
        )
        assert done.code == 0, done.err
        (span,) = [item.span for item in receiver.spans if item.span.name == "chdir"]
    told = {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}
    assert told["code.file.path"] == str(SUBJECTS / mark.file)
    assert (told["code.line.number"], told["code.function.name"]) == (mark.line, mark.function)
    assert told["renacer.source.by"] == "cfi"
    assert told["renacer.source.module"] == str(program)
    spans = json.loads((tmp_path / "spans").read_bytes().splitlines()[0])
    keys = [
        pair["key"]
        for resource in spans["resourceSpans"]
        for scope in resource["scopeSpans"]
        for each in scope["spans"]
        if each["name"] == "chdir"
        for pair in each["attributes"]
    ]
    assert [key for key in keys if key.startswith("code.")] == [
        "code.file.path",
        "code.line.number",
        "code.function.name",
    ]
    renacer("--source", "-o", tmp_path / "text", "--", program)
    text = (tmp_path / "text").read_text(encoding="utf-8")
    assert f'chdir(".")                        = 0 [{mark.file}:{mark.line} deep]\n' in text
    renacer("--source", "--format", "json", "-o", tmp_path / "json", "--", program)
    calls = json.loads((tmp_path / "json").read_bytes())["syscalls"]
    (call,) = [call for call in calls if call["name"] == "chdir"]
    source_told = call["source"]
    assert (source_told["file"], source_told["line"], source_told["function"]) == mark
    # The loader's own calls are made by nobody else's code.
    assert calls[1]["source"] == {"by": "none"}


@pytest.mark.needs("cc")
def test_off_by_default(tmp_path: Path) -> None:
    program = build(tmp_path, "-g", "-O1")
    done = renacer("-o", tmp_path / "text", "--", program)
    assert done.code == 0, done.err
    assert "main.c" not in (tmp_path / "text").read_text(encoding="utf-8")


@pytest.mark.needs("cc")
def test_a_program_that_is_no_more(tmp_path: Path) -> None:
    """What was traced is told from the file, not from one that took its place."""
    program = build(tmp_path, "-g", "-O1", "-Wl,--build-id=sha1")
    found = traced(tmp_path / "trace", program)
    assert frames(found)["chdir"][0].line
    build(tmp_path, "-g", "-O0", "-DOTHER", "-Wl,--build-id=sha1", name="next")
    os.replace(tmp_path / "next", program)
    again = renacer("--format", "record", "-o", tmp_path / "unused", "true")
    assert again.code == 0
    from renacer_otel.spans import replay

    (frame,) = frames(replay.of_trace(tmp_path / "trace", details=True))["chdir"]
    assert (frame.line, frame.function, frame.module) == (0, "", str(program))
    program.unlink()
    os.mkfifo(program)
    (frame,) = frames(replay.of_trace(tmp_path / "trace", details=True))["chdir"]
    assert (frame.line, frame.function) == (0, "")


@pytest.mark.needs("musl-gcc")
def test_a_library_without_rules_is_told_so(tmp_path: Path) -> None:
    shutil.copy(SUBJECTS / "object.c", tmp_path / "object.c")
    (tmp_path / "main.c").write_text(
        '#include <unistd.h>\nint main(void) { return chdir("/nonexistent") == 0; }\n',
        encoding="utf-8",
    )
    program = compiled(tmp_path / "program", tmp_path / "main.c", "-g", cc="musl-gcc")
    found = traced(tmp_path / "trace", program)
    assert found.details is not None
    ways = {source.frame(found.details, row).by for row in found.details.rows["source"][1:]}
    assert ways == {"lost"}
    assert "chdir" not in frames(found)


def test_refused(tmp_path: Path) -> None:
    done = renacer("--source", "--format", "csv", "-o", tmp_path / "out", "true")
    assert done.code == EXIT_OWN_FAILURE
    assert "--source" in done.error
    done = renacer("--source", "-c", "true")
    assert done.code == EXIT_OWN_FAILURE
    assert "--source" in done.error
    done = renacer("--source", "--engine", "python", "true")
    assert done.code == EXIT_OWN_FAILURE
    assert "--source" in done.error
