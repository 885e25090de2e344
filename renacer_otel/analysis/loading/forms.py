# SPDX-License-Identifier: MIT
"""What form a trace has, and who reads it."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from renacer_otel.analysis.loading import otlp_json, renacer_json
from renacer_otel.errors import TraceUnreadable, one_line
from renacer_otel.ring import trace_file, trace_format
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

_MAGIC = trace_format.MAGIC[:7]  # its last byte is a version
# What else a file begins with that may be one of these: what it is, and what helps.
_WRAPPED = {
    b"\x1f\x8b": "packed by gzip; unpack it first (gunzip)",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it first (unzstd)",
    b"\xfd7zXZ": "packed by xz; unpack it first (unxz)",
    b"\xff\xfe": "UTF-16; write it as UTF-8",
    b"\xfe\xff": "UTF-16; write it as UTF-8",
}


def load(
    path: str | os.PathLike[str],
    *,
    details: bool = True,
    shown: bool = False,
    portable: bool = False,
) -> replay.Replay:
    """A trace of any form: records (TRACE), OTLP/JSON, renacer-json of Renacer or of a golden.

    What another form than records lacks stands in its `lacks` and `unknown`. `details`: what calls
    were given, too; `shown`: of records also in words; `portable`: as replay.of_trace()
    has it.

    Raises TraceNotFound, TraceUnreadable, MemoryError.
    """
    with _no_collections():
        return _load(os.fspath(path), details=details, shown=shown, portable=portable)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without Python's search for cycles: there are none, and it looks at all values again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(name: str, *, details: bool, shown: bool, portable: bool) -> replay.Replay:
    with trace_file.open_file(name) as file:
        # A pipe can only be read on, and so is taken for records.
        head = file.peek(len(_MAGIC))[: len(_MAGIC)]
        if not _MAGIC.startswith(head):
            told = one_line(name, 120)
            if not file.seekable():
                raise TraceUnreadable(
                    f"{told}: not a TRACE file, and others cannot be read from a pipe; save it in"
                    " a file"
                )
            return _of_json(file, told, details=details)
        reader = trace_file.read_from(file, name)
        return replay.of_reader(reader, details=details, shown=shown, portable=portable)


def _of_json(file: BufferedReader, name: str, *, details: bool) -> replay.Replay:
    if otlp_json.is_one(file):
        return otlp_json.load(file, name, details=details)
    begin = renacer_json.find(file)
    if begin is None:
        file.seek(0)
        head = file.read(8)
        for magic, what in _WRAPPED.items():
            if head.startswith(magic):
                raise TraceUnreadable(f"{name}: not a TRACE file, but {what}")
        raise TraceUnreadable(
            f"{name}: not a TRACE file, nor OTLP/JSON, nor renacer-json-v1; make one with --format"
            " record"
        )
    return renacer_json.load(file, name, begin, details=details)
