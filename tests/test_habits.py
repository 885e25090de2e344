# SPDX-License-Identifier: MIT
"""The rules in conftest.py do hold: each is broken here on purpose, in a pytest of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_TREE = Path(__file__).resolve().parents[1]  # conftest.py imports from it


def outcome(folder: Path, source: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of pytest over one test file under our conftest.py."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    live\n    needs\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        # No plugins: hypothesis, as one of them, takes three times as long as all the rest.
        env={
            **os.environ,
            "PYTHONPATH": str(_TREE),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


NEEDS = "import pytest\n@pytest.mark.needs('no-such-tool')\ndef test_it():\n    pass\n"
SKIPS = "import pytest\ndef test_it():\n    pytest.skip('needs no-such-tool to run')\n"
MODULE = "import pytest\npytest.skip('needs no-such-tool', allow_module_level=True)\n"
CONDITION = (
    "import pytest\n@pytest.mark.skipif(True, reason='no no-such-tool here')\n"
    "def test_it():\n    pass\n"
)


@pytest.mark.parametrize("source", [NEEDS, SKIPS, MODULE, CONDITION])
def test_skip_for_want_of_a_required_tool_fails(tmp_path: Path, source: str) -> None:
    status, printed = outcome(tmp_path, source, RENACER_REQUIRE="strace,no-such-tool")
    assert status in (1, 2)
    assert "no-such-tool must be here" in printed


@pytest.mark.parametrize("source", [NEEDS, SKIPS, CONDITION])
def test_other_skips_stay_skips(tmp_path: Path, source: str) -> None:
    status, printed = outcome(tmp_path, source, RENACER_REQUIRE="strace,tool")
    assert status == 0, printed
    assert re.search(r"\b1 skipped\b", printed)


def test_child_left_behind_fails(tmp_path: Path) -> None:
    source = (
        "import os\n"
        "def test_it():\n"
        "    ours, theirs = os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        os.close(theirs)\n"
        "        os.read(ours, 1)  # until the parent ends\n"
        "        os._exit(0)\n"
        "    os.close(ours)\n"
    )
    status, printed = outcome(tmp_path, source)
    assert status == 1
    assert "left processes behind" in printed


def test_reaped_child_passes(tmp_path: Path) -> None:
    source = "import subprocess\ndef test_it():\n    subprocess.run(['true'], check=True)\n"
    status, printed = outcome(tmp_path, source)
    assert status == 0, printed


def test_telemetry_of_the_developer_does_not_reach_tests(tmp_path: Path) -> None:
    source = (
        "import os\n"
        "def test_it():\n"
        "    assert 'OTEL_SERVICE_NAME' not in os.environ\n"
        "    assert 'TRACEPARENT' not in os.environ\n"
        "    assert os.environ['RENACER_TEST_SCALE'] == 'full'\n"
    )
    status, printed = outcome(
        tmp_path, source, OTEL_SERVICE_NAME="mine", TRACEPARENT="00-x", RENACER_TEST_SCALE="full"
    )
    assert status == 0, printed


def test_live_tests_run_only_when_asked_for(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.live\ndef test_it():\n    pass\n"
    status, printed = outcome(tmp_path, source)
    assert status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "1 deselected" in printed
    status, printed = outcome(tmp_path, source, PYTEST_ADDOPTS="-m live")
    assert status == 0, printed
