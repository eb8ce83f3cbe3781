"""A stand-in that embeds: questions with nearly the same words are nearly the same to it."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.gateway.stand_in import StandIn

DIMENSIONS = 512
USAGE = {"prompt_tokens": 7, "total_tokens": 7}


@dataclass
class EmbeddingModel(StandIn):
    """One dimension a word: the cosine of two questions is the part of their words that they share."""

    @property
    def embedded(self) -> list[str]:
        """The questions that it was given."""
        return [text for asked in self.asked for text in asked.body["input"]]

    async def _whole(self, body: dict[str, Any]) -> web.Response:
        found = [
            {"object": "embedding", "index": number, "embedding": _embedding(text)}
            for number, text in enumerate(body["input"])
        ]
        return web.json_response({"object": "list", "data": found, "model": body["model"], "usage": USAGE})


def _embedding(text: str) -> list[float]:
    words = Counter(zlib.crc32(word.encode()) % DIMENSIONS for word in re.findall(r"\w+", text.lower()))
    return [float(words[dimension]) for dimension in range(DIMENSIONS)]
