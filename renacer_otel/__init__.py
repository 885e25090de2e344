# SPDX-License-Identifier: MIT
"""Traces the system calls of a Linux command and exports them as OpenTelemetry spans."""

from renacer_otel._version import __version__

__all__ = ["__version__"]
