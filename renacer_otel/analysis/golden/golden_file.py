# SPDX-License-Identifier: MIT
"""NAME.golden: a head, and a golden trace as protobuf (proto/golden.proto).

Head, little-endian: 8 bytes "RNGOLDEN", u32 version, u32 CRC-32 of what follows, u64 its length.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import struct
import tempfile
import typing
import zlib
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.golden import model, rules
from renacer_otel.errors import OutputError, TraceUnreadable, one_line
from renacer_otel.ring import trace_file

if TYPE_CHECKING:
    from collections.abc import Callable

_MAGIC = b"RNGOLDEN"
_HEAD = struct.Struct("<8sIIQ")
_ENCODING = ("utf-8", "surrogateescape")
#: Rules that there were not before golden traces told of rules.
_LATER = frozenset({"home", "lookups"})
#: What a file may have. A message may take 2 bytes of it and more than 100 of memory.
MOST_BYTES = 2 * 1024 * 1024
MOST_PARTS = 100_000
MOST_ROLES = 5_000
MOST_RUNS = 1_000


def write(golden: model.Golden, path: str | os.PathLike[str]) -> None:
    """Writes the file whole, or leaves the former one as it is. Raises OutputError."""
    data = dump(golden)
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".golden-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise OutputError(f"{one_line(str(target), 120)}: {error.strerror}") from error


def read(path: str | os.PathLike[str]) -> model.Golden:
    """Reads a file. Raises TraceNotFound, TraceUnreadable."""
    name = one_line(os.fspath(path), 120)
    try:
        with trace_file.open_file(path, "golden trace") as file:  # which waits for nobody
            data = file.read(MOST_BYTES + _HEAD.size + 1)
    except TraceUnreadable as error:
        is_file = isinstance(error.__cause__, OSError)  # which was not let be opened
        remedy = "make it readable (chmod u+r)" if is_file else "move it away, and capture it again"
        raise TraceUnreadable(f"{error.message}; {remedy}") from error
    except OSError as error:
        raise TraceUnreadable(f"{name}: {error.strerror}") from error
    try:
        return _of_its_time(load(data))
    except ValueError as error:
        raise TraceUnreadable(f"{name}: {error}") from error


def _of_its_time(golden: model.Golden) -> model.Golden:
    """One that was captured before there was a rule is compared without it."""
    later = _LATER if not golden.rules else rules.RULES.keys() - golden.rules
    if not later:
        return golden
    form = golden.form
    kept = tuple(sorted({*form.kept, *later}))
    return dataclasses.replace(
        golden,
        form=dataclasses.replace(form, kept=kept),
        first=tuple(dataclasses.replace(first, kept=kept) for first in golden.first),
    )


def dump(golden: model.Golden) -> bytes:
    """The bytes of a file. Raises OutputError if there are too many."""
    from renacer_otel.analysis.golden import golden_pb2

    message = golden_pb2.Golden()
    _put(message, golden)
    body: bytes = message.SerializeToString(deterministic=True)
    if len(body) > MOST_BYTES or _has_too_many(golden):
        raise OutputError(
            f"the golden trace would have {len(body)} bytes, more than {MOST_BYTES} are not read:"
            " capture fewer calls (-e trace=)"
        )
    return _HEAD.pack(_MAGIC, model.FORM_VERSION, zlib.crc32(body), len(body)) + body


def load(data: bytes) -> model.Golden:
    """A golden trace from the bytes of a file. Raises ValueError, with words for the user."""
    from google.protobuf.message import DecodeError

    from renacer_otel.analysis.golden import golden_pb2

    if not data:
        raise ValueError(
            "not a golden trace but empty: its capture is not over, or was killed; capture it again"
        )
    if len(data) < _HEAD.size or data[:8] != _MAGIC:
        raise ValueError("not a golden trace")
    _, version, checksum, length = _HEAD.unpack_from(data)
    if version > model.FORM_VERSION:
        raise ValueError(
            f"golden trace of version {version}, from a newer renacer-otel; this one reads"
            f" version {model.FORM_VERSION}"
        )
    if version != model.FORM_VERSION:
        raise ValueError(f"golden trace of an unknown version, {version}: capture it again")
    body = data[_HEAD.size :]
    if length > MOST_BYTES:
        raise ValueError(f"damaged: says that it has {length} bytes")
    if len(body) != length or zlib.crc32(body) != checksum:
        raise ValueError("damaged or cut short: capture it again")
    message = golden_pb2.Golden()
    try:
        message.ParseFromString(body)
        if _has_too_many(message):
            raise ValueError("damaged: too many parts")
        # A key or a field that comes twice is there once now, and all is written in one way.
        message.DiscardUnknownFields()
        if message.ByteSize() != length:
            raise ValueError("damaged: something is in it twice, or is not known")
        golden: model.Golden = _get(model.Golden, message)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError("damaged: capture it again") from error
    _check(golden)
    return golden


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_FIGURES = (
    "calls", "read_bytes", "written_bytes", "peak_memory", "cpu_us", "off_cpu_us", "stops"
)  # fmt: skip


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")


def _put(message: Any, value: Any) -> None:
    """Fills a message from a record whose fields are called alike."""
    for name in _fields(value.__class__):
        part = getattr(value, name)
        if _is_record(part):
            inner = getattr(message, name)
            inner.SetInParent()
            _put(inner, part)
        elif isinstance(part, tuple):
            field = getattr(message, name)
            for one in part:
                if _is_record(one):
                    _put(field.add(), one)
                else:
                    field.append(_as_told(message, name, one))
        elif isinstance(part, dict):
            field = getattr(message, name)
            for key, one in part.items():
                if isinstance(one, tuple):
                    field[key].values.extend(one)
                else:
                    field[key] = one
        else:
            setattr(message, name, _as_told(message, name, part))


def _as_told(message: Any, name: str, value: Any) -> Any:
    field = message.DESCRIPTOR.fields_by_name[name]
    return value.encode(*_ENCODING) if field.type == field.TYPE_BYTES else value


def _get(kind: Any, message: Any) -> Any:
    """The record of a message. ValueError: a value that none may have."""
    values = {}
    for name, read_value in _readers(kind):
        part = getattr(message, name)
        values[name] = part if read_value is None else read_value(part)
    return kind(**values)


@functools.cache
def _readers(kind: Any) -> list[tuple[str, Callable[[Any], Any] | None]]:
    """Of each field how its value is made from the message's; None: it is that."""
    return [(name, _GIVEN.get(name) or _reader(form)) for name, form in _fields(kind).items()]


def _text(part: bytes) -> str:
    return part.decode(*_ENCODING)


#: Fields of bytes, as what the user gives may be no UTF-8.
_GIVEN: dict[str, Callable[[Any], Any]] = {
    "command": lambda part: tuple(map(_text, part)),
    "copy_of": _text,
}


def _reader(form: Any) -> Callable[[Any], Any] | None:
    origin = typing.get_origin(form)
    if origin is tuple:
        inner = _reader(typing.get_args(form)[0])
        return tuple if inner is None else lambda part: tuple(map(inner, part))
    if origin is dict:
        if typing.get_origin(typing.get_args(form)[1]) is tuple:
            return lambda part: {key: tuple(one.values) for key, one in sorted(part.items())}
        return lambda part: dict(sorted(part.items()))
    if _is_record(form):
        return functools.partial(_get, form)
    if isinstance(form, type) and issubclass(form, IntEnum):
        return functools.partial(_member, form)
    return None


def _member(form: type[IntEnum], part: int) -> IntEnum:
    try:
        return form(part)
    except ValueError as error:
        raise ValueError(f"damaged: {part} is no {form.__name__}") from error


def _has_too_many(golden: Any) -> bool:
    """Whether a golden trace, or the message of one, has more parts than a file may have."""
    count = len(golden.command) + len(golden.places)
    if len(golden.first) > 1:
        return True
    for form in (golden.form, *golden.first):
        count += _parts(form)
        if len(form.roles) > MOST_ROLES or count > MOST_PARTS:
            return True
    return False


def _parts(form: Any) -> int:
    """How many there are; of too many, only that."""
    figures = form.figures
    count = len(form.roles) + len(form.links) + len(form.normalised)
    count += len(form.kept) + len(form.missing) + len(form.given)
    count += sum(len(getattr(figures, name)) for name in _FIGURES)
    for values in figures.off_cpu_us.values() if count <= MOST_PARTS else ():
        count += len(getattr(values, "values", values))
    for role in form.roles if count <= MOST_PARTS else ():
        count += len(role.items) + len(role.streams) + len(role.order) + len(role.chains)
        count += len(role.argv) + len(role.exits) + len(role.libraries)
        if count > MOST_PARTS:
            break
        count += sum(len(part.items) for part in (*role.order, *role.chains))
        count += sum(len(part.item.arguments) for part in role.items)
    return count


def _check(golden: model.Golden) -> None:
    """ValueError: parts that do not fit together."""
    if golden.runs < 1:
        raise ValueError("damaged: of no run")
    if golden.runs > MOST_RUNS:
        raise ValueError("damaged: of too many runs")
    for form in (golden.form, *golden.first):
        _check_form(form)
        if form.kept != golden.form.kept:
            raise ValueError("damaged: its runs were made by other rules")


def _check_form(form: model.Canonical) -> None:
    names: set[str] = set()
    for role in form.roles:
        if role.name in names or (role.parent and role.parent not in names):
            raise ValueError(f"damaged: role {one_line(role.name, 40)}")
        names.add(role.name)
        ranges = [role.count, role.threads, *(item.times for item in role.items)]
        parts: tuple[model.Group | model.Chain, ...] = (*role.order, *role.chains)
        ranges += [part.times for part in parts]
        ranges += [stream.size for stream in role.streams]
        if any(low < 0 or low > high for low, high in ranges):
            raise ValueError("damaged: a range that ends before it begins")
        known = len(role.items)
        for part in parts:
            if any(index >= known for index in part.items):
                raise ValueError("damaged: a call that is not there")
    if any(link.cause not in names or link.effect not in names for link in form.links):
        raise ValueError("damaged: a link between roles that are not there")
