# SPDX-License-Identifier: MIT
"""What the command starts with that is not ours: variables by -E, a user by -u; and its start where
it is not `run` that was asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel.engine.launch import User
from renacer_otel.errors import EngineError, UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Iterable, Sequence


def with_changes(environ: Sequence[str], changes: Iterable[str]) -> list[str]:
    """The environment with each NAME=VALUE set, in place if it is there, and each NAME unset.

    Raises UsageError for an empty name.
    """
    entries = list(environ)
    for change in changes:
        name, equals, _ = change.partition("=")
        if not name or "\0" in change:
            raise UsageError(f"-E '{one_line(change, 40)}': write NAME=VALUE, or NAME to unset it")
        at = [i for i, entry in enumerate(entries) if entry.partition("=")[0] == name]
        if equals and at:
            entries[at[0]] = change
            at = at[1:]
        elif equals:
            entries.append(change)
        for i in reversed(at):
            del entries[i]
    return entries


def find_user(name: str | None) -> User | None:
    """The user of -u, by name or number, with its groups as login gives them.

    Raises UsageError if there is none of that name, EngineError if we may not become it.
    """
    if name is None:
        return None
    import pwd

    try:
        known = pwd.getpwnam(name)
    except (KeyError, ValueError):
        known = _by_number(name)
    if os.geteuid() != 0:
        raise EngineError(f"-u {one_line(name, 40)}: only root can run a command as another user")
    groups = os.getgrouplist(known.pw_name, known.pw_gid)
    return User(known.pw_uid, known.pw_gid, tuple(groups))


def _by_number(name: str) -> pwd.struct_passwd:
    import pwd

    if name.isascii() and name.isdigit():
        try:
            return pwd.getpwuid(int(name))
        except (KeyError, OverflowError):
            pass
    hint = did_you_mean(name, (entry.pw_name for entry in pwd.getpwall()))
    raise UsageError(f"-u: there is no user '{one_line(name, 40)}'{hint}")


def record(
    command: Sequence[str],
    trace: str,
    options: Sequence[str] = (),
    *,
    hashes: bool = False,
    peaks: bool = False,
    judge: Callable[[], bool] | None = None,
) -> int:
    """Runs a command as `run` does, with its own streams, recorded in the TRACE file `trace`.

    `options`: more of run's; `hashes`: of what it writes and sends, too; `peaks`: of its memory;
    `judge`: of run.Caller.
    Returns its wait status. A signal that asks us to end ends all that it runs, and raises Stopped.
    """
    from renacer_otel.cli import run

    words = ["--format", "record", "-o", trace, "--quiet=attach"]
    if hashes or peaks:
        words += ["--capture", ",".join(["hashes"] * hashes + ["rss"] * peaks)]
    caller = run.Caller(os.environ, ends_all=True, judge=judge)
    return run.recorded([*words, *options, "--", *command], caller)
