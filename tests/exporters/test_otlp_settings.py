# SPDX-License-Identifier: MIT
"""Flags and OTEL_EXPORTER_OTLP_* become settings, warnings or one clear error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from renacer_otel.errors import ConfigError
from renacer_otel.exporters.otlp_endpoint import Endpoint, parse_endpoint, parse_http_endpoint
from renacer_otel.exporters.otlp_settings import (
    OtlpChoice,
    OtlpFlags,
    OtlpSettings,
    parse_headers,
    resolve,
)

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t-t0k3n"
LOCAL = OtlpFlags(endpoint="http://localhost:4317")


def settings_of(flags: OtlpFlags, **variables: str) -> OtlpSettings:
    """The settings, where nothing is to be said about them."""
    choice = resolve(flags, variables)
    assert choice.warnings == ()
    assert choice.settings is not None
    return choice.settings


def env(**options: str) -> dict[str, str]:
    return {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in options.items()}


@pytest.mark.parametrize(
    ("text", "target", "secure"),
    [
        ("http://localhost:4317", "localhost:4317", False),
        ("https://collector.example:443/", "collector.example:443", True),
        ("HTTP://localhost", "localhost:4317", False),
        ("http://[::1]:4317", "[::1]:4317", False),
        ("[fe80::1%25eth0]:1", "[fe80::1%25eth0]:1", True),
        ("localhost", "localhost:4317", True),
        ("127.0.0.1:55", "127.0.0.1:55", True),
    ],
)
def test_endpoints(text: str, target: str, secure: bool) -> None:
    scheme = "https" if secure else "http"
    expected = Endpoint(target, f"{scheme}://{target}", secure)
    assert parse_endpoint(text, "--otlp-endpoint") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "http://",
        "http://:4317",
        "http://host:",
        "http://host:0",
        "http://host:65536",
        "http://host:port",
        "http://host:-1",
        "http://ho st:1",
        "http://host\n:1",
        "http://host:4318/v1/traces",
        "http://host?x=1",
        "http://host#x",
        "http://[::1",
        "http://[zz]:1",
        "::1",
        "ftp://host:1",
        "unix:/run/otel.sock",
        "unix:///run/otel.sock",
        "dns:///host:1",
        "http://\x1b[2J:1",
        "http://" + "h" * 5_000,
    ],
)
def test_bad_endpoints_are_one_line_that_says_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint(text, "--otlp-endpoint")
    message = str(caught.value)
    assert message.startswith("--otlp-endpoint: write it as http://HOST:4317")
    assert message.isprintable()
    assert len(message) < 300
    assert caught.value.exit_code == 125
    assert caught.value.analysis_exit_code == 5


@pytest.mark.parametrize("text", [f"http://me:{SECRET}@host:1", f"me:{SECRET}@host:x/"])
def test_a_password_in_an_endpoint_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint(text, "x")
    assert SECRET not in str(caught.value)


@given(st.text(max_size=60) | st.text("htps:/[]@.%:0123456789abc-", max_size=40))
def test_any_text_is_an_endpoint_or_a_config_error(text: str) -> None:
    try:
        target, shown, _, _ = parse_endpoint(text, "x")
    except ConfigError as error:
        shown = str(error)
    else:
        host, _, port = target.rpartition(":")
        assert host
        assert 1 <= int(port) <= 65535
    assert shown.isprintable()


def test_nothing_asked_for_is_nothing_exported_and_nothing_said() -> None:
    broken = env(PROTOCOL="http/json", TIMEOUT="x", CERTIFICATE="/none")
    assert resolve(OtlpFlags(), broken) == OtlpChoice(None)


def test_defaults() -> None:
    settings = settings_of(LOCAL)
    assert settings == OtlpSettings("localhost:4317", "http://localhost:4317", secure=False)
    assert settings.timeout_ms == 10_000


def test_flag_beats_traces_variable_beats_general_variable_and_empty_is_unset() -> None:
    both = env(ENDPOINT="http://general:1", TRACES_ENDPOINT="http://traces:2")
    assert settings_of(OtlpFlags(endpoint="http://flag:3"), **both).target == "flag:3"
    assert settings_of(OtlpFlags(), **both).target == "traces:2"
    both["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = " "
    assert settings_of(OtlpFlags(), **both).target == "general:1"
    timeouts = env(TIMEOUT="1", TRACES_TIMEOUT="2")
    assert settings_of(LOCAL, **timeouts).timeout_ms == 2
    flags = OtlpFlags(endpoint="http://x:1", timeout_ms=0)
    assert settings_of(flags, **timeouts).timeout_ms == 0


def test_insecure_counts_only_without_a_scheme() -> None:
    assert settings_of(OtlpFlags(), **env(ENDPOINT="h:1", INSECURE="TRUE")).secure is False
    assert settings_of(OtlpFlags(), **env(ENDPOINT="h:1", INSECURE="false")).secure is True
    assert settings_of(OtlpFlags(), **env(ENDPOINT="https://h:1", INSECURE="true")).secure is True
    assert settings_of(OtlpFlags(endpoint="h:1", insecure=True)).secure is False
    choice = resolve(OtlpFlags(), env(ENDPOINT="h:1", INSECURE="1"))
    assert choice.settings is not None
    assert choice.settings.secure is True
    assert len(choice.warnings) == 1


def test_tls_for_want_of_a_scheme_is_told() -> None:
    for flags, variables in (
        (OtlpFlags(endpoint="h:1"), {}),
        (OtlpFlags(), env(ENDPOINT="h:1")),
    ):
        choice = resolve(flags, variables)
        assert choice.settings is not None
        assert choice.settings.secure is True
        (warning,) = choice.warnings
        assert "write http://h:1" in warning


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "99999999999999999999", "2147483648", "1e3"])
def test_a_bad_timeout_is_told_and_ignored(value: str) -> None:
    choice = resolve(LOCAL, env(TRACES_TIMEOUT=value, TIMEOUT="7"))
    assert choice.settings is not None
    assert choice.settings.timeout_ms == 7
    assert len(choice.warnings) == 1
    assert "TRACES_TIMEOUT" in choice.warnings[0]


def test_compression() -> None:
    assert settings_of(LOCAL, **env(COMPRESSION="gzip")).gzip is True
    assert settings_of(LOCAL, **env(COMPRESSION="gzip", TRACES_COMPRESSION="none")).gzip is False
    choice = resolve(LOCAL, env(COMPRESSION="zstd"))
    assert choice.settings is not None
    assert choice.settings.gzip is False
    assert "COMPRESSION" in choice.warnings[0]
    with pytest.raises(ConfigError, match="none or gzip"):
        resolve(OtlpFlags(endpoint="http://x:1", compression="zstd"), {})


@pytest.mark.parametrize("value", ["http/protobuf", "http/json", "HTTP/Protobuf"])
def test_flag_beats_traces_variable_beats_general_variable_for_the_protocol(value: str) -> None:
    for variables in (env(PROTOCOL=value), env(TRACES_PROTOCOL=value, PROTOCOL="grpc")):
        assert settings_of(LOCAL, **variables).protocol == value.lower()
    flags = OtlpFlags(endpoint="http://x:1", protocol=value.lower())
    assert settings_of(flags, **env(PROTOCOL="grpc")).protocol == value.lower()
    flags = OtlpFlags(endpoint="http://x:1", protocol="grpc")
    assert settings_of(flags, **env(TRACES_PROTOCOL=value)).protocol == "grpc"


def test_an_unknown_protocol_by_flag_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'smtp' is unknown; use grpc, http/protobuf, http/json"):
        resolve(OtlpFlags(endpoint="http://x:1", protocol="smtp"), {})


@pytest.mark.parametrize(
    ("text", "base", "target", "path"),
    [
        ("http://localhost:4318", True, "localhost:4318", "/v1/traces"),
        ("http://localhost:4318/", True, "localhost:4318", "/v1/traces"),
        ("https://api.example", True, "api.example:443", "/v1/traces"),
        ("HTTP://h/otlp", True, "h:80", "/otlp/v1/traces"),
        ("http://h:1/otlp//", True, "h:1", "/otlp/v1/traces"),
        ("http://[::1]:4318", True, "[::1]:4318", "/v1/traces"),
        ("http://h:4318", False, "h:4318", "/"),
        ("http://h:4318/v1/traces", False, "h:4318", "/v1/traces"),
        ("http://h/a@b/?key=1", False, "h:80", "/a@b/?key=1"),
        ("unix:///run/otel.sock", True, "unix:/run/otel.sock", "/v1/traces"),
        ("unix:/run/otel.sock", False, "unix:/run/otel.sock", "/v1/traces"),
    ],
)
def test_endpoints_of_http(text: str, base: bool, target: str, path: str) -> None:
    found = parse_http_endpoint(text, "x", base)
    assert (found.target, found.path) == (target, path)
    assert found.secure is text.startswith("https")
    assert "key=" not in found.shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not an endpoint"),
        ("localhost:4318", "has no scheme, and OTLP/HTTP needs one"),
        ("ftp://h", "the scheme 'ftp' is not supported yet"),
        (f"http://me:{SECRET}@h:1", "pass credentials as a header"),
        (f"http://h/x?key={SECRET}", "has a query"),
        ("http://h/#x", "a path that a request cannot carry"),
        ("http://h/\u00e4", "a path that a request cannot carry"),
        ("http://h:0", "has a bad host or port"),
        ("http://h:x/", "has a bad host or port"),
        ("http:///v1/traces", "has a bad host or port"),
        ("unix:run/otel.sock", "write it as unix:///PATH"),
        ("unix://run/otel.sock", "write it as unix:///PATH"),
        ("unix:///" + "x" * 200, "at most 107 bytes"),
    ],
)
def test_bad_endpoints_of_http_are_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_http_endpoint(text, "NAME")
    message = str(caught.value)
    assert message.startswith("NAME: write it as ")
    assert message.isprintable()
    assert len(message) < 300
    assert SECRET not in message


@given(st.text(max_size=60) | st.text("htps:/[]@.%?#:0123456789abc-", max_size=40), st.booleans())
def test_any_text_is_an_endpoint_of_http_or_a_config_error(text: str, base: bool) -> None:
    try:
        found = parse_http_endpoint(text, "x", base)
    except ConfigError as error:
        shown = str(error)
    else:
        shown = found.shown
        assert found.path.startswith("/")
        assert not base or found.path.endswith("/v1/traces")
        assert found.path.isascii()
        assert " " not in found.path
    assert shown.isprintable()


def test_what_v1_traces_is_appended_to() -> None:
    http = env(PROTOCOL="http/protobuf")
    base = settings_of(OtlpFlags(), **http, **env(ENDPOINT="http://h:1/x"))
    assert (base.path, base.endpoint) == ("/x/v1/traces", "http://h:1/x/v1/traces")
    as_it_is = env(ENDPOINT="http://general:1", TRACES_ENDPOINT="http://h:1/x")
    assert settings_of(OtlpFlags(), **http, **as_it_is).path == "/x"
    assert settings_of(OtlpFlags(endpoint="http://h:1/x"), **http).path == "/x/v1/traces"
    assert settings_of(OtlpFlags(endpoint="http://h:1/v1/traces"), **http).path == "/v1/traces"
    choice = resolve(OtlpFlags(), {**http, **env(ENDPOINT="http://h:1/v1/traces")})
    assert choice.settings is not None
    assert choice.settings.path == "/v1/traces/v1/traces"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in choice.warnings[0]


@pytest.mark.parametrize(
    ("protocol", "target"),
    [
        ("grpc", "localhost:4317"),
        ("http/protobuf", "localhost:4318"),
        ("http/json", "localhost:4318"),
    ],
)
def test_a_protocol_by_flag_alone_means_its_default_endpoint(protocol: str, target: str) -> None:
    settings = settings_of(OtlpFlags(protocol=protocol))
    assert (settings.target, settings.secure) == (target, False)
    assert resolve(OtlpFlags(), env(PROTOCOL=protocol)) == OtlpChoice(None)
    assert settings_of(OtlpFlags(protocol=protocol), **env(ENDPOINT="http://h:1")).target == "h:1"


def test_insecure_has_no_say_over_http() -> None:
    variables = env(PROTOCOL="http/json", INSECURE="true", ENDPOINT="https://h:1")
    assert settings_of(OtlpFlags(), **variables).secure is True


@pytest.mark.parametrize("name", ["content-type", "Transfer-Encoding", "host", "user-agent"])
def test_headers_that_http_keeps_for_itself(name: str) -> None:
    headers, problems = parse_headers([f"{name}=x", "grpc-x=1"], "NAME", "http/json")
    assert headers == {"grpc-x": "1"}
    assert problems == ["NAME: header 1 has a name that OTLP/HTTP keeps for itself"]


def test_protocol_grpc_is_fine_and_an_unknown_one_is_told() -> None:
    assert settings_of(LOCAL, **env(PROTOCOL="grpc")) == settings_of(LOCAL)
    assert len(resolve(LOCAL, env(PROTOCOL="carrier pigeon")).warnings) == 1


@pytest.mark.parametrize(
    ("variables", "flag", "exports", "told"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, False, False, 0),
        ({"OTEL_SDK_DISABLED": "TRUE"}, True, False, 1),
        ({"OTEL_SDK_DISABLED": "1"}, True, True, 1),
        ({"OTEL_SDK_DISABLED": "false"}, True, True, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, False, False, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, True, True, 0),
        ({"OTEL_TRACES_EXPORTER": "console"}, False, True, 0),
        ({"OTEL_TRACES_EXPORTER": "console"}, True, True, 0),
        ({"OTEL_TRACES_EXPORTER": "smoke"}, False, True, 1),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, False, True, 1),
    ],
)
def test_what_switches_exporting_off(
    variables: dict[str, str], flag: bool, exports: bool, told: int
) -> None:
    flags = LOCAL if flag else OtlpFlags()
    choice = resolve(flags, {**env(ENDPOINT="http://localhost:1"), **variables})
    assert (choice.settings is not None, len(choice.warnings)) == (exports, told)


def test_headers_are_decoded_merged_and_hidden() -> None:
    flags = OtlpFlags(endpoint="http://x:1", headers=[f"Authorization=Bearer%20{SECRET}", "b=2"])
    settings = settings_of(flags, **env(HEADERS="a=1, B = x%2Cy ,", TRACES_ENDPOINT="http://y:1"))
    assert settings.headers == (("a", "1"), ("b", "2"), ("authorization", f"Bearer {SECRET}"))
    assert SECRET not in repr(settings)
    only = settings_of(LOCAL, **env(HEADERS="a=1", TRACES_HEADERS="b=2"))
    assert only.headers == (("b", "2"),)


@pytest.mark.parametrize(
    "item",
    [
        SECRET,
        f"={SECRET}",
        f"a b={SECRET}",
        f"a={SECRET}%0d%0aX:1",
        f"a={SECRET}%ff",
        f"a={SECRET}\u00e9",
        f"grpc-timeout={SECRET}",
        f"key-bin={SECRET}",
        f"a={SECRET * 1000}",
    ],
)
def test_bad_headers_are_told_without_their_value(item: str) -> None:
    headers, problems = parse_headers([item, "ok=1"], "NAME")
    assert headers == {"ok": "1"}
    assert len(problems) == 1
    choice = resolve(LOCAL, env(HEADERS=f"{item},ok=1"))
    assert choice.settings is not None
    assert choice.settings.headers == (("ok", "1"),)
    assert len(choice.warnings) == 1
    with pytest.raises(ConfigError) as caught:
        resolve(OtlpFlags(endpoint="http://x:1", headers=[item]), {})
    assert SECRET not in str([*problems, *choice.warnings, caught.value])


def test_there_is_a_bound_on_headers() -> None:
    headers, problems = parse_headers([f"k{n}=v" for n in range(100)], "NAME")
    assert (len(headers), problems) == (64, ["NAME: more than 64 headers"])


@pytest.mark.parametrize("timeout", [-1, 2**31])
def test_a_bad_timeout_flag_is_an_error(timeout: int) -> None:
    with pytest.raises(ConfigError, match="--otlp-timeout"):
        resolve(OtlpFlags(endpoint="http://x:1", timeout_ms=timeout), {})


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("one", "two"):
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        (folder / f"{name}.key").chmod(0o600)
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    (folder / "broken.pem").chmod(0o600)
    (folder / "text.pem").write_text("hello\n")
    return folder


class TestFiles:
    """CA, client key and client certificate."""

    def test_files_are_read(self, pem: Path) -> None:
        found = settings_of(
            OtlpFlags(endpoint="https://x:1", certificate=str(pem / "ca.pem")),
            **env(CLIENT_KEY=str(pem / "one.key"), CLIENT_CERTIFICATE=str(pem / "one.pem")),
        )
        assert found.ca_pem == (pem / "ca.pem").read_bytes()
        assert found.client_key_pem == (pem / "one.key").read_bytes()
        assert found.client_certificate_pem == (pem / "one.pem").read_bytes()
        assert "BEGIN" not in repr(found)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"certificate": "none.pem"}, "cannot read"),
            ({"certificate": ""}, "is not a file"),
            ({"certificate": "text.pem"}, "is not a PEM file"),
            ({"certificate": "broken.pem"}, "holds no CA certificate"),
            ({"client_key": "one.key"}, "client certificate to this key is missing"),
            ({"client_certificate": "one.pem"}, "client key to this certificate is missing"),
            ({"client_key": "one.key", "client_certificate": "two.pem"}, "belong together"),
            ({"client_key": "broken.pem", "client_certificate": "two.pem"}, "cannot be read"),
        ],
    )
    def test_files_that_cannot_serve(self, pem: Path, options: dict[str, str], words: str) -> None:
        paths = {key: str(pem / value) for key, value in options.items()}
        with pytest.raises(ConfigError, match=words) as caught:
            resolve(OtlpFlags(endpoint="https://x:1", **paths), {})  # type: ignore[arg-type]
        assert str(caught.value).startswith("--otlp-c")

    def test_a_fifo_does_not_hang_us(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(ConfigError, match="is not a file"):
            resolve(OtlpFlags(endpoint="https://x:1", certificate=str(tmp_path / "fifo")), {})

    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o666])
    def test_a_key_that_is_open_to_others_is_refused(
        self, pem: Path, tmp_path: Path, mode: int
    ) -> None:
        key = tmp_path / "open.key"
        key.write_bytes((pem / "one.key").read_bytes())
        key.chmod(mode)
        variables = env(CLIENT_KEY=str(key), CLIENT_CERTIFICATE=str(pem / "one.pem"))
        with pytest.raises(ConfigError, match=r"open\.key is open to others; chmod 600 it"):
            resolve(OtlpFlags(endpoint="https://x:1"), variables)
        key.chmod(0o640)
        choice = resolve(OtlpFlags(endpoint="https://x:1"), variables)
        assert choice.settings is not None
        assert len(choice.warnings) == 1
        assert "readable by its group" in choice.warnings[0]

    def test_files_without_tls_are_told(self, pem: Path) -> None:
        choice = resolve(LOCAL, env(CERTIFICATE=str(pem / "ca.pem")))
        assert len(choice.warnings) == 1
        assert "not encrypted" in choice.warnings[0]
