# SPDX-License-Identifier: MIT
"""Constants by name: ``sets.tsv`` (by hand) and ``names.tsv`` (from headers) into C tables."""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from table_data import TableError, quoted, rows

# Of a parameter's C type: its value is not cut to 32 bits before it is shown.
WIDE = frozenset(("unsigned long", "long", "size_t", "u64", "__u64"))

Name = tuple[str, int, int]  # name, value in x86's headers, value in aarch64's


@dataclass
class Set:
    """A ``set`` line of sets.tsv."""

    name: str
    style: str
    unknown: str
    headers: list[str]
    literals: dict[str, int]
    base: list[str]  # numbers in the low bits
    wanted: list[str]  # the rest, and with no base all
    names: list[Name] = field(default_factory=list)


@dataclass
class Sets:
    """The whole of sets.tsv: sets by name, (call, argument) to set, structure to its bytes."""

    sets: dict[str, Set] = field(default_factory=dict)
    show: dict[tuple[str, str], str] = field(default_factory=dict)
    shapes: dict[str, list[int]] = field(default_factory=dict)
    # (call, argument or =) to (other argument, constants, how)
    choices: dict[tuple[str, str], list[tuple[str, list[str], str]]] = field(default_factory=dict)


def read_sets(path: Path) -> Sets:
    result = Sets()
    for number, columns in rows(path):
        what, rest = columns[0], columns[1:]
        try:
            if what == "set":
                name, style, unknown, sources, names = rest
                words = [word.partition("=") for word in sources.split()]
                literals = {
                    word[1:]: int(value, 0) for word, _, value in words if word.startswith("#")
                }
                base, plus, wanted = names.partition(" + ")
                result.sets[name] = Set(
                    name,
                    style,
                    unknown,
                    [word for word, _, _ in words if not word.startswith("#")],
                    literals,
                    base.split() if plus else [],
                    (wanted if plus else base).split(),
                )
            elif what == "show":
                result.show[rest[0], rest[1]] = rest[2]
            elif what == "choose":
                choice = rest[2], rest[3].split(","), rest[4]
                result.choices.setdefault((rest[0], rest[1]), []).append(choice)
            elif what == "shape":
                sizes = [int(size) for size in rest[1:]]
                result.shapes[rest[0]] = sizes * 3 if len(sizes) == 1 else sizes
            else:
                raise TableError(f"{path.name}:{number}: unknown kind of line {what!r}")
        except (IndexError, ValueError):
            raise TableError(f"{path.name}:{number}: bad columns") from None
    return result


# --- from headers --------------------------------------------------------------------------


def matches(name: str, pattern: str) -> bool:
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def values(headers: list[str], folders: list[Path], patterns: list[str]) -> dict[str, int]:
    """Values of all constants in ``headers`` that a pattern fits, by the C compiler's word."""
    cc = ["cc", "-nostdinc", *(f"-isystem{folder}" for folder in folders), "-x", "c", "-w"]
    source = "".join(f"#include <{header}>\n" for header in headers)

    def run(*args: str, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*cc, *args, "-"], input=text, capture_output=True, text=True)

    text = run("-E", "-dD", text=source).stdout
    words = set(re.findall(r"\b[A-Za-z_]\w*\b", text)) - set(re.findall(r"#undef (\w+)", text))
    names = sorted(w for w in words if any(matches(w, pattern) for pattern in patterns))
    lines = {name: f"const unsigned long long v_{name} = (unsigned long long)({name});\n"
             for name in names}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        made = str(Path(folder, "out.s"))
        while lines:
            done = run("-S", "-fmax-errors=0", "-o", made, text=source + "".join(lines.values()))
            if done.returncode == 0:
                break
            # What is no number after all: macros with arguments, names of types.
            first = len(headers) + 1
            order = list(lines)
            errors = re.findall(r"^<stdin>:(\d+):\d+: error", done.stderr, re.M)
            bad = {int(number) - first for number in errors}
            if not bad:
                raise TableError(f"{' '.join(headers)}: {done.stderr.strip()}")
            for index in bad:
                lines.pop(order[index], None)
        assembly = Path(made).read_text() if lines else ""
    pattern = r"^v_(\w+):\s+\.(?:quad\s+(-?\d+)|zero\s+8$)"
    found = {m[1]: int(m[2] or 0) for m in re.finditer(pattern, assembly, re.M)}
    return {name: value & (1 << 64) - 1 for name, value in found.items()}


def order_names(wanted: list[str], found: Iterable[tuple[str, int]]) -> list[str]:
    """Names in the order of the patterns, those of one pattern by value."""
    left = dict(found)
    for pattern in wanted:
        if pattern.startswith("-"):
            left = {n: v for n, v in left.items() if not matches(n, pattern[1:])}
    result: list[str] = []
    for pattern in wanted:
        own = sorted((v, n) for n, v in left.items() if matches(n, pattern) and n not in result)
        result += [name for _, name in own]
    return result


def extract_names(args: argparse.Namespace, sets: Sets) -> dict[str, str]:
    """``names.tsv``: the values of all sets, from the headers of both machines."""
    lines = [
        "# SPDX-License-Identifier: MIT\n",
        "# Made by scripts/generate_tables.py names --x86 DIR --aarch64 DIR --generic DIR.\n",
        "# set\tx86\taarch64\tname\n",
    ]
    for one in sets.sets.values():
        patterns = [p for p in one.base + one.wanted if not p.startswith("-")]
        tables = [
            one.literals
            | (values(one.headers, [folder, args.generic], patterns) if one.headers else {})
            for folder in (args.x86, args.aarch64)
        ]
        x86, arm = tables
        # A name that one machine lacks (MAP_32BIT) has no value there.
        names = order_names(one.base, x86.items()) + order_names(one.wanted, x86.items())
        lacking = [p for p in patterns if not any(matches(n, p) for n in names)]
        if lacking:
            raise TableError(f"sets.tsv: {one.name}: no such constant: {' '.join(lacking)}")
        for name in names:
            other = hex(arm[name]) if name in arm else "-"
            lines.append(f"{one.name}\t{x86[name]:#x}\t{other}\t{name}\n")
    return {"names.tsv": "".join(lines)}


# --- to C ----------------------------------------------------------------------------------


def read_names(path: Path, sets: Sets) -> None:
    for number, columns in rows(path):
        if columns[0] not in sets.sets:
            raise TableError(f"{path.name}:{number}: no such set")
        value = int(columns[1], 16)
        other = -1 if columns[2] == "-" else int(columns[2], 16)
        sets.sets[columns[0]].names.append((columns[3], value, other))


def emit_ids(sets: Sets, head: str) -> str:
    """``forms.inc``: numbers of the sets and of the structures."""
    lines = [head, "/* enum rn_set: which constants; 0: none. */\nenum rn_set {\n\tRN_SET_NONE,\n"]
    lines += [f"\tRN_SET_{name.upper()},\n" for name in sets.sets]
    lines += ["\tRN_SET_COUNT\n};\n\n"]
    lines += ["/* Structures; 0: none. */\nenum rn_shape {\n\tRN_SHAPE_NONE,\n"]
    lines += [f"\tRN_SHAPE_{name.upper()},\n" for name in sets.shapes]
    lines += ["\tRN_SHAPE_COUNT\n};\n"]
    lines += ["\n/* Their bytes: 64-bit, i386, ARM. */\n#define RN_SHAPE_SIZES \\\n\t{0, 0, 0}"]
    lines += [f", \\\n\t{{{', '.join(map(str, sizes))}}}" for sizes in sets.shapes.values()]
    lines += ["\n"]
    return "".join(lines)


def emit_choices(
    sets: Sets, calls: dict[str, list[str]], head: str
) -> tuple[str, dict[tuple[str, str], int]]:
    """``choices.inc``, and where in it the choices of an argument begin.

    ``calls``: the names of the arguments of each call, the same in every ABI for those that
    choices are about.
    """
    lines: list[str] = []
    starts: dict[tuple[str, str], int] = {}
    for key, choices in sets.choices.items():
        call = key[0]
        starts[key] = len(lines)
        for other, constants, how in choices:
            *before, own = other.split(",")
            if own == "*":  # whatever the others are
                lines.append(f"\t{{0, 0, -1, -1, {form_of(sets, how)}}},\n")
                continue
            first = before[0].partition("=") if before else None
            if own not in calls.get(call, []):
                raise TableError(f"sets.tsv: {call}: no such argument: {own}")
            where = -1
            if first:
                if first[0] not in calls[call]:
                    raise TableError(f"sets.tsv: {call}: no such argument: {first[0]}")
                where = calls[call].index(first[0])
            condition = f"{value_of(sets, call, first[0], first[2], None):#x}, {where}" if first \
                else "0, -1"  # fmt: skip
            for name in constants:
                value = value_of(sets, call, own, name, first[2] if first else None)
                where, form = calls[call].index(own), form_of(sets, how)
                # QCMD(command, type): the type of the quota is in the low byte.
                quota = sets.show.get((call, own)) == "quotacmd"
                all_of_it = [value << 8 & 0xFFFFFFFF | t for t in range(3)] if quota else [value]
                lines += [f"\t{{{v:#x}, {condition}, {where}, {form}}},\n" for v in all_of_it]
        lines.append("\t{0, 0, -1, -2, 0, 0, 0},\n")
    text = f"static const struct choice choices[] = {{\n{''.join(lines)}}};\n"
    return head + text, starts


def value_of(sets: Sets, call: str, arg: str, name: str, chosen: str | None) -> int:
    """A constant of argument ``arg``, whose set may hang on another one's value ``chosen``."""
    shown = sets.show.get((call, arg)) or ("ioctl" if (call, arg) == ("ioctl", "cmd") else None)
    if shown is None:
        found = [
            how for _, constants, how in sets.choices.get((call, arg), []) if chosen in constants
        ]
        shown = found[0] if found else None
    if name.isdigit() or name.startswith("0x"):
        return int(name, 0)
    for own, value, _ in sets.sets[shown].names if shown in sets.sets else []:
        if own == name:
            return value
    raise TableError(f"sets.tsv: {call}: no such constant: {name}")


def form_of(sets: Sets, how: str) -> str:
    """``SET``, ``KIND``, or ``KIND:SHAPE[:AUX]`` as C: the kind, aux and the form."""
    if how in sets.sets:
        return f"RN_ARG_FLAGS, 0, RN_SET_{how.upper()}"
    kind, _, rest = how.partition(":")
    form, _, aux = rest.partition(":")
    if form in sets.shapes:
        form = f"RN_SHAPE_{form.upper()}"
    elif form in sets.sets:
        form = f"RN_SET_{form.upper()}"
    elif form:
        raise TableError(f"sets.tsv: no such structure: {form}")
    return f"RN_ARG_{kind}, {aux or 0}, {form or 0}"


def emit_names(sets: Sets, head: str) -> str:
    """``names.inc``: the constants of all sets, those of aarch64 apart where they differ."""
    lines = [head]
    table: list[str] = []
    for one in sets.sets.values():
        own = f"names_{one.name}"
        machines = [(own, [(name, x86) for name, x86, _ in one.names])]
        if any(arm != x86 for _, x86, arm in one.names):
            machines.append((f"{own}_arm", [(n, arm) for n, _, arm in one.names if arm >= 0]))
        ends = []
        for c_name, pairs in machines:
            base = sum(1 for name, _ in pairs if name in one.base)
            if one.style == "value":
                # For a binary search: by value, and of two names the first one.
                chosen: dict[int, str] = {}
                for name, value in pairs:
                    chosen.setdefault(value, name)
                pairs = [(name, value) for value, name in sorted(chosen.items())]
            lines.append(f"static const struct rn_name {c_name}[] = {{\n")
            lines += [f"\t{{{value:#x}, {quoted(name)}}},\n" for name, value in pairs]
            lines.append("};\n")
            ends.append(f"{{{c_name}, {len(pairs)}, {base}}}")
        style = {"value": "true", "flags": "false"}.get(one.style)
        if style is None:
            raise TableError(f"sets.tsv: {one.name}: no such style: {one.style}")
        table.append(
            f"\t[RN_SET_{one.name.upper()}] = {{{quoted(one.unknown)}, {style}, "
            f"{{{ends[0]}, {ends[-1]}}}}},\n"
        )
    lines.append("\n/* For x86 and for aarch64. */\n")
    lines.append(f"static const struct name_set name_sets[] = {{\n{''.join(table)}}};\n")
    return "".join(lines)
