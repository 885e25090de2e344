# SPDX-License-Identifier: MIT
"""A server and eight clients in one event loop; what was answered is written at the end."""

import asyncio

CLIENTS, LINES = 8, 10


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each line with the same in capitals."""
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port: int, name: int) -> list[str]:
    """What the server said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for number in range(LINES):
        writer.write(f"client {name} line {number}\n".encode())
        await writer.drain()
        answers.append((await reader.readline()).decode())
    writer.close()
    await writer.wait_closed()
    return answers


async def main() -> None:
    """All at once."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await asyncio.gather(*(client(port, name) for name in range(CLIENTS)))
    with open("answers.txt", "w") as file:
        for answers in found:
            file.writelines(answers)


asyncio.run(main())
