"""What a gateway's log asks of its sink, and can't have."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from aistack.api import Reason
from aistack.api.accesslog import LogSink
from aistack.api.stack import AIStackSpec
from aistack.endpoints import endpoint_problem, is_inside
from aistack.problem import Problem
from aistack.units import seconds

EXAMPLE = "https://logs.acme.com/v1/logs"
NOT_FOR_SECRETS = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})
"""Headers by which HTTP itself works."""


def sink_problems(spec: AIStackSpec) -> Iterator[Problem]:
    """Every field of spec.gateway.logging that can't be honoured."""
    logging, path = spec.gateway.logging, "spec.gateway.logging"
    if logging.retention and not seconds(logging.retention):
        yield Problem(
            f"{path}.retention",
            Reason.INVALID_SPEC,
            f"{logging.retention} keeps nothing; write such as 400d, or leave it out",
        )
    if logging.sink:
        if problem := _endpoint(logging.sink.endpoint):
            yield Problem(f"{path}.sink.endpoint", Reason.INVALID_SPEC, problem)
        yield from _header(f"{path}.sink.header", logging.sink)


def _endpoint(endpoint: str) -> str | None:
    if problem := endpoint_problem(endpoint, "log sink", example=EXAMPLE, key="secretKeyRef"):
        return problem
    url = urlsplit(endpoint)
    if url.path in {"", "/"}:
        return f"{endpoint!r} has no path, and logs go to the URL as it is; write it, mostly /v1/logs"
    if url.scheme == "http" and not is_inside(url.hostname or ""):
        return (
            f"logs would travel unencrypted to {url.hostname}, which is no Service of the cluster; write "
            "https://, or a Service such as http://otel.monitoring.svc:4318/v1/logs"
        )
    return None


def _header(path: str, sink: LogSink) -> Iterator[Problem]:
    if sink.header and sink.header.lower() in NOT_FOR_SECRETS:
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            f"{sink.header} says what is sent, and can hold no secret; write such as Authorization",
        )
