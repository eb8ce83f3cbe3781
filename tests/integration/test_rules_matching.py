"""What a policy is about in the API server is what it is about here, by every way to choose."""

import itertools
from collections.abc import Iterator, Sequence

import pytest

from aistack.api import API_VERSION, AIPolicy, AIStack
from aistack.catalog import Catalog
from aistack.govern.matching import matches
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.resolve import resolve
from tests.compiled import CANARY, LABELS, NAME, NAMESPACE, broken, compiled, in_force, stack, stored
from tests.controlplane import ControlPlane


def meeting(operator: str, *values: str) -> Manifest:
    """A selector with one requirement."""
    requirement = {"key": "tier", "operator": operator} | ({"values": list(values)} if values else {})
    return {"matchExpressions": [requirement]}


MATCHES: dict[str, Manifest] = {
    "labels": {"stackSelector": {"matchLabels": {"tier": "gold", "team": "care"}}},
    "in": {"stackSelector": meeting("In", "gold", "silver")},
    "not-in": {"stackSelector": meeting("NotIn", "gold", "silver")},
    "exists": {"stackSelector": meeting("Exists")},
    "does-not-exist": {"stackSelector": meeting("DoesNotExist")},
    "environments": {"environments": ["production", "staging"]},
    "risk-tiers": {"riskTiers": ["high", "limited"]},
    "all": {
        "stackSelector": meeting("Exists"),
        "environments": ["production"],
        "riskTiers": ["high"],
    },
}
KEEPING = {"replicas": {"min": 1, "max": 1}}
ITS_LABELS: tuple[dict[str, str], ...] = (
    {},
    {"tier": "gold"},
    {"tier": "gold", "team": "care"},
    {"tier": "bronze"},
    {"tier": ""},
)


def policies() -> list[AIPolicy]:
    """One a way to choose; only a stack of `KEEPING` keeps them."""
    here = {"namespaceSelector": {"matchLabels": {NAME: NAMESPACE}}}
    rule = {**CANARY.dump(), "expression": "object.spec.?gateway.?replicas.?min.orValue(2) == 1"}
    return [
        AIPolicy.parse(
            {
                "apiVersion": API_VERSION,
                "kind": "AIPolicy",
                "metadata": {"name": name},
                "spec": {"action": "Deny", "match": {**here, **match}, "rules": [rule]},
            }
        )
        for name, match in MATCHES.items()
    ]


def stacks() -> list[Manifest]:
    """One a mixture of what policies choose by."""
    models = [{"name": "gpt", "managed": {"provider": "openai", "model": "gpt-5-mini"}}]
    governed: tuple[Manifest, ...] = ({}, {"riskTier": "minimal"}, {"riskTier": "high"})
    mixtures = itertools.product(ITS_LABELS, ("production", "development"), governed)
    return [
        stack(f"stack-{number}", {"models": models, "environment": environment, "governance": tier}, **labels)
        for number, (labels, environment, tier) in enumerate(mixtures)
    ]


def about_here(made: Manifest) -> set[str]:
    """The policies that are about it."""
    judged = resolve(AIStack.parse(made), Catalog(default_images())).meaning
    assert judged
    return {each.metadata.name for each in policies() if matches(each.spec.match, judged, LABELS)}


def about_there(cluster: ControlPlane, made: Sequence[Manifest], *, verb: str) -> list[set[str]]:
    told = broken(cluster, made, verb=verb)
    return [{rule.removesuffix("/canary") for rule in rules} for rules in told.values()]


@pytest.fixture(scope="module")
def choosing(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster in which every policy is in force."""
    with in_force(
        cluster, [each for policy in policies() for each in compiled(policy)], {*MATCHES}, *stacks()
    ):
        yield cluster


def changed(made: Manifest, **spec: object) -> Manifest:
    return {**made, "spec": {**made["spec"], **spec}}


def labelled(made: Manifest, **labels: str) -> Manifest:
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def test_a_policy_is_about_the_same_new_stacks(choosing: ControlPlane) -> None:
    here = [about_here(made) for made in stacks()]
    assert set().union(*here) == {*MATCHES}, "each policy is about some"
    assert not set.intersection(*here), "and about some not"
    assert about_there(choosing, stacks(), verb="create") == here


def test_a_policy_is_about_an_updated_stack_as_it_is_after_the_update(choosing: ControlPlane) -> None:
    before = [labelled(changed(made, gateway=KEEPING), tier="gold") for made in stacks()]
    with stored(choosing, before):
        updated = about_there(choosing, stacks(), verb="replace")
        stopped = about_there(choosing, [changed(made, suspend=True) for made in stacks()], verb="replace")
    assert updated == [about_here(made) for made in stacks()]
    assert not any(stopped), "what stops is never held up"


def test_what_broke_a_policy_before_is_not_held_up_for_it(choosing: ControlPlane) -> None:
    with stored(choosing, [labelled(made, tier="gold") for made in stacks()]):
        relabelled = about_there(choosing, stacks(), verb="replace")
        larger = [changed(made, gateway={"replicas": {"min": 3, "max": 3}}) for made in stacks()]
        updated = about_there(choosing, larger, verb="replace")
    assert not any(relabelled), "labels alone change nothing that runs"
    assert not any(updated), "what is broken as before may be changed"
