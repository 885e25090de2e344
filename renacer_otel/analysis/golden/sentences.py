# SPDX-License-Identifier: MIT
"""Differences in words that a person understands."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import patterns, rules
from renacer_otel.analysis.golden.model import OK, Argument, Item, Range, Role
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

_LONGEST = 160
_LONGEST_LINE = 4000
_MOST_COMPARED = 1_000_000  # pairs of words of two command lines
_BEFORE = 20  # characters that are told before those that differ
_DOES = {
    "mkdir": "makes the folder {0}",
    "mkdirat": "makes the folder {0}",
    "rmdir": "removes the folder {0}",
    "unlink": "removes {0}",
    "unlinkat": "removes {0}",
    "rename": "renames {0} to {1}",
    "renameat": "renames {0} to {1}",
    "renameat2": "renames {0} to {1}",
    "link": "links {0} as {1}",
    "linkat": "links {0} as {1}",
    "symlink": "makes the symbolic link {1} to {0}",
    "symlinkat": "makes the symbolic link {1} to {0}",
    "chmod": "sets the mode of {0} to {1}",
    "fchmod": "sets the mode of {0} to {1}",
    "fchmodat": "sets the mode of {0} to {1}",
    "fchmodat2": "sets the mode of {0} to {1}",
    "chown": "sets the owner of {0} to {1}:{2}",
    "fchown": "sets the owner of {0} to {1}:{2}",
    "fchownat": "sets the owner of {0} to {1}:{2}",
    "lchown": "sets the owner of {0} to {1}:{2}",
    "setxattr": "sets the attribute {1} of {0} to {2}",
    "lsetxattr": "sets the attribute {1} of {0} to {2}",
    "fsetxattr": "sets the attribute {1} of {0} to {2}",
    "truncate": "cuts {0} to {1} bytes",
    "ftruncate": "cuts {0} to {1} bytes",
    "fsync": "syncs {0} to disk (fsync)",
    "fdatasync": "syncs {0} to disk (fdatasync)",
    "kill": "sends {1} to {0}",
    "tkill": "sends {1} to {0}",
    "tgkill": "sends {2} to {0}",
    "write": "writes to {0}",
    "read": "reads from {0}",
    "signal": "gets the signal {0}",
    "setenv": "is given the variable {0}={1}",
    "unsetenv": "is given no variable {0}",
    "umask": "sets the mask of modes to {0}",
    "chdir": "changes to the folder {0}",
    "mmap": "maps {2}",
}
#: Of an address as strace writes it.
_PATH = re.compile(r'sun_path=(@?"[^"]*")')
_PORT = re.compile(r"port=htons\(([^)]*)\)")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')
_LOOKS = frozenset("stat lstat fstat newfstatat statx access faccessat faccessat2".split())


def word(text: str) -> str:
    """A value in a sentence."""
    return one_line(text, _LONGEST)


def apart(was: str, now: str) -> tuple[str, str]:
    """Two values in a sentence; of long ones from a little before they differ."""
    if min(len(was), len(now)) > _LONGEST:
        both = enumerate(zip(was, now, strict=False))
        start = next((at for at, (one, two) in both if one != two), 0)
        if start > _LONGEST // 2:
            told = was.rfind("… (and ", 0, start)
            start = told + 1 if told > start - _LONGEST // 2 else start - _BEFORE
            quote = was[0] if was[0] in "\"'" else ""
            was, now = (f"{quote}…{text[start:]}" for text in (was, now))
    return word(was), word(now)


def says(item: Item) -> str:
    """What a call does: opens /etc/hosts for writing."""
    words = [word(argument.text) for argument in item.arguments]
    end = "" if item.result == OK else f", which fails with {item.result}"
    if item.call in rules.OPENS and len(words) > 1:
        flags = words[1].split("|")
        way = "for reading"
        if item.call == "creat" or "O_WRONLY" in flags:
            way = "for writing"
        elif "O_RDWR" in flags:
            way = "for reading and writing"
        return f"opens {words[0]} {way}{end}"
    if item.call in _LOOKS and words:
        return f"looks at {words[0]} ({item.call}){end}"
    if item.call == "connect" and words:
        return f"connects to {address(item)}{end}"
    if item.call in ("bind", "listen") and words:
        return f"{item.call}s to {address(item)}{end}"
    if item.call == "write" and len(words) > 1:
        return f"writes to {words[0]} with {', '.join(words[1:])}{end}"
    if item.call in _DOES:
        try:
            return _DOES[item.call].format(*words) + end
        except IndexError:
            pass
    return f"calls {word(str(item))}"


def tells_all(item: Item) -> bool:
    """Whether the sentence of a call has more than its first argument."""
    if item.call == "write":
        return len(item.arguments) > 1
    return "{1}" in _DOES.get(item.call, "") or "{2}" in _DOES.get(item.call, "")


def address(item: Item) -> str:
    """Whom a call names: the address among its arguments, else what it is about."""
    for argument in item.arguments[1:]:
        if "sa_family" in argument.text:
            path, port, host = (
                next(iter(form.findall(argument.text)), "") for form in (_PATH, _PORT, _HOST)
            )
            if host:
                host = f"[{host}]" if ":" in host else host
            return word(path or (f"{host}:{port}" if host and port else argument.text))
    return word(item.arguments[0].text) if item.arguments else item.call


def brief(item: Item) -> str:
    """A call in few words: openat(/tmp/x, …)."""
    first = item.arguments[0].text if item.arguments else ""
    more = ", …" if len(item.arguments) > 1 else ""
    return f"{item.call}({one_line(first, 60)}{more})"


def command(argv: Sequence[Argument]) -> str:
    """A command line."""
    return word(_line(argument.text for argument in argv))


def whole_command(argv: Sequence[Argument]) -> str:
    """A command line that may be long."""
    return one_line(_line(argument.text for argument in argv), _LONGEST_LINE)


def _line(words: Iterable[str]) -> str:
    return " ".join(text if text and " " not in text else f"'{text}'" for text in words)


def run_as(
    known: Role, argv: Sequence[Argument], new: AbstractSet[str], lost: AbstractSet[str]
) -> str:
    """Of a command line that is another one: the whole, or if that is long what of it is.

    `new`: words that no command line had before; `lost`: that none has now.
    """
    was, now = _line(one.text for one in known.argv), _line(one.text for one in argv)
    if max(len(was), len(now)) <= _LONGEST:
        return f"{known.name} is now run as: {word(now)} (instead of: {word(was)})"
    before = [one.text for one in known.argv]
    after = [one.text for one in argv]
    if len(before) == len(after):
        both = zip(before, after, strict=True)
        after = [mine if patterns.fits(mine, yours) else yours for mine, yours in both]
    gone, come = _unlike(before, after)
    if not new.isdisjoint(come):  # others have moved here from elsewhere, or to there
        gone = [one for one in gone if one in lost]
        come = [one for one in come if one in new]
    lost_words, new_words = apart(_line(gone), _line(come))
    told = f"with {new_words}" if come else "without"
    if gone:
        told += f" {'instead of ' if come else ''}{lost_words}"
    return f"{known.shown} is now run {told}: {word(now)}"


def _unlike(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Words that only the one has, and that only the other has."""
    low, most = 0, min(len(before), len(after))
    while low < most and before[low] == after[low]:
        low += 1
    end = 0
    while end < most - low and before[-1 - end] == after[-1 - end]:
        end += 1
    before, after = before[low : len(before) - end], after[low : len(after) - end]
    if len(before) * len(after) > _MOST_COMPARED:
        return before, after
    gone, come = [], []
    for kind, low, high, start, end in SequenceMatcher(None, before, after, False).get_opcodes():
        if kind != "equal":
            gone += before[low:high]
            come += after[start:end]
    return gone, come


def times(count: Range) -> str:
    """How often: 3 times, 3 to 5 times."""
    if count.is_one:
        return "once" if count.low == 1 else f"{count.low} times"
    return f"{count.low} to {count.high} times"


def size(count: Range) -> str:
    """How many bytes."""
    return f"{count.low} bytes" if count.is_one else f"{count.low} to {count.high} bytes"


def place(role: Role, item: int) -> str:
    """Between which other effects an item stands: ", between … and …,"; "" = not known."""
    flat = [one for group in role.order for one in group.items]
    if item not in flat:
        return ""
    at = flat.index(item)
    before = brief(role.items[flat[at - 1]].item) if at else ""
    after = brief(role.items[flat[at + 1]].item) if at + 1 < len(flat) else ""
    if before and after:
        return f", between {before} and {after},"
    if before:
        return f", after {before},"
    return f", before {after}," if after else ""
