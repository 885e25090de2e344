# SPDX-License-Identifier: MIT
"""The layout is the data path: who may import and include whom, held in Python and in C."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each part of the package, and the parts that it may import besides itself. The stages follow
# the data: engine ← ring ← spans ← exporters. `errors`, `config` and `_version` are below all.
BASE = {"errors", "config", "_version", "_native"}
PYTHON: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "_version": set(),
    "_native": set(),
    "__init__": {"_version"},
    "engine": BASE,
    "ring": BASE | {"engine"},
    "spans": BASE | {"engine", "ring"},
    "exporters": BASE | {"engine", "ring", "spans"},
    "sidecar": BASE | {"engine", "ring", "spans", "exporters"},
    "analysis": BASE | {"ring", "spans"},
    "reporters": BASE | {"ring", "spans", "analysis"},
    "recording": {"errors"},
    "api": {"errors", "recording"},
    "testing": BASE | {"ring", "spans", "analysis", "recording", "api"},
    "pytest_plugin": BASE | {"testing", "recording"},
    "cli": BASE
    | {"engine", "ring", "spans", "exporters", "sidecar", "analysis", "reporters", "__init__"},
    "__main__": {"cli"},
    "instrument": set(),
}

# Folders of native/ and the folders and public headers whose headers they may include besides
# their own. tables and decode are data about calls, below all stages.
C_BASE = {"event.h", "syscalls.h", "tables"}
C: dict[str, set[str]] = {
    "tables": C_BASE,
    "decode": C_BASE | {"span.h", "encode.h"},
    "ring": C_BASE | {"ring.h", "ids.h", "content.h"},
    "engine": C_BASE | {"cursor.h", "notes.h", "ring.h", "ids.h", "content.h", "engine.h", "ring"},
    "symbols": C_BASE | {"cursor.h", "notes.h", "span.h"},
    "spans": C_BASE
    | {
        "ring.h",
        "ids.h",
        "span.h",
        "interpret.h",
        "summary.h",
        "metrics.h",
        "histogram.h",
        "ring",
        "decode",
    },
    "encode": C_BASE | {"span.h", "encode.h", "redact.h", "ids.h", "decode"},
}

# What a public header may include of the others.
HEADERS: dict[str, set[str]] = {
    "event.h": set(),
    "cursor.h": set(),
    "notes.h": {"cursor.h", "event.h"},
    "ids.h": {"event.h"},
    "content.h": {"event.h"},
    "syscalls.h": {"event.h"},
    "ring.h": {"event.h"},
    "engine.h": {"event.h", "ids.h", "ring.h"},
    "span.h": {"event.h", "ids.h", "syscalls.h"},
    "interpret.h": {"event.h", "ids.h", "span.h"},
    "summary.h": {"span.h"},
    "histogram.h": set(),
    "metrics.h": {"span.h", "histogram.h"},
    "encode.h": {"span.h"},
    "redact.h": {"encode.h"},
    "api.h": set(),
    "replay.h": set(),
}


def _modules(root: Path) -> list[Path]:
    package = root / "renacer_otel"
    return sorted(p for p in package.rglob("*.py") if p.name != "_api.py")


def _part(module: str) -> str | None:
    """The part of the package that a dotted module name belongs to; None if it is not ours."""
    words = module.split(".")
    if words[0] != "renacer_otel":
        return None
    return words[1] if len(words) > 1 else "__init__"


def _imported(tree: ast.AST, root: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                name = f"{module}.{alias.name}"
                path = root.joinpath(*name.split("."))
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                yield node.lineno, name if is_module else module


def test_python_imports_follow_the_data(source_root: Path) -> None:
    wrong = []
    for path in _modules(source_root):
        relative = path.relative_to(source_root)
        own = _part(".".join(relative.with_suffix("").parts))
        assert own in PYTHON, f"{relative}: say in {Path(__file__).name} what {own} may import"
        for line, name in _imported(ast.parse(path.read_text(encoding="utf-8")), source_root):
            part = _part(name)
            if part is not None and part != own and part not in PYTHON[own]:
                wrong.append(f"{relative}:{line}: {own} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_only_the_loader_touches_the_generated_module(source_root: Path) -> None:
    users = [
        str(path.relative_to(source_root))
        for path in _modules(source_root)
        if "_native._api" in path.read_text(encoding="utf-8")
    ]
    assert users == ["renacer_otel/engine/native.py"]


def test_init_files_have_no_logic(source_root: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom)
    wrong = []
    for path in _modules(source_root):
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = isinstance(node, ast.Assign) and all(
                isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
            )
            if not (docstring or names or isinstance(node, allowed)):
                wrong.append(f"{path.relative_to(source_root)}:{node.lineno}")
    assert not wrong, f"logic in __init__.py: {wrong}"


def _includes(path: Path) -> list[tuple[int, str]]:
    """Line and name of every ``#include "…"``."""
    text = path.read_text(encoding="utf-8")
    return [
        (number, match[1])
        for number, line in enumerate(text.splitlines(), 1)
        if (match := re.match(r'\s*#\s*include\s*"([^"]+)"', line))
    ]


def _c_files(root: Path, folder: str) -> list[Path]:
    files = (root / "native" / folder).rglob("*")
    return sorted(p for p in files if p.suffix in {".c", ".h", ".inc"})


def _resolve(root: Path, path: Path, name: str) -> Path | None:
    """The file that ``#include "name"`` in ``path`` means, by the build's search path."""
    for folder in (path.parent, root / "native" / "include", root / "native"):
        found = (folder / name).resolve()
        if found.is_file():
            return found
    return None


@pytest.mark.parametrize("folder", sorted(C))
def test_c_includes_follow_the_data(source_root: Path, folder: str) -> None:
    files = _c_files(source_root, folder)
    if not files:
        pytest.fail(f"native/{folder} is gone: change {Path(__file__).name} with it")
    wrong = []
    native = source_root / "native"
    for path in files:
        for line, name in _includes(path):
            found = _resolve(source_root, path, name)
            if found is None:
                wrong.append(f"{path.relative_to(native)}:{line}: no such header: {name}")
                continue
            parts = found.relative_to(native).parts
            part = parts[-1] if parts[:2] == ("include", "renacer") else parts[0]
            if part != folder and part not in C[folder]:
                wrong.append(f"{path.relative_to(native)}:{line}: {folder} includes {name}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_the_core_has_its_rule(source_root: Path) -> None:
    native = source_root / "native"
    folders = {
        path.relative_to(native).parts[0]
        for path in native.rglob("*")
        if path.suffix in {".c", ".inc"}
    }
    # run/ joins the stages behind api.h: it may include all of them, and nobody includes it.
    assert folders - {"tests", "run", "fuzz"} == set(C)


def test_public_headers_include_downwards(source_root: Path) -> None:
    include = source_root / "native" / "include" / "renacer"
    for path in sorted(include.glob("*.h")):
        assert path.name in HEADERS, f"say in {Path(__file__).name} what {path.name} may include"
        for line, name in _includes(path):
            assert name.removeprefix("renacer/") in HEADERS[path.name], (
                f"{path.name}:{line} includes {name}"
            )


def test_the_core_has_no_python_in_it(source_root: Path) -> None:
    for path in sorted((source_root / "native").rglob("*.[ch]")):
        assert "Python.h" not in path.read_text(encoding="utf-8"), path
