# SPDX-License-Identifier: MIT
"""The ledger balances whatever is moved, from however many threads."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from renacer_otel.exporters.ledger import Books, Ledger

MOVES = st.lists(
    st.tuples(st.sampled_from("emit inherit spool export drop".split()), st.integers(0, 1000))
)


@given(MOVES)
def test_any_moves_balance(moves: list[tuple[str, int]]) -> None:
    ledger = Ledger()
    for what, spans in moves:
        before = ledger.books()
        if what in ("emit", "inherit"):
            getattr(ledger, what)(spans)
        elif what == "spool":
            ledger.spool(min(spans, before.queued))
        else:
            spooled = before.spooled > before.queued
            spans = min(spans, before.spooled if spooled else before.queued)
            if what == "export":
                ledger.export(spans, spooled=spooled)
            else:
                ledger.drop(spans, "why", spooled=spooled)
        assert ledger.books().balanced


def test_reasons_are_bounded() -> None:
    ledger = Ledger()
    ledger.emit(1000)
    for number in range(1000):
        ledger.drop(1, f"reason {number}")
    books = ledger.books()
    assert books.lost == 1000
    assert len(books.dropped) <= 33
    assert books.balanced


def test_what_waits_before_is_added() -> None:
    ledger = Ledger()
    ledger.emit(5)
    books = ledger.books().plus(3, {"queue_full": 2, "ring_full": 0})
    assert books == Books(10, 0, 0, 8, 0, {"queue_full": 2})
    assert books.balanced


def test_balanced_at_any_time() -> None:
    ledger = Ledger()
    ended = threading.Event()

    def work() -> None:
        for _ in range(2000):
            ledger.emit(4)
            ledger.spool(3)
            ledger.export(2, spooled=True)
            ledger.drop(1, "x", spooled=True)
            ledger.export(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    looks = 0
    while any(thread.is_alive() for thread in threads):
        assert ledger.books().balanced
        looks += 1
    ended.set()
    for thread in threads:
        thread.join()
    assert ledger.books() == Books(24000, 0, 18000, 0, 0, {"x": 6000})
    assert looks
