# SPDX-License-Identifier: MIT
"""A thread's live span as the application publishes it (OTEP 4947), at the entry of each call."""

from __future__ import annotations

import itertools
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.compiling import compiled, compiler
from tests.engine.attaching import attached
from tests.engine.tools import (
    CALL,
    ENTER,
    LIMIT,
    PROGRAM,
    Done,
    environment,
    execute,
    export,
    facts,
    read_events,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBJECTS = Path(__file__).parent / "subjects"
SPAN = 14  # RN_PIECE_SPAN
MODELS = {
    "descriptor": ("-mtls-dialect=gnu2", "-DMODEL="),
    "general": ("-mtls-dialect=gnu", "-DMODEL="),
    "initial": ('-DMODEL=__attribute__((tls_model("initial-exec")))',),
}

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="threads' blocks are found on x86_64 only"
)


def build(cc: str, made: Path, source: str, *flags: str, after: Sequence[str] = ()) -> Path:
    return compiled(made, *flags, SUBJECTS / source, *after, cc=cc)


def library(cc: str, folder: Path, model: str, *flags: str) -> Path:
    return build(
        cc, folder / f"lib{model}.so", "publisher.c", "-shared", "-fPIC", *MODELS[model], *flags
    )


def seen(path: Path) -> list[tuple[int, int]]:
    """Of each marked call the span that was to be live, and the one that the record names."""
    found = []
    for event in read_events(path, pieces=True):
        if event.name != "getpriority" or event.kind not in (ENTER, CALL):
            continue
        spans = [bytes(piece.data) for piece in event.pieces if piece.type == SPAN]
        assert len(spans) <= 1
        named = 0
        for data in spans:
            assert len(data) == 28
            assert data[:16] == b"\xaa" * 16
            assert data[16:24] == data[16:17] * 8
            assert data[24:] == b"\x01\x01\0\0"
            named = data[16]
        found.append((event.args[1], named))
    return found


def check(folder: Path, words: Sequence[object], *options: str, calls: int, **more: str) -> None:
    """Each call of the subject is under the span that was live."""
    run = record(folder, words, *options, env=environment(**more))
    assert run.done == Done(0, "", "")
    found = seen(run.path)
    assert len(found) == calls
    assert [named for _, named in found] == [wanted for wanted, _ in found]


SIMPLE = 9  # calls of these parts, with the first of all
FORK = 7
THREADS = 10
OWN = {
    "static": ("-static",),
    "static-pie": ("-static-pie", "-fPIE", "-Wl,--export-dynamic-symbol=otel_thread_ctx_v1"),
    "pie": ("-pie", "-fPIE", "-Wl,--export-dynamic"),
    "fixed": ("-no-pie", "-fno-pie", "-Wl,--export-dynamic"),
    "aligned": ("-pie", "-fPIE", "-Wl,--export-dynamic", "-DALIGNED"),
}


# musl's wrapper of the compiler links no static-pie.
@pytest.mark.parametrize(
    ("cc", "kind"),
    [
        *(("gcc", kind) for kind in OWN),
        *(("musl-gcc", kind) for kind in OWN if kind != "static-pie"),
    ],
)
def test_of_the_program(tmp_path: Path, cc: str, kind: str) -> None:
    app = build(cc, tmp_path / "app", "app.c", "-DOWN", *OWN[kind])
    check(tmp_path, [app, "simple"], calls=SIMPLE)
    check(tmp_path, [app, "threads"], calls=THREADS)
    check(tmp_path, [app, "fork"], calls=FORK)


@pytest.mark.parametrize("cc", ["gcc", "musl-gcc"])
@pytest.mark.parametrize("model", MODELS)
def test_of_a_linked_object(tmp_path: Path, cc: str, model: str) -> None:
    made = library(cc, tmp_path, model)
    app = build(cc, tmp_path / "app", "app.c", "-DLINKED", after=[str(made), "-Wl,-rpath,$ORIGIN"])
    check(tmp_path, [app, "simple"], calls=SIMPLE)
    check(tmp_path, [app, "threads"], calls=THREADS)
    check(tmp_path, [app, "fork"], calls=FORK)


@pytest.mark.parametrize("options", [(), ("-e", "trace=getpriority")], ids=["all", "filtered"])
# musl opens no object that wants a static block.
@pytest.mark.parametrize(
    ("cc", "model"),
    [
        *(("gcc", model) for model in MODELS),
        ("musl-gcc", "descriptor"),
        ("musl-gcc", "general"),
    ],
)
def test_of_an_object_opened_later(
    tmp_path: Path, cc: str, model: str, options: tuple[str, ...]
) -> None:
    made = library(cc, tmp_path, model)
    app = build(cc, tmp_path / "app", "app.c", "-ldl")
    check(tmp_path, [app, "open", made, "simple"], *options, calls=SIMPLE)
    check(tmp_path, [app, "open", made, "threads"], *options, calls=THREADS)
    check(tmp_path, [app, "open", made, "fork"], *options, calls=FORK)


@pytest.mark.parametrize("options", [(), ("-e", "trace=getpriority")], ids=["all", "filtered"])
@pytest.mark.parametrize("bound", ["", "-Wl,-Bsymbolic"], ids=["open", "bound"])
@pytest.mark.parametrize("model", ["descriptor", "general"])
def test_an_object_closed_and_another_in_its_place(
    tmp_path: Path, model: str, bound: str, options: tuple[str, ...]
) -> None:
    """A thread that has not noticed still has the old block: what is in it is not believed."""
    made = library("gcc", tmp_path, model, "-DPADDING=8192", *filter(None, [bound]))
    app = build("gcc", tmp_path / "app", "app.c", "-ldl")
    check(tmp_path, [app, "open", made, "reopened", made], *options, calls=10)


def test_gone_with_an_exec(tmp_path: Path) -> None:
    app = build("gcc", tmp_path / "app", "app.c", "-DOWN", "-Wl,--export-dynamic")
    check(tmp_path, [app, "exec"], calls=3)


@pytest.mark.parametrize("disable", ["get_syscall_info", "process_vm_readv"])
def test_without_newer_calls(tmp_path: Path, disable: str) -> None:
    made = library("gcc", tmp_path, "descriptor", "-DPADDING=8192")
    app = build("gcc", tmp_path / "app", "app.c", "-ldl")
    check(tmp_path, [app, "open", made, "threads"], calls=THREADS, RENACER_DISABLE=disable)


def test_not_where_it_is_turned_off(tmp_path: Path) -> None:
    app = build("gcc", tmp_path / "app", "app.c", "-DOWN", "-Wl,--export-dynamic")
    run = record(tmp_path, [app, "simple"], env=environment(RENACER_DISABLE="application"))
    assert run.done.status == 0
    assert {named for _, named in seen(run.path)} == {0}


def test_calls_are_under_the_span(tmp_path: Path) -> None:
    app = build("gcc", tmp_path / "app", "app.c", "-DOWN", "-Wl,--export-dynamic")
    run = export([app, "simple"])
    assert run.done == Done(0, "", "")
    calls = run.named("getpriority")
    assert len(calls) == SIMPLE
    for span in calls:
        live = int(facts(span)["syscall.args.who"])
        if live:
            assert (span.trace_id, span.parent_span_id) == (b"\xaa" * 16, bytes([live]) * 8)
        else:
            assert span.trace_id == run.root.trace_id


SHIM = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
static long reads;
ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long n,
                         const struct iovec *from, unsigned long m, unsigned long flags)
{
	__atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
	return syscall(SYS_process_vm_readv, pid, to, n, from, m, flags);
}
__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("READS");
	FILE *file = reads && path ? fopen(path, "w") : NULL;
	if (file) {
		fprintf(file, "%ld", reads);
		fclose(file);
	}
}
"""


def reads_of(folder: Path, words: Sequence[object], **more: str) -> int:
    """How often the tracer reads the memory of a command."""
    shim, told = folder / "shim.so", folder / "reads"
    if not shim.exists():
        subprocess.run(
            [compiler("gcc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-x", "c", "-", "-o", shim],
            input=SHIM, text=True, check=True,
        )  # fmt: skip
    told.unlink(missing_ok=True)
    env = environment(LD_PRELOAD=str(shim), READS=str(told), **more)
    before = [*PROGRAM, "-q", "--format", "record", "-o", folder / "reads.renacer", "-e",
              "trace=getpriority", "--"]  # fmt: skip
    assert execute([*before, "env", "-u", "LD_PRELOAD", *words], env) == Done(0, "", "")
    return int(told.read_text()) if told.exists() else 0


@pytest.mark.parametrize("model", ["own", "descriptor", "initial"])
def test_one_read_a_call(tmp_path: Path, model: str) -> None:
    words: list[object]
    if model == "own":
        words = [build("gcc", tmp_path / "app", "app.c", "-DOWN", "-Wl,--export-dynamic")]
    else:
        made = library("gcc", tmp_path, model)
        words = [build("gcc", tmp_path / "app", "app.c", "-ldl"), "open", made]
    once = reads_of(tmp_path, [*words, "many"])
    twice = reads_of(tmp_path, [*words, "many", "many"])
    assert twice - once == 1000
    assert once < 1100


def test_no_read_where_nothing_publishes(tmp_path: Path) -> None:
    app = build("gcc", tmp_path / "app", "app.c", "-DOWN", "-Dotel_thread_ctx_v1=another")
    words = [app, "many", "many"]
    assert reads_of(tmp_path, words) == reads_of(tmp_path, words, RENACER_DISABLE="application")


@pytest.mark.parametrize("cc", ["gcc", "musl-gcc"])
def test_of_a_process_that_runs_already(tmp_path: Path, cc: str) -> None:
    made = library(cc, tmp_path, "descriptor", "-DPADDING=8192")
    app = build(cc, tmp_path / "app", "app.c", "-ldl")
    path = tmp_path / "run.renacer"
    go, ready = os.pipe(), os.pipe()
    words = [str(app), "open", str(made), "wait", str(ready[1]), str(go[0]), "simple"]
    with subprocess.Popen(words, pass_fds=(ready[1], go[0])) as process:
        try:
            assert os.read(ready[0], 1) == b"."
            with attached(process.pid, "--format", "record", "-o", path) as tracer:
                os.write(go[1], b".")
                assert process.wait(LIMIT) == 0
                assert tracer.wait(LIMIT) == 0
        finally:
            process.kill()
            for fd in itertools.chain(go, ready):
                os.close(fd)
    found = seen(path)
    assert [named for _, named in found] == [wanted for wanted, _ in found]
    assert len(found) == SIMPLE - 1
