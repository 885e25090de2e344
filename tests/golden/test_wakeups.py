# SPDX-License-Identifier: MIT
"""What a process tells itself through a pipe: how often is chance, and nobody else sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import canonical, differences, learning
from tests.golden.made_runs import Call, Thread, made

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Canonical

_PIPE, _EVENTFD, _FILE = 3, 5, 2  # kinds of objects
_SPLICE = Call("splice", "\x03\x1fNULL\x1f\x04\x1fNULL\x1f9\x1f0", result=9, thing=7, kind=_PIPE)


def _told(times: int, kind: int = _PIPE, by: int = 0, more: tuple[Call, ...] = ()) -> Canonical:
    """A process that writes into a thing of that kind, and another that reads it; or the same."""
    writes = [Call("write", "\x03", "", 1, 7, kind)] * times
    reads = [Call("read", "\x03", "", 1, 7, kind)] * times
    first = [Call("umask", "022"), *writes, *more]
    if not by:
        return canonical.of_replay(made([Thread(0, [*first, *reads])], (), 1000, 4096))
    threads = [Thread(0, first), Thread(by, reads)]
    return canonical.of_replay(made(threads, [0] * len(first), 1000, 4096))


def _changed(known: Canonical, now: Canonical) -> list[str]:
    found = differences.between(learning.learn([known]), [now])
    return [one.sentence for one in found if differences.changed([one])]


def test_what_a_process_tells_itself_is_left_out() -> None:
    for kind in (_PIPE, _EVENTFD):
        assert _changed(_told(4, kind), _told(5, kind)) == []
        assert _changed(_told(1, kind), _told(0, kind)) == []
    assert _told(4).normalised["wakeups"] == 8


def test_what_goes_elsewhere_is_not() -> None:
    assert "now writes 5 bytes to <pipe>" in _changed(_told(4, by=1), _told(5, by=1))[0]
    assert _changed(_told(4, _FILE), _told(5, _FILE))
    assert "wakeups" not in _told(4, by=1).normalised
    # Read by splice into a file: it is that file's content.
    spliced = (_SPLICE,)
    assert _changed(_told(4, more=spliced), _told(5, more=spliced))
    unread = made([Thread(0, [Call("write", "\x03", "", 1, 7, _PIPE)])], (), 1000, 4096)
    assert "wakeups" not in canonical.of_replay(unread).normalised


def test_it_can_be_kept() -> None:
    calls = [Call("write", "\x03", "", 1, 7, _PIPE), Call("read", "\x03", "", 1, 7, _PIPE)]
    run = made([Thread(0, calls)], (), 1000, 4096)
    assert canonical.of_replay(run).roles[0].streams == ()
    kept = canonical.of_replay(run, ["wakeups"])
    assert [stream.direction for stream in kept.roles[0].streams] == ["read", "write"]
