# SPDX-License-Identifier: MIT
"""Which ports the kernel has chosen in a run: those that it heard of before it named them.

A program hears of a port when a socket is bound, or connected, without one, by getsockname, from
who connects or sends to it, and in its command line. It names one in connect, bind, and what it
sends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.spans import grouping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.shapes import Called
    from renacer_otel.spans.replay import Details, Replay

_HEARS = frozenset(
    "accept accept4 recvfrom recvmsg recvmmsg recvmmsg_time64 getpeername connect".split()
)
_NAMES = frozenset("connect sendto sendmsg sendmmsg".split())
_SEVERAL = frozenset("recvmmsg recvmmsg_time64".split())
_IN_ADDRESS = re.compile(rb":([0-9]{1,5})$")
_BOUND = re.compile(rb"port=htons\(([0-9]{1,5})\)")
_IN_WORD = re.compile(r"(?:^|[:=])([0-9]{5})(?=$|[/?#,])")
#: From which the kernel chooses: ip(7), ip_local_port_range.
_LEAST, _GREATEST = 32768, 60999


def chosen(run: Replay, called: Called) -> frozenset[str]:
    """Ports as text, each of which may come in other runs as another."""
    assert run.details is not None
    if run.is_filtered or run.details.shown is None:  # what has told of them may be missing
        return frozenset(map(str, range(_LEAST, _GREATEST + 1)))
    codes, names = called
    finder = _Finder(run, run.details, codes, names)
    heard = dict.fromkeys(_in_words(run.metadata.get("command")), 0)
    for port, seq in finder.heard():
        heard[port] = min(heard.get(port, seq), seq)
    named: dict[int, int] = {}
    for port, seq in finder.named():
        named[port] = min(named.get(port, seq), seq)
    return frozenset(
        str(port) for port in heard
        if _LEAST <= port <= _GREATEST and not named.get(port, heard[port]) < heard[port]
    )  # fmt: skip


def _in_words(command: object) -> Iterator[int]:
    for word in command if isinstance(command, list) else ():
        if isinstance(word, str) and not any(char.isspace() for char in word):
            yield from map(int, _IN_WORD.findall(word))


class _Finder:
    """Ports by the calls that tell of them, and the number of the record that did."""

    def __init__(
        self, run: Replay, details: Details, codes: NDArray[np.int64], names: list[str]
    ) -> None:
        self._calls, self._details, self._codes, self._names = run.calls, details, codes, names

    def _of(self, wanted: frozenset[str]) -> NDArray[np.bool_]:
        table = np.array([name in wanted for name in self._names], bool)
        return table[self._codes] if len(table) else np.zeros(0, bool)

    def _ports(
        self, rows: NDArray[np.int64], texts: NDArray[np.uint32], form: re.Pattern[bytes],
        seq: NDArray[np.uint64],
    ) -> Iterator[tuple[int, int]]:  # fmt: skip
        """Of these rows the ports in their texts; each text once, at its first record."""
        order = rows[np.argsort(seq[rows], kind="stable")]
        first, _ = grouping.grouped(texts[order])
        for row in order[first].tolist():
            if (match := form.search(self._details.text(int(texts[row])))) is not None:
                yield int(match[1]), int(seq[row])

    def heard(self) -> Iterator[tuple[int, int]]:
        """What calls had told by their ends."""
        calls, rows = self._calls, self._details.rows
        binds = self._of(frozenset({"bind"}))
        own = np.flatnonzero((rows["own_end"] != 0) & ~binds)
        yield from self._ports(own, rows["own_end"], _IN_ADDRESS, calls["end"])
        yield from self._unasked(np.flatnonzero((rows["own_end"] != 0) & binds))
        peers = np.flatnonzero((rows["peer"] != 0) & self._of(_HEARS - _NAMES))
        yield from self._ports(peers, rows["peer"], _IN_ADDRESS, calls["end"])
        # Of several messages that one call receives, whom but the first are from is not known.
        if (self._of(_SEVERAL) & (calls["result"] > 1)).any():
            for port, _ in self._sent():
                yield port, 0

    def _unasked(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Sockets that were bound to any port."""
        shown = self._details.shown
        assert shown is not None
        for row in rows.tolist():
            asked = _BOUND.search(self._details.text(int(shown["text"][row])))
            own = _IN_ADDRESS.search(self._details.text(int(self._details.rows["own_end"][row])))
            if asked is not None and own is not None and int(asked[1]) == 0:
                yield int(own[1]), int(self._calls["end"][row])

    def _sent(self) -> Iterator[tuple[int, int]]:
        rows = self._details.rows
        sends = np.flatnonzero((rows["peer"] != 0) & self._of(_NAMES - {"connect"}))
        yield from self._ports(sends, rows["peer"], _IN_ADDRESS, self._calls["seq"])

    def named(self) -> Iterator[tuple[int, int]]:
        """What calls were given at their entries."""
        rows, seq = self._details.rows, self._calls["seq"]
        connects = np.flatnonzero((rows["peer"] != 0) & self._of(frozenset({"connect"})))
        yield from self._ports(connects, rows["peer"], _IN_ADDRESS, seq)
        yield from self._sent()
        shown = self._details.shown
        assert shown is not None
        binds = np.flatnonzero(self._of(frozenset({"bind"})))
        yield from self._ports(binds, shown["text"], _BOUND, seq)
