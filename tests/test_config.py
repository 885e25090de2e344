# SPDX-License-Identifier: MIT
"""Durations, sizes and counts as users write them; errors as one line with a code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renacer_otel import errors
from renacer_otel.config import parse_count, parse_duration, parse_duration_ns, parse_size
from renacer_otel.errors import ConfigError, one_line


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0.0", 0),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("250\u03bcs", 250_000),
        ("5ms", 5_000_000),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("007s", 7_000_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("9223372036854775807ns", 0),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    if not nanoseconds and text.endswith("ns"):
        with pytest.raises(ConfigError):  # 19 digits
            parse_duration_ns(text)
        return
    assert parse_duration_ns(text) == nanoseconds
    assert parse_duration(text) == nanoseconds / 1e9


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1B", 1), ("8MiB", 8 << 20), ("64K", 65_536), ("1GB", 10**9), ("0.5KiB", 512)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


BAD = ["", " ", "5", "1.5", "s", "-1s", "+1s", "1 s", "1e3s", "1S", "٣s", "1.s", ".5s", "1s\n"]


@pytest.mark.parametrize("text", [*BAD, "1.5ns", "999999999999h", "5\x1b[2J", "9" * 1_000 + "s"])
def test_bad_durations_name_flag_and_form(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration_ns(text, "--flush-timeout")
    message = caught.value.message
    assert message.startswith("--flush-timeout: ")
    assert message.isprintable()
    assert len(message) < 160
    assert (caught.value.exit_code, caught.value.analysis_exit_code) == (125, 5)


@pytest.mark.parametrize("text", [*BAD, "1mib", "1Mib", "0.3B", "99999999999GiB", "1TB"])
def test_bad_sizes_name_flag_and_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--ring-size: .*"):
        parse_size(text, "--ring-size")


@given(st.integers(0, 2**53), st.sampled_from(["ns", "us", "ms", "s"]))
def test_whole_durations_are_exact(number: int, unit: str) -> None:
    factor = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    if number * factor >= 1 << 63:
        with pytest.raises(ConfigError, match="too big"):
            parse_duration_ns(f"{number}{unit}")
    else:
        assert parse_duration_ns(f"{number}{unit}") == number * factor


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_config_error(text: str) -> None:
    for parse in (parse_duration_ns, parse_size):
        try:
            assert parse(text) >= 0
        except ConfigError as error:
            shown = error.message
        else:
            shown = ""
        assert shown == one_line(shown)


def test_counts() -> None:
    assert parse_count("32", "-s") == 32
    assert parse_count("1", "-s", 1, 64) == 1
    for text in ("", "-1", "x", "1.0", "0", "65", "1" * 30, "\u0663"):
        with pytest.raises(ConfigError, match=r"^-s: .*whole number, 1 to 64$"):
            parse_count(text, "-s", 1, 64)


def test_exit_codes_are_those_of_the_table() -> None:
    run = {
        errors.RenacerError: 125,
        errors.UsageError: 125,
        errors.ConfigError: 125,
        errors.CommandNotFound: 127,
        errors.CommandNotExecutable: 126,
        errors.TracingForbidden: 125,
        errors.KernelTooOld: 125,
        errors.RingMemoryError: 125,
        errors.CoreUnavailable: 125,
        errors.OutputError: 125,
        errors.LossError: 125,
        errors.TraceNotFound: 2,
        errors.TraceUnreadable: 3,
    }
    assert {kind: kind("x").exit_code for kind in run} == run
    analysis = {**run, errors.ConfigError: 5}
    assert {kind: kind("x").analysis_exit_code for kind in analysis} == analysis
    chosen = errors.RenacerError("x", 4)
    assert (chosen.exit_code, chosen.analysis_exit_code, str(chosen)) == (4, 4, "x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 名", "plain é 名"),
        ("a\nb\r\t\x00\x1b[2J\x7f", r"a\nb\r\t\x00\x1b[2J\x7f"),
        ("bidi \u202e \u2066", r"bidi \u202e \u2066"),
        ("bytes \udc80\udcff0", r"bytes \200\3770"),
        ("lone \ud800", r"lone \ud800"),
        ("\u2028", r"\u2028"),
    ],
)
def test_one_line_escapes_what_a_terminal_would_obey(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(max_size=300), st.integers(1, 250))
def test_one_line_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert one_line(shown, limit) == shown
