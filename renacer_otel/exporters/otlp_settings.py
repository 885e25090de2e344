# SPDX-License-Identifier: MIT
"""Where spans go and how: flags over environment over defaults.

The variables are those of the OTLP exporter specification
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/): for each option the
OTEL_EXPORTER_OTLP_TRACES_* name wins over the general one, an empty value counts as unset, a
bad number or an unknown word is told once and ignored. A malformed flag is an error. One
deliberate difference: with the protocol unset, gRPC is used.

Header values and key material never appear in messages or in a repr.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from renacer_otel.errors import ConfigError, one_line

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

DEFAULT_PORT = 4317
DEFAULT_TIMEOUT_MS = 10_000
_GENERAL = "OTEL_EXPORTER_OTLP_"
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_MAX_TIMEOUT_MS = 2**31 - 1
_MAX_HEADERS = 64
_MAX_PEM_BYTES = 1 << 20

_HEADER_KEY = r"[0-9a-z_.-]{1,128}"
_HEADER_VALUE = r"[\x20-\x7e]{0,8192}"
_HOST = r"[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._~-]{1,32})?\]"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*)://((?s:.*))"


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
    """A checked way to an OTLP/gRPC collector."""

    target: str  # "host:port", as gRPC takes it
    endpoint: str  # the same with its scheme, for people
    secure: bool
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


def parse_endpoint(text: str, name: str, insecure: bool = False) -> tuple[str, str, bool]:
    """Parses an OTLP/gRPC endpoint; returns (target, endpoint with scheme, secure).

    `http://` means plain, `https://` TLS; without a scheme `insecure` decides. `name` is what
    an error calls the value. Raises ConfigError.
    """
    shown = "'" + one_line(_without_userinfo(text), 80) + "'"
    form = f"{name}: write it as http://HOST:{DEFAULT_PORT} or https://HOST:{DEFAULT_PORT}"
    if not text or not text.isprintable() or " " in text:
        raise ConfigError(f"{form}; {shown} is not an endpoint")
    match = re.fullmatch(_SCHEME, text)
    scheme, rest = (match.group(1).lower(), match.group(2)) if match else ("", text)
    if not match and re.match(r"(unix|unix-abstract|dns|ipv4|ipv6|vsock|xds):", text):
        scheme = text.partition(":")[0]
    if scheme not in ("", "http", "https"):
        raise ConfigError(f"{form}; the scheme '{one_line(scheme, 20)}' is not supported yet")
    if "@" in rest:
        raise ConfigError(f"{form}; pass credentials as a header, not in the endpoint")
    try:
        parts = urlsplit("//" + rest)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{form}; {shown} has a bad host or port") from None
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(f"{form}; an OTLP/gRPC endpoint has no path, and {shown} has one")
    host = parts.netloc
    if port is not None or host.endswith(":"):
        host = host.rpartition(":")[0]
    if port == 0 or parts.netloc.endswith(":") or not re.fullmatch(_HOST, host):
        raise ConfigError(f"{form}; {shown} has a bad host or port")
    secure = scheme == "https" or (not scheme and not insecure)
    target = f"{host}:{DEFAULT_PORT if port is None else port}"
    return target, f"{'https' if secure else 'http'}://{target}", secure


def _without_userinfo(text: str) -> str:
    """`text` without what may be a password in it."""
    head, at, tail = text.rpartition("@")
    if not at:
        return text
    scheme, slashes, _ = head.partition("://")
    return f"{scheme}://…@{tail}" if slashes else f"…@{tail}"


def parse_headers(items: Sequence[str], name: str) -> tuple[dict[str, str], list[str]]:
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
        if key.startswith("grpc-") or key.endswith("-bin") or key == "user-agent":
            problems.append(f"{name}: header {position} has a name that gRPC keeps for itself")
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


def _headers(reader: _Reader, flags: OtlpFlags) -> tuple[tuple[str, str], ...]:
    """Those of the environment, the flags' ones over them."""
    headers: dict[str, str] = {}
    found = reader.get("HEADERS")
    if found:
        headers, problems = parse_headers(found[1].split(","), found[0])
        reader.warnings.extend(f"{problem}; it is ignored" for problem in problems[:4])
    given, problems = parse_headers(flags.headers, "--otlp-header")
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


def _check_pair(context: ssl.SSLContext, key: _Pem, certificate: _Pem) -> None:
    """ConfigError if the two do not belong together, or cannot be read."""
    import ssl
    import tempfile

    def no_password() -> str:
        raise ValueError("encrypted")

    # OpenSSL reads files only; these are the bytes that will be used, whatever the paths hold now.
    with tempfile.NamedTemporaryFile() as key_file, tempfile.NamedTemporaryFile() as chain_file:
        key_file.write(key.data)
        chain_file.write(certificate.data)
        key_file.flush()
        chain_file.flush()
        try:
            context.load_cert_chain(chain_file.name, key_file.name, no_password)
        except ValueError:
            raise ConfigError(
                f"{key.where}: {key.shown} needs a password; give a key that is not encrypted"
            ) from None
        except ssl.SSLError:
            raise ConfigError(
                f"{key.where}: {key.shown} and the certificate {certificate.shown} cannot be"
                " read, or do not belong together"
            ) from None


def _check_protocol(reader: _Reader, flag: str | None) -> None:
    known = ("grpc", "http/protobuf", "http/json")
    if flag is not None:
        if flag not in known:
            raise ConfigError(f"--otlp-protocol: '{one_line(flag, 40)}' is unknown; use grpc")
        name, value = "--otlp-protocol", flag
    else:
        name, value = reader.word("PROTOCOL", known) or ("", "grpc")
    if value != "grpc":
        raise ConfigError(
            f"{name}: {value} is not supported yet; use grpc (the collector's port {DEFAULT_PORT})"
        )


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


def resolve(flags: OtlpFlags, environ: Mapping[str, str]) -> OtlpChoice:
    """Settles whether, where and how spans are exported.

    Spans are exported if an endpoint is named, by flag or by variable, and neither
    OTEL_SDK_DISABLED nor (without the flag) OTEL_TRACES_EXPORTER says otherwise. Reads the PEM
    files that are named. Raises ConfigError.
    """
    reader = _Reader(environ)
    found = reader.get("ENDPOINT")
    if flags.endpoint is not None:
        name, endpoint = "--otlp-endpoint", flags.endpoint
    elif found:
        name, endpoint = found
    else:
        return OtlpChoice(None)
    if _disabled(reader, flags.endpoint is not None):
        return OtlpChoice(None, tuple(reader.warnings))
    _check_protocol(reader, flags.protocol)
    insecure, chosen = flags.insecure, True
    if insecure is None:
        given = reader.get("INSECURE")
        chosen = given is not None
        insecure = given is not None and reader.boolean(*given)
    target, shown, secure = parse_endpoint(endpoint, name, insecure)
    if secure and not chosen and "://" not in endpoint:
        reader.warnings.append(
            f"{name}: without a scheme, TLS is used; write http://{target} for a collector without"
        )
    tls = _TlsFiles.read(reader, flags)
    if secure:
        tls.check()
    elif tls.any():
        reader.warnings.append(f"{name}: {shown} is not encrypted, the TLS files are not used")
    settings = OtlpSettings(
        target=target,
        endpoint=shown,
        secure=secure,
        headers=_headers(reader, flags),
        gzip=_gzip(reader, flags.compression),
        timeout_ms=_timeout_ms(reader, flags.timeout_ms),
        ca_pem=tls.ca.data if tls.ca else None,
        client_key_pem=tls.key.data if tls.key else None,
        client_certificate_pem=tls.certificate.data if tls.certificate else None,
    )
    return OtlpChoice(settings, tuple(reader.warnings))
