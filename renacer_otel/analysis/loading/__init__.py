# SPDX-License-Identifier: MIT
"""Traces of every form that can be read, as columns."""

from renacer_otel.analysis.loading.forms import load

__all__ = ["load"]
