#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the tables of system calls, errno values and signals in native/tables/.

Two steps, so that the data can be read and changed without the sources it came from:

``extract``
    reads the kernel's own metadata and writes ``syscalls.tsv`` (one line a call) and
    ``constants.tsv`` (errno values, signals, si_code values).
``emit`` (the default)
    makes the C tables (``*.inc``) from these two and from ``rules.tsv``, which is written
    by hand: what no source tells, and where :func:`arg_kind` would guess wrong.
    ``emit --check`` writes nothing and fails if a file on disk differs.

Sources of ``extract``:

* numbers, errno and signal names: the kernel's UAPI headers, ``asm/unistd_64.h`` and
  ``asm/unistd_32.h`` of x86, ``asm/unistd_64.h`` of aarch64, ``asm-generic/`` and ``linux/``.
  The ``ziglang`` wheel carries them for all architectures
  (``lib/libc/include/{x86,aarch64,any}-linux-any``).
* argument names and C types: tracefs, ``events/syscalls/sys_enter_*/format``; where a call has
  none, the prototypes in ``include/linux/syscalls.h`` (Debian: ``linux-headers-*-common``).
* texts of errno values: strerror(3) of the C library.

A new call is a line in ``syscalls.tsv``; ``emit`` gives its arguments their kinds by rule from
the C type and the name (:func:`arg_kind`).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

TABLES = Path(__file__).resolve().parent.parent / "native" / "tables"
ABIS = ("x86_64", "i386", "aarch64")
MAX_ARGS = 6

# si_code values are numbered anew for each of these signals (asm-generic/siginfo.h).
CODE_PREFIXES = {"SI": "*", "CLD": "SIGCHLD", "POLL": "SIGIO"} | {
    name: f"SIG{name}" for name in ("ILL", "FPE", "SEGV", "BUS", "TRAP", "SYS")
}

Args = tuple[tuple[str, str], ...]  # (C type, name), in order


class TableError(Exception):
    """A source or a table says something that cannot be right; the message says where."""


@dataclass
class Rules:
    """``rules.tsv``: see the head of that file for what each line means."""

    proto: dict[str, Args] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    kind: dict[tuple[str, str], str] = field(default_factory=dict)
    flag: dict[str, list[str]] = field(default_factory=dict)
    routine: list[str] = field(default_factory=list)
    text: dict[str, str] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass
class Call:
    """One line of ``syscalls.tsv``: a call with the same arguments in every ABI named."""

    name: str
    numbers: dict[str, int]
    source: str
    args: Args


# --- reading -----------------------------------------------------------------------------


def rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    """Line numbers and tab-separated columns of the lines that are not comments."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.split("\t")


def parse_args(text: str) -> Args:
    """``"int dfd, const char * filename"`` as pairs of type and name; ``void`` is none."""
    result: list[tuple[str, str]] = []
    for index, part in enumerate(text.split(",")):
        part = re.sub(r"\b__user\b|\b__force\b", " ", part)
        part = re.sub(r"\s+", " ", part.replace("*", " * ")).strip()
        if part in ("", "void"):
            continue
        match = re.fullmatch(r"(.*[ *])([A-Za-z_]\w*)", part)
        # A prototype may leave the name out; then the last word belongs to the type.
        if match is None or match[2] in ("int", "long", "char", "unsigned", "size_t", "pid_t"):
            result.append((part, f"arg{index}"))
        else:
            result.append((match[1].strip(), match[2]))
    return tuple(result)


def read_rules(path: Path) -> Rules:
    rules = Rules()
    for number, columns in rows(path):
        what, rest = columns[0], columns[1:]
        try:
            if what == "proto":
                rules.proto[rest[0]] = parse_args(rest[1] if len(rest) > 1 else "")
            elif what == "alias":
                rules.alias[rest[0]] = rest[1]
            elif what == "kind":
                rules.kind[rest[0], rest[1]] = rest[2]
            elif what == "flag":
                rules.flag.setdefault(rest[0], []).append(rest[1])
            elif what == "routine":
                rules.routine.append(rest[0])
            elif what == "names":
                rules.names[rest[0]] = frozenset(rest[1].split())
            elif what == "text":
                rules.text[rest[0]] = rest[1]
            else:
                raise TableError(f"{path.name}:{number}: unknown kind of line {what!r}")
        except IndexError:
            raise TableError(f"{path.name}:{number}: too few columns") from None
    return rules


def read_numbers(header: Path) -> dict[str, int]:
    """``__NR_name`` definitions of a generated ``asm/unistd_*.h``."""
    text = header.read_text(encoding="utf-8")
    found = {m[1]: int(m[2]) for m in re.finditer(r"^#define __NR_(\w+)\s+(\d+)$", text, re.M)}
    if len(found) < 200:
        raise TableError(f"{header.name}: only {len(found)} system calls found")
    return found


def read_tracefs(folder: Path) -> dict[str, Args]:
    """Arguments from ``sys_enter_*/format``; the first field there is the call's number."""
    calls: dict[str, Args] = {}
    for entry in sorted(folder.glob("sys_enter_*/format")):
        fields = re.findall(r"^\tfield:([^;]+);", entry.read_text(encoding="utf-8"), re.M)
        own = [f for f in fields if " common_" not in f and "__syscall_nr" not in f]
        calls[entry.parent.name.removeprefix("sys_enter_")] = parse_args(",".join(own))
    if len(calls) < 200:
        raise TableError(f"tracefs: only {len(calls)} system calls found")
    return calls


def read_prototypes(header: Path) -> dict[str, Args]:
    """``asmlinkage long sys_name(...)`` of include/linux/syscalls.h."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
    pattern = r"asmlinkage\s+\w+\s+sys_(\w+)\s*\(([^)]*)\)\s*;"
    return {m[1]: parse_args(m[2]) for m in re.finditer(pattern, text)}


# --- extract -----------------------------------------------------------------------------


def split_wide(args: Args) -> Args:
    """On a 32-bit ABI a 64-bit value takes two registers, low half first on i386."""
    result: list[tuple[str, str]] = []
    for ctype, name in args:
        if ctype in ("loff_t", "u64", "__u64"):
            result += [("u32", f"{name}_lo"), ("u32", f"{name}_hi")]
        else:
            result.append((ctype, name))
    return tuple(result)


def signature(
    name: str, abi: str, rules: Rules, tracefs: dict[str, Args], header: dict[str, Args]
) -> tuple[str, Args]:
    """Where the arguments of a call were found (a word for the table), and the arguments."""
    wide: Callable[[Args], Args] = split_wide if abi == "i386" else (lambda args: args)
    if f"{abi}:{name}" in rules.proto:
        return "rules", rules.proto[f"{abi}:{name}"]
    name = rules.alias.get(f"{abi}:{name}", rules.alias.get(name, name))
    if name in rules.proto:
        return "rules", wide(rules.proto[name])
    if name in tracefs:
        return "tracefs", wide(tracefs[name])
    if name in header:
        return "header", wide(header[name])
    for suffix in ("_time64", "64", "32"):
        if abi == "i386" and name.endswith(suffix):
            return signature(name.removesuffix(suffix), abi, rules, tracefs, header)
    raise TableError(f"{abi}: no source tells the arguments of {name}; add a proto line to rules")


def extract_calls(
    numbers: dict[str, dict[str, int]],
    rules: Rules,
    tracefs: dict[str, Args],
    header: dict[str, Args],
) -> list[Call]:
    """All calls, those of one name with the same arguments in one line."""
    calls: list[Call] = []
    for name in sorted(set().union(*numbers.values())):
        lines: dict[Args, Call] = {}
        for abi in ABIS:
            if name not in numbers[abi]:
                continue
            source, args = signature(name, abi, rules, tracefs, header)
            if len(args) > MAX_ARGS:
                raise TableError(f"{abi}: {name} has {len(args)} arguments")
            lines.setdefault(args, Call(name, {}, source, args)).numbers[abi] = numbers[abi][name]
        calls += lines.values()
    return calls


def extract_constants(generic: Path, x86: Path, kernel: Path, rules: Rules) -> list[list[str]]:
    """Rows of constants.tsv: errno (number, name, text), signal, si_code (signal first)."""
    result: list[list[str]] = []
    errnos: dict[int, str] = {}
    # The last one: the kernel's own, which a tracer sees though no program does.
    for path in (generic / "asm-generic/errno-base.h", generic / "asm-generic/errno.h", kernel):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"^#define\s+(E\w+)\s+(\d+)\b", text, re.M):
            errnos.setdefault(int(match[2]), match[1])
    for number, name in sorted(errnos.items()):
        result.append(["errno", str(number), name, rules.text.get(name, os.strerror(number))])
    text = (x86 / "asm" / "signal.h").read_text(encoding="utf-8")
    signals: dict[int, str] = {}
    for match in re.finditer(r"^#define\s+(SIG[A-Z]+\d?)\s+(\d+)$", text, re.M):
        if int(match[2]) < 32:
            signals.setdefault(int(match[2]), match[1])
    result += [["signal", str(number), name] for number, name in sorted(signals.items())]
    text = (generic / "asm-generic" / "siginfo.h").read_text(encoding="utf-8")
    codes: set[tuple[str, int]] = set()
    for match in re.finditer(r"^#define\s+(([A-Z]+)_\w+)\s+(-?(?:0x)?[0-9a-f]+)\b", text, re.M):
        signal = CODE_PREFIXES.get(match[2])
        key = (signal or "", int(match[3], 0))
        if signal is not None and key not in codes and not match[1].endswith("_SIZE"):
            codes.add(key)
            result.append(["si_code", signal, str(key[1]), match[1]])
    return result


def uapi_version(generic: Path) -> str:
    text = (generic / "linux" / "version.h").read_text(encoding="utf-8")
    match = re.search(r"LINUX_VERSION_CODE (\d+)", text)
    code = int(match[1]) if match else 0
    return f"{code >> 16}.{code >> 8 & 255}.{code & 255}"


def extract(args: argparse.Namespace, rules: Rules) -> dict[str, str]:
    """The two .tsv files made from the sources, by file name."""
    headers: Path = args.headers
    numbers = {
        "x86_64": read_numbers(args.x86 / "asm" / "unistd_64.h"),
        "i386": read_numbers(args.x86 / "asm" / "unistd_32.h"),
        "aarch64": read_numbers(args.aarch64 / "asm" / "unistd_64.h"),
    }
    calls = extract_calls(
        numbers,
        rules,
        read_tracefs(args.tracefs / "events" / "syscalls"),
        read_prototypes(headers / "include" / "linux" / "syscalls.h"),
    )
    constants = extract_constants(
        args.generic, args.x86, headers / "include" / "linux" / "errno.h", rules
    )
    release = os.uname().release.partition("-")[0]
    head = (
        "# SPDX-License-Identifier: MIT\n"
        "# Made by scripts/generate_tables.py extract --x86 DIR --aarch64 DIR --generic DIR"
        " --tracefs DIR --headers DIR\n"
        f"# from UAPI headers {uapi_version(args.generic)}, tracefs of Linux {release},"
        f" {headers.resolve().name}, {os.confstr('CS_GNU_LIBC_VERSION')}.\n"
    )
    lines = [head, "# name\t", "\t".join(ABIS), "\tsource\targuments\n"]
    for call in calls:
        own = [str(call.numbers.get(abi, "-")) for abi in ABIS]
        text = ", ".join(f"{ctype} {name}" for ctype, name in call.args)
        lines.append("\t".join([call.name, *own, call.source, text]).rstrip() + "\n")
    return {
        "syscalls.tsv": "".join(lines),
        "constants.tsv": head + "".join("\t".join(row) + "\n" for row in constants),
    }


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


def read_calls(path: Path) -> list[Call]:
    calls: list[Call] = []
    for number, columns in rows(path):
        columns += [""] * (6 - len(columns))
        try:
            own = {a: int(c) for a, c in zip(ABIS, columns[1:4], strict=True) if c != "-"}
        except ValueError:
            raise TableError(f"{path.name}:{number}: a number is not a number") from None
        calls.append(Call(columns[0], own, columns[4], parse_args(columns[5])))
    return calls


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def describe(call: Call, rules: Rules, used: set[tuple[str, str]]) -> list[str]:
    """C initializers of a call's arguments."""
    result: list[str] = []
    names = [name for _, name in call.args]
    for index, (_, name) in enumerate(call.args):
        kind = arg_kind(rules, call.args, index)
        for key in ((call.name, name), *((f"{abi}:{call.name}", name) for abi in call.numbers)):
            if key in rules.kind:
                kind = rules.kind[key]
                used.add(key)
        kind, _, aux = kind.partition(":")
        if aux in names:
            aux = str(names.index(aux))
        result.append(f"{{{quoted(name)}, RN_ARG_{kind}, {aux or 0}}}")
    return result


def emit_calls(calls: list[Call], rules: Rules, head: str) -> dict[str, str]:
    """``args.inc`` (argument lists, each once) and a table for each ABI."""
    shared: dict[str, str] = {}  # initializer -> C name
    taken: dict[str, int] = {}
    args_lines: list[str] = []
    tables: dict[str, list[tuple[int, str, str]]] = {abi: [] for abi in ABIS}
    used: set[tuple[str, str]] = set()
    for call in calls:
        own = describe(call, rules, used)
        body = ", ".join(own)
        if own and body not in shared:
            taken[call.name] = taken.get(call.name, 0) + 1
            suffix = "" if taken[call.name] == 1 else f"_{taken[call.name]}"
            shared[body] = f"args_{call.name}{suffix}"
            args_lines.append(f"static const struct rn_arg_desc {shared[body]}[] = {{{body}}};\n")
        flags = " | ".join(f"RN_CALL_{flag}" for flag in rules.flag.get(call.name, [])) or "0"
        entry = f"{{{quoted(call.name)}, {len(own)}, {flags}, {shared.get(body, 'NULL')}}}"
        for abi, number in call.numbers.items():
            tables[abi].append((number, call.name, f"\t[{number}] = {entry},\n"))
    unused = set(rules.kind) - used
    if unused:
        raise TableError(f"rules.tsv: no such call or argument: {sorted(unused)}")
    result = {"args.inc": head + "".join(args_lines)}
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
    result = emit_calls(read_calls(TABLES / "syscalls.tsv"), rules, head)
    result["constants.inc"] = emit_constants(TABLES / "constants.tsv", rules, head)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("extract", help="make the .tsv files from the kernel's metadata")
    command.add_argument("--x86", type=Path, required=True, help="UAPI headers of x86")
    command.add_argument("--aarch64", type=Path, required=True, help="UAPI headers of aarch64")
    command.add_argument("--generic", type=Path, required=True, help="UAPI headers of all")
    command.add_argument("--tracefs", type=Path, required=True, help="tracefs, mounted")
    command.add_argument("--headers", type=Path, required=True, help="linux-headers-*-common")
    command = commands.add_parser("emit", help="make the C tables from the .tsv files")
    command.add_argument("--check", action="store_true", help="compare only; 1 if they differ")
    args = parser.parse_args()
    try:
        rules = read_rules(TABLES / "rules.tsv")
        made = extract(args, rules) if args.command == "extract" else emit(rules)
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
