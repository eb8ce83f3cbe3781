"""What a gateway's replica counts: tokens and bytes by client, route and target, since it was started."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from aistack.exposition import labels

Kind = Literal[
    "prompt", "completion", "cached", "estimated_prompt", "estimated_completion", "sent", "answered"
]
"""Tokens that were read, those that were written, and those of the former that a provider had in its cache;
the first two as they were estimated of answers that ended before they said how many; bytes of requests, and
of their answers."""
COUNTED: Mapping[str, Kind] = {
    "prompt_tokens": "prompt",
    "completion_tokens": "completion",
    "cached_tokens": "cached",
    "estimated_prompt_tokens": "estimated_prompt",
    "estimated_completion_tokens": "estimated_completion",
    "request_bytes": "sent",
    "answer_bytes": "answered",
}
MOST_SERIES = 50_000
"""Of one replica: what is beyond is not counted. It counts by declared names only."""

ABSENT = "-"
"""What Envoy writes for a header that a request doesn't have."""

_LINE = re.compile(rf"^aistack_({'|'.join(COUNTED)})_total\{{(.*)\}} ([0-9]+)$", re.MULTILINE)


class Series(NamedTuple):
    """One counter."""

    client: str
    """Empty where clients have no keys."""
    route: str
    target: str
    """The model that answered."""
    kind: Kind


Counters = Mapping[Series, int]


def read_counters(text: str) -> Counters:
    """The counters in a replica's metrics that money hangs on."""
    found: dict[Series, int] = {}
    for name, written, value in _LINE.findall(text)[:MOST_SERIES]:
        named = labels(written)
        client = "" if (said := named.get("client", "")) == ABSENT else said
        series = Series(client, named.get("route", ""), named.get("target", ""), COUNTED[name])
        found[series] = found.get(series, 0) + int(value)
    return found


def increments(before: Counters, now: Counters) -> dict[Series, int]:
    """What was counted since `before`: a counter that is lower than it was has begun again at zero."""
    grown = {
        series: value - before.get(series, 0) if value >= before.get(series, 0) else value
        for series, value in now.items()
    }
    return {series: value for series, value in grown.items() if value}
