"""What the queue itself answers, in the form that OpenAI's clients read."""

import json

from aiohttp import web

OWN = "x-aistack-own"
"""Tells the front that these are the gateway's words; a model's own it would replace."""
TRY_AGAIN_SECONDS = 10
"""What a client that finds no room is told to wait."""


def full() -> web.Response:
    """Too many wait already."""
    return _error(
        429, "So many requests wait for a model that there is room for no more.", "requests", "queue_full"
    )


def expired() -> web.Response:
    return _error(
        503,
        "No target of the model could answer for as long as a request may wait.",
        "api_error",
        "queue_timeout",
    )


def ending() -> web.Response:
    """Which only the front hears: it asks another pod."""
    return _error(503, "This pod of the queue ends.", "api_error", "queue_ends")


def _error(status: int, message: str, kind: str, code: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": code}
    headers = {OWN: "true", **({"retry-after": str(TRY_AGAIN_SECONDS)} if status == 429 else {})}
    return web.Response(
        status=status,
        headers=headers,
        body=json.dumps({"error": error}).encode(),
        content_type="application/json",
    )
