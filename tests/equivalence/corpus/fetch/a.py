# SPDX-License-Identifier: MIT
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    client.sendall(b"GET /page HTTP/1.0\r\nAccept: text/plain" + b"\r\n\r\n")
    answer = b""
    while data := client.recv(7):
        answer += data
sys.stdout.write(answer.decode().partition("\r\n\r\n")[2])
