"""The reference: a writer that sends requests as fast as the API server answers them, and nothing else."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from aistack.kinds import Manifest, kind_of

CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, made before the clock runs."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"


def post(manifest: Manifest) -> Sent:
    """Creates an object."""
    return Sent("POST", kind_of(manifest).path(manifest["metadata"]["namespace"]), orjson.dumps(manifest))


def apply(manifest: Manifest) -> Sent:
    """Applies an object as `kubectl apply --server-side` does."""
    path = f"{_path(manifest)}?fieldManager=kubectl&force=true"
    return Sent("PATCH", path, orjson.dumps(manifest), "application/apply-patch+yaml")


def delete(manifest: Manifest) -> Sent:
    return Sent("DELETE", _path(manifest))


def send(server: str, tls: ssl.SSLContext, requests: Sequence[Sent], connections: int = CONNECTIONS) -> None:
    """Sends all of them over keep-alive connections, which are open before the first is sent.

    aiohttp.ClientResponseError when the API server refuses one.
    """
    asyncio.run(_send(server, tls, requests, connections))


async def _send(server: str, tls: ssl.SSLContext, requests: Sequence[Sent], connections: int) -> None:
    waiting = iter(requests)
    connector = aiohttp.TCPConnector(ssl=tls, limit=connections)
    async with aiohttp.ClientSession(server, connector=connector, raise_for_status=True) as session:

        async def connection() -> None:
            for request in waiting:
                headers = {"Content-Type": request.content_type}
                async with session.request(
                    request.method, request.path, data=request.body, headers=headers
                ) as answer:
                    await answer.read()

        await asyncio.gather(*(_open(session) for _ in range(connections)))
        await asyncio.gather(*(connection() for _ in range(connections)))


async def _open(session: aiohttp.ClientSession) -> None:
    async with session.get("/readyz") as answer:
        await answer.read()


def _path(manifest: Manifest) -> str:
    meta = manifest["metadata"]
    return kind_of(manifest).path(meta["namespace"], meta["name"])
