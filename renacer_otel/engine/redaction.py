# SPDX-License-Identifier: MIT
"""What is secret in what leaves the process; the core finds it (native/encode/redact.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.errors import ConfigError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Redaction(NamedTuple):
    """What is secret: by default, by the user's regular expressions, by names of values."""

    defaults: bool = True
    patterns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class WrongPattern(ConfigError):  # noqa: N818 (what is wrong is its name)
    """One that cannot serve: `number` of them, from 0; -1: none of them."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Redactor:
    """Texts without what is secret in them. One thread."""

    def __init__(self, redaction: Redaction) -> None:
        """Raises WrongPattern."""
        from renacer_otel.engine import native

        self._ffi, self._lib = ffi, lib = native.load()
        kept: list[Any] = []

        def strings(texts: Sequence[str]) -> Any:
            made = [ffi.new("char[]", _bytes_of(text)) for text in texts]
            kept.extend(made)
            return ffi.new("const char *[]", [*made, ffi.NULL])

        error = ffi.new("rn_redactor_error *")
        made = lib.rn_redactor_new(
            redaction.defaults, strings(redaction.patterns), strings(redaction.keys), error
        )
        if made == ffi.NULL:
            what = ffi.string(error.what).decode()
            raise _explained(redaction, int(error.pattern), int(error.at), what)
        self._redactor = ffi.gc(made, lib.rn_redactor_free)
        self._made = ffi.new("const char **")

    def text(self, text: str) -> str:
        """A sentence, a path, a report."""
        data = _bytes_of(text)
        made = self._apply(self._lib.RN_REDACT_TEXT, data)
        return text if made == data else made.decode("utf-8", _halves(text))

    def words(self, words: Iterable[str]) -> list[str]:
        """A command line: a flag tells of the word behind it."""
        data = b"".join(_bytes_of(word).replace(b"\0", b"") + b"\0" for word in words)
        made = self._apply(self._lib.RN_REDACT_WORDS, data)
        return [word.decode("utf-8", "surrogateescape") for word in made.split(b"\0")[:-1]]

    def _apply(self, how: int, data: bytes) -> bytes:
        length = self._lib.rn_redactor_apply(self._redactor, how, data, len(data), self._made)
        return bytes(self._ffi.buffer(self._made[0], length)) if length else b""

    @property
    def count(self) -> int:
        """How much was replaced so far."""
        return int(self._lib.rn_redactor_count(self._redactor))


def _halves(text: str) -> str:
    """How halves of surrogate pairs in it are taken: for bytes, if all of them stand for some."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "surrogatepass"
    return "surrogateescape"


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", _halves(text))


def _explained(redaction: Redaction, pattern: int, at: int, what: str) -> WrongPattern:
    if pattern < 0:
        return WrongPattern(what, pattern)
    shown = one_line(redaction.patterns[pattern], 60)
    return WrongPattern(f"'{shown}': {what} (at byte {at + 1})", pattern)


def redacted_values(attributes: Mapping[str, Any], redaction: Redaction | None) -> dict[str, Any]:
    """Attributes whose texts hold nothing secret; None = nothing is. Raises WrongPattern."""
    if redaction is None:
        return dict(attributes)
    text = Redactor(redaction).text
    made = dict(attributes)
    for name, value in attributes.items():
        if isinstance(value, str):
            shown = text(f"{name}={value}")  # a name may tell that its value is secret
            made[name] = shown.removeprefix(f"{name}=")
    return made
