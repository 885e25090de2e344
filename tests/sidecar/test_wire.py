# SPDX-License-Identifier: MIT
"""The tracer's own reader and writer of frames, held against the official classes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.sidecar import wire
from renacer_otel.sidecar.sidecar_pb2 import Frame
from tests.scale import examples

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {name: kind.number for name, kind in Frame.DESCRIPTOR.fields_by_name.items()}


def strategy(field: Any) -> st.SearchStrategy[Any]:
    one = {
        field.TYPE_BYTES: st.binary(max_size=20),
        field.TYPE_STRING: st.text(max_size=20).filter(lambda text: text.isprintable()),
        field.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
        field.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
        field.TYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1),
        field.TYPE_BOOL: st.booleans(),
    }[field.type]
    return st.lists(one, max_size=3) if is_repeated(field) else one


def is_repeated(field: Any) -> bool:
    default = getattr(type_of(field.containing_type.name)(), field.name)
    return not isinstance(default, (int, str, bytes, bool))


def type_of(name: str) -> Any:
    return type(getattr(Frame(), name.lower()))


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(NUMBERS)))
    fields = Frame.DESCRIPTOR.fields_by_name[name].message_type.fields
    return name, {field.name: draw(strategy(field)) for field in fields}


@settings(max_examples=examples(600))
@given(messages())
def test_what_is_written_is_what_the_official_classes_read(
    said: tuple[str, dict[str, Any]],
) -> None:
    name, values = said
    numbers = Frame.DESCRIPTOR.fields_by_name[name].message_type.fields_by_name
    data = wire.frame(NUMBERS[name], {numbers[key].number: each for key, each in values.items()})
    assert wire.length_of(data) == len(data) - wire.HEAD
    frame = Frame.FromString(data[wire.HEAD :])
    assert [field.name for field, _ in frame.ListFields()] == [name]
    found = getattr(frame, name)
    for key, value in values.items():
        there = getattr(found, key)
        assert (list(there) if isinstance(value, list) else there) == value


@settings(max_examples=examples(300))
@given(messages())
def test_what_the_official_classes_write_is_read(said: tuple[str, dict[str, Any]]) -> None:
    name, values = said
    frame = Frame(**{name: values})
    getattr(frame, name).SetInParent()
    kind, fields = wire.opened(frame.SerializeToString())
    assert kind == NUMBERS[name]
    numbers = Frame.DESCRIPTOR.fields_by_name[name].message_type.fields_by_name
    for key, value in values.items():
        if isinstance(value, str):
            assert wire.text(fields, numbers[key].number) == value
        elif isinstance(value, int) and value >= 0:
            assert wire.number(fields, numbers[key].number) == value


@settings(max_examples=examples(900))
@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    try:
        kind, fields = wire.opened(data)
    except wire.WireError:
        return
    assert kind >= 0
    assert all(isinstance(key, int) for key in fields)


@pytest.mark.parametrize("length", [0, wire.MAX_FRAME + 1, 0xFFFF_FFFF])
def test_lengths_that_no_frame_has(length: int) -> None:
    with pytest.raises(wire.WireError):
        wire.length_of(length.to_bytes(4, "big"))


def test_a_frame_that_is_too_long_is_not_written() -> None:
    with pytest.raises(wire.WireError):
        wire.frame(wire.REGISTER, {8: "x" * wire.MAX_FRAME})


def test_the_messages_are_those_of_the_proto() -> None:
    spec = importlib.util.spec_from_file_location(
        "generate_proto", ROOT / "scripts" / "generate_proto.py"
    )
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generator
    spec.loader.exec_module(generator)
    made = generator.described((ROOT / "proto" / "sidecar.proto").read_text(), "sidecar.proto")
    there = type(made)()
    Frame.DESCRIPTOR.file.CopyToProto(there)
    for message in (*made.message_type, *there.message_type):
        for field in message.field:
            field.ClearField("json_name")
    assert there == made
