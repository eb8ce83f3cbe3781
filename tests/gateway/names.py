"""A DNS server that knows what it is told: the addresses behind a headless Service."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.gateway.front import HOST

ADDRESS = 1
"""DNS's type of an answer that is an IPv4 address."""


@dataclass
class Names(asyncio.DatagramProtocol):
    addresses: dict[str, list[str]]
    """By name; they may change."""
    transport: asyncio.DatagramTransport = field(init=False)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One question, whose name comes as labels with their lengths in front (RFC 1035)."""
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode())
            at += 1 + length
        question = data[12 : at + 5]
        wanted = struct.unpack("!H", question[-4:-2])[0] == ADDRESS
        found = list(self.addresses.get(".".join(labels).lower(), ())) if wanted else []
        random.shuffle(found)  # as Services do
        header = data[:2] + struct.pack("!HHHHH", 0x8580, 1, len(found), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", ADDRESS, 1, 0, 4)
        records = [record + socket.inet_aton(address) for address in found]
        self.transport.sendto(b"".join([header, question, *records]), addr)


@asynccontextmanager
async def names(**addresses: list[str]) -> AsyncIterator[Names]:
    server = Names(addresses)
    loop = asyncio.get_running_loop()
    server.transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(HOST, 0))
    yield server
    server.transport.close()
