"""`aistack sync`: says that a stack's Secrets have changed, which the operator can't see."""

import asyncio
from datetime import UTC, datetime

from aistack.cli.output import Exit, emit
from aistack.connection import connect
from aistack.errors import AIStackError, NotFound
from aistack.kinds import AISTACK
from aistack.kube import Kube
from aistack.labels import SYNC_ANNOTATION


class SyncError(AIStackError):
    """The stack can't be told; the message says why."""


def run(namespace: str, name: str, kubeconfig: str) -> Exit:
    asyncio.run(_annotate(namespace, name, kubeconfig))
    emit(f"AIStack {namespace}/{name}: its pods take up the keys that its Secrets hold now\n")
    return Exit.FINE


async def _annotate(namespace: str, name: str, kubeconfig: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    async with Kube(await connect(kubeconfig)) as kube:
        try:
            await kube.annotate(AISTACK, namespace, name, {SYNC_ANNOTATION: now})
        except NotFound:
            raise SyncError(
                f"AIStack {namespace}/{name}: not found; `kubectl get aistacks --all-namespaces` lists them"
            ) from None
