# SPDX-License-Identifier: MIT
"""Variables that a run sets are compared, and those that it was given are not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import differences, golden_file, learning
from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.analysis.golden.model import Canonical, Golden

SCRIPT = """
FOO=one /bin/true first
BAR=$HOME/x PATH=/added:$PATH /bin/true second
TAB="$(printf 'a\\tb\\006PATH\\006')" LONG=%s /bin/true third
export GONE=1
(unset GONE; /bin/true fourth)
printf 'unset GONE; /bin/true fifth' | /bin/sh
/usr/bin/env -i X=y /bin/true sixth
"""
#: Of the script what is replaced, and words of the first sentence.
CHANGES = {
    "a value": ("FOO=one", "FOO=two", "is given the variable FOO=two instead of one, in p"),
    "a part": ("/added:", "/other:", "variable PATH=/other:<PATH> instead of /added:<PATH>"),
    "a long one": ("x /bin", "y /bin", "with … (and 1000 characters more: "),
    "taken away": ("(unset GONE; ", "(", "now also is given the variable GONE=1, in p"),
    "not taken away": ("'unset GONE; ", "'", "no longer is given no variable GONE, in p"),
    "one more": ("FOO=one", "MORE=1 FOO=one", "now also is given the variable MORE=1, in p"),
    "one less": ("FOO=one ", "", "no longer is given the variable FOO=one, in p"),
    "one of nothing": ("FOO=one", "FOO=", "is given the variable FOO= instead of one, in p"),
}  # fmt: skip
TOGETHER = list(CHANGES)[:5]


def _script(*edits: tuple[str, str]) -> str:
    text = SCRIPT % ("x" * 5000)
    for was, now in edits:
        assert text.count(was) == 1
        text = text.replace(was, now)
    return text


def _traced(folder: Path, script: str, *given: str) -> Canonical:
    variables = ("PATH=/usr/bin:/bin", "HOME=/home/a", *given)
    options = [word for one in variables for word in ("-E", one)]
    return traced(["sh", "-c", script], folder, options=options)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Golden, Path]:
    """What the script does, and where traces are."""
    folder = tmp_path_factory.mktemp("environment")
    known = learning.learn([_traced(folder, _script())])
    return golden_file.load(golden_file.dump(known)), folder


def _told(golden: tuple[Golden, Path], run: Canonical) -> list[str]:
    found = differences.between(golden[0], [run])
    return [one.sentence for one in found if differences.changed([one])]


def test_what_was_given_is_not_compared(golden: tuple[Golden, Path]) -> None:
    """Of others' PATH and HOME, and where the command has what it sets already."""
    items = {str(part.item) for role in golden[0].form.roles for part in role.items}
    assert {"setenv(FOO, one)", "setenv(BAR, <HOME>/x)", "setenv(PATH, /added:<PATH>)"} <= items
    assert golden[0].form.missing == ()
    for given in ((), ("PATH=/usr/sbin:/usr/bin:/bin", "HOME=/home/someone", "FOO=one", "X=z")):
        assert _told(golden, _traced(golden[1], _script(), *given)) == []
    assert not any(":one" in one or "FOO" in one for one in golden[0].form.given)


def test_changes_are_told(golden: tuple[Golden, Path], test_scale: int) -> None:
    """Each of several; in full size each alone, and then first."""
    edits = [CHANGES[name][:2] for name in TOGETHER]
    told = _told(golden, _traced(golden[1], _script(*edits)))
    for name in TOGETHER:
        assert any(CHANGES[name][2] in sentence for sentence in told), (name, told)
    for was, now, words in CHANGES.values() if test_scale > 1 else ():
        told = _told(golden, _traced(golden[1], _script((was, now))))
        assert words in told[0]


def test_what_is_not_known_is_told(tmp_path: Path, golden: tuple[Golden, Path]) -> None:
    """Of a process that was given too much, and of traces without any."""
    many = "env $(seq -f V%g=1 2100) sh -c 'FOO=one /bin/true'"
    assert _traced(tmp_path, many).missing == (
        "not all variables that programs were given are known",
    )
    form = golden[0].form
    told = {rule: count for rule, count in form.normalised.items() if rule != "environment"}
    before = dataclasses.replace(golden[0], form=dataclasses.replace(form, normalised=told))
    other = _traced(golden[1], _script(("FOO=one", "FOO=two")))
    assert not differences.changed(differences.between(before, [other]))
