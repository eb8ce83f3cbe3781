"""What the cluster offers beyond plain Kubernetes, found by asking which API groups it serves."""

import asyncio
import logging
from collections.abc import Callable

from aistack.catalog import Abilities
from aistack.errors import ApiError
from aistack.kinds import HTTP_ROUTE, POLICY_REPORT, REPORT
from aistack.kube import Kube
from aistack.runtime.backoff import delay

logger = logging.getLogger(__name__)

FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0
"""Seconds."""


class Discovery:
    """Asks at the start and every `resync` seconds; `on_change` is told when the answer is a new one."""

    def __init__(self, kube: Kube, on_change: Callable[[], None], *, resync: float) -> None:
        self.abilities = Abilities()
        self.found = asyncio.Event()
        """Set once the cluster has answered."""
        self._kube = kube
        self._on_change = on_change
        self._resync = resync

    async def run(self) -> None:
        """Asks until it is cancelled."""
        failures = 0
        while True:
            try:
                self._take(await self._kube.groups())
            except ApiError as error:
                failures += 1
                logger.warning("the API groups can't be read, trying again: %s", error)
                await asyncio.sleep(delay(failures, first=FIRST_RETRY, longest=LONGEST_RETRY))
            else:
                failures = 0
                await asyncio.sleep(self._resync)

    def _take(self, groups: frozenset[str]) -> None:
        abilities = Abilities(
            custom_metrics="custom.metrics.k8s.io" in groups,
            resource_metrics="metrics.k8s.io" in groups,
            gateway_api=HTTP_ROUTE.group in groups,
            cert_manager="cert-manager.io" in groups,
            open_reports=REPORT.group in groups,
            policy_reports=POLICY_REPORT.group in groups,
        )
        if abilities != self.abilities:
            self.abilities = abilities
            self._on_change()
        self.found.set()
