# SPDX-License-Identifier: MIT
"""Files of other forms made up for tests: as Renacer prints them, as spans are exported."""

from __future__ import annotations

import json
from typing import Any

SOURCE = {"file": "src/main.rs", "line": 41, "function": "main"}


def call(name: str, *args: str, result: int = 0, **more: Any) -> dict[str, Any]:
    """A call of renacer-json-v1: as many arguments as Renacer has, which is three."""
    words = [*args, "0x0", "0x0", "0x0"][:3]
    return {"name": name, "args": words, "result": result, **more}


def opened(path: str, fd: int, **more: Any) -> dict[str, Any]:
    """Of an openat."""
    return call("openat", "0xffffff9c", f'"{path}"', "0x80000", result=fd, **more)


#: A small program: it reads one file in two calls, and fails to open another.
CALLS = [
    call("brk", result=94066476351488),
    opened("/etc/hosts", 3, duration_us=12, source=SOURCE),
    call("read", "0x3", "0x7ffd1000", "0x340", result=832, duration_us=3),
    call("read", "0x3", "0x7ffd1000", "0x340", result=0),
    call("close", "0x3"),
    opened("/none", -2, duration_us=5),
    call("write", "0x1", "0x7ffd1000", "0x3", result=3, duration_us=40),
]


def whole(
    calls: list[dict[str, Any]], version: str = "0.10.2", exit_code: int = 0, **more: Any
) -> dict[str, Any]:
    """The object that Renacer prints."""
    times = [one["duration_us"] for one in calls if "duration_us" in one]
    summary: dict[str, Any] = {"total_syscalls": len(calls)}
    if times:
        summary["total_time_us"] = sum(times)
    summary["exit_code"] = exit_code
    head = {"version": version, "format": "renacer-json-v1", "syscalls": calls}
    return {**head, "summary": summary, **more}


def printed(content: Any, before: str = "", after: str = "\n") -> bytes:
    """As it lands in a file: indented, with other output around it."""
    return (before + json.dumps(content, indent=2, ensure_ascii=False) + after).encode()


def attribute(key: str, value: Any) -> dict[str, Any]:
    """One attribute of OTLP/JSON."""
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value}}
    return {"key": key, "value": {"stringValue": value}}


def span(
    number: int, parent: int, start: int, end: int, attributes: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A span; `number` and `parent` are ids, `start` and `end` Lamport times and times, too."""
    clocks = {"renacer.lamport.start": start, "renacer.lamport.end": end}
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "x",
        "kind": 1,
        "startTimeUnixNano": str(10**18 + 1000 * start),
        "endTimeUnixNano": str(10**18 + 1000 * end),
        "attributes": [attribute(*each) for each in {**attributes, **clocks}.items()],
        **more,
    }


def caused_by(number: int, kind: str) -> dict[str, Any]:
    """A link to a span."""
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": f"{number:016x}",
        "attributes": [attribute("renacer.edge", kind)],
    }


def request(spans: list[dict[str, Any]], run: str = "a", scope: str = "renacer_otel") -> str:
    """One line."""
    resource = {"attributes": [attribute("renacer.run.id", run)]}
    scopes = [{"scope": {"name": scope}, "spans": spans}]
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}) + "\n"
