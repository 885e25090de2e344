# SPDX-License-Identifier: MIT
import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
server = os.fork()
if server == 0:
    peer, _ = listener.accept()
    file = peer.makefile("rw")
    for line in file:
        file.write(line)
        file.flush()
    os._exit(0)
client = socket.create_connection(listener.getsockname())
file = client.makefile("rw")
for word in sys.argv[1:]:
    file.write(word + "\n")
    file.flush()
    sys.stdout.write("> " + file.readline())
sys.stdout.flush()
client.shutdown(socket.SHUT_WR)
os.waitpid(server, 0)
