# SPDX-License-Identifier: MIT
import socket
import sys

out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def send(port: int, line: str) -> None:
    out.sendto(line.encode(), ("127.0.0.1", port))


port = int(sys.argv[1])
with open(sys.argv[2]) as file:
    for line in file:
        send(port, line)
# all
