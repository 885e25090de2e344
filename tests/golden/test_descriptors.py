# SPDX-License-Identifier: MIT
"""What descriptors lead to, whatever their numbers, and what is sent through sockets."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import differences, golden_file, learning
from tests.compiling import compiled
from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = """
import os
spare = os.dup(2)
os.write(1, b"one")
os.write(2, b"three")
os.dup2(1, 2)
os.write(2, b"sevenxx")
os.write(spare, b"x" * 11)
open("/dev/null").close()
os.read(0, 1)
"""


def _streams(folder: Path, stderr: int = subprocess.PIPE) -> dict[str, int]:
    command = [sys.executable, "-I", "-S", "-B", "-c", STREAMS]
    form = traced(command, folder, stderr=stderr)
    items = [str(part.item) for part in form.roles[0].items]
    assert "read(<stdin>)" in items, items  # /dev/null, though it is opened by its name, too
    return {one.name: one.size.low for one in form.roles[0].streams if one.direction == "write"}


def test_a_stream_keeps_its_name_under_another_number(tmp_path: Path) -> None:
    assert _streams(tmp_path) == {"<stdout>": 10, "<stderr>": 16}


def test_two_streams_that_are_one_object_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    both = _streams(tmp_path, stderr=subprocess.STDOUT)
    assert both == {"<stdout>": 14, "<stderr>": 12}


SENDS = """
import os, socket as s, sys
os.chdir(sys.argv[1])
def to(name, kind):
    if os.path.exists(name):
        os.unlink(name)
    here, there = s.socket(s.AF_UNIX, kind), s.socket(s.AF_UNIX, kind)
    there.bind(name)
    if kind != s.SOCK_DGRAM:
        there.listen()
    here.connect(name)
    kept.append(there)
    return here
kept = []
inner = s.create_server(("127.0.0.1", 0))
outer = s.create_connection(inner.getsockname())
accepted, address = inner.accept()
spare = s.socket()
spare.bind(("127.0.0.1", 0))
found = spare.getsockname()
spare.close()
taken = s.create_server(found)
udp, client = s.socket(2, 2), s.socket(2, 2)
udp.bind(("127.0.0.1", 0))
client.sendto(b"a", udp.getsockname())
udp.sendmsg([b"b"], [], 0, udp.recvmsg(1)[3])
a, b = open("a", "w"), open("b", "w")
fixed = s.socket(2, 2)
"""
# What is sent, the same otherwise, another way to the same, and words of what is said.
SENT = {
    "messages": (
        "x = to('apart', s.SOCK_DGRAM); x.send(b'hello'); x.send(b'world')",
        "x = to('apart', s.SOCK_DGRAM); x.send(b'helloworld')",
        "x = to('apart', s.SOCK_DGRAM); x.sendmsg([b'hel', b'lo']); os.write(x.fileno(), b'world')",
        "now writes to peer apart once instead of 2 times",
    ),
    "their lengths": (
        "x = to('cut', s.SOCK_DGRAM); x.send(b'hello'); x.send(b'world')",
        "x = to('cut', s.SOCK_DGRAM); x.send(b'hell'); x.send(b'oworld')",
        "x = to('cut', s.SOCK_DGRAM); x.send(b'hello'); x.send(b'world')",
        "now cuts other messages for peer cut (10 bytes as before)",
    ),
    "a stream has none": (
        "x = to('stream', s.SOCK_STREAM); x.send(b'hello'); x.send(b'world')",
        "x = to('stream', s.SOCK_STREAM); x.send(b'hello'); x.send(b'World')",
        "x = to('stream', s.SOCK_STREAM); x.send(b'hell'); x.send(b'oworld')",
        "now writes other bytes to peer stream (10 as before)",
    ),
    "the end of a record": (
        "x = to('record', s.SOCK_SEQPACKET); x.send(b'hello')",
        "x = to('record', s.SOCK_SEQPACKET); x.send(b'hello', s.MSG_EOR)",
        "x = to('record', s.SOCK_SEQPACKET); x.send(b'hello')",
        "now writes to peer record with MSG_EOR",
    ),
    "urgent": (
        "outer.send(b'ab')",
        "outer.send(b'a'); outer.send(b'b', s.MSG_OOB)",
        "outer.send(b'a'); outer.send(b'b')",
        "now also writes to peer 127.0.0.1:<port> with MSG_OOB",
    ),
    "a fixed port": (
        "fixed.sendto(b'x', ('127.0.0.1', 40000))",
        "fixed.sendto(b'x', ('127.0.0.1', 40001))",
        "fixed.sendto(b'x', ('127.0.0.1', 40000))",
        "now also writes to peer 127.0.0.1:40001",
    ),
    "of a message": (
        "fixed.sendmsg([b'x'], [], 0, ('127.0.0.1', 40002))",
        "fixed.sendmsg([b'x'], [], 0, ('127.0.0.1', 40003))",
        "fixed.sendto(b'x', ('127.0.0.1', 40002))",
        "no longer writes to peer 127.0.0.1:40002",
    ),
    "a descriptor": (
        "x = to('passing', s.SOCK_STREAM); s.send_fds(x, [b'x'], [a.fileno()])",
        "x = to('passing', s.SOCK_STREAM); s.send_fds(x, [b'x'], [b.fileno()])",
        "x = to('passing', s.SOCK_STREAM); s.send_fds(x, [b'x'], [os.dup(a.fileno())])",
        "now writes to peer passing with descriptor of b instead of descriptor of a",
    ),
}  # fmt: skip


def test_what_is_sent(tmp_path: Path) -> None:
    """Messages, flags, ports that were chosen, descriptors; not ports that the kernel chose."""
    forms = []
    for way in range(3):
        text = SENDS + "".join(f"{ways[way]}\n" for ways in SENT.values())
        command = [sys.executable, "-I", "-S", "-B", "-c", text, str(tmp_path)]
        forms.append(traced(command, tmp_path))
    golden = golden_file.load(golden_file.dump(learning.learn(forms[:1], "x", ["x"])))
    found = [one.sentence for one in differences.between(golden, forms[1:2])]
    for name, ways in SENT.items():
        assert [line for line in found if ways[3] in line], (name, found)
    again = differences.between(golden, forms[2:])
    assert not [one.sentence for one in again if one.kind in ("bytes", "network")]


QUEUE = r"""
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct mq_attr form = {.mq_maxmsg = 2, .mq_msgsize = 16};
	mqd_t queue = mq_open(argv[1], O_RDWR | O_CREAT, 0600, &form);

	if (queue == (mqd_t)-1 || mq_unlink(argv[1]))
		return 77;
	for (int i = 2; i + 1 < argc; i += 2)
		mq_send(queue, "helloworld" + atoi(argv[i]), atoi(argv[i + 1]), argc > 6);
	return 0;
}
"""


@pytest.mark.needs("cc")
def test_messages_of_a_queue(tmp_path: Path) -> None:
    (tmp_path / "queue.c").write_text(QUEUE)
    program = compiled(tmp_path / "queue", tmp_path / "queue.c", "-lrt")
    name = "/renacer" + str(tmp_path).replace("/", "_")[-150:]

    form = traced([program, name, "0", "5", "5", "5"], tmp_path)
    if form.roles[0].exits == ("77",):
        pytest.skip("needs queues of messages")
    golden = learning.learn([form])

    def sent(*words: str) -> list[str]:
        now = traced([program, name, *words], tmp_path)
        return [one.sentence for one in differences.between(golden, [now])]

    assert sent("0", "5", "5", "5") == []
    assert "writes to <mqueue> once instead of 2 times" in sent("0", "10")[0]
    assert "cuts other messages for <mqueue> (10 bytes as before)" in sent("0", "4", "4", "6")[0]
    assert "other bytes to <mqueue>" in sent("5", "5", "5", "5")[0]
    assert "with priority 1" in sent("0", "5", "5", "5", "more")[0]
