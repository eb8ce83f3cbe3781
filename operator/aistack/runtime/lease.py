"""Who of several controllers writes: the holder of a coordination.k8s.io Lease.

The holder renews every few seconds and counts itself as holder only for a deadline after it sent a renewal
that succeeded; others wait a longer duration without seeing one. In the time between nobody writes. All of
it is measured on each process's own monotonic clock: wall clocks need not agree.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aistack.errors import ApiError, Conflict, NotFound, NotLeader
from aistack.kinds import LEASE, Manifest
from aistack.kube import Kube

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    duration: float = 15.0
    """Without a renewal for so long, another process may take the lease."""
    deadline: float = 10.0
    """For so long after its last renewal the holder may write."""
    renew: float = 4.0
    """Between two renewals."""
    retry: float = 2.0
    """After a renewal that failed."""
    attempt: float = 3.0
    """For one renewal: a hanging one leaves time for another before the deadline."""


Lead = Callable[[], Awaitable[None]]


class Lease:
    """One process's view of the lease. `kube` must not check the lease itself."""

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._valid_until = 0.0
        self._held: Manifest = {}
        """The lease as the API server answered our last write."""
        self._rival: Manifest = {}
        """The lease as another process holds it, and since when nothing newer was seen."""
        self._rival_since = 0.0

    def check(self) -> None:
        """NotLeader unless this process certainly holds the lease at this moment."""
        if not self.is_held():
            raise NotLeader(f"{self._identity} does not hold the lease {self._namespace}/{self._name}")

    def is_held(self) -> bool:
        return self._clock() < self._valid_until

    async def run(self, lead: Lead) -> None:
        """Runs `lead` whenever the lease is held and cancels it when it is lost; gives it back at the end."""
        try:
            while True:
                await self._acquire()
                logger.info("%s leads", self._identity)
                await self._lead(lead)
                logger.warning("%s lost the lease and stopped writing", self._identity)
        finally:
            await self._release()

    async def _lead(self, lead: Lead) -> None:
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.ensure_future(self._renew_until_lost())
        try:
            await asyncio.wait((leading, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leading.cancel()
            renewing.cancel()
            ended = await asyncio.gather(leading, renewing, return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _renew_until_lost(self) -> None:
        pause = self._timing.renew
        while self.is_held():
            await asyncio.sleep(pause)
            pause = self._timing.renew if await self._renewed() else self._timing.retry

    async def _renewed(self) -> bool:
        """Tries once to hold the lease longer. Losing it to another process shows in `is_held`."""
        try:
            async with asyncio.timeout(self._timing.attempt):
                await self._write(self._held)
        except Conflict:
            await self._reread()
        except (ApiError, TimeoutError) as error:
            logger.warning("the lease could not be renewed: %s", error or "no answer")
        else:
            return True
        return False

    async def _reread(self) -> None:
        """Somebody else wrote the lease, or an answer to us was lost: whose is it now?"""
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(self._timing.attempt):
                current = await self._kube.get(LEASE, self._namespace, self._name)
            self._held = current
            if current.get("spec", {}).get("holderIdentity") != self._identity:
                self._valid_until = 0.0

    async def _acquire(self) -> None:
        """Returns once the lease is held."""
        while not self.is_held():
            try:
                lease = await self._read_or_create()
                if lease and await self._becomes_free(lease):
                    await self._write(self._rival)
            except Conflict:
                logger.debug("another process was faster to take the lease")
            except ApiError as error:
                logger.warning("the lease can't be read or taken, trying again: %s", error)
                await asyncio.sleep(self._timing.retry)

    async def _read_or_create(self) -> Manifest | None:
        """The lease that exists; None if there was none and a new one is ours."""
        try:
            return await self._kube.get(LEASE, self._namespace, self._name)
        except NotFound:
            sent = self._clock()
            metadata = {"name": self._name, "namespace": self._namespace}
            lease = self._taken({"metadata": metadata})
            self._held = await self._kube.create(LEASE, lease)
            self._valid_until = sent + self._timing.deadline
            return None

    async def _becomes_free(self, lease: Manifest) -> bool:
        """Waits, on a watch, until the lease may be taken; False when it must be read again."""
        if self._notice(lease):
            return True
        watch = self._kube.watch(
            LEASE,
            lease["metadata"]["resourceVersion"],
            namespace=self._namespace,
            field_selector=f"metadata.name={self._name}",
        )
        try:
            async with asyncio.timeout(self._patience()) as silence, aclosing(watch) as events:
                async for event in events:
                    if event.type == "DELETED":
                        return False
                    if event.type != "BOOKMARK" and self._notice(event.object):
                        return True
                    silence.reschedule(asyncio.get_running_loop().time() + self._patience())
        except TimeoutError:
            return True
        return False

    def _notice(self, lease: Manifest) -> bool:
        """Remembers the newest version seen and when; True if nobody else holds it."""
        if _version(lease) != _version(self._rival):
            self._rival, self._rival_since = lease, self._clock()
        return lease.get("spec", {}).get("holderIdentity", "") in {"", self._identity}

    def _patience(self) -> float:
        """Seconds until the rival's silence is long enough."""
        return max(0.0, self._rival_since + self._timing.duration - self._clock())

    async def _write(self, lease: Manifest) -> None:
        """Puts our renewal over exactly the version of the lease that is given."""
        sent = self._clock()
        self._held = await self._kube.replace(LEASE, self._taken(lease))
        self._valid_until = sent + self._timing.deadline

    def _taken(self, lease: Manifest) -> Manifest:
        """The lease as ours from now on. The times in it are for people to read."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = lease.get("spec", {})
        if spec.get("holderIdentity") != self._identity:
            spec = {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", -1) + 1}
        spec = {
            **spec,
            "holderIdentity": self._identity,
            "renewTime": now,
            "leaseDurationSeconds": math.ceil(self._timing.duration),
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, **lease, "spec": spec}

    async def _release(self) -> None:
        """Leaves the lease to whoever comes first; without an answer the others just wait it out."""
        held, self._valid_until = self.is_held(), 0.0
        if not held:
            return
        spec = {**self._held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(self._timing.attempt):
                await self._kube.replace(LEASE, {**self._held, "spec": spec})


def _version(lease: Manifest) -> str:
    return str(lease.get("metadata", {}).get("resourceVersion", ""))
