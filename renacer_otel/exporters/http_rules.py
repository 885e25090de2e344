# SPDX-License-Identifier: MIT
"""What an answer to OTLP/HTTP means, apart from any connection.

Source: opentelemetry-proto, docs/specification.md, "OTLP/HTTP Response".
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.exporters import otlp_retry
from renacer_otel.exporters.otlp_retry import PartialSuccess
from renacer_otel.exporters.otlp_sender import MAX_RESPONSE_BYTES, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

RETRYABLE = frozenset({429, 502, 503, 504})

_WRONG_PORT = "this is not an OTLP/HTTP port; OTLP/HTTP is on 4318 by default"
_HINTS = {
    401: "check OTEL_EXPORTER_OTLP_HEADERS",
    403: "check OTEL_EXPORTER_OTLP_HEADERS",
    404: "is this the collector's OTLP/HTTP endpoint? Its path ends in /v1/traces by default",
    405: "is this the collector's OTLP/HTTP endpoint? Its path ends in /v1/traces by default",
    413: "the collector takes no request of this size",
    415: "the collector does not take this encoding; choose another --otlp-protocol",
}


class Answer(NamedTuple):
    """An answer, as much of it as counts."""

    status: int
    headers: Mapping[str, str]  # any case; of several with one name, one
    body: bytes | None  # None = cut off, too late or too long
    too_long: bool = False

    @property
    def media_type(self) -> str:
        """Of the body, in lower case and without parameters; "" = not said."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def judge(answer: Answer, spans: int, asked_in: str) -> Failure | PartialSuccess:
    """What an answer to a request of so many spans says. `asked_in` is the request's encoding."""
    status = answer.status
    if 200 <= status < 300:
        return _taken(answer, spans, asked_in)
    code = f"HTTP {status}"
    parts = [code]
    if 300 <= status < 400:
        where = _without_query(answer.headers.get("Location") or "")
        to = f" to {where[:120]}" if where else ""
        parts.append(f"redirected{to}; redirects are not followed, name the endpoint itself")
    elif hint := _HINTS.get(status):
        parts.append(hint)
    if message := message_of(answer, asked_in):
        parts.append(message[:400])
    retryable = status in RETRYABLE
    return Failure(
        code,
        ": ".join(parts),
        retryable=retryable,
        retry_after=retry_after(answer.headers) if retryable else None,
    )


def _without_query(url: str) -> str:
    """An address without what may be a secret in it."""
    before, slashes, rest = url.partition("//")
    host, slash, path = rest.partition("/")
    return (before + slashes + host.rpartition("@")[2] + slash + path).partition("?")[0]


def _taken(answer: Answer, spans: int, asked_in: str) -> PartialSuccess:
    kind = answer.media_type or asked_in
    if answer.too_long:
        limit = MAX_RESPONSE_BYTES >> 20
        return PartialSuccess(0, f"the collector's answer has more than {limit} MiB and is ignored")
    if answer.body is None:
        return PartialSuccess(0, "the collector's answer is cut off")
    if not answer.body:
        return PartialSuccess()
    partial = None
    if kind == JSON:
        partial = _partial_in_json(answer.body, spans)
    elif kind == PROTOBUF:
        partial = otlp_retry.parse_response(answer.body, spans)
    if partial is None:
        told = f"the collector's answer is unreadable ({kind[:60]})"
        if kind == "text/html":
            told += "; is this its OTLP/HTTP endpoint?"
        return PartialSuccess(0, told)
    return partial


def _json(data: bytes) -> Any:
    """What JSON says; None = it is none."""
    import json

    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _partial_in_json(data: bytes, spans: int) -> PartialSuccess | None:
    said = _json(data)
    if not isinstance(said, dict):
        return None
    partial = said.get("partialSuccess")
    if partial is None:
        return PartialSuccess()
    if not isinstance(partial, dict):
        return None
    rejected = partial.get("rejectedSpans") or partial.get("rejectedDataPoints") or 0
    message = partial.get("errorMessage") or ""
    # 64-bit integers are decimal strings; numbers are accepted.
    if isinstance(rejected, str) and re.fullmatch(r"-?[0-9]{1,19}", rejected):
        rejected = int(rejected)
    if not isinstance(rejected, int) or not isinstance(message, str):
        return None
    return PartialSuccess(min(max(rejected, 0), spans), message)


def message_of(answer: Answer, asked_in: str) -> str:
    """The words of an error: of a google.rpc.Status, or plain text; "" = there are none."""
    if not answer.body:
        return ""
    kind = answer.media_type or asked_in
    text = answer.body[:400].decode("utf-8", "replace").strip()
    # Go's server of TLS says in plain text, and says nothing of a type, that it wants TLS.
    if kind == "text/plain" or (not answer.media_type and text.isprintable()):
        return text
    if kind == JSON:
        said = _json(answer.body)
        message = said.get("message") if isinstance(said, dict) else None
        return message if isinstance(message, str) else ""
    if kind != PROTOBUF:
        return ""
    from google.protobuf.message import DecodeError
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    try:
        return str(Status.FromString(answer.body).message)
    except DecodeError:
        return ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the collector asks to wait; None = it does not, or not readably.

    In seconds or as a date, which is read against the date of the answer: clocks differ. No
    more than MAX_RETRY_INFO_S.
    """
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,18}", value):
        return min(float(value), otlp_retry.MAX_RETRY_INFO_S)
    at = _date(value)
    if at is None:
        return None
    now = _date(headers.get("Date") or "")
    delay = at - (time.time() if now is None else now)
    return min(max(delay, 0.0), otlp_retry.MAX_RETRY_INFO_S)


def _date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None = it is none."""
    if not text:
        return None
    import datetime
    from email.utils import parsedate_to_datetime

    try:
        parsed = parsedate_to_datetime(text)
        if parsed.tzinfo is None:  # "-0000": the zone is not said; HTTP's is GMT
            parsed = parsed.replace(tzinfo=datetime.timezone.utc)
        return parsed.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


# What OpenSSL says -> what it means and what to do. First match wins.
_TLS_MEANINGS = (
    ("certificate has expired", "the collector's certificate has expired"),
    ("Hostname mismatch", "the collector's certificate is for another host name"),
    ("IP address mismatch", "the collector's certificate is for another host name"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        (
            "the collector's certificate is not trusted;"
            " name its authority by OTEL_EXPORTER_OTLP_CERTIFICATE"
        ),
    ),
    ("WRONG_VERSION_NUMBER", "the collector does not speak TLS there; try http://"),
    ("RECORD_LAYER_FAILURE", "the collector does not speak TLS there; try http://"),
    ("ALERT", "the collector ended the handshake; it may want another client certificate"),
)
_CLOSED = (
    "the connection was closed without an answer; the collector may want TLS (https://)"
    " or a client certificate"
)


def failed(error: Exception) -> Failure:
    """The failure of an attempt that had no answer: all are tried again."""
    import http.client
    import socket
    import ssl

    def told(code: str, meaning: str, timed_out: bool = False) -> Failure:
        return Failure(code, f"{code}: {meaning}", retryable=True, timed_out=timed_out)

    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        text = str(error)
        for sign, meaning in _TLS_MEANINGS:
            if sign in text:
                return told("no connection", meaning)
        return told("no connection", text)
    if isinstance(error, TimeoutError):
        return told("timeout", "the collector did not answer in time", timed_out=True)
    if isinstance(error, socket.gaierror):
        return told("no connection", "the host name cannot be resolved")
    if isinstance(error, ConnectionRefusedError):
        return told("no connection", "connection refused: no collector listens there")
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError)):
        return told("no answer", _CLOSED)
    if isinstance(error, http.client.BadStatusLine):
        if "\x15\x03" in str(error.args[0]):
            return told("no answer", "the collector wants TLS there; try https://")
        return told("bad answer", _WRONG_PORT)
    if isinstance(error, http.client.HTTPException):
        return told("bad answer", str(error) or type(error).__name__)
    if isinstance(error, OSError):
        return told("no connection", error.strerror or str(error))
    raise error
