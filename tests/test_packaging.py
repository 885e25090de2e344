# SPDX-License-Identifier: MIT
"""The build: wheel, sdist, what the library exports, and a machine with no compiler."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import corebuild
import pytest

from renacer_otel import __version__
from renacer_otel.engine import native

SOURCES = ("native", "renacer_otel", "LICENSE", "README.md", "hatch_build.py", "pyproject.toml")
PLATFORM = corebuild.wheel_tag().removeprefix("py3-none-")


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Runs a command and returns what it printed; fails the test, with all of it, if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


def build(tree: Path, kind: str, output: Path, env: dict[str, str] | None = None) -> Path:
    """Calls the build backend in ``tree`` (``wheel`` or ``sdist``) and returns what it made."""
    code = f"import hatchling.build as b, sys; print(b.build_{kind}(sys.argv[1]))"
    output.mkdir(exist_ok=True)
    printed = run(sys.executable, "-c", code, output, cwd=tree, env=env)
    return output / printed.splitlines()[-1]


@pytest.fixture
def tree(source_root: Path, tmp_path: Path) -> Path:
    """A copy of the sources with nothing built in it: builds must not touch the real one."""
    copy = tmp_path / "tree"
    copy.mkdir()
    made = shutil.ignore_patterns(
        corebuild.LIBRARY, corebuild.API_MODULE, ".stamp", ".build-*", "__pycache__"
    )
    for name in (*SOURCES, ".gitignore"):
        path = source_root / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=made)
        elif path.exists():
            shutil.copy(path, copy / name)
    return copy


@pytest.fixture
def small_tree(tree: Path) -> Path:
    """The same with a core of one function, for tests of the build and not of the sources."""
    for folder in (tree / "native").iterdir():
        if folder.name not in ("include", "build"):
            shutil.rmtree(folder)
    (tree / "native" / "one.c").write_text("int rn_api_version(void) { return RN_API_VERSION; }\n")
    return tree


def glibc_of(library: Path) -> int:
    """The minor version of the newest glibc symbol that an ELF file asks for."""
    versions = re.findall(rb"\0GLIBC_2\.(\d+)", library.read_bytes())
    return max((int(version) for version in versions), default=0)


def elf_needs(path: Path) -> set[str]:
    """Shared libraries that an ELF file names as needed (any string table entry like lib*.so*)."""
    return {
        match.decode() for match in re.findall(rb"\0(lib[\w.+-]*\.so[\w.]*)", path.read_bytes())
    }


def test_wheel_holds_the_core_and_serves_every_python(
    tree: Path, source_root: Path, tmp_path: Path, test_scale: int
) -> None:
    """The core is that of the sources here, built from nothing at full scale."""
    if test_scale == 1:
        for name in (corebuild.LIBRARY, corebuild.API_MODULE, ".stamp"):
            shutil.copy2(source_root / corebuild.PACKAGE / name, tree / corebuild.PACKAGE / name)
    wheel = build(tree, "wheel", tmp_path / "dist")
    assert wheel.name == f"renacer_otel-{__version__}-py3-none-{PLATFORM}.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"renacer_otel-{__version__}.dist-info"
        tags = archive.read(f"{info}/WHEEL").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
        archive.extract(f"renacer_otel/_native/{corebuild.LIBRARY}", tmp_path)
    assert f"renacer_otel/_native/{corebuild.API_MODULE}" in names
    assert "renacer_otel/py.typed" in names
    assert f"{info}/licenses/LICENSE" in names
    strangers = {name.split("/", 1)[0] for name in names} - {"renacer_otel", info}
    assert not strangers
    hidden = [name for name in names if "/." in name or "__pycache__" in name]
    assert not hidden
    assert "Root-Is-Purelib: false" in tags
    assert f"Tag: py3-none-{PLATFORM}" in tags
    assert "renacer-otel = renacer_otel.cli.main:main" in scripts
    needed = elf_needs(tmp_path / "renacer_otel" / "_native" / corebuild.LIBRARY)
    assert not {name for name in needed if "python" in name}


def test_sdist_builds_the_wheel(small_tree: Path, tmp_path: Path) -> None:
    sdist = build(small_tree, "sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        if sys.version_info >= (3, 12):
            archive.extractall(tmp_path / "unpacked", filter="data")
        else:
            archive.extractall(tmp_path / "unpacked")
    root = f"renacer_otel-{__version__}"
    assert f"{root}/native/include/renacer/api.h" in names
    assert f"{root}/hatch_build.py" in names
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc", "_api.py"))]
    wheel = build(tmp_path / "unpacked" / root, "wheel", tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive:
        assert f"renacer_otel/_native/{corebuild.LIBRARY}" in archive.namelist()


def test_second_build_is_skipped_until_something_changes(small_tree: Path) -> None:
    output = small_tree / corebuild.PACKAGE
    library = output / corebuild.LIBRARY
    assert corebuild.build(small_tree, output)
    first = library.stat().st_ino, library.stat().st_mtime_ns
    assert not corebuild.build(small_tree, output)
    assert (library.stat().st_ino, library.stat().st_mtime_ns) == first
    included = small_tree / "native" / "table.inc"
    included.write_text("/* data */\n")
    assert corebuild.build(small_tree, output)
    header = small_tree / "native" / "include" / "renacer" / "api.h"
    header.write_text(header.read_text() + "\n/* changed */\n")
    assert corebuild.build(small_tree, output)
    library.unlink()
    assert corebuild.build(small_tree, output)


def test_other_compiler_flags_build_again(
    small_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = small_tree / corebuild.PACKAGE
    assert corebuild.build(small_tree, output)
    monkeypatch.setenv("CFLAGS", "-DSOMETHING=1")
    assert corebuild.build(small_tree, output)


def test_error_in_a_source_names_the_file(small_tree: Path) -> None:
    (small_tree / "native" / "bad.c").write_text("int x = ;\n")
    output = small_tree / corebuild.PACKAGE
    with pytest.raises(corebuild.BuildError, match=r"cannot compile .*bad\.c"):
        corebuild.build(small_tree, output)
    assert not (output / corebuild.LIBRARY).exists()
    assert not list(output.glob(".build-*"))


def test_no_compiler_at_all_says_what_to_do(
    small_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(small_tree))
    monkeypatch.setattr(corebuild, "_zig", lambda target: None)
    with pytest.raises(corebuild.BuildError, match="install gcc or clang"):
        corebuild.build(small_tree, small_tree / corebuild.PACKAGE)


def test_zig_is_required_only_where_nothing_else_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexit 0\n")
    compiler.chmod(0o755)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert corebuild.requirements() == []
    compiler.write_text("#!/bin/sh\nexit 1\n")
    assert corebuild.requirements() == [corebuild.ZIG_REQUIRES]
    compiler.unlink()
    assert corebuild.requirements() == [corebuild.ZIG_REQUIRES]
    assert corebuild.requirements("aarch64-linux-gnu.2.28") == [corebuild.ZIG_REQUIRES]


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("aarch64-linux-gnu.2.28", "py3-none-manylinux_2_28_aarch64"),
        ("x86_64-linux-gnu.2.17", "py3-none-manylinux_2_17_x86_64"),
        ("x86_64-linux-musl", "py3-none-musllinux_1_2_x86_64"),
    ],
)
def test_wheel_tag_of_a_target(target: str, tag: str) -> None:
    assert corebuild.wheel_tag(target) == tag


@pytest.mark.parametrize("target", ["aarch64", "x86_64-windows-gnu", "x86_64-linux-gnu", ""])
def test_target_that_is_not_understood(target: str) -> None:
    with pytest.raises(corebuild.BuildError, match="RENACER_BUILD_TARGET"):
        corebuild.wheel_tag(target)


def test_library_exports_the_api_and_nothing_else(source_root: Path) -> None:
    declared = corebuild.api_functions(source_root)
    assert "rn_run_new" in declared
    missing = [name for name in declared if not hasattr(native.lib, name)]
    assert not missing, f"declared, defined nowhere: {missing}"
    library = Path(native.__file__).parents[1] / "_native" / corebuild.LIBRARY
    assert not exported(library) - set(declared)
    compiler = corebuild.find_compiler()
    if compiler is not None and "ziglang" in compiler.command[0]:
        assert glibc_of(library) <= int(corebuild.ZIG_GLIBC.split(".")[1])


def exported(library: Path) -> set[str]:
    """Names of the defined global symbols in the dynamic symbol table of a 64-bit ELF file."""
    data = library.read_bytes()
    table, entry_size, count = (
        struct.unpack_from("<Q", data, 40)[0],
        struct.unpack_from("<H", data, 58)[0],
        struct.unpack_from("<H", data, 60)[0],
    )
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_size) for i in range(count)
    ]
    dynsym = next(section for section in sections if section[1] == 11)
    strings = sections[dynsym[6]][4]
    found = set()
    for offset in range(dynsym[4], dynsym[4] + dynsym[5], 24):
        name, info, _other, index = struct.unpack_from("<IBBH", data, offset)
        if index != 0 and info >> 4 == 1:
            end = data.index(b"\0", strings + name)
            found.add(data[strings + name : end].decode())
    return found


def test_constants_of_the_headers_reach_python() -> None:
    assert native.lib.RN_OUT_TEXT == 8
    assert native.lib.RN_TEXT_DURATION == 8
    assert native.lib.RN_FLAG_UNFINISHED == 8
    assert native.lib.RN_KIND_COUNT == 11
    assert native.lib.RN_RING_CORRUPT == -4


def test_loader_refuses_another_api_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = module_beside(tmp_path, monkeypatch)
    source = tmp_path / "other.c"
    source.write_text("int rn_api_version(void) { return 77; }\n")
    compiler = corebuild.find_compiler()
    assert compiler is not None
    library = tmp_path / native.LIBRARY
    run(*compiler.command, *compiler.flags, "-shared", "-fPIC", "-o", library, source, cwd=tmp_path)
    with pytest.raises(native.NativeCoreMissing, match="API version 77") as caught:
        native._load()
    assert caught.value.exit_code == 125
    assert module


def test_loader_tells_that_the_library_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module_beside(tmp_path, monkeypatch)
    with pytest.raises(native.NativeCoreMissing, match="cannot be loaded") as caught:
        native._load()
    assert "\n" not in str(caught.value)
    assert "reinstall renacer-otel" in str(caught.value)


def test_loader_tells_that_nothing_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "renacer_otel._native._api", None)
    with pytest.raises(native.NativeCoreMissing, match="was not built"):
        native._load()


def module_beside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the loader look for the library in ``folder``."""
    native.load()
    module = sys.modules["renacer_otel._native._api"]
    monkeypatch.setattr(module, "__file__", str(folder / corebuild.API_MODULE))
    return module


def test_build_requirements_agree(source_root: Path) -> None:
    project = (source_root / "pyproject.toml").read_text(encoding="utf-8")
    line = re.search(r"^requires = \[(.*)\]$", project, flags=re.MULTILINE)
    assert line is not None
    requires = set(re.findall(r'"([^"]+)"', line[1]))
    assert requires
    assert requires <= set(corebuild.BUILD_REQUIRES)


def test_version_is_told(tmp_path: Path) -> None:
    printed = run(sys.executable, "-m", "renacer_otel", "--version", cwd=tmp_path)
    assert printed.split()[-1] == __version__


def test_the_backend_asks_for_ziglang_where_nothing_compiles(
    small_tree: Path, tmp_path: Path
) -> None:
    """As pip asks it, before it builds."""
    code = "import hatchling.build as b; print(*b.get_requires_for_build_wheel(), sep='\\n')"
    env = {key: value for key, value in os.environ.items() if key not in ("CC", "PYTHONPATH")}
    asked = run(sys.executable, "-c", code, cwd=small_tree, env=env | {"PATH": str(tmp_path)})
    assert corebuild.ZIG_REQUIRES in asked.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_install_with_no_compiler_on_path(tree: Path, tmp_path: Path, test_scale: int) -> None:
    """pip alone: the hook asks for ziglang, zig builds all sources, and the core loads."""
    if test_scale == 1:
        pytest.skip("at full scale only; .ci/run's no-compiler is a build by zig, and all tests")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    venv.EnvBuilder(with_pip=True, symlinks=True).create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    env = {key: value for key, value in os.environ.items() if key not in ("CC", "PYTHONPATH")}
    env["PATH"] = str(tools)
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "-w", tmp_path / "dist", tree, cwd=tmp_path, env=env)
    (wheel,) = (tmp_path / "dist").iterdir()
    run(*pip, "install", "cffi", cwd=tmp_path, env=env)
    run(*pip, "install", "--no-deps", wheel, cwd=tmp_path, env=env)
    code = "from renacer_otel.engine import native; print(native.lib.rn_api_version())"
    printed = run(python, "-c", code, cwd=tmp_path, env=env)
    assert printed.strip() == str(native.lib.RN_API_VERSION)
    built = set(corebuild.api_functions(tree))
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(f"renacer_otel/_native/{corebuild.LIBRARY}", tmp_path)
    library = tmp_path / "renacer_otel" / "_native" / corebuild.LIBRARY
    assert exported(library) == built
    assert glibc_of(library) <= int(corebuild.ZIG_GLIBC.split(".")[1])
