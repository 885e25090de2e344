# SPDX-License-Identifier: MIT
"""What the pages say of options, variables, attributes and formats is what the program does."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel import errors
from renacer_otel.cli import options
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.docs.markdown import anchors, code_words, links, pages, rows_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "README.md").is_file():
    pytest.skip("needs the source tree", allow_module_level=True)
USAGE, SPANS = ROOT / "docs" / "usage.md", ROOT / "docs" / "spans.md"
TRACE_FILE = ROOT / "docs" / "trace-file.md"


def test_links_lead_somewhere() -> None:
    wrong = []
    for page in pages(ROOT):
        for link in links(page):
            target, _, part = link.partition("#")
            if re.match(r"https?://", target):
                continue
            there = page.parent / target if target else page
            good = there.exists() and (not part or part in anchors(there))
            wrong += [] if good else [f"{page.relative_to(ROOT)}: {link}"]
    assert not wrong


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    for page in (ROOT / "docs").glob("*.md"):
        assert page in linked, page.name


# --- usage.md ---------------------------------------------------------------------------------


def test_table_of_options() -> None:
    written = {
        tuple(code_words(row[0])): (code_words(row[1]), row[2])
        for row in rows_under(USAGE, "option")
    }
    parser = options.RunParser()
    there = {
        tuple(action.option_strings): (
            [str(action.metavar)] if action.nargs is None else [],
            shown_default(action),
        )
        for action in parser.options
    }
    assert written == there
    assert list(written) == list(there)  # in the order of --help


def shown_default(action: argparse.Action) -> str:
    """A default as the table has it: what is no text is no default."""
    return action.default if isinstance(action.default, str) else ""


def test_exit_codes() -> None:
    written = {row[0] for row in rows_under(USAGE, "code")}
    codes = {errors.EXIT_OWN_FAILURE, errors.EXIT_NOT_EXECUTABLE, errors.EXIT_NOT_FOUND}
    detached = {"0", "129, 130, 131, 143"}
    assert written == {"the command's", "by a signal", *detached, *map(str, codes)}


def literals() -> Iterator[str]:
    """All texts in the package's sources."""
    for path in sorted((ROOT / "renacer_otel").rglob("*.py")):
        if path.name != "_api.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_table_of_variables() -> None:
    pages = (USAGE, ROOT / "docs/environment.md")
    rows = [row for page in pages for row in rows_under(page, "variable")]
    written = {word for row in rows for word in code_words(row[0])}
    texts = set(literals())
    prefix = "OTEL_EXPORTER_OTLP_"
    for name in written:
        assert name in texts or (name.startswith(prefix) and name.removeprefix(prefix) in texts), (
            name
        )
    named = {
        text
        for text in texts
        if re.fullmatch(r"(OTEL|RENACER)_[A-Z_]*[A-Z]|TRACEPARENT|TRACESTATE|BAGGAGE", text)
    }
    named = {name.replace("_TRACES_ENDPOINT", "_ENDPOINT") for name in named}
    assert named <= written
    settings = (ROOT / "renacer_otel/exporters/otlp_settings.py").read_text(encoding="utf-8")
    read = set(
        re.findall(r'(?:reader\.option\(|both\(|_pem\(reader, |\(\s*reader, )"([A-Z_]+)"', settings)
    )
    assert {"ENDPOINT", "HEADERS", "CLIENT_CERTIFICATE"} <= read
    assert {prefix + name for name in read} <= written


# --- spans.md ---------------------------------------------------------------------------------

TABLES = {"call": "A call", "process": "A process", "run": "The run"}


def section_of(page: Path, heading: str) -> str:
    """The text below a heading of second order."""
    text = page.read_text(encoding="utf-8")
    match = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert match, heading
    return match[1]


def attributes_in(heading: str) -> set[str]:
    """The attributes that the table below a heading names."""
    return set(
        re.findall(
            r"^\| `([a-z_]+\.[a-z_.]+(?:NAME)?)` \|", section_of(SPANS, heading), re.MULTILINE
        )
    )


def kind_of(span: Span) -> str:
    keys = {pair.key for pair in span.attributes}
    if "syscall.name" in keys:
        return "call"
    return "run" if span.name == "renacer-otel run" else "process"


EVERYTHING = """
import os, signal, socket, subprocess, sys, threading
sleeper = subprocess.Popen(["sleep", "60"])
sleeper.kill()
sleeper.wait()
environ = {**os.environ, "TRACEPARENT": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"}
subprocess.run(["sh", "-c", "exec true"], env=environ)
try:
    socket.create_connection(("127.0.0.1", 1), 1)
except OSError:
    pass
try:
    os.rmdir("/")
except OSError:
    pass
sys.exit(3)
"""


def test_attributes_are_those_that_are_sent() -> None:
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, sys.executable, "-S", "-c", EVERYTHING)
        assert done.code == 3, done.err
        received = receiver.spans
    sent: dict[str, set[str]] = {"call": set(), "process": set(), "run": set()}
    links_sent = set()
    for item in received:
        for pair in item.span.attributes:
            key = re.sub(r"^syscall\.args\.[a-z0-9_]+$", "syscall.args.NAME", pair.key)
            sent[kind_of(item.span)].add(key)
        for link in item.span.links:
            links_sent |= {pair.value.string_value for pair in link.attributes}
            assert {pair.key for pair in link.attributes} == {"renacer.edge"}
    every = attributes_in("Every span")
    for kind, heading in TABLES.items():
        assert sent[kind] <= attributes_in(heading) | every, kind
        # Those that need options, a secret, or a loss.
        absent = {"process": 3, "run": 5}.get(kind, 4)
        assert len(sent[kind] - every) >= len(attributes_in(heading)) - absent, kind
    own = set(
        re.findall(r"^\| `(\w+)` \| (?:the|its)", section_of(SPANS, "A process"), re.MULTILINE)
    )
    rows = re.findall(r"^\| (`\w+`[^|]*) \|", section_of(SPANS, "Time and order"), re.MULTILINE)
    causes = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert own <= links_sent <= own | causes
    assert causes <= {*replay.edge_names()}
    resource = {pair.key for pair in received[0].resource.attributes}
    assert resource == attributes_in("Resource")


def of_encoder() -> str:
    """The source that says which attributes a span has."""
    parts = sorted((ROOT / "native/encode").glob("span_*.h"))
    return "".join(part.read_text(encoding="utf-8") for part in parts)


def test_attributes_are_those_of_the_encoder() -> None:
    source = of_encoder()
    known = set(re.findall(r'RN_KEY\("([^"]+)"\)', source)) | {"syscall.args.NAME"}
    written = set().union(*map(attributes_in, ["Every span", *TABLES.values()]))
    text = SPANS.read_text(encoding="utf-8")
    assert written <= known
    assert [key for key in sorted(known) if f"`{key}`" not in text] == []


def test_contexts_are_those_of_the_encoder() -> None:
    source = of_encoder()
    known = set(re.findall(r'\[RN_CONTEXT_\w+\] = "(\w+)"', source))
    assert len(known) == 7
    assert known <= set(code_words(section_of(SPANS, "A process")))


# --- trace-file.md ----------------------------------------------------------------------------


def test_kinds_of_records() -> None:
    header = (ROOT / "native/include/renacer/event.h").read_text(encoding="utf-8")
    enum = re.search(r"enum rn_kind \{(.*?)\}", header, re.DOTALL)
    assert enum
    there = {number: name for name, number in re.findall(r"(RN_\w+) = (\d+)", enum[1])}
    there.pop(str(len(there)))  # RN_KIND_COUNT
    written = {row[0]: code_words(row[1])[0] for row in rows_under(TRACE_FILE, "kind")}
    assert written == there


def test_changelog_has_the_form_it_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\](.*)$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    for version, date in versions[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert re.fullmatch(r" - \d{4}-\d\d-\d\d", date)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
