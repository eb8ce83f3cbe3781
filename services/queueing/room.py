"""The requests that wait in this pod, each with a ticket in the line."""

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from redis.exceptions import RedisError

from queueing.line import Line, News, Unknown

STEP_SECONDS = 0.1
"""Between two looks at the line, while anybody waits here."""
PATIENCE = 3
"""How often a request may fail in a row and keep its place: it may be its own fault."""
ASIDE_SECONDS = 5.0
"""How long it lets others go first then."""
log = logging.getLogger("queueing")


class Full(Exception):
    """As many wait as may."""


class Expired(Exception):
    """It has waited as long as it may."""


class Ending(Exception):
    """This pod ends: another one has to take the request."""


class Place(StrEnum):
    """Where a ticket is."""

    WAITING, OUT, ASIDE = "waiting", "out", "aside"


@dataclass(slots=True, eq=False)
class Ticket:
    name: str
    route: str
    arrived: int
    """Milliseconds since 1970."""
    called: asyncio.Future[None]
    """Done when it is its turn, or when there is none for it."""
    place: Place = Place.WAITING
    failures: int = 0


@dataclass(slots=True)
class Room:
    """`longest_wait` is in seconds, from the arrival at the gateway."""

    line: Line
    longest_wait: float
    tickets: dict[str, Ticket] = field(default_factory=dict)
    in_touch: bool = True
    """Whether the line has answered lately."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _news: News = field(default_factory=News)
    _busy: asyncio.Event = field(default_factory=asyncio.Event)
    _anew: bool = True
    _ending: bool = False

    def enter(self, route: str, arrived: int) -> Ticket:
        name = f"{self.line.pod}/{next(self._numbers)}"
        ticket = Ticket(name, route, arrived, asyncio.get_running_loop().create_future())
        self.tickets[name] = ticket
        self._join(ticket)
        return ticket

    async def turn(self, ticket: Ticket) -> None:
        """Waits for it; raises Full, Expired or Ending."""
        if self._ending:
            raise Ending
        try:
            async with asyncio.timeout(ticket.arrived / 1000 + self.longest_wait - time.time()):
                await ticket.called
        except TimeoutError as late:
            raise Expired from late

    def works(self, ticket: Ticket) -> None:
        """Its route answers: more may be asked at once."""
        ticket.failures = 0
        self._news.works.append(ticket.route)

    async def again(self, ticket: Ticket) -> None:
        """Nobody could answer: it has the place that it had."""
        ticket.failures += 1
        ticket.place = Place.ASIDE
        ticket.called = asyncio.get_running_loop().create_future()
        self._news.failed.append((ticket.name, ticket.route))
        if ticket.failures >= PATIENCE:
            await asyncio.sleep(ASIDE_SECONDS)
        self._join(ticket)

    def leave(self, ticket: Ticket) -> None:
        del self.tickets[ticket.name]
        self._news.gone.append(ticket.name)
        self._busy.set()

    def count(self, *places: Place) -> int:
        return sum(ticket.place in places for ticket in self.tickets.values())

    def end(self) -> None:
        """Whoever waits is sent to another pod; what is out already may finish."""
        self._ending = True
        for ticket in self.tickets.values():
            if ticket.place is Place.WAITING:
                _call(ticket, Ending())

    async def close(self) -> None:
        """Tells the line a last time what has happened here."""
        with suppress(Unknown, RedisError, OSError):
            await self._step()

    async def run(self) -> None:
        """Tells the line what has happened here, and calls whose turn it is, for ever."""
        while True:
            await self._busy.wait()
            try:
                await self._step()
                self._heard(None)
            except Unknown:
                self._anew = True
                continue
            except (RedisError, OSError) as problem:
                self._anew = True
                self._heard(problem)
            if not self.tickets and self._news == News():
                self._busy.clear()
            await asyncio.sleep(STEP_SECONDS)

    async def _step(self) -> None:
        news, anew = self._news, self._anew
        self._news = News()
        if anew:
            held = [ticket for ticket in self.tickets.values() if ticket.place is not Place.ASIDE]
            news = News([_entry(ticket) for ticket in held], news.works, news.failed, [])
        called = await self.line.step(news, self._routes(), anew=anew)
        self._anew = False
        for ticket in filter(None, map(self.tickets.get, called.turns)):
            ticket.place = Place.OUT
            _call(ticket)
        for ticket in filter(None, map(self.tickets.get, called.full)):
            _call(ticket, Full())

    def _join(self, ticket: Ticket) -> None:
        ticket.place = Place.WAITING
        self._news.enter.append(_entry(ticket))
        self._busy.set()

    def _routes(self) -> list[str]:
        """The one whose first ticket came first is first."""
        first: dict[str, int] = {}
        for ticket in self.tickets.values():
            if ticket.place is Place.WAITING:
                first[ticket.route] = min(ticket.arrived, first.get(ticket.route, ticket.arrived))
        return sorted(first, key=first.__getitem__)

    def _heard(self, problem: Exception | None) -> None:
        """Says a problem once, not ten times a second."""
        if problem and self.in_touch:
            log.info("the line does not answer: %s", problem)
        elif not problem and not self.in_touch:
            log.info("the line answers again")
        self.in_touch = problem is None


def _entry(ticket: Ticket) -> tuple[str, str, int, bool]:
    return ticket.name, ticket.route, ticket.arrived, ticket.place is Place.OUT


def _call(ticket: Ticket, problem: Exception | None = None) -> None:
    if ticket.called.done():
        return
    if problem:
        ticket.called.set_exception(problem)
    else:
        ticket.called.set_result(None)
