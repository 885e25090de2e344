# SPDX-License-Identifier: MIT
"""What [semantic_equivalence] of renacer.toml asks for."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.errors import EXIT_BAD_CONFIGURATION, ConfigError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renacer_otel.analysis.equivalence.judge import Rules


def rules(section: Mapping[str, Any], base: Rules) -> Rules:
    """The section's keys over `base`; one that is not given (None) leaves it as it is."""
    if section["enabled"] is False:
        return base
    strict, ignored = set(base.strict), set(base.ignored)
    for key, name in (("check_write_patterns", "writes"), ("check_memory_allocations", "memory")):
        if section[key]:
            strict.add(name)
    for key, name in (("check_file_operations", "files"), ("check_output_correctness", "output")):
        if section[key] is False:
            ignored.add(name)
    found = {
        "speedup_min": section["expected_speedup_min"],
        "speedup_max": section["expected_speedup_max"],
        "memory_reduction_min": section["expected_memory_reduction_min"],
        "min_confidence": section["min_confidence"],
    }
    given: dict[str, Any] = {key: value for key, value in found.items() if value is not None}
    return dataclasses.replace(base, strict=frozenset(strict), ignored=frozenset(ignored), **given)


def changed(
    base: Rules,
    *,
    strict: frozenset[str] = frozenset(),
    ignored: frozenset[str] = frozenset(),
    min_confidence: float | None = None,
) -> Rules:
    """`base` with more of each."""
    wanted = base.min_confidence if min_confidence is None else min_confidence
    return dataclasses.replace(
        base, strict=base.strict | strict, ignored=base.ignored | ignored, min_confidence=wanted
    )


class Pair(NamedTuple):
    """Two TRACE files of one name; a path is None where the file is not there."""

    name: str
    a: str | None
    b: str | None


_MOST_FILES = 10_000  # of a folder
_FOLDERS = ("python_trace_dir", "rust_trace_dir", "baseline_dir")


def missing(section: Mapping[str, Any], path: str) -> list[str]:
    """The keys of an enabled section whose folders are not there."""
    if section["enabled"] is False:
        return []
    home = os.path.dirname(path)
    return [
        key
        for key in _FOLDERS
        if section[key] is not None and not os.path.isdir(os.path.join(home, section[key]))
    ]


def pairs(section: Mapping[str, Any], path: str) -> list[Pair]:
    """The traces to compare that the section of the file `path` names by folders.

    Relative to the file's own folder. Raises ConfigError where a folder cannot be read.
    """
    if section["enabled"] is False:
        return []
    python, rust, baseline = (_traces(path, key, section[key]) for key in _FOLDERS)
    made = []
    if python is not None and rust is not None:
        made += _matched(python, rust, "")
    if baseline is not None:
        for folder in (python, rust):
            if folder is not None:
                name = " (baseline)"
                made += [each for each in _matched(baseline, folder, name) if each.a]
    return made


def _traces(path: str, key: str, folder: str | None) -> dict[str, str] | None:
    if folder is None:
        return None
    there = os.path.join(os.path.dirname(path), folder)
    try:
        names = sorted(name for name in os.listdir(there) if name.endswith(".renacer"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(
            f"{one_line(path, 120)}: [semantic_equivalence] {key}:"
            f" {one_line(folder, 80)}: {reason}",
            EXIT_BAD_CONFIGURATION,
        ) from error
    return {name: os.path.join(there, name) for name in names[:_MOST_FILES]}


def _matched(ours: Mapping[str, str], theirs: Mapping[str, str], what: str) -> list[Pair]:
    return [
        Pair(name.removesuffix(".renacer") + what, ours.get(name), theirs.get(name))
        for name in sorted({*ours, *theirs})
    ]
