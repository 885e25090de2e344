# SPDX-License-Identifier: MIT
"""Where spans go and how: flags over environment over defaults.

The variables are those of the OTLP exporter specification
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/): for each option the
OTEL_EXPORTER_OTLP_TRACES_* name wins over the general one, an empty value counts as unset, a
bad number or an unknown word is told once and ignored. A malformed flag is an error. One
deliberate difference: with the protocol unset, gRPC is used (docs/decisions/0006).

Header values and key material never appear in messages or in a repr.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from renacer_otel.errors import ConfigError, one_line
from renacer_otel.exporters.otlp_endpoint import (
    DEFAULT_HTTP_PORT,
    DEFAULT_PORT,
    TRACES_PATH,
    UNIX,
    Endpoint,
    parse_endpoint,
    parse_http_endpoint,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

PROTOCOLS = ("grpc", "http/protobuf", "http/json")
DEFAULT_TIMEOUT_MS = 10_000
_GENERAL = "OTEL_EXPORTER_OTLP_"
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_MAX_TIMEOUT_MS = 2**31 - 1
_MAX_HEADERS = 64
_MAX_PEM_BYTES = 1 << 20

_HEADER_KEY = r"[0-9a-z_.-]{1,128}"
_HEADER_VALUE = r"[\x20-\x7e]{0,8192}"
# What the sender writes itself, or must not be said.
_HTTP_OWN = frozenset(
    "accept-encoding connection content-encoding content-length content-type expect host"
    " keep-alive te trailer transfer-encoding upgrade user-agent".split()
)


@dataclass(frozen=True)
class OtlpFlags:
    """What the command line said; None and () = not given."""

    endpoint: str | None = None
    headers: Sequence[str] = ()  # "key=value" each, percent-decoded as in the variable
    insecure: bool | None = None
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    compression: str | None = None
    timeout_ms: int | None = None
    protocol: str | None = None


@dataclass(frozen=True)
class OtlpSettings:
    """A checked way to a collector."""

    target: str  # "host:port", as gRPC takes it; HTTP: or "unix:/path"
    endpoint: str  # the same with its scheme, for people
    secure: bool
    protocol: str = PROTOCOLS[0]
    path: str = field(default="", repr=False)  # HTTP: of the request, with its query
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    gzip: bool = False
    timeout_ms: int = DEFAULT_TIMEOUT_MS  # of one attempt; 0 = no limit
    ca_pem: bytes | None = field(default=None, repr=False)
    client_key_pem: bytes | None = field(default=None, repr=False)
    client_certificate_pem: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OtlpChoice:
    """`settings` is None where nothing is to be exported; `warnings` are for the user."""

    settings: OtlpSettings | None
    warnings: tuple[str, ...] = ()


class _Reader:
    """Looks options up by the specification's order and remembers where they came from."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.warnings: list[str] = []

    def get(self, option: str) -> tuple[str, str] | None:
        """(name of the variable, value), or None. White space around a value is not part of it."""
        for name in (_TRACES + option, _GENERAL + option):
            value = self.environ.get(name, "").strip()
            if value:
                return name, value
        return None

    def boolean(self, name: str, value: str) -> bool:
        """Only "true" in any case is true; all but "false" is told."""
        if value.lower() not in ("true", "false"):
            self.warnings.append(
                f"{name}: '{one_line(value, 40)}' is neither true nor false; taken as false"
            )
        return value.lower() == "true"

    def word(self, option: str, known: Sequence[str]) -> tuple[str, str] | None:
        """As get(), lower case; an unknown word is told and ignored."""
        for name in (_TRACES + option, _GENERAL + option):
            value = self.environ.get(name, "").strip().lower()
            if value in known:
                return name, value
            if value:
                self.warnings.append(
                    f"{name}: '{one_line(value, 40)}' is unknown and ignored;"
                    f" known are {', '.join(known)}"
                )
        return None


def parse_headers(
    items: Sequence[str], name: str, protocol: str = PROTOCOLS[0]
) -> tuple[dict[str, str], list[str]]:
    """Parses key=value items, values percent-encoded (W3C Baggage's form).

    Returns (headers, problems): a problem names `name` and the item's position, never a value.
    """
    headers: dict[str, str] = {}
    problems: list[str] = []
    for position, item in enumerate(items, start=1):
        if not item.strip():
            continue
        key, equals, raw = item.partition("=")
        key = key.strip().lower()
        if not equals or not re.fullmatch(_HEADER_KEY, key):
            problems.append(f"{name}: header {position} is not key=value")
            continue
        if keeper := _keeper(key, protocol):
            problems.append(f"{name}: header {position} has a name that {keeper} keeps for itself")
            continue
        value = unquote_to_bytes(raw.strip()).decode("utf-8", "replace")
        if not re.fullmatch(_HEADER_VALUE, value):
            problems.append(
                f"{name}: the value of header {position} is too long or holds characters"
                " that a header cannot carry"
            )
            continue
        if len(headers) >= _MAX_HEADERS and key not in headers:
            problems.append(f"{name}: more than {_MAX_HEADERS} headers")
            break
        headers[key] = value
    return headers, problems


def _keeper(key: str, protocol: str) -> str:
    """Who sets a header of this name and lets nobody else; "" = anybody may."""
    if protocol != "grpc":
        return "OTLP/HTTP" if key in _HTTP_OWN else ""
    own = key.startswith("grpc-") or key.endswith("-bin") or key == "user-agent"
    return "gRPC" if own else ""


def _headers(reader: _Reader, flags: OtlpFlags, protocol: str) -> tuple[tuple[str, str], ...]:
    """Those of the environment, the flags' ones over them."""
    headers: dict[str, str] = {}
    found = reader.get("HEADERS")
    if found:
        headers, problems = parse_headers(found[1].split(","), found[0], protocol)
        reader.warnings.extend(f"{problem}; it is ignored" for problem in problems[:4])
    given, problems = parse_headers(flags.headers, "--otlp-header", protocol)
    if problems:
        raise ConfigError(problems[0])
    headers.update(given)
    return tuple(headers.items())


def _timeout_ms(reader: _Reader, flag: int | None) -> int:
    if flag is not None:
        if not 0 <= flag <= _MAX_TIMEOUT_MS:
            raise ConfigError(f"--otlp-timeout: give 0 (no limit) to {_MAX_TIMEOUT_MS} ms")
        return flag
    for name in (_TRACES + "TIMEOUT", _GENERAL + "TIMEOUT"):
        value = reader.environ.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,10}", value) and int(value) <= _MAX_TIMEOUT_MS:
            return int(value)
        if value:
            reader.warnings.append(
                f"{name}: '{one_line(value, 40)}' is not a number of milliseconds; ignored"
            )
    return DEFAULT_TIMEOUT_MS


@dataclass(frozen=True)
class _Pem:
    """A PEM file: who named it, its path as it may be shown, what is in it."""

    where: str
    shown: str
    data: bytes = field(repr=False)


def _pem(reader: _Reader, option: str, flag: str | None, name: str) -> _Pem | None:
    """Reads a PEM file if one is named."""
    where, path = (name, flag) if flag is not None else reader.get(option) or ("", "")
    if not where:
        return None
    shown = one_line(path, 120)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{where}: {shown} is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_MAX_PEM_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{where}: cannot read {shown}: {reason}") from None
    if len(data) > _MAX_PEM_BYTES or b"-----BEGIN " not in data:
        raise ConfigError(f"{where}: {shown} is not a PEM file")
    if option == "CLIENT_KEY" and status.st_mode & 0o077:
        reader.warnings.append(f"{where}: {shown} is readable by others; chmod 600 it")
    return _Pem(where, shown, data)


@dataclass(frozen=True)
class _TlsFiles:
    ca: _Pem | None
    key: _Pem | None
    certificate: _Pem | None

    @classmethod
    def read(cls, reader: _Reader, flags: OtlpFlags) -> _TlsFiles:
        """Reads what is named; a client key needs its certificate and the reverse."""
        ca = _pem(reader, "CERTIFICATE", flags.certificate, "--otlp-certificate")
        key = _pem(reader, "CLIENT_KEY", flags.client_key, "--otlp-client-key")
        certificate = _pem(
            reader, "CLIENT_CERTIFICATE", flags.client_certificate, "--otlp-client-certificate"
        )
        if key and not certificate:
            raise ConfigError(f"{key.where}: the client certificate to this key is missing")
        if certificate and not key:
            raise ConfigError(f"{certificate.where}: the client key to this certificate is missing")
        return cls(ca, key, certificate)

    def any(self) -> bool:
        """Whether any file was named."""
        return bool(self.ca or self.key or self.certificate)

    def check(self) -> None:
        """Lets OpenSSL read them: grpc would tell a bad file only as a failed connection."""
        if not self.any():
            return
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca:
            try:
                context.load_verify_locations(cadata=self.ca.data.decode("ascii", "replace"))
            except (ssl.SSLError, ValueError):
                raise ConfigError(
                    f"{self.ca.where}: {self.ca.shown} holds no CA certificate that can be read"
                ) from None
        if self.key and self.certificate:
            _check_pair(context, self.key, self.certificate)


class EncryptedKeyError(ValueError):
    """A key that needs a password."""


def load_pair(context: ssl.SSLContext, key: bytes, certificate: bytes) -> None:
    """Gives a context a client's key and certificate. Raises EncryptedKeyError, ssl.SSLError."""
    import tempfile

    def no_password() -> str:
        raise EncryptedKeyError

    # OpenSSL reads files only; these are the bytes that were read, whatever the paths hold now.
    with tempfile.NamedTemporaryFile() as key_file, tempfile.NamedTemporaryFile() as chain_file:
        key_file.write(key)
        chain_file.write(certificate)
        key_file.flush()
        chain_file.flush()
        context.load_cert_chain(chain_file.name, key_file.name, no_password)


def _check_pair(context: ssl.SSLContext, key: _Pem, certificate: _Pem) -> None:
    """ConfigError if the two do not belong together, or cannot be read."""
    import ssl

    try:
        load_pair(context, key.data, certificate.data)
    except EncryptedKeyError:
        raise ConfigError(
            f"{key.where}: {key.shown} needs a password; give a key that is not encrypted"
        ) from None
    except ssl.SSLError:
        raise ConfigError(
            f"{key.where}: {key.shown} and the certificate {certificate.shown} cannot be"
            " read, or do not belong together"
        ) from None


def _protocol(reader: _Reader, flag: str | None) -> str:
    if flag is not None:
        if flag not in PROTOCOLS:
            raise ConfigError(
                f"--otlp-protocol: '{one_line(flag, 40)}' is unknown; use {', '.join(PROTOCOLS)}"
            )
        return flag
    found = reader.word("PROTOCOL", PROTOCOLS)
    return found[1] if found else PROTOCOLS[0]


def _gzip(reader: _Reader, flag: str | None) -> bool:
    if flag is not None:
        if flag not in ("none", "gzip"):
            raise ConfigError(
                f"--otlp-compression: '{one_line(flag, 40)}' is unknown; use none or gzip"
            )
        return flag == "gzip"
    found = reader.word("COMPRESSION", ("none", "gzip"))
    return found is not None and found[1] == "gzip"


def _disabled(reader: _Reader, asked_by_flag: bool) -> bool:
    """Whether the environment switches exporting off."""
    value = reader.environ.get("OTEL_SDK_DISABLED", "").strip()
    if value and reader.boolean("OTEL_SDK_DISABLED", value):
        if asked_by_flag:
            reader.warnings.append("OTEL_SDK_DISABLED is true: nothing is exported")
        return True
    if asked_by_flag:
        return False
    exporters = [
        word.strip().lower()
        for word in reader.environ.get("OTEL_TRACES_EXPORTER", "").split(",")
        if word.strip()
    ]
    if not exporters or "otlp" in exporters:
        return False
    if exporters != ["none"]:
        reader.warnings.append(
            f"OTEL_TRACES_EXPORTER: '{one_line(','.join(exporters), 40)}' is not supported,"
            " nothing is exported; use otlp or none"
        )
    return True


def _grpc_endpoint(reader: _Reader, flags: OtlpFlags, name: str, text: str) -> Endpoint:
    insecure, chosen = flags.insecure, True
    if insecure is None:
        given = reader.get("INSECURE")
        chosen = given is not None
        insecure = given is not None and reader.boolean(*given)
    endpoint = parse_endpoint(text, name, insecure)
    if endpoint.secure and not chosen and "://" not in text:
        reader.warnings.append(
            f"{name}: without a scheme, TLS is used;"
            f" write http://{endpoint.target} for a collector without"
        )
    return endpoint


def _http_endpoint(reader: _Reader, name: str, text: str) -> Endpoint:
    whole = text.rstrip("/").endswith(TRACES_PATH)
    base = name != _TRACES + "ENDPOINT" and not (name == "--otlp-endpoint" and whole)
    endpoint = parse_http_endpoint(text, name, base)
    if base and whole and not text.startswith(UNIX):
        reader.warnings.append(
            f"{name}: {TRACES_PATH[1:]} is appended to it: spans go to {endpoint.shown};"
            f" leave it out, or name {_TRACES}ENDPOINT"
        )
    return endpoint


def resolve(flags: OtlpFlags, environ: Mapping[str, str]) -> OtlpChoice:
    """Settles whether, where and how spans are exported.

    Spans are exported if an endpoint is named, by flag or by variable, or a protocol by flag
    (to its default endpoint), and neither OTEL_SDK_DISABLED nor (without the flag)
    OTEL_TRACES_EXPORTER says otherwise. Reads the PEM files that are named. Raises ConfigError.
    """
    reader = _Reader(environ)
    found = reader.get("ENDPOINT")
    if flags.endpoint is not None:
        name, text = "--otlp-endpoint", flags.endpoint
    elif found:
        name, text = found
    elif flags.protocol is not None:
        port = DEFAULT_PORT if flags.protocol == "grpc" else DEFAULT_HTTP_PORT
        name, text = "--otlp-protocol", f"http://localhost:{port}"
    else:
        return OtlpChoice(None)
    if _disabled(reader, name.startswith("--")):
        return OtlpChoice(None, tuple(reader.warnings))
    protocol = _protocol(reader, flags.protocol)
    if protocol == "grpc":
        endpoint = _grpc_endpoint(reader, flags, name, text)
    else:
        endpoint = _http_endpoint(reader, name, text)
    tls = _TlsFiles.read(reader, flags)
    if endpoint.secure:
        tls.check()
    elif tls.any():
        reader.warnings.append(
            f"{name}: {endpoint.shown} is not encrypted, the TLS files are not used"
        )
    settings = OtlpSettings(
        target=endpoint.target,
        endpoint=endpoint.shown,
        secure=endpoint.secure,
        protocol=protocol,
        path=endpoint.path,
        headers=_headers(reader, flags, protocol),
        gzip=_gzip(reader, flags.compression),
        timeout_ms=_timeout_ms(reader, flags.timeout_ms),
        ca_pem=tls.ca.data if tls.ca else None,
        client_key_pem=tls.key.data if tls.key else None,
        client_certificate_pem=tls.certificate.data if tls.certificate else None,
    )
    return OtlpChoice(settings, tuple(reader.warnings))
