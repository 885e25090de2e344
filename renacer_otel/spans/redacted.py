# SPDX-License-Identifier: MIT
"""Reports that leave, without what is secret: those for machines, and for pages that others see.

One choice for the whole process, as a command makes it; by default the default patterns.
"""

from __future__ import annotations

from typing import Any

from renacer_otel.engine.redaction import Redaction, Redactor

#: Of an object of a report: its words are a command line.
_COMMAND = "command"

_chosen: list[Redactor | None] = []


def use(redaction: Redaction | None) -> None:
    """What is secret from now on; None: nothing. Raises WrongPattern."""
    _chosen[:] = [None if redaction is None else Redactor(redaction)]


def _redactor() -> Redactor | None:
    if not _chosen:
        use(Redaction())
    return _chosen[0]


def text(report: str) -> str:
    """A sentence, or all of a report."""
    redactor = _redactor()
    return report if redactor is None else redactor.text(report)


def words(command: list[str]) -> list[str]:
    """A command line."""
    redactor = _redactor()
    return command if redactor is None else redactor.words(command)


def tree(value: Any) -> Any:
    """An object for JSON: all texts in it but its keys."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key: _member(key, each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [tree(each) for each in value]
    return value


def _member(key: object, value: Any) -> Any:
    if key == _COMMAND and isinstance(value, (list, tuple)):
        return words([str(word) for word in value])
    return tree(value)
