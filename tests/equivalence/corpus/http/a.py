# SPDX-License-Identifier: MIT
import socket
import threading

BODY = b"hello over http"
listener = socket.create_server(("127.0.0.1", 0))


def serve():
    peer, _ = listener.accept()
    with peer:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += peer.recv(1000)
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


server = threading.Thread(target=serve)
server.start()
with socket.create_connection(listener.getsockname()) as client:
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while data := client.recv(1000):
        answer += data
server.join()
head, _, body = answer.decode().partition("\r\n\r\n")
print(body)
