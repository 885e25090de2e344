# SPDX-License-Identifier: MIT
"""The options of `run`: strace's letters where strace has them, long ones otherwise."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from renacer_otel.cli import metric_options, terminal
from renacer_otel.errors import UsageError, did_you_mean, one_line

FORMATS = ("text", "csv", "json", "record", "otlp-json")
CAPTURES = ("hashes", "writes", "rss")
ENGINES = ("auto", "ptrace", "python")
# --follow: generations of processes below the command, None = all.
FOLLOW = {"threads": 0, "children": 1, "all": None}


def _columns() -> int:
    """How wide the terminal is, as shutil.get_terminal_size() has it."""
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            columns = 0
    return columns if columns > 0 else 80


class Formatter(argparse.HelpFormatter):
    """argparse's, which does not import shutil, at each start, to see how wide a terminal is."""

    def __init__(self, *args: Any, **how: Any) -> None:
        how.setdefault("width", _columns() - 2)
        super().__init__(*args, **how)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one line, exit code 125."""

    def __init__(self, **how: Any) -> None:
        how.setdefault("formatter_class", Formatter)
        super().__init__(**how)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's. An option that there is not is told with what comes closest."""
        values, others = self.parse_known_args(args, namespace)
        if others:
            word = others[0].partition("=")[0]
            is_long = word.startswith("--")
            hint = did_you_mean(word, self._option_string_actions) if is_long else ""
            what = "there is no option" if word.startswith("-") else "not expected:"
            hint = hint or f"; see {self.prog} --help"
            raise UsageError(f"{what} {one_line(word, 40)}{hint}")
        return values

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{one_line(message)}; see {self.prog} --help")

    def print_help(self, file: object = None) -> None:
        """The help text. Raises OutputError where argparse would keep a failure to itself."""
        del file
        terminal.show(self.format_help())


def one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raises UsageError if an option's value is none of those that it can have."""
    if value not in known:
        hint = did_you_mean(value, known)
        raise UsageError(f"{name}: '{one_line(value, 40)}' is not one of {', '.join(known)}{hint}")


class Paragraphs(Formatter, argparse.RawDescriptionHelpFormatter):
    """Help whose description stands as it is in the source."""


def parser_of(name: str, usage: str, description: str | None) -> Parser:
    """The parser of another sub-command; its module's docstring is the description."""
    return Parser(
        prog=f"renacer-otel {name}",
        usage=f"renacer-otel {name} {usage}",
        description=description,
        formatter_class=Paragraphs,
        allow_abbrev=False,
    )


def add_trace(parser: Parser, **how: Any) -> None:
    """The argument TRACE."""
    parser.add_argument("trace", metavar="TRACE", help="made by --format record -o TRACE", **how)


def add_output(parser: Parser, what: str = "") -> None:
    """The option -o; `what`: is written."""
    parser.add_argument("-o", "--output", metavar="FILE", help=f"write {what}to FILE")


_USAGES = {
    "run": "renacer-otel [run] [OPTION...] [--] COMMAND [ARGUMENT...]",
    "attach": "renacer-otel attach [OPTION...] [PID...]",
}
_DESCRIPTIONS = {
    "run": "Runs COMMAND and follows every system call of it and of all that it starts.",
    "attach": "Follows every system call of processes that run already, and of all that they"
    " start, until they end or Ctrl-C; then they run on as before. Options as for run, but"
    " for those of a command.",
}


class RunParser:
    """The parser of `renacer-otel run` and `attach`; `options` are all of their options."""

    def __init__(self, name: str = "run") -> None:
        self._name = name
        self._parser = Parser(
            prog=f"renacer-otel {name}",
            usage=_USAGES[name],
            description=_DESCRIPTIONS[name],
            epilog="With neither an endpoint nor -o, the calls are written as text to standard"
            " error. The OTEL_* variables keep their specified meaning, but for the protocol:"
            " unset means grpc.",
            allow_abbrev=False,
        )
        self._parser.add_argument("-V", "--version", action=_Version, nargs=0,
            help="print the version")  # fmt: skip
        self.options: list[argparse.Action] = []
        for title, fill in (
            ("export", _export_options),
            ("metrics", metric_options.add_to),
            ("spans", _span_options),
            ("output", _output_options),
            ("tracing", _trace_options),
            ("attaching", _attach_options),
            ("summaries", _summary_options),
            ("losses", _loss_options),
        ):
            fill(self._adder(self._parser.add_argument_group(title)))

    def _adder(self, group: argparse._ArgumentGroup) -> Callable[..., None]:
        def add(*names: str, **how: Any) -> None:
            if self._name == "attach" and names[-1] in _OF_A_COMMAND:
                how["help"] = argparse.SUPPRESS  # refused later, with the reason
            self.options.append(group.add_argument(*names, **how))

        return add

    def parse(self, words: Sequence[str]) -> tuple[argparse.Namespace, list[str], list[str]]:
        """(values, the words that are options, the command). Raises UsageError."""
        valued = {
            name
            for action in self.options
            if action.nargs is None
            for name in action.option_strings
        }
        if self._name == "attach":
            plain, command = split_everywhere(words, valued)
            return self._values(plain), list(words), command
        plain, count = split_options(words, valued)
        command = list(words[count:])
        values = self._values(plain)
        return values, list(words[:count]), command[1:] if command[:1] == ["--"] else command

    def _values(self, plain: Sequence[str]) -> argparse.Namespace:
        """The options' values. Raises UsageError."""
        _refuse_unknown(self._name, plain, self.options)
        values: argparse.Namespace = self._parser.parse_args(plain)
        # strace has these by both ways.
        for kind, name in (("quiet", "quiet_set"), ("decode-fds", "decode_fds")):
            for expression in [each for each in values.expressions if each.startswith(f"{kind}=")]:
                values.expressions.remove(expression)
                setattr(values, name, expression.partition("=")[2])
        return values


class _Version(argparse.Action):
    """-V: prints the version, and ends."""

    def __call__(self, parser: Any, namespace: Any, values: Any, name: Any = None) -> None:
        del namespace, values, name
        terminal.show_version()
        parser.exit()


# Options of strace that have no counterpart here, and what comes closest.
_ABSENT = {
    "-b": "tracing goes on over an exec; use --follow or -e to see less",
    "-d": "use --verbose",
    "-i": "instruction pointers are not recorded; leave it out",
    "-I": "signals are passed on to the command; leave it out",
    "-k": "stack traces are not recorded; leave it out",
    "-n": "numbers of calls are in --format record and in spans (syscall.number); leave it out",
    "-N": "leave it out",
    "-O": "an overhead to subtract cannot be set; the last line estimates it",
    "-X": "constants are shown by name; leave it out",
    "-Y": "names of processes are in spans; leave it out",
    "--abbrev": "-v shows all structures in full",
    "--instruction-pointer": "instruction pointers are not recorded; leave it out",
    "--inject": "calls are never changed here; leave it out",
    "--fault": "calls are never changed here; leave it out",
    "--kvm": "KVM exits are not decoded; leave it out",
    "--read": "use -s N to see more of each buffer",
    "--write": "use -s N to see more of each buffer",
    "--raw": "arguments are decoded; leave it out",
    "--stack-traces": "stack traces are not recorded; leave it out",
    "--debug": "use --verbose",
}
_BUILT_IN = ("-h", "--help", "-V", "--version")
# Options that may stand without their value: --seccomp-bpf, as strace has it, is auto.
_BARE = {"--seccomp-bpf": "auto", "--sidecar": ""}
# Options that only a command to be started makes use of.
_OF_A_COMMAND = ("--env", "--user", "--daemonize")


def _refuse_unknown(command: str, plain: Sequence[str], options: list[argparse.Action]) -> None:
    """Raises UsageError for the first option that there is not, with what comes closest."""
    known = {name: each for each in options for name in each.option_strings}
    for word in plain:
        name, tied, value = word.partition("=")
        name = name if word.startswith("--") else word[:2]
        if name in known:
            if tied and known[name].nargs == 0:
                raise UsageError(f"{name} takes no value; leave out '={one_line(value, 40)}'")
            continue
        if name in _BUILT_IN:
            continue
        if name in _ABSENT:
            raise UsageError(f"strace's {name} is not supported: {_ABSENT[name]}")
        hint = did_you_mean(name, known) if name.startswith("--") else ""
        hint = hint or f"; see renacer-otel {command} --help"
        raise UsageError(f"there is no option {one_line(name, 40)}{hint}")


def split_options(words: Sequence[str], valued: set[str]) -> tuple[list[str], int]:
    """(the options with their values tied to them, how many words they take).

    `valued`: the names of the options that take a value. The command's name or `--` ends the
    options; what follows is the command's own. argparse cannot be told that in all its
    versions, and takes a value that begins with a dash only if it is tied: `--name=-5s`.
    """
    plain: list[str] = []
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        tied, open_name = _tie(words[at], valued)
        at += 1
        if open_name in _BARE and (at == len(words) or words[at].startswith("-")):
            tied.append(f"{open_name}={_BARE[open_name]}")
        elif open_name and at < len(words):
            tied.append(f"{open_name}={words[at]}")
            at += 1
        elif open_name:
            tied.append(open_name)
        plain += tied
    return plain, at


def split_everywhere(words: Sequence[str], valued: set[str]) -> tuple[list[str], list[str]]:
    """(the options with their values tied to them, the other words): options may come last."""
    plain: list[str] = []
    others: list[str] = []
    while words:
        more, count = split_options(words, valued)
        plain += more
        words = words[count:]
        if words[:1] == ["--"]:
            return plain, [*others, *words[1:]]
        others += words[:1]
        words = words[1:]
    return plain, others


def _tie(word: str, valued: set[str]) -> tuple[list[str], str]:
    """(the options in one word, the last one's name if its value is the next word)."""
    if word.startswith("--"):
        return ([], word) if word in valued else ([word], "")
    tied: list[str] = []
    for position, letter in enumerate(word[1:], 2):
        name, rest = f"-{letter}", word[position:]
        if name in valued:  # -oFILE, or -o FILE
            return ([*tied, f"{name}={rest}"], "") if rest else (tied, name)
        tied.append(name)
    return tied, ""


def endpoint_options(add: Callable[..., Any]) -> None:
    """Where spans are sent, and how."""
    add("--otlp-header", metavar="KEY=VALUE", action="append", default=[],
        help="add a header to requests; @FILE: those of a file, a line each")  # fmt: skip
    add("--otlp-insecure", action="store_true", default=None, help="no TLS where no scheme says so")
    add("--otlp-certificate", metavar="FILE", help="CA certificates to trust (PEM)")
    add("--otlp-client-key", metavar="FILE", help="client key for mTLS (PEM)")
    add("--otlp-client-certificate", metavar="FILE", help="client certificate for mTLS (PEM)")
    add("--otlp-compression", metavar="none|gzip", help="compression of requests (none)")
    add("--otlp-timeout", metavar="TIME", help="limit of one export attempt (10s)")
    add("--otlp-protocol", metavar="PROTOCOL", help="grpc, http/protobuf or http/json (grpc)")


def _export_options(add: Callable[..., None]) -> None:
    add("--otlp-endpoint", metavar="URL", help="send spans there by OTLP: http://host:4317")
    add("--otlp-service-name", metavar="NAME", help="service.name (default: the command's name)")
    endpoint_options(add)
    add("--exporter", metavar="NAME",
        help="give spans to an exporter of OpenTelemetry's SDK: console, or another")  # fmt: skip
    add("--trace-parent", metavar="VALUE", help="W3C traceparent to continue (over TRACEPARENT)")
    add("--redact", metavar="REGEX|off", action="append", default=[],
        help="what matches is replaced in what is exported, besides what is secret by default; may"
        " be repeated; off: nothing is replaced")  # fmt: skip
    add("--capture-payload", action="store_true",
        help="export what is read, written and sent, too, up to -s bytes of a buffer")  # fmt: skip
    add("--config", metavar="FILE", help="take [redact] and [metrics] from this renacer.toml")
    add("--flight-recorder", metavar="N",
        help="keep the last N calls; export them only when something crashes or fails, or at"
        " SIGUSR1")  # fmt: skip
    add("--no-propagate", action="store_true", help="leave TRACEPARENT of the command alone")
    add("--sidecar", metavar="PATH",
        help="hand the records to the sidecar that listens at PATH; without PATH: where it does by"
        " default")  # fmt: skip
    add("--spool", metavar="DIR", help="keep spans in DIR until the collector has them")
    add("--spool-max", metavar="SIZE", default="1GiB", help="the most that DIR may hold (1GiB)")
    add("--spool-full", metavar="POLICY", default="drop-newest",
        help="what to do then: drop-newest, drop-oldest or block (drop-newest)")  # fmt: skip
    add("--status-file", metavar="FILE",
        help="say in FILE, each second and as JSON, where every span is")  # fmt: skip


def _span_options(add: Callable[..., None]) -> None:
    add("--max-trace-spans", metavar="N", default="10000",
        help="a trace with more goes on in another one, linked; 0: never (10000)")  # fmt: skip
    add("--fold", metavar="off|auto|always", default="auto",
        help="one span for a call, or group of calls, that is repeated; auto: once the trace is"
        " half full (auto)")  # fmt: skip
    add("--spans", metavar="all|folded|process|none", default="all",
        help="folded: as --fold always; process: none of calls; none: the run's alone"
        " (all)")  # fmt: skip
    add("--export-min-duration", metavar="TIME", help="no span for calls that took less")
    add("--export-errors-only", action="store_true", help="spans for calls that failed only")
    add("--keep", metavar="WHAT", default="errors,slow=100ms",
        help="calls that have a span all the same, by comma: errors, slow=TIME, names and classes"
        " as -e has them; none (errors,slow=100ms)")  # fmt: skip


def _output_options(add: Callable[..., None]) -> None:
    add("-o", "--output", metavar="FILE",
        help="write the trace to FILE; '|COMMAND': to a command's standard input")  # fmt: skip
    add("-A", "--output-append-mode", action="store_true", help="append to FILE")
    add("--format", metavar="FORMAT", help="of the output: " + ", ".join(FORMATS) + " (text)")
    add("-s", "--string-limit", metavar="N", default="32", help="bytes shown of a buffer (32)")
    add("-y", action="count", default=0, dest="decode_paths",
        help="show what is behind a descriptor: 3</etc/passwd>; -yy: sockets and devices in"
        " full")  # fmt: skip
    add("--decode-fds", metavar="SET", nargs="?", const="path",
        help="the same, of SET only: path, socket, dev, pidfd, all, none")  # fmt: skip
    add("--source", action="store_true",
        help="show where in the source calls are made: [src/main.c:41 main]")  # fmt: skip
    add("-a", "--columns", metavar="N", default="40", help="column where results start (40)")
    add("-r", "--relative-timestamps", action="store_true", help="time since the line before")
    add("-t", "--absolute-timestamps", action="count", default=0,
        help="time of day before each line; -tt: with microseconds, -ttt: since 1970")  # fmt: skip
    add("-x", action="count", default=0, dest="hex_strings",
        help="show strings with unprintable bytes in hex; -xx: all strings")  # fmt: skip
    add("--strings-in-hex", metavar="WHICH", nargs="?", const="all",
        help="the same: non-ascii-chars, non-ascii, all, none")  # fmt: skip
    add("-T", "--syscall-times", action="store_true", help="show the time spent in each call")
    add("-v", "--no-abbrev", action="store_true",
        help="show environments, stat and other structures in full")  # fmt: skip
    add("-q", action="count", default=0, dest="quiet",
        help="no last line; -qq: nor lines of exits. Losses are told all the same")  # fmt: skip
    add("--quiet", metavar="SET", nargs="?", const="attach", dest="quiet_set",
        help="the same: attach (what -q leaves out), exit, all, none")  # fmt: skip
    add("--verbose", action="store_true", help="say what is decided, and why")


def _trace_options(add: Callable[..., None]) -> None:
    add("-e", "--trace", metavar="KIND=SET", action="append", default=[], dest="expressions",
        help="trace=NAME,%%CLASS,/REGEX/: record these calls only; signal=, status=: show these"
        " only; ! negates")  # fmt: skip
    add("--signal", metavar="SET", action="append", type="signal={}".format, dest="expressions",
        help="as -e signal=SET")  # fmt: skip
    add("--status", metavar="SET", action="append", type="status={}".format, dest="expressions",
        help="as -e status=SET")  # fmt: skip
    add("-z", "--successful-only", action="append_const", const="status=successful",
        dest="expressions", help="show calls that succeeded only")  # fmt: skip
    add("-Z", "--failed-only", action="append_const", const="status=failed",
        dest="expressions", help="show calls that failed only")  # fmt: skip
    add("-P", "--trace-path", metavar="PATH", action="append", default=[], dest="paths",
        help="show calls that concern PATH only; may be repeated")  # fmt: skip
    add("-f", "--follow-forks", action="count", default=0,
        help="follow children: always on; -ff: a file FILE.TID for each thread")  # fmt: skip
    add("--output-separately", action="store_const", const=2, dest="follow_forks",
        help="as -ff")  # fmt: skip
    add("--follow", metavar="WHOM", help="threads (of the command's process), children (its own,"
        " too), all (all)")  # fmt: skip
    add("--max-depth", metavar="N", help="follow N generations of processes below the command")
    add("--capture", metavar="WHAT",
        help="into a TRACE file, by comma: hashes of what is written and sent, and of files that"
        " change; writes: the former alone; rss: memory that processes had resident at"
        " most")  # fmt: skip
    add("-E", "--env", metavar="NAME[=VALUE]", action="append", default=[], dest="variables",
        help="set NAME for the command; without =, unset it")  # fmt: skip
    add("-u", "--user", metavar="USER", help="run the command as USER, with its groups; needs root")
    add("--no-follow", action="store_true", help="trace the first thread only")
    add("--seccomp-bpf", metavar="auto|on|off", default="auto",
        help="let calls that are not asked for through in the kernel (auto)")  # fmt: skip
    add("--engine", metavar="NAME", default="auto", help="auto, ptrace or python")
    add("--cpu", metavar="POLICY", default="auto",
        help="auto, share (tracer and command on one CPU), free")  # fmt: skip


class _Pids(argparse.Action):
    """-p: numbers, added up over several."""

    def __call__(self, parser: Any, namespace: Any, values: Any, name: Any = None) -> None:
        del parser, name
        from renacer_otel.engine.attach import parse_pids

        namespace.pids = [*namespace.pids, *parse_pids(values, "-p")]


def _attach_options(add: Callable[..., None]) -> None:
    add("-p", "--attach", metavar="PID[,PID...]", action=_Pids, default=[], dest="pids",
        help="attach to processes that run; may be repeated, and with a command")  # fmt: skip
    add("--name", metavar="PATTERN", action="append", default=[], dest="names",
        help="attach to processes in whose name or command line this regex is found")  # fmt: skip
    add("--cgroup", metavar="PATH", action="append", default=[], dest="cgroups",
        help="attach to all processes of a control group")  # fmt: skip
    add("-D", "--daemonize", action="count", default=0, dest="away",
        help="run COMMAND as the process that was started, and the tracer as its grandchild; -DD:"
        " in a process group of its own, -DDD: in a session of its own")  # fmt: skip
    add("--for", metavar="TIME", dest="duration", help="detach after so long, and end")


def _summary_options(add: Callable[..., None]) -> None:
    add("-c", "--summary-only", action="store_true", help="count calls, errors and time instead"
        " of showing calls")  # fmt: skip
    add("-C", "--summary", action="store_true", help="the same after the regular output")
    add("-S", "--summary-sort-by", metavar="SORT", help="time, min-time, max-time, avg-time, calls,"
        " errors, name or nothing (time)")  # fmt: skip
    add("-w", "--summary-wall-clock", action="store_true", help="count the time from entry to exit"
        " (else system CPU time), with min, max, p50, p90, p99")  # fmt: skip
    add("-U", "--summary-columns", metavar="COLUMNS", help="show these columns, by comma")
    add("--by", metavar="GROUP", help="a table for each process, thread, path or peer")


def _loss_options(add: Callable[..., None]) -> None:
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
    hint = did_you_mean(value, known)
    raise UsageError(f"{name}: '{one_line(value, 40)}' is not one of {', '.join(known)}{hint}")
