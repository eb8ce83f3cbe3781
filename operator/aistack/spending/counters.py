"""What a gateway's replica counts: tokens by client, route and target, since it was started.

The same text that Prometheus reads; https://prometheus.io/docs/instrumenting/exposition_formats.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

Kind = Literal["prompt", "completion"]
"""Tokens that were read, and those that were written."""
MOST_SERIES = 20_000
"""Of one replica: what is beyond is not counted. It counts by declared names only."""

ABSENT = "-"
"""What Envoy writes for a header that a request doesn't have."""

_LINE = re.compile(r"^aistack_(prompt|completion)_tokens_total\{(.*)\} ([0-9]+)$", re.MULTILINE)
_LABEL = re.compile(r'(?<!\w)(\w+)="((?:[^"\\]|\\.)*)"')


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
    """The counters of tokens in a replica's metrics."""
    found: dict[Series, int] = {}
    for kind, labels, value in _LINE.findall(text)[:MOST_SERIES]:
        named = dict(_LABEL.findall(labels))
        client = "" if (said := named.get("client", "")) == ABSENT else said
        series = Series(client, named.get("route", ""), named.get("target", ""), cast("Kind", kind))
        found[series] = found.get(series, 0) + int(value)
    return found


def increments(before: Counters, now: Counters) -> dict[Series, int]:
    """What was counted since `before`: a counter that is lower than it was has begun again at zero."""
    grown = {
        series: value - before.get(series, 0) if value >= before.get(series, 0) else value
        for series, value in now.items()
    }
    return {series: value for series, value in grown.items() if value}
