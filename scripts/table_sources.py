# SPDX-License-Identifier: MIT
"""``generate_tables.py extract``: syscalls.tsv and constants.tsv from the kernel's metadata."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from table_data import ABIS, MAX_ARGS, Args, Call, Rules, TableError, parse_args

# si_code values are numbered anew for each of these signals (asm-generic/siginfo.h).
CODE_PREFIXES = {"SI": "*", "CLD": "SIGCHLD", "POLL": "SIGIO"} | {
    name: f"SIG{name}" for name in ("ILL", "FPE", "SEGV", "BUS", "TRAP", "SYS")
}

NARROW = ("i386", "arm")  # a 64-bit value takes two registers


def read_numbers(header: Path) -> dict[str, int]:
    """``__NR_name`` definitions of a generated ``asm/unistd_*.h``, without x32's bit."""
    text = header.read_text(encoding="utf-8")
    pattern = r"^#define __NR_(\w+)\s+(?:\(__(?:X32_SYSCALL_BIT|NR_SYSCALL_BASE) \+ )?(\d+)\)?$"
    found = {m[1]: int(m[2]) for m in re.finditer(pattern, text, re.M)}
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


def split_wide(args: Args, aligned: bool) -> Args:
    """On a 32-bit ABI a 64-bit value takes two registers, low half first.

    ``aligned``: the first of them is an even one, as ARM has it; what it skips means nothing.
    """
    result: list[tuple[str, str]] = []
    for ctype, name in args:
        if ctype in ("loff_t", "u64", "__u64"):
            if aligned and len(result) % 2:
                result.append(("u32", "pad"))
            result += [("u32", f"{name}_lo"), ("u32", f"{name}_hi")]
        else:
            result.append((ctype, name))
    return tuple(result)


def signature(
    name: str, abi: str, rules: Rules, tracefs: dict[str, Args], header: dict[str, Args]
) -> tuple[str, Args]:
    """Where the arguments of a call were found (a word for the table), and the arguments."""

    def wide(args: Args) -> Args:
        return split_wide(args, abi == "arm") if abi in NARROW else args

    # What is i386's own is so of all the old 32-bit ABIs.
    keys = [f"{abi}:{name}"] + ([f"i386:{name}"] if abi == "arm" else [])
    for key in keys:
        if key in rules.proto:
            return "rules", rules.proto[key]
    for key in (*keys, name):
        if key in rules.alias:
            name = rules.alias[key]
            break
    if name in rules.proto:
        return "rules", wide(rules.proto[name])
    if name in tracefs:
        return "tracefs", wide(tracefs[name])
    if name in header:
        return "header", wide(header[name])
    for suffix in ("_time64", "64", "32"):
        if abi in NARROW and name.endswith(suffix):
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
        "x32": read_numbers(args.x86 / "asm" / "unistd_x32.h"),
        "aarch64": read_numbers(args.aarch64 / "asm" / "unistd_64.h"),
        "arm": read_numbers(args.arm / "asm" / "unistd-eabi.h"),
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
        "# Made by scripts/generate_tables.py extract --x86 DIR --aarch64 DIR --arm DIR"
        " --generic DIR --tracefs DIR --headers DIR\n"
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
