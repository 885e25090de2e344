# SPDX-License-Identifier: MIT
"""Happens-before by chains against a search through all events, on random histories."""

from __future__ import annotations

import random

import pytest

from renacer_otel.analysis.causality import naming, relation
from renacer_otel.analysis.causality.chains import Chains
from renacer_otel.errors import UsageError
from tests.causality.made import PIPE, READ, WRITE, Made, distances, random_made

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_against_a_search_through_all(seed: int) -> None:
    rng = random.Random(seed)
    made = random_made(rng, rng.randrange(2, 7), rng.randrange(5, 120), rng.randrange(0, 60))
    history = made.history()
    numbers = [seq for _, seq, _, _, _ in made.calls] + [seq for _, seq, _, _ in made.events]
    numbers += [end for _, _, end, _, _ in made.calls if end]
    for certain in (True, False):
        chains = Chains(history, certain=certain)
        for start in rng.sample(numbers, min(len(numbers), 12)):
            wanted = distances(history, start, certain=certain)
            for goal in numbers:
                first, last = history.point(start), history.point(goal)
                assert first is not None
                assert last is not None
                found = chains.between(first, last)
                assert (None if found is None else len(found)) == wanted.get(goal)
                if not found:
                    continue
                # Each link of the chain holds.
                thread, number = first.thread, start
                for row in found:
                    edge = history.edges[row]
                    assert edge["certain"] or not certain
                    assert edge["cause_thread"] == thread
                    assert edge["cause"] >= number
                    thread, number = int(edge["effect_thread"]), int(edge["effect"])
                assert thread == last.thread
                assert number <= goal


@pytest.mark.parametrize("seed", SEEDS)
def test_relations_against_a_search_through_all(seed: int) -> None:
    rng = random.Random(1000 + seed)
    made = random_made(rng, 4, rng.randrange(20, 80), rng.randrange(0, 40))
    history = made.history()
    ends = {seq: end for _, seq, end, _, _ in made.calls}
    after = {
        (number, certain): distances(history, number, certain=certain)
        for seq, end in ends.items() for number in (seq, end) if number for certain in (True, False)
    }  # fmt: skip
    turned = {"before": "after", "after": "before"}
    for _ in range(60):
        a, b = rng.choice(list(ends)), rng.choice(list(ends))
        spans = [naming.find(history, f"#{seq}") for seq in (a, b)]
        found = relation.relate(history, *spans)
        mirrored = relation.relate(history, *reversed(spans))
        assert mirrored.kind == turned.get(found.kind, found.kind)

        def leads(first: int, second: int, certain: bool = True) -> bool:
            return bool(first and second and second in after[first, certain])

        if a == b:
            wanted = "the same"
        elif leads(ends[a], b):
            wanted = "before"
        elif leads(ends[b], a):
            wanted = "after"
        elif leads(a, ends[b]) or leads(b, ends[a]):
            wanted = "overlapping"
        else:
            wanted = "concurrent"
        assert found.kind == wanted
        for proof in found.proofs:
            assert leads(proof.first.number, proof.second.number)
        if wanted == "overlapping":
            assert len(found.proofs) == leads(a, ends[b]) + leads(b, ends[a])
            more = leads(ends[a], b, False) or leads(ends[b], a, False)
            assert (found.possible is not None) == more


def two_processes() -> Made:
    """sh writes at 3 what cat, which reads from 4 on, gets at 6."""
    made = Made(names={1: "/bin/sh", 2: "/bin/cat"})
    sh, cat = made.thread(1, 50, 50), made.thread(2, 60, 60)
    made.event(sh, 1, 4)
    made.event(cat, 2, 4)
    made.call(sh, 3, 5, WRITE)
    made.call(cat, 4, 6, READ)
    made.call(cat, 7, 8, WRITE)
    made.call(sh, 9, 10, WRITE)
    made.event(cat, 11, 6, last=1)
    made.event(sh, 12, 6, last=1)
    made.edge(3, 4, PIPE)
    return made


@pytest.mark.parametrize(
    ("word", "start", "end", "name"),
    [
        ("#3", 3, 5, "sh[50] write #3"),
        ("#6", 6, 6, "cat[60] read #4"),
        ("#11", 11, 11, "cat[60] exit #11"),
        ("50:write", 3, 5, "sh[50] write #3"),
        ("50:write[2]", 9, 10, "sh[50] write #9"),
        ("50:write[-1]", 9, 10, "sh[50] write #9"),
        ("60", 2, 11, "cat[60]"),
        ("cat", 2, 11, "cat[60]"),
        ("sh:write[2]", 9, 10, "sh[50] write #9"),
    ],
)
def test_names_of_spans(word: str, start: int, end: int, name: str) -> None:
    history = two_processes().history()
    span = naming.find(history, word)
    assert span.end is not None
    assert (span.start.number, span.end.number, span.name) == (start, end, name)


def test_span_ids() -> None:
    history = two_processes().history()
    run = history.run
    call = naming.find(history, f"{run.span_of_number(3):016x}")
    assert call == naming.find(history, "#3")
    process = naming.find(history, f"{run.span_of_process(2):016x}")
    assert process == naming.find(history, "60")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("cta", r"'cta' means no span: write .*; did you mean cat\?"),
        ("sch:read", r"'sch' means no span: .*; did you mean sh\?"),
        ("sh:writ", "made no call writ; did you mean write"),
        ("sh:", "'sh:' means no span"),
        ("#99", "no event of this number"),
        ("#0", "no event of this number"),
        ("61", "no process of this id is in the trace; it has 50, 60"),
        ("61:read", "it has 50, 60"),
        ("50:writ", "made no call writ; did you mean write?"),
        ("50:write[3]", r"there are 2: from \[1\] to \[2\]"),
        ("50:write[0]", r"there are 2"),
        ("0123456789abcdef", "has this span id"),
        ("\x1b[2J", r"'\\x1b\[2J' means no span: write #NUMBER"),
        ("", "means no span"),
        ("#" + "9" * 400, "means no span"),
    ],
)
def test_names_of_nothing(word: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        naming.find(two_processes().history(), word)


def test_a_pid_used_twice_is_asked_about() -> None:
    made = two_processes()
    made.event(made.thread(3, 60, 60), 13, 4)
    made.names[3] = "/bin/cat"
    with pytest.raises(UsageError, match=r"2 processes are called cat: say .* PID, of 60, 60"):
        naming.find(made.history(), "cat:read")
    with pytest.raises(UsageError, match=r"2 processes had this id one after the other: [0-9a-f]"):
        naming.find(made.history(), "60")


def test_a_write_and_the_read_that_it_woke() -> None:
    history = two_processes().history()
    write, read, next_write = (naming.find(history, word) for word in ("#3", "#4", "60:write"))
    found = relation.relate(history, write, read)
    assert found.kind == "overlapping"
    (proof,) = found.proofs  # the read's start is not before the write's end: that is not known
    assert (proof.first.number, proof.second.number, len(proof.edges)) == (3, 6, 1)
    # What the reader does next is after the write's start, not after its end.
    assert relation.relate(history, write, next_write).kind == "overlapping"
    assert relation.relate(history, next_write, read).kind == "after"


def test_uncertain_edges_prove_nothing() -> None:
    made = two_processes()
    made.edges = [(3, 4, PIPE, False)]
    history = made.history()
    found = relation.relate(history, naming.find(history, "#3"), naming.find(history, "#4"))
    assert (found.kind, found.proofs) == ("concurrent", [])
    assert found.possible is not None
    assert not found.possible.certain


def test_edges_that_lie_are_left_out() -> None:
    made = two_processes()
    made.edges += [(9, 4, PIPE, True), (0, 4, PIPE, True), (999, 4, PIPE, True), (3, 999, 5, True)]
    made.call(0, 13, 0)
    made.edges.append((3, 13, PIPE, True))  # it never returned
    history = made.history()
    assert history.unplaced == 5
    assert len(history.edges) == 1
