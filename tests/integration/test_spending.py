"""What stacks really cost, metered by the controller as it is, on a real API server."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aistack.cli.parser import main
from tests import budgets, controllers
from tests.answering import answering
from tests.controllers import Stacks, eventually
from tests.controlplane import ControlPlane
from tests.costs import GPT, SOURCE, TRAFFIC, book, managed, shared
from tests.stacks import accelerator_class, hosted, stack

CLASS = "dear-by-the-hour"
HOURLY = 36_000
"""Ten a second."""
INTERVAL = {"AISTACK_METERING_SECONDS": "1"}


@pytest.fixture(scope="module", autouse=True)
def _within_one_month() -> None:
    """When a month turns, all that is asserted of its money begins anew: they wait until it has."""
    now = datetime.now(UTC)
    later = now + timedelta(minutes=2)
    if later.month != now.month:
        time.sleep((later.replace(day=1, hour=0, minute=0, second=0) - now).total_seconds() + 1)


@pytest.fixture(scope="module")
def priced(installed: ControlPlane) -> Iterator[ControlPlane]:
    accelerator = accelerator_class(CLASS, resource=None)
    accelerator["spec"]["price"] = {"onDemandHourly": str(HOURLY), "source": SOURCE, "asOf": "2026-11-01"}
    free = {"name": "default", "cpuHourly": "0", "memoryGibHourly": "0", "source": SOURCE}
    for obj in (accelerator, book("spending-test", compute=[free], tokens=[GPT]).dump()):
        installed.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(obj))
    yield installed
    installed.kubectl("delete", "acceleratorclass", CLASS)
    installed.kubectl("delete", "pricebook", "spending-test")


@pytest.fixture
def budget(priced: ControlPlane, stacks: Stacks) -> Iterator[str]:
    """Its limit is reached in a second."""
    name = f"of-{stacks.namespace}"
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stacks.namespace}}}
    terms = {"enforcement": "Audit", "selector": place, "thresholds": [{"percent": 100, "action": "Stop"}]}
    made = budgets.manifest(name, "10", **terms)
    priced.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(made))
    yield name
    priced.kubectl("delete", "aibudget", name)


def test_what_runs_costs_by_the_second_over_a_restart_and_stops_when_the_money_is_spent(
    stacks: Stacks, budget: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> dict[str, Any]:
        found = json.loads(stacks.cluster.kubectl("get", "aibudget", budget, "--output=json"))
        said: dict[str, Any] = found.get("status", {})
        return said

    def spent() -> float:
        return float(status().get("monthToDate", 0))

    def threshold() -> str:
        conditions = status()["conditions"]
        return next(str(item["reason"]) for item in conditions if item["type"] == "WithinThresholds")

    began = time.time()
    model = hosted(accelerator={"class": CLASS})
    with controllers.controller(stacks.cluster, tmp_path, "first", **INTERVAL) as process:
        stacks.apply(stack(models=[model], gateway={"replicas": {"min": 1, "max": 1}}))
        eventually(lambda: spent() > 0, "the budget says what was spent", process)
        assert main(["budget", budget, f"--kubeconfig={stacks.cluster.kubeconfig}"]) == 0
        assert "spent" in capsys.readouterr().out
        assert main(["budget", budget, f"--kubeconfig={stacks.cluster.kubeconfig}", "--output=csv"]) == 0
        bill = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        alone = ["budget", f"--stack={stacks.namespace}/support", f"--kubeconfig={stacks.cluster.kubeconfig}"]
        assert main([*alone, "--output=csv"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1 + len(bill)
        assert main([*alone, "--output=csv", "--last-month"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1, "there was none"
        shares = ["spent", "support", f"--namespace={stacks.namespace}", alone[2]]
        assert main(shares) == 0
        assert "model/llama" in capsys.readouterr().out
        assert main([*shares, "--last-month"]) == 2, "there was none"
        assert main(["budget", "--stack=nobody/knows", alone[2], "--output=csv"]) == 2
        assert "nothing is metered of it" in capsys.readouterr().err
        assert {row["ResourceName"]: float(row["BilledCost"]) > 0 for row in bill} == {
            "gateway": False,
            "model/llama": True,
        }
    before = spent()
    with controllers.controller(stacks.cluster, tmp_path, "second", **INTERVAL) as process:
        eventually(lambda: spent() > before, "it goes on after a restart", process)
        eventually(lambda: threshold() == "ThresholdReached", "the budget says that it is reached", process)
        assert stacks.wait_reason("support", "Stopped").startswith(f"budget {budget} has stopped the gateway")
        assert "insufficient_quota" in stacks.get("configmap", "support-gateway")["data"]["routes.json"]
        assert spent() <= (time.time() - began) * HOURLY / 3600 + 10, "a second is counted once"
        eventually(
            lambda: float(stacks.get("aistack", "support")["status"]["cost"].get("monthToDate", 0)) > before,
            "the stack's own status says it too",
            process,
        )
        about = f"--field-selector=involvedObject.name={budget}"
        events = ("get", "events", "--namespace=default", about)
        eventually(lambda: "ThresholdReached" in stacks.cluster.kubectl(*events), "an event says so", process)
        raised = json.dumps({"spec": {"limit": {"amount": "1000000000"}}})
        stacks.cluster.kubectl("patch", "aibudget", budget, "--type=merge", f"--patch={raised}")
        stacks.wait_ready("support")
        kept = stacks.get("configmap", "support-spending")["data"]["spending.json"]
        parts = {part: float(cost) for part, cost in json.loads(kept)["components"].items()}
        assert parts.keys() == {"gateway", "model/llama"}
        assert parts["gateway"] == 0 < parts["model/llama"]
        stacks.cluster.kubectl("delete", "aistack", "support", f"--namespace={stacks.namespace}")

        def billed() -> list[str]:
            capsys.readouterr()
            assert main(["budget", budget, f"--kubeconfig={stacks.cluster.kubeconfig}", "--output=csv"]) == 0
            return [row["ResourceName"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]

        eventually(
            lambda: not stacks.get("configmap", "support-spending") and "model/llama" in billed(),
            "what was deleted is still on the bill",
            process,
        )
    operators = Stacks(stacks.cluster, controllers.NAMESPACE)
    assert operators.get("configmap", f"budget-{budget}-spending")["metadata"]["ownerReferences"]


def test_a_model_without_money_is_not_asked_until_its_limit_is_raised(
    priced: ControlPlane, stacks: Stacks, tmp_path: Path
) -> None:
    """Of a limit of nothing all is spent, so that no model has to be asked."""

    def within_limits() -> str:
        conditions = stacks.get("aistack", "support").get("status", {}).get("conditions", [])
        return next((item["reason"] for item in conditions if item["type"] == "WithinMonthlyLimits"), "")

    def routes() -> str:
        return str(stacks.get("configmap", "support-gateway")["data"]["routes.json"])

    made = stack(models=[managed(monthlyLimit={"amount": "0"})])
    with controllers.controller(priced, tmp_path, **INTERVAL) as process:
        stacks.apply(made)
        eventually(lambda: within_limits() == "LimitReached", "the limit is reached", process)
        assert "insufficient_quota" in routes()
        told = "model/gpt has cost its 0 USD of this month and is not asked until"
        where = f"--namespace={stacks.namespace}"
        eventually(lambda: told in priced.kubectl("get", "events", where), "an event says so", process)
    raised = stack(models=[managed(monthlyLimit={"amount": "5"})])
    with controllers.controller(priced, tmp_path, "again", **INTERVAL) as process:
        stacks.apply(raised)
        eventually(lambda: within_limits() == "BelowLimits", "the limit is raised", process)
        assert "insufficient_quota" not in routes()


ADDRESS = "127.0.91.2"


@pytest.fixture
def vllm() -> Iterator[None]:
    """A replica that serves 1,000 tokens a second while two requests wait, as vLLM's metrics say it."""
    began = time.monotonic()

    def said() -> str:
        tokens = 1000 * (time.monotonic() - began)
        counted = {"prompt_tokens_total": tokens, "generation_tokens_total": 0, "num_requests_waiting": 2}
        return "".join(f'vllm:{name}{{model_name="llama"}} {value}\n' for name, value in counted.items())

    with answering(ADDRESS, 8000, "/metrics", said):
        yield


@pytest.mark.usefixtures("vllm")
def test_how_fast_a_replica_is_while_requests_wait_is_measured(
    priced: ControlPlane, stacks: Stacks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody declares it. It decides the expected cost and the break-even."""

    def cost() -> dict[str, Any]:
        found: dict[str, Any] = stacks.get("aistack", "support").get("status", {}).get("cost", {})
        return found

    def kept() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            stacks.get("configmap", "support-spending")["data"]["spending.json"]
        )
        return found

    model = hosted(accelerator={"class": CLASS}, scaling={"min": 1, "max": 2})
    spec = shared(model, managed(), traffic={**TRAFFIC, "requestsPerMonth": 10})
    spec["gateway"]["replicas"] = {"min": 1, "max": 1}
    made = stack(**spec)
    with controllers.controller(priced, tmp_path, **INTERVAL) as process:
        stacks.apply(made)
        stacks.wait_ready("support")
        assert cost()["monthly"]["expected"] == cost()["monthly"]["max"]
        assert not cost().get("throughput")
        for part in ("gateway", "llama"):
            stands_at(stacks, part, ADDRESS)
        eventually(lambda: cost().get("throughput"), "the throughput is measured", process, patience=120)
        (row,) = cost()["throughput"]
        assert (row["model"], row["tokensPerSecond"] > 0) == ("llama", True)
        assert cost()["monthly"]["expected"] == cost()["monthly"]["min"], "one replica is enough"
        eventually(lambda: kept()["throughput"] == {"llama": row["tokensPerSecond"]}, "it is kept", process)
        file = tmp_path / "declared.yaml"
        file.write_text(json.dumps({**made, "metadata": {"name": "support", "namespace": stacks.namespace}}))
        argv = ["cost", str(file), "--against=cluster", f"--kubeconfig={priced.kubeconfig}", "--output=json"]
        assert main(argv) == 0
        (compared,) = json.loads(capsys.readouterr().out)
        assert compared["components"] == [], "what the cluster has measured counts for the file, too"


def stands_at(stacks: Stacks, part: str, address: str) -> None:
    """The only pod of the part has this address."""
    selector = f"--selector=app.kubernetes.io/name={part}"
    name = stacks.cluster.kubectl("get", "pods", f"--namespace={stacks.namespace}", selector, "--output=name")
    status = json.dumps({"status": {"podIP": address, "podIPs": [{"ip": address}]}})
    place = (f"--namespace={stacks.namespace}", "--subresource=status", "--type=merge")
    stacks.cluster.kubectl("patch", name.strip(), *place, f"--patch={status}")
