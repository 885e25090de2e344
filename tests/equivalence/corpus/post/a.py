# SPDX-License-Identifier: MIT
import socket
import sys


def ask():
    with open(sys.argv[2], "rb") as file:
        data = file.read()
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
        server.sendall(b"POST /form HTTP/1.0\r\n\r\n")
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        while answer := server.recv(100):
            sys.stdout.buffer.write(answer)


ask()
