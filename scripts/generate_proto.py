#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the modules of the messages in proto/.

Each holds a serialised descriptor, as protoc's does, without its check of the runtime's
version: any protobuf that the other dependencies take can load it. Understands what our files use:
messages and enums side by side, scalar fields, repeated, map.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent


class File(NamedTuple):
    """A file of proto/, the module that is made of it, and the one message that it offers."""

    source: str
    target: str
    message: str
    told: str


FILES = (
    File(
        "golden.proto",
        "renacer_otel/analysis/golden/golden_pb2.py",
        "Golden",
        "Messages of a golden trace.",
    ),
    File(
        "sidecar.proto",
        "renacer_otel/sidecar/sidecar_pb2.py",
        "Frame",
        "Messages between a tracer and the sidecar.",
    ),
)

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "int64": _FIELD.TYPE_INT64,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "bool": _FIELD.TYPE_BOOL,
}
_BLOCK = re.compile(r"(message|enum) (\w+) \{(.*?)\}", re.S)
_LINE = re.compile(r"(?:(repeated) )?(?:map<(\w+), (\w+)>|(\w+)) (\w+) = (\d+);")
_VALUE = re.compile(r"(\w+) = (\d+);")


def described(text: str, name: str = "golden.proto") -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of a .proto. ValueError: something in it is not understood."""
    text = re.sub(r"//[^\n]*", "", text)
    head = re.match(r'\s*syntax = "proto3";\s*package ([\w.]+);', text)
    if head is None:
        raise ValueError("no syntax and package")
    file = descriptor_pb2.FileDescriptorProto(name=name, package=head[1], syntax="proto3")
    blocks = _BLOCK.findall(text)
    rest = _BLOCK.sub("", text[head.end() :]).strip()
    if rest:
        raise ValueError(f"not understood: {rest[:60]}")
    enums = {name for what, name, _ in blocks if what == "enum"}
    for what, name, body in blocks:
        if what == "enum":
            enum = file.enum_type.add(name=name)
            for word, number in _matches(_VALUE, body):
                enum.value.add(name=word, number=int(number))
        else:
            _message(file.message_type.add(name=name), body, enums, head[1])
    return file


def _matches(form: re.Pattern[str], body: str) -> list[tuple[str, ...]]:
    rest = form.sub("", body).strip()
    if rest:
        raise ValueError(f"not understood: {rest[:60]}")
    return form.findall(body)


def _message(
    message: descriptor_pb2.DescriptorProto, body: str, enums: set[str], package: str
) -> None:
    for repeated, key, value, kind, name, number in _matches(_LINE, body):
        field = message.field.add(name=name, number=int(number))
        field.label = _FIELD.LABEL_REPEATED if repeated or key else _FIELD.LABEL_OPTIONAL
        if not key:
            _set_type(field, kind, enums, package)
            continue
        entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        for part, part_kind, part_number in (("key", key, 1), ("value", value, 2)):
            inner = entry.field.add(name=part, number=part_number, label=_FIELD.LABEL_OPTIONAL)
            _set_type(inner, part_kind, enums, package)
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry.name}"


def _set_type(
    field: descriptor_pb2.FieldDescriptorProto, kind: str, enums: set[str], package: str
) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _FIELD.TYPE_ENUM if kind in enums else _FIELD.TYPE_MESSAGE
    field.type_name = f".{package}.{kind}"


def _quoted(data: bytes) -> str:
    """A literal as the formatter writes it."""
    text = repr(data)[2:-1]
    return f'b"{text}"' if '"' not in text else repr(data)


def module(file: File) -> str:
    """The module's source."""
    described_file = described((ROOT / "proto" / file.source).read_text(), file.source)
    data = described_file.SerializeToString(deterministic=True)
    lines = [data[at : at + 60] for at in range(0, len(data), 60)]
    body = "\n".join(f"    {_quoted(line)}" for line in lines)
    name = f"{described_file.package}.{file.message}"
    found = (
        f"{file.message}: Any = message_factory.GetMessageClass("
        f'_pool.FindMessageTypeByName("{name}"))'
    )
    return f'''# SPDX-License-Identifier: MIT
# Made of proto/{file.source} by scripts/generate_proto.py: do not edit.
# ruff: noqa: E501
"""{file.told}"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory

_DESCRIPTOR = (
{body}
)

_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(_DESCRIPTOR)
{found}
'''


def main() -> int:
    """Writes the modules."""
    for file in FILES:
        (ROOT / file.target).write_text(module(file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
