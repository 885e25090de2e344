# SPDX-License-Identifier: MIT
"""`renacer-otel check`: do the assertions of renacer.toml hold?

For a TRACE file, or for a command, which is run and recorded for it. What each assertion means is
told in docs/assertions.md. The report goes to standard output, of a command to standard error, or
to the file of -o.

Exit code 0: all hold; 1: one is violated; 2: no such TRACE file, 3: it cannot be read; 4: the
command failed; 5: renacer.toml is wrong; 125: it cannot be known, or a failure of our own; 126,
127: the command cannot be run.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from typing import TYPE_CHECKING

from renacer_otel.cli import options, redacting, stopping, terminal, written
from renacer_otel.errors import (
    EXIT_BAD_CONFIGURATION,
    EXIT_NO_TRACE,
    ConfigError,
    OutputError,
    RenacerError,
    UsageError,
    one_line,
)
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.assertions.config import Config
    from renacer_otel.analysis.assertions.evaluate import Result

_FORMATS = ("text", "json", "junit")
_DEFAULT = "renacer.toml"
_EXIT_COMMAND_FAILED = 4
_NOT_YET = {
    "compression": "is taken; TRACE files are always compressed, by zstd",
    "lamport_clock": "is taken; Lamport times are always kept, and TRACESTATE carries them",
}


def main(arguments: Sequence[str]) -> int:
    """Checks, and writes the report. Raises ConfigError, TraceNotFound, TraceUnreadable, …"""
    words, command = list(arguments), None
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = _parser()
    values, others = parser.parse_known_args(words)
    if command is None and others and not others[0].startswith("-"):
        meant = one_line(shlex.join([values.trace, *others]), 80)
        raise UsageError(f"one TRACE file is checked; to check a command: check -- {meant}")
    values = parser.parse_args(words)
    options.one_of("--format", values.format, _FORMATS)
    if command is None and values.trace is None:
        raise UsageError("nothing to check: name a TRACE file, or a command after --")
    if command is None and values.flight_recorder is not None:
        raise UsageError("--flight-recorder is for a command that is run; write it after --")
    if command is not None and (values.trace is not None or not command):
        what = "a TRACE file or a command, not both" if command else "a command after --"
        raise UsageError(f"name {what}")
    from renacer_otel.analysis.assertions import config as configuration

    try:
        config = configuration.load(values.config, lenient=values.lenient)
    except ConfigError as error:
        if values.trace is None or os.path.lexists(values.trace):
            raise
        terminal.complain(f"{one_line(values.trace, 120)}: no such TRACE file")
        raise ConfigError(error.message, EXIT_NO_TRACE) from error
    _tell(config)
    _check_endpoint(config)
    redacted.use(redacting.of_file(config))
    with stopping.stopping():
        if command is None:
            results, code = _check(values.trace, config)
            source = values.trace
        else:
            results, code = _check_command(command, config, values.flight_recorder)
            source = command[0]
    _report(results, source, code, values.format, values.output, to_stderr=command is not None)
    return _export(results, source, code, config)


def _parser() -> options.Parser:
    parser = options.parser_of("check", "[OPTION...] (TRACE | -- COMMAND [ARGUMENT...])", __doc__)
    options.add_trace(parser, nargs="?")
    parser.add_argument("--config", metavar="FILE", default=_DEFAULT,
        help="the assertions (renacer.toml)")  # fmt: skip
    parser.add_argument("--lenient", action="store_true",
        help="warn of unknown sections, keys and types, and leave them out")  # fmt: skip
    parser.add_argument("--format", metavar="FORMAT", default="text",
        help="text, json or junit (text)")  # fmt: skip
    parser.add_argument("--flight-recorder", metavar="N",
        help="of a command: export the last N calls, and only where an assertion is violated or"
        " something fails")  # fmt: skip
    options.add_output(parser, "the report ")
    return parser


def _tell(config: Config) -> None:
    """What of the file is left out, and what of it takes no effect here. Raises ConfigError."""
    for warning in config.warnings:
        terminal.complain(f"warning: {warning}")
    name = one_line(config.path, 120)
    for section, what in _NOT_YET.items():
        if section in config.sections:
            terminal.complain(f"{name}:{config.lines[section]}: [{section}] {what}")
    _tell_missing(config, name)
    if config.sections.get("ci", {}).get("compare_with_baseline"):
        terminal.complain(
            f"{name}:{config.keys['ci', 'compare_with_baseline']}: [ci] compare_with_baseline takes"
            " no effect here: renacer-otel golden check --all compares with golden traces"
        )
    if not config.assertions:
        raise ConfigError(
            f"{name}: no [[assertion]], so there is nothing to check", EXIT_BAD_CONFIGURATION
        )


def _tell_missing(config: Config, name: str) -> None:
    """Which folders of [semantic_equivalence] are not there, and so not compared."""
    from renacer_otel.analysis.assertions import pairs

    line, sentence = pairs.missing(config)
    if sentence:
        terminal.complain(f"{name}:{line}: {sentence}")


def _check(path: str, config: Config) -> tuple[list[Result], int]:
    from renacer_otel.analysis.assertions import evaluate, pairs
    from renacer_otel.analysis.assertions.subject import Subject

    history = written.history_of(path, details=True)
    try:
        results = list(evaluate.evaluate(config, Subject(history)))
    except ConfigError as error:
        raise _of_file(config, error) from error
    results += pairs.results(config)
    return results, evaluate.exit_code(results)


def _of_file(config: Config, error: ConfigError) -> ConfigError:
    return ConfigError(f"{one_line(config.path, 120)}: {error.message}", EXIT_BAD_CONFIGURATION)


def _check_endpoint(config: Config) -> None:
    """Raises ConfigError for one of [otlp] that is none."""
    otlp = config.sections.get("otlp", {})
    if not otlp.get("enabled") or not otlp.get("endpoint"):
        return
    from renacer_otel.exporters.otlp_endpoint import parse_endpoint

    try:
        parse_endpoint(otlp["endpoint"], "[otlp] endpoint")
    except ConfigError as error:
        name = f"{one_line(config.path, 120)}:{config.keys['otlp', 'endpoint']}"
        raise ConfigError(f"{name}: {error.message}", EXIT_BAD_CONFIGURATION) from error


class _Judge:
    """Checks what was recorded, as soon as it is there."""

    def __init__(self, trace: str, config: Config) -> None:
        self._of = (trace, config)
        self._found: tuple[list[Result], int] | None = None

    def __call__(self) -> bool:
        """Whether it is not as it should be; that it cannot be known is told by found()."""
        try:
            return self.found()[1] != 0
        except RenacerError:
            return True

    def found(self) -> tuple[list[Result], int]:
        """Results and exit code. Raises RenacerErrors."""
        if self._found is None:
            self._found = _check(*self._of)
        return self._found


def _check_command(
    command: list[str], config: Config, flight: str | None
) -> tuple[list[Result], int]:
    """Runs it as `run` does, with its own streams, and checks what was recorded.

    `flight`: as --flight-recorder has it.
    """
    from renacer_otel.analysis.assertions import evaluate
    from renacer_otel.cli import launching

    try:
        evaluate.check_expressions(config)  # before something is run that may take long
    except ConfigError as error:
        raise _of_file(config, error) from error
    otlp, words = config.sections.get("otlp", {}), []
    if otlp.get("enabled") and otlp.get("endpoint"):
        words += ["--otlp-endpoint", otlp["endpoint"]]
        if otlp.get("service_name"):
            words += ["--otlp-service-name", otlp["service_name"]]
    if "metrics" in config.sections or (words and "redact" in config.sections):
        words += ["--config", config.path]
    if flight is not None:
        words += ["--flight-recorder", flight]
    with tempfile.TemporaryDirectory(prefix="renacer-otel-") as folder:
        trace = os.path.join(folder, "check.renacer")
        judge = _Judge(trace, config)
        peaks = evaluate.wants_peaks(config)
        status = launching.record(command, trace, words, peaks=peaks, judge=judge)
        results, code = judge.found()
    if status == 0:
        return results, code
    if os.WIFSIGNALED(status):
        how = f"was ended by signal {os.WTERMSIG(status)}"
    else:
        how = f"exited with {os.waitstatus_to_exitcode(status)}"
    terminal.complain(f"the command {how}; what was checked is that run")
    return results, _EXIT_COMMAND_FAILED


def _report(
    results: list[Result], source: str, code: int, form: str, output: str | None, *, to_stderr: bool
) -> None:
    from renacer_otel.reporters import check_reports

    text = check_reports.FORMATS[form](results, source, code)
    if output is None and to_stderr:
        terminal.say(text.removesuffix("\n"))
    else:
        written.write(text, output)


def _export(results: list[Result], source: str, code: int, config: Config) -> int:
    """Writes the report that [ci] export_path asks for. Returns the exit code: what was found is
    told even where the file cannot be written; only of assertions that hold that is a failure."""
    wanted = config.sections.get("ci", {})
    if not wanted.get("export_path"):
        return code
    from renacer_otel.reporters import check_reports

    text = check_reports.FORMATS[wanted["export_format"]](results, source, code)
    line = config.keys["ci", "export_path"]
    try:
        written.write(
            text, wanted["export_path"], f"{one_line(config.path, 120)}:{line}: [ci] export_path"
        )
    except OutputError as error:
        terminal.complain(error.message)
        return code or OutputError.exit_code
    return code
