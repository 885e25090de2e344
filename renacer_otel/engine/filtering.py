# SPDX-License-Identifier: MIT
"""Whether calls are filtered in the kernel: what it needs, and what it would change.

A seccomp filter is inherited and cannot be taken away. Without CAP_SYS_ADMIN it needs
no_new_privs (seccomp(2)), which keeps set-id programs and transitions of security modules from
taking effect; it is set only where these would have none anyway: under ptrace without
CAP_SYS_PTRACE set-id is void (execve(2)).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from renacer_otel.engine import native
from renacer_otel.engine.launch import WORDS_PER_ABI

_CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 19, 21
# Before Linux 4.8 the filter ran before the stop at a call's entry (seccomp(2)).
_OLDEST = (4, 8)
# Of the calls of this machine, the share that must be left out for `auto` to take the trouble.
_ENOUGH = 0.5


class Facts(NamedTuple):
    """What decides about permission."""

    kernel: tuple[int, int]
    capabilities: int  # effective, bits
    no_new_privs: bool
    filtered: bool  # we run under somebody's filter ourselves
    transitions: str  # the security module whose transitions no_new_privs would prevent, or ""


class Decision(NamedTuple):
    """`mode`: of SECCOMP_MODES, for the core. `reason`: why it is off, or what to beware of."""

    mode: str
    no_new_privs: bool = False
    reason: str = ""


def decide(
    asked: str, wanted: Sequence[int] | None, detaches: str, facts: Facts | None = None
) -> Decision:
    """What becomes of `--seccomp-bpf asked` (of SECCOMP_MODES).

    `wanted`: the calls that are recorded, None = all; `detaches`: the option that would let
    tracees go while they run, or "". With "on" a reason and mode "off" together are an error.
    """
    if asked == "off":
        return Decision("off", reason="as asked")
    if wanted is None:
        return Decision("off", reason="every call is asked for (-e trace= selects)")
    if detaches:
        return Decision("off", reason=f"{detaches} lets go of processes, and a filter cannot be"
                        " taken from them")  # fmt: skip
    if asked == "auto" and _left_out(wanted) < _ENOUGH:
        return Decision("off", reason="more than half of all calls are asked for")
    return permitted(asked, facts)


def permitted(asked: str = "auto", facts: Facts | None = None) -> Decision:
    """The same by permission alone."""
    facts = facts or look()
    if facts.kernel < _OLDEST:
        return Decision("off", reason="Linux 4.8 or newer is needed")
    no_new_privs = False
    if not facts.capabilities >> _CAP_SYS_ADMIN & 1 and not facts.no_new_privs:
        no_new_privs = True
        if facts.capabilities >> _CAP_SYS_PTRACE & 1:
            return Decision(
                "off",
                reason="it would need no_new_privs, and with CAP_SYS_PTRACE set-id programs have"
                " their rights; add CAP_SYS_ADMIN, or drop CAP_SYS_PTRACE",
            )
        if facts.transitions:
            return Decision(
                "off",
                reason=f"it would need no_new_privs, which keeps {facts.transitions} from changing"
                " domains; CAP_SYS_ADMIN does without",
            )
    if facts.filtered:
        reason = "we run under a seccomp filter ourselves: calls that it forbids would not be seen"
        if asked == "auto":
            return Decision("off", reason=reason)
        return Decision(asked, no_new_privs, reason)
    return Decision(asked, no_new_privs)


def _left_out(wanted: Sequence[int]) -> float:
    """The share of this machine's calls that are not recorded."""
    ffi, lib = native.load()
    abi = lib.rn_native_abi()
    known = [nr for nr in range(lib.rn_table_limit(abi)) if lib.rn_table_name(abi, nr) != ffi.NULL]
    words = wanted[abi * WORDS_PER_ABI : (abi + 1) * WORDS_PER_ABI]
    out = sum(1 for nr in known if nr // 64 >= WORDS_PER_ABI or not words[nr // 64] >> nr % 64 & 1)
    return out / len(known) if known else 0.0


def look() -> Facts:
    """The facts of this process and machine."""
    words = os.uname().release.split("-")[0].split(".")
    numbers = [int(word) for word in words[:2] if word.isdigit()]
    status = dict(
        line.split(":", 1) for line in _read("/proc/self/status").splitlines() if ":" in line
    )
    return Facts(
        kernel=(numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0),
        capabilities=int(status.get("CapEff", "0").strip() or "0", 16),
        no_new_privs=status.get("NoNewPrivs", "0").strip() == "1",
        filtered=status.get("Seccomp", "0").strip() == "2",
        transitions=_transitions(),
    )


def _transitions() -> str:
    """The security module that enforces domains which an exec may change, or ""."""
    if _read("/sys/fs/selinux/enforce") == "1":
        return "SELinux"
    if os.path.isdir("/sys/fs/smackfs"):
        return "Smack"
    # AppArmor: who is unconfined may be confined by an exec even so.
    if _read("/proc/self/attr/current").endswith("(enforce)"):
        return "AppArmor"
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip().rstrip("\0")
    except OSError:
        return ""
