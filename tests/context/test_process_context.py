# SPDX-License-Identifier: MIT
"""What a process publishes of itself (OTEP 4719) stands on its span."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.compiling import compiled_once
from tests.engine.tools import Done, environment, export, facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SUBJECT = Path(__file__).parent / "subjects" / "resource.c"
PREFIX = "renacer.application."

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="what applications publish is read on x86_64 only"
)


@pytest.fixture(scope="module")
def subject(shared_folder: Path) -> Path:
    return compiled_once(shared_folder / "resource", SUBJECT, cc="gcc")


def payload(**attributes: str | int) -> str:
    """A ProcessContext in hex: its field 1 is the Resource."""
    resource = Resource()
    for key, value in attributes.items():
        pair = resource.attributes.add(key=key.replace("_", "."))
        if isinstance(value, str):
            pair.value.string_value = value
        else:
            pair.value.int_value = value
    data = resource.SerializeToString()
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])
    return (b"\x0a" + size + data + b"\x12\x02\x0a\x00").hex()


def published(span: Span) -> Mapping[str, Any]:
    found = facts(span)
    return {
        key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)
    }


def processes(words: Sequence[object], *options: str, **more: str) -> list[Mapping[str, Any]]:
    """What is published, by the run's processes in the order of their starts."""
    run = export(words, *options, env=environment(**more))
    assert run.done == Done(0, "", "")
    spans = sorted(run.processes, key=lambda span: span.start_time_unix_nano)
    return [published(span) for span in spans]


WHOLE: dict[str, str | int] = {
    "service.name": "shop",
    "service.namespace": "web",
    "service.version": "1.2",
    "service.instance.id": "a-b",
}


@pytest.mark.parametrize("options", [(), ("-e", "trace=none")], ids=["all", "none"])
def test_on_the_process_span(subject: Path, options: tuple[str, ...]) -> None:
    words = [subject, payload(**WHOLE, **{"host.name": "not ours"}, **{"service.count": 3})]
    assert processes(words, *options) == [WHOLE]


def test_the_last_one_counts(subject: Path) -> None:
    first, second = payload(service_name="a", service_version="1"), payload(service_name="b")
    assert processes([subject, first, second]) == [{"service.name": "b"}]


def test_not_of_a_child_nor_of_the_next_program(subject: Path) -> None:
    text = payload(service_name="a")
    assert processes([subject, text, "fork"]) == [{"service.name": "a"}, {}]
    assert processes([subject, text, "exec"]) == [{}]


def test_not_what_is_malformed(subject: Path) -> None:
    good = payload(service_name="a")
    assert processes([subject, good, good[:-4]]) == [{"service.name": "a"}]
    assert processes([subject, "ff" * 12]) == [{}]
    assert processes([subject, good + "00" * 20_000]) == [{}]


def test_long_values_are_cut(subject: Path) -> None:
    assert processes([subject, payload(service_name="x" * 300)]) == [{"service.name": "x" * 256}]


def test_not_where_it_is_turned_off(subject: Path) -> None:
    assert processes([subject, payload(service_name="a")], RENACER_DISABLE="application") == [{}]
