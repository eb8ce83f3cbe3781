"""The line in Redis, which all pods of the queue stand in."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources

from redis.asyncio import Redis

LEASE_SECONDS = 3.0
"""How long a pod is taken for alive after its last step; then its tickets are forgotten."""
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.25, 5.0
"""How long a route rests after a failed round; twice as long after each one more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many may be held, and how many of them may be out at once: the least while models fail."""

    depth: int
    least: int
    most: int


@dataclass(slots=True)
class News:
    """What has happened at a pod since its last step."""

    enter: list[tuple[str, str, int, bool]] = field(default_factory=list)
    """Ticket, route, when it arrived in milliseconds since 1970, whether it is out already."""
    works: list[str] = field(default_factory=list)
    """Routes, one for each answer."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Ticket and route."""
    gone: list[str] = field(default_factory=list)
    """Tickets that are answered, or that nobody waits for any more."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The tickets whose turn it is, and those that there is no room for."""

    turns: Sequence[str]
    full: Sequence[str]


class Unknown(Exception):
    """The line does not know this pod (any more), and has to be told of all its tickets."""


class Line:
    """Every method raises what redis-py raises, RedisError or OSError, where Redis doesn't answer."""

    def __init__(self, redis: Redis, pod: str, bounds: Bounds) -> None:
        self.pod = pod
        self._script = redis.register_script(resources.files("queueing").joinpath("line.lua").read_text())
        self._constant = {
            **asdict(bounds),
            "pod": pod,
            "lease": int(1000 * LEASE_SECONDS),
            "rest": [int(1000 * FIRST_REST_SECONDS), int(1000 * LONGEST_REST_SECONDS)],
        }

    async def step(self, news: News, routes: Sequence[str], *, anew: bool) -> Turns:
        """Tells what has happened and returns whose turn it is. `routes` are those with tickets that wait
        here. `anew` says that `news` has all the tickets that there are.
        """
        told = json.dumps({**self._constant, **asdict(news), "routes": list(routes), "anew": anew})
        said = json.loads(await self._script(args=[told]))
        if said.get("unknown"):
            raise Unknown
        return Turns(list(said["turns"]), list(said["full"]))  # Lua's empty table is {} in JSON
