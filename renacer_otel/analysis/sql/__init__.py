# SPDX-License-Identifier: MIT
"""SQL over a trace: its tables, and what runs queries against them."""

from renacer_otel.analysis.sql.database import Database
from renacer_otel.analysis.sql.evaluate import evaluate

__all__ = ["Database", "evaluate"]
