"""Providers with protocols of their own: asked through the front and a real LiteLLM, by what is rendered."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.adapter import adapter
from tests.gateway.clouds import ANSWER, HOSTS, IDENTITY, KEY, REGION, ROLE, TENANT, VECTOR, WORDS, Clouds
from tests.gateway.front import Front
from tests.gateway.intercepted import content, events
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")


def by_key(name: str, provider: str, model: str, key: str = "key", **fields: Any) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": "keys", "key": key}}
    return {
        "name": name,
        "managed": {"provider": provider, "model": model, "credentials": reference, **fields},
    }


def by_identity(name: str, provider: str, model: str, **fields: Any) -> dict[str, Any]:
    identity = {"workloadIdentity": {"serviceAccountName": "caller"}}
    return {
        "name": name,
        "managed": {"provider": provider, "model": model, "credentials": identity, **fields},
    }


PATHS = {
    "anthropic": "api.anthropic.com/v1/messages",
    "azure": "acme.openai.azure.com/openai/deployments/gpt-5/chat/completions",
}
AZURE = {"endpoint": "https://acme.openai.azure.com", "apiVersion": "2026-01-01"}
MODELS = [
    by_key("anthropic", "anthropic", "claude-sonnet-4-5"),
    by_key("anthropic-revoked", "anthropic", "claude-sonnet-4-5", key="revoked"),
    by_key("azure", "azure", "gpt-5", **AZURE),
    by_key("azure-embedder", "azure", "embedder", **AZURE) | {"task": "embedding"},
    by_identity("azure-identity", "azure", "gpt-5", **AZURE),
    by_key("bedrock", "bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", region=REGION),
    by_identity("bedrock-identity", "bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", region=REGION),
    by_identity("sagemaker", "sagemaker", "acme-llama", region=REGION),
    by_key("vertex", "vertex", "gemini-pro", key="google", project="acme", region="europe-west4"),
    by_identity("vertex-identity", "vertex", "gemini-pro", project="acme", region="europe-west4"),
]
CHATS = [model["name"] for model in MODELS if model["name"] not in ("anthropic-revoked", "azure-embedder")]
SPEC: dict[str, Any] = {
    "models": [hosted("llama"), *MODELS],
    "gateway": {
        "routes": [
            *(
                {"name": model["name"], "targets": [{"model": model["name"]}], "retries": 0}
                for model in MODELS
            ),
            {"name": "falls-back", "targets": [{"model": "anthropic"}], "fallbacks": ["llama"]},
        ]
    },
}


NEWER = by_key("newer", "anthropic", "claude-opus-5")
"""The front's configuration is renewed, the adapter's not yet."""
RENEWED: dict[str, Any] = {
    "models": [*SPEC["models"], NEWER],
    "gateway": {"routes": [*SPEC["gateway"]["routes"], {"name": "newer", "targets": [{"model": "newer"}]}]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clouds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clouds]:
    clouds = Clouds(Path(tmp_path_factory.mktemp("clouds")))
    await clouds.start()
    yield clouds
    await clouds.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(
    clouds: Clouds, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    """The front and the adapter, whose internet is the stand-in's."""
    folder = Path(tmp_path_factory.mktemp("adapter"))
    token = folder / "token"
    token.write_text(IDENTITY)
    of_identity = {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AZURE_CLIENT_ID": "caller",
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
        "GCE_METADATA_HOST": clouds.metadata,
        "GCE_METADATA_IP": clouds.metadata,
    }
    authority = str(clouds.authority)
    internet = {
        "HTTPS_PROXY": clouds.proxy,
        "AIOHTTP_TRUST_ENV": "True",
        "SSL_CERT_FILE": authority,
        "REQUESTS_CA_BUNDLE": authority,
        "AWS_CA_BUNDLE": authority,
    }
    keys = {"key": KEY, "revoked": "key-of-before", "google": clouds.service_account}
    identified = adapter(SPEC, folder, keys, {**of_identity, **internet})
    async with identified as port, Front(ports, adapter_port=port) as front:
        await front.start(RENEWED)
        yield front


@pytest.fixture(autouse=True)
def well_clouds(clouds: Clouds) -> None:
    """Every test begins with providers that answer, and were asked nothing."""
    clouds.refusal = 0
    clouds.asked.clear()


@pytest.mark.parametrize("model", CHATS)
async def test_each_provider_is_asked_in_its_own_protocol_and_answers_in_openais(
    front: Front, model: str
) -> None:
    reply = await front.ask(model)
    assert reply.status == 200, reply.text
    assert reply.json["choices"][0]["message"]["content"] == ANSWER
    assert (reply.json["usage"]["prompt_tokens"], reply.json["usage"]["completion_tokens"]) == (11, 3)


@pytest.mark.parametrize("model", CHATS)
async def test_a_stream_is_translated_and_its_tokens_are_counted(front: Front, model: str) -> None:
    reply = await front.ask(model, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert content(reply) == ANSWER
    assert len([event for event in events(reply) if event["choices"]]) > 2
    logged = await front.logged(model=model, stream=True)
    assert (logged["inputTokens"], logged["outputTokens"]) == (11, 3)


async def test_an_embedding_is_handed_on_and_counted(front: Front) -> None:
    body = {"model": "azure-embedder", "input": "Hi", "encoding_format": "float"}
    reply = await front.ask(None, path="/v1/embeddings", raw=json.dumps(body))
    assert reply.json["data"][0]["embedding"] == VECTOR
    assert reply.json["usage"]["prompt_tokens"] == 11
    assert (await front.logged(model="azure-embedder"))["inputTokens"] == 11


async def test_a_revoked_key_of_a_provider_is_the_gateways_failure(front: Front) -> None:
    reply = await front.ask("anthropic-revoked")
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_refused")
    assert "who you say" not in reply.text


async def test_a_busy_provider_is_followed_by_the_next_model(front: Front, clouds: Clouds) -> None:
    clouds.refusal = 429
    reply = await front.ask("anthropic")
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert await front.answered_by("falls-back") == "llama"


async def test_the_adapter_asks_no_more_often_than_the_front(front: Front, clouds: Clouds) -> None:
    clouds.refusal = 429
    assert (await front.ask("anthropic")).status == 429
    assert len(clouds.asked) == 1


@pytest.mark.parametrize(
    "written",
    [
        {"custom_llm_provider": "openai"},
        {"custom_llm_provider": "openrouter"},
        {"api_base": "https://elsewhere.example", "base_url": "https://elsewhere.example"},
        {"user_config": {"model_list": []}},
        {"api_key": "theirs"},
        {"extra_headers": {"x-theirs": "1"}, "headers": {"x-theirs": "1"}},
        {"default_headers": {"x-theirs": "1"}, "extra_query": {"x-theirs": "1"}},
        {"extra_body": {"theirs": 1}, "theirs": 1},
        {"provider_specific_header": {"custom_llm_provider": "azure", "extra_headers": {"x-theirs": "1"}}},
        {"deployment_id": "gpt-6", "engine": "gpt-6", "model_id": "gpt-6"},
        {"api_version": "2020-01-01", "azure_ad_token": "theirs", "tenant_id": "theirs"},
        {"mock_response": "theirs", "cache": {"use-cache": True}},
        {"litellm_metadata": {"guardrails": ["theirs"]}},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", ["anthropic", "azure"])
async def test_a_client_does_not_choose_whom_the_adapter_asks_nor_as_whom(
    front: Front, clouds: Clouds, model: str, written: dict[str, Any]
) -> None:
    """The clouds' hosts let nobody in without the gateway's key, and know no other deployment or version."""
    reply = await front.ask(model, **written)
    assert reply.json["choices"][0]["message"]["content"] == ANSWER
    [asked] = clouds.asked
    assert asked.path == PATHS[model]
    assert "theirs" not in str(asked)


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("bedrock", {"aws_region_name": "us-east-1"}),
        ("bedrock", {"aws_bedrock_runtime_endpoint": "https://elsewhere.example"}),
        ("bedrock-identity", {"aws_access_key_id": "theirs", "aws_secret_access_key": "theirs"}),
        ("bedrock-identity", {"aws_role_name": "theirs", "aws_session_name": "theirs"}),
        ("sagemaker", {"sagemaker_base_url": "https://elsewhere.example", "aws_region_name": "us-east-1"}),
        ("vertex", {"vertex_location": "us-central1", "vertex_project": "theirs"}),
        ("vertex", {"vertex_credentials": "theirs", "region_name": "us-central1"}),
    ],
    ids=str,
)
async def test_a_client_moves_no_request_to_another_region_or_account(
    front: Front, clouds: Clouds, model: str, written: dict[str, Any]
) -> None:
    reply = await front.ask(model, **written)
    assert reply.json["choices"][0]["message"]["content"] == ANSWER
    assert all(asked.path.partition("/")[0] in HOSTS for asked in clouds.asked)
    assert "theirs" not in str(clouds.asked)


async def test_a_client_has_no_other_model_asked(front: Front, clouds: Clouds) -> None:
    clouds.refusal = 429
    others = [{"anthropic": ["azure"]}]
    written: dict[str, Any] = {
        "fallbacks": ["azure"],
        "context_window_fallbacks": others,
        "router_settings_override": {"fallbacks": others, "num_retries": 5},
        "models": ["azure"],
        "disable_fallbacks": False,
        "num_retries": 5,
        "max_retries": 5,
    }
    assert (await front.ask("anthropic", **written)).status == 429
    assert [asked.path for asked in clouds.asked] == [PATHS["anthropic"]]


async def test_what_a_provider_takes_besides_openais_fields_reaches_it(front: Front, clouds: Clouds) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    await front.ask("anthropic", top_k=3, thinking=thinking, max_tokens=2048, user="amy")
    [asked] = clouds.asked
    assert (asked.body["top_k"], asked.body["thinking"], asked.body["max_tokens"]) == (3, thinking, 2048)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_tells_nothing_of_the_adapter(front: Front, stream: bool) -> None:
    reply = await front.ask("azure", stream=stream)
    assert not [name for name in reply.headers if name.lower().startswith(("x-litellm", "llm_provider"))]
    assert "litellm" not in reply.text


@pytest.mark.parametrize("model", ["anthropic", "azure", "bedrock", "sagemaker", "vertex"])
async def test_a_provider_says_itself_what_it_does_not_take(front: Front, clouds: Clouds, model: str) -> None:
    clouds.refusal = 400
    reply = await front.ask(model)
    assert reply.status == 400
    assert WORDS in reply.json["error"]["message"]
    assert "litellm" not in reply.text
    assert "Exception" not in reply.text


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_providers_failure_has_the_gateways_words(front: Front, clouds: Clouds, status: int) -> None:
    clouds.refusal = status
    for stream in (False, True):
        reply = await front.ask("anthropic", stream=stream)
        assert reply.status == (429 if status == 429 else 503)
        assert "provider" in reply.json["error"]["message"]
        assert WORDS not in reply.text
        assert "litellm" not in reply.text


async def test_a_model_that_the_adapter_does_not_know_yet_is_unavailable_and_no_clients_mistake(
    front: Front,
) -> None:
    reply = await front.ask("newer")
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")


async def test_a_clients_own_mistake_is_told_to_the_client(front: Front) -> None:
    reply = await front.ask("azure", messages="none")
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
    assert "litellm" not in reply.text
