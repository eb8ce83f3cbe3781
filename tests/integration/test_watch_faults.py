"""Watches that break lose nothing: what happened meanwhile is found out and acted upon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import controllers
from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.faults.proxy import Proxy
from tests.stacks import stack


@pytest.fixture(scope="module")
def proxy(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy with a controller behind it."""
    folder = Path(tmp_path_factory.mktemp("proxy"))
    with Proxy(installed).serving(folder) as proxy:
        settings = {"KUBECONFIG": str(proxy.kubeconfig(folder))}
        with controllers.controller(installed, folder, **settings):
            yield proxy


@pytest.mark.parametrize("gone", [False, True], ids=["dropped", "410 Gone"])
def test_what_happened_while_no_watch_ran_is_not_lost(proxy: Proxy, stacks: Stacks, gone: bool) -> None:
    for name in ("support", "leaving"):
        stacks.apply(stack(name=name))
        stacks.wait_ready(name)
    old = stacks.get("service", "support-llama")["metadata"]["uid"]
    place = f"--namespace={stacks.namespace}"

    proxy.cut_watches(gone=gone)
    stacks.cluster.kubectl("delete", "service", "support-llama", place)
    stacks.cluster.kubectl("delete", "aistack", "leaving", place)
    stacks.apply(stack(name="arriving"))
    eventually(
        lambda: not [name for _, name in stacks.children() if name.startswith("leaving")],
        "the children of the deleted stack are collected",
    )
    mark = stacks.cluster.audit.mark()
    proxy.flow()

    stacks.wait_ready("arriving")
    eventually(
        lambda: stacks.get("service", "support-llama").get("metadata", {}).get("uid", old) != old,
        "the deleted Service is made again",
    )
    stacks.wait_ready("support")
    written = stacks.cluster.audit.requests(mark, user=USER, namespace=stacks.namespace)
    assert [item.name for item in written if item.is_write and item.name.startswith("leaving")] == []
