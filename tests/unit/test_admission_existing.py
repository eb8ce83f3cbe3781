"""A create under a name that is taken holds no money, and one under a name that is free again does."""

from typing import Any

import pytest

from aistack.admission.existing import unless_taken
from aistack.admission.request import AdmissionReview
from aistack.admission.review import Priced, Verdict, answer
from aistack.api import AIBudget
from aistack.kinds import Kind, Manifest
from tests import reviews
from tests.budget_server import Server
from tests.budgets import claim, manifest
from tests.stacks import stack


class Cluster(Server):
    """One budget, which holds something for these stacks, and the AIStacks that are there, by uid."""

    def __init__(self, *, held: str, there: str = "") -> None:
        super().__init__(manifest(limit="100"))
        entry = {"stack": "care/support", "uid": held, "specHash": "first", "microUnits": 1}
        self.stored["care"]["status"] = {"stacks": [entry] if held else []}
        self.stacks = {"support": {**stack(), "metadata": {"uid": there}}} if there else {}
        self.asked = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self.asked += 1
        return self.stacks.get(name) or await super().get(kind, namespace, name)

    async def judged(self, written: str = "Update", **request: Any) -> tuple[Verdict, dict[str, Any]]:
        """A create of care/support with the uid `new`: the verdict and the answer."""
        managed = [{"manager": "kubectl", "operation": written}]
        asked = {**stack(), "metadata": {**stack()["metadata"], "uid": "new", "managedFields": managed}}
        sent = AdmissionReview.model_validate(reviews.review(asked, **request)).request
        counting = tuple(AIBudget.parse(each) for each in self.stored.values())
        wanted = Priced(None, claim(10, uid="new"), counting)
        verdict = await unless_taken(sent, Verdict(priced=wanted), self)
        return verdict, answer(sent, verdict)["response"]


async def test_a_create_under_a_name_that_is_taken_is_answered_as_the_api_server_would() -> None:
    verdict, response = await Cluster(held="old", there="old").judged()
    assert not verdict.allowed
    assert (response["status"]["code"], response["status"]["reason"]) == (409, "AlreadyExists")
    assert "AIStack care/support already exists" in response["status"]["message"]


@pytest.mark.parametrize(
    ("held", "there", "asked", "why"),
    [
        ("", "", 0, "no budget knows of a stack of this name: nobody is asked"),
        ("new", "new", 0, "it is this very stack that is held: its create was asked about before"),
        ("old", "", 1, "it was deleted, and its name is free"),
        ("old", "new", 1, "it was deleted, and this very create has come through"),
    ],
)
async def test_a_create_that_may_come_through_is_let_on(held: str, there: str, asked: int, why: str) -> None:
    cluster = Cluster(held=held, there=there)
    verdict, _ = await cluster.judged()
    assert (verdict.allowed, cluster.asked) == (True, asked), why


@pytest.mark.parametrize(
    "request_",
    [{"dryRun": True}, {"operation": "UPDATE"}, {"written": "Apply"}],
    ids=["dry run", "update", "server-side apply"],
)
async def test_what_holds_nothing_or_may_change_what_is_there_is_let_on(request_: dict[str, Any]) -> None:
    cluster = Cluster(held="old", there="old")
    verdict, _ = await cluster.judged(**request_)
    assert (verdict.allowed, cluster.asked) == (True, 0)
