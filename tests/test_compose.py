# SPDX-License-Identifier: MIT
"""docker-compose.yml, agent.yaml and docs/backends.md say the same. Needs no back end."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.live.backend import AGENT_CONFIG, REPOSITORY

DOC = (REPOSITORY / "docs" / "backends.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    found = compose["services"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def agent_defaults() -> dict[str, str]:
    """Variables that agent.yaml reads, with their defaults."""
    text = AGENT_CONFIG.read_text(encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    found = re.findall(r"\$\{env:(\w+):-([^}]*)\}", text)
    assert len(found) == text.count("${"), "a variable without a default"
    return dict(found)


def _table_rows(columns: int) -> list[list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOC.splitlines()
        if line.startswith("|")
    ]
    return [row for row in rows if len(row) == columns and not set(row[0]) <= {"-"}]


def test_images_are_pinned_as_told(services: dict[str, Any]) -> None:
    images = {tuple(service["image"].split(":")) for service in services.values()}
    assert len(images) == len(services)
    for _name, tag in images:
        assert re.fullmatch(r"\d+\.\d+\.\d+", tag)
    told = {(name, tag) for name, tag in _table_rows(2) if "/" in name}
    assert images == told


def test_ports_are_published_on_the_loopback_as_told(services: dict[str, Any]) -> None:
    published = set()
    for name, service in services.items():
        for port in service["ports"]:
            address, host_port, container_port = port.split(":")
            assert address == "127.0.0.1"
            assert host_port == container_port
            published.add((host_port, name))
    told = {(row[0], row[1].lower()) for row in _table_rows(3) if row[0].isdigit()}
    assert published == told


def test_the_collector_is_given_agent_yaml(
    services: dict[str, Any], agent_defaults: dict[str, str]
) -> None:
    collector = services["collector"]
    (mount,) = collector["volumes"]
    source, target, mode = mount.split(":")
    assert (REPOSITORY / source).resolve() == AGENT_CONFIG
    assert mode == "ro"
    assert collector["command"] == [f"--config={target}"]
    variables = collector["environment"]
    assert variables.keys() <= agent_defaults.keys()
    host, port = variables["RENACER_JAEGER_OTLP"].split(":")
    assert host in services
    assert port == "4317"
    listening = {
        agent_defaults[name].rpartition(":")[2]
        for name in ("RENACER_COLLECTOR_GRPC", "RENACER_COLLECTOR_HTTP")
    }
    assert listening == {port.rpartition(":")[2] for port in collector["ports"]}


def test_the_variables_are_told(agent_defaults: dict[str, str]) -> None:
    told = {
        name.strip("`"): default.strip("`")
        for name, default in _table_rows(2)
        if name.startswith("`RENACER_")
    }
    assert told == agent_defaults
