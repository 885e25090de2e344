# SPDX-License-Identifier: MIT
"""Programs, children, threads and signals as Python makes them."""

import os
import signal
import socket
import subprocess
import sys
import threading

os.access("/conformance/begin", os.F_OK)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

done = subprocess.run(["cat", "-"], input=b"through a pipe\n", stdout=subprocess.PIPE, check=True)
print(done.stdout)
print(subprocess.run(["sh", "-c", "echo one; echo two | tr a-z A-Z; exit 9"]).returncode)
try:
    subprocess.run(["/no/such/program"], check=False)
except FileNotFoundError as error:
    print(error.strerror)

pids = [os.fork() for _ in range(1)]
if pids == [0]:
    os._exit(17)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])

found: list[int] = []
threads = [threading.Thread(target=lambda n=n: found.append(n * n)) for n in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(found))

left, right = socket.socketpair()
left.sendall(b"x" * 1000)
print(len(right.recv(2000)))
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
os.kill(os.getpid(), 0)
sys.stdout.flush()
os.access("/conformance/end", os.F_OK)
