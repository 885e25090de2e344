# SPDX-License-Identifier: MIT
"""Every command of README.md and docs/ is run.

Blocks of `sh` and `python` run in a folder that each page has for itself, in order, so that one
may read what another has written. Where localhost:4317 is named, a receiver listens on a free port,
and spans must reach it. What is not run is of another language, and in NOT_RUN with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.docs.markdown import Block, blocks, pages

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "README.md").is_file():
    pytest.skip("needs the source tree", allow_module_level=True)

ENDPOINT = "http://localhost:4317"
RUN = ("sh", "python")
# No commands: output, layouts, formats.
SHOWN = "text"

# Commands that no test can run, word by word: (page, block) -> why.
NOT_RUN = {
    ("README.md", "./dev test"): "this very test is part of it",
    (
        "docs/backends.md",
        "docker compose up -d\nrenacer-otel --otlp-endpoint http://127.0.0.1:4317 -- git status",
    ): "needs a container engine and the network; the second line is README.md's",
    (
        "docs/backends.md",
        "tests/live/backends/build.sh jaeger otelcol",
    ): "takes minutes; ./dev live runs it",
}

BLOCKS = blocks(ROOT)


def names(found: list[Block]) -> list[str]:
    return [block.name for block in found]


def test_no_block_is_left_out() -> None:
    left_out = [
        block
        for block in BLOCKS
        if block.language not in (*RUN, SHOWN) and (block.page, block.text) not in NOT_RUN
    ]
    assert not left_out, (
        f"{names(left_out)}: make it a block of sh, python or text, or say in NOT_RUN why it is"
        " not run"
    )


def test_what_is_not_run_is_still_there() -> None:
    there = {(block.page, block.text) for block in BLOCKS}
    assert set(NOT_RUN) <= there


def test_no_command_hides_in_a_text() -> None:
    hiding = [
        block
        for block in BLOCKS
        if block.language == SHOWN
        and any(
            line.startswith(("$ ", "# ", "sudo ", "./dev ")) for line in block.text.splitlines()
        )
    ]
    assert not hiding, names(hiding)


def test_readme_has_what_it_promises() -> None:
    commands = [block.text for block in BLOCKS if block.page == "README.md"]
    assert "./dev demo" in commands
    assert "./dev test" in commands
    runs = [block for block in BLOCKS if block.page == "README.md" and block.language == "sh"]
    assert sum("renacer-otel" in block.text for block in runs) >= 5


def environ() -> dict[str, str]:
    """The commands' environment: ours, with the installed programs first on PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    # A pytest that a page runs has no use for hypothesis, which takes most of its start.
    return {**os.environ, "PATH": path, "PYTEST_ADDOPTS": "-p no:hypothesispytest"}


def make_repository(folder: Path) -> None:
    """A small git repository: what most examples look at."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / "file").write_text("content\n")


def run_block(block: Block, folder: Path) -> None:
    """Runs one block; fails the test if it fails, or if its spans do not arrive."""
    words = ["sh", "-euc"] if block.language == "sh" else [sys.executable, "-c"]
    in_source = block.text.startswith("./dev ")
    with Receiver() as receiver:
        text = block.text.replace(ENDPOINT, receiver.endpoint)
        done = subprocess.run(
            [*words, text],
            cwd=ROOT if in_source else folder,
            env=environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            check=False,
        )
        arrived, metrics = receiver.totals(), receiver.metric_requests
    assert done.returncode == 0, f"{block.name} exited {done.returncode}:\n{done.stdout}"
    assert "4317" not in text, f"{block.name}: name the endpoint as {ENDPOINT}"
    if " --metrics " in text:
        assert metrics > 0, f"{block.name}: no metrics were sent\n{done.stdout}"
        assert "data points lost" not in done.stdout, done.stdout
    if ENDPOINT in block.text and "OTEL_TRACES_EXPORTER=none" not in text:
        assert arrived["requests"] > 0, f"{block.name}: nothing was sent\n{done.stdout}"
        assert ", 0 rejected, 0 lost" in done.stdout or " doctor " in text, done.stdout


PAGES = [
    page.relative_to(ROOT).as_posix()
    for page in pages(ROOT)
    if any(block.page == page.relative_to(ROOT).as_posix() and block.language in RUN
           for block in BLOCKS)
]  # fmt: skip


@pytest.mark.timeout(900)  # README.md builds the core where it is not built
@pytest.mark.needs("git")
@pytest.mark.parametrize("page", PAGES)
def test_commands_of(page: str, tmp_path: Path) -> None:
    make_repository(tmp_path)
    mine = [block for block in BLOCKS if block.page == page and block.language in RUN]
    assert mine
    compiled = [block for block in mine if re.search(r"^cc ", block.text, re.MULTILINE)]
    lacking = compiled if shutil.which("cc") is None else []
    for block in mine:
        if block not in lacking:
            run_block(block, tmp_path)
    if lacking:
        pytest.skip(f"needs cc: {names(lacking)}")
