"""A class that the cache doesn't have is asked for once before a stack that names it is denied."""

from dataclasses import dataclass, field

import pytest

from aistack.admission.live import review_live
from aistack.admission.request import AdmissionRequest, AdmissionReview
from aistack.api import AcceleratorClass
from aistack.catalog import Catalog
from aistack.errors import NotFound, Unavailable
from aistack.images import default_images
from aistack.kinds import Kind, Manifest
from aistack.kube import Kube
from aistack.platform import Platform
from tests import reviews
from tests.stacks import accelerator_class, hosted, stack

CATALOG = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(accelerator_class())})


@dataclass
class FakeKube(Kube):
    """An API server that has these classes; None is one that doesn't answer."""

    classes: dict[str, Manifest] | None
    asked: list[str] = field(default_factory=list)

    async def get(self, _kind: Kind, _namespace: str, name: str) -> Manifest:
        self.asked.append(name)
        if self.classes is None:
            raise Unavailable(503, "ServiceUnavailable", "try again")
        if name not in self.classes:
            raise NotFound(404, "NotFound", f"acceleratorclasses {name!r} not found")
        return self.classes[name]


def naming(*classes: str) -> AdmissionRequest:
    models = [hosted(f"m{number}", accelerator={"class": name}) for number, name in enumerate(classes)]
    return AdmissionReview.model_validate(reviews.review(stack(models=models))).request


async def test_a_known_class_costs_no_request() -> None:
    kube = FakeKube({})
    assert (await review_live(naming("nvidia-l4"), Platform(CATALOG), kube)).allowed
    assert kube.asked == []


async def test_a_class_created_a_moment_ago_is_found() -> None:
    kube = FakeKube({"tpu": accelerator_class("tpu")})
    assert (await review_live(naming("tpu", "nvidia-l4"), Platform(CATALOG), kube)).allowed
    assert kube.asked == ["tpu"]


async def test_what_does_not_exist_is_asked_for_once_and_denied() -> None:
    kube = FakeKube({"tpu": accelerator_class("tpu")})
    verdict = await review_live(naming("tpu", "npu", "npu"), Platform(CATALOG), kube)
    assert sorted(kube.asked) == ["npu", "tpu"]
    assert len(verdict.problems) == 2
    assert all("'npu'; write one of cpu, nvidia-l4, tpu" in problem for problem in verdict.problems)


async def test_an_api_server_that_does_not_answer_is_no_reason_to_call_a_class_unknown() -> None:
    with pytest.raises(Unavailable):
        await review_live(naming("tpu"), Platform(CATALOG), FakeKube(None))
