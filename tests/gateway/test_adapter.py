"""Providers with protocols of their own: asked through the front and a real LiteLLM, by what is rendered."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.adapter import adapter
from tests.gateway.clouds import ANSWER, IDENTITY, KEY, REGION, ROLE, TENANT, Clouds
from tests.gateway.front import Front
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


AZURE = {"endpoint": "https://acme.openai.azure.com", "apiVersion": "2026-01-01"}
MODELS = [
    by_key("anthropic", "anthropic", "claude-sonnet-4-5"),
    by_key("anthropic-revoked", "anthropic", "claude-sonnet-4-5", key="revoked"),
    by_key("azure", "azure", "gpt-5", **AZURE),
    by_identity("azure-identity", "azure", "gpt-5", **AZURE),
    by_key("bedrock", "bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", region=REGION),
    by_identity("bedrock-identity", "bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", region=REGION),
    by_identity("sagemaker", "sagemaker", "acme-llama", region=REGION),
    by_key("vertex", "vertex", "gemini-pro", key="google", project="acme", region="europe-west4"),
    by_identity("vertex-identity", "vertex", "gemini-pro", project="acme", region="europe-west4"),
]
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


@pytest.mark.parametrize("model", [model["name"] for model in MODELS if model["name"] != "anthropic-revoked"])
async def test_each_provider_is_asked_in_its_own_protocol_and_answers_in_openais(
    front: Front, model: str
) -> None:
    reply = await front.ask(model)
    assert reply.status == 200, reply.text
    assert reply.json["choices"][0]["message"]["content"] == ANSWER
    assert (reply.json["usage"]["prompt_tokens"], reply.json["usage"]["completion_tokens"]) == (11, 3)


async def test_a_stream_is_translated_and_its_tokens_are_counted(front: Front) -> None:
    reply = await front.ask("anthropic", stream=True)
    events = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    chunks = [json.loads(event) for event in events[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == ANSWER
    assert events[-1] == "[DONE]"
    logged = await front.logged(model="anthropic", stream=True)
    assert (logged["inputTokens"], logged["outputTokens"]) == (11, 3)


async def test_a_revoked_key_of_a_provider_is_the_gateways_failure(front: Front) -> None:
    reply = await front.ask("anthropic-revoked")
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_refused")
    assert "who you say" not in reply.text


async def test_a_busy_provider_is_followed_by_the_next_model(front: Front, clouds: Clouds) -> None:
    clouds.busy = True
    try:
        assert (await front.ask("anthropic")).status == 429
        assert await front.answered_by("falls-back") == "llama"
    finally:
        clouds.busy = False


async def test_the_adapter_asks_no_more_often_than_the_front(front: Front, clouds: Clouds) -> None:
    clouds.asked.clear()
    clouds.busy = True
    try:
        assert (await front.ask("anthropic")).status == 429
    finally:
        clouds.busy = False
    assert len(clouds.asked) == 1


async def test_a_model_that_the_adapter_does_not_know_yet_is_unavailable_and_no_clients_mistake(
    front: Front,
) -> None:
    reply = await front.ask("newer")
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")


async def test_a_clients_own_mistake_is_told_to_the_client(front: Front) -> None:
    assert (await front.ask("azure", messages="none")).status == 400
