"""spec.gateway.logging: what is kept of requests, and where."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import KeyRef, Model
from aistack.api.invariants import Invariant, ListSet
from aistack.api.scalars import Duration, HeaderName, HttpUrl, Line


class LogSink(Model):
    """Where request logs go: whoever takes logs of OpenTelemetry by OTLP over HTTP."""

    invariants = (
        Invariant(
            "!has(self.header) || has(self.secretKeyRef)",
            "header is what the secret is sent in: write secretKeyRef, or leave header out",
        ),
    )

    endpoint: HttpUrl
    """The sink's URL with its path, such as https://logs.acme.com/v1/logs; http:// only inside the cluster or
    a private network."""

    secret_key_ref: KeyRef | None = None
    """The Secret's key that holds the whole value of `header`, such as `Bearer …`; default none is sent."""

    header: HeaderName | None = None
    """The header that the secret is sent in; default Authorization."""

    region: Line | None = None
    """Where the sink is; residency rules read it."""


class Logging(Model):
    """What is kept of each request; prompts and answers never are."""

    invariants = (
        Invariant(
            "!has(self.retention) || has(self.sink)",
            "nobody would keep the logs for so long: write sink, or leave retention out",
        ),
    )

    retention: Duration | None = None
    """How long the sink has promised to keep logs, such as 400d: policies judge it, and each log says it.
    Default is the sink's own."""

    sink: LogSink | None = None
    """Where logs go besides the containers' output; default nowhere."""

    redact: Annotated[tuple[Literal["PII", "Secrets"], ...], Field(max_length=2), ListSet()] = ()
    """What may not be in a line, whether it goes to the sink or to the containers' output: with either one
    nothing is logged that a client wrote itself. Default is what it wrote as `model` and `stream`."""
