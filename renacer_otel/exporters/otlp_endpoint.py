# SPDX-License-Identifier: MIT
"""What an endpoint is, for OTLP over gRPC and over HTTP.

A gRPC endpoint is a host and a port. One of HTTP is a URL: `v1/traces` is appended to a base
endpoint, one that is for traces only is taken as it is.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from renacer_otel.errors import ConfigError, one_line

DEFAULT_PORT = 4317
DEFAULT_HTTP_PORT = 4318
TRACES_PATH = "/v1/traces"
UNIX = "unix:"

_HOST = r"[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._~-]{1,32})?\]"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*)://((?s:.*))"
_IN_REQUEST = r"[!-~]{0,4096}"
_MAX_UNIX_PATH = 107  # sun_path, and a zero


class Endpoint(NamedTuple):
    """Where requests go."""

    target: str  # "host:port"; HTTP: or "unix:/path"
    shown: str  # for people, without what may be a secret
    secure: bool
    path: str = ""  # HTTP: of the request, with its query


def parse_endpoint(text: str, name: str, insecure: bool = False) -> Endpoint:
    """Parses an OTLP/gRPC endpoint.

    `http://` means plain, `https://` TLS; without a scheme `insecure` decides. `name` is what
    an error calls the value. Raises ConfigError.
    """
    form = f"{name}: write it as http://HOST:{DEFAULT_PORT} or https://HOST:{DEFAULT_PORT}"
    scheme, parts, shown = _split(text, form)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(
            f"{form}; an OTLP/gRPC endpoint has no path, and {shown} has one"
            " (of OTLP/HTTP: --otlp-protocol http/protobuf)"
        )
    host, port = _host_and_port(parts, form, shown)
    secure = scheme == "https" or (not scheme and not insecure)
    target = f"{host}:{DEFAULT_PORT if port is None else port}"
    return Endpoint(target, f"{'https' if secure else 'http'}://{target}", secure)


def parse_http_endpoint(text: str, name: str, base: bool = True) -> Endpoint:
    """Parses an OTLP/HTTP endpoint; `base`: the path for traces is to be appended.

    A URL without a port has that of its scheme. `unix:///PATH` is a socket. Raises ConfigError.
    """
    if text.startswith(UNIX):
        return _unix_endpoint(text, name)
    form = f"{name}: write it as http://HOST:{DEFAULT_HTTP_PORT} or https://HOST"
    scheme, parts, shown = _split(text, form)
    if not scheme:
        raise ConfigError(f"{form}; {shown} has no scheme, and OTLP/HTTP needs one")
    if parts.fragment or not re.fullmatch(_IN_REQUEST, parts.path + parts.query):
        raise ConfigError(f"{form}; {shown} has a path that a request cannot carry")
    if base and parts.query:
        raise ConfigError(
            f"{form}; {shown} has a query: give the whole URL by OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        )
    host, port = _host_and_port(parts, form, shown)
    if port is None:
        port = 443 if scheme == "https" else 80
    path = parts.path.rstrip("/") + TRACES_PATH if base else parts.path or "/"
    where = f"{host}:{port}"
    request = f"{path}?{parts.query}" if parts.query else path
    return Endpoint(where, f"{scheme}://{where}{one_line(path, 120)}", scheme == "https", request)


def _unix_endpoint(text: str, name: str) -> Endpoint:
    path = text.removeprefix(UNIX)
    if path.startswith("//"):
        path = path[2:]
    if not path.startswith("/") or "\0" in path or len(os.fsencode(path)) > _MAX_UNIX_PATH:
        raise ConfigError(
            f"{name}: write it as unix:///PATH with a path of at most {_MAX_UNIX_PATH} bytes;"
            f" '{one_line(text, 80)}' is none"
        )
    return Endpoint(UNIX + path, one_line(f"unix://{path}", 160), False, TRACES_PATH)


def _split(text: str, form: str) -> tuple[str, SplitResult, str]:
    """(scheme in lower case or "", the rest in parts, the text for people)."""
    shown = "'" + one_line(_without_secrets(text), 80) + "'"
    if not text or not text.isprintable() or " " in text:
        raise ConfigError(f"{form}; {shown} is not an endpoint")
    match = re.fullmatch(_SCHEME, text)
    scheme, rest = (match.group(1).lower(), match.group(2)) if match else ("", text)
    if not match and re.match(r"(unix|unix-abstract|dns|ipv4|ipv6|vsock|xds):", text):
        scheme = text.partition(":")[0]
    if scheme not in ("", "http", "https"):
        raise ConfigError(f"{form}; the scheme '{one_line(scheme, 20)}' is not supported yet")
    if "@" in rest.partition("/")[0]:
        raise ConfigError(f"{form}; pass credentials as a header, not in the endpoint")
    try:
        parts = urlsplit("//" + rest)
        parts.port  # noqa: B018 (it raises)
    except ValueError:
        raise ConfigError(f"{form}; {shown} has a bad host or port") from None
    return scheme, parts, shown


def _host_and_port(parts: SplitResult, form: str, shown: str) -> tuple[str, int | None]:
    host = parts.netloc
    if parts.port is not None or host.endswith(":"):
        host = host.rpartition(":")[0]
    if parts.port == 0 or parts.netloc.endswith(":") or not re.fullmatch(_HOST, host):
        raise ConfigError(f"{form}; {shown} has a bad host or port")
    return host, parts.port


def _without_secrets(text: str) -> str:
    """`text` without what may be a password in it."""
    head, at, tail = text.rpartition("@")
    if at:
        scheme, slashes, _ = head.partition("://")
        text = f"{scheme}://…@{tail}" if slashes else f"…@{tail}"
    path, mark, _ = text.partition("?")
    return f"{path}?…" if mark else text
