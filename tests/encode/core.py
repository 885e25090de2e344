# SPDX-License-Identifier: MIT
"""The encoders of the core, compiled for tests and called from Python.

Structures are declared to cffi from the core's own headers, so a layout cannot drift.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cffi

from tests.compiling import making

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native"

HEADERS = ("event", "syscalls", "span", "encode", "redact")
# What encode/ stands on; the engine is not needed and does not build everywhere.
FOLDERS = ("encode", "decode", "ring", "spans")

# Private to decode/ and encode/, declared by decode.h and attributes.h.
PRIVATE = """
bool rn_arg_is_void(const struct rn_call *call, unsigned arg);
size_t rn_utf8_escape_to(uint8_t *out, size_t room, const void *data, size_t len, size_t limit,
                         bool *cut);
"""

ATTR_MAX = 16384
SPAN_MAX = 128 * 1024
EVENT_MAX = 256 * 1024


def declarations(cc: str) -> str:
    """The contracts as cffi's parser takes them: no macros, no inline bodies."""
    source = "".join((NATIVE / "include/renacer" / f"{name}.h").read_text() for name in HEADERS)
    source = re.sub(r"^#include.*$", "", source, flags=re.M)
    text = subprocess.run(
        [cc, "-E", "-P", "-"], input=source, capture_output=True, text=True, check=True
    ).stdout
    text = re.sub(r"_Static_assert\s*\(.*?\)\s*;", "", text, flags=re.S)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)\)", "", text, flags=re.S)
    return re.sub(r"static inline[^{]*\{.*?\n?\}", "", text, flags=re.S) + PRIVATE


def build(cc: str, folder: Path) -> Path:
    """Compiles the encoders and what they need into a library in ``folder``, once for all."""
    sources = [str(path) for name in FOLDERS for path in sorted((NATIVE / name).glob("*.c"))]
    # Not -O1: it takes three times as long to compile, and nothing here runs for long.
    flags = "-std=c11 -D_GNU_SOURCE= -O0 -fPIC -shared -pthread".split()
    includes = [f"-I{NATIVE / 'include'}", f"-I{NATIVE}"]
    library = folder / "libencode.so"
    with making(library) as being_made:
        if being_made is not None:
            subprocess.run([cc, *flags, *includes, "-o", being_made, *sources], check=True)
    return library


@dataclass(frozen=True)
class Piece:
    """Captured data of one argument."""

    type: int
    arg: int
    data: bytes = b""
    total: int = 0
    flags: int = 0

    def pack(self) -> bytes:
        head = struct.pack("<BBHIQ", self.type, self.arg, self.flags, len(self.data), self.total)
        return head + self.data + bytes(-len(self.data) % 8)


@dataclass
class Core:
    """The compiled encoders; what is made for a call is kept alive by ``keep``."""

    ffi: Any
    lib: Any
    keep: list[Any] = field(default_factory=list)

    def escape(self, data: bytes, limit: int) -> bytes:
        buf = self.ffi.new("struct rn_buf *")
        self.lib.rn_buf_init(buf)
        try:
            self.lib.rn_utf8_escape(buf, data, len(data), limit)
            assert not buf.failed
            return bytes(self.ffi.buffer(buf.data, buf.len)) if buf.len else b""
        finally:
            self.lib.rn_buf_deinit(buf)

    def escape_to(self, room: int, data: bytes) -> tuple[bytes, bool]:
        """rn_utf8_escape_to() with a guard behind its room."""
        out = self.ffi.new("uint8_t[]", b"\xaa" * (room + 16))
        cut = self.ffi.new("bool *")
        n = self.lib.rn_utf8_escape_to(out, room, data, len(data), len(data), cut)
        assert n <= room
        assert bytes(self.ffi.buffer(out + room, 16)) == b"\xaa" * 16
        return bytes(self.ffi.buffer(out, n)), bool(cut[0])

    def encode(self, name: str, trace: Any, thing: Any) -> bytes:
        """One span: ``name`` is otlp_call, json_run and so on."""
        buf = self.ffi.new("struct rn_buf *")
        self.lib.rn_buf_init(buf)
        try:
            getattr(self.lib, f"rn_{name}")(buf, trace, thing)
            assert not buf.failed
            return bytes(self.ffi.buffer(buf.data, buf.len))
        finally:
            self.lib.rn_buf_deinit(buf)

    def text(self, value: bytes) -> Any:
        """A C string that lives until the next :meth:`forget`."""
        chars = self.ffi.new("char[]", value)
        self.keep.append(chars)
        return chars

    def forget(self) -> None:
        self.keep.clear()

    def trace(self, realtime: int, monotonic: int) -> Any:
        trace = self.ffi.new("struct rn_trace *")
        trace.realtime_anchor = realtime
        trace.monotonic_anchor = monotonic
        trace.string_limit = 32
        return trace

    def desc(self, name: bytes | None, args: Sequence[tuple[str, int]]) -> Any:
        """A description of our own making, of (parameter, kind) pairs."""
        array = self.ffi.new("struct rn_arg_desc[]", max(len(args), 1))
        for slot, (arg_name, kind) in zip(array, args, strict=False):
            slot.name = self.text(arg_name.encode())
            slot.kind = kind
        desc = self.ffi.new("struct rn_syscall_desc *")
        desc.name = self.ffi.NULL if name is None else self.text(name)
        desc.nargs = len(args)
        desc.args = array
        self.keep += [array, desc]
        return desc

    def record(self, pieces: Sequence[Piece]) -> Any:
        """A record that carries ``pieces``, as the core itself accepts it."""
        body = b"".join(piece.pack() for piece in pieces)
        size = self.ffi.sizeof("struct rn_event") + len(body)
        # u64s, for the alignment that records have
        memory = self.ffi.new("uint64_t[]", size // 8)
        event = self.ffi.cast("struct rn_event *", memory)
        event.size = size
        event.kind = self.lib.RN_SYSCALL
        event.abi = self.lib.RN_ABI_X86_64
        event.pieces = len(pieces)
        self.ffi.buffer(memory)[self.ffi.sizeof("struct rn_event") : size] = body
        assert self.lib.rn_event_check(event, size) == size, "the test made a bad record"
        self.keep.append(memory)
        return event


def load(cc: str, folder: Path) -> Core:
    """Compiles and opens the encoders."""
    ffi = cffi.FFI()
    ffi.cdef(declarations(cc))
    return Core(ffi, ffi.dlopen(str(build(cc, folder))))
