# SPDX-License-Identifier: MIT
"""The loop of the python engine: stops of tracees into records, by ptrace(2).

All of it runs in one thread. Whatever is gone when it is asked is no error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.engine import python_capture as capture
from renacer_otel.engine import python_content as content
from renacer_otel.engine import python_identity as identity
from renacer_otel.engine import python_marker as marker
from renacer_otel.engine import python_ptrace as trace
from renacer_otel.engine import python_record as form
from renacer_otel.engine import python_structs as structs
from renacer_otel.engine.launch import WORDS_PER_ABI
from renacer_otel.engine.python_record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WALL = 0x40000000
_OWN = 0x20000000  # __WNOTHREAD: the other threads have children, too: the command of -o |
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_THREAD, _VFORK_CLONE = 0x10000, 0x4000
_LAUNCH, _FORK, _VFORK, _CLONE, _UNKNOWN = 0, 1, 2, 3, 5
_BIRTHS = {trace.EVENT_FORK: _FORK, trace.EVENT_VFORK: _VFORK, trace.EVENT_CLONE: _CLONE}
_ARCHES = {0xC000003E: 1, 0x40000003: 2, 0xC00000B7: 4, 0x40000028: 5}  # AUDIT_ARCH_*: rn_abi
_X86_64, _X32, _X32_BIT = 1, 3, 0x40000000
_NARROW = (2, 5)  # i386, arm
_LAST = {"exit", "exit_group", "execve", "execveat"}  # calls of a program
_NO_RESULT = {"rt_sigreturn", "sigreturn"}
_SPINS = 100
_LONGEST_NAP_S = 0.01
_IDLE_S = 0.01  # a call that is held back so long blocks: it is told of
_ORPHAN_S = 0.05  # a stop whose maker does not tell of it


class Wish(NamedTuple):
    """What is recorded."""

    follow: bool
    max_depth: int
    wanted: Sequence[int] | None  # bitmaps, WORDS_PER_ABI words of 64 bits an ABI
    string_limit: int
    cpu_times: bool
    capture: bool = True
    objects: bool = False  # what causes are found by: objects of descriptors, structures
    hashes: bool = False  # of what is written or sent
    peaks: bool = False  # of resident memory, at ends of programs


class Task:
    """A thread that is traced."""

    def __init__(self, tid: int) -> None:
        self.tid = self.pid = tid
        self.ordinal = self.depth = 0
        self.known = self.in_call = self.wanted = self.stopped = self.hidden = False
        self.held_since = 0.0
        self.held_stop = 0  # its first stop is its process's group-stop, by this signal
        self.abi = self.nr = self.clone_flags = 0
        self.name = ""
        self.args: tuple[int, ...] = (0,) * 6
        self.entered = self.stime = 0
        self.cut: tuple[int, int, tuple[int, ...]] | None = None  # the call that a signal cut


class Tracer:
    """Follows the command and all that it starts. `put` gets finished records, in order."""

    def __init__(
        self, wish: Wish, name_of: Callable[[int, int], str], put: Callable[[Record], None]
    ) -> None:
        self._wish, self._name_of, self._put = wish, name_of, put
        self._tasks: dict[int, Task] = {}
        self._pending: tuple[Task, Record] | None = None
        self._seq = self._ordinals = 0
        self._now = self._stime = 0
        self._dead: dict[int, int] = {}  # ended before their makers told of them
        self.command = 0
        self.status = 0
        self.execed = self.let_go = False
        self.stops = self.left = 0
        self.signalled: dict[int, int] = {}
        self.signals: list[int] = []  # for all tracees

    def add_command(self, pid: int) -> None:
        """The command, seized, which has not run its exec yet."""
        task = self._tasks[pid] = Task(pid)
        task.known = task.hidden = True
        self.command = pid
        self._now = time.monotonic_ns()
        self._start(task, None, _LAUNCH)

    def step(self) -> bool:
        """Waits for the next stop or end, and deals with it. False: no tracee is left."""
        since = time.monotonic()
        for spin in range(1 << 62):
            try:
                tid, status, usage = os.wait4(-1, os.WNOHANG | _WALL | _OWN)
            except ChildProcessError:
                return False
            if tid:
                self._now = time.monotonic_ns()
                self._stime = int(usage.ru_stime * 1e9)
                self._handle(tid, status)
                return True
            if self._idle(time.monotonic() - since):
                return False
            if spin < _SPINS:
                os.sched_yield()
            else:
                time.sleep(min(_LONGEST_NAP_S, (time.monotonic() - since) / 4))
        return False

    def end(self) -> None:
        """What is held back is told."""
        self._flush()

    def at_rest(self) -> int:
        """1 = the command stands stopped, 2 = all do, 0 = neither."""
        tasks = list(self._tasks.values())
        if not any(task.tid == self.command and task.stopped for task in tasks):
            return 0
        return 2 if all(task.stopped for task in tasks) else 1

    def _idle(self, seconds: float) -> bool:
        """Nothing has happened for so long. True: all are let go."""
        if seconds > _IDLE_S:
            self._now = time.monotonic_ns()
            self._flush()
            for task in list(self._tasks.values()):
                if not task.known and time.monotonic() - task.held_since > _ORPHAN_S:
                    self._adopt(task)
        while self.signals:
            number = self.signals.pop()
            for pid in {task.pid for task in self._tasks.values()}:
                _kill(pid, number)
        if self.let_go:
            for tid in self._tasks:
                trace.interrupt(tid)
        return False

    def _handle(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if not os.WIFSTOPPED(status):
            if task is not None and task.known:
                self._death(task, status)
            else:
                self._dead[tid] = status
                self._tasks.pop(tid, None)
            return
        self.stops += 1
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == trace.EVENT_EXEC:
            self._exec(tid)
        elif task is None or not task.known:
            self._hold(tid, number if event == trace.EVENT_STOP and number in _STOPS else 0)
        elif self.let_go and (event == trace.EVENT_STOP or event == 0):
            self._leave(task, number if event == 0 and number != _SYSCALL_STOP else 0)
        elif event == trace.EVENT_STOP:
            self._event_stop(task, number)
        elif event in _BIRTHS:
            self._birth(task, event)
            trace.resume(tid)
        elif event:
            trace.resume(tid)
        elif number == _SYSCALL_STOP:
            self._syscall(task)
            trace.resume(tid)
        else:
            self._signal(task, number)
            trace.resume(tid, number)

    # Calls.

    def _syscall(self, task: Task) -> None:
        stop = trace.syscall_stop(task.tid)
        if stop is None:
            return
        if stop.entry:
            self._entry(task, stop)
        else:
            self._return(task, stop.result, stop.is_error)

    def _entry(self, task: Task, stop: trace.SyscallStop) -> None:
        abi, nr = _ARCHES.get(stop.arch, 0), stop.nr & 0xFFFFFFFF
        if abi == _X86_64 and nr & _X32_BIT and nr < 1 << 31:
            abi, nr = _X32, nr & ~_X32_BIT
        nr -= (nr >> 31) << 32
        cut, task.cut = task.cut, None
        task.abi, task.nr, task.args = abi, nr, stop.args
        task.name = self._name_of(abi, nr)
        task.entered, task.in_call, task.stime = self._now, True, self._stime
        if task.name in ("clone", "fork", "vfork"):
            task.clone_flags = stop.args[0] if task.name == "clone" else 0
        elif task.name == "clone3":
            raw = capture.Memory(task.tid).read(stop.args[0], 8)
            task.clone_flags = int.from_bytes(raw, "little")
        if task.hidden and task.name not in ("execve", "execveat"):
            task.wanted = False
            return
        task.hidden = False
        if self._is_marker(task):
            task.wanted = False
            return
        task.wanted = self._is_wanted(abi, nr)
        if not task.wanted:
            return
        self._flush()
        record = Record(form.ENTER, task.tid, task.pid, self._now)
        record.abi, record.nr, record.args = abi, nr, stop.args
        if cut and (cut == (abi, nr, stop.args) or task.name == "restart_syscall"):
            record.flags = form.RESTARTED
        if self._wish.capture:
            limit = self._wish.string_limit
            record.pieces = capture.at_entry(
                task.tid, task.name, stop.args, limit, narrow=abi in _NARROW
            )
        if self._wish.objects:
            record.pieces += self._structures(task)
        if task.name in _LAST:
            record.pieces += self._peak(task)
        record.seq = self._next()
        self._pending = task, record

    def _return(self, task: Task, result: int, is_error: bool) -> None:
        had_entry, task.in_call = task.in_call, False
        if not had_entry or not task.wanted:
            return
        flags = 0
        if is_error and -4095 <= result < 0 and task.name not in _NO_RESULT:
            flags = form.FAILED
            if 512 <= -result <= 516:
                flags = form.INTERRUPTED
                task.cut = task.abi, task.nr, task.args
        pieces: list[bytes] = []
        if self._wish.capture and result >= 0:
            limit = self._wish.string_limit
            pieces = capture.at_exit(task.tid, task.name, task.args, result, limit)
        if self._wish.objects:
            pieces += self._structures(task, result)
            pieces += identity.at_exit(
                task.tid, task.name, task.args, result, narrow=task.abi in _NARROW
            )
        if self._wish.hashes and result >= 0:
            pieces += content.at_exit(task.tid, task.abi, task.name, task.args, result)
        if self._wish.cpu_times:
            spent = max(0, self._stime - task.stime).to_bytes(8, "little")
            pieces.append(form.piece(16, form.NO_ARG, spent, 8, form.AT_EXIT))
        if self._pending and self._pending[0] is task:
            record = self._pending[1]
            self._pending = None
            record.kind, record.t1 = form.CALL, self._now
            self._next()
        else:
            self._flush()
            record = Record(form.EXIT, task.tid, task.pid, self._now)
            record.abi, record.nr, record.args = task.abi, task.nr, task.args
            record.t0, record.seq = task.entered, self._next()
        record.result = result
        record.flags |= flags
        record.pieces += pieces
        self._put(record)

    def _peak(self, task: Task) -> list[bytes]:
        if not self._wish.peaks:
            return []
        number = _status(task.tid).get("VmHWM", "").partition(" ")[0]
        data = (int(number) * 1024).to_bytes(8, "little") if number else b""
        return [form.piece(form.PEAK, form.NO_ARG, data, 8)] if data else []

    def _structures(self, task: Task, result: int | None = None) -> list[bytes]:
        limit = self._wish.string_limit
        call = structs.Call(task.tid, task.abi, task.name, task.args, limit, result)
        return structs.pieces_of(call)

    def _is_marker(self, task: Task) -> bool:
        """Whether it tells of the application's span, which is then recorded."""
        fd, address, length, *_ = task.args
        if fd & 0xFFFFFFFF != 0xFFFFFFFF or task.name != "write" or length not in marker.LENGTHS:
            return False
        span = marker.parse(capture.Memory(task.tid).read(address, length))
        if span is None:
            return False
        record = Record(form.CONTEXT, task.tid, task.pid, self._now)
        if span:
            record.pieces = [form.piece(form.SPAN, form.NO_ARG, span, len(span))]
        self._emit(record)
        return True

    def _is_wanted(self, abi: int, nr: int) -> bool:
        wanted = self._wish.wanted
        if wanted is None:
            return True
        word = nr // 64
        if not 0 <= word < WORDS_PER_ABI:
            return False
        return bool(wanted[abi * WORDS_PER_ABI + word] >> nr % 64 & 1)

    # What is not a call.

    def _hold(self, tid: int, stop: int) -> None:
        """Until its maker tells of it; `stop`: its process is stopped by that signal."""
        task = self._tasks.setdefault(tid, Task(tid))
        task.held_since, task.held_stop = time.monotonic(), stop

    def _release(self, task: Task) -> None:
        """Runs on, or stays stopped with the others of its process."""
        if task.held_stop:
            self._event_stop(task, task.held_stop)
        else:
            trace.resume(task.tid)

    def _adopt(self, task: Task) -> None:
        """Its maker died before it could tell."""
        fields = _status(task.tid)
        task.pid = int(fields.get("Tgid", task.tid))
        maker = self._tasks.get(int(fields.get("PPid", 0)))
        kin = [one for one in self._tasks.values() if one.pid == task.pid and one.known]
        self._be(task, kin[0] if kin else maker, thread=bool(kin))
        self._start(task, None, _UNKNOWN)
        self._release(task)

    def _be(self, task: Task, maker: Task | None, *, thread: bool) -> None:
        if thread and maker:
            task.pid, task.ordinal, task.depth = maker.pid, maker.ordinal, maker.depth
            return
        task.pid = task.tid
        task.depth = maker.depth + 1 if maker else 0
        self._ordinals += 1
        task.ordinal = self._ordinals

    def _start(self, task: Task, maker: Task | None, birth: int) -> None:
        task.known = True
        if birth == _LAUNCH:
            self._be(task, None, thread=False)
        record = Record(form.START, task.tid, task.pid, self._now)
        makers = (maker.tid, maker.pid, maker.clone_flags) if maker else (0, 0, 0)
        if birth == _LAUNCH:
            makers = (0, os.getpid(), 0)
        record.args = (task.ordinal, *makers, birth)
        others: list[list[bytes]] = []
        if birth == _LAUNCH and self._wish.objects:
            first, *others = identity.at_start(task.tid)
            record.pieces = first
        self._emit(record)
        for pieces in others:
            more = Record(form.CONTEXT, task.tid, task.pid, self._now)
            more.pieces = pieces
            self._emit(more)

    def _birth(self, maker: Task, event: int) -> None:
        tid = trace.event_message(maker.tid)
        if not tid:
            return
        held = self._tasks.get(tid)
        if held and held.known:
            return
        thread = bool(maker.clone_flags & _THREAD)
        if not thread and maker.depth >= self._wish.max_depth:
            self._tasks.pop(tid, None)
            if held is None and tid not in self._dead:
                os.waitpid(tid, _WALL)
            self._dead.pop(tid, None)
            trace.detach(tid)
            return
        task = held or Task(tid)
        self._tasks[tid] = task
        self._be(task, maker, thread=thread)
        self._start(task, maker, _BIRTHS[event])
        if tid in self._dead:
            self._death(task, self._dead.pop(tid))
        elif held:
            self._release(held)

    def _exec(self, tid: int) -> None:
        former = trace.event_message(tid) or tid
        self._flush()
        task = self._tasks.pop(former, None) or self._tasks.get(tid)
        if task is None:
            return
        task.tid = tid  # that of the leader, who is gone without a word
        self._tasks[tid] = task
        self.execed = self.execed or tid == self.command
        record = Record(form.EXEC, tid, task.pid, self._now)
        record.abi, record.args = task.abi, (task.ordinal, former, 0)
        try:
            exe = os.fsencode(os.readlink(f"/proc/{tid}/exe"))
            record.pieces = [form.piece(form.EXE, form.NO_ARG, exe, len(exe))]
        except OSError:
            pass
        self._emit(record)
        trace.resume(tid)

    def _death(self, task: Task, status: int) -> None:
        if not task.hidden:
            record = Record(form.END, task.tid, task.pid, self._now)
            record.args = (task.ordinal, status, int(task.tid == task.pid))
            record.result = os.waitstatus_to_exitcode(status)
            self._emit(record)
        if task.tid == self.command:
            self.status, self.command = status, -1
        self._tasks.pop(task.tid, None)

    def _leave(self, task: Task, number: int) -> None:
        """Lets one go: it runs on by itself."""
        trace.detach(task.tid, number)
        record = Record(form.END, task.tid, task.pid, self._now)
        record.flags = 1 << 6
        record.args = (task.ordinal, 0, int(task.tid == task.pid))
        self._emit(record)
        self._tasks.pop(task.tid, None)
        self.left += 1

    def _signal(self, task: Task, number: int) -> None:
        args = trace.signal_arguments(task.tid, number)
        if args is None or task.hidden:
            return
        if task.pid == self.command and args[1] != os.getpid():
            self.signalled[number] = self._now
        record = Record(form.SIGNAL, task.tid, task.pid, self._now)
        record.nr, record.args = number, args
        record.pieces = self._peak(task)
        self._emit(record)

    def _event_stop(self, task: Task, number: int) -> None:
        stops = number in _STOPS
        if stops or task.stopped:
            task.stopped = stops
            if not task.hidden:
                record = Record(form.GROUP_STOP, task.tid, task.pid, self._now)
                record.nr = number if stops else 0
                self._emit(record)
        if stops:
            trace.listen(task.tid)
        else:
            trace.resume(task.tid)

    # Order.

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _flush(self) -> None:
        if self._pending:
            record = self._pending[1]
            self._pending = None
            self._put(record)

    def _emit(self, record: Record) -> None:
        self._flush()
        record.seq = self._next()
        self._put(record)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _status(tid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{tid}/status", encoding="ascii", errors="replace") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in lines}
