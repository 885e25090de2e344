# SPDX-License-Identifier: MIT
"""Secrets planted wherever a program may have them: nothing that leaves holds one."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import Done, environ, renacer
from tests.exporters.http_server import HttpCollector
from tests.redaction.made_tokens import token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

#: Short ones that only what stands before them tells of; no two hold each other.
FLAG, TIED, VARIABLE, USER, HEADER, COOKIE, QUERY, LINK, BASIC = (
    f"{word}-Zq{number}" for number, word in enumerate(
        "flagged tied variable user header cookie query linked basic".split()))  # fmt: skip
IN_ARGV = token("github classic", 1)
IN_PATH = token("slack bot", 2)
IN_LINK = token("stripe secret", 3)
IN_BUFFER = token("openai", 4)
IN_ENVIRONMENT = token("aws access key", 5)
IN_NAME = token("hugging face", 6)
SENT = "sent-only-Zq9."
SECRETS = [FLAG, TIED, VARIABLE, USER, HEADER, COOKIE, QUERY, LINK, BASIC, IN_ARGV, IN_PATH,
           IN_LINK, IN_BUFFER, IN_ENVIRONMENT, IN_NAME, SENT]  # fmt: skip

PROGRAM = """\
import os, socket, sys
folder, buffer, sent, in_path, in_link = sys.argv[1:6]
for name in (in_path, f"https:/me:{in_link}@host"):
    try: os.stat(os.path.join(folder, name))
    except OSError: pass
with open(os.path.join(folder, in_path), "wb", 0) as file: file.write(buffer.encode())
with open(os.path.join(folder, in_path), "rb", 0) as file: file.read()
os.symlink(f"/nowhere?token={in_link}", os.path.join(folder, "link"))
os.readlink(os.path.join(folder, "link"))
ours, theirs = socket.socketpair()
ours.send(buffer.encode()); theirs.recv(4096)
ours.sendmsg([sent.encode(), buffer.encode()]); theirs.recvmsg(4096)
os.writev(ours.fileno(), [sent.encode()]); os.readv(theirs.fileno(), [bytearray(99)])
"""


def command(folder: Path) -> list[str]:
    """A command whose every part holds secrets; the arguments of the program come in a file, so
    that they stand in no command line but as secrets do."""
    script = folder / "program.py"
    script.write_text(
        "import sys\n"
        f"sys.argv[1:] = {[str(folder), IN_BUFFER, SENT, IN_PATH, IN_LINK]!r}\n" + PROGRAM
    )
    shell = (
        f"/bin/true --password {FLAG} 'https://me:{BASIC}@host/?token={QUERY}';"
        f' /bin/true -H "Authorization: Bearer {HEADER}" -u "me:{USER}" -b "Cookie: a={COOKIE}";'
        f" env AWS_SECRET_ACCESS_KEY={VARIABLE} /bin/true mysql -p{TIED} {IN_ARGV};"
        f' /bin/true --url "postgres://me:{LINK}@db/x";'
        f" exec {sys.executable} -Sc 'import runpy; runpy.run_path(\"{script}\")'"
    )
    return ["sh", "-c", shell]


def with_secrets() -> dict[str, str]:
    return environ(API_TOKEN=VARIABLE, SOME_ID=IN_ENVIRONMENT)


def assert_clean(data: bytes | str) -> None:
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    found = [secret for secret in SECRETS if secret in text]
    # Nor a part of it: eight characters of a token's body tell too much.
    found += [s for s in (IN_ARGV, IN_PATH, IN_LINK, IN_BUFFER) if s[6:16] in text]
    assert not found


def root_redacted(spans: Iterator[tuple[str, list[KeyValue]]]) -> int:
    for name, attributes in spans:
        if name == "renacer-otel run":
            return next((a.value.int_value for a in attributes if a.key == "renacer.redacted"), 0)
    raise AssertionError("there is no root span")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_bytes_to_a_collector(protocol: str, tmp_path: Path) -> None:
    with HttpCollector() as server:
        done = renacer(
            "-y", "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol,
            "-E", f"DB_PASSWORD={VARIABLE}", "--verbose",
            *command(tmp_path), env=with_secrets(),
        )  # fmt: skip
        requests = server.requests
        spans = server.spans
    assert done.code == 0, done.err
    assert_clean(done.err)
    assert b"".join(request.body for request in requests)
    for request in requests:
        assert_clean(request.body)
        assert_clean(str(request.headers))
    assert root_redacted((span.name, list(span.attributes)) for span in spans) > 20
    # What is no secret is there still.
    texts = " ".join(str(span.attributes) for span in spans)
    for word in ("--password", "postgres://REDACTED:REDACTED@db/x", "me:REDACTED", str(tmp_path)):
        assert word in texts
    reads = [span for span in spans if span.name in ("read", "write", "sendto", "recvfrom")]
    for span in reads:
        values = {a.key: a.value.string_value for a in span.attributes}
        assert values["syscall.args.buf" if "syscall.args.buf" in values
                      else "syscall.args.buff" if "syscall.args.buff" in values
                      else "syscall.args.ubuf"].startswith("0x")  # fmt: skip


@pytest.mark.parametrize("form", ["otlp-json", "json", "csv"])
def test_files(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = renacer(
        "-y", "-s", "200", "--format", form, "-o", out, *command(tmp_path), env=with_secrets()
    )
    assert done.code == 0, done.err
    assert_clean(done.err)
    data = out.read_bytes()
    assert b"REDACTED" in data
    assert_clean(data)


@pytest.mark.parametrize("limit", ["1", "9", "16", "40"])
def test_a_limit_leaves_no_half_of_a_secret(limit: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = renacer("-s", limit, "--format", "json", "-o", out, *command(tmp_path))
    assert done.code == 0, done.err
    assert_clean(out.read_bytes())


def test_a_program_of_that_name(tmp_path: Path) -> None:
    """The name of a span, too."""
    shutil.copy(shutil.which("true") or "true", tmp_path / IN_NAME)
    out = tmp_path / "out"
    words = ("--format", "otlp-json", "-o", out, tmp_path / IN_NAME)
    assert renacer(*words).code == 0
    assert_clean(out.read_bytes())
    (line, *_) = out.read_text().splitlines()
    assert '"name":"REDACTED"' in line.replace(" ", "")


def test_text_and_traces_are_as_they_were(tmp_path: Path) -> None:
    text, trace = tmp_path / "text", tmp_path / "trace"
    done = renacer("-s", "200", "-o", text, *command(tmp_path))
    assert done.code == 0, done.err
    assert all(secret in text.read_text() for secret in (IN_ARGV, IN_PATH, IN_BUFFER, FLAG, SENT))
    (tmp_path / "link").unlink()
    done = renacer("-s", "200", "--format", "record", "-o", trace, *command(tmp_path))
    assert done.code == 0, done.err


def payload_of(folder: Path, *words: str) -> str:
    out = folder / "spans"
    (folder / "link").unlink(missing_ok=True)
    done = renacer(*words, "--format", "otlp-json", "-o", out, *command(folder))
    assert done.code == 0, done.err
    return out.read_text()


def test_payload_where_it_is_asked_for(tmp_path: Path) -> None:
    """And even then without tokens."""
    made = payload_of(tmp_path, "--capture-payload", "-s", "200")
    assert SENT in made
    assert IN_BUFFER not in made
    assert SENT not in payload_of(tmp_path, "-s", "200")


def test_off(tmp_path: Path) -> None:
    made = payload_of(tmp_path, "--redact", "off")
    assert IN_ARGV in made
    assert FLAG in made
    assert SENT not in made  # payload is another matter
    assert "renacer.redacted" not in made


def test_the_users_own(tmp_path: Path) -> None:
    out = tmp_path / "spans"
    words = ("--format", "otlp-json", "-o", out)
    line = ("true", "emp-1234", "--badge", "77", IN_ARGV)
    assert renacer("--redact", r"emp-\d+", *words, *line).code == 0
    made = out.read_text()
    assert "emp-1234" not in made
    assert '"77"' in made
    assert IN_ARGV not in made
    config = tmp_path / "renacer.toml"
    config.write_text('[redact]\npatterns = ["emp-[0-9]+"]\nkeys = ["badge"]\ndefaults = false\n')
    assert renacer("--config", config, *words, *line).code == 0
    made = out.read_text()
    assert "emp-1234" not in made
    assert '"77"' not in made
    assert IN_ARGV in made


def refused(*words: str | Path, code: int = 125) -> str:
    done: Done = renacer(*words, "true")
    assert done.code == code
    return done.error


def test_what_will_not_do_is_told(tmp_path: Path) -> None:
    assert refused("--redact", "a(?=b)").startswith("--redact 'a(?=b)': looking ahead or behind")
    assert "(at byte 4)" in refused("--redact", r"(a)\1")
    assert "--redact off replaces nothing" in refused("--redact", "off", "--redact", "x")
    config = tmp_path / "renacer.toml"
    config.write_text('[redact]\n\npatterns = ["ok", "["]\n')
    assert refused("--config", config) == (
        f"{config}:3: [redact] patterns: '[': a bracket that is not closed (at byte 1)"
    )
    config.write_text("[redact]\nkeys = [7]\n")
    assert "must be a text in quotes" in refused("--config", config)
    config.write_text("[redact]\npattern = []\n")
    assert "did you mean patterns?" in refused("--config", config)
    assert "No such file" in refused("--config", tmp_path / "none")


REPORTS = [
    ("query", "{trace}", "SELECT * FROM calls", "--format", "json"),
    ("query", "{trace}", "SELECT * FROM calls", "--format", "csv"),
    ("report", "{trace}", "--format", "json"),
    ("report", "{trace}", "--view", "critical-path", "--format", "json"),
    ("report", "{trace}", "--format", "dot"),
    ("report", "{trace}", "--format", "mermaid"),
    ("compare", "{trace}", "{other}", "--format", "json"),
    ("compare", "{trace}", "{other}", "--format", "junit"),
]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found = {}
    for name in ("trace", "other"):
        folder = tmp_path_factory.mktemp(name)
        path = str(folder / "trace")
        words = ("--format", "record", "--capture", "hashes", "-o", path)
        done = renacer("-s", "200", *words, *command(folder), env=with_secrets())
        assert done.code == 0, done.err
        found[name] = path
    return found


@pytest.mark.parametrize("words", REPORTS, ids=" ".join)
def test_reports(words: tuple[str, ...], traces: dict[str, str]) -> None:
    done = renacer(*(word.format(**traces) for word in words))
    assert done.out
    assert_clean(done.out)
    assert_clean(done.err)


@pytest.mark.parametrize("form", ["json", "junit"])
def test_reports_of_assertions(form: str, traces: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "renacer.toml"
    config.write_text(
        '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 1\n'
        '[[assertion]]\nname = "sql"\ntype = "custom"\n'
        "expression = \"SELECT count(*) = 0 FROM calls WHERE path LIKE '%zz%'\"\n"
    )
    done = renacer("check", "--config", config, "--format", form, traces["trace"])
    assert done.code in (1, 125), done.err
    assert_clean(done.out)
    assert_clean(done.err)


@pytest.mark.parametrize("form", ["json", "junit", "github"])
def test_reports_of_golden_traces(form: str, tmp_path: Path) -> None:
    secret = token("gitlab personal", 7)
    work = tmp_path / "work"
    work.mkdir()
    (work / "script.sh").write_text(f"cat /nonexistent/{secret}; true\n")
    golden = ("--dir", str(tmp_path / "golden"))
    line = ("sh", "script.sh", "--token", FLAG)
    done = renacer("golden", "capture", *golden, "it", "--", *line, cwd=work)
    assert done.code == 0, done.err
    (work / "script.sh").write_text(f"cat /nonexistent/{secret} /etc/{IN_PATH}; true\n")
    done = renacer("golden", "check", *golden, "--format", form, "it", cwd=work)
    assert done.code == 1, done.err
    assert "REDACTED" in done.out
    assert secret not in done.out
    assert_clean(done.out)


def test_json_and_grpc_count_alike(tmp_path: Path) -> None:
    """What was replaced in each output is counted there."""
    out = tmp_path / "out"
    with Receiver() as receiver:
        done = renacer(
            "--otlp-endpoint", receiver.endpoint, "--format", "otlp-json", "-o", out,
            *command(tmp_path),
        )  # fmt: skip
        assert done.code == 0, done.err
        spans = [each.span for each in receiver.spans]
    made = [json.loads(line) for line in out.read_text().splitlines()]
    counted = [
        int(attribute["value"]["intValue"])
        for line in made
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
        for attribute in span["attributes"]
        if attribute["key"] == "renacer.redacted"
    ]
    assert counted == [root_redacted((span.name, list(span.attributes)) for span in spans)]
    assert counted[0] > 20
