# SPDX-License-Identifier: MIT
"""What a tracer tells the sidecar of its run, beside the ring: all that the records do not say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.engine.redaction import Redaction
from renacer_otel.sidecar import wire

if TYPE_CHECKING:
    from renacer_otel.sidecar.identity import Identity
    from renacer_otel.sidecar.session_config import SessionConfig
    from renacer_otel.sidecar.wire import Value

# Variables that the resource is made from; the sidecar makes it.
RESOURCE_VARIABLES = ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME")
NO_LIMIT = (1 << 32) - 1
PROGRAM = f"renacer-otel {__version__}"


def hello() -> bytes:
    """The first frame."""
    return wire.frame(wire.HELLO, {1: wire.VERSION, 2: PROGRAM})


def register(config: SessionConfig, identity: Identity, turn: int, *, resumed: bool) -> bytes:
    """The frame that goes with the ring: numbers are those of Register in sidecar.proto.

    Raises WireError where it is too long.
    """
    tuning, context = config.tuning, identity.context
    redaction = tuning.redaction or Redaction()
    environment = [
        os.fsencode(f"{name}={config.environ[name]}")
        for name in RESOURCE_VARIABLES
        if config.environ.get(name)
    ]
    fields: dict[int, Value] = {
        1: context.trace_id,
        2: context.flags,
        3: context.span_id,
        4: list(identity.id_key),
        5: context.lamport,
        6: context.tracestate,
        7: os.fsencode(config.program),
        8: config.options.encode("utf-8", "backslashreplace"),
        9: config.run_id,
        10: (config.service_name or "").encode("utf-8", "backslashreplace"),
        11: identity.anchors[0],
        12: identity.anchors[1],
        13: identity.anchors[1],
        14: tuning.string_limit,
        15: tuning.source,
        16: "edges" in tuning.disable,
        17: list(tuning.wanted or ()),
        18: tuning.hidden_signals,
        19: tuning.hidden_statuses,
        20: [os.fsencode(path) for path in tuning.paths],
        21: list(tuning.path_fds),
        22: environment,
        23: turn,
        24: bool(config.argv),
        25: resumed,
        26: tuning.fold,
        27: tuning.spans,
        28: tuning.max_trace_spans,
        29: tuning.min_duration_ns,
        30: tuning.errors_only,
        31: tuning.keep_errors,
        32: tuning.keep_slow_ns,
        33: list(tuning.keep_calls or ()),
        34: tuning.redaction is None,
        35: not redaction.defaults,
        36: [os.fsencode(pattern) for pattern in redaction.patterns],
        37: [os.fsencode(key) for key in redaction.keys],
        38: tuning.payload,
        39: [NO_LIMIT if limit is None else min(limit, NO_LIMIT) for limit in tuning.limits or ()],
    }
    return wire.frame(wire.REGISTER, fields)


def end(*, abandoned: bool = False) -> bytes:
    """Nothing more comes; `abandoned`: nothing ever came."""
    return wire.frame(wire.END, {1: abandoned})
