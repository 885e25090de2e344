# SPDX-License-Identifier: MIT
"""Where spans go and how: flags over environment over defaults.

The variables are those of the OTLP exporter specification
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/): for each option the
OTEL_EXPORTER_OTLP_TRACES_* name wins over the general one; see variables.py for bad values. A
malformed flag is an error. One deliberate difference: with the protocol unset, gRPC is used
(docs/decisions/0006).

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
from renacer_otel.exporters.sdk_settings import installed_exporters, traces_exporter
from renacer_otel.exporters.variables import MAX_NUMBER, TRACES, Variables, both

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

PROTOCOLS = ("grpc", "http/protobuf", "http/json")
DEFAULT_TIMEOUT_MS = 10_000
_MAX_HEADERS = 64
_SECRET_CHARACTERS = 6  # shorter words of a header's value are no secrets
_MAX_PEM_BYTES = 1 << 20
_MAX_HEADER_FILE = 1 << 16
# Of a key: whoever may read it can be us, whoever may write it can make us somebody else.
_ANYBODYS = stat.S_IRWXO | stat.S_IWGRP

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
    # "key=value" each, percent-decoded as in the variable; "@FILE": the lines of a file
    headers: Sequence[str] = ()
    insecure: bool | None = None
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    compression: str | None = None
    timeout_ms: int | None = None
    protocol: str | None = None
    exporter: str | None = None  # one of an SDK's, by the name of its entry point


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
    export_timeout_ms: int = 0  # of all attempts at one request; 0 = no limit
    ca_pem: bytes | None = field(default=None, repr=False)
    client_key_pem: bytes | None = field(default=None, repr=False)
    client_certificate_pem: bytes | None = field(default=None, repr=False)
    exporter: str = ""  # not empty: an SDK's exporter takes the spans; the rest has no use then

    def without_secrets(self, text: str) -> str:
        """What a collector said, without values of headers that it may have said again."""
        for _, value in self.headers:
            for word in value.split():
                if len(word) >= _SECRET_CHARACTERS:
                    text = text.replace(word, "…")
        return text


@dataclass(frozen=True)
class OtlpChoice:
    """`settings` is None where nothing is to be exported; `warnings` are for the user."""

    settings: OtlpSettings | None
    warnings: tuple[str, ...] = ()


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


def _headers(reader: Variables, flags: OtlpFlags, protocol: str) -> tuple[tuple[str, str], ...]:
    """Those of the environment, the flags' ones over them."""
    headers: dict[str, str] = {}
    found = reader.option("HEADERS")
    if found:
        headers, problems = parse_headers(found[1].split(","), found[0], protocol)
        reader.warnings.extend(f"{problem}; it is ignored" for problem in problems[:4])
    given, problems = parse_headers(_with_files(flags.headers), "--otlp-header", protocol)
    if problems:
        raise ConfigError(problems[0])
    headers.update(given)
    return tuple(headers.items())


def _with_files(items: Sequence[str]) -> list[str]:
    """The items, with the lines of FILE in place of @FILE. Raises ConfigError."""
    found: list[str] = []
    for item in items:
        if not item.startswith("@"):
            found.append(item)
            continue
        shown = one_line(item[1:], 120)
        data, mode = _read("--otlp-header", item[1:], _MAX_HEADER_FILE)
        if len(data) > _MAX_HEADER_FILE:
            raise ConfigError(f"--otlp-header: {shown} has more than {_MAX_HEADER_FILE} bytes")
        if mode & _ANYBODYS:
            raise ConfigError(f"--otlp-header: {shown} is open to others; chmod 600 it")
        found += data.decode("utf-8", "replace").splitlines()
    return found


def _timeout_ms(reader: Variables, flag: int | None) -> int:
    if flag is not None:
        if not 0 <= flag <= MAX_NUMBER:
            raise ConfigError(f"--otlp-timeout: give 0 (no limit) to {MAX_NUMBER} ms")
        return flag
    return reader.number(both("TIMEOUT"), DEFAULT_TIMEOUT_MS, "milliseconds") or 0


@dataclass(frozen=True)
class _Pem:
    """A PEM file: who named it, its path as it may be shown, what is in it."""

    where: str
    shown: str
    data: bytes = field(repr=False)


def _read(where: str, path: str, limit: int) -> tuple[bytes, int]:
    """(at most `limit` bytes of a file, and one that says that there are more; its mode)."""
    shown = one_line(path, 120)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{where}: {shown} is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(limit + 1), mode
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{where}: cannot read {shown}: {reason}") from None


def _pem(reader: Variables, option: str, flag: str | None, name: str) -> _Pem | None:
    """Reads a PEM file if one is named."""
    where, path = (name, flag) if flag is not None else reader.option(option) or ("", "")
    if not where:
        return None
    shown = one_line(path, 120)
    data, mode = _read(where, path, _MAX_PEM_BYTES)
    if len(data) > _MAX_PEM_BYTES or b"-----BEGIN " not in data:
        raise ConfigError(f"{where}: {shown} is not a PEM file")
    if option == "CLIENT_KEY" and mode & _ANYBODYS:
        raise ConfigError(f"{where}: {shown} is open to others; chmod 600 it")
    if option == "CLIENT_KEY" and mode & stat.S_IRGRP:
        reader.warnings.append(f"{where}: {shown} is readable by its group; chmod 600 it")
    return _Pem(where, shown, data)


@dataclass(frozen=True)
class _TlsFiles:
    ca: _Pem | None
    key: _Pem | None
    certificate: _Pem | None

    @classmethod
    def read(cls, reader: Variables, flags: OtlpFlags) -> _TlsFiles:
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


def _protocol(reader: Variables, flag: str | None) -> str:
    if flag is not None:
        if flag not in PROTOCOLS:
            raise ConfigError(
                f"--otlp-protocol: '{one_line(flag, 40)}' is unknown; use {', '.join(PROTOCOLS)}"
            )
        return flag
    return reader.word(both("PROTOCOL"), PROTOCOLS, PROTOCOLS[0])


def _gzip(reader: Variables, flag: str | None) -> bool:
    if flag is not None:
        if flag not in ("none", "gzip"):
            raise ConfigError(
                f"--otlp-compression: '{one_line(flag, 40)}' is unknown; use none or gzip"
            )
        return flag == "gzip"
    return reader.word(both("COMPRESSION"), ("none", "gzip"), "none") == "gzip"


def _is_disabled(reader: Variables, asked_by_flag: bool) -> bool:
    value = reader.text("OTEL_SDK_DISABLED")
    if not value or not reader.boolean("OTEL_SDK_DISABLED", value):
        return False
    if asked_by_flag:
        reader.warnings.append("OTEL_SDK_DISABLED is true: nothing is exported")
    return True


def _grpc_endpoint(reader: Variables, flags: OtlpFlags, name: str, text: str) -> Endpoint:
    insecure, chosen = flags.insecure, True
    if insecure is None:
        given = reader.option("INSECURE")
        chosen = given is not None
        insecure = given is not None and reader.boolean(*given)
    endpoint = parse_endpoint(text, name, insecure)
    if endpoint.secure and not chosen and "://" not in text:
        reader.warnings.append(
            f"{name}: without a scheme, TLS is used;"
            f" write http://{endpoint.target} for a collector without"
        )
    return endpoint


def _http_endpoint(reader: Variables, name: str, text: str) -> Endpoint:
    whole = text.rstrip("/").endswith(TRACES_PATH)
    base = name != TRACES + "ENDPOINT" and not (name == "--otlp-endpoint" and whole)
    endpoint = parse_http_endpoint(text, name, base)
    if base and whole and not text.startswith(UNIX):
        reader.warnings.append(
            f"{name}: {TRACES_PATH[1:]} is appended to it: spans go to {endpoint.shown};"
            f" leave it out, or name {TRACES}ENDPOINT"
        )
    return endpoint


def _by_sdk(name: str, of: str) -> OtlpSettings:
    """Settings for an SDK's exporter. Raises ConfigError where there is none of that name."""
    from importlib.util import find_spec

    if find_spec("opentelemetry.sdk") is None:
        raise ConfigError(
            f"{of} {one_line(name, 40)}: OpenTelemetry's SDK is not installed;"
            " install renacer-otel[sdk]"
        )
    installed = installed_exporters()
    if name not in installed:
        known = ", ".join(["otlp", *installed])
        raise ConfigError(
            f"{of}: there is no exporter '{one_line(name, 40)}'; installed are {known}"
        )
    return OtlpSettings("", f"{name} (an SDK's exporter)", secure=False, exporter=name)


def _where(flags: OtlpFlags, reader: Variables) -> tuple[str, str | None] | str | None:
    """(what names the endpoint, endpoint; None = the protocol's default); an SDK's exporter; None:
    nothing is to be exported."""
    found = reader.option("ENDPOINT")
    if flags.exporter is not None and (flags.endpoint is not None or flags.protocol is not None):
        raise ConfigError("--exporter and --otlp-endpoint or --otlp-protocol: give one of them")
    by_flag = not (flags.endpoint is None and flags.protocol is None and flags.exporter is None)
    exporter = flags.exporter
    if exporter is None and not by_flag:
        exporter = traces_exporter(reader)
    if exporter == "none":
        return None
    if exporter and exporter != "otlp":
        return exporter
    if flags.endpoint is not None:
        return "--otlp-endpoint", flags.endpoint
    if found:
        return found
    if flags.protocol is not None:
        return "--otlp-protocol", None
    if exporter:
        return "--exporter" if by_flag else "OTEL_TRACES_EXPORTER", None
    return None


def resolve(flags: OtlpFlags, environ: Mapping[str, str]) -> OtlpChoice:
    """Settles whether, where and how spans are exported.

    Spans are exported if an endpoint is named, by flag or by variable, or a protocol or an exporter
    by flag, or by OTEL_TRACES_EXPORTER (otlp: to its default endpoint), unless OTEL_SDK_DISABLED or
    (without a flag) OTEL_TRACES_EXPORTER says otherwise. Reads the PEM files that are named. Raises
    ConfigError.
    """
    reader = Variables(environ)
    by_flag = flags.endpoint is not None or flags.protocol is not None
    by_flag = by_flag or flags.exporter not in (None, "none")
    where = _where(flags, reader)
    if where is None:
        return OtlpChoice(None, tuple(reader.warnings))
    if _is_disabled(reader, by_flag):
        return OtlpChoice(None, tuple(reader.warnings))
    if isinstance(where, str):
        settings = _by_sdk(where, "--exporter" if flags.exporter else "OTEL_TRACES_EXPORTER")
        return OtlpChoice(settings, tuple(reader.warnings))
    return OtlpChoice(_by_otlp(*where, flags, reader), tuple(reader.warnings))


def _by_otlp(name: str, text: str | None, flags: OtlpFlags, reader: Variables) -> OtlpSettings:
    protocol = _protocol(reader, flags.protocol)
    if text is None:
        text = f"http://localhost:{DEFAULT_PORT if protocol == 'grpc' else DEFAULT_HTTP_PORT}"
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
    return OtlpSettings(
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
