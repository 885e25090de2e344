# SPDX-License-Identifier: MIT
"""A server that forks its workers before it serves, and a client: two workers, a request each.

A worker takes one connection and ends, so that each has one whoever is first.
"""

from __future__ import annotations

import os
import socket
import socketserver
from http.server import BaseHTTPRequestHandler

WORKERS = 2


class Handler(BaseHTTPRequestHandler):
    """Answers a GET, and closes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def work(server: socketserver.TCPServer) -> None:
    # Without a selector before it: accept() itself waits.
    request, address = server.get_request()
    server.process_request(request, address)


def ask(address: tuple[str, int]) -> None:
    for _ in range(WORKERS):
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while data := connection.recv(4096):
                answer += data
            assert answer.endswith(b"hello\n")


def main() -> None:
    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
    children = []
    for role in [*["worker"] * WORKERS, "client"]:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if role == "client":
                    address = server.socket.getsockname()
                    server.server_close()
                    ask(address)
                else:
                    work(server)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    server.server_close()
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0


main()
