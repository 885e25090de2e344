# SPDX-License-Identifier: MIT
"""Outages of every kind, over both protocols: when they are over, all that was submitted arrives,
and nobody was besieged meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.exporters.conftest import PATIENCE, block_of, child_environ, until
from tests.exporters.relay import GOAWAY, Relay
from tests.exporters.sides import SIDES, Side
from tests.scale import FULL

if TYPE_CHECKING:
    from pathlib import Path

OUTAGE_S = 120.0 if FULL else 5.0
FAULTS = ("refused", "reset", "goodbye", "hang", "half-open")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_after_an_outage_everything_arrives(side: Side) -> None:
    """All faults at a time, each with a sender, a network and a collector of its own."""
    with ExitStack() as stack:
        servers, relays, senders = {}, {}, {}
        for fault in FAULTS:
            servers[fault] = stack.enter_context(side.listening())
            relays[fault] = relay = stack.enter_context(Relay(servers[fault].port))
            relay.farewell = GOAWAY if side.protocol == "grpc" else b""
            endpoint = f"http://127.0.0.1:{relay.port}"
            senders[fault] = sender = side.sender(endpoint, in_flight=2, TIMEOUT="500")
            stack.callback(sender.close)
            sender.submit(block_of(5), 5)
        for fault in FAULTS:
            until(lambda fault=fault: senders[fault].counters().sent == 5)  # type: ignore[misc]
        before = {fault: relays[fault].accepted for fault in FAULTS}
        begun = time.monotonic()
        for fault in FAULTS:
            relays[fault].begin(fault)
            senders[fault].submit(block_of(7, 100), 7)
            senders[fault].submit(block_of(1, 200), 1)
        until(lambda: time.monotonic() > begun + OUTAGE_S)
        for fault in FAULTS:
            counters = senders[fault].counters()
            assert (counters.sent, counters.in_flight) == (5, 8), fault
            assert side.ids(servers[fault]) == [1, 2, 3, 4, 5], fault
            # Two requests, each tried again after times that double up to 5 s, of which a random
            # part is waited: about 12 in 5 s. gRPC itself connects again more often.
            assert 2 <= counters.retries < 40 + 2 * OUTAGE_S, fault
            assert relays[fault].accepted - before[fault] < 40 + 20 * OUTAGE_S, fault
        for fault in FAULTS:
            relays[fault].end()
        for fault in FAULTS:
            until(lambda fault=fault: senders[fault].counters().sent == 13)  # type: ignore[misc]
            counters = senders[fault].close(PATIENCE)
            assert (counters.submitted, counters.sent, counters.lost) == (13, 13, 0), fault
            assert set(side.ids(servers[fault])) == {*range(1, 6), *range(100, 107), 200}, fault


@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_an_outage_that_lasts_costs_the_deadline_and_is_told(side: Side) -> None:
    for fault in FAULTS:
        with side.listening() as server, Relay(server.port) as relay:
            relay.farewell = GOAWAY if side.protocol == "grpc" else b""
            relay.begin(fault)
            sender = side.sender(f"http://127.0.0.1:{relay.port}", TIMEOUT="100")
            sender.submit(block_of(5), 5)
            until(lambda sender=sender: bool(sender.counters().last_error))  # type: ignore[misc]
            before = time.monotonic()
            counters = sender.close(0.1)
            assert time.monotonic() - before < PATIENCE / 2
            assert (counters.sent, counters.lost, counters.in_flight) == (0, 5, 0)
            assert counters.last_error.isprintable()


# --- names ------------------------------------------------------------------------------------

CHILD = """
import sys, time
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.senders import make_sender
endpoint, protocol = sys.argv[1:]
sender = make_sender(resolve(OtlpFlags(endpoint=endpoint, protocol=protocol), {}).settings, {})
sender.submit(b"", 1)
while sender.counters().retries < 1:
    time.sleep(0.01)
print("gone:", sender.counters().last_error, flush=True)
while not sender.counters().sent:
    time.sleep(0.01)
print("back", flush=True)
sender.close()
"""
# In a mount namespace of its own, /etc/hosts is a file of ours, and no name server is asked.
SCRIPT = (
    'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
)


@pytest.fixture
def hosts(tmp_path: Path) -> tuple[Path, list[str]]:
    """The file that is /etc/hosts, and the words before a command that sees it so."""
    hosts, resolv = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost\n")
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    private = ["unshare", "--mount"] + ["--map-root-user"] * (os.geteuid() != 0)
    words = [*private, "sh", "-c", SCRIPT, "sh", str(hosts), str(resolv)]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs a mount namespace: {tried.stderr.strip()}")
    return hosts, words


@pytest.mark.needs("unshare", "mount")
@pytest.mark.parametrize("side", SIDES, ids=repr)
def test_a_name_that_is_gone_and_comes_back(side: Side, hosts: tuple[Path, list[str]]) -> None:
    file, words = hosts
    with side.listening() as server:
        endpoint = f"http://collector.invalid:{server.port}"
        command = [*words, sys.executable, "-c", CHILD, endpoint, side.protocol]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=child_environ()
        ) as process:
            try:
                assert process.stdout is not None
                assert "the host name cannot be resolved" in process.stdout.readline()
                with file.open("a") as names:
                    names.write("127.0.0.1 collector.invalid\n")
                begun = time.monotonic()
                assert process.stdout.readline() == "back\n"
                assert time.monotonic() - begun < PATIENCE
                assert process.wait(PATIENCE) == 0
            finally:
                process.kill()
        assert len(side.times(server)) >= 1
