# SPDX-License-Identifier: MIT
"""What a correct ptrace tracer must survive, numbered, and the tests that show it.

The numbers are those of the project's list of what strace, rr and gdb test; cases that name a
number in cases.py show it, too. A test holds that each reference exists.
"""

from __future__ import annotations

_E, _C = "tests/engine/", "tests/cli/"

#: number: (what a correct tracer does, tests of files elsewhere as FILE::FUNCTION)
NUMBERS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "attaches to running, sleeping, stopped processes; detached they are as before",
        (
            _E + "test_attach.py::test_a_blocking_call_goes_on",
            _E + "test_attach.py::test_a_stopped_process_stays_stopped",
            _E + "test_attach.py::test_stopped_while_attached_it_stays_stopped",
        ),
    ),
    2: (
        "attaches to all threads, also those born meanwhile",
        (_E + "test_attach.py::test_all_threads_and_what_is_born_later",),
    ),
    3: (
        "attaches and launches in one run",
        (_E + "test_attach.py::test_a_command_and_a_process_in_one_run",),
    ),
    4: (
        "says who traces a process already, or forbids it, and harms nothing",
        (
            _C + "test_attach.py::test_one_that_is_traced_already",
            _C + "test_attach.py::test_one_that_strace_traces",
            _C + "test_attach.py::test_another_user_s",
            _C + "test_forbidden.py::test_yama",
        ),
    ),
    5: ("follows fork and vfork from the child's first call on", ()),
    6: ("bears a child's stop before its maker tells of it", ()),
    7: ("follows clone and clone3 with odd flags, each child counted once", ()),
    8: (
        "adopts a child that turns up by CLONE_PTRACE alone",
        (_E + "test_births.py::test_handed_to_us_without_a_word",),
    ),
    9: (
        "leaves a CLONE_UNTRACED child its calls, with a filter, too",
        (_E + "test_filter_guard.py::test_untraced_children_stay_and_are_not_recorded",),
    ),
    10: (
        "ends an execve from another thread than the first once, under the right id",
        (_E + "test_exec.py::test_from_a_thread_that_is_not_the_first",),
    ),
    11: (
        "leaves no call open of threads that an execve or exit_group ended",
        (_E + "test_exec.py::test_threads_inside_calls_at_exit_group",),
    ),
    12: (
        "keeps group-stops, which parents see, and SIGCONT",
        (_E + "test_stops.py::test_a_stop_holds_until_it_is_continued",),
    ),
    13: (
        "lets Ctrl-Z stop the program, its handler first",
        (_E + "test_terminal.py::test_a_job_stops_and_goes_on",),
    ),
    14: ("delivers each signal once, in order, to its thread, with its siginfo", ()),
    15: (
        "hands on blocked and ignored signals of its caller",
        (_E + "test_signals.py::test_masks_and_ignored_signals_are_the_caller_s",),
    ),
    16: ("takes a thread that vanishes at any request as gone, and goes on", ()),
    17: (
        "closes what a SIGKILL by anyone at any stop leaves, and ends",
        (
            _E + "test_signals.py::test_killed_at_any_moment",
            _E + "test_kills.py::test_launched_the_traced_is_killed",
        ),
    ),
    18: ("serves threads that spin in cheap calls fairly, and answers signals", ()),
    19: (
        "killed, it leaves attached processes alive and takes a launched command along",
        (
            _E + "test_kills.py::test_attached_the_tracer_is_killed",
            _E + "test_kills.py::test_launched_the_tracer_is_killed",
            _E + "test_signals.py::test_a_killed_tracer_takes_the_command_along",
        ),
    ),
    20: (
        "detaches at SIGINT and SIGTERM with 130 and 143, in a vfork, too",
        (
            _C + "test_attach.py::test_detached_by_a_signal",
            _E + "test_attach.py::test_a_parent_in_vfork",
        ),
    ),
    21: (
        "passes SIGTERM on to a launched command and ends as it ends",
        (_E + "test_signals.py::test_the_tracer_ends_by_the_signal_that_ended_the_command",),
    ),
    22: (
        "bears a first thread that is gone while others live",
        (_E + "test_attach.py::test_the_first_thread_has_ended",),
    ),
    23: ("shows programs EINTR and SA_RESTART as bare, and ERESTART* never", ()),
    24: (
        "lets a sleep last its whole time over stops and attaching",
        (
            _E + "test_stops.py::test_a_stopped_sleep_lasts_its_whole_time",
            _E + "test_attach.py::test_a_blocking_call_goes_on",
        ),
    ),
    25: ("keeps entries and exits of threads apart", ()),
    26: (
        "stops only at chosen calls by a filter, which children inherit",
        (
            _E + "test_filter.py::test_what_is_not_wanted_does_not_stop",
            _E + "test_filter.py::test_the_same_events",
            _E + "test_filter_program.py::test_small_and_quick",
        ),
    ),
    27: (
        "leaves a program's own seccomp filters their effect",
        (_E + "test_filter_guard.py::test_it_sees_what_it_sees_alone",),
    ),
    28: (
        "lets a traced tracer fail with EPERM, as it would",
        (_C + "test_forbidden.py::test_within_another_tracer_of_ours",),
    ),
    29: ("bears all strings, pointers, lengths and numbers; errno as bare", ()),
    30: (
        "reads otherwise, or says that it could not, where process_vm_readv is refused",
        (_C + "test_forbidden.py::test_what_has_a_fallback_is_not_missed",),
    ),
    31: (
        "decodes int 0x80 and x32 by their own tables",
        (_E + "test_fallbacks.py::test_a_32_bit_program",),
    ),
    32: ("shows ids of the tracer's namespace, and acts on the right process", ()),
    33: (
        "says of a command that cannot be run what a shell says",
        (
            _C + "test_start.py::test_no_such_command",
            _C + "test_start.py::test_no_permission",
        ),
    ),
    34: (
        "leaks no descriptor, variable, umask, limit",
        (_E + "test_inherit.py::test_limits_masks_identity_and_descriptors",),
    ),
    35: (
        "tells of a full or lost output; the command runs on",
        (
            _C + "test_losses.py::test_full_disk",
            _C + "test_losses.py::test_reader_that_is_gone",
            _C + "test_losses.py::test_fail_on_loss",
        ),
    ),
    36: (
        "gets from registers what PTRACE_GET_SYSCALL_INFO says: the lane without it",
        (_E + "test_fallbacks.py::test_the_same_calls_arguments_and_results",),
    ),
}
