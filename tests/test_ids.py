# SPDX-License-Identifier: MIT
"""What the comparison of traces takes for an id."""

from __future__ import annotations

import pytest

from tests.ids import Ids


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("getpid() = 4096", "getpid() = PID"),
        ("wait4(4096, NULL, 0, NULL) = 4096", "wait4(PID, NULL, 0, NULL) = PID"),
        ("kill(1500, SIGUSR1) = 0", "kill(PID, SIGUSR1) = 0"),
        ("--- SIGCHLD {si_pid=1500, si_uid=0} ---", "--- SIGCHLD {si_pid=PID, si_uid=0} ---"),
        ("prlimit64(4096, RLIMIT_CORE, NULL) = 0", "prlimit64(PID, RLIMIT_CORE, NULL) = 0"),
        ("recvfrom(3, {nlmsg_pid=1500}, 4096) = 9", "recvfrom(3, {nlmsg_pid=PID}, 4096) = 9"),
        ("close(10<NETLINK:[ROUTE:1500]>) = 0", "close(10<NETLINK:[ROUTE:PID]>) = 0"),
        ('open("/proc/1500/stat", 0) = 4096', 'open("/proc/PID/stat", 0) = 4096'),
    ],
)
def test_ids_are_hidden(line: str, hidden: str) -> None:
    assert Ids([1500, "4096"]).hidden(line) == hidden


@pytest.mark.parametrize(
    "line",
    [
        'read(3, "", 4096) = 1500',
        "fstat(3, {st_mode=S_IFREG|0644, st_size=1500, ...}) = 0",
        "prlimit64(0, RLIMIT_NOFILE, NULL, {rlim_cur=1500, rlim_max=4096}) = 0",
        "getpid() = 15000",
    ],
)
def test_a_number_that_is_one_by_chance_is_not(line: str) -> None:
    assert Ids([1500, "4096"]).hidden(line) == line
    assert Ids([]).hidden(line) == line
