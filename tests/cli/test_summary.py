# SPDX-License-Identifier: MIT
"""-c, -C, -S, -w, -U, --by: tables that agree with the calls, and with themselves."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis import summary
from renacer_otel.exporters.receiver import Receiver
from tests.cli.summary_tables import read_tables
from tests.cli.tool import call_names, renacer, started

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ("sh", "-c", "ls /nonexistent; cat /proc/sys/kernel/ostype; true | cat")
# What a wait finds and how often depends on who comes first.
RACY = {"wait4", "rt_sigreturn"}


def as_json(*words: str | Path) -> dict[str, Any]:
    """The summary of a run as JSON."""
    done = renacer("-q", "-c", "--format", "json", *words)
    assert done.code == 0, done.err
    text = done.err[done.err.index("{") :]
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_summary_comes_instead_of_the_calls() -> None:
    done = renacer("-c", *COMMAND)
    assert done.code == 0
    assert done.out == "Linux\n"
    (table,) = read_tables(done.err)
    assert table.titles == ["% time", "seconds", "usecs/call", "calls", "errors", "syscall"]
    assert not call_names(done.err)
    assert sum(int(row["calls"]) for row in table.rows) == int(table.total["calls"])
    assert sum(int(row["errors"] or 0) for row in table.rows) == int(table.total["errors"])


def test_with_the_calls_before_it(tmp_path: Path) -> None:
    """What is counted is what is shown: each name as often."""
    output = tmp_path / "out"
    done = renacer("-C", "-o", output, *COMMAND)
    assert done.code == 0
    assert len(done.lines) == 2, done.err  # ls's complaint, and the last line
    text = output.read_text()
    (table,) = read_tables(text)
    finished = Counter(name for name, line in zip(call_names(text), _shown(text), strict=True)
                       if not line.endswith("= ?"))  # fmt: skip
    assert {name: str(count) for name, count in finished.items()} == table.column("calls"), text
    failed = len(re.findall(r"= (?:-1 E|\? ERESTART)", text))
    handlers = len(re.findall(r"rt_sigreturn.* = -1 E", text))
    assert int(table.total["errors"]) == failed - handlers, text
    unfinished = done.totals.calls - int(table.total["calls"])
    assert unfinished == sum(line.endswith("= ?") for line in _shown(text)) > 0


def _shown(text: str) -> list[str]:
    """The lines that end a call, in the order in which the calls began."""
    open_calls: dict[str, int] = {}
    ended: list[str] = []
    for line in text.splitlines():
        pid = line.split()[0]
        if "<unfinished ...>" in line:
            open_calls[pid] = len(ended)
            ended.append("")
        elif "resumed>" in line:
            ended[open_calls.pop(pid)] = line
        elif re.match(r"\d+ +[a-z_0-9]+\(", line):
            ended.append(line)
    return ended


def test_agrees_with_the_spans(tmp_path: Path) -> None:
    with Receiver() as receiver:
        endpoint = f"http://127.0.0.1:{receiver.port}"
        words = ("--format", "json", "-o", tmp_path / "out", "--otlp-endpoint", endpoint)
        done = renacer("-c", *words, *COMMAND)
    assert done.code == 0
    found = json.loads((tmp_path / "out").read_text())
    spans = (item.span for item in receiver.spans)
    calls = Counter(
        span.name
        for span in spans
        if any(attribute.key == "syscall.name" for attribute in span.attributes)
    )
    counted = {
        line["name"]: line["calls"] + line["unfinished"]
        for table in found["tables"]
        for line in table["syscalls"]
    }
    assert counted == dict(calls)
    total = found["total"]
    assert total["calls"] + total["unfinished"] == done.totals.calls == sum(calls.values())


@pytest.mark.parametrize("flags", [["-z"], ["-Z"], ["-e", "trace=openat,close"], ["-P", "/etc"]])
def test_counts_what_a_selection_leaves(flags: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = renacer(*flags, "-C", "-o", output, "ls", "/etc")
    assert done.code == 0
    text = output.read_text()
    (table,) = read_tables(text)
    finished = Counter(name for name, line in zip(call_names(text), _shown(text), strict=True)
                       if not line.endswith("= ?"))  # fmt: skip
    assert table.column("calls") == {name: str(count) for name, count in finished.items()}
    if flags == ["-z"]:
        assert set(table.column("errors").values()) == {""}
    if flags == ["-Z"]:
        assert table.column("errors") == table.column("calls")


@pytest.mark.parametrize("sort", [*summary.SORTS, *(a for s in summary.SORTS.values() for a in s)])
def test_sorted(sort: str) -> None:
    done = renacer("-c", "-w", "-S", sort, "-U", "name,calls,errors,time,total-time,min-time,"
                   "max-time,avg-time", "ls", "/etc", "/nonexistent")  # fmt: skip
    (table,) = read_tables(done.err)
    key = summary.sort_name(sort)
    titles = {"time": "seconds", "min-time": "shortest", "max-time": "longest",
              "avg-time": "usecs/call", "calls": "calls", "errors": "errors"}  # fmt: skip
    if key in titles:
        values = [float(row[titles[key]] or 0) for row in table.rows]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) > 1
    names = [row["syscall"] for row in table.rows]
    assert len(names) > 5
    assert (names == sorted(names)) == (key == "name")


@pytest.mark.parametrize("flags", [["-S", "tme"], ["-U", "name,cals"], ["--by", "proces"]])
def test_what_is_not_known_names_the_nearest(flags: list[str]) -> None:
    done = renacer("-c", *flags, "true")
    assert done.code == 125
    nearest = {"-S": "time", "-U": "calls", "--by": "process"}[flags[0]]
    assert done.error.endswith(f"did you mean {nearest}?")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-c", "-C"], "exclude each other"),
        (["-w"], "add -c"),
        (["-S", "calls"], "add -c"),
        (["--by", "process"], "add -c"),
        (["-U", "calls"], "add -c"),
        (["-c", "--format", "record", "-o", "x"], "-C"),
        (["-C", "--format", "json"], "use -c"),
        (["-c", "-U", "p50"], "add -w"),
        (["-c", "-U", "calls,count"], "given twice"),
        (["-c", "-U", "calls", "--format", "csv"], "has all of them"),
    ],
)
def test_what_makes_no_sense_is_refused(flags: list[str], said: str, tmp_path: Path) -> None:
    done = renacer(*flags, "true", cwd=tmp_path)
    assert done.code == 125
    assert said in done.error
    assert not list(tmp_path.iterdir())


def test_wall_time_and_its_quantiles() -> None:
    done = renacer("-c", "-w", "sleep", "0.05")
    (table,) = read_tables(done.err)
    assert table.titles[6:] == ["min", "max", "p50", "p90", "p99"]
    sleep = next(row for row in table.rows if row["syscall"] == "clock_nanosleep")
    assert float(sleep["seconds"]) >= 0.05
    assert len({sleep[title] for title in table.titles[6:]}) == 1
    for row in (*table.rows, table.total):
        values = [float(row[title]) for title in ("min", "p50", "p90", "p99", "max")]
        assert values == sorted(values)


def test_cpu_time_is_not_the_time_that_a_call_waits() -> None:
    found = as_json("sleep", "0.2")
    assert found["clock"] == "system-cpu"
    (line,) = (line for line in found["tables"][0]["syscalls"] if line["name"] == "clock_nanosleep")
    assert line["time_ns"] < 100_000_000


def test_cpu_time_is_counted(tmp_path: Path) -> None:
    """A gigabyte of zeros costs the system time; the sum is what the kernel says of the command."""
    words = ("dd", "if=/dev/zero", "of=/dev/null", "bs=4M", "count=256", "status=none")
    usage = [os.times().children_system]
    found = as_json(*words)
    usage.append(os.times().children_system)
    reads = next(line for line in found["tables"][0]["syscalls"] if line["name"] == "read")
    assert reads["calls"] >= 256
    assert 0 < reads["time_ns"] <= (usage[1] - usage[0]) * 1e9 + 1e8
    assert reads["time_ns"] > 0.5 * found["total"]["time_ns"]


def test_a_table_for_each_process() -> None:
    words = ("sh", "-c", 'sh -c "exec cat /dev/null"; ls / >/dev/null; true')
    found = as_json("--by", "process", *words)
    assert found["by"] == "process"
    names = sorted(table["group"]["process"] for table in found["tables"])
    shell = os.path.basename(os.path.realpath("/bin/sh"))
    assert names == sorted([shell, "cat", "ls"])
    assert len({table["group"]["pid"] for table in found["tables"]}) == 3
    for member in ("calls", "errors", "unfinished", "time_ns"):
        tables = [table["total"][member] for table in found["tables"]]
        assert sum(tables) == found["total"][member]
        for table in found["tables"]:
            lines = sum(line[member] for line in table["syscalls"])
            assert lines == table["total"][member]
    text = renacer("-q", "-c", "--by", "process", *words).err
    assert len(read_tables(text)) == 3
    assert len(re.findall(r"^process \d+ \((?:cat|ls)\): \d+ calls, ", text, re.MULTILINE)) == 2
    assert text.splitlines()[-1].startswith("3 processes: ")


def test_a_table_for_each_thread() -> None:
    code = "import threading as t; [t.Thread(target=lambda: None).start() for _ in range(3)]"
    found = as_json("--by", "thread", sys.executable, "-c", code)
    groups = [table["group"] for table in found["tables"]]
    assert len(groups) >= 4
    assert len({group["tid"] for group in groups}) == len(groups)
    assert len({group["pid"] for group in groups}) == 1
    assert all(group["process"].startswith("python") for group in groups)


def test_csv_of_the_same(tmp_path: Path) -> None:
    done = renacer("-q", "-c", "-w", "--by", "process", "--format", "csv", "-o", tmp_path / "out",
                   *COMMAND)  # fmt: skip
    assert done.code == 0
    raw = (tmp_path / "out").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n")
    rows = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    assert list(rows[0]) == ["pid", "process", "abi", "syscall", "calls", "errors", "unfinished",
                             "time_percent", "seconds", "usecs_per_call", "min_seconds",
                             "max_seconds", "p50_seconds", "p90_seconds",
                             "p99_seconds"]  # fmt: skip
    assert len({row["pid"] for row in rows}) == 5
    for row in rows:
        assert None not in row
        assert float(row["min_seconds"]) <= float(row["max_seconds"])
        assert (row["p50_seconds"] == "") == (row["calls"] == "0")


def test_names_that_attack_the_reader(tmp_path: Path) -> None:
    copy = tmp_path / "-1+1\udcff\u202e"
    shutil.copy("/bin/true", copy)
    found = as_json("--by", "process", copy)
    assert found["tables"][0]["group"]["process"] == r"-1+1\xff\xe2\x80\xae"
    done = renacer("-q", "-c", "--by", "process", "--format", "csv", copy)
    rows = list(csv.DictReader(io.StringIO(done.err, newline="")))
    assert {row["process"] for row in rows} == {r"'-1+1\xff\xe2\x80\xae"}
    text = renacer("-q", "-c", "--by", "process", copy).err
    assert all(line.isprintable() for line in text.splitlines())


def test_the_summary_of_what_a_signal_ended() -> None:
    done = renacer("-c", "sh", "-c", "kill -9 $$")
    assert done.code == -signal.SIGKILL
    (table,) = read_tables(done.err)
    assert "execve" in table.column("calls")


def test_the_summary_follows_an_interrupt() -> None:
    command = ("sh", "-c", "echo ready; exec sleep 60")
    with started("-c", *command, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    (table,) = read_tables(err)
    assert "execve" in table.column("calls")


def test_a_summary_that_lacks_calls_says_so(tmp_path: Path) -> None:
    """The reader of the calls comes late, so that a small ring overflows."""
    source = tmp_path / "source"
    source.write_bytes(bytes(30_000))
    os.mkfifo(tmp_path / "fifo")
    words = ("--on-full", "drop", "--ring-size", "512KiB", "-C", "-o", tmp_path / "fifo")
    command = ("sh", "-c", f"dd if={source} of=/dev/null bs=1 status=none; echo done")
    with started(*words, *command) as process:
        descriptor = os.open(tmp_path / "fifo", os.O_RDONLY)
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        with open(descriptor, "rb") as file:
            text = file.read().decode()
        process.communicate(timeout=60)
    assert process.returncode == 0
    (table,) = read_tables(text)
    last = text.splitlines()[-1]
    found = re.match(r"incomplete: ([\d,]+) calls lost .* ([\d,]+) events lost", last)
    assert found, last
    lost = int(found[1].replace(",", ""))
    assert lost > 0
    reads = int(table.column("calls")["read"]) + int(table.column("calls")["write"])
    assert reads + lost >= 60_000


def test_an_output_that_is_full() -> None:
    done = renacer("-c", "-o", "/dev/full", "true")
    assert done.code == 0
    assert "the summary could not be written: No space left on device" in done.err
    assert renacer("-c", "--fail-on-loss", "-o", "/dev/full", "true").code == 125


def by_name(found: dict[str, Any], column: str) -> dict[str, dict[str, int]]:
    """Of a table by path or peer: calls by name, of each group."""
    return {
        table["group"][column]: {line["name"]: line["calls"] for line in table["syscalls"]}
        for table in found["tables"]
    }


def sums(found: dict[str, Any]) -> int:
    return sum(table["total"]["calls"] + table["total"]["unfinished"] for table in found["tables"])


def test_a_table_for_each_path(tmp_path: Path) -> None:
    """Calls on a descriptor count for the file behind it, however it came to be."""
    first, second = tmp_path / "first", tmp_path / "sec=ond\n"
    first.write_text("a line\n")
    second.write_text("another\n")
    code = """if 1:
        import os
        fd = os.open("first", os.O_RDONLY)
        os.read(fd, 10)
        copy = os.dup(fd)
        os.close(fd)
        os.read(copy, 10)
        if os.fork() == 0:
            os.lseek(copy, 0, 0)
            os._exit(0)
        os.wait()
        folder = os.open(".", os.O_RDONLY)
        os.close(os.open("sec=ond\\n", os.O_RDONLY, dir_fd=folder))
        os.stat("first", dir_fd=folder)
        os.read(0, 10)
        try:
            os.stat("/nonexistent")
        except OSError:
            pass
    """
    with first.open() as inherited:
        words = ("--by", "path", "--", sys.executable, "-Sc", code)
        done = renacer("-q", "-c", "--format", "json", "-o", tmp_path / "out", *words, cwd=tmp_path,
                       stdin=inherited)  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out").read_text())
    paths = by_name(found, "path")
    counted = paths[str(first)]
    assert counted["openat"] == 1
    assert counted["read"] == 3  # the one of standard input, too
    assert counted["lseek"] >= 1
    assert counted["fcntl"] >= 1  # by which Python duplicates
    assert counted["close"] >= 1
    assert counted["newfstatat"] >= 1
    name = f"{tmp_path}/sec=ond\\x0a"
    assert paths[name] == {"openat": 1, "close": 1}
    assert "/nonexistent" in paths
    assert sums(found) == found["total"]["calls"] + found["total"]["unfinished"]


PEERS = """if 1:
    import os, socket, sys
    def pair(family, address):
        server = socket.socket(family)
        server.bind(address)
        server.listen()
        client = socket.socket(family)
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        return server, client, accepted
    server, client, accepted = pair(socket.AF_INET, ("127.0.0.1", 0))
    for _ in range(5):
        client.send(b"x")
        accepted.recv(1)
    copy = os.dup(client.fileno())
    os.write(copy, b"y")
    print(server.getsockname()[1], client.getsockname()[1])
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.sendto(b"z", udp.getsockname())
    udp.recvfrom(1)
    print(udp.getsockname()[1])
    _, client, accepted = pair(socket.AF_UNIX, sys.argv[1])
    client.send(b"1")
    accepted.recv(1)
    one, other = socket.socketpair()
    one.send(b"2")
"""


def test_a_table_for_each_peer(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    done = renacer("-q", "-c", "--by", "peer", "--format", "json", "-o", tmp_path / "out",
                   sys.executable, "-Sc", PEERS, path)  # fmt: skip
    assert done.code == 0, done.err
    server, client, udp = done.out.split()
    found = json.loads((tmp_path / "out").read_text())
    peers = by_name(found, "peer")
    to_server = peers[f"127.0.0.1:{server}"]
    assert (to_server["connect"], to_server["sendto"], to_server["write"]) == (1, 5, 1)
    to_client = peers[f"127.0.0.1:{client}"]
    assert (to_client["accept4"], to_client["recvfrom"]) == (1, 5)
    assert peers[f"127.0.0.1:{udp}"] == {"sendto": 1, "recvfrom": 1}
    local = peers[str(path)]
    assert (local["connect"], local["sendto"], local["recvfrom"]) == (1, 1, 1)
    assert peers["unix"]["sendto"] == 1
    assert "" in peers
    assert sums(found) == found["total"]["calls"] + found["total"]["unfinished"]
    rows = renacer("-q", "-c", "--by", "peer", "--format", "csv", sys.executable, "-Sc", PEERS,
                   f"{path}2").err  # fmt: skip
    assert next(csv.reader(io.StringIO(rows)))[:3] == ["peer", "abi", "syscall"]


def test_attached_processes_are_counted_until_they_are_let_go() -> None:
    code = "import os\nwhile data := os.read(0, 100): os.write(1, data)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, bufsize=1) as subject:  # fmt: skip
        assert subject.stdin is not None
        assert subject.stdout is not None
        subject.stdin.write("up\n")
        assert subject.stdout.readline() == "up\n"
        with started("-c", "-p", str(subject.pid)) as process:
            assert process.stderr is not None
            assert "attached" in process.stderr.readline()
            for _ in range(5):
                subject.stdin.write("line\n")
                assert subject.stdout.readline() == "line\n"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        subject.kill()
    (table,) = read_tables(err)
    assert table.column("calls")["write"] == "5"


def test_to_a_command(tmp_path: Path) -> None:
    done = renacer("-q", "-c", "-o", f"|cat >{tmp_path}/out", "ls", "/")
    assert done.code == 0
    assert not done.err
    (table,) = read_tables((tmp_path / "out").read_text())
    assert "getdents64" in table.column("calls")
