"""A budget or a policy that nobody can read: nothing new runs under it, and it is said why."""

from typing import Any

import pytest

from aistack.admission.request import AdmissionReview
from aistack.admission.review import Verdict, review
from aistack.api.base import Metadata
from aistack.budget import Budgets
from aistack.kinds import Manifest
from aistack.platform import Platform
from aistack.runtime.store import Store
from tests import budgets, reviews, rulebook
from tests.stacks import catalog, stack

NEWER: dict[str, Any] = {"burst": "10%"}


def stored(manifest: Manifest, version: int = 1, **spec: Any) -> Manifest:
    """As an API server with a newer CRD has it."""
    meta = {**manifest["metadata"], "uid": "uid-of-it", "resourceVersion": str(version)}
    return {**manifest, "metadata": meta, "spec": {**manifest["spec"], **spec}}


def platform(*manifests: Manifest) -> Platform:
    store = Store()
    for manifest in manifests:
        store.update(manifest)
    return Platform(catalog(), budgets=Budgets((), {"care": {"team": "care"}}), unreadable=store.unreadable)


def judged(known: Platform, obj: Manifest, old: Manifest | None = None) -> Verdict:
    return review(AdmissionReview.model_validate(reviews.review(obj, old)).request, known)


@pytest.mark.parametrize(
    ("kind", "manifest"),
    [("AIBudget", budgets.manifest("strict")), ("AIPolicy", rulebook.policy("strict").dump())],
)
def test_a_stack_is_refused_and_told_which_object_and_which_field(kind: str, manifest: Manifest) -> None:
    known = platform(stored(manifest, **NEWER))
    (line,) = judged(known, stack()).problems
    assert f"{kind} strict can't be read by this version of the operator" in line
    assert "spec.burst" in line
    assert "correct it, or run the version that it was written for" in line


def test_stacks_that_it_does_not_choose_are_not_held_up() -> None:
    elsewhere = {"namespaceSelector": {"matchLabels": {"team": "sales"}}}
    known = platform(stored(budgets.manifest(selector=elsewhere), **NEWER))
    assert judged(known, stack()).allowed


def test_where_even_the_selector_is_new_it_may_be_about_every_stack() -> None:
    regions = {"namespaceSelector": {"matchLabels": {"team": "sales"}, "matchRegions": ["eu"]}}
    assert not judged(platform(stored(budgets.manifest(), selector=regions)), stack()).allowed
    assert not judged(platform(stored(budgets.manifest(), selector="all")), stack()).allowed


def test_labels_do_not_move_a_stack_under_it_and_switching_off_works() -> None:
    gold = {"stackSelector": {"matchLabels": {"tier": "gold"}}}
    known, old = platform(stored(budgets.manifest(selector=gold), **NEWER)), stack()
    assert not judged(
        known, {**old, "metadata": {**old["metadata"], "labels": {"tier": "gold"}}}, old
    ).allowed
    everywhere = platform(stored(budgets.manifest(), **NEWER))
    assert judged(everywhere, stack(suspend=True), old).allowed


def test_it_is_forgotten_when_it_is_mended_or_gone() -> None:
    store = Store()
    store.update(stored(budgets.manifest(), **NEWER))
    assert [each.kind for each in store.unreadable] == ["AIBudget"]
    store.update(stored(budgets.manifest(), version=2))
    assert (store.unreadable, list(store.budgets)) == ((), ["care"])
    store.update(stored(budgets.manifest(), version=3, **NEWER))
    assert list(store.budgets) == []
    store.remove(stored(budgets.manifest(), version=4))
    assert store.unreadable == ()


def test_every_stack_is_looked_at_again_when_it_becomes_readable() -> None:
    store = Store()
    meta = {**stack()["metadata"], "resourceVersion": "1"}
    store.update({**stack(), "metadata": meta})
    store.update(stored(budgets.manifest(), **NEWER))
    assert store.update(stored(budgets.manifest(), version=2)) == {("care", "support")}


def test_many_problems_are_counted() -> None:
    (each,) = platform(stored(budgets.manifest(), **{f"new{n}": 1 for n in range(5)})).unreadable
    assert each.problem.message.count("spec.new") == 3
    assert "and 2 more" in each.problem.message
    assert each.concerns(Metadata(name="any"), {})
