"""A request goes where its model's route says, and what can't be routed is answered in OpenAI's form."""

import asyncio
import io
import json
from collections import Counter

import pytest

from aistack.render.gateway.envoy import MAX_BODY
from tests.gateway.front import Front, Reply
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and code of an error, which has every field that OpenAI's clients read."""
    error = reply.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return reply.status, error["code"]


async def test_the_bodys_model_decides_who_answers(front: Front) -> None:
    assert await front.answered_by("alone") == "llama"
    assert await front.answered_by("embed", path="/v1/embeddings") == "mistral"
    assert await front.answered_by("provider") == "claude"


async def test_a_self_hosted_model_is_asked_by_the_routes_name(front: Front, llama: StandIn) -> None:
    await front.ask("alone", temperature=0.5)
    assert llama.asked[0].path == "/v1/chat/completions"
    assert llama.asked[0].body["model"] == "alone"
    assert llama.asked[0].body["temperature"] == 0.5


async def test_targets_get_requests_in_proportion_to_their_weights(front: Front) -> None:
    answers = await asyncio.gather(*(front.answered_by("chat") for _ in range(400)))
    share = Counter(answers)["llama"] / len(answers)
    assert set(answers) == {"llama", "mistral"}
    assert share == pytest.approx(0.75, abs=0.09)  # four standard deviations


async def test_a_target_of_weight_zero_is_never_asked(front: Front, mistral: StandIn) -> None:
    assert {await front.answered_by("mistral-off") for _ in range(20)} == {"llama"}
    assert not mistral.asked


async def test_a_stream_passes_as_it_comes(front: Front) -> None:
    reply = await front.ask("chat", stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.text.count("answered_by") == 3
    assert reply.text.endswith("data: [DONE]\n\n")


async def test_the_list_of_models_is_the_list_of_routes(front: Front) -> None:
    async with front.session.get("/v1/models") as answer:
        assert answer.content_type == "application/json"
        listed = await answer.json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [
        "chat",
        "in-order",
        "llama-first",
        "mistral-off",
        "alone",
        "resting",
        "any-length",
        "brief",
        "least-busy",
        "provider",
        "embed",
    ]


async def test_an_unknown_model_is_not_found(front: Front) -> None:
    reply = await front.ask('gpt-"5"')
    assert refusal(reply) == (404, "model_not_found")
    assert 'gpt-"5"' in reply.json["error"]["message"]


async def test_a_model_behind_a_route_has_no_route_of_its_own(front: Front) -> None:
    assert refusal(await front.ask("llama")) == (404, "model_not_found")


async def test_a_model_does_not_answer_the_paths_of_another_task(front: Front) -> None:
    assert refusal(await front.ask("embed")) == (404, "model_not_found")
    assert refusal(await front.ask("alone", path="/v1/embeddings")) == (404, "model_not_found")


@pytest.mark.parametrize(
    "path", ["/v1/load_lora_adapter", "/metrics", "/v1/chat/completions/../../metrics", "/"]
)
async def test_nothing_else_of_a_models_server_is_reached(front: Front, llama: StandIn, path: str) -> None:
    assert refusal(await front.ask("alone", path=path)) == (404, "unknown_url")
    assert not llama.asked


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"model": "alone"', "invalid_json"),
        ("model=alone", "invalid_json"),
        ('{"messages": []}', "missing_model"),
        ("{}", "missing_model"),
        ("", "missing_model"),
        ("[]", "missing_model"),
        ("null", "missing_model"),
    ],
)
async def test_a_body_without_a_model_is_refused(front: Front, body: str, code: str) -> None:
    assert refusal(await front.ask(None, raw=body)) == (400, code)


@pytest.mark.parametrize("called", ["text/plain", "Application/JSON", "multipart/form-data; boundary=x"])
async def test_a_body_is_read_as_json_whatever_it_is_called(
    front: Front, llama: StandIn, claude: StandIn, called: str
) -> None:
    for model in ("provider", "brief"):
        raw = json.dumps({"model": model, "stream": True, "max_tokens": 5000})
        reply = await front.ask(None, raw=raw, headers={"content-type": called})
        assert reply.status == 200
    [sent] = claude.asked
    assert sent.body["model"] == "acme/claude-large"
    assert sent.body["stream_options"] == {"include_usage": True}
    [sent] = llama.asked
    assert sent.headers["content-type"] == "application/json"
    assert (sent.body["max_tokens"], sent.body["stream_options"]) == (100, {"include_usage": True})


async def test_a_body_that_is_too_large_is_refused(front: Front, llama: StandIn) -> None:
    body = json.dumps({"model": "alone", "filler": "x" * MAX_BODY})
    reply = await front.ask(None, raw=io.BytesIO(body.encode()))
    assert refusal(reply) == (413, "request_too_large")
    assert not llama.asked


async def test_headers_that_are_too_large_are_refused(front: Front) -> None:
    reply = await front.ask("alone", headers={f"x-{number}": "x" * 7000 for number in range(12)})
    assert refusal(reply) == (431, "headers_too_large")


async def test_a_client_decides_nothing_by_headers(front: Front, llama: StandIn) -> None:
    """Neither who it is, nor how Envoy treats its request; and what proves it goes no further."""
    llama.status = 500
    spoofed = {
        "x-aistack-client": "admin",
        "x-aistack-order": "{}",
        "x-aistack-for": "admin",
        "x-envoy-max-retries": "9",
        "x-envoy-retry-on": "5xx",
        "authorization": "Bearer of-the-client",
        "x-api-key": "of-the-client",
        "cookie": "session=of-the-client",
    }
    await front.ask("alone", headers=spoofed)
    assert len(llama.asked) == 1
    assert "of-the-client" not in str(llama.asked)
    assert not [name for name in llama.asked[0].headers if name.startswith("x-aistack-")]


async def test_the_log_tells_what_happened_without_what_was_said(front: Front) -> None:
    await front.ask("alone", messages=[{"role": "user", "content": "a secret thought"}])
    logged = await front.logged(route="alone", status=200)
    assert (logged["model"], logged["target"], logged["attempts"]) == ("alone", "llama", 1)
    assert "a secret thought" not in front.log("envoy")
