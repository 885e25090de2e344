# SPDX-License-Identifier: MIT
"""The options of `run`: strace's letters where strace has them, long ones otherwise."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from renacer_otel.errors import UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("text", "record", "otlp-json")
ENGINES = ("auto", "ptrace")


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one line, exit code 125."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{one_line(message)}; see {self.prog} --help")


def parser() -> Parser:
    """The parser of `renacer-otel run`."""
    made = Parser(
        prog="renacer-otel run",
        usage="renacer-otel [run] [OPTION...] [--] COMMAND [ARGUMENT...]",
        description="Runs COMMAND and follows every system call of it and of all that it starts.",
        epilog="With neither an endpoint nor -o, the calls are written as text to standard error."
        " The OTEL_* variables keep their specified meaning, but for the protocol: unset means"
        " grpc.",
        allow_abbrev=False,
    )
    _export_options(made.add_argument_group("export"))
    _output_options(made.add_argument_group("output"))
    _trace_options(made.add_argument_group("tracing"))
    _loss_options(made.add_argument_group("losses"))
    made.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return made


def _export_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--otlp-endpoint", metavar="URL", help="send spans there by OTLP/gRPC: http://host:4317")
    add("--otlp-service-name", metavar="NAME", help="service.name (default: the command's name)")
    add("--otlp-header", metavar="KEY=VALUE", action="append", default=[], help="add a header")
    add("--otlp-insecure", action="store_true", default=None, help="no TLS where no scheme says so")
    add("--otlp-certificate", metavar="FILE", help="CA certificates to trust (PEM)")
    add("--otlp-client-key", metavar="FILE", help="client key for mTLS (PEM)")
    add("--otlp-client-certificate", metavar="FILE", help="client certificate for mTLS (PEM)")
    add("--otlp-compression", metavar="none|gzip", help="compression of requests")
    add("--otlp-timeout", metavar="TIME", help="limit of one export attempt (10s)")
    add("--otlp-protocol", metavar="PROTOCOL", help="grpc")
    add("--trace-parent", metavar="VALUE", help="W3C traceparent to continue (over TRACEPARENT)")
    add("--no-propagate", action="store_true", help="leave TRACEPARENT of the command alone")


def _output_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-o", "--output", metavar="FILE", help="write the trace to FILE")
    add("--format", metavar="FORMAT", help="of the output: " + ", ".join(FORMATS) + " (text)")
    add("-s", "--string-limit", metavar="N", default="32", help="bytes shown of a buffer (32)")
    add("-T", "--syscall-times", action="store_true", help="show the time spent in each call")
    add("-q", "--quiet", action="store_true", help="no last line; losses are told all the same")
    add("--verbose", action="store_true", help="say what is decided, and why")


def _trace_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-e", "--trace", metavar="trace=NAME,...", action="append", default=[], dest="expressions",
        help="record these calls only")  # fmt: skip
    add("-f", "--follow-forks", action="store_true", help="follow children: always on")
    add("--no-follow", action="store_true", help="trace the first thread only")
    add("--engine", metavar="NAME", default="auto", help="auto or ptrace")
    add("--cpu", metavar="POLICY", default="auto",
        help="auto, share (tracer and command on one CPU), free")  # fmt: skip


def _loss_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--on-full", metavar="block|drop", default="block",
        help="what to do when the ring is full (block)")  # fmt: skip
    add("--block-limit", metavar="TIME", default="5s", help="longest block without progress (5s)")
    add("--ring-size", metavar="SIZE", default="8MiB", help="of the ring (8MiB)")
    add("--flush-timeout", metavar="TIME", default="5s",
        help="after the command's end, the longest that export may take (5s)")  # fmt: skip
    add("--fail-on-loss", action="store_true", help="exit with 125 if anything was lost")


def choose(name: str, value: str, known: Sequence[str]) -> str:
    """`value` if it is known. Raises UsageError that names the nearest."""
    if value in known:
        return value
    from difflib import get_close_matches

    close = get_close_matches(value, known, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"{name}: '{one_line(value, 40)}' is not one of {', '.join(known)}{hint}")
