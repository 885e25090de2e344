# SPDX-License-Identifier: MIT
"""Which calls are recorded: -e trace=NAME,…"""

from __future__ import annotations

from renacer_otel.engine import native
from renacer_otel.engine.launch import ABI_COUNT, WORDS_PER_ABI
from renacer_otel.errors import UsageError, one_line


def wanted_calls(expressions: list[str]) -> list[int] | None:
    """The core's bitmaps for -e expressions; None = all calls.

    Each expression is `trace=NAME,NAME`, `trace=all` or `trace=none`; the prefix may be left
    out, and the last one wins, as with strace. Raises UsageError naming the nearest call.
    """
    if not expressions:
        return None
    qualifier, equals, names = expressions[-1].partition("=")
    if not equals:
        qualifier, names = "trace", expressions[-1]
    if qualifier not in ("trace", "t"):
        raise UsageError(f"-e {one_line(qualifier, 20)}=…: only trace=NAME,NAME… is supported yet")
    if names == "all":
        return None
    words = [0] * (ABI_COUNT * WORDS_PER_ABI)
    if names != "none":
        for name in names.split(","):
            _add(words, name.strip())
    return words


def _add(words: list[int], name: str) -> None:
    found = False
    for abi in range(1, ABI_COUNT):
        number = native.lib.rn_table_number(abi, name.encode("utf-8", "replace"))
        if 0 <= number < WORDS_PER_ABI * 64:
            words[abi * WORDS_PER_ABI + number // 64] |= 1 << number % 64
            found = True
    if not found:
        raise UsageError(
            f"-e trace: no system call is called '{one_line(name, 40)}'{_nearest(name)}"
        )


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, call_names(), 1)
    return f"; did you mean {close[0]}?" if close else "; names are those of the man pages"


def call_names() -> list[str]:
    """All names of the native ABI."""
    ffi, lib = native.load()
    abi = lib.rn_native_abi()
    names = (lib.rn_table_name(abi, number) for number in range(lib.rn_table_limit(abi)))
    return [ffi.string(name).decode("ascii") for name in names if name != ffi.NULL]
