# SPDX-License-Identifier: MIT
"""What the resource of a run says, and which word wins for the service's name."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import uuid
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import OTELResourceDetector

from renacer_otel.spans import resource as res


def test_the_run_and_its_host_are_described_and_the_tracer_is_not() -> None:
    made = res.make_resource("/usr/bin/git", {}, run_id="11111111-2222-4333-8444-555555555555")
    attributes = made.attributes
    assert made.warnings == ()
    assert attributes["renacer.run.id"] == "11111111-2222-4333-8444-555555555555"
    assert attributes["service.instance.id"] == attributes["renacer.run.id"]
    assert attributes["telemetry.sdk.name"] == "opentelemetry"
    assert attributes["telemetry.distro.name"] == "renacer-otel"
    assert attributes["os.type"] == "linux"
    assert attributes["host.name"] == platform.node()
    assert attributes["host.arch"] in ("amd64", "arm64", platform.machine())
    assert not [key for key in attributes if key.startswith("process.")]


def test_each_run_has_an_id_of_its_own() -> None:
    first, second = (res.make_resource("x", {}).attributes["renacer.run.id"] for _ in range(2))
    assert uuid.UUID(str(first)) != uuid.UUID(str(second))


@pytest.mark.parametrize(
    ("flag", "variable", "attributes", "name"),
    [
        ("flag", "variable", "service.name=listed", "flag"),
        (None, "variable", "service.name=listed", "variable"),
        (None, "  ", "service.name=listed", "listed"),
        ("", "", "service.name=", "git"),
        (None, "", "", "git"),
    ],
)
def test_the_service_name_by_precedence(
    flag: str | None, variable: str, attributes: str, name: str
) -> None:
    environ = {"OTEL_SERVICE_NAME": variable, "OTEL_RESOURCE_ATTRIBUTES": attributes}
    assert res.make_resource("/usr/bin/git", environ, service_name=flag).service_name == name


@pytest.mark.parametrize(
    ("command", "name"),
    [("./a/b/", "b"), ("/", "unknown_service"), ("", "unknown_service"), ("a\x1bb", "a\\x1bb")],
)
def test_the_default_service_name_is_printable(command: str, name: str) -> None:
    assert res.default_service_name(command) == name


def test_attributes_of_the_environment_win_over_detection_and_not_over_ours() -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "host.name=other, k = a%2Cb ,renacer.run.id=forged"}
    attributes = res.make_resource("x", environ, run_id="r").attributes
    assert (attributes["host.name"], attributes["k"]) == ("other", "a,b")
    assert attributes["renacer.run.id"] == "r"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a=1,b",
        "=1",
        "a=1,,b=2",
        "a=b=c",
        "a=%zz",
        "a=%ff",
        "a=%",
        "k" * 256 + "=1",
        ",".join(f"k{n}=v" for n in range(129)),
        "a=" + "v" * 70_000,
    ],
)
def test_one_error_discards_the_whole_variable_with_one_warning(text: str) -> None:
    made = res.make_resource("x", {"OTEL_RESOURCE_ATTRIBUTES": "ok=1," + text})
    assert "ok" not in made.attributes
    assert len(made.warnings) == 1
    assert "OTEL_RESOURCE_ATTRIBUTES" in made.warnings[0]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z.]{0,10}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        min_size=1,
        max_size=8,
    )
)
def test_well_formed_attributes_read_as_the_sdk_reads_them(attributes: dict[str, str]) -> None:
    text = ",".join(f"{key}={quote(value, safe='')}" for key, value in attributes.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", text)
        patch.delenv("OTEL_SERVICE_NAME", raising=False)
        theirs = OTELResourceDetector().detect().attributes
    assert res.parse_resource_attributes(text) == dict(theirs) == attributes


def test_host_and_system_are_what_the_sdk_detects() -> None:
    from opentelemetry.sdk import resources

    made = res.make_resource("x", {}).attributes
    # The host detector has no public name yet, and older versions of the SDK have neither.
    names = ("OsResourceDetector", "_HostResourceDetector")
    detectors = [getattr(resources, name)() for name in names if hasattr(resources, name)]
    theirs = resources.get_aggregated_resources(detectors, resources.Resource.get_empty())
    found = {name: value for name, value in theirs.attributes.items() if name != "host.arch"}
    assert found
    assert found == {name: made[name] for name in found}
    assert made["host.arch"] in (
        theirs.attributes.get("host.arch"),  # where uname says what the conventions say
        "amd64" if os.uname().machine == "x86_64" else "arm64",
    )


def test_a_resource_takes_no_more_of_the_sdk_than_its_version() -> None:
    code = (
        "import sys, renacer_otel.spans.resource as made; made.make_resource('x', {});"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.', 'google'))])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout == "['opentelemetry.sdk', 'opentelemetry.sdk.version']\n"
