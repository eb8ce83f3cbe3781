"""The webhook in a thread of the test, reached by a real API server through its Service."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aistack.admission.certificate import ServingCertificate
from aistack.admission.live import review_live
from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, operator_users
from aistack.admission.server import Decide, WebhookServer
from aistack.api import AcceleratorClass
from aistack.catalog import Catalog
from aistack.connection import connect
from aistack.images import default_images
from aistack.kube import Kube
from aistack.platform import Platform
from tests.controlplane import ControlPlane, local_service
from tests.registration import SERVICE, probed, webhook_configuration, withdraw
from tests.stacks import accelerator_class

NAMESPACE = "aistack-system"


@dataclass
class LocalWebhook:
    """What a test may look at, and change while the webhook runs."""

    cluster: ControlPlane
    folder: Path
    port: int = 0
    seen: list[AdmissionRequest] = field(default_factory=list)
    decide_instead: Decide | None = None
    certificate: ServingCertificate = field(init=False)

    def configure(self, port: int | None = None) -> None:
        """Tells the API server where the webhook is, and waits until it asks there."""
        authority = self.cluster.authority.pair.certificate
        asked = webhook_configuration(NAMESPACE, authority, port or self.port)
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(asked))
        expected = "failed calling webhook" if port else "spec.models[llama].selfHosted"
        self.cluster.wait("the API server asks the webhook", lambda: expected in probed(self.cluster))

    def write_certificate(self) -> tuple[Path, Path]:
        """A new pair in the same files."""
        return self.cluster.authority.service(SERVICE, NAMESPACE).write(self.folder, "webhook")

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Judges until `stop` is set; the one class it knows beforehand is nvidia-l4."""
        catalog = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(accelerator_class())})

        async with Kube(await connect(str(self.cluster.kubeconfig))) as kube:

            async def decide(request: AdmissionRequest) -> Verdict:
                self.seen.append(request)
                if self.decide_instead:
                    return await self.decide_instead(request)
                return await review_live(
                    request, Platform(catalog), kube, frozenset(operator_users(NAMESPACE))
                )

            self.certificate = ServingCertificate(*self.write_certificate())
            async with WebhookServer(decide, self.certificate, lambda: True).serving(
                0, "127.0.0.1", drain=0
            ) as self.port:
                ready.set()
                await stop.wait()
        await asyncio.sleep(0.1)  # closed TLS connections say goodbye


@contextmanager
def local_webhook(cluster: ControlPlane, folder: Path) -> Iterator[LocalWebhook]:
    """A webhook that the API server asks about our kinds, until the context is left."""
    webhook, ready = LocalWebhook(cluster, folder), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[webhook.serve(ready, stop)])
    thread.start()
    try:
        assert ready.wait(10), "the webhook did not start"
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        for obj in (namespace, local_service(SERVICE, NAMESPACE)):
            cluster.kubectl("apply", "-f", "-", input=json.dumps(obj))
        webhook.configure()
        yield webhook
    finally:
        withdraw(cluster)
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
