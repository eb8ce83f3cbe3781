"""`aistack webhook`: the admission webhook as a process, with a cache of what its verdicts refer to."""

import asyncio
import gc
import signal
from collections.abc import Set
from datetime import UTC, datetime

from aistack.accounts import Accounts
from aistack.admission.certificate import ServingCertificate
from aistack.admission.decision import decision, tell, tell_refused
from aistack.admission.existing import unless_taken
from aistack.admission.live import review_live
from aistack.admission.request import AdmissionRequest
from aistack.admission.reserving import reserve
from aistack.admission.review import Verdict, operator_users
from aistack.admission.server import WebhookServer
from aistack.admission.trying import TRIALS, tried
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.connection import connect
from aistack.cost.prices import PriceIndex
from aistack.images import default_images
from aistack.kinds import ACCELERATOR_CLASS, AIBUDGET, AIPOLICY, AIPOLICY_EXCEPTION, NAMESPACE, PRICE_BOOK
from aistack.kube import Kube
from aistack.platform import Platform
from aistack.runtime import logs
from aistack.runtime.endpoint import endpoint
from aistack.runtime.metrics import count_request
from aistack.runtime.queue import Priority
from aistack.runtime.store import Key, Store
from aistack.runtime.watches import Watches
from aistack.settings import Settings
from aistack.trail import Trail

CACHED = (NAMESPACE, ACCELERATOR_CLASS, PRICE_BOOK, AIPOLICY, AIPOLICY_EXCEPTION, AIBUDGET)
"""What verdicts refer to."""
REVIEW_SECONDS = 4.5
"""The API server waits 5: what takes longer is refused here, and reserves nothing when nobody listens."""


def run_webhook(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT, and then until what is in flight is answered.

    SettingsError when the certificate or the way to the API server can't be used.
    """
    logs.set_up(settings.log_format, settings.log_level)
    # What was imported stays: looking through it for garbage held reviews up for 60 ms, again and again.
    gc.freeze()
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    certificate = ServingCertificate(settings.webhook_certificate, settings.webhook_key)
    images, store, prices = default_images(), Store(), PriceIndex()
    trail = Trail(settings.decisions) if settings.decisions else None
    operators, trials = frozenset(operator_users(settings.namespace)), asyncio.Semaphore(TRIALS)
    async with Kube(
        await connect(settings.kubeconfig),
        on_request=count_request,
        on_written=store.written,
        metadata_only={NAMESPACE},
    ) as kube:
        watches = Watches(kube, store, CACHED, _nobody_waits, resync=settings.resync)
        accounts = Accounts(kube, lambda: store.budgets, patience=settings.reservation)

        async def decide(request: AdmissionRequest) -> Verdict:
            async with asyncio.timeout(REVIEW_SECONDS):
                await watches.synced()  # empty caches know no policy and no budget
                platform = Platform(
                    Catalog(images, store.accelerator_classes),
                    prices.of(store.price_books),
                    store.policies(datetime.now(UTC)),
                    Budgets(tuple(store.budgets.values()), store.namespaces),
                    store.unreadable,
                )
                verdict = await review_live(request, platform, kube, operators)
                verdict = await tried(request, verdict, trials)
                verdict = await unless_taken(request, verdict, kube)
                verdict = await reserve(request, verdict, platform, accounts)
            tell(decision(request, verdict, platform.policies.now), trail)
            return verdict

        server = WebhookServer(
            decide, certificate, watches.is_synced, on_refused=lambda outcome: tell_refused(outcome, trail)
        )
        async with endpoint(settings.metrics_port, server.ready), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(watches.run())
            async with server.serving(settings.webhook_port):
                await _told_to_stop()
            following.cancel()


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _nobody_waits(_keys: Set[Key], _priority: Priority) -> None:
    """A change of the cache concerns no queue here: the next review sees it."""
