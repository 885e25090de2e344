# SPDX-License-Identifier: MIT
"""The order in which threads take turns, their numbers and addresses change nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.analysis.golden import canonical, differences, learning
from renacer_otel.analysis.golden.model import Canonical, Figures
from tests.golden.made_runs import Call, Thread, made

_EAGAIN, _ENOENT = -11, -2
_CALLS = [
    Call("openat", "\x01\x1fO_WRONLY|O_CREAT\x1f0644", "/x/a", 3, 1, 2),
    Call("openat", "\x01\x1fO_RDONLY", "/x/b", 4, 2, 2),
    Call("openat", "\x01\x1fO_RDONLY", "/x/none", _ENOENT),
    Call("write", "\x03", "/x/a", 10, 1, 2),
    Call("read", "\x03", "/x/b", 7, 2, 2),
    Call("fsync", "\x03", "/x/a", 0, 1, 2),
    Call("rt_sigaction", "SIGINT\x1f{sa_handler=ADDRESS}\x1f8"),
    Call("kill", "\x0577\x1fSIGTERM"),
    Call("unlink", "\x01", "/x/c"),
]
#: What the scheduler decides: without any of these a run is the same.
_CHANCE = [
    Call("futex", "FUTEX_WAIT"),
    Call("mmap", "4096\x1fPROT_READ|PROT_WRITE\x1fMAP_PRIVATE|MAP_ANONYMOUS\x1f-1\x1f0"),
    Call("madvise", "4096\x1fMADV_DONTNEED"),
    Call("read", "\x03", "/x/b", _EAGAIN, 2, 2),
    Call("sched_yield"),
    Call("clock_gettime"),
    Call("openat", "\x01\x1fO_RDONLY", "/proc/sys/vm/overcommit_memory", 9, 9, 2),
]
_doing = st.lists(st.sampled_from(_CALLS), max_size=12)
_turns = st.lists(st.integers(0, 7), max_size=60)


def _form(run: Canonical) -> Canonical:
    """Without what is counted and measured, and without the order of what threads do: one that
    waits for another, which is chance, has none."""
    roles = [replace(role, order=()) if role.threads.high else role for role in run.roles]
    return replace(run, roles=tuple(roles), figures=Figures(), normalised={}, missing=())


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2), _doing), min_size=1, max_size=5),
    _turns, _turns, st.data(),
)  # fmt: skip
def test_who_is_first_changes_nothing(
    work: list[tuple[int, list[Call]]], first: list[int], second: list[int], data: st.DataObject
) -> None:
    threads = [Thread(number if at else 0, calls) for at, (number, calls) in enumerate(work)]
    one = canonical.of_replay(made(threads, first, 1000, 0x7F0000001000))
    noisy = []
    for thread in threads:
        calls = list(thread.calls)
        for noise in data.draw(st.lists(st.sampled_from(_CHANCE), max_size=4)):
            calls.insert(data.draw(st.integers(0, len(calls))), noise)
        noisy.append(Thread(thread.process, calls))
    other = canonical.of_replay(made(noisy, second, 40000, 0x55AA00002000))
    assert _form(one) == _form(other)
    assert differences.between(learning.learn([one]), [other]) == []


@settings(deadline=None, max_examples=40)
@given(_doing, st.integers(1, 9))
def test_how_reads_and_writes_are_split_changes_nothing(doing: list[Call], cut: int) -> None:
    split = []
    for call in doing:
        if call.name in ("read", "write") and call.result > cut:
            split += [call._replace(result=cut), call._replace(result=call.result - cut)]
        else:
            split.append(call)
    one = canonical.of_replay(made([Thread(0, doing)], (), 1000, 0x7F0000001000))
    other = canonical.of_replay(made([Thread(0, split)], (), 2000, 0x7F0000009000))
    assert _form(one) == _form(other)


@settings(deadline=None, max_examples=40)
@given(_doing, st.sampled_from(_CALLS), st.integers(0, 12))
def test_one_more_call_that_others_see_is_found(doing: list[Call], more: Call, at: int) -> None:
    one = canonical.of_replay(made([Thread(0, doing)], (), 1000, 0x7F0000001000))
    changed = [*doing[:at], more, *doing[at:]]
    other = canonical.of_replay(made([Thread(0, changed)], (), 2000, 0x7F0000009000))
    found = differences.between(learning.learn([one]), [other])
    if more.name == "read":
        assert found or any(call.name == "read" for call in doing)
    else:
        assert differences.changed(found)
    assert all(one.sentence.isprintable() for one in found)
