"""Who may enter, and what each client may ask for; keys come and go while requests run."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.gateway.front import Front, key_file, managed
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLAUDE = managed("claude", "http://claude.example", key="provider")
KEYS = {
    "clients/web": "key-of-web\n",
    "clients/batch": "key-of-batch",
    key_file(CLAUDE): "provider-key",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(ports: dict[str, int]) -> AsyncIterator[Front]:
    """`web` may use `chat` only, `batch` everything."""
    spec = {
        "models": [hosted("llama"), CLAUDE],
        "gateway": {
            "routes": [
                {"name": "chat", "targets": [{"model": "llama"}]},
                {"name": "provider", "targets": [{"model": "claude"}]},
            ],
            "clients": [
                {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "routes": ["chat"]},
                {"name": "batch", "secretKeyRef": {"name": "keys", "key": "batch"}},
            ],
        },
    }
    async with Front(ports, KEYS) as front:
        await front.start(spec)
        yield front


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"x-aistack-client": "web"}])
async def test_without_a_key_nobody_enters(front: Front, llama: StandIn, headers: dict[str, str]) -> None:
    reply = await front.ask("chat", headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
    assert not llama.asked


async def test_the_list_of_models_needs_a_key_too(front: Front) -> None:
    async with front.session.get("/v1/models") as answer:
        assert answer.status == 401


@pytest.mark.parametrize("headers", [{"authorization": "Bearer key-of-web"}, {"x-api-key": "key-of-web"}])
async def test_a_key_is_taken_from_either_header(front: Front, headers: dict[str, str]) -> None:
    assert await front.answered_by("chat", headers=headers) == "llama"


async def test_a_client_uses_only_its_routes(front: Front, claude: StandIn) -> None:
    reply = await front.ask("provider", key="key-of-web")
    assert (reply.status, reply.json["error"]["code"]) == (403, "model_not_allowed")
    assert "'provider'" in reply.json["error"]["message"]
    assert not claude.asked
    assert await front.answered_by("provider", key="key-of-batch") == "claude"


async def test_a_client_cannot_pass_for_another(front: Front, claude: StandIn) -> None:
    reply = await front.ask("provider", key="key-of-web", headers={"x-aistack-client": "batch"})
    assert reply.status == 403
    assert not claude.asked


async def test_a_key_goes_no_further_than_the_front(front: Front, llama: StandIn, claude: StandIn) -> None:
    both = {"authorization": "Bearer key-of-batch", "x-api-key": "key-of-web"}
    await front.ask("chat", headers=both)
    await front.ask("provider", headers=both)
    assert len(llama.asked) == len(claude.asked) == 1
    assert "key-of" not in str(llama.asked) + str(claude.asked)


async def test_no_provider_learns_who_asked(front: Front, claude: StandIn) -> None:
    await front.ask("provider", key="key-of-batch", headers={"openai-organization": "acme"})
    headers = claude.asked[0].headers
    assert headers["authorization"] == "Bearer provider-key"
    assert not {"x-aistack-client", "openai-organization", "x-forwarded-for", "x-request-id"} & set(headers)


async def test_the_log_names_the_client_but_not_its_key(front: Front) -> None:
    await front.ask("chat", key="key-of-web")
    logged = await front.logged(route="chat", status=200, client="web")
    assert logged["model"] == "chat"
    assert "key" not in front.log("run")
    assert "key-of" not in front.log("envoy")


async def test_keys_change_without_a_restart(front: Front) -> None:
    async def status(key: str) -> int:
        return (await front.ask("chat", key=key)).status

    async def changed() -> bool:
        return await status("key-2-of-web") == 200 and await status("key-of-web") == 401

    front.mount_keys({**KEYS, "clients/web": "key-2-of-web"})
    await front.eventually(changed, "the new key enters and the old one does not")
    assert await status("key-of-batch") == 200
    front.mount_keys(KEYS)
    await front.eventually(lambda: _entered(front, "key-of-web"), "the first key enters again")


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"clients/batch": "key-of-web"}, "batch and web have the same key"),
        ({"clients/batch": " \n"}, "client batch is empty"),
        ({"clients/batch": "two words"}, "client batch has spaces"),
        ({"clients/batch": "schlüssel"}, "client batch is not ASCII"),
        ({key_file(CLAUDE): ""}, "the key of provider claude is empty"),
    ],
)
async def test_keys_that_cannot_be_used_change_nothing(
    front: Front, replaced: dict[str, str], words: str
) -> None:
    front.mount_keys({**KEYS, **replaced})
    assert "key-of" not in await front.until_problem(words)
    assert await front.answered_by("chat", key="key-of-web") == "llama"
    assert (await front.status("/ready"))[0] == 200
    front.mount_keys(KEYS)
    await front.until_well()


async def _entered(front: Front, key: str) -> bool:
    return (await front.ask("chat", key=key)).status == 200
