# SPDX-License-Identifier: MIT
"""The file of a golden trace: what goes in comes out; what is damaged is refused, cheaply."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from renacer_otel.analysis.golden import golden_file, golden_pb2, model
from renacer_otel.analysis.golden.rules import RULES
from renacer_otel.errors import OutputError, TraceNotFound, TraceUnreadable
from tests.golden.hostile import framed
from tests.golden.made import goldens

ROOT = Path(__file__).resolve().parents[2]
EMPTY = model.Golden(
    "x", ("true",), 1, "0", model.Canonical((), (), model.Figures(), {}), rules=tuple(RULES)
)


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
        assert isinstance(golden_file.load(framed(body)), model.Golden)


def test_words_that_are_no_utf_8() -> None:
    """Of the command line, and of the folder that is copied."""
    golden = dataclasses.replace(EMPTY, command=("cat", "a\udcff\udced.é"), copy_of="b\udc80")
    data = golden_file.dump(golden)
    assert golden_file.load(data) == golden
    assert b"a\xff\xed.\xc3\xa9" in data


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


def test_a_file_is_read_as_far_as_one_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "x.golden"
    with path.open("wb") as file:
        file.write(framed(b""))
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
