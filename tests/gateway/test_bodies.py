"""A body is changed as text where it has to be, and means the same to everybody or is refused."""

import asyncio
import json
import random
from typing import Any

import pytest

from tests.gateway.front import Front, Reply
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

USAGE = '"stream_options": {"include_usage": true}'
UNUSUAL = (
    r'{ "tools":[{"b":{"reasoning":1,"answer":2}, "a":"\u00e9 \"quoted\" }{][ \\"}],'
    '\t"seed" : 9007199254740993,"temperature":1.0e0 , "n":1,\r\n "deep":' + "[" * 150 + "]" * 150 + ","
    ' "nested":{"model":"other","stream":true,"stream":false},"empty":{},"none":null,'
    '"text":"ends with a backslash \\\\"'
)
"""The beginning of a body: sorted, rounded or too deep for those that read a body to write it again."""


async def ask(front: Front, text: str | bytes, path: str = "/v1/chat/completions") -> Reply:
    return await front.ask(None, path, raw=text)


@pytest.mark.parametrize(
    ("body", "passed"),
    [
        pytest.param(', "model": "alone"}', ', "model": "alone"}', id="nothing is to be changed"),
        pytest.param(
            ', "model": "provider" }\n', ', "model": "acme/claude-large" }\n', id="a provider's own model"
        ),
        pytest.param(
            ', "model":"alone","stream":true}', f', "model":"alone","stream":true, {USAGE}}}', id="a stream"
        ),
        pytest.param(
            ', "stream_options" :{"include_usage":false, "x":1},"model":"provider","stream" : true }',
            ', "stream_options" :{"include_usage": true},"model":"acme/claude-large","stream" : true }',
            id="a provider's stream",
        ),
        pytest.param(
            ', "stream_options" :{"x":1,"include_usage":true},"model":"alone","stream" : true }',
            ', "stream_options" :{"x":1,"include_usage":true},"model":"alone","stream" : true }',
            id="a stream that is asked for its usage",
        ),
        pytest.param(
            ',"max_tokens":5000,"model":"brief"}', ',"max_tokens":100,"model":"brief"}', id="a length"
        ),
    ],
)
async def test_what_is_not_to_be_changed_stays_byte_for_byte(
    front: Front, stand_ins: dict[str, StandIn], body: str, passed: str
) -> None:
    assert (await ask(front, UNUSUAL + body)).status == 200
    [sent] = [asked for server in stand_ins.values() for asked in server.asked]
    assert sent.text == UNUSUAL + passed


def any_json(choose: random.Random, depth: int = 0) -> Any:
    """Strings are of what could be mistaken for structure."""
    sort = choose.choice("snbldl" if depth < 4 else "snb")
    if sort == "l":
        return [any_json(choose, depth + 1) for _ in range(choose.randrange(4))]
    if sort == "d":
        return {some_text(choose): any_json(choose, depth + 1) for _ in range(choose.randrange(4))}
    return {
        "s": some_text(choose),
        "n": choose.choice([0, -1.5e-7, 2**60]),
        "b": choose.choice([None, True]),
    }[sort]


def some_text(choose: random.Random) -> str:
    return "".join(
        choose.choice(['"', "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "é", "a"]) for _ in range(6)
    )


async def test_whatever_a_body_holds_only_its_model_is_changed(front: Front, claude: StandIn) -> None:
    choose = random.Random(4)  # noqa: S311
    bodies = []
    for number in range(150):
        members = [(f"field_{each}", any_json(choose)) for each in range(choose.randrange(6))]
        members += [("number", number), ("model", "provider")]
        choose.shuffle(members)
        spaces = choose.choice([(",", ":"), (", ", ": "), (" ,\n", " :\t")])
        bodies.append(json.dumps(dict(members), separators=spaces, ensure_ascii=choose.random() < 0.5))
    replies = await asyncio.gather(*(ask(front, body.encode()) for body in bodies))
    assert {reply.status for reply in replies} == {200}
    sent = {asked.body["number"]: asked.text for asked in claude.asked}
    assert [sent[number] for number in range(150)] == [
        body.replace('"provider"', '"acme/claude-large"') for body in bodies
    ]


@pytest.mark.parametrize("model", ["in-order", "provider"])
@pytest.mark.parametrize(
    "written",
    [
        '"model":"{}","model":"{}"',
        '"model":"{}","a":1,"a":1',
        '"model":"{}","stream":false,"stream":true',
        r'"model":"{}","\u006dodel":"{}"',
        r'"\u006dodel":"{}"',
        '"model":"{}","Model":"other"',
        '"model":"{}","Stream":true',
        '"model":"{}","MAX_TOKENS":5000',
        '"model":"{}","\u017ftream":true',
        '"model":"{}","":1',
        '"model":"{}","stream":true,"stream_options":{{"include_usage":true,"include_usage":false}}',
        '"model":"{}","stream":true,"stream_options":{{"include_usage":true,"Include_Usage":false}}',
    ],
)
async def test_a_body_with_two_meanings_is_refused(
    front: Front, stand_ins: dict[str, StandIn], model: str, written: str
) -> None:
    reply = await ask(front, ("{" + written.format(model, model) + "}").encode())
    assert (reply.status, reply.json["error"]["code"]) == (400, "unclear_body")
    assert not [server for server in stand_ins.values() if server.asked]


@pytest.mark.parametrize("end", [b"\0", b'\0{"model": "other"}', b"]", b"{}", b","])
async def test_so_is_one_that_goes_on_behind_its_end(front: Front, claude: StandIn, end: bytes) -> None:
    reply = await ask(front, b'{"model": "provider"}' + end)
    assert reply.status == 400
    assert not claude.asked


async def test_so_is_one_that_begins_before_its_beginning(front: Front, claude: StandIn) -> None:
    assert (await ask(front, b'\xef\xbb\xbf{"model": "provider"}')).status == 400
    assert not claude.asked


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "yes", "", [True], {"a": True}, [], {}], ids=repr)
@pytest.mark.parametrize("model", ["in-order", "provider"])
async def test_what_only_a_models_server_takes_for_a_stream_is_refused(
    front: Front, stand_ins: dict[str, StandIn], model: str, value: object
) -> None:
    """Its usage would not be asked for: nobody would count it."""
    reply = await front.ask(model, stream=value)
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_stream")
    assert not [server for server in stand_ins.values() if server.asked]


@pytest.mark.parametrize("value", [False, None])
async def test_no_stream_is_a_whole_answer(front: Front, value: object) -> None:
    assert (await front.ask("alone", stream=value)).json["answered_by"] == "llama"


@pytest.mark.parametrize("said", ["-1", "1e9", '"5_000"', '"nan"', "[]", "true", "101.5"])
async def test_what_is_no_number_up_to_the_limit_is_the_limit(
    front: Front, llama: StandIn, said: str
) -> None:
    for path in ("/v1/completions?to=/v1/chat/completions", "/v1/chat/completions"):
        assert (await ask(front, f'{{"model": "brief", "max_tokens": {said}}}', path)).status == 200
    assert [asked.text for asked in llama.asked] == ['{"model": "brief", "max_tokens": 100}'] * 2


async def test_a_query_is_no_path(front: Front, llama: StandIn) -> None:
    await ask(front, '{"model": "brief"}', "/v1/completions?to=/v1/chat/completions")
    assert llama.asked[0].text == '{"model": "brief", "max_tokens": 100}'


async def test_a_long_body_is_read_to_its_end(front: Front, claude: StandIn) -> None:
    text = f'{{"messages": [{", ".join(["{}"] * 200_000)}], "model": "provider"}}'
    assert (await ask(front, text)).status == 200
    assert claude.asked[0].text == text.replace("provider", "acme/claude-large")
