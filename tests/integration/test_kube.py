"""The client against the real API server: above all that a write changes only the object that was meant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from aistack.connection import connect
from aistack.errors import Conflict, Gone, NotFound, Refused
from aistack.kinds import AISTACK, CONFIG_MAP, Kind, Manifest
from aistack.kube import Kube, WatchEvent
from tests.controlplane import ControlPlane


@pytest.fixture(autouse=True)
async def _connections_are_closed() -> AsyncIterator[None]:
    """aiohttp ends a TLS connection in the background, and asks for a quarter of a second to do it."""
    yield
    await asyncio.sleep(0.25)


@pytest.fixture
async def kube(cluster: ControlPlane) -> AsyncIterator[Kube]:
    async with Kube(await connect(str(cluster.kubeconfig))) as kube:
        yield kube


def config(namespace: str, **data: str) -> Manifest:
    meta = {"name": "front", "namespace": namespace, "labels": {"test": namespace}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def smallest_stack(namespace: str) -> Manifest:
    model = {"name": "minilm", "task": "embedding", "dimensions": 384}
    hosted = {"source": "hf://sentence-transformers/all-MiniLM-L6-v2", "accelerator": {"class": "cpu"}}
    return {
        "apiVersion": AISTACK.api_version,
        "kind": AISTACK.kind,
        "metadata": {"name": "support", "namespace": namespace},
        "spec": {"models": [{**model, "selfHosted": hosted}]},
    }


def uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


async def first_event(kube: Kube, kind: Kind, version: str, label: str) -> WatchEvent:
    async with aclosing(kube.watch(kind, version, label_selector=label)) as events, asyncio.timeout(30):
        async for event in events:
            if event.type != "BOOKMARK":
                return event
    raise AssertionError("the stream ended")


async def test_an_apply_without_uid_creates_and_never_touches_what_exists(kube: Kube, namespace: str) -> None:
    created = await kube.apply(config(namespace, a="1"), uid=None)
    with pytest.raises(Conflict):
        await kube.apply(config(namespace, a="2"), uid=None)
    assert await kube.get(CONFIG_MAP, namespace, "front") == created


async def test_an_apply_with_the_uid_changes_what_we_own_and_leaves_the_rest(
    kube: Kube, cluster: ControlPlane, namespace: str
) -> None:
    created = await kube.apply(config(namespace, a="1", b="1"), uid=None)
    cluster.kubectl("patch", "cm", "front", f"--namespace={namespace}", '--patch={"data":{"theirs":"x"}}')
    applied = await kube.apply(config(namespace, a="2"), uid=uid(created))
    assert applied["data"] == {"a": "2", "theirs": "x"}


async def test_a_field_that_somebody_took_over_is_taken_back(
    kube: Kube, cluster: ControlPlane, namespace: str
) -> None:
    created = await kube.apply(config(namespace, a="1"), uid=None)
    cluster.kubectl("patch", "cm", "front", f"--namespace={namespace}", '--patch={"data":{"a":"theirs"}}')
    applied = await kube.apply(config(namespace, a="1"), uid=uid(created))
    assert applied["data"] == {"a": "1"}


async def test_an_apply_with_the_uid_of_another_object_changes_nothing(kube: Kube, namespace: str) -> None:
    old = await kube.apply(config(namespace, a="1"), uid=None)
    await kube.delete(CONFIG_MAP, namespace, "front", uid=uid(old))
    with pytest.raises(Conflict):
        await kube.apply(config(namespace, a="2"), uid=uid(old))
    new = await kube.apply(config(namespace, a="3"), uid=None)
    with pytest.raises(Conflict):
        await kube.apply(config(namespace, a="4"), uid=uid(old))
    assert await kube.get(CONFIG_MAP, namespace, "front") == new


async def test_of_some_kinds_only_the_metadata_comes_back_under_their_own_names(
    cluster: ControlPlane, namespace: str
) -> None:
    connection = await connect(str(cluster.kubeconfig))
    async with Kube(connection, metadata_only=frozenset({CONFIG_MAP})) as kube:
        empty = [page async for page in kube.pages(CONFIG_MAP, label_selector=f"test={namespace}")]
        applied = await kube.apply(config(namespace, a="1"), uid=None)
        listed = [page async for page in kube.pages(CONFIG_MAP, label_selector=f"test={namespace}")]
        event = await first_event(kube, CONFIG_MAP, empty[0].resource_version, f"test={namespace}")
    assert empty[0].items == []
    assert applied.keys() == {"apiVersion", "kind", "metadata"}
    assert (applied["apiVersion"], applied["kind"]) == ("v1", "ConfigMap")
    assert applied["metadata"]["managedFields"][0]["manager"] == "aistack"
    assert listed[0].items == [applied]
    assert event == WatchEvent("ADDED", applied)


async def test_a_deletion_with_the_uid_of_another_object_deletes_nothing(kube: Kube, namespace: str) -> None:
    created = await kube.apply(config(namespace, a="1"), uid=None)
    with pytest.raises(Conflict):
        await kube.delete(CONFIG_MAP, namespace, "front", uid="another")
    await kube.delete(CONFIG_MAP, namespace, "front", uid=uid(created))
    with pytest.raises(NotFound):
        await kube.delete(CONFIG_MAP, namespace, "front", uid=uid(created))


async def test_an_object_that_is_wrong_is_refused_in_the_servers_words(kube: Kube, namespace: str) -> None:
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}
    with pytest.raises(Refused, match=r"spec\.selector: Required value"):
        await kube.apply({**wrong, "metadata": {"name": "x", "namespace": namespace}}, uid=None)


async def test_a_status_is_replaced_whole_in_one_write(
    kube: Kube, cluster: ControlPlane, namespace: str
) -> None:
    stack = await kube.create(AISTACK, smallest_stack(namespace))
    condition: dict[str, Any] = {"type": "Ready", "status": "False", "reason": "Progressing", "message": "…"}
    condition["lastTransitionTime"] = "2026-11-01T00:00:00Z"
    await replace_status(kube, stack, {"observedGeneration": 1, "conditions": [condition]})
    mark = cluster.audit.mark()
    answer = await replace_status(kube, stack, {"observedGeneration": 2})
    assert answer["status"] == {"observedGeneration": 2}
    assert answer["metadata"]["generation"] == 1, "a status is no new spec"
    requests = cluster.audit.requests(mark, namespace=namespace, resource="aistacks")
    assert [(request.verb, request.subresource) for request in requests] == [("patch", "status")]


async def test_the_status_of_a_stack_that_was_replaced_is_not_written(kube: Kube, namespace: str) -> None:
    stack = await kube.create(AISTACK, smallest_stack(namespace))
    await kube.delete(AISTACK, namespace, "support", uid=uid(stack))
    new = await kube.create(AISTACK, smallest_stack(namespace))
    with pytest.raises(Conflict):
        await replace_status(kube, stack, {"observedGeneration": 1})
    assert await kube.get(AISTACK, namespace, "support") == new


async def test_a_status_that_the_schema_refuses_is_no_conflict(kube: Kube, namespace: str) -> None:
    stack = await kube.create(AISTACK, smallest_stack(namespace))
    with pytest.raises(Refused, match="observedGeneration"):
        await replace_status(kube, stack, {"observedGeneration": "many"})


async def replace_status(kube: Kube, stack: Manifest, status: Manifest) -> Manifest:
    namespace = stack["metadata"]["namespace"]
    return await kube.replace_status(AISTACK, namespace, "support", uid=uid(stack), status=status)


async def test_a_list_comes_in_pages_of_one_moment(kube: Kube, namespace: str) -> None:
    for number in range(5):
        manifest = config(namespace)
        manifest["metadata"]["name"] = f"config-{number}"
        await kube.create(CONFIG_MAP, manifest)
    label = f"test={namespace}"
    pages = [page async for page in kube.pages(CONFIG_MAP, label_selector=label, limit=2)]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert len({page.resource_version for page in pages}) == 1
    assert pages[0].items[0]["apiVersion"] == "v1"


async def test_a_watch_goes_on_from_where_another_one_ended(kube: Kube, namespace: str) -> None:
    label = f"test={namespace}"
    created = await kube.apply(config(namespace, a="1"), uid=None)
    changed = await kube.apply(config(namespace, a="2"), uid=uid(created))
    event = await first_event(kube, CONFIG_MAP, created["metadata"]["resourceVersion"], label)
    assert (event.type, event.object) == ("MODIFIED", changed)
    await kube.delete(CONFIG_MAP, namespace, "front", uid=uid(created))
    event = await first_event(kube, CONFIG_MAP, changed["metadata"]["resourceVersion"], label)
    assert event.type == "DELETED"


async def test_a_version_that_the_server_has_forgotten_means_to_list_again(kube: Kube) -> None:
    # What the server knows of a custom resource begins when its definition was made, long after version 1.
    with pytest.raises(Gone):
        await first_event(kube, AISTACK, "1", "")


async def test_the_groups_that_a_cluster_serves_are_known_by_name(kube: Kube) -> None:
    groups = await kube.groups()
    assert {"apps", "aistack.dev", "coordination.k8s.io"} <= groups
    assert "metrics.k8s.io" not in groups
