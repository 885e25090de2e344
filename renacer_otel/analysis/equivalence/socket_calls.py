# SPDX-License-Identifier: MIT
"""Calls on sockets: who is connected to, what is sent, which addresses are served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence.contents import Messages
from renacer_otel.analysis.equivalence.file_calls import FileCalls
from renacer_otel.analysis.equivalence.files import Connection, Node, Open

if TYPE_CHECKING:
    from renacer_otel.analysis.equivalence.following import Call, Process

_STREAM, _SEQPACKET = 1, 5
_MSG_MORE = 0x8000
# Calls that send one message each, and the argument that has their flags.
_ONE_EACH = {"sendto": 3, "sendmsg": 2, "write": None, "writev": None}
_UNIX = re.compile(r'\{sa_family=AF_UNIX, sun_path=(@?)"(.*)"\}')
_INET = re.compile(r'\{sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("(.*)"\)\}')
_INET6 = re.compile(r'\{sa_family=AF_INET6, sin6_port=htons\((\d+)\),.*\(AF_INET6, "([^"]*)"')
# Bound to these, nobody is served; a Unix socket without a name gets one from the kernel.
_NO_ADDRESS = ("{sa_family=AF_NETLINK", "{sa_family=AF_ALG", "{sa_family=AF_UNIX}", "NULL")

# Options by which what is sent differs on its way, and what they are without being set.
_SEEN_BY_OTHERS = {
    "IP_TTL": "", "IP_TOS": "[0]", "IP_OPTIONS": "", "IP_MULTICAST_TTL": "[1]",
    "IP_ADD_MEMBERSHIP": "", "IPV6_UNICAST_HOPS": "", "IPV6_TCLASS": "[0]",
    "IPV6_MULTICAST_HOPS": "", "IPV6_ADD_MEMBERSHIP": "", "TCP_MAXSEG": "",
    "SO_LINGER": "{l_onoff=0, l_linger=0}",
}  # fmt: skip


class SocketCalls(FileCalls):
    """Handlers: `_on_` and the call's name. `_causes`, `_effects`: numbers of calls that edges
    begin and end at."""

    _causes: set[int]
    _effects: set[int]

    def __init__(self, cwd: str, umask: int) -> None:
        super().__init__(cwd, umask)
        self._ends: dict[str, Connection] = {}  # by the address of the end that connected
        self._listening: dict[str, Connection] = {}  # by the address

    def _on_socket(self, call: Call, process: Process) -> None:
        kind = call.args[1] & 0xF
        connection = Connection(datagrams=kind not in (_STREAM, _SEQPACKET))
        if kind != _STREAM:
            connection.messages = Messages()
        process.fds[call.result] = Open(call.object, connection=connection)
        self.connections.append(connection)

    def _on_connect(self, call: Call, process: Process) -> None:
        connection = self._connection(self._open(call, process, call.fd(0)))
        connection.role = f"to {call.peer}" if call.peer else ""
        connection.inside |= self._is_inside(call)
        listener = self._listener(call.peer, process)
        if listener is not None:
            listener.own_clients += 1
            connection.inside = True
        self._joined(connection, call.own_end)

    def _listener(self, peer: str, process: Process) -> Connection | None:
        """Of the run's own, whom it connects to."""
        if peer.startswith(("@", "[")) or ":" in peer:
            return self._listening.get(peer)
        return self._listening.get(self._path(process, peer)) if peer else None

    def _on_accept(self, call: Call, process: Process) -> None:
        connection = Connection("accepted")
        connection.inside = bool({call.seq, call.seq + 1} & self._effects)
        listener = process.fds.get(call.fd(0))
        if listener is not None and listener.connection is not None:
            listener.connection.accepted.append(connection)
            connection.settings.update(listener.connection.settings)
            if listener.connection.messages is not None:
                connection.messages = Messages()
            if listener.connection.own_clients:
                listener.connection.own_clients -= 1
                connection.inside = True
        self._joined(connection, call.peer)
        process.fds[call.result] = Open(call.object, connection=connection)
        self.connections.append(connection)

    def _joined(self, connection: Connection, address: str) -> None:
        """Who connected from an address, and who accepted from it, are both of this run."""
        other = self._ends.pop(_plain(address), None)
        if other is not None and (other.role == "accepted") != (connection.role == "accepted"):
            connection.inside = other.inside = True
        elif address:
            self._ends[_plain(address)] = connection

    def _is_inside(self, call: Call) -> bool:
        """Whether one of the run's own processes took what this call gave."""
        return call.seq in self._causes

    # --- what is served --------------------------------------------------------------------------

    def _on_bind(self, call: Call, process: Process) -> None:
        connection = self._connection(self._open(call, process, call.fd(0)))
        _, _, text = call.words.partition("\x1f")
        text = text.rpartition("\x1f")[0]
        if not text or text.startswith(_NO_ADDRESS):
            return
        if unix := _UNIX.fullmatch(text):
            connection.bound = "".join(unix.groups())
            if not unix[1]:
                path = self._path(process, unix[2])
                connection.bound, connection.is_path = path, True
                self.names.put(path, Node("socket", born=True, mode=0o777 & ~process.umask))
        elif inet := _INET.fullmatch(text):
            connection.bound = f"{inet[2]}:{inet[1]}"
        elif inet := _INET6.match(text):
            connection.bound = f"[{inet[2]}]:{inet[1]}"
        else:
            connection.bound = text

    def _on_listen(self, call: Call, process: Process) -> None:
        connection = self._connection(self._open(call, process, call.fd(0)))
        connection.listens = True
        if connection.bound:
            self._listening[connection.bound] = connection

    def _on_setsockopt(self, call: Call, process: Process) -> None:
        words = call.words.split("\x1f")
        if len(words) < 4 or words[2] not in _SEEN_BY_OTHERS:
            return
        settings = self._connection(self._open(call, process, call.fd(0))).settings
        if words[3] == _SEEN_BY_OTHERS[words[2]]:
            settings.pop(words[2], None)
        else:
            settings[words[2]] = words[3]

    # --- what is sent ----------------------------------------------------------------------------

    def _on_sendto(self, call: Call, process: Process) -> None:
        self._sent(call, self._open(call, process, call.fd(0)), call.result)

    def _on_sendmmsg(self, call: Call, process: Process) -> None:
        # Its result counts messages; the hash knows how many bytes these were.
        length = call.content.length if call.content is not None else call.result
        self._sent(call, self._open(call, process, call.fd(0)), length)

    def _sent(self, call: Call, to: Open, length: int) -> None:
        connection = self._connection(to)
        if to.stream is None and connection.datagrams and call.peer:
            connection = self._to_peer(connection, f"to {call.peer}")
        connection.sent.add(length, call.content)
        if to.stream is not None:
            return
        if connection.messages is not None:
            _add_message(connection.messages, call, length)
        if self._is_inside(call):
            connection.inside = True
        if not connection.role and call.peer:
            connection.role = f"to {call.peer}"

    def _to_peer(self, connection: Connection, role: str) -> Connection:
        """What a socket sends to one of those whom its datagrams name."""
        if not connection.role:
            connection.role = role
        if connection.role == role:
            return connection
        known = connection.peers.get(role)
        if known is None:
            known = Connection(role, datagrams=True, messages=Messages())
            known.settings = connection.settings
            connection.peers[role] = known
            self.connections.append(known)
        return known


def _add_message(messages: Messages, call: Call, length: int) -> None:
    if call.name in _ONE_EACH:
        flags = _ONE_EACH[call.name]
        messages.add(length, more=flags is not None and bool(call.args[flags] & _MSG_MORE))
    elif call.name == "sendmmsg" and call.result == 1:
        messages.add(length)
    else:
        messages.add_unknown(call.result if call.name == "sendmmsg" else None)


def is_gone(connection: Connection, *, path_is_there: bool) -> bool:
    """Whether it served only the run itself, by a name that is not there any more."""
    inside = bool(connection.accepted) and all(each.inside for each in connection.accepted)
    return connection.is_path and not path_is_there and inside


def served(connection: Connection, shown: str) -> str:
    """What a socket that was bound, or listens, offers to others; "" = nothing.

    `shown`: how its address is called.
    """
    chosen = connection.bound.endswith(":0") and not connection.is_path
    if connection.listens:
        if not connection.bound:
            return "listens on a port of the kernel's choice"
        if chosen:
            return f"listens on {shown[:-2]}, a port of the kernel's choice"
        return f"listens on {shown}"
    told = connection.is_path or chosen  # by the file, if it is there in the end
    return f"bound to {shown}" if connection.bound and not told else ""


def _plain(address: str) -> str:
    """An address of IPv4 as one, if it is told as one of IPv6."""
    mapped = address.startswith("[::ffff:") and "." in address
    return address[8:].replace("]", "") if mapped else address
