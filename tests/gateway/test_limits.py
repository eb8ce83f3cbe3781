"""What is too much is refused in OpenAI's words, and says when to come again."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = {f"clients/{name}": f"key-of-{name}" for name in ("web", "eager", "batch", "free", "guest")}


def spec(**limits: Any) -> dict[str, Any]:
    """Clients with and without a limit; the route `few` takes four requests a minute, `many` any number.

    `guest` may use `many` only.
    """
    limited = {"web": 3, "eager": 5, "batch": 1000}
    return {
        "models": [hosted("llama"), hosted("mistral")],
        "gateway": {
            "routes": [
                {"name": "many", "targets": [{"model": "llama"}]},
                {
                    "name": "few",
                    "targets": [{"model": "mistral"}],
                    "limits": {"requestsPerMinute": 4, **limits},
                },
            ],
            "clients": [
                {
                    "name": name,
                    "secretKeyRef": {"name": "keys", "key": name},
                    **({"requestsPerMinute": limited[name]} if name in limited else {}),
                    **({"routes": ["many"]} if name == "guest" else {}),
                }
                for name in ("web", "eager", "batch", "free", "guest")
            ],
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_front(ports: dict[str, int]) -> AsyncIterator[Front]:
    async with Front(ports, KEYS) as front:
        await front.start(spec())
        yield front


@pytest_asyncio.fixture(loop_scope="session")
async def front(one_front: Front) -> Front:
    """Its buckets are full: a configuration that has changed fills them."""
    await one_front.change(spec(requestsPerMinute=5))
    await one_front.change(spec())
    return one_front


async def statuses(front: Front, count: int, model: str, **options: Any) -> Counter[int]:
    return Counter([(await front.ask(model, **options)).status for _ in range(count)])


async def test_a_client_that_asks_too_often_is_told_when_to_come_again(front: Front, llama: StandIn) -> None:
    assert await statuses(front, 3, "many", key="key-of-web") == {200: 3}
    reply = await front.ask("many", key="key-of-web")
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "'many'" in reply.json["error"]["message"]
    assert 0 < int(reply.headers["retry-after"]) <= 60
    assert len(llama.asked) == 3


async def test_a_clients_limit_counts_all_its_routes_streams_and_whole_answers(front: Front) -> None:
    assert (await front.ask("many", key="key-of-web")).status == 200
    assert (await front.ask("many", key="key-of-web", stream=True)).status == 200
    assert (await front.ask("few", key="key-of-web")).status == 200
    assert (await front.ask("few", key="key-of-web", stream=True)).status == 429


async def test_one_clients_limit_is_not_anothers(front: Front) -> None:
    await statuses(front, 4, "many", key="key-of-web")
    assert await statuses(front, 10, "many", key="key-of-batch") == {200: 10}
    assert await statuses(front, 10, "many", key="key-of-free") == {200: 10}


async def test_a_routes_limit_counts_all_its_clients(front: Front) -> None:
    assert await statuses(front, 2, "few", key="key-of-batch") == {200: 2}
    assert await statuses(front, 4, "few", key="key-of-free", stream=True) == {200: 2, 429: 2}
    assert await statuses(front, 2, "many", key="key-of-batch") == {200: 2}


async def test_a_changed_limit_holds_without_a_restart(front: Front) -> None:
    await front.change(spec(requestsPerMinute=1))
    assert await statuses(front, 3, "few", key="key-of-free") == {200: 1, 429: 2}


async def test_who_may_not_enter_uses_up_nothing(front: Front) -> None:
    assert await statuses(front, 5, "few", key="wrong") == {401: 5}
    assert await statuses(front, 4, "few", key="key-of-free") == {200: 4}


async def test_who_may_not_use_a_route_uses_up_nothing_of_it(front: Front) -> None:
    assert await statuses(front, 5, "few", key="key-of-guest") == {403: 5}
    assert await statuses(front, 4, "few", key="key-of-free") == {200: 4}


async def test_a_client_that_is_over_its_limit_uses_up_nothing_of_a_route(front: Front) -> None:
    assert await statuses(front, 5, "many", key="key-of-eager") == {200: 5}
    assert await statuses(front, 4, "few", key="key-of-eager") == {429: 4}
    assert await statuses(front, 4, "few", key="key-of-free") == {200: 4}
