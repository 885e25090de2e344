# SPDX-License-Identifier: MIT
"""Waits for what programs wait for, and computes: each for a while that stands here."""

import os
import select
import socket
import threading
import time

SLEEP, LOCK, CHILD, PEER, ROUNDS = 0.03, 0.03, 0.03, 0.03, 1_000_000


def hold(lock: threading.Lock, held: threading.Event) -> None:
    """Has the lock for a while."""
    with lock:
        held.set()
        threading.Event().wait(LOCK)


def answer(connection: socket.socket) -> None:
    """Takes its time."""
    with connection:
        connection.recv(10)
        select.select([], [], [], PEER)
        connection.sendall(b"late")


time.sleep(SLEEP)

lock, held = threading.Lock(), threading.Event()
holder = threading.Thread(target=hold, args=(lock, held))
holder.start()
held.wait()
with lock:
    holder.join()

child = os.fork()
if not child:
    threading.Event().wait(CHILD)
    os._exit(0)
os.waitpid(child, 0)

with socket.create_server(("127.0.0.1", 0)) as listening:
    peer = os.fork()
    if not peer:
        answer(listening.accept()[0])
        os._exit(0)
    with socket.create_connection(listening.getsockname()) as client:
        client.sendall(b"well?")
        client.recv(10)
    os.waitpid(peer, 0)

sum(number * number for number in range(ROUNDS))
