# SPDX-License-Identifier: MIT
"""Calls on files: opening, writing, naming, changing, syncing."""

from __future__ import annotations

import os

from renacer_otel.analysis.equivalence.files import Node, Open
from renacer_otel.analysis.equivalence.following import Call, Following, Process

_O_ACCMODE, _O_CREAT, _O_EXCL, _O_TRUNC, _O_APPEND = 3, 0o100, 0o200, 0o1000, 0o2000
_O_DSYNC, _O_TMPFILE = 0o10000, 0o20000000
_S_IFMT, _MAP_SHARED, _PROT_WRITE = 0o170000, 1, 2
_MADE = {0o140000: "socket", 0o120000: "symbolic link", 0o060000: "block device",
         0o040000: "folder", 0o020000: "character device", 0o010000: "fifo"}  # fmt: skip


class FileCalls(Following):
    """Handlers: `_on_` and the call's name."""

    def _sent(self, call: Call, to: Open, length: int) -> None:
        """Bytes that go elsewhere than into a file."""
        raise NotImplementedError

    # --- opening and closing ---------------------------------------------------------------------

    def _on_open(self, call: Call, process: Process) -> None:
        self._opened(call, process, self._path(process, call.path), call.args[1], call.args[2])

    def _on_creat(self, call: Call, process: Process) -> None:
        flags = _O_CREAT | _O_TRUNC | os.O_WRONLY
        self._opened(call, process, self._path(process, call.path), flags, call.args[1])

    def _on_openat(self, call: Call, process: Process) -> None:
        path = self._path(process, call.path, call.fd(0))
        self._opened(call, process, path, call.args[2], call.args[3])

    def _on_openat2(self, call: Call, process: Process) -> None:
        path = self._path(process, call.path, call.fd(0))
        self._doubt("path", f"openat2 of {path}: its flags are not recorded")
        self._opened(call, process, path, os.O_RDWR, 0)

    def _opened(self, call: Call, process: Process, path: str, flags: int, mode: int) -> None:
        names = self.names
        alias = self._alias(process, path)
        if alias is not None and not (alias.node is None and alias.stream is None):
            process.fds[call.result] = alias
            return
        writes = flags & _O_ACCMODE != os.O_RDONLY
        if flags & _O_TMPFILE:
            node = Node(born=True, emptied=True, length=0, mode=mode & 0o7777 & ~process.umask)
            path = ""
        else:
            found = names.find(path)
            if found is None and flags & _O_CREAT:
                node = Node(born=True, mode=mode & 0o7777 & ~process.umask)
                folder = names.find(os.path.dirname(path))
                if flags & _O_EXCL or (folder is not None and folder.born):
                    node.emptied, node.length = True, 0
                names.put(path, node)
            else:
                node = found or names.get(path)
            if flags & _O_TRUNC and writes:
                names.touch(path, node)
                if node.extents.end or node.tail.size or not node.emptied:
                    node.cut(0)
        if call.object:
            self._by_object[call.object] = node
        process.fds[call.result] = Open(
            call.object, node, path, 0, bool(flags & _O_APPEND), writes, bool(flags & _O_DSYNC)
        )

    def _copied(self, call: Call, process: Process) -> None:
        process.fds[call.result] = self._open(call, process, call.fd(0))

    def _on_dup(self, call: Call, process: Process) -> None:
        known = process.fds.get(call.fd(0))
        object_id = known.object if known else call.object
        self._copied(call._replace(object=object_id), process)

    def _on_fcntl(self, call: Call, process: Process) -> None:
        if call.args[1] in (0, 1030):  # F_DUPFD, F_DUPFD_CLOEXEC
            self._on_dup(call, process)

    def _on_close(self, call: Call, process: Process) -> None:
        # 0 to 2, closed, are no streams of the command's any more.
        process.fds[call.fd(0)] = Open(-1)

    def _on_chdir(self, call: Call, process: Process) -> None:
        process.cwd = self._path(process, call.path)

    def _on_fchdir(self, call: Call, process: Process) -> None:
        found = process.fds.get(call.fd(0))
        if found is None or not found.path:
            self._doubt("path", "the working folder is not known after fchdir")
        else:
            process.cwd = found.path

    def _on_umask(self, call: Call, process: Process) -> None:
        process.umask = call.args[0] & 0o777

    # --- writing ---------------------------------------------------------------------------------

    def _on_write(self, call: Call, process: Process) -> None:
        self._written(call, self._open(call, process, call.fd(0)), call.result, None)

    def _on_pwrite64(self, call: Call, process: Process) -> None:
        self._written(call, self._open(call, process, call.fd(0)), call.result, call.args[3])

    def _on_pwritev2(self, call: Call, process: Process) -> None:
        at = None if call.args[3] == (1 << 64) - 1 else call.args[3]
        self._written(call, self._open(call, process, call.fd(0)), call.result, at)

    def _on_sendfile(self, call: Call, process: Process) -> None:
        self._written(call, self._open(call, process, call.fd(0)), call.result, None)

    def _on_copy_file_range(self, call: Call, process: Process) -> None:
        to = self._open(call._replace(object=0), process, call.fd(2))
        self._written(call, to, call.result, None if not call.args[3] else -1)

    def _on_splice(self, call: Call, process: Process) -> None:
        self._on_copy_file_range(call, process)

    def _written(self, call: Call, to: Open, length: int, offset: int | None) -> None:
        """`offset`: None: where the description stands; -1: not known."""
        if to.node is None or to.stream is not None:
            self._sent(call, to, length)
            return
        if not length:
            return
        if not to.path:
            to.path = call.path
        if offset is not None:
            at: int | None = offset if offset >= 0 else None
        elif to.append:
            at = None
        else:
            at = to.offset
            if at is not None:
                to.offset = at + length
        if at is None and not to.append:
            self._doubt("offset", f"where in {to.path or 'a file'} was written is not known")
            to.node.write(None, length, None)
        else:
            if at is None:
                to.node.ways.add("appended")
            elif at < to.node.extents.end:
                to.node.ways.add("written over")
            to.node.write(at, length, call.content)
        if to.path:
            self.names.touch(to.path, to.node) if self.names.find(to.path) is to.node else None
        if to.syncs:
            to.node.sync(self.names.next())

    def _on_read(self, call: Call, process: Process) -> None:
        found = process.fds.get(call.fd(0))
        if found is not None and found.writes and found.offset is not None:
            found.offset += call.result

    def _on_lseek(self, call: Call, process: Process) -> None:
        found = process.fds.get(call.fd(0))
        if found is None:
            return
        found.offset = call.result
        node = found.node
        at_end = call.args[2] == os.SEEK_END and not call.args[1]
        if at_end and node is not None and not node.is_written and call.result == 0:
            node.emptied, node.length = True, 0  # so it is empty

    def _on_ftruncate(self, call: Call, process: Process) -> None:
        node = self._open(call, process, call.fd(0)).node
        if node is not None:
            node.cut(call.args[1])

    def _on_truncate(self, call: Call, process: Process) -> None:
        path = self._path(process, call.path)
        node = self.names.get(path)
        node.cut(call.args[1])
        self.names.touch(path, node)

    def _on_fallocate(self, call: Call, process: Process) -> None:
        node = self._open(call, process, call.fd(0)).node
        if node is None or call.args[1] & 1:  # FALLOC_FL_KEEP_SIZE
            return
        if call.args[1]:
            node.extents.put(call.args[2], call.args[3], None)
        if node.length is not None:
            node.length = max(node.length, call.args[2] + call.args[3])

    def _on_mmap(self, call: Call, process: Process) -> None:
        if call.args[3] & _MAP_SHARED and call.args[2] & _PROT_WRITE and call.fd(4) >= 0:
            node = self._open(call, process, call.fd(4)).node
            if node is not None:
                if not node.mapped:
                    self.mapped.append(node)
                node.mapped = node.touched = node.dirty = True
                self._touched(self._open(call, process, call.fd(4)))
                node.ways.add("written through memory")

    # --- names -----------------------------------------------------------------------------------

    def _on_rename(self, call: Call, process: Process) -> None:
        self._renamed(self._path(process, call.path), self._path(process, call.other), 0)

    def _on_renameat(self, call: Call, process: Process) -> None:
        old, new = self._two(call, process)
        self._renamed(old, new, call.args[4] if call.name == "renameat2" else 0)

    def _two(self, call: Call, process: Process) -> tuple[str, str]:
        old = self._path(process, call.path, call.fd(0))
        return old, self._path(process, call.other, call.fd(2))

    def _renamed(self, old: str, new: str, flags: int) -> None:
        if flags & 2:  # RENAME_EXCHANGE
            self.names.exchange(old, new)
        elif old != new:
            self.names.move(old, new)

    def _on_link(self, call: Call, process: Process) -> None:
        self._linked(process, self._path(process, call.path), self._path(process, call.other))

    def _on_linkat(self, call: Call, process: Process) -> None:
        if call.path or not call.args[4] & 0x1000:  # AT_EMPTY_PATH
            self._linked(process, *self._two(call, process))
            return
        new = self._path(process, call.other, call.fd(2))
        node = self._open(call._replace(object=0), process, call.fd(0)).node
        self.names.put(new, node if node is not None else Node())

    def _linked(self, process: Process, old: str, new: str) -> None:
        alias = self._alias(process, old)
        node = alias.node if alias is not None and alias.node is not None else self.names.get(old)
        if self.names.find(old) is node:
            self.names.touch(old, node)
        self.names.put(new, node)

    def _on_symlink(self, call: Call, process: Process) -> None:
        node = Node("symbolic link", born=True, target=call.path)
        self.names.put(self._path(process, call.other), node)

    def _on_symlinkat(self, call: Call, process: Process) -> None:
        node = Node("symbolic link", born=True, target=call.path)
        self.names.put(self._path(process, call.other, call.fd(1)), node)

    def _on_unlink(self, call: Call, process: Process) -> None:
        self.names.remove(self._path(process, call.path))

    def _on_unlinkat(self, call: Call, process: Process) -> None:
        self.names.remove(self._path(process, call.path, call.fd(0)))

    def _on_mkdir(self, call: Call, process: Process) -> None:
        self._made(self._path(process, call.path), 0o040000 | call.args[1], process)

    def _on_mkdirat(self, call: Call, process: Process) -> None:
        self._made(self._path(process, call.path, call.fd(0)), 0o040000 | call.args[2], process)

    def _on_mknod(self, call: Call, process: Process) -> None:
        self._made(self._path(process, call.path), call.args[1], process)

    def _on_mknodat(self, call: Call, process: Process) -> None:
        self._made(self._path(process, call.path, call.fd(0)), call.args[2], process)

    def _made(self, path: str, mode: int, process: Process) -> None:
        kind = _MADE.get(mode & _S_IFMT, "file")
        self.names.put(path, Node(kind, born=True, mode=mode & 0o7777 & ~process.umask))

    # --- modes and owners ------------------------------------------------------------------------

    def _on_chmod(self, call: Call, process: Process) -> None:
        self._changed(self._path(process, call.path), call.args[1])

    def _on_fchmodat(self, call: Call, process: Process) -> None:
        self._changed(self._path(process, call.path, call.fd(0)), call.args[2])

    def _changed(self, path: str, mode: int) -> None:
        node = self.names.get(path)
        node.mode = mode & 0o7777
        self.names.touch(path, node)

    def _on_fchmod(self, call: Call, process: Process) -> None:
        found = self._open(call, process, call.fd(0))
        if found.node is not None:
            found.node.mode = call.args[1] & 0o7777
            self._touched(found)

    def _touched(self, found: Open) -> None:
        if found.node is not None and found.path and self.names.find(found.path) is found.node:
            self.names.touch(found.path, found.node)

    def _on_chown(self, call: Call, process: Process) -> None:
        path = self._path(process, call.path)
        node = self.names.get(path)
        node.owner = (call.args[1] & 0xFFFFFFFF, call.args[2] & 0xFFFFFFFF)
        self.names.touch(path, node)

    def _on_fchownat(self, call: Call, process: Process) -> None:
        path = self._path(process, call.path, call.fd(0))
        node = self.names.get(path)
        node.owner = (call.args[2] & 0xFFFFFFFF, call.args[3] & 0xFFFFFFFF)
        self.names.touch(path, node)

    def _on_fchown(self, call: Call, process: Process) -> None:
        found = self._open(call, process, call.fd(0))
        if found.node is not None:
            found.node.owner = (call.args[1] & 0xFFFFFFFF, call.args[2] & 0xFFFFFFFF)
            self._touched(found)

    def _on_setxattr(self, call: Call, process: Process) -> None:
        if call.name.startswith("f"):
            found = self._open(call, process, call.fd(0))
            path, node = found.path, found.node
        else:
            path = self._path(process, call.path)
            node = self.names.get(path)
        _, name, value, *_ = [*call.words.split("\x1f"), "", "..."]
        if "remove" in call.name:
            value = "removed"
        # An access list may be no more than the mode, and what is long is not all there.
        if (
            node is None
            or not name.startswith('"')
            or name.startswith('"system.')
            or value[-3:] == "..."
        ):
            what = "what its extended attributes are set to is not recorded"
            self._doubt("attributes", f"{path}: {what}")
            return
        node.attributes[name.strip('"')] = value
        if self.names.find(path) is node:
            self.names.touch(path, node)

    # --- to disk ---------------------------------------------------------------------------------

    def _on_fsync(self, call: Call, process: Process) -> None:
        found = process.fds.get(call.fd(0))
        if found is None or found.node is None:
            return
        if found.node.touched or found.writes:
            found.node.sync(self.names.next())
        if found.path:
            self.names.sync_folder(found.path)

    def _on_sync(self, _call: Call, _process: Process) -> None:
        self.names.sync_all()

    def _on_msync(self, call: Call, _process: Process) -> None:
        if call.args[2] & 4:  # MS_SYNC: which file is behind the memory is not followed
            for node in self.mapped:
                if node.dirty:
                    node.sync(self.names.next())
