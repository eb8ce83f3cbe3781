"""The webhook's HTTPS server: one fixed path, and an explicit verdict for whatever happens on it.

The API server shows a user only the message of an AdmissionReview, so every answer on the path is one; what
can't be judged is refused by name, never let through. Kopf's webhook server and its dispatch stay out of
this: it cuts bodies at 1 MiB, allows what comes on an unknown path, restarts its listener for a new
certificate and waits for API discovery; six kinds on one path need no more than a dictionary.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from aiohttp import web
from pydantic import ValidationError

from aistack.admission.certificate import ServingCertificate
from aistack.admission.metrics import BODY_BYTES, REVIEW_SECONDS, REVIEWS, UNKNOWN_KIND
from aistack.admission.request import AdmissionRequest, AdmissionReview
from aistack.admission.review import Verdict, answer, refusal
from aistack.kinds import Manifest

logger = logging.getLogger(__name__)

PATH = "/validate"
MAX_BODY = 8 * 1024 * 1024
"""Bytes. A review holds the object twice, and the API server takes objects of 3 MiB at most."""
DRAIN_SECONDS = 5.0
"""Between saying not ready and closing: the time that a Service takes to send its requests elsewhere."""

_UID = re.compile(rb'"uid":\s*"([-0-9a-fA-F]{1,64})"')

Decide = Callable[[AdmissionRequest], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answered review, and what is counted of it: allowed, denied (by rule) or refused (not judged)."""

    review: Manifest
    kind: str
    verdict: str
    request: AdmissionRequest | None = None
    """None where what was sent can't be read."""


async def respond(body: bytes, decide: Decide) -> Outcome:
    """The answer to a review's body; never raises, and never allows what `decide` did not."""
    if len(body) > MAX_BODY:
        message = (
            f"the object is too large for the aistack webhook (over {MAX_BODY >> 20} MiB); make it smaller"
        )
        return _refused(body, 413, "RequestEntityTooLarge", message)
    try:
        request = AdmissionReview.model_validate(orjson.loads(body)).request
    except (orjson.JSONDecodeError, ValidationError) as error:
        message = f"the aistack webhook was not sent an AdmissionReview of its kinds: {_why(error)}"
        return _refused(body, 400, "BadRequest", message)
    try:
        verdict = await decide(request)
        said = "allowed" if verdict.allowed else "denied"
        return Outcome(answer(request, verdict), request.kind.kind, said, request)
    except Exception:
        incident = uuid.uuid4().hex[:12]
        logger.exception(
            "review of %s %s/%s failed (id %s)", request.kind.kind, request.namespace, request.name, incident
        )
        message = (
            f"internal error in the aistack webhook (id {incident}): nothing was decided, so the request is "
            "refused; try again, and if it persists give this id to those who run the operator"
        )
        return _refused(body, 500, "InternalError", message, request)


def _why(error: ValueError) -> str:
    """What is wrong with a body, without a word of what is in it."""
    if not isinstance(error, ValidationError):
        return f"it is not JSON ({error})"
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in found)


def _refused(
    body: bytes, code: int, reason: str, message: str, request: AdmissionRequest | None = None
) -> Outcome:
    uid = _UID.search(body, 0, 1024)  # the first field of a request
    review = refusal(uid[1].decode() if uid else "", code, reason, message)
    return Outcome(review, request.kind.kind if request else UNKNOWN_KIND, "refused", request)


class WebhookServer:
    """Answers reviews until it is told to stop; then it goes on for a while without being ready.

    `is_informed` says whether the caches behind `decide` are filled; `on_refused` is told of what was not
    judged.
    """

    def __init__(
        self,
        decide: Decide,
        certificate: ServingCertificate,
        is_informed: Callable[[], bool],
        on_refused: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._decide = decide
        self._on_refused = on_refused
        self._certificate = certificate
        self._is_informed = is_informed
        self._stopping = False
        self._app = web.Application()
        self._app.router.add_post(PATH, self._validate)
        self._app.router.add_get("/readyz", self._readyz)

    def ready(self) -> bool:
        """Whether new requests should come here."""
        valid = self._certificate.is_valid(datetime.now(UTC))
        return valid and self._is_informed() and not self._stopping

    @asynccontextmanager
    async def serving(
        self, port: int, host: str | None = None, *, drain: float = DRAIN_SECONDS
    ) -> AsyncIterator[int]:
        """Listens while the context is entered; leaving it finishes what is in flight.

        Without a `host` on every address, of IPv4 and IPv6. Yields the port: the one asked for, or with a
        host a free one for 0.
        """
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=drain)
        await runner.setup()
        await web.TCPSite(runner, host, port, ssl_context=self._certificate.context).start()
        renewal = asyncio.create_task(self._certificate.follow())
        try:
            yield runner.addresses[0][1]
            self._stopping = True
            await asyncio.sleep(drain)
        finally:
            renewal.cancel()
            await runner.cleanup()

    async def _readyz(self, _http: web.Request) -> web.Response:
        """Asked here, over TLS, it shows that the listener and its certificate work as well."""
        return web.Response(text="ok\n") if self.ready() else web.Response(status=503, text="not ready\n")

    async def _validate(self, http: web.Request) -> web.Response:
        began = time.perf_counter()
        body = await _read(http)
        outcome = await respond(body, self._decide)
        BODY_BYTES.observe(len(body))
        REVIEWS.labels(outcome.kind, outcome.verdict).inc()
        REVIEW_SECONDS.labels(outcome.kind).observe(time.perf_counter() - began)
        if outcome.verdict == "refused":
            self._on_refused(outcome)
        response = web.Response(body=orjson.dumps(outcome.review), content_type="application/json")
        if self._stopping:
            response.force_close()  # the connection's next request goes to another replica
        return response


async def _read(http: web.Request) -> bytes:
    """The body, or enough of one that is too large to know it by."""
    body = bytearray()
    async for chunk in http.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            break
    return bytes(body)
