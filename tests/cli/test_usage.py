# SPDX-License-Identifier: MIT
"""Flags and variables: which words are whose, and each malformed one told in one line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from renacer_otel import __version__
from renacer_otel.cli import options
from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import RENACER, call_names, environ, renacer, run_program

ENDPOINT = ("--otlp-endpoint", "http://127.0.0.1:1")

# Options, and what the one line must say.
MALFORMED = [
    ("", "no command to trace; see renacer-otel --help"),
    ("-q", "no command to trace; write it after the options"),
    ("--", "no command to trace"),
    ("run", "no command to trace"),
    ("run -q --", "no command to trace"),
    ("-j", "there is no option -j; see renacer-otel run --help"),
    ("-5", "there is no option -5"),
    ("--nope=1", "there is no option --nope; "),
    (
        "--otlp-end http://localhost:4317",
        "there is no option --otlp-end; did you mean --otlp-endpoint?",
    ),
    ("-o", "argument -o/--output: expected one argument"),
    ("--format", "argument --format: expected one argument"),
    ("--format=jsn", "--format: 'jsn' is not one of text, csv, json, record, otlp-json; did you"),
    ("--format record", "--format record needs a file: add -o FILE"),
    ("--format otlp-json", "--format otlp-json needs a file: add -o FILE"),
    (
        "--engine strace",
        "--engine: 'strace' is not one of auto, ptrace, python; did you mean ptrace?",
    ),
    ("--cpu shared", "--cpu: 'shared' is not one of auto, share, free; did you mean share?"),
    ("--on-full wait", "--on-full: 'wait' is not one of block, drop"),
    ("-s -1", "-s: '-1' is not a whole number, 0 to 65536"),
    ("-s 65537", "-s: '65537' is not a whole number, 0 to 65536"),
    ("-s 1k", "-s: '1k' is not a whole number"),
    ("-s ٣", "-s: '٣' is not a whole number"),
    ("--block-limit 5", "--block-limit: the unit is missing in '5'"),
    ("--block-limit -5s", "--block-limit: '-5s' is not a duration like 250us, 5ms or 10s"),
    ("--block-limit 5parsecs", "--block-limit: unknown unit 'parsecs'"),
    ("--flush-timeout never", "--flush-timeout: 'never' is not a duration"),
    ("--flush-timeout 1e400s", "--flush-timeout: '1e400s' is not a duration"),
    ("--ring-size 8", "--ring-size: the unit is missing in '8'"),
    ("--ring-size 511KiB", "--ring-size: give 512KiB to 1GiB"),
    ("--ring-size 2GiB", "--ring-size: give 512KiB to 1GiB"),
    ("-e trace=opeat", "-e trace: no system call is called 'opeat'; did you mean openat?"),
    ("-e trace=", "-e trace: no system call is called ''"),
    ("-e trace=read,,write", "-e trace: no system call is called ''"),
    ("-e fault=open", "-e fault= is not supported: calls are never changed here"),
    ("-e read=3", "-e read= is not supported: use -s N to see more of each buffer"),
    ("-e qiet=all", "-e: there is no 'qiet='; did you mean quiet?"),
    ("-e quiet=exti", "superseded, all, none; did you mean exit?"),
    ("-e file,none", "-e trace: 'none' stands alone"),
    ("--for=", "--for: '' is not a duration like 250us, 5ms or 10s"),
    ("--format=", "--format: '' is not one of text"),
    ("-c --summary-sort-by=", "-S: '' is not one of time"),
    ("--summary-sort-by=", "-S is a summary's: add -c"),
    ("--output=", "-o: the name is empty; name a file"),
    ("--syscall-times=ms", "--syscall-times takes no value; leave out '=ms'"),
    ("--instruction-pointer", "strace's --instruction-pointer is not supported"),
    ("-p 99999999", "-p: there is no process 99999999; ids are smaller"),
    ("-p 1,999999999999999999999999", "there is no process 999999999999999999999999; ids"),
    ("-y=3", "there is no option -=; see renacer-otel run --help"),
    ("-S=", "-S is a summary's: add -c"),
    ("-c --by=", "--by: '' is not one of process, thread, path, peer"),
    ("ENDPOINT --otlp-timeout=", "--otlp-timeout: '' is not a duration"),
    ("--otlp-endpoint localhost:99999", "has a bad host or port"),
    ("--otlp-endpoint http://", "has a bad host or port"),
    ("--otlp-endpoint http://host:4317/v1/traces", "an OTLP/gRPC endpoint has no path"),
    ("--otlp-endpoint ftp://host", "the scheme 'ftp' is not supported yet"),
    ("--otlp-endpoint unix:/run/x", "the scheme 'unix' is not supported yet"),
    ("--otlp-endpoint http://me:secret@host", "pass credentials as a header"),
    ("--otlp-endpoint=", "'' is not an endpoint"),
    ("ENDPOINT --otlp-header nope", "--otlp-header: header 1 is not key=value"),
    ("--otlp-endpoint h:1 --otlp-protocol http/json", "'h:1' has no scheme, and OTLP/HTTP needs"),
    ("ENDPOINT --otlp-protocol smtp", "--otlp-protocol: 'smtp' is unknown; use grpc"),
    ("ENDPOINT --otlp-compression zip", "'zip' is unknown; use none or gzip"),
    ("ENDPOINT --otlp-timeout 5", "--otlp-timeout: the unit is missing in '5'"),
    ("ENDPOINT --otlp-timeout 30000h", "--otlp-timeout: give 0 (no limit) to 2147483647 ms"),
    ("ENDPOINT --otlp-certificate /no/file", "cannot read /no/file: No such file or directory"),
    ("ENDPOINT --otlp-client-key /dev/null", "--otlp-client-key: /dev/null is not a file"),
    ("-ff -o |cat", "-ff writes a file for each thread: give -o FILE, not a command"),
    ("-ff -o x --format record", "-ff is for text; leave it out with --format record"),
    ("-ff -o /nowhere/x", "-o /nowhere/x: No such file or directory"),
    ("-o |", "-o '|': the command is missing"),
    ("-A", "-A appends to a file: add -o FILE"),
    ("-A -o x --format record", "-A cannot append to --format record"),
    ("-a x", "-a: 'x' is not a whole number, 0 to 1000"),
    ("-E =x", "-E '=x': write NAME=VALUE, or NAME to unset it"),
    ("-u nobdy", "-u: there is no user 'nobdy'; did you mean nobody?"),
    ("-k", "strace's -k is not supported: stack traces are not recorded"),
    ("--inject=all:error=ENOENT", "strace's --inject is not supported: calls are never changed"),
    ("--otlp-timeout 5s", "--otlp-timeout has no use without an endpoint"),
    ("--otlp-insecure", "--otlp-insecure has no use without an endpoint"),
]


@pytest.mark.parametrize(("words", "expected"), MALFORMED, ids=[words for words, _ in MALFORMED])
def test_malformed_flag(words: str, expected: str, tmp_path: Path) -> None:
    given = [
        part for word in words.split() for part in (ENDPOINT if word == "ENDPOINT" else [word])
    ]
    command = [] if "no command" in expected or "expected one" in expected else ["touch", "witness"]
    done = renacer(*given, *command, cwd=tmp_path)
    assert done.code == 125
    assert expected in done.error
    assert done.out == ""
    assert "secret" not in done.err
    assert list(tmp_path.iterdir()) == []  # nothing was run, nothing was opened


def test_client_key_without_its_certificate(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    key.chmod(0o600)
    done = renacer(*ENDPOINT, "--otlp-client-key", key, "true")
    assert done.code == 125
    assert done.error.endswith("the client certificate to this key is missing")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://host", "the scheme 'ftp' is not supported yet"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h/v1/traces", "no path"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/file", "cannot read /no/file"),
        ("RENACER_DISABLE", "everything", "RENACER_DISABLE: unknown everything"),
        ("RENACER_CLOCK_OFFSET", "1h", "RENACER_CLOCK_OFFSET: '1h' is no number of seconds"),
    ],
)
def test_variable_that_ends_the_run(name: str, value: str, expected: str) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: value}
    done = renacer("true", env=environ(**variables))
    assert done.code == 125
    assert name in done.error
    assert expected in done.error


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "soon",
            "'soon' is not a number of milliseconds (0 to 2147483647); 10000 is used",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "header 1 is not key=value; it is ignored"),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "zip",
            "'zip' is unknown (known: none, gzip); none is used",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "smtp",
            "'smtp' is unknown (known: grpc, http/protobuf, http/json); grpc is used",
        ),
        ("OTEL_EXPORTER_OTLP_INSECURE", "maybe", "'maybe' is neither true nor false"),
        ("OTEL_SDK_DISABLED", "maybe", "'maybe' is neither true nor false"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", "is malformed and ignored"),
        ("TRACEPARENT", "nonsense\x1b", r"TRACEPARENT 'nonsense\x1b' is malformed and ignored"),
        ("BAGGAGE", "=", "BAGGAGE is malformed and ignored"),
    ],
)
def test_variable_that_is_told_and_ignored(name: str, value: str, expected: str) -> None:
    with Receiver() as receiver:
        done = renacer(
            "-q", "--otlp-endpoint", receiver.endpoint, "true", env=environ(**{name: value})
        )
        assert receiver.count > 0
    assert done.code == 0
    assert done.error.startswith("warning: ")
    assert name in done.error
    assert expected in done.error
    assert "secret" not in done.error


def test_malformed_tracestate_is_told() -> None:
    variables = {"TRACEPARENT": f"00-{1:032x}-{2:016x}-01", "TRACESTATE": "no state"}
    with Receiver() as receiver:
        done = renacer("-q", "--otlp-endpoint", receiver.endpoint, "true", env=environ(**variables))
        assert {item.span.trace_id.hex() for item in receiver.spans} == {f"{1:032x}"}
    assert done.error == "warning: TRACESTATE is malformed and ignored (W3C format)"


def test_malformed_trace_parent_is_told_even_where_nothing_is_exported() -> None:
    done = renacer("-q", "--trace-parent", "nonsense", "-o", "/dev/null", "true")
    assert done.code == 0
    assert done.error.startswith("warning: --trace-parent 'nonsense' is malformed and ignored")


# --- which words are whose --------------------------------------------------------------------


def test_options_after_the_command_are_the_commands() -> None:
    done = renacer("-q", "-o", "/dev/null", "echo", "-q", "--help", "-o", "x", "--", "run")
    assert done.code == 0
    assert done.out == "-q --help -o x -- run\n"


def test_command_without_dashes(tmp_path: Path) -> None:
    done = renacer("-qo", tmp_path / "trace", "ls", "-1", tmp_path)
    assert done.code == 0
    assert done.out == "trace\n"


@pytest.mark.parametrize("words", [("--",), ("run", "--"), ("-q", "--"), ("run",), ("-q",)])
def test_command_with_the_name_of_a_sub_command(words: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("run", "demo", "doctor"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$0 $1"\n')
        (tmp_path / name).chmod(0o755)
        path = environ(PATH=f"{tmp_path}:/usr/bin:/bin")
        done = renacer(*words, name, "word", env=path)
        assert done.code == 0, done.err
        assert done.out == f"{tmp_path}/{name} word\n"


def test_command_whose_name_starts_with_a_dash(tmp_path: Path) -> None:
    (tmp_path / "-q").write_text("#!/bin/sh\necho dash\n")
    (tmp_path / "-q").chmod(0o755)
    path = environ(PATH=f"{tmp_path}:/usr/bin:/bin")
    assert renacer("-qo", "/dev/null", "--", "-q", env=path).out == "dash\n"


@pytest.mark.parametrize(
    ("words", "options_", "rest"),
    [
        ("", "", ""),
        ("true", "", "true"),
        ("-- -q", "", "-- -q"),
        ("- x", "", "- x"),
        ("-q true -q", "-q", "true -q"),
        ("-o file true", "-o=file", "true"),
        ("-o -- true", "-o=--", "true"),
        ("-o -x true", "-o=-x", "true"),
        ("-ofile true", "-o=file", "true"),
        ("-o=file true", "-o==file", "true"),
        ("-qo file true", "-q -o=file", "true"),
        ("-oq true", "-o=q", "true"),
        ("--output file true", "--output=file", "true"),
        ("--output=file true", "--output=file", "true"),
        ("--output --output true", "--output=--output", "true"),
        ("--unknown true", "--unknown", "true"),
        ("-q -o", "-q -o", ""),
        ("-q --output", "-q --output", ""),
    ],
)
def test_where_the_options_end(words: str, options_: str, rest: str) -> None:
    given, count = options.split_options(words.split(), {"-o", "--output"})
    assert given == options_.split()
    assert words.split()[count:] == rest.split()


def test_values_are_known_to_the_count() -> None:
    parser = options.RunParser()
    values, given, command = parser.parse(["-s", "5", "-T", "-e", "read", "cat", "-s", "9"])
    assert (values.string_limit, values.syscall_times, values.expressions) == ("5", True, ["read"])
    assert given == ["-s", "5", "-T", "-e", "read"]
    assert command == ["cat", "-s", "9"]


# --- the plain ones ---------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["-h", "--help", "run -h", "run --help", "demo -h", "doctor -h"])
def test_help(words: str) -> None:
    done = renacer(*words.split())
    assert done.code == 0
    assert done.err == ""
    assert done.out.isascii()
    assert all(len(line) <= 100 for line in done.out.splitlines())
    assert "usage: renacer-otel" in done.out


def test_help_names_every_option() -> None:
    printed = renacer("run", "--help", env=environ(COLUMNS="100")).out
    for action in options.RunParser().options:
        assert action.help
        for name in action.option_strings:
            assert name in printed


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["trace=uname"], {"uname"}),
        (["uname"], {"uname"}),
        (["t=uname,exit_group"], {"uname", "exit_group"}),
        (["trace= uname , exit_group"], {"uname", "exit_group"}),
        (["trace=uname", "trace=exit_group"], {"exit_group"}),
        (["trace=none"], set()),
    ],
)
def test_chosen_calls(expressions: list[str], expected: set[str], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    flags = [word for expression in expressions for word in ("-e", expression)]
    done = renacer(*flags, "-o", trace, "uname")
    names = call_names(trace.read_text())
    assert set(names) == expected
    assert done.totals.calls == len(names)
    assert trace.read_text().endswith("+++ exited with 0 +++\n")


def test_all_calls_is_the_default(tmp_path: Path) -> None:
    traces = []
    for name, flags in (("plain", []), ("all", ["-e", "trace=uname", "-e", "trace=all"])):
        renacer("-q", *flags, "-o", tmp_path / name, "uname")
        traces.append(call_names((tmp_path / name).read_text()))
    assert traces[0] == traces[1]
    assert len(set(traces[0])) > 5


def test_verbose_says_what_is_decided() -> None:
    done = renacer("--verbose", "-q", "--cpu", "free", "-o", "/dev/null", "true")
    assert done.code == 0
    assert "renacer-otel: engine ptrace, cpu free, ring 8388608 bytes" in done.lines
    with Receiver() as receiver:
        done = renacer("--verbose", "-q", "--otlp-endpoint", receiver.endpoint, "true")
        trace = receiver.spans[0].span.trace_id.hex()
    assert f"renacer-otel: trace {trace}" in done.lines
    assert f"renacer-otel: exporting to {receiver.endpoint}" in done.lines


def test_quiet_says_nothing() -> None:
    with Receiver() as receiver:
        done = renacer("-q", "--otlp-endpoint", receiver.endpoint, "true")
        assert receiver.count > 0
    assert done == (0, "", "")


@pytest.mark.parametrize("limit", range(5, 12))
def test_too_few_descriptors(limit: int) -> None:
    """One line that names the limit, or all is well; of fewer Python itself cannot start."""
    done = run_program(["sh", "-c", f'ulimit -n {limit}; exec "$0" -q true', RENACER])
    if done.code:
        assert done.code == 125
        assert "ulimit -n" in done.error


@pytest.mark.parametrize("words", ["-V", "--version", "run -V", "attach -V", "-q --version true"])
def test_version(words: str) -> None:
    done = renacer(*words.split())
    assert (done.code, done.err) == (0, "")
    assert done.out == f"renacer-otel {__version__}\n"


def test_a_misspelt_sub_command_is_told_apart_from_a_command() -> None:
    done = renacer("atach", "1")
    assert done.code == 127
    assert done.error == (
        "atach: no such command; check its name and PATH; or did you mean attach?"
    )
    assert renacer("run", "atach").error.endswith("check its name and PATH")
    behind = "; the sub-command stands before all options: renacer-otel attach …"
    assert renacer("-q", "attach", "1").error.endswith(behind)


@pytest.mark.parametrize(("words", "reason"), [
    ("-E A=b", "-E is for a command that is started; leave it out"),
    ("-u root", "-u is for a command that is started; leave it out"),
    ("-D", "-D is for a command alone; leave out what to attach to"),
    ("--cpu share", "--cpu share: attached processes keep their CPUs; leave it out"),
])  # fmt: skip
def test_options_of_a_command_without_one(words: str, reason: str) -> None:
    for how in (["attach", str(os.getpid())], ["-p", str(os.getpid())]):
        done = renacer(*how, *words.split())
        assert (done.code, done.error) == (125, reason)


def test_help_of_attach_leaves_out_what_is_of_a_command() -> None:
    shown = renacer("attach", "--help").out
    assert "--name PATTERN" in shown
    assert not re.search(r"--(env|user|daemonize)\b", shown)
    assert re.search(r"--(env|user|daemonize)\b", renacer("run", "--help").out)
