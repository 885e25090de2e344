# SPDX-License-Identifier: MIT
"""Where the native core cannot be loaded: the python engine, text and TRACE files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli import options, text_options
from renacer_otel.cli.terminal import complain
from renacer_otel.engine import native
from renacer_otel.engine.native import NativeCoreMissing
from renacer_otel.errors import EngineError, UsageError, one_line

if TYPE_CHECKING:
    import argparse

    from renacer_otel.sidecar.filters import Selection

# Options that mean here what they mean elsewhere. All others must be at their defaults.
_HAVE = {
    "block_limit", "capture", "cpu", "engine", "expressions", "fail_on_loss", "follow",
    "follow_forks", "format", "max_depth", "no_follow", "no_propagate", "on_full", "output",
    "output_append_mode", "quiet", "quiet_set", "seccomp_bpf", "string_limit", "trace_parent",
    "user", "variables", "verbose",
}  # fmt: skip
_FORMATS = (None, "text", "record")


def is_alone(given: argparse.Namespace, *, exports: bool) -> bool:
    """Whether the core cannot serve; then `given` is checked, and the engine is python.

    Raises NativeCoreMissing where another engine was asked for, or python-ptrace is missing;
    UsageError for what there is not without the core.
    """
    try:
        native.load()
    except NativeCoreMissing as error:
        if given.engine == "ptrace":
            raise
        from renacer_otel.engine.python_require import require

        try:
            require()
        except EngineError as missing:
            raise NativeCoreMissing(
                f"{error.message}; or, for plain text and TRACE files without it,"
                " pip install 'renacer-otel[python]'"
            ) from missing
        _check(given, exports=exports)
        given.engine = "python"
        complain(
            f"{_reason(error)}: --engine python traces without it, plain text or TRACE files only"
        )
        return True
    return False


def _reason(error: NativeCoreMissing) -> str:
    """What is wrong, without what to do."""
    return one_line(error.message.rpartition(": ")[0] or error.message, 200)


def _check(given: argparse.Namespace, *, exports: bool) -> None:
    needs = "needs the native core, which cannot be loaded here"
    for action in options.RunParser().options:
        value = getattr(given, action.dest, action.default)
        if action.dest not in _HAVE and value != action.default:
            raise UsageError(f"{max(action.option_strings, key=len)} {needs}; leave it out")
    if given.follow_forks > 1:
        raise UsageError(f"-ff {needs}; leave it out")
    if given.format not in _FORMATS:
        raise UsageError(f"--format {one_line(given.format, 40)} {needs}; there are text, record")
    if exports:
        raise UsageError(f"export to OTEL_EXPORTER_OTLP_ENDPOINT {needs}; unset the variable")
    text_options.silenced(given)


def check_selection(selection: Selection) -> None:
    """Raises UsageError for what is selected behind the ring."""
    if selection.hidden_signals or selection.hidden_statuses:
        raise UsageError(
            "-e signal=, -e status=, -z and -Z need the native core, which cannot be loaded"
            " here; leave them out"
        )
