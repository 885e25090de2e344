# SPDX-License-Identifier: MIT
"""Whether the python engine can be had here."""

from __future__ import annotations

from renacer_otel.errors import EngineError, one_line


def require() -> None:
    """Raises EngineError where python-ptrace is not installed."""
    try:
        from renacer_otel.engine import python_ptrace  # noqa: F401
    except (ImportError, NotImplementedError) as error:
        raise EngineError(
            f"--engine python needs python-ptrace ({one_line(str(error))}):"
            " pip install 'renacer-otel[python]'"
        ) from error
