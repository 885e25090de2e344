# SPDX-License-Identifier: MIT
"""Small values that users write: durations, sizes, counts.

Strict on purpose: a unit is required where a bare number could be read two ways, and an
error shows the forms that work.
"""

from __future__ import annotations

import re

from renacer_otel.errors import ConfigError, one_line

_NUMBER = r"([0-9]{1,18})(?:\.([0-9]{1,9}))?([A-Za-zµμ]*)"

# Nanoseconds a unit. Both code points in use for "micro" are taken (U+00B5, U+03BC).
_DURATION_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}

_SIZE_BYTES = {
    "B": 1,
    "kB": 1_000,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
}

_U63 = (1 << 63) - 1


def _scaled(text: str, name: str, units: dict[str, int], example: str) -> int:
    """Returns number x unit as an integer; ConfigError if it is not one exactly."""
    match = re.fullmatch(_NUMBER, text)
    if match is None:
        raise ConfigError(f"{name}: '{one_line(text, 40)}' is not {example}")
    whole, fraction, unit = match.group(1), match.group(2) or "", match.group(3)
    if not unit and int(whole) == 0 and not fraction.strip("0"):
        return 0
    if unit not in units:
        what = f"unknown unit '{one_line(unit, 20)}'" if unit else "the unit is missing"
        raise ConfigError(f"{name}: {what} in '{one_line(text, 40)}'; write {example}")
    scaled = int(whole + fraction) * units[unit]
    divisor = int(10 ** len(fraction))
    if scaled % divisor:
        raise ConfigError(f"{name}: '{one_line(text, 40)}' is finer than the smallest unit")
    value = scaled // divisor
    if value > _U63:
        raise ConfigError(f"{name}: '{one_line(text, 40)}' is too big")
    return value


def parse_duration_ns(text: str, name: str = "duration") -> int:
    """Parses "250us", "5ms", "1.5s", "10s", "2m", "1h" or "0" into nanoseconds.

    `name` is what the error calls the value, e.g. "--flush-timeout". Raises ConfigError.
    """
    return _scaled(text, name, _DURATION_NS, "a duration like 250us, 5ms or 10s")


def parse_duration(text: str, name: str = "duration") -> float:
    """As parse_duration_ns(), in seconds."""
    return parse_duration_ns(text, name) / 1e9


def parse_size(text: str, name: str = "size") -> int:
    """Parses "512KiB", "8MiB", "1GB", "64K" (1024) or "0" into bytes. Raises ConfigError."""
    return _scaled(text, name, _SIZE_BYTES, "a size like 512KiB, 8MiB or 1GB")


def parse_count(text: str, name: str, low: int = 0, high: int = _U63) -> int:
    """Parses a decimal whole number between `low` and `high`. Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        bounds = f"{low} to {high}" if high < _U63 else f"{low} or more"
        raise ConfigError(f"{name}: '{one_line(text, 40)}' is not a whole number, {bounds}")
    return int(text)
