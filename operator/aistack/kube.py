"""The one client of the API server: raw dicts over one aiohttp session.

The official client turns every object into typed models (1.3 ms of CPU each); an operator that applies
thousands of children can't pay that.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from aistack.connection import Connection
from aistack.errors import ApiError, Conflict, Gone, NotFound, Refused, Unavailable
from aistack.kinds import FIELD_MANAGER, Kind, Manifest, kind_of

OURS = {"fieldManager": FIELD_MANAGER}
MAX_IN_FLIGHT = 48
"""Requests at once: API Priority and Fairness gives one ServiceAccount some 245 seats, shared by replicas."""
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=150)
"""A bookmark comes every minute; two missed ones mean a dead connection."""
WATCH_SECONDS = (1800, 3600)
"""The server ends a watch after a time drawn from here, so that the streams don't all end together."""

JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# Compressing a list costs the API server more than sending it inside one cluster.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "aistack"}
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
ANOTHER_UID = (
    "metadata.uid: Invalid value",
    "the server rejected our request due to an error in our request",
)
"""The words of the API server (1.37), with code 422, for an apply and a JSON Patch that name another uid."""

OnRequest = Callable[[str, int, float], None]
"""Told of each request: verb, HTTP code (0: no answer), seconds until the answer began."""
OnWritten = Callable[[Manifest], None]
"""Told of each object that was applied or whose status was written, as the API server answered."""


@dataclass(frozen=True, slots=True)
class Page:
    """One part of a list; every part of the same list carries the same resourceVersion."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; a bookmark's object holds only its resourceVersion."""

    type: str
    object: Manifest


def _nothing() -> None:
    pass


def _not_counted(_verb: str, _code: int, _seconds: float) -> None:
    pass


def _not_kept(_manifest: Manifest) -> None:
    pass


class Kube:
    """Requests to the API server, at most `MAX_IN_FLIGHT` at once besides the watches.

    `before_write` is called immediately before each request that changes something and may raise; that is
    how a process that lost its lease stops writing. Of the kinds in `metadata_only`, lists, watches and
    applies are answered with the metadata: neither side pays for a body that nobody reads.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        before_write: Callable[[], None] = _nothing,
        on_request: OnRequest = _not_counted,
        on_written: OnWritten = _not_kept,
        metadata_only: Set[Kind] = frozenset(),
    ) -> None:
        self._connection = connection
        self._before_write = before_write
        self._on_request = on_request
        self._on_written = on_written
        self._metadata_only = metadata_only
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = self._connection.session(HEADERS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        return await self._request("get", "GET", kind.path(namespace, name))

    async def pages(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 100,
    ) -> AsyncGenerator[Page, None]:
        """The objects of a kind, `limit` at a time. Gone when the list grew too old between two pages."""
        query = {"limit": str(limit), **_selectors(label_selector, field_selector)}
        accept = METADATA_LIST if kind in self._metadata_only else JSON
        while True:
            answer = await self._request("list", "GET", kind.path(namespace), query=query, accept=accept)
            # A list of metadata that is empty says null.
            items = [_named(item, kind) for item in answer["items"] or ()]
            yield Page(items, answer["metadata"]["resourceVersion"])
            query["continue"] = answer["metadata"].get("continue", "")
            if not query["continue"]:
                return

    async def watch(
        self,
        kind: Kind,
        resource_version: str,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """What happened after `resource_version`, until the stream ends or the connection breaks.

        Gone when that version is too old: list again. Unavailable when the stream can't be opened.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311 spreads load, guards nothing
            **_selectors(label_selector, field_selector),
        }
        async with self._open(
            "watch",
            "GET",
            kind.path(namespace),
            query=query,
            accept=self._accept(kind),
            patience=WATCH_TIMEOUT,
        ) as response:
            async for line in _lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 500), event["object"])
                yield WatchEvent(event["type"], _named(event["object"], kind))

    async def apply(self, manifest: Manifest, *, uid: str | None, manager: str = FIELD_MANAGER) -> Manifest:
        """Server-side apply of one object: what we own in it becomes what `manifest` says.

        With `uid`, only that very object is changed. With None, an object is created, and one that exists
        already is a Conflict: a resourceVersion that no object can have any more makes the API server
        refuse to touch it, and still lets it create what is absent. `manager` owns what is written.
        """
        precondition = {"resourceVersion": "1"} if uid is None else {"uid": uid}
        metadata, kind = manifest["metadata"], kind_of(manifest)
        answer = await self._request(
            "apply",
            "PATCH",
            kind.path(metadata.get("namespace", ""), metadata["name"]),
            query={"fieldManager": manager, "force": "true"},
            body={**manifest, "metadata": {**metadata, **precondition}},
            content_type=APPLY_PATCH,
            accept=self._accept(kind),
        )
        written = _named(answer, kind)
        self._on_written(written)
        return written

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Conflict when an object of this name exists."""
        path = kind.path(manifest["metadata"].get("namespace", ""))
        return await self._request("create", "POST", path, query=OURS, body=manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Puts the whole object; Conflict when its resourceVersion is not the current one."""
        path = kind.path(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
        return await self._request("update", "PUT", path, query=OURS, body=manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Conflict when the object of this name is another one by now, NotFound when there is none."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        await self._request("delete", "DELETE", kind.path(namespace, name), body=options)

    async def replace_status(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        status: Mapping[str, Any],
        resource_version: str = "",
    ) -> Manifest:
        """One write that makes the whole status `status`.

        Conflict when the object was replaced, or with `resource_version` when it was changed in any way.
        """
        versioned = {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version}
        path = f"{kind.path(namespace, name)}/status"
        return await self._put(path, uid, "/status", status, *([versioned] if resource_version else []))

    async def replace_spec(
        self, kind: Kind, namespace: str, name: str, *, uid: str, spec: Mapping[str, Any]
    ) -> None:
        """Makes the whole spec `spec`, what others own in it included; Conflict as for a status."""
        await self._put(kind.path(namespace, name), uid, "/spec", spec)

    async def _put(
        self, path: str, uid: str, pointer: str, value: Mapping[str, Any], *tests: Mapping[str, str]
    ) -> Manifest:
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            *tests,
            {"op": "add", "path": pointer, "value": value},
        ]
        written = await self._request("patch", "PATCH", path, query=OURS, body=patch, content_type=JSON_PATCH)
        self._on_written(written)
        return written

    async def annotate(
        self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str], *, uid: str | None = None
    ) -> Manifest:
        """Adds or changes annotations; answers with the metadata. Conflict when `uid` is another object's."""
        precondition = {} if uid is None else {"uid": uid}
        return await self._request(
            "patch",
            "PATCH",
            kind.path(namespace, name),
            query=OURS,
            body={"metadata": {"annotations": annotations, **precondition}},
            content_type=MERGE_PATCH,
            accept=METADATA,
        )

    async def groups(self) -> frozenset[str]:
        """The names of the API groups that the cluster serves, as `metrics.k8s.io`."""
        answer = await self._request("get", "GET", "/apis")
        return frozenset(group["name"] for group in answer["groups"])

    def _accept(self, kind: Kind) -> str:
        return METADATA if kind in self._metadata_only else JSON

    async def _request(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        sent = self._open(
            verb, method, path, query=query, body=body, content_type=content_type, accept=accept
        )
        async with self._in_flight, sent as response:
            answer: Manifest = orjson.loads(await response.read())
            return answer

    @asynccontextmanager
    async def _open(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        patience: aiohttp.ClientTimeout = REQUEST_TIMEOUT,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends one request; the answer is a good one, everything else is an ApiError."""
        url = URL(f"{self._connection.host}{path}?{urlencode(query or {})}", encoded=True)
        headers = {**await self._connection.headers(), "Accept": accept, "Content-Type": content_type}
        data = None if body is None else orjson.dumps(body)
        if method != "GET":
            self._before_write()
        started, code = time.perf_counter(), 0
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=patience,
                server_hostname=self._connection.server_name,
            ) as response:
                code = response.status
                self._on_request(verb, code, time.perf_counter() - started)
                if code == HTTPStatus.UNAUTHORIZED:
                    self._connection.expire()
                if code >= HTTPStatus.BAD_REQUEST:
                    raise _refusal(response, await response.read())
                yield response
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError) as error:
            if not code:
                self._on_request(verb, code, time.perf_counter() - started)
            message = f"{method} {path}: {error or type(error).__name__}"
            raise Unavailable(code, "ConnectionBroken", message) from error


def _named(manifest: Manifest, kind: Kind) -> Manifest:
    """With its own kind: a list's items come without one, an object's metadata with another."""
    return {**manifest, "apiVersion": kind.api_version, "kind": kind.kind}


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    named = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: selector for name, selector in named.items() if selector}


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a stream; aiohttp's own reader gives up on a line longer than its buffer."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ApiError:
    """The error that an answer means; proxies answer with text where the API server sends a Status."""
    seconds = response.headers.get("Retry-After", "")
    retry_after = float(seconds) if seconds.isdecimal() else None
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        status = {"reason": response.reason, "message": body.decode(errors="replace")[:500].strip()}
    return _error(response.status, status, retry_after)


def _error(code: int, status: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """The exception for a Status object, as an answer or as a watch's last event."""
    reason, message = status.get("reason") or "", status.get("message") or f"HTTP {code}"
    return _error_type(code, message)(code, reason, message, retry_after=retry_after)


def _error_type(code: int, message: str) -> type[ApiError]:
    match code:
        case HTTPStatus.UNPROCESSABLE_ENTITY if any(words in message for words in ANOTHER_UID):
            return Conflict
        case HTTPStatus.NOT_FOUND:
            return NotFound
        case HTTPStatus.CONFLICT:
            return Conflict
        case HTTPStatus.GONE:
            return Gone
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS:
            return Unavailable
    return Unavailable if code >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused
