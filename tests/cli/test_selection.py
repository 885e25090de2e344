# SPDX-License-Identifier: MIT
"""-e trace=, signal=, status=; -z, -Z, -P: what is shown, and that counts stay exact."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from renacer_otel.engine import native
from renacer_otel.engine.launch import WORDS_PER_ABI
from renacer_otel.errors import UsageError
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.ring import trace_file
from renacer_otel.sidecar import filters
from tests.cli.tool import call_lines, call_names, renacer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.tool import Done

X86_64 = 1


def names(*expressions: str) -> set[str]:
    """The x86_64 calls that expressions select."""
    wanted = filters.select(expressions).wanted
    known = filters.call_names()
    if wanted is None:
        return set(known)
    lib = native.lib
    bits = sum(word << 64 * i for i, word in enumerate(wanted[WORDS_PER_ABI : 2 * WORDS_PER_ABI]))
    return {name for name in known if bits >> lib.rn_table_number(X86_64, name.encode()) & 1}


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["trace=open,close"], {"open", "close"}),
        (["0,1"], {"read", "write"}),
        (["/^pwrite"], {"pwrite64", "pwritev", "pwritev2"}),
        (["trace=/^pwrite/"], {"pwrite64", "pwritev", "pwritev2"}),
        (["trace=/^(read|write)$/,?nonesuch,?%nonesuch"], {"read", "write"}),
        (["trace=?nonesuch"], set()),
        (["trace=read@64,write@32"], {"read"}),
        (["trace=%stat"], {"stat"}),
        (["trace=%file", "trace=read"], {"read"}),
        (["trace=!!read"], {"read"}),
        (["trace=!all"], set()),
        (["trace=none,read"], None),
    ],
)
def test_names(expressions: list[str], expected: set[str] | None) -> None:
    if expected is None:  # none stands alone, as with strace
        with pytest.raises(UsageError):
            names(*expressions)
    else:
        assert names(*expressions) == expected


def test_what_is_left_out_and_what_is_in_are_all() -> None:
    everything = set(filters.call_names())
    for spec in ("%file", "read,write", "/a"):
        assert names(spec) | names(f"!{spec}") == everything
        assert not names(spec) & names(f"!{spec}")
    assert names("all") == names("!none") == names("read,all") == everything
    assert names("net") == names("%net") == names("network") == names("%network")
    assert filters.select(["!none"]).wanted is None


@pytest.mark.parametrize("name", ["file", "network", "process", "memory"])
def test_classes_of_renacer(name: str) -> None:
    assert names(f"trace={name}") == names(f"trace=%{name}") != set()


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("trace=opne", "did you mean open?"),
        ("%fil", "did you mean %file?"),
        ("procces", "did you mean process?"),
        ("/^nothing-of-it", "no system call matches"),
        ("/(", "no regular expression"),
        ("trace=read,,write", "one comma"),
        ("status=succesful", "did you mean successful?"),
        ("status=", "there are successful, failed"),
        ("signal=SIGCHDL", "did you mean CHLD?"),
        ("signal=0", "signal(7)"),
        ("signal=65", "signal(7)"),
        ("signl=INT", "did you mean signal?"),
        ("inject=open", "calls are never changed here"),
    ],
)
def test_a_wrong_word_names_the_nearest(expression: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)):
        filters.select([expression])
    done = renacer("-e", expression, "true")
    assert done.code == 125
    assert re.search(re.escape(hint), done.error)


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("SIGCHLD", {signal.SIGCHLD}),
        ("chld,2,RT_2,rtmin", {signal.SIGCHLD, signal.SIGINT, 34, 32}),
        ("!INT,TERM", set(range(1, 65)) - {2, 15}),
        ("none", set()),
        ("all", set(range(1, 65))),
        ("!all", set()),
    ],
)
def test_signals(spec: str, shown: set[int]) -> None:
    hidden = filters.select([f"signal={spec}"]).hidden_signals
    assert {number for number in range(1, 65) if not hidden >> number - 1 & 1} == shown
    assert hidden < 1 << 64


def traced(tmp_path: Path, *words: str) -> tuple[list[str], Done]:
    """Lines of a text trace without pids, and the run."""
    done = renacer("-o", tmp_path / "trace", *words)
    text = (tmp_path / "trace").read_text()
    return [re.sub(r"^\d+ +", "", line) for line in text.splitlines()], done


SIGNALS = "trap : USR1; kill -USR1 $$; kill -TERM $$"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("all", ["--- SIGUSR1", "--- SIGTERM", "+++ killed by SIGTERM"]),
        ("none", []),
        ("USR1", ["--- SIGUSR1"]),
        ("!USR1", ["--- SIGTERM", "+++ killed by SIGTERM"]),
    ],
)
def test_signals_are_hidden_and_delivered(spec: str, told: list[str], tmp_path: Path) -> None:
    lines, done = traced(tmp_path, "-e", "trace=none", "-e", f"signal={spec}", "sh", "-c", SIGNALS)
    assert done.code == -signal.SIGTERM
    assert [" ".join(line.split()[: 2 if line[0] == "-" else 4]) for line in lines] == told


OUTCOMES = "cat /nonexistent/a /etc/passwd > /dev/null; kill -KILL $$"


def outcome(line: str) -> str:
    """What a line says of how its call ended."""
    result = line.rpartition(" = ")[2]
    if result == "?":
        return "unfinished"
    return "failed" if result.startswith(("-1 ", "? ")) else "successful"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["-z"], {"successful"}),
        (["-Z"], {"failed"}),
        (["-e", "status=unfinished"], {"unfinished"}),
        (["-e", "status=!unfinished"], {"successful", "failed"}),
        (["-e", "status=failed,unfinished"], {"failed", "unfinished"}),
        (["-z", "-Z"], {"failed"}),
        (["-Z", "-e", "status=all"], {"successful", "failed", "unfinished"}),
        (["-e", "status=unavailable,detached"], set()),
    ],
)
def test_outcomes(flags: list[str], expected: set[str], tmp_path: Path) -> None:
    lines, done = traced(tmp_path, *flags, "sh", "-c", OUTCOMES)
    calls = call_lines("\n".join(lines))
    assert {outcome(line) for line in calls} == expected
    if "all" not in " ".join(flags):
        assert not any("unfinished ..." in line and "resumed" in line for line in lines)
        assert filtered(done) == done.totals.calls - len(calls) > 0
    assert done.totals.lost == 0


def filtered(done: Done) -> int:
    """The number of calls that the last line says were left out."""
    match = re.search(r"([\d,]+) filtered out", done.lines[-1])
    return int(match[1].replace(",", "")) if match else 0


def test_outcomes_do_not_change_the_counts(tmp_path: Path) -> None:
    counts = {
        traced(tmp_path, *flags, "/bin/uname")[1].totals.calls
        for flags in ([], ["-z"], ["-Z"], ["-P", "/nowhere"], ["-e", "status=unfinished"])
    }
    assert len(counts) == 1


FILE_PROGRAM = """
exec 5< {path}
cat <&5
exec 6<&5 5<&-
cat {path} 7< /etc/passwd
"""


def test_path(tmp_path: Path) -> None:
    path = tmp_path / "selected"
    path.write_text("something\n")
    lines, done = traced(tmp_path, "-P", str(path), "sh", "-c", FILE_PROGRAM.format(path=path))
    calls = call_lines("\n".join(lines))
    assert done.out == "something\n" * 2
    assert filtered(done) == done.totals.calls - len(calls) > 100
    found = call_names("\n".join(lines))
    assert found.count("openat") == 2
    assert found.count("read") >= 2  # by both cats: one inherited it, one opened it
    assert "execve" not in found  # of cat: the path is among its arguments, not its program
    assert not any("/etc/passwd" in line for line in calls)


def test_path_of_a_descriptor_that_the_command_is_given(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text("one\n")
    (tmp_path / "link").symlink_to(path)
    with path.open() as file:
        done = renacer("-P", tmp_path / "link", "-o", tmp_path / "trace", "cat", stdin=file)
    assert done.out == "one\n"
    lines = call_lines((tmp_path / "trace").read_text())
    assert any(re.search(r"read\(0,", line) for line in lines)
    assert all(re.search(r"\(0\b", line) for line in lines)


def test_path_with_chosen_calls(tmp_path: Path) -> None:
    path = tmp_path / "selected"
    path.write_text("something\n")
    command = ("sh", "-c", f"exec 5< {path}; read line <&5; read line < /etc/passwd")
    plain, all_reads = traced(tmp_path, "-e", "trace=read", *command)
    lines, done = traced(tmp_path, "-e", "trace=read", "-P", str(path), *command)
    calls = call_lines("\n".join(lines))
    assert 0 < len(calls) < len(call_lines("\n".join(plain)))
    assert set(call_names("\n".join(lines))) == {"read"}
    # The opens by which the descriptor is followed count nowhere.
    assert done.totals.calls == all_reads.totals.calls
    assert filtered(done) == done.totals.calls - len(calls)


def test_spans_and_records(tmp_path: Path) -> None:
    record = tmp_path / "run.renacer"
    with Receiver() as receiver:
        done = renacer(
            *("--otlp-endpoint", receiver.endpoint, "--format", "record", "-o", record),
            *("-Z", "sh", "-c", "cat /nonexistent; true"),
        )
        spans = [entry.span for entry in receiver.spans]
    totals = done.totals
    processes = sum(not span.name.startswith("renacer") and is_process(span) for span in spans)
    calls = [span for span in spans if attribute(span, "syscall.number") is not None]
    assert calls
    assert all(attribute(span, "error.type") for span in calls)
    assert processes >= 2
    assert totals.lost == 0
    assert totals.sent == len(spans) == len(calls) + processes + 1
    assert totals.calls == len(calls) + filtered(done)
    root = next(span for span in spans if span.name == "renacer-otel run")
    assert attribute(root, "renacer.calls") == totals.calls
    assert attribute(root, "renacer.filtered_calls") == filtered(done)
    ids = {span.span_id for span in spans}
    assert all(link.span_id in ids for span in spans for link in span.links)
    kinds = trace_file.read(record).events["kind"].tolist()
    assert (
        kinds.count(1) + kinds.count(3) == totals.calls
    )  # the file keeps what no span was made of


def attribute(span: object, name: str) -> object:
    for pair in span.attributes:  # type: ignore[attr-defined]
        if pair.key == name:
            return getattr(pair.value, pair.value.WhichOneof("value"))
    return None


def is_process(span: object) -> bool:
    return attribute(span, "process.pid") is not None and attribute(span, "syscall.number") is None
