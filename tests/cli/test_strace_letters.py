# SPDX-License-Identifier: MIT
"""Options in strace's letters, against strace where it is there."""

from __future__ import annotations

import itertools
import os
import pwd
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.tool import RENACER, renacer

_PID = re.compile(r"\d+ +")


def writes(path: Path) -> list[str]:
    """Lines of write(), without the pid before them: that may be longer in the second run."""
    lines = path.read_text().splitlines()
    return [_PID.sub("", line, count=1) for line in lines if "write(" in line]


def shape(line: str) -> str:
    """What stands before the call, with every digit a 0."""
    return re.sub(r"\d", "0", line.partition("write(")[0])


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    "options", ["-t", "-tt", "-ttt", "-r", "-r -t", "-r -tt", "-r -ttt", "-tT", "-a 10", "-a 60"]
)
def test_times_and_columns_have_the_shape_of_straces(options: str, tmp_path: Path) -> None:
    command = ["sh", "-c", "echo a; echo bc >&2"]
    theirs = tmp_path / "theirs"
    strace = ["strace", "-f", *options.split(), "-e", "trace=write", "-o", str(theirs), *command]
    subprocess.run(strace, check=True, capture_output=True)
    done = renacer(*options.split(), "-e", "trace=write", "-o", "ours", *command, cwd=tmp_path)
    assert done.code == 0
    expected, ours = writes(theirs), writes(tmp_path / "ours")
    assert len(expected) == 2
    assert [shape(line) for line in ours] == [shape(line) for line in expected]
    assert [line.index(" = ") for line in ours] == [line.index(" = ") for line in expected]


def test_times_are_those_of_the_clock(tmp_path: Path) -> None:
    before = time.time()
    renacer("-ttt", "-o", "ours", "true", cwd=tmp_path)
    after = time.time()
    times = [float(line.split()[1]) for line in (tmp_path / "ours").read_text().splitlines()]
    assert times == sorted(times)
    assert before - 0.001 <= times[0] <= times[-1] <= after + 0.001


def test_relative_times_add_up(tmp_path: Path) -> None:
    renacer("-r", "-ttt", "-o", "ours", "true", cwd=tmp_path)
    lines = (tmp_path / "ours").read_text().splitlines()
    found = [re.match(r"\d+ +(\d+\.\d+) \(\+ +(\d+\.\d+)\)", line) for line in lines]
    pairs = [(float(match[1]), float(match[2])) for match in found if match]
    assert len(pairs) == len(lines)
    for before, after in itertools.pairwise(pairs):
        assert after[0] - before[0] == pytest.approx(after[1], abs=2e-6)


def test_append(tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("before\n")
    renacer("-A", "-o", "ours", "true", cwd=tmp_path)
    text = (tmp_path / "ours").read_text()
    assert text.startswith("before\n")
    assert "execve(" in text


def test_a_file_for_each_thread(tmp_path: Path) -> None:
    done = renacer("-ff", "-o", "t", "sh", "-c", "true & true & wait", cwd=tmp_path)
    assert done.code == 0
    files = sorted(tmp_path.glob("t.*"))
    assert len(files) == 3
    for path in files:
        text = path.read_text()
        assert text.endswith("+++ exited with 0 +++\n")
        assert "unfinished" not in text
        assert not re.search(r"^\d", text, re.MULTILINE)  # no line names its thread


def test_more_threads_than_descriptors(tmp_path: Path) -> None:
    """2,000 processes, of which 300 at once, with 64 descriptors for us."""
    script = """
        i=0; while [ $i -lt 2000 ]; do true >/dev/null & i=$((i + 1));
        [ $((i % 300)) -ne 0 ] || wait; done; wait
    """.replace("true >/dev/null", "(:)")
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', RENACER, "-qq", "-e", "trace=exit_group",
         "-ff", "-o", "t", "sh", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    files = list(tmp_path.glob("t.*"))
    exits = sum(path.read_text().count("exit_group(") for path in files)
    assert exits == 2001


def test_to_a_command(tmp_path: Path) -> None:
    done = renacer("-o", "|cat >copy; echo over >>copy", "echo", "hello", cwd=tmp_path)
    assert done.code == 0
    text = (tmp_path / "copy").read_text()
    assert 'write(1, "hello\\n", 6)' in text
    assert text.endswith("+++ exited with 0 +++\nover\n")  # it had the end of its input


def test_a_command_that_takes_nothing(tmp_path: Path) -> None:
    done = renacer("-o", "|exec <&-; exit 3", "sh", "-c", "ls / >/dev/null; exit 5", cwd=tmp_path)
    assert done.code == 5
    assert "the command of -o exec <&-; exit 3 exited with 3" in done.err
    assert "lines lost" in done.err


def test_variables(tmp_path: Path) -> None:
    done = renacer(
        "-o", "/dev/null", "-E", "ADDED=1", "-E", "HOME=/x", "-E", "LANG", "env", cwd=tmp_path,
        env={"HOME": "/root", "LANG": "C", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    lines = done.out.splitlines()
    assert "ADDED=1" in lines
    assert "HOME=/x" in lines
    assert not [line for line in lines if line.startswith("LANG=")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can become another user")
def test_as_another_user() -> None:
    # By their places: PATH may lead through folders that another user may not enter.
    words = ("/bin/sh", "-c", "PATH=/usr/bin:/bin; id -u; id -g; id -G")
    done = renacer("-o", "/dev/null", "-u", "nobody", *words)
    entry = pwd.getpwnam("nobody")
    groups = sorted(os.getgrouplist("nobody", entry.pw_gid))
    uid, gid, *rest = done.out.splitlines()
    assert (int(uid), int(gid)) == (entry.pw_uid, entry.pw_gid)
    assert sorted(map(int, rest[0].split())) == groups


def test_no_lines_of_exits() -> None:
    done = renacer("-qq", "sh", "-c", "true & wait")
    assert "exit_group" in done.err
    assert "+++" not in done.err
    assert "calls" not in done.err  # nor the last line


@pytest.mark.needs("strace")
@pytest.mark.parametrize("options", [
    "--trace=%file --failed-only", "--trace-path=/etc/passwd", "--successful-only --trace=read",
    "--status=failed", "--signal=none --trace=none", "--seccomp-bpf -f --trace=close",
    "-e quiet=exit -e trace=close", "-e decode-fds=path -e read",
])  # fmt: skip
def test_long_names_of_straces(options: str, tmp_path: Path) -> None:
    command = ["sh", "-c", "kill -USR1 $$; cat /etc/passwd"]
    theirs = tmp_path / "theirs"
    strace = ["strace", "-f", *options.replace(" -f ", " ").split(), "-o", str(theirs), *command]
    subprocess.run(strace, check=False, capture_output=True)
    renacer(*options.split(), "-o", "ours", *command, cwd=tmp_path)
    expected, ours = (without_numbers(path.read_text()) for path in (theirs, tmp_path / "ours"))
    assert ours == expected


def without_numbers(text: str) -> list[str]:
    """Lines without ids, addresses and large numbers, which have more digits in one run than in
    another; before each the column of its result, where that is padded."""
    rule = re.compile(r"(?:(?<=kill\()\d+|(?<=si_pid=)\d+|0x[0-9a-f]+|\d{3,}) *")
    lines = []
    for line in text.splitlines():
        told = re.sub(r"^\d+ +", "", line)
        padded = re.search(r"\)  +(?== )", told)
        column = padded.end() if padded else 0
        lines.append(f"{column} " + rule.sub("N", re.sub(r"\) +(?== )", ") ", told)))
    return lines


def test_separate_files_by_their_long_name(tmp_path: Path) -> None:
    renacer("--output-separately", "-o", "of", "sh", "-c", "true & wait", cwd=tmp_path)
    assert len(list(tmp_path.glob("of.*"))) == 2
