"""Every body gets an explicit answer: what can't be judged is refused by name, never let through."""

import logging
import time
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from aistack.admission.decision import tell_refused
from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, review
from aistack.admission.server import MAX_BODY, Outcome, respond
from aistack.api import AcceleratorClass
from aistack.catalog import Catalog
from aistack.images import default_images
from aistack.platform import Platform
from aistack.trail import Trail
from tests import reviews
from tests.reviews import Object, price_book
from tests.stacks import accelerator_class, stack

CATALOG = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(accelerator_class())})


async def judge(request: AdmissionRequest) -> Verdict:
    return review(request, Platform(CATALOG))


async def allow(_: AdmissionRequest) -> Verdict:
    return Verdict()


async def break_down(_: AdmissionRequest) -> Verdict:
    raise RuntimeError("the token is s3cr3t")


def body(obj: Object) -> bytes:
    return orjson.dumps(reviews.review(obj))


def response(outcome: Outcome) -> Object:
    answered: Object = outcome.review["response"]
    return answered


async def test_a_verdict_is_sent_back_as_it_was_found() -> None:
    outcome = await respond(body(stack()), allow)
    assert (outcome.kind, outcome.verdict) == ("AIStack", "allowed")
    assert response(outcome) == {"uid": reviews.UID, "allowed": True}


async def test_an_internal_error_is_a_refusal_that_names_itself_and_gives_nothing_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        outcome = await respond(body(stack()), break_down)
    answered = response(outcome)
    assert (answered["allowed"], answered["uid"]) == (False, reviews.UID)
    message = answered["status"]["message"]
    assert message.startswith("internal error in the aistack webhook (id ")
    assert "nothing was decided" in message
    assert "s3cr3t" not in message
    incident = message.partition("(id ")[2].partition(")")[0]
    assert incident in caplog.text, "the log tells the reader of the id what happened"
    assert (outcome.kind, outcome.verdict) == ("AIStack", "refused")


async def test_what_was_not_judged_is_recorded_with_who_asked_and_why(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "decisions.jsonl")
    tell_refused(await respond(body(stack()), break_down), trail)
    tell_refused(await respond(b"{", allow), trail)
    trail.close()
    written = (tmp_path / "decisions.jsonl").read_bytes()
    broken, unreadable = (orjson.loads(line) for line in written.splitlines())
    assert (broken["user"], broken["object"], broken["verdict"]) == ("alice", "care/support", "refused")
    assert (broken["code"], broken["request"]) == (500, reviews.UID)
    assert "nothing was decided" in broken["why"]
    assert unreadable["code"] == 400
    assert "object" not in unreadable


@pytest.mark.parametrize(
    "sent", [{"kind": "K" * 200_000}, {"metadata": {"name": "n" * 200_000}}], ids=["a kind", "a name"]
)
async def test_whatever_was_sent_its_record_is_small(tmp_path: Path, sent: Object) -> None:
    trail = Trail(tmp_path / "decisions.jsonl")
    review = reviews.review({**stack(), **sent}, user="u" * 200_000)
    tell_refused(await respond(orjson.dumps(review), break_down), trail)
    trail.close()
    assert 0 < (tmp_path / "decisions.jsonl").stat().st_size < 8192


async def test_what_is_wrong_with_a_body_is_told_without_a_word_of_it() -> None:
    outcome = await respond(body({**stack(), "kind": "s3cr3t"}), allow)
    message = response(outcome)["status"]["message"]
    assert "request.kind.kind: " in message
    assert "is none of AIStack" in message
    assert "s3cr3t" not in message


@pytest.mark.parametrize("metadata", [None, "x", []])
async def test_of_an_object_without_metadata_it_is_recorded_that_it_was_refused(
    tmp_path: Path, metadata: object
) -> None:
    trail = Trail(tmp_path / "decisions.jsonl")
    sent = reviews.review(stack(), name="")
    sent["request"]["object"] = {**stack(), "metadata": metadata}
    tell_refused(await respond(orjson.dumps(sent), break_down), trail)
    trail.close()
    assert orjson.loads((tmp_path / "decisions.jsonl").read_bytes())["object"] == "care/…"


async def test_a_refusal_of_what_can_not_be_told_is_still_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep: Object = {}
    for _ in range(400):
        deep = {"a": deep}
    request = AdmissionRequest.model_validate(
        {**reviews.review(stack())["request"], "object": {"spec": deep}}
    )
    outcome = replace(await respond(body(stack()), break_down), request=request)
    trail = Trail(tmp_path / "decisions.jsonl")
    tell_refused(outcome, trail)
    trail.close()
    assert "could not be recorded" in caplog.text


async def test_a_refusal_that_can_not_be_recorded_is_still_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail(tmp_path / "decisions.jsonl")
    trail.close()
    tell_refused(await respond(b"{", allow), trail)
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"[]", "the body: Input should be"),
        (b'{"kind": "Pod"}', "apiVersion: Field required"),
        (orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}), "request"),
        (orjson.dumps({**reviews.review(stack()), "apiVersion": "admission.k8s.io/v1beta1"}), "apiVersion"),
    ],
)
async def test_a_body_that_is_no_review_is_refused(sent: bytes, expected: str) -> None:
    outcome = await respond(sent, allow)
    status = response(outcome)["status"]
    assert response(outcome)["allowed"] is False
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert expected in status["message"]
    assert "aistack webhook" in status["message"]


async def test_a_kind_that_is_not_ours_is_refused_not_let_through() -> None:
    foreign = {**stack(), "kind": "Pod"}
    outcome = await respond(orjson.dumps(reviews.review(foreign)), allow)
    assert response(outcome)["allowed"] is False
    assert response(outcome)["uid"] == reviews.UID, "the API server shows only an answer to its own request"
    assert (outcome.kind, outcome.verdict) == ("unknown", "refused")


async def test_an_object_of_another_shape_is_refused_and_breaks_nothing() -> None:
    for obj in ({**stack(), "metadata": []}, {**stack(), "spec": None}, {**stack(), "spec": []}):
        sent = reviews.review(stack(), old=stack(environment="staging"), name="")
        sent["request"]["object"] = obj
        assert response(await respond(orjson.dumps(sent), judge))["allowed"] is False


async def test_a_body_over_the_limit_is_refused_with_the_limit_in_the_message() -> None:
    sent = body(price_book(MAX_BODY + 300_000))
    assert len(sent) > MAX_BODY
    outcome = await respond(sent, allow)
    assert response(outcome)["allowed"] is False
    assert response(outcome)["uid"] == reviews.UID
    assert "over 8 MiB" in response(outcome)["status"]["message"]


def densest_stack() -> Object:
    """As many routes as there may be, each falling back to the next eight."""
    routes = [
        {
            "name": f"route-{number}",
            "targets": [{"model": "llama"}],
            "fallbacks": [f"route-{onward}" for onward in range(number + 1, min(number + 9, 64))],
        }
        for number in range(64)
    ]
    return stack(gateway={"routes": routes})


@pytest.mark.parametrize("obj", [price_book(3 * 1024 * 1024), densest_stack()], ids=["3 MiB", "densest"])
async def test_the_worst_objects_get_their_verdict_within_a_second_of_cpu(obj: Object) -> None:
    began = time.process_time()
    outcome = await respond(body(obj), judge)
    assert outcome.verdict == "allowed"
    assert time.process_time() - began < 1.0
