# SPDX-License-Identifier: MIT
"""The file of a golden trace: what goes in comes out; what is damaged is refused, cheaply."""

from __future__ import annotations

import contextlib
import importlib.util
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from renacer_otel.analysis.golden import golden_file, golden_pb2, model
from renacer_otel.errors import OutputError, TraceNotFound, TraceUnreadable
from tests.golden.made import goldens

ROOT = Path(__file__).resolve().parents[2]
EMPTY = model.Golden("x", ("true",), 1, "0", model.Canonical((), (), model.Figures(), {}))


def _framed(body: bytes, version: int = model.FORM_VERSION) -> bytes:
    return struct.pack("<8sIIQ", b"RNGOLDEN", version, zlib.crc32(body), len(body)) + body


@settings(deadline=None, max_examples=25)
@given(goldens())
def test_what_goes_in_comes_out(golden: model.Golden) -> None:
    data = golden_file.dump(golden)
    assert golden_file.load(data) == golden
    assert golden_file.dump(golden) == data


@settings(deadline=None, max_examples=25)
@given(goldens(), st.data())
def test_a_cut_or_changed_file_is_refused(golden: model.Golden, data: st.DataObject) -> None:
    whole = golden_file.dump(golden)
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match=r"golden trace|damaged|version"):
        golden_file.load(whole[:at])
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"golden trace|damaged|version"):
        golden_file.load(bytes(changed))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
@example(b"\x2a\x04\x0a\x02\x0a\x00")
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(golden_file.load(_framed(body)), model.Golden)


def test_newer_versions_are_told(tmp_path: Path) -> None:
    path = tmp_path / "newer.golden"
    path.write_bytes(_framed(b"", model.FORM_VERSION + 1))
    with pytest.raises(TraceUnreadable, match="newer") as caught:
        golden_file.read(path)
    assert caught.value.analysis_exit_code == 3


def test_a_file_that_is_absent_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(TraceNotFound) as caught:
        golden_file.read(tmp_path / "none.golden")
    assert caught.value.analysis_exit_code == 2
    with pytest.raises(TraceUnreadable):
        golden_file.read(tmp_path)
    with pytest.raises(OutputError):
        golden_file.write(EMPTY, tmp_path / "no" / "such.golden")


def test_a_write_replaces_the_former_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.golden"
    golden_file.write(EMPTY, path)
    golden_file.write(EMPTY, path)
    assert golden_file.read(path) == EMPTY
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.golden"]


def _bodies() -> dict[str, bytes]:
    """Bodies that say little and would cost much, or that do not fit together."""
    many = golden_file.MOST_BYTES // 2 - 100

    def field(number: int, data: bytes) -> bytes:
        size, length = b"", len(data)
        while length > 0x7F:
            size += bytes([length & 0x7F | 0x80])
            length >>= 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + data

    runs = b"\x18\x01"
    return {
        "a million empty roles": runs + field(5, b"\x0a\x00" * (many - 10)),
        "a million empty items": runs + field(5, field(1, b"\x4a\x00" * (many - 20))),
        "a role before its parent": runs + field(5, field(1, field(4, b"p9"))),
        "a call that is not there": runs + field(5, field(1, field(10, b"\x0a\x01\x05"))),
        "a range that ends before it begins": runs + field(5, field(1, field(5, b"\x08\x05"))),
        "a rank that there is not": runs + field(5, field(1, field(9, field(1, b"\x20\x09")))),
        "of no run": b"",
    }


@pytest.mark.parametrize("what", list(_bodies()))
def test_hostile_bodies(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.golden"
    path.write_bytes(_framed(_bodies()[what]))
    with pytest.raises(TraceUnreadable, match="damaged"):
        golden_file.read(path)


def test_a_file_is_read_as_far_as_one_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "x.golden"
    with path.open("wb") as file:
        file.write(_framed(b""))
        file.truncate(1 << 36)
    with pytest.raises(TraceUnreadable, match="damaged"):
        golden_file.read(path)


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location(
        "generate_proto", ROOT / "scripts" / "generate_proto.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_messages_are_those_of_the_proto() -> None:
    generator = _generator()
    text = (ROOT / "proto" / "golden.proto").read_text()
    # Not the module's text: another protobuf may serialise or show it in another way.
    file = golden_pb2.Golden.DESCRIPTOR.file
    made = generator.described(text)
    there = type(made)()
    file.CopyToProto(there)
    for message in (*made.message_type, *there.message_type):
        for field in (*message.field, *(f for inner in message.nested_type for f in inner.field)):
            field.ClearField("json_name")
    assert there == made


def test_what_the_generator_does_not_understand_it_refuses() -> None:
    generator = _generator()
    head = 'syntax = "proto3";\npackage a.b;\n'
    for body in (
        "message A { oneof x { int64 y = 1; } }",
        "message A { int64 y; }",
        "service S {}",
    ):
        with pytest.raises(ValueError, match="not understood"):
            generator.described(head + body)
