"""A sink that can't take the log, or may not be sent it, is refused with the field and what to write."""

from typing import Any

import pytest
from pydantic import ValidationError

from aistack.api import AIStack
from aistack.resolve import resolve
from tests.stacks import catalog, stack

SINK = {"endpoint": "https://logs.acme.com/v1/logs"}


def problems(**logging: Any) -> dict[str, str]:
    """What is said, by its path."""
    found = resolve(AIStack.parse(stack(gateway={"logging": logging})), catalog()).problems
    return {problem.path.removeprefix("spec.gateway.logging."): problem.message for problem in found}


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://logs.acme.com/v1/logs",
        "https://logs.acme.com:4318/otlp/v1/logs",
        "http://otel.monitoring.svc:4318/v1/logs",
        "http://otel:4318/v1/logs",
        "http://10.0.0.7:4318/v1/logs",
    ],
)
def test_a_sink_is_anywhere_by_https_and_inside_by_http(endpoint: str) -> None:
    assert problems(sink={"endpoint": endpoint}) == {}


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("https://logs.acme.com", "has no path"),
        ("https://logs.acme.com/", "has no path"),
        ("https://logs.acme.com/v1/logs?key=secret", "is no log sink's URL"),
        ("https://logs.acme.com:port/v1/logs", "is no log sink's URL"),
        ("https://anna:secret@logs.acme.com/v1/logs", "write secretKeyRef"),
        ("http://logs.acme.com/v1/logs", "would travel unencrypted to logs.acme.com"),
        ("http://9.9.9.9/v1/logs", "would travel unencrypted to 9.9.9.9"),
        ("http://127.0.0.1:4318/v1/logs", "the gateway's own pod or its node"),
        ("http://169.254.169.254/v1/logs", "the gateway's own pod or its node"),
    ],
)
def test_any_other_url_is_refused_with_why(endpoint: str, words: str) -> None:
    found = problems(sink={"endpoint": endpoint})
    assert found.keys() == {"sink.endpoint"}
    assert words in found["sink.endpoint"]


def test_a_header_by_which_http_works_holds_no_secret() -> None:
    sink = {**SINK, "secretKeyRef": {"name": "log-sink", "key": "token"}}
    assert problems(sink={**sink, "header": "X-Api-Key"}) == {}
    assert "can hold no secret" in problems(sink={**sink, "header": "Host"})["sink.header"]


def test_logs_that_are_kept_for_no_time_are_refused() -> None:
    assert "keeps nothing" in problems(sink=SINK, retention="0d")["retention"]


@pytest.mark.parametrize(
    ("logging", "words"),
    [
        ({"retention": "400d"}, "nobody would keep the logs for so long: write sink"),
        ({"sink": {**SINK, "header": "Authorization"}}, "write secretKeyRef, or leave header out"),
        ({"sink": {**SINK, "header": "a b"}}, "sink.header"),
        ({"sink": {"region": "eu-central-1"}}, "endpoint"),
    ],
)
def test_what_has_no_meaning_alone_is_no_logging(logging: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        problems(**logging)
