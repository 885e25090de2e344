# SPDX-License-Identifier: MIT
"""TRACEPARENT as the traced programs find it: each its own process's span, which arrives."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.context.spans import LOCAL, context_of, links, parse, printed, span_named_by
from tests.engine.tools import Spans, environment, execute, export, facts, traced

SHOW = 'echo "$TRACEPARENT"'


def test_each_program_finds_its_own_span() -> None:
    run = export(["sh", "-c", f"{SHOW}; sh -c '{SHOW}; sh -c \"echo \\$TRACEPARENT\"; :'; :"])
    run.check_tree()
    found = [parse(line) for line in run.done.output.splitlines()]
    assert len(found) == len(run.processes) == 3
    spans = [span_named_by(run, parent) for parent in found]
    assert len({span.span_id for span in spans}) == 3
    assert spans[0].parent_span_id == run.root.span_id
    assert spans[1].parent_span_id == spans[0].span_id
    assert spans[2].parent_span_id == spans[1].span_id
    for span, parent in zip(spans, found, strict=True):
        assert context_of(span) == "ours"
        assert parent.flags == 3 == span.flags & 0xFF
        assert span.flags & ~0xFF == LOCAL
        assert links(span).keys() <= {"fork"}


def test_word_by_word() -> None:
    """Where process_vm_readv() and process_vm_writev() are forbidden."""
    env = environment(RENACER_DISABLE="process_vm_readv", X="1")
    run = export(["sh", "-c", f"{SHOW}; sh -c '{SHOW}'; env; :"], env=env)
    run.check_tree()
    first, second, *others = run.done.output.splitlines()
    inner = span_named_by(run, parse(second))
    assert inner.parent_span_id == span_named_by(run, parse(first)).span_id
    assert "X=1" in others


def test_a_second_program_in_the_same_process_finds_the_same_span() -> None:
    run = export(["sh", "-c", f"{SHOW}; exec sh -c '{SHOW}; exec env'"])
    lines = run.done.output.splitlines()
    assert lines[0] == lines[1] != ""
    assert f"TRACEPARENT={lines[0]}" in lines
    (process,) = run.processes
    assert span_named_by(run, parse(lines[0])) is not None
    assert facts(process)["process.executable.name"] == "env"


def test_a_child_that_runs_no_program_keeps_what_it_inherited() -> None:
    run = export(["sh", "-c", f"{SHOW}; ({SHOW}; :); :"])
    first, second = run.done.output.splitlines()
    assert first == second
    assert len(run.processes) == 2


def test_children_made_side_by_side() -> None:
    script = "for i in 1 2 3 4 5 6; do sh -c 'echo $$ $TRACEPARENT' & done; wait"
    run = export(["sh", "-c", script])
    run.check_tree()
    lines = [line.split() for line in run.done.output.splitlines()]
    assert len(lines) == 6
    for pid, text in lines:
        assert facts(span_named_by(run, parse(text)))["process.pid"] == int(pid)


@pytest.mark.parametrize("how", ["env -i", "env -u TRACEPARENT"])
def test_without_the_variable_nothing_is_written(how: str) -> None:
    command = f"{how} {shutil.which('sh')} -c 'echo <$TRACEPARENT>$#'".replace("<", "[").replace(
        ">", "]"
    )
    run = export(["sh", "-c", f"{command}; :"])
    assert run.done.output == "[]0\n"
    run.check_tree()
    child = max(run.processes, key=lambda span: span.start_time_unix_nano)
    assert context_of(child) == "absent"


def test_only_the_first_of_two_and_only_the_span_id(tmp_path: Path) -> None:
    """In place: order, other variables and the bytes around it stay as they were."""
    run = export(
        [sys.executable, "-ISc", "print(open('/proc/self/environ', 'rb').read().decode())"],
        env=environment(AAA="TRACEPARENT=no", ZZZ="1"),
    )
    names = [entry.partition("=")[0] for entry in run.done.output.rstrip("\n").split("\0")[:-1]]
    assert names.count("TRACEPARENT") == 1
    assert names[-2:] == ["TRACEPARENT", "TRACESTATE"]
    assert "AAA=TRACEPARENT=no" in run.done.output.split("\0")


def test_a_great_environment() -> None:
    """The variable stands behind more than any buffer of ours holds."""
    env = environment(**{f"V{i}": "x" * 100_000 for i in range(12)})
    run = export(["sh", "-c", f"{SHOW}; sh -c '{SHOW}'; :"], env=env)
    first, second = map(parse, run.done.output.splitlines())
    assert span_named_by(run, second).parent_span_id == first.span_id


def test_great_arguments() -> None:
    words = ["x" * 1000] * 1000
    run = export(["sh", "-c", f"sh -c '{SHOW}' \"$@\"; :", "sh", *words])
    child = span_named_by(run, parse(run.done.output.strip()))
    assert child.parent_span_id != run.root.span_id


def test_tracestate_carries_the_clock() -> None:
    run = export(["sh", "-c", "echo $TRACESTATE"])
    name, _, value = run.done.output.strip().partition("=")
    assert name == "renacer"
    assert len(value) == 16
    (process,) = run.processes
    assert int(value, 16) == facts(process)["renacer.lamport.sent"]
    (exec_call,) = run.named("execve")
    assert int(value, 16) > facts(exec_call)["renacer.lamport.end"]


def without_privileges() -> list[str]:
    """Words that take all capabilities from what follows: what files say then holds for root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


def test_a_program_whose_memory_may_not_be_read(tmp_path: Path) -> None:
    """Mode 0111: the run goes on, what can be had is had, and the span says so."""
    secret = tmp_path / "secret"
    shutil.copy(os.path.realpath(shutil.which("env") or ""), secret)
    secret.chmod(0o111)
    before = without_privileges()
    bare = execute([*before, "sh", "-c", f"{secret} sh -c 'echo hi'; :"])
    assert bare.status == 0, bare

    from renacer_otel.exporters.receiver import Receiver

    with Receiver() as receiver:
        options = traced("--otlp-endpoint", receiver.endpoint)
        script = f"{secret} sh -c '{SHOW}'; sh -c '{SHOW}'"
        done = execute([*before, *options, "sh", "-c", script])
        run = Spans(done, [received.span for received in receiver.spans])
    assert done.status == 0, done
    assert done.errors == ""
    run.check_tree()
    parents = [parse(line) for line in done.output.splitlines()]
    # It runs `sh` in its own process; that one can be read again.
    spans = [span_named_by(run, parent) for parent in parents]
    assert [context_of(span) for span in spans] == ["ours", "ours"]
    assert len(run.named("execve")) >= 4


def test_a_program_that_stays_unreadable(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    shutil.copy(os.path.realpath(shutil.which("true") or ""), secret)
    secret.chmod(0o111)
    from renacer_otel.exporters.receiver import Receiver

    with Receiver() as receiver:
        options = traced("--otlp-endpoint", receiver.endpoint)
        done = execute([*without_privileges(), *options, "sh", "-c", f"{secret}; echo $?"])
        run = Spans(done, [received.span for received in receiver.spans])
    assert (done.status, done.output, done.errors) == (0, "0\n", "")
    run.check_tree()
    child = max(run.processes, key=lambda span: span.start_time_unix_nano)
    assert context_of(child) == "unreadable"
    assert facts(child)["process.exit.code"] == 0
    names = [span.name for span in run.spans if span.parent_span_id == child.span_id]
    assert names[-1] == "exit_group"


def test_no_propagate() -> None:
    env = environment(TRACEPARENT="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", TRACESTATE="a=b")
    run = export(["sh", "-c", f"{SHOW}; echo $TRACESTATE; sh -c '{SHOW}'; :"], "--no-propagate",
                 env=env)  # fmt: skip
    assert run.done.output.splitlines() == [env["TRACEPARENT"], "a=b", env["TRACEPARENT"]]
    assert {context_of(span) for span in run.processes} == {"none"}
    assert run.root.trace_id.hex() == "ab" * 16
    run.check_tree((bytes.fromhex("ab" * 16), bytes.fromhex("cd" * 8)))
    bare = export(["sh", "-c", "env | grep ^TRACE; :"], "--no-propagate")
    assert bare.done.output == ""


def test_a_run_that_exports_nothing_writes_nothing() -> None:
    lines, errors = printed(["sh", "-c", "env | grep ^TRACE; :"], environment())
    assert (lines, errors) == ([], "")


def test_links_in_a_trace_of_our_own_are_to_causes() -> None:
    run = export(["sh", "-c", "sh -c :; :"])
    first, second = sorted(run.processes, key=lambda span: span.start_time_unix_nano)
    assert links(first) == {}
    (call,) = [run.by_id[target] for target in links(second).values()]
    assert links(second) == {"fork": (call.trace_id, call.span_id)}
    assert call.parent_span_id == first.span_id
    for span in run.spans:
        assert links(span).keys() <= {"fork", "exec", "wait", "signal"}
        assert all(target in run.by_id for target in links(span).values())
