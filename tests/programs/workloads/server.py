# SPDX-License-Identifier: MIT
"""An asyncio server, 20 clients, programs that it starts, threads, and a signal."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(hashlib.sha256(line).hexdigest().encode() + b"\n")
        await writer.drain()
    writer.close()


async def client(port: int, name: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for number in range(50):
        writer.write(f"{name} {number}\n".encode())
        await writer.drain()
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return hashlib.sha256(b"".join(answers)).hexdigest()


async def program(number: int) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-ISc", f"import sys; print(len(sys.stdin.read())); sys.exit({number})",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(b"x" * 100_000 * number)
    return f"{output.decode().strip()} {process.returncode}"


async def main() -> int:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, told.set)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(*await asyncio.gather(*(client(port, name) for name in range(20))), sep="\n")
    print(*await asyncio.gather(*(program(number) for number in range(6))), sep="\n")
    sizes = (loop.run_in_executor(None, os.path.getsize, __file__) for _ in range(50))
    print(len(set(await asyncio.gather(*sizes))))
    os.kill(os.getpid(), signal.SIGUSR1)
    await told.wait()
    server.close()
    await server.wait_closed()
    return 9


sys.exit(asyncio.run(main()))
