# SPDX-License-Identifier: MIT
"""Builds the shared library and its cffi module from ``native/``.

Used by the build hook (``hatch_build.py``) and by ``./dev``; needs nothing but the standard
library, and cffi for :func:`write_api_module`.

The compiler is ``$CC``, else ``cc``, ``gcc`` or ``clang``, whichever first compiles a trivial
library; where none does, the ``ziglang`` wheel, which the build hook asks for only then. With
``RENACER_BUILD_TARGET`` (a zig target such as ``aarch64-linux-gnu.2.28`` or
``x86_64-linux-musl``) zig cross-compiles. ``CFLAGS`` and ``LDFLAGS`` are appended.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import importlib.util
import io
import os
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("renacer_otel", "_native")
API_HEADERS = ("api.h", "replay.h")  # what Python sees
LIBRARY = "librenacer.so"
API_MODULE = "_api.py"

# What a build without isolation needs; pyproject.toml names the first two.
BUILD_REQUIRES = ("hatchling>=1.27", "cffi>=1.15", "editables>=0.5")
ZIG_REQUIRES = "ziglang>=0.14,<0.18"

# The oldest glibc that a zig-built library asks for; headers hide what came later.
ZIG_GLIBC = "2.28"

COMPILE_FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE=",
    "-O2",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
    "-fno-semantic-interposition",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wall",
    "-Wextra",
)
LINK_FLAGS = ("-shared", "-pthread", "-Wl,-z,relro", "-Wl,-z,now")

_PROBE = """\
#include <linux/filter.h>
#include <pthread.h>
#include <stdio.h>
int probe(struct sock_filter *filter) { return printf("%p", (void *)filter); }
"""


class BuildError(RuntimeError):
    """The library cannot be built here; the message says why and what to do."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler that works: the command, and flags that only it needs."""

    command: tuple[str, ...]
    flags: tuple[str, ...] = ()


def _environment() -> dict[str, str]:
    env = dict(os.environ)
    cache = Path(env.get("ZIG_GLOBAL_CACHE_DIR") or Path("~/.cache").expanduser())
    if not os.access(cache if cache.exists() else cache.parent, os.W_OK):
        env["ZIG_GLOBAL_CACHE_DIR"] = str(Path(tempfile.gettempdir(), "renacer-zig-cache"))
    return env


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(),
        check=False,
    )


def _candidates() -> list[list[str]]:
    """The system's compilers, best first: words of a command whose program exists."""
    named = shlex.split(os.environ.get("CC", ""))
    found = []
    for words in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        program = shutil.which(words[0])
        if program:
            found.append([program, *words[1:]])
    return found


def _works(compiler: Compiler) -> bool:
    with tempfile.TemporaryDirectory(prefix="renacer-cc-") as folder:
        source = Path(folder, "probe.c")
        source.write_text(_PROBE, encoding="ascii")
        command = [*compiler.command, *compiler.flags, *COMPILE_FLAGS, *LINK_FLAGS]
        try:
            done = _run([*command, "-o", str(Path(folder, "probe.so")), str(source)])
        except OSError:
            return False
        return done.returncode == 0


def _zig_target() -> str:
    libc = "musl" if "musl" in (sysconfig.get_config_var("SOABI") or "") else f"gnu.{ZIG_GLIBC}"
    return f"{platform.machine()}-linux-{libc}"


def _zig(target: str | None) -> Compiler | None:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.origin:
        return None
    program = Path(spec.origin).with_name("zig")
    flags = ("-target", target or _zig_target(), "-fno-sanitize=undefined", "-g0")
    return Compiler((str(program), "cc"), flags)


def find_compiler(target: str | None = None) -> Compiler | None:
    """The compiler to build with (for ``target``, a zig target, if given), or None."""
    if target is None:
        for words in _candidates():
            compiler = Compiler(tuple(words))
            if _works(compiler):
                return compiler
    zig = _zig(target)
    return zig if zig is not None and _works(zig) else None


def requirements(target: str | None = None) -> list[str]:
    """What must be installed to build here besides ``build-system.requires``."""
    if target is None and any(_works(Compiler(tuple(words))) for words in _candidates()):
        return []
    return [ZIG_REQUIRES]


def wheel_tag(target: str | None = None) -> str:
    """``py3-none-<platform>``: the library has no ABI of a Python in it."""
    if target is None:
        return "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
    match = re.fullmatch(r"(\w+)-linux-(?:gnu\.(\d+)\.(\d+)|(musl))", target)
    if match is None:
        raise BuildError(
            f"RENACER_BUILD_TARGET={target} is not understood: give ARCH-linux-gnu.MAJOR.MINOR "
            "or ARCH-linux-musl"
        )
    arch, major, minor, musl = match.groups()
    libc = "musllinux_1_2" if musl else f"manylinux_{major}_{minor}"
    return f"py3-none-{libc}_{arch}"


def sources(root: Path) -> list[Path]:
    """Every C file of the library, sorted."""
    native = root / "native"
    skipped = (native / "tests", native / "build")
    return sorted(p for p in native.rglob("*.c") if not any(s in p.parents for s in skipped))


def _digest(root: Path, target: str | None) -> str:
    """A hash of everything that decides what the library is."""
    digest = hashlib.sha256()
    included = (p for p in root.joinpath("native").rglob("*") if p.suffix in (".h", ".inc"))
    for path in [*sources(root), *sorted(included), root / "native/build/corebuild.py"]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    facts: list[object] = [sys.version_info[:2], platform.machine(), target]
    facts += [os.environ.get(name) for name in ("CC", "CFLAGS", "LDFLAGS")]
    for words in _candidates():
        stat = os.stat(words[0])
        facts.append((words, stat.st_size, stat.st_mtime_ns))
    digest.update(repr(facts).encode())
    return digest.hexdigest()


def strip_comments(text: str) -> str:
    """C text without ``/* */`` and ``//`` comments (the headers have no such strings)."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def _api_text(root: Path) -> str:
    headers = (root / "native" / "include" / "renacer" / name for name in API_HEADERS)
    return strip_comments("\n".join(header.read_text(encoding="utf-8") for header in headers))


def api_declarations(root: Path) -> str:
    """What cffi is told: ``API_HEADERS`` whole, and the enums of the other public headers.

    Lines for the preprocessor are left out, but for ``#define NAME number``.
    """
    include = root / "native" / "include" / "renacer"
    lines = []
    for line in _api_text(root).splitlines():
        if not line.lstrip().startswith("#"):
            lines.append(line)
            continue
        match = re.fullmatch(r"\s*#\s*define\s+(\w+)\s+(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\s*", line)
        if match:
            lines.append(f"#define {match[1]} {match[2]}")
    for header in sorted(include.glob("*.h")):
        if header.name not in API_HEADERS:
            text = strip_comments(header.read_text(encoding="utf-8"))
            lines += re.findall(r"^enum(?:\s+\w+)?\s*\{[^{}]*\}\s*;", text, flags=re.MULTILINE)
    return "\n".join(lines)


def api_functions(root: Path) -> list[str]:
    """Names of the functions that ``API_HEADERS`` declare: what the library exports."""
    text = re.sub(r"^\s*#.*$", "", _api_text(root), flags=re.MULTILINE)
    return sorted(set(re.findall(r"\b(rn_\w+)\s*\([^;{}]*\)\s*;", text)))


def write_api_module(root: Path, path: Path) -> None:
    """Writes cffi's out-of-line ABI module (in-line parsing would cost 80 ms at each start)."""
    import cffi

    ffi = cffi.FFI()
    ffi.set_source("renacer_otel._native._api", None)
    ffi.cdef(api_declarations(root))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.redirect_stdout(io.StringIO()):
        ffi.emit_python_code(str(temporary))
    os.replace(temporary, path)


def _compile(compiler: Compiler, root: Path, source: Path, output: Path) -> str:
    flags = [*compiler.flags, *COMPILE_FLAGS, f"-ffile-prefix-map={root}=."]
    flags += [f"-I{root / 'native/include'}", f"-I{root / 'native'}"]
    flags += ["-include", str(root / "native/build/export.h")]
    flags += shlex.split(os.environ.get("CFLAGS", ""))
    done = _run([*compiler.command, *flags, "-c", "-o", str(output), str(source)])
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(compiler.command)} cannot compile {source}:\n{done.stdout}")
    return done.stdout


def _link(compiler: Compiler, objects: list[Path], output: Path) -> None:
    flags = [*compiler.flags, *LINK_FLAGS, *shlex.split(os.environ.get("LDFLAGS", ""))]
    done = _run([*compiler.command, *flags, "-o", str(output), *map(str, objects)])
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(compiler.command)} cannot link {LIBRARY}:\n{done.stdout}")


def _check_platform() -> None:
    if not sys.platform.startswith("linux"):
        raise BuildError("renacer-otel traces Linux system calls: it can be built on Linux only")
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        raise BuildError("renacer-otel needs a 64-bit little-endian Python (x86_64 or aarch64)")


def build(root: Path, output: Path, target: str | None = None) -> bool:
    """Builds library and cffi module into the folder ``output``; False if they were current.

    Raises :class:`BuildError` where there is no compiler or the sources do not compile.
    """
    _check_platform()
    library, module = output / LIBRARY, output / API_MODULE
    stamp = output / ".stamp"
    digest = _digest(root, target)
    if library.exists() and module.exists() and stamp.exists() and stamp.read_text() == digest:
        return False
    compiler = find_compiler(target)
    if compiler is None:
        raise BuildError(
            "no working C compiler: install gcc or clang, or run `pip install ziglang` "
            "and build with --no-build-isolation"
        )
    output.mkdir(parents=True, exist_ok=True)
    write_api_module(root, module)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=output) as folder:
        files = sources(root)
        objects = [Path(folder, f"{number}.o") for number in range(len(files))]
        jobs = len(os.sched_getaffinity(0))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            work = [
                pool.submit(_compile, compiler, root, source, made)
                for source, made in zip(files, objects, strict=True)
            ]
            for done in work:
                sys.stderr.write(done.result())
        _link(compiler, objects, Path(folder, LIBRARY))
        # A running process keeps the old file: the library is replaced, never rewritten.
        os.replace(Path(folder, LIBRARY), library)
    stamp.write_text(digest, encoding="ascii")
    return True


def main(arguments: list[str]) -> int:
    """``corebuild.py [build | requires | cc]``: for ``./dev`` and ``native/tests/run.sh``."""
    command = arguments[0] if arguments else "build"
    try:
        if command == "build":
            build(ROOT, ROOT / PACKAGE)
        elif command == "requires":
            print("\n".join([*BUILD_REQUIRES, *requirements()]))
        elif command == "cc":
            compiler = find_compiler()
            if compiler is None:
                return 1
            print(shlex.join([*compiler.command, *compiler.flags]))
        else:
            print(f"corebuild.py: no such command: {command}", file=sys.stderr)
            return 2
    except BuildError as error:
        print(f"corebuild.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
