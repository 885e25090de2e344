# SPDX-License-Identifier: MIT
"""Records a command in a process of its own: that of the tests traces nothing, and stays as it is.

The command has the streams, the folder and the environment that subprocess would give it.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from renacer_otel import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Word = str | bytes | os.PathLike[str] | os.PathLike[bytes]

#: Whatever PYTHON… variables and the folder say, it is the package that we are of.
BOOT = (
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1));"
    "from renacer_otel.cli.recorder import main; sys.exit(main(sys.argv[1:]))"
)
PACKAGES = str(Path(errors.__file__).parents[1])
#: Of errors.py: it is the machine that does not let us.
FORBIDDEN = ("TracingForbidden", "KernelTooOld")


class Forbidden(Exception):  # noqa: N818 (as that of errors.py)
    """Tracing is not possible here; the message says why, in one line."""


class RecorderError(RuntimeError):
    """The tracer failed; the message says how, in one line."""


class Recorded(NamedTuple):
    """`wait_status` as of waitpid; `messages`: what the tracer had to tell, such as losses."""

    wait_status: int
    stdout: bytes
    stderr: bytes
    messages: tuple[str, ...]


def record(
    command: Sequence[Word],
    trace: str,
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    options: Iterable[str] = (),
) -> Recorded:
    """Runs the command to its end, into the TRACE file `trace`; `options`: more of `run`'s.

    Raises Forbidden, RecorderError, and what subprocess.run raises: FileNotFoundError,
    PermissionError, TimeoutExpired.
    """
    __tracebackhide__ = True
    words = words_of(command)
    options = ["--format", "record", "-o", trace, "--quiet=attach", "--no-propagate", *options]
    with tempfile.TemporaryFile() as status, tempfile.TemporaryFile() as environ:
        given, passed = "-", [status.fileno()]
        if env is not None:
            write_environ(environ, env)
            given = str(environ.fileno())
            passed.append(environ.fileno())
        python: list[str] = [sys.executable, "-c", BOOT, PACKAGES]
        with started(
            [*python, str(status.fileno()), given, *options, "--", *words],
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=passed,
        ) as tracer:
            try:
                out, err = tracer.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                tracer.kill()  # and so the kernel kills all that it traces
                out, err = tracer.communicate()
                assert timeout is not None
                raise subprocess.TimeoutExpired(words, timeout, out, err) from None
            except BaseException:
                tracer.kill()
                raise
        told = _told(status)
    messages = tuple(str(each["message"]) for each in told if "message" in each)
    end = told[-1] if told else {}
    if "wait_status" in end:
        return Recorded(int(end["wait_status"]), out, err, messages)
    if "error" in end:
        raise failure(end, words[0])
    how = f"it exited with {tracer.returncode}"
    raise RecorderError(f"the tracer did not tell its end; {how}: {_last(err)}")


def started(words: Sequence[str | bytes], **how: Any) -> subprocess.Popen[bytes]:
    """As subprocess.Popen does; a folder that is wrong is told without the inside of subprocess."""
    __tracebackhide__ = True
    try:
        return subprocess.Popen(words, **how)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, error.filename) from None


def write_environ(file: IO[bytes], env: Mapping[str, str]) -> None:
    """NAME=VALUE and a zero each, from the file's beginning. ValueError as of subprocess."""
    __tracebackhide__ = True
    for name, value in env.items():
        entry = os.fsencode(name) + b"=" + os.fsencode(value)
        if not name or "=" in name or b"\0" in entry:
            shown = errors.one_line(name, 60)
            raise ValueError(f"illegal environment variable: {shown!r}")
        file.write(entry + b"\0")
    file.flush()
    file.seek(0)


def words_of(command: Sequence[Word]) -> list[str | bytes]:
    """The words of a command. TypeError: it is none, or a text."""
    __tracebackhide__ = True
    if isinstance(command, (str, bytes, os.PathLike)):
        try:
            meant = shlex.split(os.fsdecode(command))
        except ValueError:
            meant = ["sh", "-c", os.fsdecode(command)]
        raise TypeError(f"the command must be a list of words: write {meant}")
    words = [os.fspath(word) for word in command]
    if not words:
        raise TypeError("the command must be a list of words, its name first; it is empty")
    return words


def failure(told: Mapping[str, Any], command: str | bytes) -> Exception:
    """The exception for an error that the recorder told."""
    name, text = str(told["error"]), str(told["text"])
    if name in FORBIDDEN:
        return Forbidden(text)
    if name == "CommandNotFound":
        return FileNotFoundError(errno.ENOENT, text, os.fsdecode(command))
    if name == "CommandNotExecutable":
        return PermissionError(errno.EACCES, text, os.fsdecode(command))
    return RecorderError(text)


def _told(status: IO[bytes]) -> list[dict[str, Any]]:
    status.seek(0)
    return [json.loads(line) for line in status.read().splitlines()]


def _last(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return errors.one_line(lines[-1]) if lines else "and said nothing"
