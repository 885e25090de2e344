# SPDX-License-Identifier: MIT
"""Every row of docs/environment.md: what the variable does, that an empty one does nothing, and
that a bad value is told, by the variable's name and with what is used instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from renacer_otel.errors import ConfigError
from renacer_otel.exporters import sdk_settings
from renacer_otel.exporters.otlp_settings import OtlpFlags, OtlpSettings, resolve
from renacer_otel.exporters.variables import Variables
from renacer_otel.spans import sampling
from renacer_otel.spans.context import TraceContext
from renacer_otel.spans.resource import make_resource
from tests.docs.markdown import code_words, rows_under

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exporters.certificates import Certificates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "environment.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)

# Randomness of just under one half: kept by a share of 0.51, not by one of 0.49.
HALF = TraceContext(bytes(9) + (1 << 55).to_bytes(7, "big"), 0, 3)
OTLP = "OTEL_EXPORTER_OTLP_"


class Seen(NamedTuple):
    """All that an environment makes of a run."""

    settings: OtlpSettings | None
    batching: sdk_settings.Batching
    limits: sdk_settings.Limits
    kept: bool
    resource: dict[str, Any]
    warnings: list[str]

    @property
    def sender(self) -> OtlpSettings:
        assert self.settings is not None
        return self.settings


def seen(**environ: str) -> Seen:
    variables = Variables(environ)
    choice = resolve(OtlpFlags(), environ)
    batching, limits = sdk_settings.batching(variables), sdk_settings.limits(variables)
    decision = sampling.decide(HALF, environ)
    resource = make_resource("/bin/program", environ, None, "id")
    warnings = [
        *choice.warnings,
        *variables.warnings,
        *decision.warnings,
        *resource.warnings,
    ]
    kept = decision.context.sampled
    return Seen(choice.settings, batching, limits, kept, dict(resource.attributes), warnings)


class Case(NamedTuple):
    """A value and what it does; `without`: what the same is where the variable is not set.

    `bad`: a value that makes no sense. `beside`: what else must be set for it to count.
    """

    good: str
    what: Callable[[Seen], Any]
    gives: Any
    without: Any
    bad: tuple[str, ...] = ()
    beside: tuple[tuple[str, str], ...] = ((OTLP + "ENDPOINT", "http://h:1"),)


NUMBERS = ("x", "-1", "1.5", "0x10", "2147483648", "9" * 30, "1 2", "\u0663")
POSITIVE = (*NUMBERS, "0")
RATIO = ("OTEL_TRACES_SAMPLER", "traceidratio")


def limit(name: str, without: int | None = 128) -> Case:
    return Case("7", lambda s: getattr(s.limits, name), 7, without, NUMBERS)


CASES = {
    "ENDPOINT": Case("http://other:7", lambda s: s.settings and s.settings.target, "other:7", None,
        beside=()),
    "PROTOCOL": Case("HTTP/json", lambda s: s.sender.protocol, "http/json", "grpc", ("http", "1")),
    "HEADERS": Case("a=b%20c,d=", lambda s: s.sender.headers, (("a", "b c"), ("d", "")), ()),
    "INSECURE": Case("TRUE", lambda s: s.sender.secure, False, True, ("1", "yes"),
        ((OTLP + "ENDPOINT", "h:1"),)),
    "COMPRESSION": Case("GZIP", lambda s: s.sender.gzip, True, False, ("zstd", "true")),
    "TIMEOUT": Case("0", lambda s: s.sender.timeout_ms, 0, 10_000, NUMBERS),
    "OTEL_TRACES_EXPORTER": Case("console", lambda s: s.sender.exporter, "console", "",
        ("carrier-pigeon", "otlp/stdout", "logging")),
    "OTEL_TRACES_SAMPLER": Case("always_off", lambda s: s.kept, False, True,
        ("jaeger_remote", "parentbased_jaeger_remote", "xray", "0.5")),
    "OTEL_TRACES_SAMPLER_ARG": Case("0.49", lambda s: s.kept, False, True,
        ("x", "1.1", "-0.1", "nan", "inf", "1e999", "50%", ".", "1_0"), (RATIO,)),
    "OTEL_BSP_SCHEDULE_DELAY": Case("0", lambda s: s.batching.age_ms, 0, 1000, NUMBERS),
    "OTEL_BSP_EXPORT_TIMEOUT": Case("90", lambda s: s.batching.export_timeout_ms, 90, 0, NUMBERS),
    "OTEL_BSP_MAX_QUEUE_SIZE": Case("9", lambda s: s.batching, (1000, 0, 9, 9), (1000, 0, 0, 0),
        POSITIVE),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": Case("9", lambda s: s.batching.batch_spans, 9, 0, POSITIVE),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": limit("attributes"),
    "OTEL_ATTRIBUTE_COUNT_LIMIT": limit("attributes"),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": limit("value_length", None),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": limit("value_length", None),
    "OTEL_SPAN_EVENT_COUNT_LIMIT": limit("events"),
    "OTEL_SPAN_LINK_COUNT_LIMIT": limit("links"),
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": limit("event_attributes"),
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": limit("link_attributes"),
    "OTEL_SDK_DISABLED": Case("True", lambda s: s.settings, None, ..., ("1", "yes")),
    "OTEL_SERVICE_NAME": Case("mine", lambda s: s.resource["service.name"], "mine", "program"),
    "OTEL_RESOURCE_ATTRIBUTES": Case("a=b%2Cc,d=e",
        lambda s: (s.resource.get("a"), s.resource.get("d")), ("b,c", "e"), (None, None)),
}  # fmt: skip
# Named by files, which are in test_otlp_settings.py.
FILES = {"CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"}
ROWS = rows_under(PAGE, "variable")
NAMES = [code_words(row[0])[0] for row in ROWS]


def case_of(name: str) -> Case:
    return CASES.get(name) or CASES[name.removeprefix(OTLP)]


def with_name(case: Case, name: str, value: str) -> dict[str, str]:
    return {**dict(case.beside), name: value}


def same(found: Any, expected: Any) -> bool:
    return found is not None if expected is ... else bool(found == expected)


def test_the_page_has_every_variable_and_no_other() -> None:
    assert len(set(NAMES)) == len(NAMES)
    written = {name.removeprefix(OTLP) for name in NAMES}
    assert written == CASES.keys() | FILES


@pytest.mark.parametrize("name", [name for name in NAMES if name.removeprefix(OTLP) not in FILES])
def test_a_row(name: str) -> None:
    case = case_of(name)
    unset = seen(**dict(case.beside))
    # TLS for want of a scheme is told, unless INSECURE says a word on it, whatever word.
    before = len(unset.warnings) * (name != f"{OTLP}INSECURE")
    assert same(case.what(unset), case.without)
    for empty in ("", " \t"):
        assert seen(**with_name(case, name, empty)) == unset
    found = seen(**with_name(case, name, f" {case.good} "))
    assert same(case.what(found), case.gives)
    assert len(found.warnings) == before
    (row,) = [row for row in ROWS if code_words(row[0])[0] == name]
    used = code_words(row[2])
    for bad in case.bad:
        told = seen(**with_name(case, name, bad))
        assert same(case.what(told), case.without), bad
        (warning,) = [line for line in told.warnings if line.startswith(f"{name}: ")]
        assert len(told.warnings) == before + 1
        assert warning.isprintable()
        assert warning.endswith("is used")
        assert used[0].partition(",")[0] in warning.rpartition("; ")[2], (bad, warning)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(OTLP)])
def test_the_one_for_traces_goes_over_the_general_one(name: str, pki: Certificates) -> None:
    option = name.removeprefix(OTLP)
    if option in FILES:
        ca = pki.path("client.key" if option == "CLIENT_KEY" else "ca.pem")
        for of_traces, general, read in ((ca, "/nowhere", ca), ("", ca, ca), ("/no", ca, "/no")):
            variables = {f"{OTLP}TRACES_{option}": of_traces, name: general}
            if (option, read) == ("CERTIFICATE", ca):
                assert resolve(OtlpFlags(endpoint="https://h:1"), variables).settings
                continue
            words = f"cannot read {read}" if read != ca else "is missing"
            with pytest.raises(ConfigError, match=words):
                resolve(OtlpFlags(endpoint="https://h:1"), variables)
        return
    case = case_of(name)
    other = {"ENDPOINT": "http://no:1", "PROTOCOL": "http/protobuf", "HEADERS": "z=z",
             "INSECURE": "false", "COMPRESSION": "none", "TIMEOUT": "8"}[option]  # fmt: skip
    environ = {**dict(case.beside), name: other, f"{OTLP}TRACES_{option}": case.good}
    if option == "INSECURE":
        environ[f"{OTLP}ENDPOINT"] = "h:1"
    assert same(case.what(seen(**environ)), case.gives)
    for bad in case.bad if option != "INSECURE" else ():
        told = seen(**{**environ, f"{OTLP}TRACES_{option}": bad})
        assert same(case.what(told), case.what(seen(**{**dict(case.beside), name: other})))
        assert f"{OTLP}TRACES_{option}: " in told.warnings[0]
        assert told.warnings[0].endswith(f"; {name} is used")


@pytest.mark.parametrize("which", ["COUNT", "VALUE_LENGTH"])
def test_limits_of_spans_go_over_the_general_ones(which: str) -> None:
    of_spans, general = f"OTEL_SPAN_ATTRIBUTE_{which}_LIMIT", f"OTEL_ATTRIBUTE_{which}_LIMIT"
    at = {"COUNT": 0, "VALUE_LENGTH": 1}[which]
    assert seen(**{of_spans: "0", general: "9"}).limits[at] == 0
    told = seen(**{of_spans: "none", general: "9"})
    assert told.limits[at] == 9
    assert told.warnings[0].endswith(f"; {general} is used")


def test_a_batch_is_no_larger_than_the_queue() -> None:
    names = ("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
    assert seen(**dict(zip(names, ("10", "10"), strict=True))).batching[2:] == (10, 10)
    told = seen(**dict(zip(names, ("10", "11"), strict=True)))
    assert told.batching[2:] == (10, 10)
    assert told.warnings == [f"{names[1]}: '11' is more than {names[0]}; 10 is used"]


@pytest.mark.parametrize(
    ("value", "exporter", "told"),
    [
        ("otlp", "", 0),
        ("OTLP", "", 0),
        ("otlp,otlp", "", 0),
        ("console,otlp", "", 1),
        ("console,none", "console", 1),
        ("zipkin2,console", "console", 1),
        (",", "", 0),
    ],
)
def test_lists_of_exporters(value: str, exporter: str, told: int) -> None:
    found = seen(OTEL_TRACES_EXPORTER=value, OTEL_EXPORTER_OTLP_ENDPOINT="http://h:1")
    assert (found.sender.exporter, len(found.warnings)) == (exporter, told)


@pytest.mark.parametrize(
    ("protocol", "where"),
    [("", "localhost:4317"), ("grpc", "localhost:4317"), ("http/json", "localhost:4318")],
)
def test_otlp_by_name_means_its_default_endpoint(protocol: str, where: str) -> None:
    found = seen(OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (found.sender.target, found.sender.secure, found.warnings) == (where, False, [])
    assert seen(OTEL_TRACES_EXPORTER="none").settings is None
    assert seen().settings is None
