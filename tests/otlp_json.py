# SPDX-License-Identifier: MIT
"""OTLP/JSON for the official classes."""

from __future__ import annotations

import base64
from typing import Any


def with_base64_ids(value: Any) -> Any:
    """OTLP/JSON as proto3 JSON, which has ids in base64."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in ("traceId", "spanId", "parentSpanId")
        else with_base64_ids(item)
        for key, item in value.items()
    }
