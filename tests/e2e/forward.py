"""Lets the node reach the API server, which listens on 127.0.0.1 only.

python -m tests.e2e.forward ADDRESS PORT
"""

import asyncio
import sys


async def main(address: str, port: int) -> None:
    """Passes every connection to `address` on to the same port of 127.0.0.1."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass(reader, server_writer), _pass(server_reader, writer))

    server = await asyncio.start_server(accept, address, port)
    await server.serve_forever()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side is gone; the other is told by the closing below
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
