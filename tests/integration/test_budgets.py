"""Budgets on a real API server, with the webhook and the controller as the processes that they are."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aistack.admission.review import operator_users
from aistack.cli.parser import main
from tests import budgets, webhooks
from tests.controllers import NAMESPACE, Stacks, eventually
from tests.controlplane import CommandFailed, ControlPlane
from tests.costs import book
from tests.stacks import accelerator_class, hosted, stack
from tests.webhooks import Replica

pytestmark = pytest.mark.usefixtures("controller", "priced")

CLASS = "priced-by-the-hour"
SOURCE = "https://prices.example/list"


@pytest.fixture(scope="module")
def priced(installed: ControlPlane) -> Iterator[ControlPlane]:
    """Prices that make a replica cost 730.00 a month, and its gateway nothing."""
    accelerator = accelerator_class(CLASS, resource=None)
    accelerator["spec"]["price"] = {"onDemandHourly": "1", "source": SOURCE, "asOf": "2026-11-01"}
    compute = {"name": "default", "cpuHourly": "0", "memoryGibHourly": "0", "source": SOURCE}
    prices = book("budget-test", compute=[compute])
    for obj in (accelerator, prices.dump()):
        installed.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(obj))
    yield installed
    installed.kubectl("delete", "acceleratorclass", CLASS)
    installed.kubectl("delete", "pricebook", "budget-test")


@pytest.fixture(scope="module")
def replica(priced: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with webhooks.webhook(priced, Path(tmp_path_factory.mktemp("webhook"))) as running:
        yield running


@pytest.fixture
def webhook(priced: ControlPlane, replica: Replica) -> Iterator[Replica]:
    """The API server asks it, as long as a test lasts."""
    with webhooks.asked_at(priced, replica.port):
        eventually(lambda: webhooks.is_asked(priced), "the API server asks the webhook", replica.process)
        yield replica


class Budget:
    """A budget that counts the stacks of one namespace, and what a user sees of it.

    With `tier` it counts those that are labelled so.
    """

    def __init__(self, cluster: ControlPlane, namespace: str, tier: str = "", **spec: Any) -> None:
        self.cluster = cluster
        self.name = f"of-{namespace}{tier}"
        self.selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        if tier:
            self.selector["stackSelector"] = {"matchLabels": {"tier": tier}}
        self.apply(**spec)

    def apply(self, limit: str = "1460", **spec: Any) -> None:
        manifest = budgets.manifest(self.name, limit, **{"selector": self.selector, **spec})
        self.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(manifest))
        eventually(self.is_kept, "the budget is in force")

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.cluster.kubectl("get", "aibudget", self.name, "--output=json")
        )
        return found

    def is_kept(self) -> bool:
        found = self.get()
        return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])

    def holds(self, reserved: str) -> None:
        """Waits until so much is reserved, and all of it committed."""
        eventually(
            lambda: (
                [self.get()["status"].get(field) for field in ("reserved", "committed")] == [reserved] * 2
            ),
            f"{reserved} is reserved and committed",
        )

    def condition(self) -> dict[str, Any]:
        return next(item for item in self.get()["status"]["conditions"] if item["type"] == "WithinLimit")

    def delete(self) -> None:
        self.cluster.kubectl("delete", "aibudget", self.name, "--ignore-not-found")


@pytest.fixture
def unasked_budget(stacks: Stacks) -> Iterator[Budget]:
    """Room for two replicas, while no webhook is asked."""
    found = Budget(stacks.cluster, stacks.namespace)
    yield found
    found.delete()


@pytest.fixture
def budget(unasked_budget: Budget, webhook: Replica) -> Budget:  # noqa: ARG001  it is asked
    return unasked_budget


def costing(replicas: int, name: str = "support", least: int = 1, **spec: Any) -> dict[str, Any]:
    """A stack that costs 730.00 a month for each replica at most."""
    model = hosted(accelerator={"class": CLASS}, scaling={"min": least, "max": replicas})
    return stack(name, models=[model], gateway={"replicas": {"min": 1, "max": 1}}, **spec)


def refusal(stacks: Stacks, manifest: dict[str, Any]) -> str:
    with pytest.raises(CommandFailed) as error:
        stacks.apply(manifest)
    return str(error.value)


def test_a_stack_that_fits_is_counted_until_it_is_gone(stacks: Stacks, budget: Budget) -> None:
    stacks.apply(costing(2))
    stacks.wait_ready("support")
    budget.holds("1460.00")
    assert stacks.condition("support", "WithinBudget")["reason"] == "Reserved"
    share = {"name": budget.name, "reserved": "1460.00", "phase": "Committed"}
    assert stacks.get("aistack", "support")["status"]["budgets"] == [share]
    stacks.cluster.kubectl("delete", "aistack", "support", f"--namespace={stacks.namespace}")
    budget.holds("0.00")
    assert stacks.children() == {}


def test_a_stack_that_does_not_fit_is_told_what_would(stacks: Stacks, budget: Budget) -> None:
    stacks.apply(costing(1, "first"))
    budget.holds("730.00")
    said = refusal(stacks, costing(3, "second"))
    for part in (
        f"budget {budget.name} of 1460.00 USD a month has 730.00 left",
        f"reserved 730.00 ({stacks.namespace}/first 730.00)",
        "730.00 at least",
        "2190.00 at most",
        "models[llama].selfHosted.scaling.max 1 instead of 3",
        f"a limit of 2920.00 USD in AIBudget {budget.name}",
    ):
        assert part in said
    assert stacks.get("aistack", "second") == {}
    budget.holds("730.00")


def test_a_dry_run_reserves_nothing_and_says_the_cost(stacks: Stacks, budget: Budget) -> None:
    before = budget.get()["metadata"]["resourceVersion"]
    placed = {**costing(2), "metadata": {"name": "support", "namespace": stacks.namespace}}
    shown = stacks.cluster.kubectl(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(placed), check=False
    )
    assert "created (server dry run)" in shown
    assert "a month costs 730.00 USD at least" in shown
    assert "1460.00 at most" in shown
    assert budget.get()["metadata"]["resourceVersion"] == before


def test_a_create_under_a_name_that_is_taken_holds_nothing(stacks: Stacks, budget: Budget) -> None:
    stacks.apply(costing(1))
    budget.holds("730.00")
    before = stacks.cluster.audit.mark()
    placed = {**costing(1), "metadata": {"name": "support", "namespace": stacks.namespace}}
    with pytest.raises(CommandFailed, match=r"\(AlreadyExists\)"):
        stacks.cluster.kubectl("create", "--filename=-", input=json.dumps(placed))
    asked = stacks.cluster.audit.requests(before, user=operator_users(NAMESPACE)[1])
    assert [(each.verb, each.resource) for each in asked if each.verb != "watch"] == [("get", "aistacks")]


def test_an_update_holds_the_larger_cost_until_it_is_rolled_out(stacks: Stacks, budget: Budget) -> None:
    stacks.apply(costing(2))
    stacks.wait_ready("support")
    budget.holds("1460.00")
    stacks.apply(costing(1))
    budget.holds("730.00")
    said = refusal(stacks, costing(3))
    assert "so it needs 1460.00 more" in said
    stacks.apply(costing(2, suspend=True))
    budget.holds("0.00")


def test_a_lowered_limit_stops_nothing_and_admits_nothing(stacks: Stacks, budget: Budget) -> None:
    stacks.apply(costing(2))
    stacks.wait_ready("support")
    budget.holds("1460.00")
    budget.apply("100")
    eventually(lambda: budget.condition()["reason"] == "OverLimit", "the budget says so")
    assert stacks.condition("support")["status"] == "True"
    assert "is 1360.00 over its limit" in refusal(stacks, costing(1, "second"))
    stacks.apply(costing(1))
    budget.holds("730.00")


def test_a_budget_that_comes_later_counts_what_runs(stacks: Stacks) -> None:
    stacks.apply(costing(3))
    stacks.wait_ready("support")
    budget = Budget(stacks.cluster, stacks.namespace)
    try:
        budget.holds("2190.00")
        assert budget.condition()["reason"] == "OverLimit"
        stacks.wait_ready("support")
    finally:
        budget.delete()
    eventually(lambda: not stacks.get("aistack", "support")["status"].get("budgets"), "the stack forgets it")
    assert stacks.condition("support", "WithinBudget") == {}


def test_labels_move_a_stack_from_one_budget_to_another(stacks: Stacks, budget: Budget) -> None:
    def labelled(*change: str) -> str:
        where = f"--namespace={stacks.namespace}"
        return stacks.cluster.kubectl("label", "aistack", "support", where, *change, check=False)

    chosen = {"selector": {**budget.selector, "stackSelector": {"matchLabels": {"tier": "gold"}}}}
    budget.apply("1000", **chosen)
    stacks.apply(costing(2))
    stacks.wait_ready("support")
    budget.holds("0.00")
    assert "has 1000.00 left" in labelled("tier=gold")
    budget.apply("1460", **chosen)
    assert "labeled" in labelled("tier=gold")
    budget.holds("1460.00")
    assert "unlabeled" in labelled("tier-")
    budget.holds("0.00")


def test_a_namespaces_labels_and_a_budgets_new_name_take_its_stacks_along(stacks: Stacks) -> None:
    def joins(team: str) -> None:
        stacks.cluster.kubectl("label", "--overwrite", "namespace", stacks.namespace, f"team={team}")

    def of_team(name: str, team: str) -> Budget:
        found = Budget(stacks.cluster, stacks.namespace, name)
        found.apply(selector={"namespaceSelector": {"matchLabels": {"team": team}}})
        return found

    first, second = (f"{stacks.namespace}-{each}" for each in ("first", "second"))
    joins(first)
    with ExitStack() as made:
        one, other = of_team("one", first), of_team("other", second)
        made.callback(one.delete)
        made.callback(other.delete)
        stacks.apply(costing(2))
        stacks.wait_ready("support")
        one.holds("1460.00")
        joins(second)
        other.holds("1460.00")
        one.holds("0.00")
        renamed = of_team("renamed", second)
        made.callback(renamed.delete)
        renamed.holds("1460.00")
        other.delete()
        held = {"name": renamed.name, "reserved": "1460.00", "phase": "Committed"}
        eventually(
            lambda: stacks.get("aistack", "support")["status"]["budgets"] == [held],
            "the stack is counted by the new one alone",
        )


def test_a_budget_that_warns_lets_in_and_says_so(stacks: Stacks, budget: Budget) -> None:
    budget.apply("100", enforcement="Warn")
    placed = {**costing(1), "metadata": {"name": "support", "namespace": stacks.namespace}}
    shown = stacks.cluster.kubectl("create", "--filename=-", input=json.dumps(placed), check=False)
    assert f"Warning: spec: budget {budget.name} of 100.00 USD a month has no room for 730.00 USD" in shown
    budget.holds("730.00")


def test_without_the_webhook_the_controller_renders_nothing_that_does_not_fit(
    stacks: Stacks, unasked_budget: Budget
) -> None:
    budget = unasked_budget
    stacks.apply(costing(3))
    message = stacks.wait_reason("support", "BudgetExceeded")
    assert f"budget {budget.name} of 1460.00 USD a month has no room for 2190.00 USD" in message
    assert stacks.children() == {}
    assert stacks.condition("support", "WithinBudget")["status"] == "False"
    stacks.apply(costing(2))
    stacks.wait_ready("support")
    ran = stacks.get("deployment", "support-llama")["spec"]
    stacks.apply(costing(3, least=3))
    stacks.wait_reason("support", "BudgetExceeded")
    assert stacks.get("deployment", "support-llama")["spec"] == ran, "what ran goes on"
    budget.apply("2190")
    stacks.wait_ready("support")
    budget.holds("2190.00")


def relabel(stacks: Stacks, *change: str) -> None:
    stacks.cluster.kubectl("label", "aistack", "support", f"--namespace={stacks.namespace}", *change)


def test_what_runs_is_held_where_its_stack_belongs_also_when_its_newest_spec_can_not_be_served(
    stacks: Stacks,
) -> None:
    gold, silver = (Budget(stacks.cluster, stacks.namespace, tier) for tier in ("gold", "silver"))
    try:
        stacks.apply(costing(2))
        relabel(stacks, "tier=gold")
        stacks.wait_ready("support")
        gold.holds("1460.00")
        broken = costing(2)
        broken["spec"]["models"][0]["selfHosted"]["accelerator"] = {"class": "no-such-class"}
        stacks.apply(broken)
        stacks.wait_reason("support", "InvalidReference")
        relabel(stacks, "tier=silver", "--overwrite")
        silver.holds("1460.00")
        gold.holds("0.00")
        share = {"name": silver.name, "reserved": "1460.00", "phase": "Committed"}
        eventually(
            lambda: stacks.get("aistack", "support")["status"]["budgets"] == [share], "its status says where"
        )
        for tier in ("gold", "silver", "gold"):
            relabel(stacks, f"tier={tier}", "--overwrite")
        gold.holds("1460.00")
        silver.holds("0.00")
    finally:
        gold.delete()
        silver.delete()


def test_switching_off_stops_also_what_can_not_be_served_any_more(stacks: Stacks) -> None:
    stacks.apply(costing(1))
    stacks.wait_ready("support")
    broken = costing(1, suspend=True)
    broken["spec"]["models"][0]["selfHosted"]["accelerator"] = {"class": "no-such-class"}
    stacks.apply(broken)
    message = stacks.wait_reason("support", "InvalidReference")
    eventually(
        lambda: not [kind for kind, _ in stacks.children() if kind == "Deployment"],
        "every Deployment is gone",
    )
    assert "no workload runs; data and configuration are kept" in message
    assert ("ConfigMap", "support-gateway") in stacks.children()
    stacks.apply(costing(1))
    stacks.wait_ready("support")


def test_a_change_is_priced_against_what_the_cluster_has(
    stacks: Stacks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.apply(costing(1))
    changed = {**costing(3), "metadata": {"name": "support", "namespace": stacks.namespace}}
    (tmp_path / "support.json").write_text(json.dumps(changed))
    where = f"--kubeconfig={stacks.cluster.kubeconfig}"
    assert main(["cost", str(tmp_path), "--against=cluster", where, "--output=json"]) == 0
    (compared,) = json.loads(capsys.readouterr().out)
    assert compared["object"] == f"AIStack {stacks.namespace}/support"
    bounds = [compared["total"][side]["max"] for side in ("before", "after")]
    assert bounds == ["730.000000", "2190.000000"]


def test_the_command_line_shows_who_holds_what(
    stacks: Stacks, budget: Budget, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.apply(costing(1))
    budget.holds("730.00")
    assert main(["budget", budget.name, f"--kubeconfig={stacks.cluster.kubeconfig}"]) == 0
    said = capsys.readouterr().out
    assert f"AIBudget {budget.name}: 730.00 of 1460.00 USD a month reserved, 730.00 left" in said
    assert f"{stacks.namespace}/support  730.00  {'█' * 20}" in said
