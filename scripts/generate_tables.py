#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the tables of system calls, errno values and signals in native/tables/.

Two steps, so that the data can be read and changed without the sources it came from:

``extract``
    reads the kernel's own metadata and writes ``syscalls.tsv`` (one line a call) and
    ``constants.tsv`` (errno values, signals, si_code values).
``names``
    looks up in the headers what ``sets.tsv`` names (flags and other constants; by hand) and
    writes their values to ``names.tsv``.
``emit`` (the default)
    makes the C tables (``*.inc``) from these and from ``rules.tsv``, which is written by
    hand: what no source tells, and where :func:`arg_kind` would guess wrong.
    ``emit --check`` writes nothing and fails if a file on disk differs.

Sources of ``extract``:

* numbers, errno and signal names: the kernel's UAPI headers, ``asm/unistd_64.h``,
  ``asm/unistd_32.h`` and ``asm/unistd_x32.h`` of x86, ``asm/unistd_64.h`` of aarch64,
  ``asm/unistd-eabi.h`` of ARM, ``asm-generic/`` and ``linux/``. The ``ziglang`` wheel carries
  them for all architectures (``lib/libc/include/{x86,aarch64,arm,any}-linux-any``).
* argument names and C types: tracefs, ``events/syscalls/sys_enter_*/format``; where a call has
  none, the prototypes in ``include/linux/syscalls.h`` (Debian: ``linux-headers-*-common``).
* texts of errno values: strerror(3) of the C library.

A new call is a line in ``syscalls.tsv``; ``emit`` gives its arguments their kinds by rule from
the C type and the name (:func:`arg_kind`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import table_names
import table_structs
from table_data import (
    ABIS,
    TABLES,
    Args,
    Call,
    Rules,
    TableError,
    quoted,
    read_calls,
    read_rules,
    rows,
)
from table_sources import extract

# --- kinds by rule -------------------------------------------------------------------------

SIGNED = {"long": "LONG", "loff_t": "LONG", "off_t": "LONG", "ssize_t": "LONG"}
UNSIGNED = frozenset(("unsigned int", "unsigned", "u32", "__u32", "uint32_t"))
RAW = frozenset(("key_t", "aio_context_t"))
POINTERS = frozenset(("cap_user_header_t", "cap_user_data_t", "__sighandler_t"))


def buffer_length(rules: Rules, args: Args, index: int) -> int | None:
    """Index of the length that belongs to the buffer at ``index``: the argument after it."""
    if index + 1 < len(args):
        ctype, name = args[index + 1]
        if "*" not in ctype and name in rules.names["lengths"]:
            return index + 1
    return None


def pointer_kind(rules: Rules, args: Args, index: int) -> str:
    ctype, name = args[index]
    constant = ctype.startswith("const ")
    target = " ".join(ctype.replace("const", "").split())
    if target == "char * *":
        return "ARGV" if name == "argv" else "ENVP" if name == "envp" else "PTR"
    if target == "char *" and name in rules.names["paths"]:
        return "PATH"
    length = buffer_length(rules, args, index)
    if target in ("char *", "void *") and length is not None:
        if constant or name == "buff":
            return f"BUF_IN:{length}"
        if name in ("buf", "ubuf", "value", "list", "u_msg_ptr"):
            return f"BUF_OUT:{length}"
    if target == "char *" and constant:
        return "STRING"
    if name == "fildes" or name == "usockvec":
        return "FD_PAIR_OUT"
    if name == "stat_addr":
        return "WAIT_STATUS"
    return "PTR"


def arg_kind(rules: Rules, args: Args, index: int) -> str:
    """The kind of an argument, as in enum rn_arg_kind, with ``:aux`` where it has one."""
    ctype, name = args[index]
    if "*" in ctype:
        return pointer_kind(rules, args, index)
    base = ctype.removeprefix("const ")
    if name == "pad":
        return "VOID"
    if base in POINTERS:
        return "PTR"
    if name in rules.names["dirfds"]:
        return "DIRFD"
    if name in rules.names["fds"]:
        return "FD"
    if base in ("umode_t", "mode_t"):
        return "MODE"
    if name in ("sig", "signum") and base in ("int", "u32"):
        return "SIGNAL"
    if base == "pid_t" or name in ("pid", "tgid"):
        return "PID"
    if name in rules.names["flags"] or base == "rwf_t":
        return "FLAGS"
    if name in rules.names["opaque"] or base in RAW:
        return "RAW"
    if name in rules.names["addresses"] and base == "unsigned long":
        return "PTR"
    if base in SIGNED:
        return SIGNED[base]
    if base in ("size_t", "unsigned long", "u64", "__u64"):
        return "ULONG"
    return "UINT" if base in UNSIGNED else "INT"


# --- emit --------------------------------------------------------------------------------

# Structures that the newer calls of 32-bit ABIs take where the older ones take the other.
WIDER = {
    "timespec": "timespec64",
    "itimerspec": "itimerspec64",
    "timespecs": "timespecs64",
    "stat": "stat64",
    "statfs": "statfs64",
}


def base_of(call: Call, rules: Rules) -> str:
    """The call of 64-bit ABIs that one of 32-bit ABIs alone stands for; empty: none."""
    if "x86_64" in call.numbers or "aarch64" in call.numbers:
        return ""
    if f"i386:{call.name}" in rules.alias and call.name.startswith(("_new", "uget")):
        return call.name.removeprefix("_new").removeprefix("u")
    if call.name == "fstatat64":
        return "newfstatat"
    for suffix in ("_time64", "64", "32"):
        if call.name.endswith(suffix):
            return call.name.removesuffix(suffix)
    return ""


def widened(kind: str, name: str) -> str:
    """A kind of the base call as it is in the call ``name``."""
    if not name.endswith("64"):
        return kind
    return ":".join(WIDER.get(word, word) for word in kind.split(":"))


def describe(
    call: Call,
    rules: Rules,
    sets: table_names.Sets,
    starts: dict[tuple[str, str], int],
    used: set[tuple[str, str]],
) -> list[str]:
    """C initializers of a call's arguments."""
    result: list[str] = []
    names = [name for _, name in call.args]
    base = base_of(call, rules)
    for index, (ctype, name) in enumerate(call.args):
        kind = arg_kind(rules, call.args, index)
        if (base, name) in rules.kind:
            kind = widened(rules.kind[base, name], call.name)
        for key in ((call.name, name), *((f"{abi}:{call.name}", name) for abi in call.numbers)):
            if key in rules.kind:
                kind = rules.kind[key]
                used.add(key)
        kind, _, aux = kind.partition(":")
        form = "0"
        for word in aux.split(":"):
            if word in sets.shapes:
                form = f"RN_SHAPE_{word.upper()}"
                aux = ":".join(one for one in aux.split(":") if one != word)
        if aux in names:
            aux = str(names.index(aux))
        shown = sets.show.get((call.name, name), sets.show.get((base, name)))
        if shown is not None:
            used.add((call.name, name))
            wide = " | RN_FORM_WIDE" if ctype in table_names.WIDE else ""
            form = f"RN_SET_{shown.upper()}{wide}"
        for key in ((call.name, name), (base, name)):
            if key in starts:
                used.add(key)
                form += f" | RN_FORM_CHOICE | {starts[key]} << RN_FORM_SHIFT"
                break
        result.append(f"{{{quoted(name)}, RN_ARG_{kind}, {aux or 0}, {form}}}")
    return result


def emit_calls(
    calls: list[Call], rules: Rules, sets: table_names.Sets, head: str
) -> dict[str, str]:
    """``args.inc`` (argument lists, each once) and a table for each ABI."""
    names = {call.name: [name for _, name in call.args] for call in reversed(calls)}
    choices, starts = table_names.emit_choices(sets, names, head)
    shared: dict[str, str] = {}  # initializer -> C name
    taken: dict[str, int] = {}
    args_lines: list[str] = []
    tables: dict[str, list[tuple[int, str, str]]] = {abi: [] for abi in ABIS}
    used: set[tuple[str, str]] = set()
    for call in calls:
        own = describe(call, rules, sets, starts, used)
        body = ", ".join(own)
        if own and body not in shared:
            taken[call.name] = taken.get(call.name, 0) + 1
            suffix = "" if taken[call.name] == 1 else f"_{taken[call.name]}"
            shared[body] = f"args_{call.name}{suffix}"
            args_lines.append(f"static const struct rn_arg_desc {shared[body]}[] = {{{body}}};\n")
        flags = " | ".join(f"RN_CALL_{flag}" for flag in rules.flag.get(call.name, [])) or "0"
        result_of = (call.name if (call.name, "=") in starts else base_of(call, rules), "=")
        result_at = starts[result_of] + 1 if result_of in starts else 0
        entry = (
            f"{{{quoted(call.name)}, {len(own)}, {flags}, {result_at}, {shared.get(body, 'NULL')}}}"
        )
        for abi, number in call.numbers.items():
            tables[abi].append((number, call.name, f"\t[{number}] = {entry},\n"))
    used |= {key for key in starts if key[1] == "="}
    unused = (set(rules.kind) | set(starts) | set(sets.show)) - used
    if unused:
        raise TableError(f"rules.tsv, sets.tsv: no such call or argument: {sorted(unused)}")
    result = {"args.inc": head + "".join(args_lines), "choices.inc": choices}
    for abi, entries in tables.items():
        by_name = [str(number) for number, _, _ in sorted(entries, key=lambda e: e[1].encode())]
        lines = [", ".join(by_name[i : i + 16]) for i in range(0, len(by_name), 16)]
        result[f"{abi}.inc"] = (
            head
            + f"static const struct rn_syscall_desc {abi}_calls[] = {{\n"
            + "".join(line for _, _, line in sorted(entries))
            + f"}};\n\n/* Numbers in the order of names. */\nstatic const uint16_t {abi}_by_name[]"
            + " = {\n\t"
            + ",\n\t".join(lines)
            + ",\n};\n"
        )
    return result


CALLS_TSV = "../../renacer_otel/engine/calls.tsv"


def emit_constants(path: Path, rules: Rules, head: str) -> str:
    errnos: list[str] = []
    signals: list[str] = []
    codes: list[str] = []
    routine = set(rules.routine)
    for number, columns in rows(path):
        if columns[0] == "errno":
            is_routine = "true" if columns[2] in routine else "false"
            routine.discard(columns[2])
            text = f"{{{quoted(columns[2])}, {quoted(columns[3])}, {is_routine}}}"
            errnos.append(f"\t[{int(columns[1])}] = {text},\n")
        elif columns[0] == "signal":
            signals.append(f"\t[{int(columns[1])}] = {quoted(columns[2])},\n")
        elif columns[0] == "si_code":
            signal = "0" if columns[1] == "*" else columns[1]
            codes.append(f"\t{{{signal}, {int(columns[2])}, {quoted(columns[3])}}},\n")
        else:
            raise TableError(f"{path.name}:{number}: unknown kind of line {columns[0]!r}")
    if routine:
        raise TableError(f"rules.tsv: no such errno: {sorted(routine)}")
    return (
        head
        + f"static const struct errno_desc errno_table[] = {{\n{''.join(errnos)}}};\n\n"
        + f"static const char *const signal_table[] = {{\n{''.join(signals)}}};\n\n"
        + "/* Signal 0: the codes that any signal may carry. */\n"
        + f"static const struct code_desc code_table[] = {{\n{''.join(codes)}}};\n"
    )


def emit(rules: Rules) -> dict[str, str]:
    """The .inc files made from the .tsv files, by file name."""
    head = (
        "/* SPDX-License-Identifier: MIT */\n"
        "/* Made by scripts/generate_tables.py from the .tsv files here; do not edit. */\n"
    )
    sets = table_names.read_sets(TABLES / "sets.tsv")
    table_names.read_names(TABLES / "names.tsv", sets)
    structs = table_structs.read_structs(TABLES / "structs.tsv")
    sets.shapes |= {one.name: one.sizes for one in structs.values()}
    result = emit_calls(read_calls(TABLES / "syscalls.tsv"), rules, sets, head)
    result["forms.inc"] = table_names.emit_ids(sets, head)
    result["names.inc"] = table_names.emit_names(sets, head)
    result["structs.inc"] = table_structs.emit_structs(structs, sets.sets, head)
    result["constants.inc"] = emit_constants(TABLES / "constants.tsv", rules, head)
    result[CALLS_TSV] = emit_python(read_calls(TABLES / "syscalls.tsv"))
    return result


def emit_python(calls: list[Call]) -> str:
    """Names and counts of arguments for where the core cannot be loaded: engine/calls.tsv."""
    lines = [
        "# SPDX-License-Identifier: MIT\n",
        "# Made by scripts/generate_tables.py from native/tables/syscalls.tsv; do not edit.\n",
        "\t".join(("# name", "arguments", *ABIS)) + "\n",
    ]
    for call in calls:
        numbers = (str(call.numbers.get(abi, "-")) for abi in ABIS)
        lines.append("\t".join((call.name, str(len(call.args)), *numbers)) + "\n")
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("extract", help="make the .tsv files from the kernel's metadata")
    command.add_argument("--x86", type=Path, required=True, help="UAPI headers of x86")
    command.add_argument("--aarch64", type=Path, required=True, help="UAPI headers of aarch64")
    command.add_argument("--arm", type=Path, required=True, help="UAPI headers of 32-bit ARM")
    command.add_argument("--generic", type=Path, required=True, help="UAPI headers of all")
    command.add_argument("--tracefs", type=Path, required=True, help="tracefs, mounted")
    command.add_argument("--headers", type=Path, required=True, help="linux-headers-*-common")
    command = commands.add_parser("names", help="make names.tsv from UAPI headers; needs cc")
    command.add_argument("--x86", type=Path, required=True, help="UAPI headers of x86")
    command.add_argument("--aarch64", type=Path, required=True, help="UAPI headers of aarch64")
    command.add_argument("--generic", type=Path, required=True, help="UAPI headers of all")
    command = commands.add_parser("emit", help="make the C tables from the .tsv files")
    command.add_argument("--check", action="store_true", help="compare only; 1 if they differ")
    args = parser.parse_args()
    try:
        rules = read_rules(TABLES / "rules.tsv")
        if args.command == "extract":
            made = extract(args, rules)
        elif args.command == "names":
            made = table_names.extract_names(args, table_names.read_sets(TABLES / "sets.tsv"))
        else:
            made = emit(rules)
    except (TableError, OSError) as error:
        print(f"generate_tables: {error}", file=sys.stderr)
        return 1
    stale = 0
    for name, text in made.items():
        path = TABLES / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if getattr(args, "check", False):
            print(f"generate_tables: {name} is not what the .tsv files make", file=sys.stderr)
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
