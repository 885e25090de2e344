# SPDX-License-Identifier: MIT
"""What -e, -z, -Z and -P select: calls, signals, outcomes, paths."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from renacer_otel.engine import calls
from renacer_otel.engine.launch import ABI_COUNT, WORDS_PER_ABI
from renacer_otel.errors import UsageError, did_you_mean, one_line

# Bits of RN_STATUS_*, in their order.
STATUSES = ("successful", "failed", "unfinished", "unavailable", "detached")

_QUALIFIERS = {"trace": "trace", "t": "trace", "signal": "signal", "signals": "signal",
               "s": "signal", "status": "status"}  # fmt: skip
# strace has these too: they are no misspelling of ours.
_MORE = "use -s N to see more of each buffer"
_UNCHANGED = "calls are never changed here"
_NO_PIDS = "pids are shown as the tracer sees them"
_DECODED = "arguments are always decoded; -v shows all of a structure"
_FOREIGN = {
    **dict.fromkeys(("abbrev", "a", "verbose", "v", "raw", "x"), _DECODED),
    **dict.fromkeys(("read", "reads", "r", "write", "writes", "w"), _MORE),
    **dict.fromkeys(("fault", "inject"), _UNCHANGED),
    "kvm": "KVM exits are not decoded",
    **dict.fromkeys(("decode-pids", "namespace"), _NO_PIDS),
}
_PERSONALITIES = {"64": ("x86_64", "aarch64"), "32": ("i386", "arm"), "x32": ("x32",)}
_ABIS = ("unknown", "x86_64", "i386", "x32", "aarch64", "arm")
_FIRST_REALTIME, _LAST_SIGNAL = 32, 64

Calls = frozenset[tuple[int, int]]  # (ABI, number)


class Selection(NamedTuple):
    """What is recorded, and what of that is shown and exported.

    `wanted`: the core's bitmaps of calls, None = all; `hidden_signals`: bit signal - 1;
    `hidden_statuses`: bits in the order of STATUSES; `paths`: as given, and resolved.
    """

    wanted: list[int] | None = None
    hidden_signals: int = 0
    hidden_statuses: int = 0
    paths: tuple[str, ...] = ()
    path_fds: tuple[int, ...] = ()


def select(expressions: Sequence[str], paths: Sequence[str] = ()) -> Selection:
    """The selection of -e expressions and -P paths.

    An expression is `trace=SPEC`, `signal=SET` or `status=SET`; without a name it is a trace's.
    Of each kind the last one counts, as with strace. Raises UsageError that names the nearest.
    """
    last: dict[str, str] = {}
    for expression in expressions:
        kind, value = _split(expression)
        last[kind] = value
    hidden_statuses = 0
    if "status" in last:
        hidden_statuses = _hidden(last["status"], range(len(STATUSES)), _status)
    hidden_signals = 0
    if "signal" in last:
        hidden_signals = _hidden(last["signal"], range(1, _LAST_SIGNAL + 1), _signal) >> 1
    both = _with_resolved(paths)
    return Selection(
        wanted=_wanted(last["trace"]) if "trace" in last else None,
        hidden_signals=hidden_signals,
        hidden_statuses=hidden_statuses,
        paths=both,
        path_fds=_inherited(both),
    )


def _split(expression: str) -> tuple[str, str]:
    qualifier, equals, value = expression.partition("=")
    if not equals:
        return "trace", expression
    if qualifier in _QUALIFIERS:
        return _QUALIFIERS[qualifier], value
    if qualifier in _FOREIGN:
        raise UsageError(f"-e {qualifier}= is not supported: {_FOREIGN[qualifier]}")
    known = ("trace", "signal", "status", "quiet", "decode-fds")
    hint = _nearest(qualifier, known, "there are " + "=, ".join(known) + "=")
    raise UsageError(f"-e: there is no '{one_line(qualifier, 20)}='{hint}")


def _nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    return did_you_mean(name, known) or f"; {otherwise}"


def _negated(spec: str) -> tuple[bool, str]:
    """(whether it is inverted, the rest): each leading ! inverts."""
    rest = spec.lstrip("!")
    return (len(spec) - len(rest)) % 2 == 1, rest


# Calls.


def _wanted(spec: str) -> list[int] | None:
    negated, rest = _negated(spec)
    if rest in ("all", "none"):
        if (rest == "all") != negated:
            return None
        return [0] * (ABI_COUNT * WORDS_PER_ABI)
    names = _Names()
    chosen: set[tuple[int, int]] = set()
    everything = False
    for token in rest.split(","):
        everything |= token.strip() == "all"
        chosen |= _token(token.strip(), names)
    if everything:
        return [0] * (ABI_COUNT * WORDS_PER_ABI) if negated else None
    words = [0] * (ABI_COUNT * WORDS_PER_ABI)
    for abi, number in chosen:
        words[abi * WORDS_PER_ABI + number // 64] |= 1 << number % 64
    # A number that no table knows is not among those that a negated set leaves out.
    return [~word & (1 << 64) - 1 for word in words] if negated else words


class _Names:
    """All calls that are known: name -> (ABI, number) of each ABI."""

    def __init__(self) -> None:
        self.calls: dict[str, set[tuple[int, int]]] = {}
        for (abi, number), call in calls.table().items():
            if number < WORDS_PER_ABI * 64:
                self.calls.setdefault(call.name, set()).add((abi, number))

    def of(self, names: Iterable[str]) -> set[tuple[int, int]]:
        found: set[tuple[int, int]] = set()
        for name in names:
            found |= self.calls.get(name, set())
        return found


def _token(token: str, names: _Names) -> set[tuple[int, int]]:
    """The calls of one word of the list."""
    word = token.lstrip("?")
    bare, at, personality = word.rpartition("@")
    if at and personality in _PERSONALITIES and not word.startswith("/"):
        abis = {_ABIS.index(abi) for abi in _PERSONALITIES[personality]}
    else:
        bare, abis = word, set(range(1, ABI_COUNT))
    found = _matching(bare, names)
    if found is None:
        if token.startswith("?"):
            return set()
        raise UsageError(f"-e trace: {_unknown(bare, names)}")
    return {call for call in found if call[0] in abis}


def _matching(word: str, names: _Names) -> set[tuple[int, int]] | None:
    """The calls that a word stands for; None = there are none."""
    from renacer_otel.sidecar import classes

    if word == "all":
        return names.of(names.calls)
    if word.startswith("/"):
        return names.of(_by_regex(word, names)) or None
    if word.startswith("%"):
        listed = classes.names_of(word[1:])
        return None if listed is None else names.of(listed)
    if word.isascii() and word.isdigit() and int(word) < WORDS_PER_ABI * 64:
        return {(abi, int(word)) for abi in range(1, ABI_COUNT)}
    if word in classes.BARE:  # before the i386 calls that are called ipc and signal
        return names.of(classes.names_of(word) or ())
    return names.calls.get(word)


def _by_regex(word: str, names: _Names) -> list[str]:
    text = word[1:-1] if word.endswith("/") and len(word) > 2 else word[1:]
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"-e trace: /{one_line(text, 40)}/ is no regular expression: {one_line(str(error))}"
        ) from error
    return [name for name in names.calls if pattern.search(name)]


def _unknown(word: str, names: _Names) -> str:
    from renacer_otel.sidecar import classes

    shown = one_line(word, 40)
    if not word:
        return "no system call is called ''; write names with one comma between them"
    if word == "none":
        return "'none' stands alone; leave out the other words, or none"
    if word.startswith("/"):
        return f"no system call matches {shown}; names are those of the man pages"
    known = sorted(f"%{name}" for name in classes.CLASSES)
    if word.startswith("%"):
        return f"there is no class '{shown}'{_nearest(word, known, 'there are ' + ' '.join(known))}"
    candidates = [*names.calls, *classes.BARE]
    return f"no system call is called '{shown}'" + _nearest(
        word, candidates, "names are those of the man pages"
    )


def call_names() -> list[str]:
    """All names of the native ABI."""
    abi = calls.native_abi()
    return [call.name for (owner, _), call in sorted(calls.table().items()) if owner == abi]


# Signals and outcomes.


def _hidden(spec: str, known: Iterable[int], parse: Callable[[str], int]) -> int:
    """The bits of those of `known` that a SET leaves out."""
    negated, rest = _negated(spec)
    everything = set(known)
    if rest in ("all", "none"):
        shown = everything if rest == "all" else set()
    else:
        shown = {parse(word.strip()) for word in rest.split(",")}
    if negated:
        shown = everything - shown
    return sum(1 << number for number in everything - shown)


def _status(word: str) -> int:
    if word in STATUSES:
        return STATUSES.index(word)
    hint = _nearest(word, STATUSES, "there are " + ", ".join(STATUSES))
    raise UsageError(f"-e status: there is no '{one_line(word, 20)}'{hint}")


def _signal(word: str) -> int:
    """A signal's number: 2, INT, SIGINT, RT_3, RTMIN; case does not count."""
    if word.isascii() and word.isdigit() and 1 <= int(word) <= _LAST_SIGNAL:
        return int(word)
    name = word.upper().removeprefix("SIG")
    known = _signals()
    if name in known:
        return known[name]
    hint = _nearest(name, known, "names are those of signal(7)")
    raise UsageError(f"-e signal: there is no signal '{one_line(word, 20)}'{hint}")


def _signals() -> dict[str, int]:
    known = {"IOT": 6, "POLL": 29, "CLD": 17, "STKFLT": 16}
    known |= {each.name.removeprefix("SIG"): each.value for each in signal.Signals}
    known |= {"RTMIN": _FIRST_REALTIME, "RTMAX": _LAST_SIGNAL}  # the kernel's, not libc's
    for number in range(_FIRST_REALTIME, _LAST_SIGNAL + 1):
        known[f"RT_{number - _FIRST_REALTIME}"] = number
    return known


# Paths.


def _with_resolved(paths: Sequence[str]) -> tuple[str, ...]:
    """The paths, and where symbolic links and relative ones lead, each once."""
    both: dict[str, None] = {}
    for path in paths:
        if not path or "\0" in path:
            raise UsageError("-P: the path is empty; name a file")
        both[path] = None
        both[os.path.realpath(path)] = None
    return tuple(both)


def _inherited(paths: tuple[str, ...]) -> tuple[int, ...]:
    """Our own descriptors of these paths that the command will have from its start on."""
    if not paths:
        return ()
    return tuple(int(name) for name in os.listdir("/proc/self/fd") if _is_at(int(name), paths))


def _is_at(descriptor: int, paths: tuple[str, ...]) -> bool:
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return path in paths and os.get_inheritable(descriptor)
    except OSError:
        return False  # the listing's own, closed by now
