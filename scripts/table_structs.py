# SPDX-License-Identifier: MIT
"""Structures: ``structs.tsv`` (by hand, as the kernel's headers have them) into C tables."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from table_data import TableError, quoted, rows

# Machines by how they lay out a structure: LP64; i386 (8 bytes aligned to 4); ARM (to 8).
MACHINES = ("64-bit", "i386", "arm")
LONG = (8, 4, 4)
ALIGN8 = (8, 4, 8)

# Sizes of the types, and whether they are signed.
INTEGERS = {
    "u8": 1, "u16": 2, "u32": 4, "u64": 8, "s8": 1, "s16": 2, "s32": 4, "s64": 8,
    "char": 1, "short": 2, "int": 4, "uint": 4, "ushort": 2, "long": 0, "ulong": 0, "ptr": 0,
}  # fmt: skip
SIGNED = frozenset(("s8", "s16", "s32", "s64", "short", "int", "long"))

STYLES = {"braces": 0, "box": 1, "bare": 2, "members": 3}
HOWS = ("dec", "hex", "oct", "ptr", "text", "limit", "signal",
        "caps", "date", "inet", "errno", "cut", "kernver", "htons", "htonl",
        "hex02", "in")  # fmt: skip


@dataclass
class Field:
    """One member; sizes and offsets one for each machine."""

    name: str
    how: str
    count: int
    sizes: list[int]
    offsets: list[int]
    signed: bool
    nested: str
    verbose: bool
    hidden: bool
    if_nonzero: bool
    if_sized: bool


@dataclass
class Struct:
    name: str
    style: str
    fields: list[Field] = field(default_factory=list)
    ends: list[int] = field(default_factory=lambda: [0, 0, 0])
    aligns: list[int] = field(default_factory=lambda: [1, 1, 1])

    @property
    def sizes(self) -> list[int]:
        return [-(-end // align) * align for end, align in zip(self.ends, self.aligns, strict=True)]


def read_structs(path: Path) -> dict[str, Struct]:
    """All structures; one that is part of another one stands before it."""
    result: dict[str, Struct] = {}
    last: Struct | None = None
    number = 0
    try:
        for line, columns in rows(path):
            number = line
            if columns[0] == "struct":
                last = Struct(columns[1], columns[2] if len(columns) > 2 else "braces")
                if last.style not in STYLES or last.name in result:
                    raise ValueError(columns[1])
                result[last.name] = last
            elif columns[0] == "field" and last is not None:
                add_field(result, last, columns[1:])
            else:
                raise ValueError(columns[0])
    except (IndexError, ValueError, KeyError) as error:
        raise TableError(f"{path.name}:{number}: bad columns: {error}") from None
    return result


def add_field(known: dict[str, Struct], to: Struct, columns: list[str]) -> None:
    name, ctype, how, *flags = columns
    match = re.fullmatch(r"(struct )?(\w+)(?:\[(\d+)\])?", ctype)
    if match is None:
        raise ValueError(ctype)
    base, count = match[2], int(match[3] or 0)
    words = flags[0].split() if flags else []
    if match[1]:
        sizes, aligns = known[base].sizes, known[base].aligns
    else:
        sizes = [INTEGERS[base] or LONG[m] for m in range(3)]
        aligns = [ALIGN8[m] if sizes[m] == 8 else sizes[m] for m in range(3)]
    if "packed" in words:
        aligns = [1, 1, 1]
    if how not in HOWS and not how.startswith("=") and how != "-":
        raise ValueError(how)
    offsets = [-(-to.ends[m] // aligns[m]) * aligns[m] for m in range(3)]
    to.ends = [offsets[m] + sizes[m] * max(count, 1) for m in range(3)]
    to.aligns = [max(to.aligns[m], aligns[m]) for m in range(3)]
    nested = base if match[1] else ""
    to.fields.append(
        Field(name, how, count, sizes, offsets, base in SIGNED, nested, "v" in words,
              how == "-", "nonzero" in words, "sized" in words)
    )  # fmt: skip


def emit_structs(structs: dict[str, Struct], sets: Collection[str], head: str) -> str:
    """``structs.inc``: a list of members for each structure, and the table of them."""
    lines = [head, "/* Sizes and offsets: 64-bit, i386, ARM. */\n"]
    table = []
    for one in structs.values():
        lines.append(f"static const struct field fields_{one.name}[] = {{\n")
        shown = [f for f in one.fields if not f.hidden]
        for f in shown:
            how, of = f.how.upper(), "0"
            if f.nested:
                how, of = "NESTED", f"RN_SHAPE_{f.nested.upper()}"
            elif f.how.startswith("="):
                if f.how[1:] not in sets:
                    raise TableError(f"structs.tsv: {one.name}.{f.name}: no such set: {f.how[1:]}")
                how, of = "NAMES", f"RN_SET_{f.how[1:].upper()}"
            flags = [
                word
                for word, on in (
                    ("FIELD_SIGNED", f.signed),
                    ("FIELD_VERBOSE", f.verbose),
                    ("FIELD_NONZERO", f.if_nonzero),
                    ("FIELD_SIZED", f.if_sized),
                )
                if on
            ]
            offsets = ", ".join(map(str, f.offsets))
            sizes = ", ".join(map(str, f.sizes))
            lines.append(
                f"\t{{{quoted(f.name)}, {{{offsets}}}, {{{sizes}}}, {f.count}, HOW_{how}, "
                f"{' | '.join(flags) or '0'}, {of}}},\n"
            )
        lines.append("};\n")
        table.append(
            f"\t[RN_SHAPE_{one.name.upper()}] = "
            f"{{fields_{one.name}, {len(shown)}, STYLE_{one.style.upper()}}},\n"
        )
    lines.append("\nstatic const struct layout layouts[RN_SHAPE_COUNT] = {\n")
    lines += table
    lines.append("};\n")
    return "".join(lines)
