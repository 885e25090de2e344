# SPDX-License-Identifier: MIT
"""`renacer-otel golden`: what is written, what is found, and exit codes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis.golden import load
from renacer_otel.cli import golden_check, golden_runs
from renacer_otel.cli.main import main
from tests.cli.tool import environ, renacer
from tests.golden.program import WORK, Program, program_fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


program = program_fixture()


def test_files_of_a_capture(program: Program) -> None:
    told = program.capture().err
    assert "captured in 2 runs: work.golden, work.json, work_summary.txt, ANALYSIS.md" in told
    names = sorted(path.name for path in program.traces.iterdir())
    assert names == ["ANALYSIS.md", "work.golden", "work.json", "work_summary.txt"]
    calls = json.loads((program.traces / "work.json").read_text())
    assert calls["format"] == "renacer-json-v1"
    assert calls["command"] == ["sh", "work.sh"]
    assert calls["summary"]["exit_code"] == 0
    table = (program.traces / "work_summary.txt").read_text().splitlines()
    assert table[0].split() == "% time seconds usecs/call calls errors syscall".split()
    shown = program.golden("show", "work")
    assert shown.code == 0
    assert shown.out.startswith(
        "golden trace work: sh work.sh\nlearned from 2 runs by renacer-otel"
    )
    assert "sorted.txt" in shown.out


def test_what_is_read_only_is_not_replaced(program: Program) -> None:
    program.capture()
    before = {path: path.read_bytes() for path in program.traces.iterdir()}
    program.write("touch ran\n")
    for name in ("work.golden", "work_summary.txt", "ANALYSIS.md"):
        path = program.traces / name
        path.chmod(0o444)
        done = program.golden("capture", "work", "--", "sh", "work.sh")
        assert (done.code, done.out) == (125, "")
        assert done.error == (
            f"golden_traces/{name}: read-only, and so not replaced; to capture it again, chmod u+w"
            " it first"
        )
        path.chmod(0o644)
    assert not (program.folder / "ran").exists()
    (program.traces / "work.golden").chmod(0o444)
    lines = program.check("work", "--update", code=125)
    assert any("read-only" in line for line in lines)
    assert {path: path.read_bytes() for path in program.traces.iterdir()} == before
    (program.traces / "work.golden").chmod(0o644)
    program.capture()


def test_it_holds_in_another_folder(
    program: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program.write(
        WORK + 'echo more > "$PWD/more.txt"\npwd > where; echo "in $PWD: more.txt"\n'
        "realpath . >/dev/null; cp -p sorted.txt dated.txt; date +%N >when\n"
    )
    program.capture()
    assert "(more.txt" in program.golden("show", "work").out
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "folder"
    shutil.copytree(program.folder, elsewhere)
    program.go_to(elsewhere)
    lines = program.check("work", code=0)
    assert any("when differed from run to run" in line for line in lines), lines


def test_rules_that_are_switched_off_stay_off(program: Program) -> None:
    program.capture("work", "--keep", "closing,waits", "--keep", "times")
    shown = program.golden("show", "work").out.splitlines()
    assert "rules switched off: closing, times, waits" in shown
    assert any("x  close(" in line for line in shown)
    program.check("work", code=0)


def test_the_page_keeps_what_is_not_ours(program: Program) -> None:
    program.capture("one")
    page = program.traces / "ANALYSIS.md"
    page.write_text(page.read_text() + "\nOur own words.\n")
    program.capture("two")
    told = program.capture("one").err
    assert "one: captured again in 2 runs, in place of the former one: one.golden" in told
    text = page.read_text()
    assert text.index("## one") < text.index("Our own words.") < text.index("## two")
    assert text.count("## one") == text.count("<!-- end of golden: one -->") == 1
    assert "    sh work.sh" in text
    assert "calls that never return, as exit_group, are not counted in it" in text
    assert "| system calls |" in text


def test_the_same(program: Program) -> None:
    program.capture()
    for words in (["work"], ["--all"], ["work", "--strict"], ["work", "--", "sh", "work.sh"]):
        lines = program.check(*words, code=0)
        assert lines[0] == "work: same as its golden trace, learned from 2 runs"
    # What our own streams are is nothing to the command.
    with open(program.folder / "report", "w") as file:
        done = renacer("golden", "check", "work", cwd=program.folder, stdout=file, stdin=None)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("more", "word"),
    [("echo more > more.txt\n", "more.txt"), ("chmod 600 sorted.txt\n", "chmod")],
)
def test_a_change_is_named_first(program: Program, more: str, word: str) -> None:
    program.capture()
    program.write(WORK + more)
    first = program.check("work", code=1)[0]
    assert first.startswith("work changed: ")
    assert word in first


def test_forms_of_reports(program: Program) -> None:
    program.capture()
    program.capture("same")
    odd = r"""name=$(printf 'x\001\3771'); > "$name"; expr "$name" : y > made/length; rm "$name" """
    program.write(f"{WORK}echo more > more.txt\n{odd}\n")
    done = program.golden("check", "--all", "--format", "json")
    made = json.loads(done.out)
    assert made["exit_code"] == done.code == 1
    assert [one["status"] for one in made["goldens"]] == ["changed", "changed"]
    told = [one["sentence"] for one in made["goldens"][0]["differences"]]
    assert any("more.txt" in sentence for sentence in told)
    named = [sentence for sentence in told if "x\\" in sentence]
    assert len(named) >= 3
    assert all(r"x\1\3771" in sentence for sentence in named), named  # arguments and paths
    done = program.golden("check", "--all", "--fail-fast", "--format", "junit", "-o", "report.xml")
    report = (program.folder / "report.xml").read_text()
    assert (done.code, done.out) == (1, "")
    assert report.count("<testcase ") == 1
    done = program.golden("check", "same", "--format", "github")
    assert done.out.startswith("::error title=golden trace same::")


def test_names_that_are_no_utf_8(program: Program) -> None:
    name = os.fsdecode(b"\xff\xed\xa0\x80")
    (program.folder / name).write_text("text\n")
    done = program.golden("capture", "cat", "--runs", "1", "--", "cat", name)
    assert done.code == 0, done.err
    program.check("cat", code=0)
    report = "\n".join(program.check("cat", "--format", "json", code=0))
    for text in (report, (program.traces / "cat.json").read_text()):
        assert "\\ud" not in text  # half of a surrogate pair, which strict readers refuse
        assert r'"\\xff\\xed\\xa0\\x80"' in text


def test_nothing_is_exported(program: Program) -> None:
    """Whatever the environment says; the command has that as it is."""
    program.write("env | grep OTEL_EXPORTER > seen.txt\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        env = environ(
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_TRACES_EXPORTER="none of ours",  # else an error
            TRACEPARENT="malformed",  # else a warning
        )
        words = ("golden", "capture", "work", "--runs", "1", "--", "sh", "work.sh")
        done = renacer(*words, env=env, cwd=program.folder)
        assert (done.code, "warning" in done.err) == (0, False), done
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (program.folder / "seen.txt").read_text().strip().endswith(endpoint)


def test_update(program: Program) -> None:
    program.capture()
    program.write(WORK + "echo more > more.txt\n")
    done = program.golden("check", "work", "--update", "--format", "json")
    told = json.loads(done.out)["goldens"][0]
    assert (done.code, told["status"], told["updated"], told["was"]) == (0, "same", True, "changed")
    assert "more.txt" in told["differences"][0]["sentence"]
    assert program.check("new", "--update", "--", "sh", "work.sh", code=0)[0].startswith(
        "new captured: there was no golden trace; learned from 5 runs"
    )
    program.check("new", "work", code=0)
    os.rename(program.traces / "work.json", program.traces / "kept")
    (program.traces / "work.json").mkdir()  # in the way of what is written
    program.write(WORK + "echo other > other.txt\n")
    lines = program.check("work", "--update", code=125)
    assert lines[0].startswith("work changed: ")
    assert "other.txt" in lines[0]
    assert any(line.startswith("  not captured again: ") for line in lines)
    (program.traces / "work.json").rmdir()
    os.rename(program.traces / "kept", program.traces / "work.json")
    program.write("exit 3\n")
    assert "  note: --update left it as it is: the command failed; golden" in "\n".join(
        program.check("work", "--update", code=4)
    )


def test_once_is_not_always(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run met, and no run has made, is chance."""
    once = program.folder / "once"
    observe = golden_runs.observe

    def chance(*what: Any) -> golden_runs.Observed:
        found = observe(*what)
        once.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(golden_check, "observe", chance)
    program.write(WORK + "if [ -e once ]; then cat more.txt; fi\n")
    (program.folder / "more.txt").write_text("more\n")
    program.capture()
    once.touch()
    lines = program.check("work", code=0)
    assert "one of 3 runs was different" in lines[1]
    once.touch()
    assert "more.txt" in program.check("work", "--strict", code=1)[0]


def test_bytes_that_the_kernel_moved_are_told(program: Program) -> None:
    copy = "import os, sys; os.copy_file_range(0, 1, 9)"
    program.write(f"{sys.executable} -SEc '{copy}' < words.txt > copied.txt\n")
    program.capture()
    note = "what copy_file_range moved is counted, but its bytes were not seen"
    assert program.check("work", "--ignore-timing", code=0)[1:] == [f"  note: {note}"]
    shutil.copy(program.traces / "work.golden", program.folder / "work")
    done = program.golden("diff", "work", "work")
    assert (done.code, "work is the file of that name here" in done.err) == (3, True)
    assert (
        f"golden_traces/work.golden: {note}"
        in program.golden("diff", "golden_traces/work.golden", "golden_traces/work.golden").out
    )


def test_exit_codes(program: Program) -> None:
    program.capture()
    program.capture("bad")
    data = (program.traces / "bad.golden").read_bytes()
    (program.traces / "bad.golden").write_bytes(data[:-1])
    assert program.check("none", "work", code=2)[0].endswith(
        "none.golden: no such golden trace; golden capture none -- COMMAND makes it; there are:"
        " bad, work"
    )
    assert program.check("bad", code=3)[0].startswith("bad unreadable: ")
    assert program.check("work", "--", "/nonexistent/program", code=127)
    assert program.check("work", "--", str(program.folder), code=126)
    assert program.check("--all", code=3)[0].startswith("bad unreadable: ")
    program.write(WORK + "echo why >&2\nexit 3\n")
    first = program.check("work", code=4)[0]
    assert first.startswith("work failed: the command exited with 3, before: 0; it said: why")
    assert program.golden("show", "none").code == 2
    done = program.golden("diff", "wrok", "work")
    told = (
        "wrok: no such file, and no golden trace of that name in golden_traces; did you mean work?"
    )
    assert (done.code, told in done.err) == (2, True)
    assert program.golden("check", "--all", "--dir", "nowhere").code == 2


def test_a_command_that_always_fails(program: Program) -> None:
    program.write("echo why >&2\nexit 3\n")
    assert "exited with 3 in each run, and so it is to; it said: why" in program.capture().err
    program.check("work", code=0)
    program.write("kill -9 $$\n")
    assert "was ended by SIGKILL" in program.check("work", code=4)[0]
    program.write("exit 0\n")
    program.check("work", code=1)


def test_a_command_that_ends_now_so_now_so(program: Program) -> None:
    program.write("if [ -e odd ]; then rm odd; exit 1; fi\ntouch odd\n")
    done = program.golden("capture", "work", "--", "sh", "work.sh")
    assert done.code == 4
    assert "does not end alike in all runs: 0, 1, 0, 1, 0, 1" in done.error
    assert not program.traces.exists()


def test_names_stay_in_their_folder(capfd: pytest.CaptureFixture[str]) -> None:
    bad = ("../x", "a/b", "", ".x", "x\n", "ä", "x_source", "x.golden", "x.json", "-x", "x" * 101)
    for name in bad:
        for action in (["check", name], ["show", name], ["capture", name, "--", "true"]):
            assert main(["golden", *action]) == 125, name
            error = capfd.readouterr().err
            assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "say what to do"),
        ("chek x", "did you mean check?"),
        ("check", "give a NAME, or --all"),
        ("check x --all", "not both"),
        ("check --all -- true", "leave it out"),
        ("check x y -- true", "leave it out"),
        ("check x --format xml", "--format"),
        ("check x --tolerance much", "--tolerance"),
        ("check x --", "name a command after --"),
        ("capture x", "write the command after --"),
        ("capture x --runs 0 -- true", "--runs"),
        ("capture x --keep clos -- true", "did you mean closing?"),
        ("show x -- true", "runs no command"),
        ("capture ls /", "write the command behind --: golden capture NAME -- ls /"),
        ("capture no-such-program ls /", "golden capture no-such-program -- ls /"),
        ("check ls /", "write the command behind --: golden check NAME -- ls /"),
        ("capture x --dir /dev/null -- true", "/dev/null: not a folder; "),
        ("capture x --dir /proc/none/traces -- true", "that you may write: --dir FOLDER"),
    ],
)
def test_usage(words: str, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["golden", *words.split()]) == 125
    assert told in capfd.readouterr().err


def test_diff_of_traces(program: Program) -> None:
    program.capture()
    for name, script in (("before", WORK), ("after", WORK + "echo more > more.txt\n")):
        program.write(script)
        words = ("--format", "record", "-o", f"{name}.renacer", "--", "sh", "work.sh")
        assert renacer(*words, cwd=program.folder).code == 0
    same = program.golden("diff", "before.renacer", "before.renacer")
    assert same.code == 0, same.out
    other = program.golden("diff", "before.renacer", "after.renacer")
    assert other.code == 1
    assert "more.txt" in other.out.splitlines()[0]
    assert "after.renacer: the contents of what it writes were not captured" in other.out
    assert program.golden("diff", "work", "after.renacer").code == 1
    (program.folder / "after.renacer").rename(program.folder / "work")
    same = program.golden("diff", "work", "work")
    assert "note: work is the file of that name here, not golden_traces/work.golden" in same.out


def test_diff_of_what_is_no_golden_trace(program: Program) -> None:
    program.capture()
    os.mkfifo(program.traces / "fifo.golden")
    (program.traces / "folder.golden").mkdir()
    for name, told in (("fifo", "but a FIFO"), ("folder", "but a directory")):
        for words in ((name, "work"), ("work", name)):
            done = program.golden("diff", *words)
            assert done.code == 3, done.err
            assert told in done.err
    assert program.golden("diff", "work", "none").code == 2


def test_diff_of_listings_amid_other_output(program: Program) -> None:
    for name, script in (("before", WORK), ("after", WORK + "echo more > more.txt\n")):
        program.write(script)
        words = ("--format", "json", "-o", f"{name}.json", "--", "sh", "work.sh")
        assert renacer(*words, cwd=program.folder).code == 0
    before = program.folder / "before.json"
    before.write_bytes(b'Hello, { "a": 1 }\n' + before.read_bytes())
    same = program.golden("diff", "before.json", "before.json")
    assert (same.code, same.out.splitlines()[0]) == (0, "before.json -> before.json: the same")
    assert "does not tell" in same.out
    other = program.golden("diff", "before.json", "after.json")
    assert other.code == 1
    assert "more.txt" in other.out.splitlines()[0]


CLIENT = (
    "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
    " c.sendall(b'x'); c.recv(1)"
)


@contextmanager
def late_server(delay: list[float]) -> Iterator[int]:
    """Answers each connection after `delay[0]` seconds; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(1) == b"e":
                        return
                    time.sleep(delay[0])
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with socket.create_connection(listener.getsockname()) as last:
                last.sendall(b"e")
            thread.join()


def test_a_longer_wait_is_found(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load.Load, "why_unfit", lambda *_: "")  # whatever else the machine does
    delay = [0.05]
    with late_server(delay) as port:
        words = ("--", sys.executable, "-SEc", CLIENT, str(port))
        done = program.golden("capture", "client", "--runs", "4", *words)
        assert done.code == 0, done.err
        delay[0] = 0.4
        first = program.check("client", code=1)[0]
        assert first.startswith("client changed: ")
        assert "waits for bytes" in first
        program.check("client", "--ignore-timing", code=0)
        program.check("client", "--tolerance", "5000", code=0)
        monkeypatch.setattr(load.Load, "why_unfit", lambda *_: "others work")
        lines = program.check("client", code=0)
        assert "it looks slower, but times were not judged, as others work" in lines[1]


def test_times_beside_other_work_or_of_elsewhere(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = ("capture", "it", "--runs", "1", "--", "true")
    monkeypatch.setattr(load.Load, "why_unfit", lambda *_: "others work")
    assert "checks will not compare times, as others work" in program.golden(*capture).err
    assert "taken beside other work" in program.check("it", code=0)[1]
    monkeypatch.setattr(load.Load, "why_unfit", lambda *_: "")
    assert program.golden(*capture).code == 0
    monkeypatch.setattr(golden_check, "machine", lambda: "elsewhere")
    assert "of another machine" in program.check("it", code=0)[1]


def test_where_we_are_is_told_to_shells(program: Program, tmp_path: Path) -> None:
    """As a container or cron does not: else they ask the kernel, which would be a difference."""
    (tmp_path / "link").symlink_to(program.folder)
    words = ["capture", "work", "--runs", "1", "--", "sh", "work.sh"]
    done = renacer("golden", *words, cwd=program.folder, env=environ(PWD=str(program.folder)))
    assert done.code == 0, done.err
    absent = {name: value for name, value in environ().items() if name != "PWD"}
    for env in (environ(PWD="/"), absent, environ(PWD=str(tmp_path / "link"))):
        done = renacer("golden", "check", "work", cwd=tmp_path / "link", env=env)
        assert done.out.startswith("work: same"), done
