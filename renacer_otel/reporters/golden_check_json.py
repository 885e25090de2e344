# SPDX-License-Identifier: MIT
"""A check against golden traces as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.golden import verdict
from renacer_otel.ring import strict_json
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

FORMAT = "renacer-golden-check-v1"


def render(verdicts: Sequence[Verdict], *, tells_all: bool = True) -> str:
    """One object; `goldens` has one for each golden trace, with all differences."""
    del tells_all
    made = {
        "format": FORMAT,
        "exit_code": verdict.gravest(one.exit_code for one in verdicts),
        "goldens": [_golden(one) for one in verdicts],
    }
    return json.dumps(strict_json.writable(redacted.tree(made)), indent=2) + "\n"


def _golden(one: Verdict) -> dict[str, Any]:
    return {
        "name": one.name,
        "command": list(one.command),
        "status": one.status,
        "exit_code": one.exit_code,
        "error": one.error or one.not_updated or None,
        "runs": one.runs,
        "golden_runs": one.golden_runs,
        "seconds": round(one.seconds, 3),
        "updated": one.updated,
        "was": one.was or None,
        "differences": [
            {
                "kind": difference.kind,
                "severity": difference.severity.name.lower(),
                "sentence": difference.sentence,
                "where": difference.where,
                "expected": difference.expected,
                "actual": difference.actual,
                "source": difference.source or None,
            }
            for difference in one.differences
        ],
        "slower": [
            {
                "what": slower.what,
                "before_us": slower.before_us,
                "after_us": slower.after_us,
                "p": slower.p,
                "sentence": slower.sentence,
            }
            for slower in one.slower
        ],
        "notes": list(one.notes),
    }
