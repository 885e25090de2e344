# SPDX-License-Identifier: MIT
"""Seeded changes of the real commands: what is changed, and what the report must say first.

Each is what a user might do: another option, another line of a script, another file in the folder.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """`first`: a regular expression of the report's first line. `code`: of the check.

    Of the command, of files in its folder, and of its environment what is replaced: pairs.
    `script`: what a shell does in the folder after that.
    """

    command: str
    name: str
    first: str
    words: tuple[tuple[str, str], ...] = ()  # a word, by a line of shell words
    edits: tuple[tuple[str, str, str], ...] = ()  # file, what is there once, what stands for it
    script: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    code: int = 1


def _words(command: str, name: str, was: str, now: str, first: str, code: int = 1) -> Change:
    return Change(command, name, first, words=((was, now),), code=code)


def edited(
    command: str, name: str, edit: tuple[str, str, str], first: str, code: int = 1, script: str = ""
) -> Change:
    """A change of one place in a file of the command's folder."""
    return Change(command, name, first, edits=(edit,), code=code, script=script)


def _script(command: str, name: str, script: str, first: str) -> Change:
    return Change(command, name, first, script=script)


def in_words(words: tuple[str, ...], change: Change) -> tuple[str, ...]:
    """A command's words with those that the change replaces. ValueError: not there once."""
    found = list(words)
    for was, now in change.words:
        if found.count(was) != 1:
            raise ValueError(f"{change.name}: {was} is {found.count(was)} times in {words}")
        at = found.index(was)
        found[at : at + 1] = shlex.split(now)
    return tuple(found)


_GIT = (
    _words("git_status", "another form of output", "status", "status --short",
           r"now writes \d+ bytes to <stdout> instead of \d+"),
    _words("git_status", "no lock", "status", "--no-optional-locks status",
           r"no longer opens \S*\.git/index\.lock for"),
    _words("git_status", "one more child", "status", "-c status.submoduleSummary=true status",
           r"now also runs .*submodule"),
    _words("git_status", "no threads", "status", "-c core.preloadIndex=false status",
           r"now has 0 threads beside its first instead of"),
    _script("git_status", "one more file is ignored", "echo new.txt > .git/info/exclude",
            r"now writes \d+ bytes to <stdout> instead of"),
    _script("git_status", "one more file has changed", "echo xyz > d3/f3.txt",
            r"now (writes \d+ bytes to <stdout>|also opens (<folder>/)?d3/f3\.txt)"),
    Change("git_status", "a log by its environment", r"now also opens (<folder>/)?log for writing",
           environment=(("GIT_TRACE", "{folder}/log"),)),
)  # fmt: skip

_SQL, _STORE = "store.sql", "store.sh"
_FULL = "pragma synchronous = full;\n"
_SQLITE = (
    edited("sqlite", "no fsync", (_SQL, "synchronous = full", "synchronous = off"),
          r"no longer syncs <folder>(/store\.db\S*)? to disk"),
    edited("sqlite", "one fsync less in each transaction", (_SQL, "= full", "= normal"),
          r"now syncs (<folder>/)?store\.db\S* to disk \(\w+\) \d+ times instead of \d+"),
    edited("sqlite", "a write-ahead log", (_SQL, _FULL, _FULL + "pragma journal_mode = wal;\n"),
          r"store\.db-(wal|shm)"),
    edited("sqlite", "the journal is kept",
          (_SQL, _FULL, _FULL + "pragma journal_mode = persist;\n"),
          r"store\.db-journal"),
    edited("sqlite", "one number in the database", (_SQL, "'screw', 5)", "'screw', 6)"),
          r"now writes other bytes to (<folder>/store\.db|<stdout>) "),
    edited("sqlite", "one more transaction",
          (_SQL, "rollback;\n", "rollback;\ndelete from item where id = 1;\n"),
          r"store\.db\S* .*instead of"),
    edited("sqlite", "another order of output", (_SQL, "order by name", "order by amount"),
          r"now writes other bytes to <stdout>"),
    edited("sqlite", "other argv of a child", (_STORE, "-batch", "-batch -header"),
          r"is now run as: sqlite3 -batch -header store\.db"),
)  # fmt: skip

_CURL = (
    _words("curl", "one more header", "-sS", "-sS -H 'X-Mark: 1'",
           r"now writes \d+ bytes to peer 127\.0\.0\.1:<port> instead of"),
    _script("curl", "one byte of what is sent", "sed -i '1s/word/Word/' form.txt",
            r"now writes other bytes to peer 127\.0\.0\.1:<port>"),
    _words("curl", "another path of the same length", "http://{server}/page",
           "http://{server}/Page", r"now writes other bytes to peer 127\.0\.0\.1:<port>"),
    _words("curl", "another file", "page.html", "other.html",
           r"(now also|no longer) opens (<folder>/)?(other|page)\.html for writing"),
    _words("curl", "one more file", "-sS", "-sS -D headers.txt",
           r"now also opens (<folder>/)?headers\.txt for reading and writing"),
    _words("curl", "cookies are kept", "-sS", "-sS -c cookies.txt",
           r"now also .*(<folder>/)?cookies\.txt"),
    _words("curl", "one byte on standard output", "-sS", "-sS -w .",
           r"now also writes to <stdout>"),
    _words("curl", "another address of its own", "-sS", "-sS --interface 127.0.0.2",
           r"now also binds to 127\.0\.0\.2:0"),
    _words("curl", "another peer, which refuses", "http://{server}/page", "http://127.0.0.2:9/page",
           r"the command exited with 7, before: 0; it said: curl: .*127\.0\.0\.2", code=4),
    Change("curl", "a proxy by its environment", r"the command exited with \d+, before: 0; .*curl",
           environment=(("http_proxy", "http://127.0.0.3:9"),), code=4),
)  # fmt: skip

_TAR = (
    _words("tar", "other modes", "-cf", "--mode=go-r -cf",
           r"now writes other bytes to (<folder>/)?all\.tar"),
    _script("tar", "another mode of one file", "chmod 600 tree/d0/f0.txt",
            r"now writes other bytes to (<folder>/)?all\.tar"),
    _words("tar", "one file less", "-cf", "--exclude=run.sh -cf",
           r"no longer opens (<folder>/)?tree/run\.sh for reading"),
    _script("tar", "one more file", "echo more > tree/d0/more.txt",
            r"now also opens \S*d0/more\.txt for reading"),
    _words("tar", "one more child", "-cf", "-czf", r"now also runs .*gzip"),
    _words("tar", "attributes are looked at", "-cf", "--xattrs -cf",
           r"now (also calls \w*xattr|writes \d+ bytes to all\.tar)"),
    _words("tar", "a line on standard error", "-cf", "--totals -cf",
           r"now also writes to <stderr>"),
    _words("tar", "verified", "-cf", "-cWf", r"all\.tar"),
)  # fmt: skip

_SORT = (
    _words("sort", "the other way round", "-o", "-r -o",
           r"now writes other bytes to (<folder>/)?sorted\.txt"),
    _words("sort", "more memory and fewer runs", "1M", "16M",
           r"no longer opens (<folder>/)?runs/sort<random>|allocates \d+ KiB at once instead of"),
    Change("sort", "another folder for its runs", r"opens (/tmp/|(<folder>/)?runs/sort)<random>",
           words=(("runs", "/tmp"),)),
    _words("sort", "another file", "sorted.txt", "result.txt",
           r"opens (<folder>/)?(sorted|result)\.txt for writing"),
    _script("sort", "one byte", "sed -i '7s/word/Word/' big.txt",
            r"now writes other bytes to (<folder>/)?sorted\.txt"),
    _words("sort", "its runs are compressed", "-o", "--compress-program=gzip -o",
           r"now also runs gzip"),
)  # fmt: skip

_PACK = "pack.sh"
_PIPELINE = (
    edited("pipeline", "other argv of a child", (_PACK, "gzip -n", "gzip -n9"),
          r"is now run as: gzip -n9"),
    edited("pipeline", "another order of its input", (_PACK, "tree/d0/*.txt tree/d1/*.txt",
          "tree/d1/*.txt tree/d0/*.txt"), r"is now run .*cat tree/d1/f0\.txt"),
    edited("pipeline", "one child less", (_PACK, "| tee packed.gz ", ""),
          r"no longer runs tee packed\.gz"),
    edited("pipeline", "appended", (_PACK, "> size.txt", ">> size.txt"),
          r"opens (<folder>/)?size\.txt for writing .*O_APPEND"),
    edited("pipeline", "another mask", (_PACK, "set -eu", "set -eu\numask 077"),
          r"now also sets the mask of modes to 077"),
    edited("pipeline", "another exit code", (_PACK, "size.txt", "size.txt\nexit 3"),
          r"the command exited with 3, before: 0", code=4),
    _script("pipeline", "one byte", "sed -i '1s/word/Word/' tree/d0/f0.txt",
            r"now writes other bytes to (<pipe>|(<folder>/)?packed\.gz)"),
    edited("pipeline", "another mode of what it wrote",
          (_PACK, "size.txt", "size.txt\nchmod 600 size.txt"),
          r"now also runs chmod 600 size\.txt"),
)  # fmt: skip

_POOL = "thread_pool.py"
_WRITE = '    target.write_text(hashlib.sha256(data).hexdigest() + "\\n")\n'
_THREADS = (
    edited("thread_pool", "more threads", (_POOL, "Executor(4)", "Executor(8)"),
          r"now has 8 threads beside its first instead of 4"),
    edited("thread_pool", "longer digests", (_POOL, "hashlib.sha256", "hashlib.sha512"),
          r"now writes \d+ bytes to (<folder>/)?digests/.* instead of"),
    edited("thread_pool", "other digests", (_POOL, "hashlib.sha256", "hashlib.sha3_256"),
          r"now writes other bytes to (<folder>/)?digests/"),
    edited("thread_pool", "synced", (_POOL, _WRITE, _WRITE + "    with target.open() as file:\n"
          "        __import__('os').fsync(file)\n"), r"now also syncs (<folder>/)?digests/"),
    edited("thread_pool", "another mode", (_POOL, _WRITE, _WRITE + "    target.chmod(0o600)\n"),
          r"now also sets the mode of (<folder>/)?digests/\S+ to 0600"),
    edited("thread_pool", "one file less", (_POOL, 'rglob("*.txt"))', 'rglob("*.txt"))[1:]'),
          r"no longer .*d0[-/]f0|now writes \d+ bytes to <stdout>"),
    edited("thread_pool", "more memory",
          (_POOL, "with concurrent", "held = bytearray(200 << 20)\nwith concurrent"),
          r"allocates \d+ KiB at once instead of"),
    edited("thread_pool", "by another name", (_POOL, _WRITE, _WRITE +
          '    target.rename(target.with_suffix(".sum"))\n'),
          r"now also renames (<folder>/)?digests/\S+\.sha256 to "),
)  # fmt: skip

_FORK = "fork_server.py"
_FORKS = (
    edited("fork_server", "one more worker", (_FORK, "range(3)", "range(4)"),
          r"now runs 4 times instead of 3"),
    edited("fork_server", "one more request", (_FORK, "REQUESTS = 12", "REQUESTS = 13"),
          r"now connects to 127\.0\.0\.1:<port> 13 times instead of 12"),
    edited("fork_server", "another answer", (_FORK, "asked.upper() * 3", "asked.title() * 3"),
          r"now writes other bytes to (<stdout>|peer 127\.0\.0\.1)"),
    edited("fork_server", "another signal",
          (_FORK, "worker, signal.SIGTERM", "worker, signal.SIGKILL"),
          r"now ends with SIGKILL instead of|now sends SIGKILL to"),
    edited("fork_server", "not appended", (_FORK, " | os.O_APPEND", ""),
          r"opens (<folder>/)?requests\.log for writing .*instead of .*O_APPEND"),
    edited("fork_server", "each entry is synced", (_FORK, "os.write(log, asked)",
          "os.write(log, asked)\n            os.fsync(log)"),
          r"now also syncs (<folder>/)?requests\.log to disk \(fsync\)"),
    edited("fork_server", "another exit code of a child", (_FORK, "sys.exit(0)", "sys.exit(5)"),
          r"now ends with exit code 5 instead of exit code 0"),
    edited("fork_server", "another address", (_FORK, '"127.0.0.1"', '"127.0.0.2"'),
          r"now binds to 127\.0\.0\.2:0 instead of 127\.0\.0\.1:0"),
    edited("fork_server", "another working folder", (_FORK, "    while True:\n",
          '    os.chdir("/")\n    while True:\n'), r"now also changes to the folder /"),
    edited("fork_server", "one byte in a log", (_FORK, "os.write(log, asked)",
          'os.write(log, asked.replace(b" 7", b" 8"))'),
          r"now writes other bytes to (<folder>/)?requests\.log"),
)  # fmt: skip

_JOBS = "process_pool.py"
_PROCESSES = (
    edited("process_pool", "one more process", (_JOBS, "Pool(2)", "Pool(3)"),
          r"now runs 3 times instead of 2"),
    edited("process_pool", "one more file", (_JOBS, "range(16)", "range(17)"),
          r"now also opens (<folder>/)?squares/16\.txt for writing"),
    edited("process_pool", "appended", (_JOBS, '"w")', '"a")'),
          r"(<folder>/)?squares/\d+\.txt .*O_APPEND"),
    edited("process_pool", "one byte", (_JOBS, 'f"{number * number}\\n"',
          'f"{number * number + (number == 9)}\\n"'),
          r"now writes other bytes to (<folder>/)?squares/9"),
    edited("process_pool", "removed", (_JOBS, "    return number",
          '    if number == 3:\n        os.unlink("squares/3.txt")\n    return number'),
          r"now also removes (<folder>/)?squares/3\.txt"),
    edited("process_pool", "another sum", (_JOBS, "print(sum(", "print(1 + sum("),
          r"now writes other bytes to <stdout>"),
)  # fmt: skip

_MAKEFILE = "Makefile"
_MAKE = (
    edited("make", "other argv of the compiler", (_MAKEFILE, "-O1", "-O2"),
          r"is now run (as: .*|with .*)-O2"),
    Change("make", "one more source", r"is now run as: \S*cc -o shapes .* more\.o ", edits=(
        (_MAKEFILE, "text.o\n", "text.o more.o\n"),), script="echo 'int more;' > more.c"),
    edited("make", "one child less", (_MAKEFILE, "\trm -f $@\n", ""),
          r"no longer runs rm -f libcount\.a"),
    edited("make", "another number in the program", ("main.c", "area(6, 7)", "area(6, 8)"),
          r"now writes other bytes to (<folder>/)?(main\.o|shapes)"),
    edited("make", "another header", ("area.c", "#include", "#include <errno.h>\n#include"),
          r"now also opens /usr/include/\S*errno\S* for reading"),
    edited("make", "another order of objects",
          (_MAKEFILE, "main.o area.o text.o", "text.o area.o main.o"),
          r"is now run .*text\.o area\.o main\.o"),
)  # fmt: skip

_ECHO = "asyncio_echo.py"
_ASYNCIO = (
    edited("asyncio", "one byte of what clients say", (_ECHO, 'f"client {name} line',
          'f"Client {name} line'), r"now writes other bytes to peer 127\.0\.0\.1:<port>"),
    edited("asyncio", "one more connection", (_ECHO, "CLIENTS, LINES = 8", "CLIENTS, LINES = 9"),
          r"now connects to 127\.0\.0\.1:<port> 9 times instead of 8"),
    edited("asyncio", "another address", (_ECHO, 'start_server(serve, "127.0.0.1"',
          'start_server(serve, "0.0.0.0"'), r"now binds to 0\.0\.0\.0:0 instead of 127\.0\.0\.1:0"),
    edited("asyncio", "another order of answers",
          (_ECHO, "answers in found", "answers in found[::-1]"),
          r"now writes other bytes to (<folder>/)?answers\.txt"),
    edited("asyncio", "for its owner alone", (_ECHO, '"answers.txt", "w")',
          '"answers.txt", "w", opener=lambda *n: __import__("os").open(*n, 0o600))'),
          r"opens (<folder>/)?answers\.txt for writing with mode 0600 instead of 0666"),
    edited("asyncio", "more memory",
          (_ECHO, "CLIENTS, LINES", "held = bytearray(64 << 20)\nCLIENTS, LINES"),
          r"allocates \d+ KiB at once instead of"),
)  # fmt: skip

_FIND = "search.sh"
_SEARCH = (
    edited("search", "other argv of a child", (_FIND, "-lw", "-lx"), r"is now run .*grep -lx"),
    edited("search", "another file", (_FIND, "> found", "> result"),
          r"opens (<folder>/)?(found|result)\.txt for writing"),
    edited("search", "one more child", (_FIND, "| sort", "| tee log.txt | sort"),
          r"now also runs tee log\.txt"),
    _script("search", "one more file", "cp tree/d1/f1.txt tree/d2/more.txt",
            r"is now run .*tree/d2/more\.txt"),
    edited("search", "another number of files at a time", (_FIND, "-n 12", "-n 20"),
          r"is now run as: xargs -0 -n 20"),
)  # fmt: skip

_C = "trivial_cli.c"
_BUILD = "sh build.sh"
_EXAMPLE = (
    _words("trivial_cli_c", "another name of the same length", "Ada", "Eve",
           r"now writes other bytes to <stdout>"),
    edited("trivial_cli_c", "opened to be written", (_C, '"r")', '"r+")'),
          r"opens (<folder>/)?greeting\.txt for reading and writing", script=_BUILD),
    edited("trivial_cli_c", "one byte on standard error", (_C, "fclose(file);",
          'fclose(file);\n\tfputc(46, stderr);'), r"now also writes to <stderr>", script=_BUILD),
    edited("trivial_cli_c", "a child",
          (_C, "fclose(file);", 'fclose(file);\n\tpclose(popen("true", "r"));'),
          r"now also runs .*true", script="sed -i s/-std=c11/-std=gnu11/ build.sh; " + _BUILD),
    edited("trivial_cli_c", "it dies", (_C, "fclose(file);", "fclose(file); __builtin_trap();"),
          r"the command was ended by SIGILL, before: 0", script=_BUILD, code=4),
)  # fmt: skip

_PY = "trivial_cli.py"
_PRINT = '    print(f"{greeting}'
_PYTHON = (
    _script("trivial_cli_python", "another greeting", "echo Hallo > greeting.txt",
            r"now writes other bytes to <stdout>"),
    edited("trivial_cli_python", "standard input",
          (_PY, _PRINT, "    sys.stdin.read()\n" + _PRINT),
          r"now also reads from <stdin>"),
    edited("trivial_cli_python", "one more file",
          (_PY, _PRINT, '    open("log", "a").close()\n' + _PRINT),
          r"now also opens (<folder>/)?log for writing"),
    edited("trivial_cli_python", "a folder", (_PY, _PRINT,
          "    import os\n    os.makedirs('logs/today', exist_ok=True)\n" + _PRINT),
          r"now also makes the folder (<folder>/)?logs(/today)?\b"),
    edited("trivial_cli_python", "one more library",
          (_PY, "import sys", "import colorsys\nimport sys"),
          r"now also opens \S*colorsys\S* for reading"),
    _words("trivial_cli_python", "a file that is not there", "--name", "--config other.txt --name",
           r"the command exited with 1, before: 0; it said: .*other\.txt", code=4),
)  # fmt: skip

CHANGES = (
    *_GIT, *_SQLITE, *_CURL, *_TAR, *_SORT, *_PIPELINE, *_THREADS, *_FORKS, *_PROCESSES, *_MAKE,
    *_ASYNCIO, *_SEARCH, *_EXAMPLE, *_PYTHON,
)  # fmt: skip
