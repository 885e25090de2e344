# SPDX-License-Identifier: MIT
"""Words of a call without what is never the same: random names, addresses, times, inodes, ports.

Works on the distinct words of a trace, each once.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

_MOST_NAMES = 5000
_TEMPORARY = re.compile(r"^(?:/tmp|/var/tmp|/dev/shm|/run/user/\d+|/usr/tmp)/")
#: What mkstemp() and mkdtemp() fill in, or Python's tempfile; before it what tells it apart.
_END = r"(?=\.[A-Za-z0-9]+$|$)"
_RANDOM_TAIL = re.compile(
    rf"(?P<python>tmp[a-z0-9_]{{8}}){_END}|(?<=[._-])[a-z0-9_]{{8}}{_END}"
    rf"|(?<=[._-])[A-Za-z0-9]{{6,32}}{_END}|[A-Za-z0-9]{{6}}{_END}"
)
_WHOLE = re.compile(rf"^(?!tmp)(?:[A-Za-z0-9]{{6,32}}|[a-z0-9_]{{8}}){_END}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?=[a-f0-9]*[0-9])(?=[a-f0-9]*[a-f])[0-9a-f]{16,}(?![0-9A-Za-z])"
)
#: Git names its folders of objects by the first two digits of a hash.
_OBJECTS = re.compile(r"(?<=/objects/)[0-9a-f]{2}(?=/|$)")
_ADDRESS = re.compile(r"0x[0-9a-f]{7,16}")
_TIME = re.compile(r"((?:tv_[nu]?sec|it_interval|it_value)=)-?[0-9]+(?:\s*/\*.*?\*/)?")
#: What a time is beside its numbers, if it is no whole second: a file's own, not a chosen one.
_DATE = re.compile(r" /\* -?[0-9]+-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+[-+][0-9]{4} \*/")
_LEFT = re.compile(r"tv_sec=([0-9]+), tv_([nu])sec=([0-9]+)")
#: A time to come that is a multiple of it was chosen; else it is what is left of one.
_CHOSEN = {"u": 1000, "n": 1_000_000}
_PROCESS = re.compile("\x05(-?[0-9]+)")
_PROC = re.compile(r"/proc/[0-9]+(?=/|$)|(?<=/task/)[0-9]+")
_INODE = re.compile(r"((?:pipe|socket|anon_inode|mnt|net|pid|user|uts|ipc|cgroup|time):)\[[0-9]+\]")
#: Behind the colon of an address, and as strace writes it.
_PORT = re.compile(r"(?:(?<=[0-9\]a-z]:)|(?<=htons\())[0-9]{5}(?=$|[)/?#,])")
RANDOM = "<random>"
#: Characters of a word; of what is beyond there is a hash.
_LONGEST = 4000
_FOLDER = "<folder>"


def random_names(made: Iterable[str]) -> dict[str, str]:
    """Of paths that were made so that nobody else had them: names, and what stands for them."""
    found: dict[str, str] = {}
    for path in made:
        folder, _, name = path.rpartition("/")
        # Where names are made up, it may be all of them that is.
        made_up = _TEMPORARY.match(folder + "/") is not None
        whole = _WHOLE.search(name) if made_up else None
        match = whole or _RANDOM_TAIL.search(name)
        if match is None or len(found) >= _MOST_NAMES:
            continue
        if match.start() == 0 and not made_up:
            continue
        if whole is not None:
            found[name] = RANDOM + name[whole.end() :]
            continue
        start = match.start() + (3 if match["python"] else 0)
        found[name] = name[:start] + RANDOM + name[match.end() :]
    return found


def _folders(places: Mapping[str, str], home: str) -> Iterator[tuple[str, re.Pattern[str], str]]:
    """What takes folders out of words, the innermost first; "" and the root are none. Nor is a home
    that lies in a place, or is one."""
    known = [(path, place, "folder") for place, path in places.items() if _is_one(path)]
    in_one = "home" in places or any(f"{home}/".startswith(f"{path}/") for path, _, _ in known)
    if _is_one(home) and not in_one:
        known.append((home, "home", "home"))
    for path, place, rule in sorted(known, key=lambda one: (-len(one[0]), one[1])):
        name = re.escape(shown(os.fsencode(path)))
        slashes = "(?:/+(?=/))?" if rule == "home" else ""  # of HOME=/home/me/
        yield rule, re.compile(rf"(?<![\w.~/-]){name}{slashes}(?![\w.~-])"), f"<{place}>"


def _is_one(path: str) -> bool:
    return path.startswith("/") and path != "/"


class Words:
    """Makes words canonical, and counts by rule how often something was replaced."""

    def __init__(
        self,
        kept: Iterable[str],
        names: dict[str, str],
        places: Mapping[str, str] | None = None,
        ports: AbstractSet[str] = frozenset(),
        processes: AbstractSet[int] | None = None,
        home: str = "",
    ) -> None:
        """`names`: of random names, what stands for them; `places`: folders by what does; `ports`:
        that the kernel chose (ports.chosen); `processes`: and threads of the run, None: unknown;
        `home`: the command's HOME, "" = none."""
        self._kept = frozenset(kept)
        self.counts: Counter[str] = Counter()
        self._names = names if "random-names" not in self._kept else {}
        alternatives = "|".join(map(re.escape, sorted(self._names, key=len, reverse=True)))
        self._ports = ports if "ports" not in self._kept else frozenset()
        self._processes = processes
        self._named = re.compile(f"(?<![A-Za-z0-9_])(?:{alternatives})(?![A-Za-z0-9_])")
        steps: list[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
            *_folders(places or {}, home),
            ("random-names", _UUID, RANDOM),
            ("random-names", _HEX, RANDOM),
            ("random-names", _OBJECTS, RANDOM),
            ("addresses", _ADDRESS, "<addr>"),
            ("times", _DATE, ""),
            ("times", _TIME, r"\1<time>"),
            ("identities", _PROC, self._proc),
            ("identities", _INODE, r"<\1>"),
        ]
        self._steps = [step for step in steps if step[0] not in self._kept]

    @staticmethod
    def _proc(match: re.Match[str]) -> str:
        return "/proc/<process>" if match[0].startswith("/proc") else "<thread>"

    def __call__(self, text: str, *, chosen: bool = False) -> str:
        """The canonical words. `chosen`: times in them are the program's own choice."""
        return _printable(self._canonical(text, chosen=chosen))

    def _canonical(self, text: str, *, chosen: bool) -> str:
        if "\x05" in text:
            text = _PROCESS.sub(self._process, text)
        if self._names:
            text, times = self._named.subn(lambda match: self._names[match[0]], text)
            self.counts["random-names"] += times
        if len(text) < 4:
            return text
        for rule, form, to in self._steps:
            if chosen and rule == "times":
                text = _LEFT.sub(self._left, text)
                continue
            text, times = form.subn(to, text)
            if times:
                self.counts[rule] += times
        return _PORT.sub(self._port, text) if self._ports else text

    def _left(self, match: re.Match[str]) -> str:
        if int(match[3]) % _CHOSEN[match[2]] == 0:
            return match[0]
        self.counts["times"] += 1
        return f"tv_sec=<time>, tv_{match[2]}sec=<time>"

    def of_path(self, path: str) -> str:
        """A path's, from the folder of the run where it lies in it: a file has one name."""
        words = self(path)
        return words.removeprefix(_FOLDER + "/") or words

    def of_library(self, path: str) -> str:
        """A library's path, with what stands for folders where the home is one."""
        if "home" not in self._kept:
            for rule, form, to in self._steps:
                if rule in ("folder", "home"):
                    path = form.sub(to, path)
        return path

    def _port(self, match: re.Match[str]) -> str:
        if match[0] not in self._ports:
            return match[0]
        self.counts["ports"] += 1
        return "<port>"

    def _process(self, match: re.Match[str]) -> str:
        number = int(match[1])
        if number in (0, -1) or "identities" in self._kept:
            return match[1]
        self.counts["identities"] += 1
        known = self._processes is None or abs(number) in self._processes
        group = "-" if number < 0 else ""  # kill(2)
        return f"{group}<process>" if known else f"{group}<process outside>"


def cut(text: str) -> str:
    """A word that is not too long to be compared with others: a hash stands for the rest."""
    if len(text) <= _LONGEST:
        return text
    rest = text[_LONGEST:]
    # Shorter than the hex numbers that are taken for random ones.
    told = hashlib.sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()[:15]
    return f"{text[:_LONGEST]}… (and {len(rest)} characters more: {told})"


#: Of the words of a call: what stands for a path, a descriptor and the like (native/run/shown.h).
_MARKS = "\x01\x02\x03\x04\x05\x1f"
_LETTERS = {9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}


def shown(text: bytes) -> str:
    """Bytes of a program as text that can be stored and printed, but for marks."""
    return _printable(os.fsdecode(text), _MARKS)


def printable(text: bytes) -> str:
    """The same of what has no marks."""
    return _printable(os.fsdecode(text))


def _printable(text: str, but: str = "") -> str:
    """What cannot be printed as strace writes it: in octal, but for some letters."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in but else _octal(char, text[at + 1 : at + 2])
        for at, char in enumerate(text)
    )


def _octal(char: str, following: str) -> str:
    """As few digits as will do, but all three where an octal digit follows."""
    full = following != "" and following in "01234567"
    return "".join(
        f"\\{_LETTERS[byte]}" if byte in _LETTERS else f"\\{byte:03o}" if full else f"\\{byte:o}"
        for byte in char.encode("utf-8", "surrogateescape")
    )
