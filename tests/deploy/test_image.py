# SPDX-License-Identifier: MIT
"""The Containerfile: what is in the image, and what is not. hadolint reads it in `./dev check`."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Containerfile"
if not FILE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def instructions() -> list[list[tuple[str, str]]]:
    """Of each stage: the word, and what follows it, as one line."""
    text = re.sub(r"^\s*#.*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: list[list[tuple[str, str]]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, " ".join(rest.split())))
    return stages


def test_images_are_of_one_named_version() -> None:
    bases = {dict(stage)["FROM"].split()[0] for stage in instructions()}
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", bases.pop())


def test_the_last_stage_has_no_tools_and_no_root() -> None:
    last = instructions()[-1]
    assert ("USER", "65532:65532") in last
    assert last.index(("USER", "65532:65532")) > max(
        at for at, (word, _) in enumerate(last) if word in ("RUN", "COPY")
    )
    runs = [rest for word, rest in last if word == "RUN"]
    assert runs == ["pip --disable-pip-version-check uninstall --yes pip"]
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=build /opt/renacer-otel /opt/renacer-otel"
    ]
    assert dict(last)["ENTRYPOINT"] == '["/opt/renacer-otel/bin/renacer-otel"]'


def _is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file into the context; the last rule that fits wins."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.lstrip("!")
        parts = Path(path).parts
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        if any(fnmatch.fnmatch(head, pattern.removeprefix("**/")) or
               (pattern.startswith("**/") and fnmatch.fnmatch(Path(head).name, pattern[3:]))
               for head in heads):  # fmt: skip
            sent = line.startswith("!")
    return sent


def test_the_context_has_what_is_copied_and_little_else() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions()[0] if word == "COPY"]
    for source in [name for names in copied for name in names]:
        assert (ROOT / source).exists(), source
        assert _is_sent(source), source
    for name in ("native/ring/ring.c", "renacer_otel/cli/main.py", "native/build/corebuild.py"):
        assert _is_sent(name), name
    for name in (
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "native/tests/run.sh",
        "renacer_otel/_native/librenacer.so",
        "renacer_otel/cli/__pycache__/x.pyc",
    ):
        assert not _is_sent(name), name


def _engine() -> str | None:
    """A container engine that runs here."""
    for name in ("podman", "docker"):
        if shutil.which(name):
            done = subprocess.run([name, "info"], capture_output=True, check=False)
            if done.returncode == 0:
                return name
    return None


@pytest.mark.slow
def test_it_is_built_where_there_is_an_engine() -> None:
    engine = _engine()
    if engine is None:
        pytest.skip("needs a container engine that runs (podman, docker)")
    tag = "renacer-otel-test"
    try:
        subprocess.run([engine, "build", "-f", str(FILE), "-t", tag, str(ROOT)], check=True)
        words = [engine, "run", "--rm", "--read-only", tag, "--version"]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout.startswith("renacer-otel ")
    finally:
        subprocess.run([engine, "rmi", "-f", tag], check=False)
