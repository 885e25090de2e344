# SPDX-License-Identifier: MIT
"""Three workers that accept on one socket, and a client; each request stands in a log."""

import os
import signal
import socket
import sys

REQUESTS = 12


def serve(listening: socket.socket, ready: int) -> None:
    """Until it is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = os.open("requests.log", os.O_WRONLY | os.O_APPEND)
    os.write(ready, b"r")
    while True:
        connection, _ = listening.accept()
        with connection:
            asked = connection.recv(100)
            os.write(log, asked)
            connection.sendall(asked.upper() * 3)


with open("requests.log", "w"):
    pass
with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
    workers = []
    told, ready = os.pipe()
    for _ in range(3):
        worker = os.fork()
        if not worker:
            serve(listening, ready)
        workers.append(worker)
    for _ in workers:
        os.read(told, 1)
    for number in range(REQUESTS):
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(f"request {number}\n".encode())
            answer = b""
            while part := client.recv(100):
                answer += part
            sys.stdout.write(answer.decode())
for worker in workers:
    os.kill(worker, signal.SIGTERM)
for worker in workers:
    os.waitpid(worker, 0)
