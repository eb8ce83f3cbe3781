"""Takes the front's requests, waits with each for its turn, and hands on what the front answers then."""

import io
import time
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from queueing import replies
from queueing.room import Ending, Expired, Full, Place, Room, Ticket
from queueing.state import State

ROUTE_HEADER, ARRIVED_HEADER = "x-aistack-queued", "x-aistack-arrived"
"""The front says of a request which route it is for, and when it arrived, in milliseconds since 1970."""
NOBODY_ANSWERED = {429, 502, 503, 504}
"""Statuses with which the front says that no target could answer. Any other is the answer, 500 as well: it is
what a model says of this request."""
HOP_BY_HOP = {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers of one connection (RFC 9110, 7.6.1), and the name of this server."""
MOST_BYTES = 256 * 1024 * 1024
"""Of all requests that are held at once."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one request: the front takes half as many, and may make it longer."""
CONNECTS_WITHIN = 5.0
"""Seconds."""


class Desk:
    """`front` is where requests are asked for again, such as http://support-gateway:8082."""

    def __init__(self, room: Room, state: State, session: aiohttp.ClientSession, front: str) -> None:
        self.room, self.state = room, state
        self._session, self._front = session, front
        self._bytes = 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Ends with the client's connection: then its place is free, and whoever is asked for it hears it."""
        route = request.headers[ROUTE_HEADER]
        size = request.content_length or 0
        if self._bytes + size > MOST_BYTES:
            return self._ended(route, "full", replies.full())
        self._bytes += size
        ticket = self.room.enter(route, _arrived(request))
        try:
            return await self._served(request, ticket)
        except Full:
            return self._ended(route, "full", replies.full())
        except Expired:
            return self._ended(route, "expired", replies.expired())
        except Ending:
            return replies.ending()
        finally:
            self._bytes -= size
            self.room.leave(ticket)

    async def _served(self, request: web.Request, ticket: Ticket) -> web.StreamResponse:
        body = await request.read()
        while True:
            await self.room.turn(ticket)
            response = await self._asked(request, body, ticket)
            if response:
                self._ended(ticket.route, "answered", response)
                return response
            await self.room.again(ticket)

    async def _asked(self, request: web.Request, body: bytes, ticket: Ticket) -> web.StreamResponse | None:
        """One turn: None where nobody could answer."""
        try:
            answer = await self._session.request(
                request.method,
                self._front + request.path_qs,
                headers=_passed(request.headers),
                data=io.BytesIO(body),
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectionError, TimeoutError):
            return None
        async with answer:
            if answer.status in NOBODY_ANSWERED:
                return None
            self.room.works(ticket)
            self.state.waited(ticket.route, time.time() - ticket.arrived / 1000)
            return await _handed_on(request, answer)

    def _ended(self, route: str, how: str, response: web.StreamResponse) -> web.StreamResponse:
        self.state.ended(route, how)
        return response


async def _handed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """As it comes. One that breaks off is cut, as it is without a queue."""
    response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        if request.transport:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


def _arrived(request: web.Request) -> int:
    said = request.headers.get(ARRIVED_HEADER, "")
    return int(said) if said.isdecimal() else int(1000 * time.time())


def status_application(room: Room, state: State) -> web.Application:
    """/ready and /metrics."""

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ready\n")

    async def metrics(_: web.Request) -> web.Response:
        counts = {str(place): room.count(place) for place in Place}
        return web.Response(text=state.metrics(counts, in_touch=room.in_touch))

    app = web.Application()
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", metrics)
    return app
