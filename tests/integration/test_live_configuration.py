"""A change of the gateway reaches the pods that run, on a real API server: told at once, never replaced.

The pods exist in the API only, so no loader answers: the status says that, and holds nothing up by it.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aistack.cli.parser import main
from tests import controllers
from tests.controllers import Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process
from tests.stacks import hosted, stack

pytestmark = pytest.mark.usefixtures("controller")

SELECTOR = "--selector=aistack.dev/stack=support,app.kubernetes.io/name=gateway"
CLIENT = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}


@pytest.fixture(scope="module")
def controller(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """It waits for loaders long enough that a test sees it waiting."""
    folder = Path(tmp_path_factory.mktemp("controller"))
    with controllers.controller(installed, folder, AISTACK_LOADER_SECONDS="5") as process:
        yield process


def chat(model: str, **fields: Any) -> dict[str, Any]:
    return {"name": "chat", "targets": [{"model": model}], **fields}


def routed(timeout: str) -> dict[str, Any]:
    route = chat("llama", timeout=timeout)
    other = {"name": "slow", "targets": [{"model": "llama"}], "timeout": "30m"}
    return stack(gateway={"routes": [route, other], "clients": [CLIENT]})


def news(stacks: Stacks) -> Mapping[str, str]:
    """What each of the gateway's pods was told, by its uid."""
    template = '{range .items[*]}{.metadata.uid}={.metadata.annotations.aistack\\.dev/sync}{"\\n"}{end}'
    arguments = (f"--namespace={stacks.namespace}", SELECTOR, f"--output=jsonpath={template}")
    text = stacks.cluster.kubectl("get", "pods", *arguments)
    return dict(line.split("=") for line in text.splitlines())


def row(stacks: Stacks) -> dict[str, Any]:
    rows = stacks.get("aistack", "support")["status"]["components"]
    return next(each for each in rows if each["name"] == "gateway")


def test_a_changed_route_tells_the_pods_and_replaces_none(stacks: Stacks) -> None:
    stacks.apply(routed("1m"))
    stacks.wait_ready("support")
    before = news(stacks)
    assert set(before.values()) == {""}, "who started with the configuration is told nothing"
    assert not row(stacks).get("message")

    time.sleep(1)  # times of the API are whole seconds
    stacks.apply(routed("2m"))
    stacks.wait_reason("support", "Progressing")
    assert row(stacks)["message"] == "0 of 2 replicas have the new configuration"
    after = news(stacks)
    assert after.keys() == before.keys()
    assert len(set(after.values()) - {""}) == 1
    stacks.wait_ready("support")
    assert row(stacks)["message"].startswith("2 of 2 replicas were handed the configuration")
    assert news(stacks) == after


def test_what_fronts_may_still_call_is_deleted_when_none_routes_to_it_any_more(stacks: Stacks) -> None:
    models = [hosted("llama"), hosted("mistral")]
    ingress = {"type": "Ingress", "host": "ai.example.com"}
    stacks.apply(stack(models=models, gateway={"routes": [chat("mistral")], "expose": ingress}))
    stacks.wait_ready("support")
    time.sleep(1)  # times of the API are whole seconds
    mark = stacks.cluster.audit.mark()
    stacks.apply(stack(models=models[:1], gateway={"routes": [chat("llama")]}))
    eventually(lambda: ("Deployment", "support-mistral") not in stacks.children(), "mistral is deleted")

    deletion = ("delete", "deployments", "support-mistral")

    def writes() -> list[tuple[str, str, str]]:
        requests = stacks.cluster.audit.requests(mark, user=controllers.USER, namespace=stacks.namespace)
        return [(item.verb, item.resource, item.name) for item in requests if item.is_write]

    eventually(lambda: deletion in writes(), "its deletion is in the audit log")
    written = writes()
    told = max(written.index(item) for item in written if item[1] == "pods")
    waited = written.index(("patch", "aistacks", "support"))
    deleted = written.index(deletion)
    assert written.index(("patch", "configmaps", "support-gateway")) < told < waited < deleted
    assert written.index(("delete", "ingresses", "support-gateway")) < waited
    stacks.wait_ready("support")


def test_aistack_sync_tells_every_pod_that_secrets_have_changed(stacks: Stacks) -> None:
    stacks.apply(routed("1m"))
    stacks.wait_ready("support")
    kubeconfig = f"--kubeconfig={stacks.cluster.kubeconfig}"
    assert main(["sync", "support", f"--namespace={stacks.namespace}", kubeconfig]) == 0
    eventually(lambda: "" not in news(stacks).values(), "both pods were told")
    told = news(stacks)
    assert main(["sync", "support", f"--namespace={stacks.namespace}", kubeconfig]) == 0
    eventually(lambda: not told.items() & news(stacks).items(), "both pods were told again")
    assert stacks.condition("support")["status"] == "True"


def test_aistack_cache_purge_reaches_the_running_pods(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    cached = chat("llama", cache={"mode": "Exact"})
    other = {"name": "fresh", "targets": [{"model": "llama"}]}
    stacks.apply(stack(gateway={"routes": [cached, other], "clients": [CLIENT]}))
    stacks.wait_ready("support")
    before, pods = stacks.get("configmap", "support-gateway")["data"]["routes.json"], news(stacks).keys()
    purge = ["cache", "purge", "support", f"--namespace={stacks.namespace}"]
    kubeconfig = f"--kubeconfig={stacks.cluster.kubeconfig}"

    assert main([*purge, kubeconfig, "--route=fresh"]) == 2
    assert "has no route with a cache 'fresh'; there is chat" in capsys.readouterr().err
    assert main([*purge, kubeconfig, "--route=chat", "--client=web"]) == 0
    assert "answers of route chat to client web" in capsys.readouterr().out
    eventually(
        lambda: stacks.get("configmap", "support-gateway")["data"]["routes.json"] != before,
        "the configuration says so",
    )
    stacks.wait_ready("support")
    assert news(stacks).keys() == pods
