"""The internet of the end-to-end tests: a hub that has models as the real one has them, and two providers."""

import json
import struct
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.e2e.internet import ANSWER, PROVIDER_KEY, TOKEN, application
from tests.e2e.models import VECTOR, chat_model, embedding_model

Internet = TestClient[web.Request, web.Application]
COMMIT = "0e9e39f249a16976918f6564b8830bc894c89659"


@pytest.fixture
async def internet() -> AsyncIterator[Internet]:
    async with TestClient(TestServer(application())) as client:
        yield client


def tensors(file: bytes) -> dict[str, list[int]]:
    """Name → shape, after a look at whether the data is as long as the header says."""
    length = struct.unpack("<Q", file[:8])[0]
    header = json.loads(file[8 : 8 + length])
    assert max(each["data_offsets"][1] for each in header.values()) == len(file) - 8 - length
    return {name: each["shape"] for name, each in header.items()}


def test_the_weights_fit_what_the_configuration_says() -> None:
    for model, embedding in (
        (chat_model(), "model.embed_tokens.weight"),
        (embedding_model(), "embeddings.word_embeddings.weight"),
    ):
        config = json.loads(model["config.json"])
        shapes = tensors(model["model.safetensors"])
        assert shapes[embedding] == [config["vocab_size"], config["hidden_size"]]
    assert config["hidden_size"] == VECTOR


def test_every_byte_has_a_token() -> None:
    vocabulary = json.loads(chat_model()["tokenizer.json"])["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(262))


async def test_a_file_says_its_commit_and_an_absent_one_why(internet: Internet) -> None:
    found = await internet.head(f"/acme/tiny/resolve/{COMMIT}/config.json")
    assert (found.status, found.headers["X-Repo-Commit"]) == (200, COMMIT)
    assert found.headers["ETag"]
    absent = await internet.head(f"/acme/tiny/resolve/{COMMIT}/adapter_config.json")
    assert (absent.status, absent.headers["X-Error-Code"]) == (404, "EntryNotFound")


async def test_a_gated_model_is_shown_to_those_with_a_token_only(internet: Internet) -> None:
    path = f"/api/models/meta-llama/Llama-3.1-8B-Instruct/revision/{COMMIT}"
    refused = await internet.get(path)
    assert (refused.status, refused.headers["X-Error-Code"]) == (401, "GatedRepo")
    shown = await internet.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (await shown.json())["sha"] == COMMIT


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/v1/chat/completions", {"Authorization": f"Bearer {PROVIDER_KEY}"}),
        ("/v1/messages", {"x-api-key": PROVIDER_KEY}),
    ],
)
async def test_a_provider_answers_whole_and_as_a_stream_with_its_key_only(
    internet: Internet,
    path: str,
    header: dict[str, str],
) -> None:
    body = {"model": "some", "messages": []}
    assert (await internet.post(path, json=body)).status == 401
    whole = await internet.post(path, json=body, headers=header)
    assert "".join(ANSWER) in await whole.text()
    stream = await (await internet.post(path, json={**body, "stream": True}, headers=header)).text()
    assert all(json.dumps(word) in stream for word in ANSWER)
