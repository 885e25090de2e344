# SPDX-License-Identifier: MIT
"""The sidecar: takes rings from many tracers, one consumer each, and exports for all.

One thread does all that has to do with peers, and never waits for one of them.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.engine.launch import Tuning
from renacer_otel.errors import one_line
from renacer_otel.exporters.own_metrics import Exporter as Sending
from renacer_otel.exporters.own_metrics import own_metrics
from renacer_otel.sidecar import wire
from renacer_otel.sidecar.exporter import Exporter
from renacer_otel.sidecar.handover import PROGRAM
from renacer_otel.sidecar.notify import Notifier
from renacer_otel.sidecar.peer import Peer, PeerError, check_pidfd, ring_size
from renacer_otel.sidecar.place import Place
from renacer_otel.sidecar.shown import Shown
from renacer_otel.sidecar.summary import plural
from renacer_otel.sidecar.taken import RefusedRun, TakenRun
from renacer_otel.sidecar.tally import Tally, figures_of, more_metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from renacer_otel.exporters.metric_data import Metric
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.sidecar.delivery import Spooling
    from renacer_otel.sidecar.exporter import ExporterCounts

MAX_WAITING = 64  # connections of one user that have not handed over a run
_ACCEPTS = 32  # in one go
_POLL_S = 0.002  # while runs are at their end
_TURN_S = 1.0
_REST_S = 0.2  # without descriptors: so long nobody is accepted
_LINES_A_SECOND = 10


class ServerSettings(NamedTuple):
    """What a sidecar is told. Sizes in bytes, times in seconds."""

    path: str
    otlp: OtlpSettings
    allow_uids: frozenset[int] = frozenset()
    max_runs: int = 256  # of one user
    max_ring_bytes: int = 2 << 30  # of one user
    tuning: Tuning = Tuning(queue_bytes=8 << 20)  # of runs, where they do not say themselves
    queue_bytes: int = 64 << 20
    drain_s: float = 10.0
    spool: Spooling | None = None  # between the runs and the network
    metrics_listen: tuple[str, int] | None = None  # host and port of /metrics and /readyz
    health_listen: str = ""  # address of grpc.health.v1; "" = none


class Served(NamedTuple):
    """What became of it all. `left`: runs that go on in their tracers, which hold what they
    record; `unread`: spans that were made and never offered to the exporter's queue."""

    runs: int
    left: int
    unread: int
    counts: ExporterCounts


class Server:
    """See the module's docstring. `tell` gets a sentence. Use: run()."""

    def __init__(self, settings: ServerSettings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = tell
        self._exporter = Exporter(settings.otlp, settings.queue_bytes, settings.spool, self._tell)
        self._tally = Tally()
        self._shown = Shown(
            settings.metrics_listen,
            settings.health_listen,
            self._metrics,
            self._unready,
            os.environ,
        )
        self._is_listening = False
        self._selector = selectors.DefaultSelector()
        self._peers: set[Peer] = set()
        self._runs = self._left = self._unread = 0
        self._refused = 0
        self._signals = 0
        self._until: float | None = None  # runs that go on have so long; asked to end
        self._rests_until: float | None = None
        self._words = threading.Lock()  # of what follows: the exporter speaks, too
        self._spoken: list[float] = []
        self._unspoken = 0

    def run(self) -> Served:
        """Serves until SIGTERM or SIGINT; a second one ends it at once.

        Raises PlaceError before it serves anybody.
        """
        allowed = self._settings.allow_uids
        with Place(self._settings.path, allows_others=bool(allowed)) as place:
            self._place = place
            self._shown.open()
            try:
                return self._serve(place)
            finally:
                self._shown.close()

    def _serve(self, place: Place) -> Served:
        self._exporter.open()
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        before = {
            number: signal.signal(number, self._asked) for number in (signal.SIGTERM, signal.SIGINT)
        }
        fd_before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._notifier = Notifier(os.environ)
        try:
            self._selector.register(woken, selectors.EVENT_READ, woken)
            self._selector.register(place.socket, selectors.EVENT_READ, place)
            self._is_listening = True
            self._shown.look(now=True)
            self._say(f"listening on {place.path}, exporting to {self._settings.otlp.endpoint}")
            self._notifier.ready(self._status())
            while not self._turn():
                self._notifier.turn(self._status())
                self._shown.look()
            self._shown.look(now=True)
            return self._finish()
        finally:
            self._notifier.close()
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            for peer in tuple(self._peers):
                self._forget(peer)
            self._selector.close()
            woken.close()
            wakes.close()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1

    # --- the loop -----------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Once round; True where it is time to finish."""
        ending = [peer for peer in self._peers if peer.ending]
        for key, _ in self._selector.select(_POLL_S if ending else self._patience()):
            if isinstance(key.data, Place):
                self._accept()
            elif isinstance(key.data, Peer):
                if key.fd == key.data.pidfd:
                    self._peer_died(key.data)
                else:
                    self._hear(key.data)
            elif isinstance(key.data, socket.socket):
                key.data.recv(512)
        for peer in ending:
            if peer in self._peers and peer.run is not None and peer.run.poll():
                self._run_is_over(peer)
        self._cut_off_the_slow()
        self._accept_again()
        self._speak_again()
        return self._is_time_to_finish()

    def _patience(self) -> float:
        times = [peer.deadline for peer in self._peers if peer.deadline is not None]
        times += [at for at in (self._until, self._rests_until) if at is not None]
        nearest = min(times, default=time.monotonic() + _TURN_S) - time.monotonic()
        return self._shown.patience(self._notifier.patience(min(max(nearest, 0.001), _TURN_S)))

    def _is_time_to_finish(self) -> bool:
        if not self._signals:
            return False
        if self._until is None:
            self._until = time.monotonic() + self._settings.drain_s / 2
            self._notifier.stopping(self._status())
            self._stop_accepting()
            for peer in [peer for peer in self._peers if peer.run is None]:
                self._cut_off(peer, "the sidecar is ending")
        live = any(peer.run is not None for peer in self._peers)
        return not live or self._signals > 1 or time.monotonic() >= self._until

    def _stop_accepting(self) -> None:
        if self._rests_until is None:
            self._selector.unregister(self._place.socket)
        self._rests_until = None
        self._place.stop_listening()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _ = self._place.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    # It would be readable at once again, and again.
                    self._selector.unregister(self._place.socket)
                    self._rests_until = time.monotonic() + _REST_S
                    self._tell(
                        f"nobody can be accepted for now: {error.strerror}; raise the limit on"
                        " open files (ulimit -n)"
                    )
                return
            self._meet(connection)

    def _accept_again(self) -> None:
        if self._rests_until is not None and time.monotonic() >= self._rests_until:
            self._rests_until = None
            self._selector.register(self._place.socket, selectors.EVENT_READ, self._place)

    def _meet(self, connection: socket.socket) -> None:
        try:
            peer = Peer(connection)
        except OSError:
            connection.close()
            return
        self._peers.add(peer)
        self._selector.register(peer.socket, selectors.EVENT_READ, peer)
        if peer.uid != os.geteuid() and peer.uid not in self._settings.allow_uids:
            self._cut_off(peer, f"uid {peer.uid} is not allowed here (allow_uids)")
        elif sum(one.uid == peer.uid and one.run is None for one in self._peers) > MAX_WAITING:
            self._cut_off(peer, f"more than {MAX_WAITING} connections of uid {peer.uid} wait")

    def _cut_off_the_slow(self) -> None:
        now = time.monotonic()
        for peer in tuple(self._peers):
            if peer.deadline is not None and now >= peer.deadline and not peer.ending:
                self._cut_off(peer, "it took too long over a frame")

    # --- peers --------------------------------------------------------------------------------

    def _hear(self, peer: Peer) -> None:
        try:
            for name, said in peer.receive():
                self._heard(peer, name, said)
            if peer.has_strays:
                raise PeerError("descriptors with a frame that has none")
        except EOFError:
            self._peer_died(peer)
        except (PeerError, RefusedRun) as error:
            self._cut_off(peer, str(error))
        except OSError as error:
            self._cut_off(peer, error.strerror or "an error of the system")

    def _heard(self, peer: Peer, name: str, said: Any) -> None:
        if name == "hello" and not peer.greeted:
            if said.version != wire.VERSION:
                raise PeerError(
                    f"version {said.version} of the protocol; this sidecar has {wire.VERSION}:"
                    " use the same renacer-otel on both sides"
                )
            peer.greeted = True
        elif name == "register" and peer.greeted and peer.run is None:
            self._take(peer, said)
        elif name == "end" and peer.run is not None and not peer.ending:
            self._run_ends(peer, abandoned=said.abandoned)
        else:
            raise PeerError(f"{name} out of its turn")

    def _take(self, peer: Peer, said: Any) -> None:
        descriptors = peer.take_descriptors()
        try:
            if len(descriptors) != 2:
                raise PeerError(f"{len(descriptors)} descriptors with register, which has two")
            if self._signals:
                raise PeerError("the sidecar is ending")
            ring, pidfd = descriptors
            check_pidfd(pidfd, peer.pid)
            self._check_quota(peer, ring_size(ring))
            run = TakenRun(
                said,
                ring,
                self._exporter,
                self._settings.tuning,
                same_user=peer.uid == os.geteuid(),
            )
            try:
                run.start()
            except BaseException:
                run.free()
                raise
            peer.run, peer.ring_bytes = run, ring_size(ring)
            peer.pidfd = descriptors.pop()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._runs += 1
        self._tally.begin(run)
        self._selector.register(peer.pidfd, selectors.EVENT_READ, peer)
        peer.send(wire.frame(wire.ACCEPTED, {1: PROGRAM, 2: self._exporter.keeps}))

    def _check_quota(self, peer: Peer, ring_bytes: int) -> None:
        """Raises PeerError."""
        others = [one for one in self._peers if one.uid == peer.uid and one.run is not None]
        settings = self._settings
        if len(others) >= settings.max_runs:
            raise PeerError(f"uid {peer.uid} has {len(others)} runs here already (max_runs)")
        taken = sum(one.ring_bytes for one in others) + ring_bytes
        if taken > settings.max_ring_bytes:
            raise PeerError(
                f"the rings of uid {peer.uid} would take {taken} bytes, more than"
                f" {settings.max_ring_bytes} (max_ring_size)"
            )

    def _peer_died(self, peer: Peer) -> None:
        """It closed the connection, or its process is gone."""
        if peer.run is None:
            self._forget(peer)
        elif not peer.ending:
            self._tell(f"{peer} is gone: {peer.run.name} ends as unfinished")
            self._run_ends(peer, abandoned=False)
        else:
            self._unregister(peer)

    def _run_ends(self, peer: Peer, *, abandoned: bool) -> None:
        assert peer.run is not None
        peer.ending = True
        if abandoned:
            peer.run.leave()
        else:
            peer.run.cut()

    def _run_is_over(self, peer: Peer) -> None:
        assert peer.run is not None
        with suppress(PeerError):  # it is gone, or does not care
            peer.send(wire.frame(wire.ENDED, peer.run.ended()))
        self._forget(peer)

    def _cut_off(self, peer: Peer, reason: str) -> None:
        """Told to it and to us; what its run has left in the ring is still read."""
        self._refused += 1
        self._tell(f"{peer} is cut off: {one_line(reason, 200)}")
        peer.refuse(reason)
        if peer.run is not None and not peer.ending:
            peer.deadline = None
            self._run_ends(peer, abandoned=False)
        if peer.run is None:
            self._forget(peer)
        else:
            self._unregister(peer)

    def _unregister(self, peer: Peer) -> None:
        """Nothing more is heard of it."""
        for descriptor in (peer.socket.fileno(), peer.pidfd):
            if descriptor >= 0 and descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)

    def _forget(self, peer: Peer) -> None:
        self._unregister(peer)
        self._peers.discard(peer)
        if peer.run is not None:
            if not peer.run.poll():
                peer.run.leave()
            self._unread += self._tally.close(peer.run)
            peer.run = None
        peer.close()

    # --- the end ------------------------------------------------------------------------------

    def _finish(self) -> Served:
        """Runs that go on are left to their tracers; what is encoded is sent within the bound."""
        self._exporter.hurry()
        for peer in [peer for peer in self._peers if peer.run is not None]:
            if not peer.ending:
                assert peer.run is not None
                peer.run.leave()
                self._left += 1
            # The goodbye comes after the last look at the ring: another may have it then.
            peer.ending = True
        for peer in tuple(self._peers):
            goodbye = wire.frame(wire.GOODBYE, {1: "the sidecar ended"})
            if peer.run is not None:
                self._unread += self._tally.close(peer.run)
                peer.run = None
                with suppress(PeerError):
                    peer.send(goodbye)
            self._forget(peer)
        seconds = 0.0 if self._signals > 1 else self._settings.drain_s / 2
        return Served(self._runs, self._left, self._unread, self._exporter.close(seconds))

    # --- what is shown, from other threads ------------------------------------------------------

    def _unready(self) -> str:
        """Why no run should be handed over; "" = it is ready."""
        if self._signals:
            return "the sidecar is ending"
        if not self._is_listening:
            return "the sidecar does not listen yet"
        if self._rests_until is not None:
            return "too many open files: nobody can be accepted for now"
        return self._exporter.unready()

    def _metrics(self) -> list[Metric]:
        runs, live, taken = self._tally.figures()
        counts = self._exporter.counts()
        queue = self._exporter.queued_bytes(), self._settings.queue_bytes
        figures = figures_of(runs, live, counts, queue)
        metrics = own_metrics(figures, Sending.of(self._settings.otlp))
        return metrics + more_metrics(runs, live, taken, self._refused, counts)

    # --- words --------------------------------------------------------------------------------

    def _status(self) -> str:
        live = sum(peer.run is not None for peer in self._peers)
        return f"{plural(live, 'run')} of {self._runs:,} so far, {self._place.path}"

    def _tell(self, sentence: str) -> None:
        """A few a second: strangers must not fill a disk with our words."""
        now = time.monotonic()
        with self._words:
            self._spoken = [at for at in self._spoken if at > now - 1.0]
            if len(self._spoken) >= _LINES_A_SECOND:
                self._unspoken += 1
                return
            self._spoken.append(now)
        self._say(sentence)

    def _speak_again(self) -> None:
        with self._words:
            if not self._unspoken or time.monotonic() <= self._spoken[-1] + 1.0:
                return
            count, self._unspoken = self._unspoken, 0
        self._say(f"{count:,} more such lines were left out")
