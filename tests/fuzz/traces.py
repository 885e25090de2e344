# SPDX-License-Identifier: MIT
"""Fuzz target: TRACE files, through the reader, the core's replay, and the commands."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import zstandard

from renacer_otel.analysis.loading import load
from renacer_otel.errors import RenacerError
from renacer_otel.ring import trace_format as form
from tests.fuzz import commands, corpus
from tests.fuzz.mutation import damaged, damaged_json, number

if TYPE_CHECKING:
    import random
    from pathlib import Path


class Frame:
    """A frame that can be written again, its checksums right."""

    def __init__(self, header: form.FrameHeader, raw: bytes) -> None:
        self.type, self.codec, self.first_seq = header.type, header.codec, header.first_seq
        self.raw = raw
        self.told_raw: int | None = None

    def packed(self) -> bytes:
        """With its head."""
        stored = self.raw
        if self.codec == form.CODEC_ZSTD:
            stored = zstandard.ZstdCompressor(level=1).compress(self.raw)
        raw = len(self.raw) if self.told_raw is None else self.told_raw & 0xFFFFFFFF
        header = form.FrameHeader(
            self.type, self.codec, len(stored), raw, self.first_seq, zlib.crc32(stored)
        )
        return form.pack_header(header) + stored


def frames_of(data: bytes) -> list[Frame]:
    """Of a sound file."""
    at, found = form.FILE_HEADER.size, []
    while at < len(data):
        header = form.unpack_header(data[at : at + form.FRAME_HEADER_SIZE])
        assert header is not None
        at += form.FRAME_HEADER_SIZE
        raw = data[at : at + header.stored]
        at += header.stored
        if header.codec == form.CODEC_ZSTD:
            raw = zstandard.ZstdDecompressor().decompress(raw)
        found.append(Frame(header, raw))
    return found


class Target:
    """See the module's docstring."""

    def __init__(self, folder: Path) -> None:
        self._files = corpus.traces(folder)
        self._path = folder / "trace"
        self._commands = commands.Commands(folder, self._path)
        self._turn = 0

    def make(self, rng: random.Random) -> bytes:
        """A file: its bytes damaged, or what its checksums cover."""
        data = rng.choice(self._files)
        if rng.random() < 0.15:
            return damaged(rng, data)
        frames = frames_of(data)
        for _ in range(rng.randint(1, 2)):
            frame = rng.choice(frames)
            match rng.randrange(8):
                case 0:
                    frames.remove(frame)
                case 1:
                    frames.insert(rng.randrange(len(frames) + 1), frame)
                case 2:
                    frame.type = rng.randrange(5)
                case 3:
                    frame.first_seq = number(rng)
                case 4:
                    frame.told_raw = number(rng)
                case 5:
                    frame.codec ^= 1
                case _:
                    self._damage(rng, frame)
            if not frames:
                break
        return data[: form.FILE_HEADER.size] + b"".join(each.packed() for each in frames)

    @staticmethod
    def _damage(rng: random.Random, frame: Frame) -> None:
        if frame.type != form.RECORDS:
            frame.raw = damaged_json(rng, frame.raw)
            return
        frame.raw = damaged(rng, frame.raw)
        if rng.random() < 0.5:
            frame.raw = frame.raw[: len(frame.raw) & ~7]

    def run(self, data: bytes) -> None:
        """Raises what breaks a promise."""
        self._path.write_bytes(data)
        self._turn += 1
        if self._turn % 16 == 0:
            self._commands.run(self._turn // 16)
            return
        try:
            load(self._path, shown=self._turn % 2 == 0, portable=self._turn % 4 == 0)
        except RenacerError as error:
            commands.check_error(error)

    def close(self) -> None:
        """Nothing is open."""
