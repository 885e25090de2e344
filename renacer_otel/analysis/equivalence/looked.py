# SPDX-License-Identifier: MIT
"""Files that the tracer looked at, before a run changed them and after its end.

A TRACE of `--capture hashes` has them. What only one of two runs may have changed, the other left
as it was before: so a file that is written anew with the bytes that it had is no difference.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.analysis.equivalence.state import DURABILITY, FILES, KINDS, Aspect, Bytes, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renacer_otel.spans.replay import Replay

#: Of State.doubts, what is no doubt where the tracer looked.
_SETTLED = ("no final state",)


class FileState(NamedTuple):
    """What stat(2) tells, and the content; `target`: of a symbolic link.

    `mode` 0: there was none; -1: it could not be looked at.
    """

    mode: int = 0
    uid: int = 0
    gid: int = 0
    links: int = 0
    device: int = 0
    inode: int = 0
    rdev: int = 0
    attributes: str = ""  # of all extended ones, a hash
    content: Bytes | None = None
    target: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is something."""
        return self.mode != 0

    @property
    def shown(self) -> tuple[object, ...]:
        """What a user sees of it: two that are alike have the same."""
        owner = (self.uid, self.gid) if self.is_there else ()
        return (self.mode, owner, self.content, self.target, self._device, self.attributes)

    @property
    def _device(self) -> tuple[int, int] | None:
        special = self.mode > 0 and stat.S_IFMT(self.mode) in (stat.S_IFCHR, stat.S_IFBLK)
        return (os.major(self.rdev), os.minor(self.rdev)) if special else None

    def aspects(self) -> Iterator[tuple[str, Any]]:
        """By their names."""
        if not self.is_there:
            yield "type", "absent"
            return
        yield "type", KINDS.get(stat.S_IFMT(max(self.mode, 0)), "unknown")
        yield "owner", (self.uid, self.gid)
        if self.target is not None:
            yield "target", self.target
        else:
            yield "mode", stat.S_IMODE(max(self.mode, 0))
        if self.content is not None:
            yield "content", self.content
        if self.attributes:
            yield "extended attributes", f"of hash {self.attributes}"
        if self._device is not None:
            yield "device", self._device


ABSENT = FileState()


@dataclass
class Looked:
    """By path, as State has them: before, and after. `missed`: how many more there may be."""

    files: dict[str, tuple[FileState, FileState]] = field(default_factory=dict)
    missed: int = 0

    def end_of(self, path: str, other: Looked) -> FileState:
        """What a path is in the end: `other` has it, too, or alone."""
        if path in self.files:
            return self.files[path][1]
        folder = os.path.dirname(path)
        while folder:
            if folder in self.files:
                if stat.S_ISDIR(max(self.files[folder][1].mode, 0)):
                    break
                return ABSENT  # its folder is gone, or is another thing
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        return other.files[path][0]


def of_run(
    run: Replay, shown: Callable[[str], str], counts: Callable[[str], bool]
) -> Looked | None:
    """What the end of a TRACE tells. None: nothing was looked at, or it is not to be read.

    `shown`: how a path is called; `counts`: whether it does.
    """
    if run.metadata.get("states") is not True or not run.end:
        return None
    try:
        found = Looked(missed=int(run.end["files_not_seen"]))
        for name, before, after, *_mapped in run.end["files"]:
            if counts(path := str(name)):
                found.files[shown(path)] = (_state(before), _state(after))
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
    return found


def _state(given: Any) -> FileState:
    if given is None:
        return ABSENT
    *words, attributes, lanes, target = given
    mode, uid, gid, links, size, device, inode, rdev = (int(word) for word in words)
    if not -1 <= mode < 1 << 32 or not all(0 <= int(word) < 1 << 64 for word in words[1:]):
        raise ValueError("no state")
    seen = "".join(f"{int(word):016x}" for word in attributes) if any(attributes) else ""
    content = None
    if stat.S_ISREG(max(mode, 0)):
        content = Bytes(size, b"", "looked at")
        if lanes:
            one, two = (int(lane) for lane in lanes)
            content = content._replace(digest=one.to_bytes(8, "big") + two.to_bytes(8, "big"))
    elif target is not None:
        target = str(target)
    return FileState(mode, uid, gid, links, device, inode, rdev, seen, content, target)


def completed(ours: State, theirs: State) -> tuple[State, State]:
    """Both with all files that one of them may have changed."""
    mine, yours = ours.looked, theirs.looked
    assert mine is not None
    assert yours is not None
    made = _without_files(ours), _without_files(theirs)
    for path in sorted({*mine.files, *yours.files}):
        ends = mine.end_of(path, yours), yours.end_of(path, mine)
        if not (ends[0].is_there or ends[1].is_there):
            continue
        before = [looked.files[path][0] for looked in (mine, yours) if path in looked.files]
        if len(before) == 2 and before[0].shown != before[1].shown:
            made[0].doubt("start", f"{path} was not the same before both runs")
        if _has_other_names(before) and ends[0].shown != ends[1].shown and len(before) == 1:
            made[0].doubt("content", f"{path}: it has more names, by which it may be changed")
            continue
        for state, end in zip(made, ends, strict=True):
            if end.mode < 0:
                state.doubt("unreadable", f"{path} could not be looked at")
            for what, value in end.aspects():
                state.aspects[Aspect(FILES, path, what)] = value
    _leave_linked(made, {*mine.files, *yours.files})
    for state, looked in zip(made, (mine, yours), strict=True):
        _tell_names(state, looked)
        if looked.missed:
            what = "what became of them is not known"
            state.doubt("content", f"{looked.missed:,} files were not looked at: {what}")
    return made


def _without_files(state: State) -> State:
    """What is compared is what files are, not what calls made of them."""
    aspects = {aspect: value for aspect, value in state.aspects.items() if aspect.group != FILES}
    doubts = [doubt for doubt in state.doubts if doubt.kind not in _SETTLED]
    return replace(state, aspects=aspects, doubts=doubts, existed=frozenset())


def _leave_linked(made: tuple[State, State], known: set[str]) -> None:
    """Calls tell what was synced by the names that they were given; looks have the real ones."""
    ours, theirs = (
        {aspect: value for aspect, value in state.aspects.items() if aspect.group == DURABILITY}
        for state in made
    )
    linked = sorted({aspect.subject for aspect in (*ours, *theirs)} - {"", *known})
    if ours == theirs or not linked:
        return
    for state in made:
        for aspect in (*ours, *theirs):
            state.aspects.pop(aspect, None)
    what = "has links in it, or was not looked at: what was made durable is not known"
    made[0].doubt("content", f"the name {linked[0]} {what}")


def _has_other_names(states: list[FileState]) -> bool:
    return any(stat.S_ISREG(max(each.mode, 0)) and each.links > 1 for each in states)


def _tell_names(state: State, looked: Looked) -> None:
    """Names that the run has made one file."""
    groups: dict[tuple[int, int], list[str]] = {}
    for path, (before, after) in looked.files.items():
        if stat.S_ISREG(max(after.mode, 0)) and after.links > 1 and before.links < 2:
            groups.setdefault((after.device, after.inode), []).append(path)
    for names in groups.values():
        if len(names) > 1:
            aspect = Aspect(FILES, min(names), "names of one file")
            state.aspects[aspect] = tuple(sorted(names))
