"""Every body gets an explicit answer: what can't be judged is refused by name, never let through."""

import logging

import orjson
import pytest

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict
from aistack.admission.server import MAX_BODY, Outcome, respond
from tests import reviews
from tests.reviews import Object, price_book
from tests.stacks import stack


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


async def test_a_body_over_the_limit_is_refused_with_the_limit_in_the_message() -> None:
    sent = body(price_book(MAX_BODY + 300_000))
    assert len(sent) > MAX_BODY
    outcome = await respond(sent, allow)
    assert response(outcome)["allowed"] is False
    assert response(outcome)["uid"] == reviews.UID
    assert "over 8 MiB" in response(outcome)["status"]["message"]
