"""Managed models of providers that speak OpenAI's protocol: reached with our key, under their own names."""

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509

from aistack.render.gateway.adapter import UNKNOWN_MODEL
from tests.gateway.certificates import Certificates
from tests.gateway.conftest import PROVIDER
from tests.gateway.front import Front, key_file, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_provider_gets_its_own_model_name_path_and_key(front: Front, claude: StandIn) -> None:
    reply = await front.ask("provider", key="of-the-client", temperature=0.5, tools=[], stop=None)
    assert reply.json["answered_by"] == "claude"
    [asked] = claude.asked
    assert asked.path == "/api/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer provider-key"
    assert asked.headers["host"] == "claude.example"
    assert asked.body == {
        "model": "acme/claude-large",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "tools": [],
        "stop": None,
    }


async def test_a_provider_as_a_fallback_gets_the_same(
    front: Front, llama: StandIn, mistral: StandIn, claude: StandIn
) -> None:
    llama.status = mistral.status = 503
    await front.ask("chat", key="of-the-client")
    [asked] = claude.asked
    assert asked.body["model"] == "acme/claude-large"
    assert asked.headers["authorization"] == "Bearer provider-key"
    assert "of-the-client" not in str(asked)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_provider_key_is_the_gateways_failure(
    front: Front, claude: StandIn, status: int
) -> None:
    """The client's own key was fine, and the provider's words may quote ours."""
    claude.status = status
    reply = await front.ask("provider")
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_refused")
    assert "from claude" not in reply.text


async def test_a_provider_that_is_down_is_unavailable(front: Front, claude: StandIn) -> None:
    await claude.stop()
    try:
        reply = await front.ask("provider")
        assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")
    finally:
        await claude.start()


async def test_a_providers_stream_passes(front: Front) -> None:
    reply = await front.ask("provider", stream=True)
    assert reply.text.count('"answered_by": "claude"') == 3


async def test_a_rotated_provider_key_is_used_without_a_restart(front: Front, claude: StandIn) -> None:
    async def used(key: str) -> bool:
        await front.ask("provider")
        return claude.asked[-1].headers["authorization"] == f"Bearer {key}"

    front.mount_keys({key_file(PROVIDER): "second-key"})
    await front.eventually(lambda: used("second-key"), "the second key is used")
    front.mount_keys(front.keys)
    await front.eventually(lambda: used("provider-key"), "the first key is used again")


@pytest.mark.parametrize(
    ("host", "named", "status"),
    [
        ("api.example", x509.DNSName("api.example"), 200),
        ("api.example", x509.DNSName("*.example"), 200),
        ("203.0.113.9", x509.IPAddress(ipaddress.ip_address("203.0.113.9")), 200),
        ("api.example", x509.DNSName("elsewhere.example"), 503),
    ],
    ids=["by name", "by pattern", "by address", "for somebody else"],
)
async def test_a_provider_proves_who_it_is(
    tmp_path: Path, host: str, named: x509.GeneralName, status: int
) -> None:
    certificates = Certificates(tmp_path, named)
    provider = StandIn("secure", tls=certificates.context)
    await provider.start()
    try:
        model = managed("claude", f"https://{host}/v1", key="provider")
        keys = {key_file(model): "key"}
        async with Front({host: provider.port}, keys, certificates.authority) as front:
            await front.start({"models": [model]})
            assert (await front.ask("claude")).status == status
            assert len(provider.asked) == (status == 200)
    finally:
        await provider.stop()


async def test_the_adapter_is_asked_for_the_stacks_model(claude: StandIn) -> None:
    anthropic = {"name": "opus", "managed": {"provider": "anthropic", "model": "claude-opus"}}
    route = {"name": "chat", "targets": [{"model": "opus"}]}
    async with Front({}, adapter_port=claude.port) as front:
        await front.start({"models": [anthropic], "gateway": {"routes": [route]}})
        smuggled = {"x-litellm-num-retries": "9", "x-litellm-tags": "free", "x-other": "stays"}
        reply = await front.ask("chat", key="of-the-client", headers=smuggled)
    assert reply.json["answered_by"] == "claude"
    [asked] = claude.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body["model"] == "opus"
    assert "x-other" in asked.headers
    assert not [name for name in asked.headers if name.startswith("x-litellm-")]
    assert "authorization" not in asked.headers


async def test_a_model_that_the_adapter_does_not_have_is_answered_by_the_next_one(
    llama: StandIn, claude: StandIn
) -> None:
    """While its pods are renewed some don't know a new model; a client's own mistake stays the client's."""
    anthropic = {"name": "opus", "managed": {"provider": "anthropic", "model": "claude-opus"}}
    routes = [
        {"name": "chat", "targets": [{"model": "opus"}], "fallbacks": ["llama"]},
        {"name": "alone", "targets": [{"model": "opus"}]},
    ]
    spec = {"models": [anthropic, hosted("llama")], "gateway": {"routes": routes}}
    claude.status = 400
    async with Front({"llama": llama.port}, adapter_port=claude.port) as front:
        await front.start(spec)
        claude.words = f"/chat/completions: {UNKNOWN_MODEL} model=opus."
        assert await front.answered_by("chat") == "llama"
        reply = await front.ask("alone")
        assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")
        claude.words = "messages: at least one is needed"
        assert (await front.ask("chat")).status == 400
