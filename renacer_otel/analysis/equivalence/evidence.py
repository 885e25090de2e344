# SPDX-License-Identifier: MIT
"""From a trace to a State: which of its effects a user of the system could see."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.equivalence import ipc, looked, socket_calls
from renacer_otel.analysis.equivalence import state as aspects
from renacer_otel.analysis.equivalence.contents import digest_of
from renacer_otel.analysis.equivalence.effects import Effects
from renacer_otel.analysis.equivalence.state import Aspect, Bytes, Measures, State
from renacer_otel.analysis.equivalence.tree import is_cache
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from renacer_otel.analysis.equivalence.files import Connection, Node
    from renacer_otel.spans.replay import Replay

STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}
# Writing there leaves nothing behind, or is told as what it is: signals, outputs.
_NOWHERE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/random")
# Of replay.UNKNOWN, what effects are seen by.
_NEEDED = frozenset(("calls", "processes", "arguments", "paths", "objects", "signals"))
_NO_FILES = ("/dev/pts/", "/proc/", "/dev/fd/", "(")
# Questions to the system, not to somebody: names, users, the log of whoever asks for it.
_SERVICES = (":53", "/nscd/socket", "/systemd/resolve", "/run/systemd/userdb", "/.heim_org.h5l")

# After the command's end: who ends sooner was about to, and who ends later was left running.
_LATER_NS = (500_000_000, 2_000_000_000)


def _counts(path: str) -> bool:
    """Whether what becomes of a path is an effect."""
    return path not in _NOWHERE and not path.startswith(_NO_FILES) and not is_cache(path)


class Evidence:
    """What a trace tells of a run.

    `state`: without the files; `changed`: those elsewhere than in the folder that it started in.
    """

    def __init__(self, run: Replay) -> None:
        self.state = State()
        self._run = run
        metadata = run.metadata
        self.cwd = str(metadata.get("cwd") or "")
        umask = metadata.get("umask")
        self.effects = Effects(run, cwd=self.cwd, umask=umask if isinstance(umask, int) else 0o022)
        self._whole()
        self._connections()
        self._signals()
        self._left_running()
        self._durability()
        for name, count in Counter(self.effects.removed).items():
            self.state.aspects[Aspect(aspects.IPC, name, "removed")] = count
        self.state.measures = measures(run)
        self.state.pids = frozenset(process.pid for process in run.processes.values())
        command = run.processes.get(1)
        self.state.wait_status = command.wait_status if command else None

    def shown(self, path: str) -> str:
        """A path, relative to the folder that the command started in if it lies there."""
        if self.cwd and (path == self.cwd or path.startswith(self.cwd + "/")):
            return path[len(self.cwd) + 1 :] or "."
        return path

    @property
    def changed(self) -> list[str]:
        """Files elsewhere that were made, written, renamed or removed, by their paths."""
        return [path for path, _ in self._files() if os.path.isabs(self.shown(path))]

    def _files(self) -> list[tuple[str, Node | None]]:
        return [
            (path, node)
            for path, node in sorted(self.effects.names.nodes.items())
            if (node is None or node.touched) and _counts(path)
        ]

    # --- what is told in any case ----------------------------------------------------------------

    def _whole(self) -> None:
        run, doubt = self._run, self.state.doubt
        if not run.complete:
            doubt("lost", "the trace was cut short")
        if run.lost_events or run.lost_calls:
            doubt("lost", f"{run.lost_events + run.lost_calls:,} events were lost")
        if run.missed:
            doubt("lost", f"no memory for {run.missed:,} rows of the trace")
        if run.is_filtered:
            doubt("filtered", "only the calls of -e trace= are in the trace")
        untold = [words for what, words in replay.UNKNOWN.items() if what in run.unknown & _NEEDED]
        if untold:
            doubt("form", f"{run.form} does not tell {', '.join(untold)}")
        if run.metadata.get("attached"):
            doubt("attached", "processes were attached to: what they had done before is not known")
        for kind, what in self.effects.doubts:
            doubt(kind, what)

    def _left_running(self) -> None:
        """Processes that are there yet some time after the command's end."""
        command = self._run.processes.get(1)
        if command is None or command.wait_status is None:
            return
        names, unsure = [], []
        for process in self._run.processes.values():
            if process is command:
                continue
            after = process.t_end - command.t_end
            if process.wait_status is None or after > _LATER_NS[1]:
                names.append(process.name)
            elif after > _LATER_NS[0]:
                unsure.append(process.name)
        if unsure:
            self.state.doubt("varies", f"{unsure[0]} ran on for a moment after the command's end")
        elif names:
            aspect = Aspect(aspects.EXIT, "", "left running")
            self.state.aspects[aspect] = tuple(sorted(names))

    def _connections(self) -> None:
        by_role: dict[str, list[Connection]] = {}
        for each in self.effects.connections:
            asks = any(word in each.role for word in _SERVICES)
            # A socket of datagrams that is connected, and sends none, is not seen by anybody.
            seen = not each.datagrams or each.messages is None or each.messages.count != 0
            if each.role and seen and not (each.inside or asks):
                by_role.setdefault(each.role, []).append(each)
        for role, connections in by_role.items():
            values = sorted(map(_sent, connections), key=repr)
            aspect = Aspect(aspects.CONNECTIONS, role, "connections")
            self.state.aspects[aspect] = len(values)
            settings = sorted(f"{name} {value}" for each in connections
                              for name, value in each.settings.items())  # fmt: skip
            if settings:
                aspect = Aspect(aspects.CONNECTIONS, role, "setting of its socket")
                self.state.aspects[aspect] = tuple(settings)
            for number, (value, messages) in enumerate(values, 1):
                which = "" if len(values) == 1 else f" ({number})"
                aspect = Aspect(aspects.CONNECTIONS, role, f"bytes sent{which}")
                self.state.aspects[aspect] = value
                if messages is not None:
                    aspect = Aspect(aspects.CONNECTIONS, role, f"messages sent{which}")
                    self.state.aspects[aspect] = messages
        served: Counter[str] = Counter()
        for each in self.effects.connections:
            if not socket_calls.is_gone(
                each, path_is_there=self.effects.names.find(each.bound) is not None
            ):
                address = self.shown(each.bound) if each.is_path else each.bound
                served[socket_calls.served(each, address)] += 1
        del served[""]
        for what, count in served.items():
            self.state.aspects[Aspect(aspects.CONNECTIONS, what, "sockets")] = count

    def _signals(self) -> None:
        for (_, name), count in Counter(self.effects.signals).items():
            aspect = Aspect(aspects.SIGNALS, name, "sent to processes outside")
            self.state.aspects[aspect] = count

    def _durability(self) -> None:
        names, order = self.effects.names, []
        for path, node in self._files():
            if node is None:
                continue
            shown, publication = self.shown(path), names.published.get(path)
            if node.ways or publication is not None:
                ways = set(node.ways)
                if publication is not None and publication.renamed:
                    ways.add("renamed into place")
                elif node.extents.end or node.length is not None:
                    ways.add("written in place")
                aspect = Aspect(aspects.WAYS, shown, "written how")
                self.state.aspects[aspect] = ", ".join(sorted(ways))
            if names.is_synced(path):
                aspect = Aspect(aspects.DURABILITY, shown, "name")
                self.state.aspects[aspect] = "synced"
            if not node.synced:
                continue
            if node.dirty:
                how = "synced, and written again"
            elif publication is not None and publication.renamed and not publication.clean:
                how = "synced only after it had its name"
            else:
                how = "synced"
            self.state.aspects[Aspect(aspects.DURABILITY, shown, "data")] = how
            order.append((node.synced, shown, "data"))
            if publication is not None and publication.renamed:
                order.append((publication.tick, shown, "name"))
        if order:
            steps = tuple((path, what) for _, path, what in sorted(order))
            self.state.aspects[Aspect(aspects.DURABILITY, "", "order")] = steps

    # --- what only a trace tells, where nobody looked at the real state --------------------------

    def add_outputs(self) -> None:
        """The exit status, and what was written to standard output and error."""
        status = self.state.wait_status
        if status is None:
            self.state.doubt("lost", "the command had not ended")
        else:
            self.state.aspects[Aspect(aspects.EXIT, "", "status")] = status
        for number in (1, 2):
            stream = self.effects.streams.get(number)
            size = stream.connection.sent if stream is not None and stream.connection else None
            value = size.value() if size is not None else Bytes(0, digest_of((0, (0, 0))), "hashes")
            self.state.aspects[Aspect(aspects.OUTPUT, STREAMS[number], "content")] = value

    def add_left(self, before: frozenset[ipc.Number] | None = None, *, look: bool = False) -> None:
        """What System V and POSIX keep of it. `look`: that is here, as the run left it; then what
        is not among those of `before` is removed, so that the next run begins without it."""
        left = list(self.effects.left.values())
        ipc.tell(self.state, left, look=look)
        if look:
            kept = [each.shown for each in left if not ipc.is_removed(each, before)]
            if kept:
                shown = ", ".join(sorted(set(kept))[:3])
                self.state.doubt("outside", f"{shown}: left behind, and the next run found it")

    def add_files(self) -> None:
        """What became of files, as far as calls tell it."""
        self.state.doubt("no final state", "nobody looked at the files after the run")
        for path, node in self._files():
            shown = self.shown(path)

            def put(what: str, value: Any, shown: str = shown) -> None:
                self.state.aspects[Aspect(aspects.FILES, shown, what)] = value

            if node is None:
                put("type", "absent")
                continue
            put("type", node.kind or "file")
            if node.mode is not None and node.kind != "symbolic link":
                put("mode", node.mode)
            if node.owner is not None:
                put("owner", node.owner)
            for name, value in node.attributes.items():
                put(f"attribute {name}", value)
            if node.kind == "symbolic link":
                put("target", node.target)
            elif node.kind in ("file", "") and node.is_written:
                put("content", self._content(node))
        self.state.existed = frozenset(
            self.shown(path) for path, _ in self._files() if self.effects.names.was_there(path)
        )
        self.state.looked = looked.of_run(self._run, self.shown, _counts)
        by_node: dict[int, list[str]] = {}
        for path, node in self._files():
            if node is not None:
                by_node.setdefault(id(node), []).append(self.shown(path))
        for names in by_node.values():
            if len(names) > 1:
                aspect = Aspect(aspects.FILES, min(names), "names of one file")
                self.state.aspects[aspect] = tuple(sorted(names))

    def _content(self, node: Node) -> Bytes:
        if node.mapped:
            return Bytes(0, b"", "mapped")
        size = None
        if node.emptied:
            size = (node.length or 0) + node.tail.size
        return node.extents.value(size=size, tail=node.tail)


def _sent(each: Connection) -> tuple[Bytes, Bytes | None]:
    """The bytes, and where messages end in them if the socket keeps that."""
    return each.sent.value(), None if each.messages is None else each.messages.value()


def of_trace(run: Replay) -> State:
    """All that a trace alone tells (read with details)."""
    evidence = Evidence(run)
    evidence.add_outputs()
    evidence.add_files()
    evidence.add_left()
    return evidence.state


def measures(run: Replay) -> Measures:
    """Calls, time net of tracing, peak of memory."""
    end = run.end or {}
    time = None
    try:
        wall, added = int(end["wall_ns"]), int(end["added_ns"])
        time = max(wall - max(added, 0), 1) if wall > 0 else None
    except (LookupError, TypeError, ValueError):
        pass
    peak = None
    if not run.is_filtered:
        try:
            found = memory.peaks(Subject(History.of(run)))
            peak = found[0].total if found else None
        except memory.TooMany:
            pass
    return Measures(len(run.calls), time, peak)
