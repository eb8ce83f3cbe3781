"""Reads what pods answer: a program that is not ours may stand there by now."""

from http import HTTPStatus

import aiohttp


async def text(answer: aiohttp.ClientResponse, *, largest: int) -> str:
    """ValueError where it is no success, no text, or more than `largest` bytes."""
    if answer.status != HTTPStatus.OK:
        raise ValueError(f"HTTP {answer.status}")
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise ValueError(f"more than {largest} bytes")
    return body.decode()
