# SPDX-License-Identifier: MIT
import os
import socket
import sys


def serve(name: str, kind: int) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(name)
    made.listen(9)
    return made


os.umask(0o022)
hidden = serve(f"\0corpus-{sys.argv[1]}", kind=1)
seen = serve("door", kind=1)
with socket.socket(socket.AF_UNIX) as guest:
    guest.connect("door")
    guest.send(b"hello")
    host, _ = seen.accept()
    print(host.recv(9).decode())
