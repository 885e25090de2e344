# SPDX-License-Identifier: MIT
"""One traced command, as the native core runs it: started, waited for, its blocks taken.

The core's threads never run Python; every call here that waits releases the GIL.
"""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from renacer_otel.engine import native
from renacer_otel.engine.redaction import Redaction
from renacer_otel.errors import EngineError, RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU_POLICIES = ("auto", "share", "free")
ON_FULL = ("block", "drop")
# What is told of descriptors, as strace's --decode-fds has it; in the order of RN_FDS_*.
DESCRIBED_FDS = ("path", "socket", "dev", "pidfd")
COUNT_BY = ("all", "process", "thread", "path", "peer")  # in the order of RN_BY_*
SECCOMP_MODES = ("off", "auto", "on")
FOLD_MODES = ("off", "auto", "always")  # in the order of RN_FOLD_*
SPANS_MODES = ("all", "process", "none")  # in the order of RN_TELL_*
SIDES = ("both", "producer", "consumer")  # in the order of RN_SIDE_*
FLOWN = ("failed", "crashed", "asked", "violated")  # in the order of RN_FLOWN_*
ALL_DEPTHS = 0xFFFF_FFFF

RING_BYTES = 8 << 20
BATCH_BYTES = 1 << 20
QUEUE_BYTES = 32 << 20
ABI_COUNT = 6
WORDS_PER_ABI = 9


# Named tuples, not dataclasses: these two modules are on the way of every start, and importing
# dataclasses alone costs a tenth of what a start may cost.
class Tuning(NamedTuple):
    """How a run is traced and buffered: what options choose and nothing else depends on."""

    text_flags: int = 0
    text_column: int = 40  # where results start
    string_limit: int = 32  # bytes of a buffer
    describe_fds: frozenset[str] = frozenset()  # of DESCRIBED_FDS
    hashes: bool = False  # records of what is written or sent carry its hash
    states: bool = False  # files that calls may change are looked at, before and at the end
    mapped: bool = False  # else those that memory may have changed, at the end
    peaks: bool = False  # ends of programs tell how much memory they had resident
    source: bool = False  # where in the source calls are made
    redaction: Redaction | None = Redaction()  # of spans and rows; None = nothing is secret
    payload: bool = False  # spans and rows show what buffers hold
    flight: int = 0  # of so many of the last calls spans, rows, lines are kept back; 0 = all go out
    flight_held: bool = False  # the run ends once it was judged
    follow: bool = True
    max_depth: int = ALL_DEPTHS  # generations of processes below the command
    seccomp: str = "off"  # of SECCOMP_MODES; see filtering.py
    no_new_privs: bool = False
    seccomp_reason: str = ""  # why there is no filter, or what to beware of
    cpu: str = "auto"  # of CPU_POLICIES
    on_full: str = "block"  # of ON_FULL
    block_limit_ns: int = 5_000_000_000
    ring_bytes: int = RING_BYTES
    batch_bytes: int = BATCH_BYTES
    queue_bytes: int = QUEUE_BYTES
    otlp_waits: bool = False  # a full queue to the network is waited for, not dropped from
    disable: frozenset[str] = frozenset()  # of FALLBACKS
    wanted: Sequence[int] | None = None  # ABI_COUNT * WORDS_PER_ABI words of 64 bits; None = all
    hidden_signals: int = 0  # bit signal - 1: of what is recorded, what is not shown
    hidden_statuses: int = 0  # RN_STATUS_*
    paths: Sequence[str] = ()  # only calls that concern these; none = all
    path_fds: Sequence[int] = ()  # descriptors of them that the command starts with
    # What spans there are: see native/spans/shape.h.
    fold: str = "off"  # of FOLD_MODES
    spans: str = "all"  # of SPANS_MODES
    max_trace_spans: int = 0  # in one trace; 0 = all are in one
    min_duration_ns: int = 0  # calls that took less have no span
    errors_only: bool = False
    keep_errors: bool = False
    keep_slow_ns: int = 0  # 0 = none is kept for its duration
    keep_calls: Sequence[int] | None = None  # as wanted; None = none
    count_by: str = ""  # of COUNT_BY: calls are counted; "" = they are not
    count_wall: bool = False  # with the time from entry to exit; else system CPU time
    meters: bool = False  # calls are measured, see spans.metered
    meter_pids: bool = False  # for each process
    engine: str = "ptrace"  # or python
    core: bool = True  # else the python engine does what it can alone
    # Of spans for an endpoint; 0 = no limit.
    batch_spans: int = 0  # of a request
    queue_spans: int = 0  # that wait to be sent
    batch_age_ns: int = 0  # of spans that wait for others to go with; 0 = 1 s
    limits: Sequence[int | None] | None = None  # in the order of rn_span_limits; None = no limit
    synthetic_calls: int = 0  # benchmarks: this many made-up calls instead of a command
    synthetic_rate: int = 0  # of them a second; 0 = as fast as the ring takes them


class User(NamedTuple):
    """Whom the command runs as, and with which supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class RunConfig(NamedTuple):
    """What the core is told. Times in nanoseconds, sizes in bytes."""

    argv: Sequence[str]  # empty = no command
    environ: Sequence[str]  # NAME=value, as the command gets it
    trace_id: bytes
    id_key: tuple[int, int]
    tuning: Tuning = Tuning()
    attach: Sequence[int] = ()  # processes
    adopt: tuple[int, int] | None = None  # a process that is to be the command, a socket to it
    otlp: bool = False
    otlp_json: bool = False  # blocks for OTLP are JSON
    json: bool = False
    record: bool = False
    csv: bool = False
    listing: bool = False
    text_fd: int = -1  # -1 = no text, but for text_prefix
    text_prefix: str = ""  # not empty: text to a file for each thread: this, a dot, its id
    text_append: bool = False
    user: User | None = None
    propagate: bool = False
    parent_span_id: int = 0
    trace_flags: int = 1
    lamport_seed: int = 0
    tracestate: str = ""
    options: str = ""
    realtime_anchor: int = 0
    monotonic_anchor: int = 0
    side: str = "both"  # of SIDES; see halves.py
    ring: int = -1  # consumer: a descriptor of the ring
    resumed: bool = False  # consumer: another one had the ring before
    holds: bool = False  # consumer: records stay in the ring until their blocks are released
    turn: int = 0  # consumer: it reads while the producer says that this is the turn
    started: int = 0  # CLOCK_MONOTONIC; 0 = now


FALLBACKS = {
    "application": "RN_NO_APPLICATION",
    "edges": "RN_NO_EDGES",
    "get_syscall_info": "RN_NO_GET_SYSCALL_INFO",
    "process_vm_readv": "RN_NO_PROCESS_VM_READV",
    "sealing": "RN_NO_SEALING",
    "seccomp": "RN_NO_SECCOMP",
}


class Stats(NamedTuple):
    """Counts of a run; see rn_stats in api.h. Times in nanoseconds."""

    events: int = 0
    calls: int = 0
    errors: int = 0
    signals: int = 0
    processes: int = 0
    threads: int = 0
    unfinished: int = 0
    lost_calls: int = 0
    lost_events: int = 0
    dropped_spans: int = 0
    queued_spans: int = 0
    spans: int = 0
    text_lost: int = 0
    corrupt: int = 0
    text_errno: int = 0
    tracer_ns: int = 0
    added_ns: int = 0  # by tracing to the command's time: an estimate; -1 = there is none
    wall_ns: int = 0
    stops: int = 0
    ring_peak: int = 0
    cpu_shared: int = 0
    seccomp: int = 0
    filtered: int = 0
    # The flight recorder's calls (of text: lines); why: bits, in the order of FLOWN.
    kept: int = 0
    omitted: int = 0
    flown: int = 0
    why: int = 0
    void_set_id: int = 0  # programs that ran without the rights that their files give


class Flow(NamedTuple):
    """Where spans are at one moment; see rn_flow in api.h. Sizes in bytes."""

    calls: int = 0
    open_calls: int = 0
    processes: int = 0
    made: int = 0
    making: int = 0
    queued: int = 0
    queued_bytes: int = 0
    queue_bytes: int = 0
    dropped: int = 0
    unmade: int = 0


class NothingAttached(Exception):  # noqa: N818
    """None of the processes could be attached to; `results`: pid and errno of each."""

    def __init__(self, results: list[tuple[int, int]]) -> None:
        super().__init__("none of the processes can be attached to")
        self.results = results


class Abandoned(Exception):  # noqa: N818
    """The process that was to be the command could not be; it tells the user itself."""


class Kept:
    """C strings and arrays that must outlive a call."""

    def __init__(self) -> None:
        self.objects: list[Any] = []

    def string(self, text: str) -> Any:
        """A `char *`. Raises EngineError for one with a NUL in it."""
        data = os.fsencode(text)
        if b"\0" in data:
            raise EngineError(f"'{one_line(text, 40)}' has a NUL byte in it: no command can get it")
        made = native.ffi.new("char[]", data)
        self.objects.append(made)
        return made

    def strings(self, texts: Sequence[str]) -> Any:
        """A `char *[]` that ends with NULL."""
        made = native.ffi.new("const char *[]", [*map(self.string, texts), native.ffi.NULL])
        self.objects.append(made)
        return made


class Block:
    """Finished spans or records: `view` is valid until release()."""

    def __init__(self, run: Any, out: int, block: Any) -> None:
        self._run, self._out, self._block = run, out, block
        self.view = memoryview(native.ffi.buffer(block.data, block.len) if block.len else b"")
        self.spans = int(block.spans)
        self.first_seq = int(block.first_seq)
        self.last = bool(block.last)  # it ends with the root span

    def release(self) -> None:
        """Gives the memory back to the core."""
        self.view.release()
        native.lib.rn_block_release(self._run, self._out, self._block)


class NativeRun:
    """A run of the native engine. Raises RenacerErrors with the right exit codes.

    Use: start(), then take() blocks from other threads while wait() says False, then close().
    """

    OTLP = 1
    JSON = 2
    RECORD = 4
    CSV = 32
    LISTING = 64

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.given_up = False
        kept = Kept()
        failure = native.ffi.new("rn_failure *")
        self._run = native.lib.rn_run_new(_c_config(config, kept), failure)
        if self._run == native.ffi.NULL:
            raise _explained(config, failure)

    def start(self) -> None:
        """Starts the command; returns when it has been exec'ed. Raises what hindered it."""
        failure = native.ffi.new("rn_failure *")
        if self._config.tuning.synthetic_calls:
            tuning = self._config.tuning
            status = native.lib.rn_run_start_synthetic(
                self._run, tuning.synthetic_calls, tuning.synthetic_rate, failure
            )
        else:
            status = native.lib.rn_run_start(self._run, failure)
        if status < 0 and failure.code == native.lib.RN_FAIL_ATTACH:
            raise NothingAttached(self.attached())
        if status < 0 and failure.code == native.lib.RN_FAIL_ABANDONED:
            raise Abandoned
        if status < 0:
            raise _explained(self._config, failure)

    def attached(self) -> list[tuple[int, int]]:
        """Each process to attach to, and errno: 0 = attached. After start()."""
        errors = range(len(self._config.attach))
        return [
            (pid, int(native.lib.rn_run_attached(self._run, at)))
            for pid, at in zip(self._config.attach, errors, strict=True)
        ]

    def wait(self, seconds: float) -> int | None:
        """The command's wait status once every tracee is gone and all is encoded, else None."""
        result = native.ffi.new("rn_result *")
        if not native.lib.rn_run_wait(self._run, int(seconds * 1000), result):
            return None
        return int(result.wait_status)

    def signal(self, number: int, since_ns: int) -> bool:
        """Passes a signal that came to us then (monotonic) on to the command (0: to nobody).

        False = the command has ended.
        """
        return int(native.lib.rn_run_signal(self._run, number, since_ns)) != -errno.ESRCH

    def command(self) -> int:
        """The command's process id; 0 = not started, -1 = it has ended."""
        return int(native.lib.rn_run_command(self._run))

    def let_go(self) -> int:
        """Lets all that is still traced run on by itself; how many threads have been let go.

        Call again until wait() has a status.
        """
        return int(native.lib.rn_run_let_go(self._run))

    def is_filtered(self) -> bool:
        """Whether the kernel filters calls for us: then nobody can be let go."""
        return bool(native.lib.rn_run_is_filtered(self._run))

    def signal_all(self, number: int) -> None:
        """Sends a signal to every process that is still traced."""
        native.lib.rn_run_signal_all(self._run, number)

    def at_rest(self) -> int:
        """1 if the command stands stopped by job control, 2 if all that it started does, else 0."""
        return int(native.lib.rn_run_at_rest(self._run))

    def traced(self) -> bool:
        """Whether no tracee is left; the outputs may still be at work."""
        return bool(native.lib.rn_run_traced(self._run))

    def give_up(self) -> None:
        """What is not written yet will not be, and is counted as lost."""
        self.given_up = True
        native.lib.rn_run_give_up(self._run)

    def fly(self, *_: object) -> None:
        """What the flight recorder has kept goes out. Also a handler of signals."""
        native.lib.rn_run_fly(self._run, native.lib.RN_FLOWN_ASKED)

    def judge(self, *, violated: bool) -> None:
        """With Tuning.flight_held: the run may end; its calls go out if it is `violated`."""
        native.lib.rn_run_judge(self._run, violated)

    def stats(self) -> Stats:
        """Counts so far; final once wait() has returned a status."""
        raw = native.ffi.new("rn_stats *")
        native.lib.rn_run_stats(self._run, raw)
        return Stats(**{name: int(getattr(raw, name)) for name in Stats._fields})

    def looked(self) -> dict[str, Any]:
        """Of files that calls may have changed: what they were before and what they are now.

        After traced(). `files`: of each its path and two states, as TRACE files have them, and True
        where it was mapped so that memory writes it;
        `files_not_seen`: how many more there may be.
        """
        ffi, lib = native.load()
        found = ffi.new("rn_looked_file *")
        files: list[list[Any]] = []
        while lib.rn_run_looked(self._run, len(files), found):
            states = [_file_state(state) for state in (found.before, found.after)]
            mapped = [True] if found.mapped else []
            files.append([os.fsdecode(ffi.string(found.path)), *states, *mapped])
        return {"files": files, "files_not_seen": int(lib.rn_run_not_looked(self._run))}

    def counted(self) -> Any:
        """The core's rn_counted, for spans.counts; NULL before the end, or if nothing counts."""
        return native.lib.rn_run_summary(self._run)

    def meter(self) -> Any:
        """The core's rn_meter, for spans.metered; NULL if nothing is measured."""
        return native.lib.rn_run_meter(self._run)

    def flow(self) -> Flow:
        """Where spans are now; of a run that measures."""
        raw = native.ffi.new("rn_flow *")
        native.lib.rn_run_flow(self._run, raw)
        return Flow(**{name: int(getattr(raw, name)) for name in Flow._fields})

    def take(self, out: int, seconds: float) -> Block | None:
        """The next block of queue `out`; one without spans = none yet, None = none will come.

        The caller releases it.
        """
        block = native.ffi.new("rn_block *")
        status = native.lib.rn_block_take(self._run, out, int(seconds * 1000), block)
        return None if status < 0 else Block(self._run, out, block)

    def close(self) -> None:
        """Frees everything; waits for the core's threads. Idempotent."""
        if self._run != native.ffi.NULL:
            native.lib.rn_run_free(self._run)
            self._run = native.ffi.NULL


def _file_state(state: Any) -> list[Any] | None:
    """As a TRACE file has it: None = there is no file; mode -1: it could not be looked at."""
    ffi = native.ffi
    if not state.mode and not state.unreadable:
        return None
    lanes = [int(lane) for lane in state.lanes] if state.known else None
    target = None if state.target == ffi.NULL else os.fsdecode(ffi.string(state.target))
    words = (state.uid, state.gid, state.links, state.size, state.device, state.inode, state.rdev)
    mode, attributes = int(state.mode) or -1, [int(word) for word in state.attributes]
    return [mode, *map(int, words), attributes, lanes, target]


def _explained(config: RunConfig, failure: Any) -> RenacerError:
    from renacer_otel.engine import failures

    return failures.explain(config, failure)


_given: list[str] | None = None


def take_environ(file: IO[bytes]) -> None:
    """NAME=value and a zero each: from now on our environment, whatever we were started with.

    For who has to start us, and a command by us, in an environment in which Python cannot.
    """
    global _given
    _given = [os.fsdecode(entry) for entry in file.read().split(b"\0")[:-1]]
    os.environ.clear()
    os.environ.update({name: value for name, _, value in (one.partition("=") for one in _given)})


def own_environ() -> list[str]:
    """The environment that we were started with: NAME=value, in order, nothing left out.

    Not os.environ: that lacks what has no "=" or comes twice, and has LC_CTYPE too many where
    Python coerced the C locale (PEP 538).
    """
    if _given is not None:
        return list(_given)
    try:
        with open("/proc/self/environ", "rb") as file:
            block = file.read()
    except OSError:
        return [f"{name}={value}" for name, value in os.environ.items()]
    return [os.fsdecode(entry) for entry in block.split(b"\0")[:-1]]


def span_ids(id_key: tuple[int, int]) -> tuple[int, int]:
    """Span ids of root and command's process span under a key, before there is a run."""
    root = 1 << 63
    of = native.lib.rn_span_id
    return int(of(*id_key, root)), int(of(*id_key, root | 1))


def _c_config(config: RunConfig, kept: Kept) -> Any:
    ffi, lib = native.load()
    tuning = config.tuning
    raw = ffi.new("rn_config *")
    kept.objects.append(raw)
    if config.argv:
        raw.argv = kept.strings(config.argv)
    if config.adopt:
        raw.adopt_pid, raw.adopt_fd = config.adopt
    if config.attach:
        pids = ffi.new("int32_t[]", list(config.attach))
        kept.objects.append(pids)
        raw.attach = pids
        raw.attach_count = len(config.attach)
    raw.envp = kept.strings(config.environ)
    text = lib.RN_OUT_TEXT if config.text_fd >= 0 or config.text_prefix else 0
    raw.outputs = (
        text
        | (lib.RN_OUT_OTLP if config.otlp else 0)
        | (lib.RN_OUT_JSON if config.json else 0)
        | (lib.RN_OUT_RECORD if config.record else 0)
        | (lib.RN_OUT_CSV if config.csv else 0)
        | (lib.RN_OUT_LISTING if config.listing else 0)
        | (lib.RN_OUT_SUMMARY if tuning.count_by else 0)
        | (lib.RN_OUT_METRICS if tuning.meters else 0)
    )
    raw.otlp_json = config.otlp_json
    raw.text_fd = config.text_fd
    raw.text_flags = tuning.text_flags
    raw.text_column = tuning.text_column
    if config.text_prefix:
        raw.text_prefix = kept.string(config.text_prefix)
        raw.text_append = config.text_append
    if user := config.user:
        raw.change_user = 1
        raw.uid, raw.gid = user.uid, user.gid
        groups = ffi.new("uint32_t[]", list(user.groups))
        kept.objects.append(groups)
        raw.groups, raw.group_count = groups, len(user.groups)
    raw.string_limit = tuning.string_limit
    raw.source = tuning.source
    raw.payload = tuning.payload
    raw.flight, raw.flight_held = tuning.flight, tuning.flight_held
    if tuning.redaction is not None:
        raw.redact = 1
        raw.redact_defaults = tuning.redaction.defaults
        raw.redact_patterns = kept.strings(tuning.redaction.patterns)
        raw.redact_keys = kept.strings(tuning.redaction.keys)
    raw.describe_fds = sum(1 << DESCRIBED_FDS.index(name) for name in tuning.describe_fds)
    raw.peaks = tuning.peaks
    raw.hashes = tuning.hashes
    raw.states = 0 if config.attach else 1 if tuning.states else 2 * tuning.mapped
    raw.follow = tuning.follow
    raw.max_depth = tuning.max_depth
    raw.filter = SECCOMP_MODES.index(tuning.seccomp)
    raw.no_new_privs = tuning.no_new_privs
    raw.cpu = CPU_POLICIES.index(tuning.cpu)
    raw.on_full = ON_FULL.index(tuning.on_full)
    raw.block_limit_ns = tuning.block_limit_ns
    raw.ring_bytes = tuning.ring_bytes
    raw.batch_bytes = tuning.batch_bytes
    raw.queue_bytes = tuning.queue_bytes
    raw.otlp_waits = tuning.otlp_waits
    raw.batch_spans, raw.queue_spans = tuning.batch_spans, tuning.queue_spans
    raw.batch_age_ns = tuning.batch_age_ns
    if tuning.limits is not None:
        no_limit = 0xFFFF_FFFF
        values = [no_limit if value is None else value for value in tuning.limits]
        limits = ffi.new("rn_span_limits *", values)
        kept.objects.append(limits)
        raw.limits = limits
    for name in tuning.disable:
        raw.disable |= getattr(lib, FALLBACKS[name])
    raw.propagate = config.propagate
    raw.fed = tuning.engine == "python"
    raw.trace_id = config.trace_id
    raw.parent_span_id = config.parent_span_id
    raw.parent_is_remote = config.parent_span_id != 0
    raw.trace_flags = config.trace_flags
    raw.id_key = config.id_key
    raw.lamport_seed = config.lamport_seed
    raw.tracestate = kept.string(config.tracestate)
    raw.options = kept.string(config.options)
    raw.realtime_anchor = config.realtime_anchor
    raw.monotonic_anchor = config.monotonic_anchor
    if tuning.wanted is not None:
        words = ffi.new("uint64_t[]", list(tuning.wanted))
        kept.objects.append(words)
        raw.wanted = words
    raw.hidden_signals = tuning.hidden_signals
    raw.hidden_statuses = tuning.hidden_statuses
    if tuning.paths:
        raw.paths = kept.strings(tuning.paths)
        descriptors = ffi.new("int32_t[]", list(tuning.path_fds))
        kept.objects.append(descriptors)
        raw.path_fds = descriptors
        raw.path_fd_count = len(tuning.path_fds)
    raw.meter_pids = tuning.meter_pids
    raw.fold = FOLD_MODES.index(tuning.fold)
    raw.spans = SPANS_MODES.index(tuning.spans)
    raw.max_trace_spans = tuning.max_trace_spans
    raw.min_duration_ns = tuning.min_duration_ns
    raw.errors_only = tuning.errors_only
    raw.keep_errors = tuning.keep_errors
    raw.keep_slow_ns = tuning.keep_slow_ns
    if tuning.keep_calls is not None:
        kept_calls = ffi.new("uint64_t[]", list(tuning.keep_calls))
        kept.objects.append(kept_calls)
        raw.keep_calls = kept_calls
    if tuning.count_by:
        raw.summary_by = COUNT_BY.index(tuning.count_by)
        raw.summary_wall = tuning.count_wall
    raw.side = SIDES.index(config.side)
    raw.ring_fd, raw.resumed, raw.turn = config.ring, config.resumed, config.turn
    raw.holds = config.holds
    raw.t_start = config.started
    return raw
