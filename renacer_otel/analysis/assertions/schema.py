# SPDX-License-Identifier: MIT
"""Every section and key of renacer.toml, and what values each takes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.config import parse_duration, parse_size
from renacer_otel.errors import ConfigError, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_U63 = (1 << 63) - 1
_LONGEST_PATTERN = 500
_LONGEST_STRING = 20_000
_MOST_UIDS = 1000
_MOST_TEXTS = 64
_NESTED_REPEATS = re.compile(r"[+*}]\)*[+*{]")


class Wrong(Exception):  # noqa: N818
    """A value that will not do; the message says what would."""


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def count(value: Any) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _U63:
        raise Wrong("must be a whole number, 0 or more")
    return value


def amount(value: Any) -> float:
    """A number that is not negative, and finite."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _U63 or not math.isfinite(value):
        raise Wrong("must be a number, 0 or more")
    return float(value)


def fraction(value: Any) -> float:
    """A number between 0 and 1."""
    try:
        number = amount(value)
    except Wrong:
        number = 2.0
    if number > 1:
        raise Wrong("must be a number from 0 to 1")
    return number


def text(value: Any) -> str:
    """Some words."""
    if not isinstance(value, str) or not value.strip():
        raise Wrong("must be a text in quotes, not empty")
    if len(value) > _LONGEST_STRING:
        raise Wrong(f"is longer than {_LONGEST_STRING:,} characters")
    return value


def pattern(value: Any) -> re.Pattern[str]:
    """A regular expression."""
    if not isinstance(value, str):
        raise Wrong("must be a regular expression in quotes")
    if len(value) > _LONGEST_PATTERN:
        raise Wrong(f"is longer than {_LONGEST_PATTERN} characters")
    if _NESTED_REPEATS.search(value):
        raise Wrong("repeats what is repeated already, as (a+)+ does: that may take for ever")
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise Wrong(f"is no regular expression: {one_line(str(error), 60)}") from error


def texts(value: Any) -> tuple[str, ...]:
    """A list of words."""
    if not isinstance(value, list) or len(value) > _MOST_TEXTS:
        raise Wrong(f"must be a list of texts in quotes, at most {_MOST_TEXTS}")
    return tuple(map(text, value))


def one_of(*known: str) -> Callable[[Any], str]:
    """One of these words."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong(f"must be one of {', '.join(known)}")
        if value not in known:
            hint = did_you_mean(value, known)
            raise Wrong(f"cannot be '{one_line(value, 40)}': one of {', '.join(known)}{hint}")
        return value

    return check


def size(value: Any) -> int:
    """Bytes, as a text with its unit."""
    return int(_parsed(parse_size, value, 'must be a size in quotes, as "64MiB"'))


def duration(value: Any) -> float:
    """Seconds, from a text with a unit."""
    return float(_parsed(parse_duration, value, 'must be a time in quotes, as "10s"'))


def _parsed(parse: Callable[[str, str], Any], value: Any, otherwise: str) -> Any:
    if not isinstance(value, str):
        raise Wrong(otherwise)
    try:
        return parse(value, "it")
    except ConfigError as error:
        raise Wrong(otherwise) from error


def uids(value: Any) -> list[int]:
    """Numbers of users."""
    is_list = isinstance(value, list) and len(value) <= _MOST_UIDS
    if not is_list or not all(type(uid) is int and 0 <= uid < 1 << 32 for uid in value):
        raise Wrong("must be a list of user ids, as [1000, 1001]")
    return list(value)


class Key(NamedTuple):
    """How a key's value is checked; `default` is what it has where it is not given."""

    check: Callable[[Any], Any]
    default: Any = None
    required: bool = False


def must(check: Callable[[Any], Any]) -> Key:
    """A key that has to be given."""
    return Key(check, required=True)


COMMON = {
    "name": must(text),
    "type": must(text),
    "fail_on_violation": Key(flag, True),
    "enabled": Key(flag, True),
}

#: The types of [[assertion]], and the keys that each has besides the common ones.
TYPES: dict[str, dict[str, Key]] = {
    "critical_path": {"max_duration_ms": must(amount), "trace_name_pattern": Key(pattern)},
    "span_count": {"max_spans": must(count), "span_name_pattern": Key(pattern)},
    "memory_usage": {
        "max_bytes": must(count),
        "tracking_mode": Key(one_of("allocations", "rss"), "allocations"),
    },
    "anti_pattern": {
        "pattern": must(text),
        "threshold": Key(fraction, 0.5),
        "process_name_pattern": Key(pattern),
    },
    "custom": {"expression": must(text)},
}

#: The other sections.
SECTIONS: dict[str, dict[str, Key]] = {
    "semantic_equivalence": {
        "enabled": Key(flag),
        "python_trace_dir": Key(text),
        "rust_trace_dir": Key(text),
        "baseline_dir": Key(text),
        "min_confidence": Key(fraction),
        "check_write_patterns": Key(flag),
        "check_file_operations": Key(flag),
        "check_output_correctness": Key(flag),
        "check_memory_allocations": Key(flag),
        "expected_speedup_min": Key(amount),
        "expected_speedup_max": Key(amount),
        "expected_memory_reduction_min": Key(amount),
    },
    "lamport_clock": {
        "enabled": Key(flag),
        "propagate_across_fork": Key(flag),
        "propagate_across_exec": Key(flag),
        "env_var": Key(text),
    },
    "compression": {
        "enabled": Key(flag),
        "algorithm": Key(one_of("rle", "zstd")),
        "min_file_size_kb": Key(count),
    },
    "redact": {
        "defaults": Key(flag, True),
        "patterns": Key(texts, ()),
        "keys": Key(texts, ()),
    },
    "metrics": {
        "enabled": Key(flag, False),
        "interval": Key(duration),
        "pid": Key(flag, False),
        "listen": Key(text),
    },
    "otlp": {"enabled": Key(flag), "endpoint": Key(text), "service_name": Key(text)},
    "ci": {
        "fail_fast": Key(flag, False),
        "export_format": Key(one_of("text", "json", "junit"), "json"),
        "export_path": Key(text),
        "compare_with_baseline": Key(flag),
    },
    "sidecar": {
        "listen": Key(text),
        "allow_uids": Key(uids),
        "max_runs": Key(count, 256),
        "max_ring_size": Key(size, 2 << 30),
        "queue_size": Key(size, 64 << 20),
        "drain_timeout": Key(duration, 10.0),
        "metrics_listen": Key(text),
        "health_listen": Key(text),
        "spool": Key(text),
        "spool_max": Key(size),
        "spool_full": Key(one_of("drop-newest", "drop-oldest", "block")),
        "otlp_endpoint": Key(text),
        "otlp_protocol": Key(one_of("grpc", "http/protobuf", "http/json")),
        "otlp_headers": Key(text),
        "otlp_insecure": Key(flag),
        "otlp_certificate": Key(text),
        "otlp_client_key": Key(text),
        "otlp_client_certificate": Key(text),
        "otlp_compression": Key(one_of("none", "gzip")),
        "otlp_timeout": Key(duration),
    },
}


def home_of(key: str, others: Iterable[str]) -> str:
    """The type of assertion that a key belongs to, if it is one of `others`; "" = none."""
    return next((kind for kind in others if key in TYPES[kind]), "")
