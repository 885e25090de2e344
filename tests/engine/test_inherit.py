# SPDX-License-Identifier: MIT
"""What the command gets from its caller is what it would get without us; nothing of ours."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.tools import Done, environment, execute, export, same, traced

# A tracer's marks that no tracer can hide (the queue of pending signals is counted per user).
_VARIES = re.compile(r"SigQ:.*\n|fd \d+ (pipe|socket):\[\d+\]\n|session \d+ group \d+")


def stable(done: Done) -> Done:
    return Done(done.status, _VARIES.sub("", done.output), done.errors)


def test_limits_masks_identity_and_descriptors(subject: Path, tmp_path: Path) -> None:
    """With files, pipes and numbers in between that the caller left open."""
    script = (
        'umask 027; ulimit -n 200 -c 0 -s 4096; cd "$1"; exec 5</dev/null 9>extra 7>&1; shift;'
        ' exec nice -n 3 "$@"'
    )
    before = ["bash", "-c", script, "bash", tmp_path]
    bare = execute([*before, subject, "inherit"])
    assert bare.status == 0, bare
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19)  # the tests may run niced
    assert f"umask 27 nice {nice}" in bare.output
    assert "fd 9" in bare.output
    for options in [("-o", os.devnull), ("--format", "record", "-o", tmp_path / "x.renacer")]:
        seen = execute([*before, *traced(*options), subject, "inherit"])
        assert stable(seen) == stable(bare)
        assert numbers(seen) == numbers(bare)
    exported = export([subject, "inherit"])
    plain = execute([subject, "inherit"])
    assert stable(exported.done) == stable(plain)
    assert numbers(exported.done) == numbers(plain)


def numbers(done: Done) -> list[str]:
    """Descriptors that are open in the command."""
    return re.findall(r"^fd (\d+)", done.output, re.MULTILINE)


def test_text_to_standard_error_leaves_no_descriptor(subject: Path) -> None:
    bare = execute([subject, "inherit"])
    seen = execute([*traced(), subject, "inherit"])
    assert numbers(seen) == numbers(bare)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stay_closed(tmp_path: Path, closed: str) -> None:
    """Neither a pipe nor a file of ours takes the place of a stream that the caller closed."""
    bare, seen = tmp_path / "bare", tmp_path / "seen"
    show = 'for fd in 0 1 2; do test -e /proc/$$/fd/$fd && echo "$fd" >>"$1"; done; :'
    words = ["sh", "-c", show, "sh"]
    run = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    assert execute([*run, *words, bare]).status == 0
    trace = tmp_path / "trace"
    assert execute([*run, *traced("-o", trace), *words, seen]).status == 0
    assert (seen.read_text() if seen.exists() else "") == (
        bare.read_text() if bare.exists() else ""
    )
    assert "exit_group(0)" in trace.read_text()


def test_session_and_process_group_are_the_caller_s() -> None:
    show = [sys.executable, "-ISc", "import os; print(os.getsid(0), os.getpgid(0))"]
    process = subprocess.Popen(
        [str(word) for word in [*traced("-o", os.devnull), *show]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    output, _ = process.communicate(timeout=30)
    assert output.split() == [str(process.pid)] * 2


def printed(words: list[str | Path], env: dict[str, str]) -> list[str]:
    """Environment that a command gets, in order."""
    return execute([*words, "env", "-0"], env).output.split("\0")[:-1]


@pytest.mark.parametrize(
    "env",
    [
        {"PATH": os.environ["PATH"]},
        {"PATH": os.environ["PATH"], "LC_ALL": "C", "B": "", "A": "x=y=z"},
        {"PATH": os.environ["PATH"], "LANG": "C", "traceparent": "lower", "OTEL_RESOURCE": "1"},
        {"PATH": os.environ["PATH"], "TRACEPARENT": "what is this", "TRACESTATE": "a=b"},
    ],
    ids=["bare", "c-locale", "lower-case", "inbound"],
)
def test_the_environment_is_equal_without_export(tmp_path: Path, env: dict[str, str]) -> None:
    env = env | {"PYTHONPATH": environment()["PYTHONPATH"]}
    bare = printed([], env)
    for options in [("-o", os.devnull), ("--format", "record", "-o", tmp_path / "x.renacer")]:
        assert printed([*traced(*options)], env) == bare


def test_the_environment_is_equal_to_the_byte() -> None:
    """What has no "=", is empty, comes twice or is no text; in its order."""
    values = ["B=2", "PATH=" + os.environ["PATH"], "A=1", "A=2", "no equals sign", "", "Z=\xff"]
    values.append("PYTHONPATH=" + environment()["PYTHONPATH"])
    # execve() of the C library takes what os.execve() does not.
    script = (
        "import ctypes, sys\n"
        "libc = ctypes.CDLL(None)\n"
        "count = int(sys.argv[1])\n"
        "texts = [word.encode('latin-1') for word in sys.argv[2:2 + count]]\n"
        "words = [word.encode() for word in sys.argv[2 + count:]]\n"
        "array = lambda items: (ctypes.c_char_p * (len(items) + 1))(*items, None)\n"
        "libc.execve(words[0], array(words), array(texts))\n"
    )
    show = [sys.executable, "-ISc", "print(open('/proc/self/environ', 'rb').read())"]
    before = [sys.executable, "-ISXutf8", "-c", script, str(len(values)), *values]
    bare = execute([*before, *show])
    assert bare.output.count("A=") == 2
    assert r"Z=\xff" in bare.output
    assert execute([*before, *traced("-o", os.devnull), *show]) == bare


def test_exporting_adds_three_variables_and_changes_nothing_else() -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": environment()["PYTHONPATH"], "X": "1"}
    bare = printed([], env)
    run = export(["env", "-0"], env=env)
    seen = run.done.output.split("\0")[:-1]
    more = [entry for entry in seen if entry not in bare]
    names = [entry.partition("=")[0] for entry in more]
    assert names == ["RENACER_MARKERS", "TRACEPARENT", "TRACESTATE"]
    assert [entry for entry in seen if entry in bare] == bare


def test_a_file_size_limit_is_the_command_s(tmp_path: Path) -> None:
    """SIGXFSZ ends the writer: we do not leave it ignored, as Python has it."""
    script = "ulimit -f 1; exec dd if=/dev/zero of=f bs=4096 count=9 2>/dev/null"
    assert same(["bash", "-c", script], cwd=tmp_path).status == -signal.SIGXFSZ
