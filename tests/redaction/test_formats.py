# SPDX-License-Identifier: MIT
"""Tokens of many issuers, wherever they stand; and that what is none stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.engine.redaction import Redaction, Redactor, WrongPattern
from tests.redaction.made_tokens import NAMES, private_key, token
from tests.scale import examples

_TABLE = Path(__file__).resolve().parents[2] / "native/encode/redact_table.h"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(Redaction())


def test_there_are_sixty_formats_and_more() -> None:
    assert len(set(NAMES)) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_a_token_is_found_wherever_it_stands(redactor: Redactor, name: str) -> None:
    for seed in range(10):
        made = token(name, seed)
        for before, after in [
            ("", ""),
            ("/home/me/", "/notes.txt"),
            ("/tmp/", ""),
            ("told: ", ", and so on"),
            ('{"a": "', '"}'),
            ("'", "'"),
            ("line\\n", "\\n"),
            ("https://host/x?a=1&v=", "&b=2"),
            ("https://", "@host/path"),
            ("git clone https://x:", "@host/path"),
        ]:
            shown = redactor.text(before + made + after)
            assert made not in shown
            assert "REDACTED" in shown
            # No long part of it, either.
            assert not any(made[at : at + 12] in shown for at in range(8, len(made) - 12))
        assert redactor.words(["tool", made, "next"]) == ["tool", "REDACTED", "next"]
        assert redactor.words(["tool", f"--x={made}"]) == ["tool", "--x=REDACTED"]


@pytest.mark.parametrize("kind", ["RSA ", "", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
def test_private_keys(redactor: Redactor, kind: str) -> None:
    shown = redactor.text(f"before\n{private_key(kind)}after")
    assert shown == "before\nREDACTED\nafter"
    escaped = private_key(kind).replace("\n", "\\n")
    assert redactor.text(f'"{escaped}"') == '"REDACTED\\n"'


def test_rows_of_the_table_have_room() -> None:
    """What one row of the table is meant for is no other's: each is reached."""
    rows = re.findall(r'^\tROW\("([^"]+)", "([^"]+)"\)', _TABLE.read_text(), re.M)
    assert len(rows) >= 100
    assert len({name for name, _ in rows}) == len(rows)


_CLASSES = {
    "d": "0123456789",
    "h": "0123456789abcdefABCDEF",
    "l": "0123456789abcdefghijklmnopqrstuvwxyz",
    "u": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "m": "MNO",
}
_CLASSES["a"] = _CLASSES["l"] + _CLASSES["u"][10:]
_CLASSES["w"] = _CLASSES["a"] + "_-"
_CLASSES["j"] = _CLASSES["w"] + "."
_CLASSES["p"] = _CLASSES["j"] + "/"
_CLASSES["b"] = _CLASSES["w"] + "+/="


def _token_of(pattern: str) -> st.SearchStrategy[str]:
    """Texts that a row of the table means."""
    parts: list[st.SearchStrategy[str]] = []
    for literal, name, low, comma, high in re.findall(r"([^%]+)|%(.)\{(\d+)(,?)(\d*)\}", pattern):
        if literal:
            parts.append(st.just(literal))
            continue
        most = int(high or low) if not comma or high else int(low) + 9
        parts.append(st.text(_CLASSES[name], min_size=int(low), max_size=most))
    return st.tuples(*parts).map("".join)


ROWS = re.findall(r'^\tROW\("([^"]+)", "([^"]*%[^"]*)"\)', _TABLE.read_text(), re.M)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_what_a_row_means_is_found(redactor: Redactor, data: st.DataObject) -> None:
    name, pattern = data.draw(st.sampled_from(ROWS))
    made = data.draw(_token_of(pattern))
    shown = redactor.text(f"a {made}")
    assert made not in shown, (name, made)


@settings(max_examples=examples(300), deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_will_do_and_once_is_enough(redactor: Redactor, text: str) -> None:
    once = redactor.text(text)
    assert redactor.text(once) == once
    if "REDACTED" not in once:
        assert once == text
    redactor.words([text, once])


_PIECES = st.sampled_from(
    ["password", "token", "=", ":", " ", '"', "\\", "'", "&", "?", "http://", "@", "/", "-u", "-p",
     "mysql", "--", "Bearer ", "Cookie", "a", "1", "\n", "-----BEGIN ", "PRIVATE KEY", "-----END ",
     "ghp_", "eyJ", ".", "é", "\0", "REDACTED", "{", "}", ",", "login", "%", "sk-"]
)  # fmt: skip


@settings(max_examples=examples(900), deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_meeting_of_what_means_something(redactor: Redactor, text: str) -> None:
    redactor.text(text)
    words = text.replace("\0", "").split(" ")
    assert len(redactor.words(words)) == len(words)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from(["password", "API_KEY", "db-passwd", "clientSecret", "X-Auth-Token"]),
    st.text(st.characters(codec="ascii", exclude_characters=" \"'`\\&#", min_codepoint=0x21),
            min_size=6, max_size=30),
)  # fmt: skip
def test_the_value_of_a_secret_name_is_gone(redactor: Redactor, name: str, value: str) -> None:
    for text in (f"{name}={value}", f"a {name}: {value} b", f'{{"{name}": "{value}"}}'):
        assert value not in redactor.text(text) or value in text.replace(value, "", 1)
    assert value not in redactor.words(["tool", f"--{name}", value])[2] or value in "REDACTED"


PATTERNS = st.sampled_from(
    [r"emp-\d+", r"(?i)abc|abd", r"x{2,3}y?", r"[^a-z]q", r"\bfoo\b", r"^ab+", r"c*d$", r"a.c",
     r"(ab|b)+c", r"\w{3}-\w", r"[\d-]{4}"]
)  # fmt: skip


@settings(max_examples=examples(600), deadline=None)
@given(PATTERNS, st.text("abcdqxy-EFemp123 foABC", max_size=40))
def test_patterns_match_what_pythons_do(pattern: str, text: str) -> None:
    """All that is in some match of Python's is gone, and all else stays."""
    covered = bytearray(len(text))
    flags = re.IGNORECASE if pattern.startswith("(?i)") else 0
    plain = pattern.removeprefix("(?i)")
    for end in range(1, len(text) + 1):
        here = re.compile(f"(?:{plain})(?=(?s:.{{{len(text) - end}}})\\Z)", flags)
        for start in range(end):
            if here.match(text, start):
                covered[start:end] = b"\1" * (end - start)
    marked = "".join("\1" if one else char for char, one in zip(text, covered, strict=True))
    wanted = re.sub("\1+", "REDACTED", marked)
    assert Redactor(Redaction(defaults=False, patterns=(pattern,))).text(text) == wanted


def test_a_pattern_that_will_not_do() -> None:
    with pytest.raises(
        WrongPattern, match=r"'a\(\?=b\)': looking ahead .* \(at byte 2\)"
    ) as caught:
        Redactor(Redaction(patterns=("ok", "a(?=b)")))
    assert caught.value.number == 1
    with pytest.raises(WrongPattern, match="without letters"):
        Redactor(Redaction(keys=("--",)))


def test_bytes_that_are_no_text(redactor: Redactor) -> None:
    made = token("github classic")
    for other in ("\udcff", "\udcff\ud800", "é"):
        assert redactor.text(f"{other} {made} {other}") == f"{other} REDACTED {other}"
    assert redactor.words(["\udcff", made]) == ["\udcff", "REDACTED"]
