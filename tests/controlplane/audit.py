"""The API server's audit log as a list of requests: what was asked, by whom, and how it was answered.

mark = cluster.audit.mark()
...
writes = [r for r in cluster.audit.requests(since=mark, user=OPERATOR) if r.is_write]
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API server; `time` is when it arrived, `seconds` how long its answer took.

    A watch counts once, when it begins. `resource` is the plural; `code` is the HTTP status;
    `annotations` are what admission noted.
    """

    time: datetime
    seconds: float
    user: str
    user_agent: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    annotations: dict[str, str]

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES


@dataclass
class AuditLog:
    """Reads the log from where it last stopped; a mark is a moment.

    What is written can be seen a moment before its write is answered, and stands in the log only then: what
    was under way at a mark does not count as after it.
    """

    path: Path
    _requests: list[Request] = field(default_factory=list, repr=False)
    _begun: set[str] = field(default_factory=set, repr=False)
    _offset: int = 0

    def mark(self) -> datetime:
        """Now; `requests(since=mark)` are those that arrive after it."""
        return datetime.now(UTC)

    def requests(
        self,
        since: datetime | None = None,
        *,
        user: str | None = None,
        verb: str | None = None,
        resource: str | None = None,
        name: str | None = None,
        namespace: str | None = None,
    ) -> list[Request]:
        """The answered requests that arrived after a mark and match all that is given."""
        self._read()
        wanted = {"user": user, "verb": verb, "resource": resource, "name": name, "namespace": namespace}
        criteria = [(key, value) for key, value in wanted.items() if value is not None]
        return [
            request
            for request in self._requests
            if (since is None or request.time > since)
            and all(getattr(request, key) == value for key, value in criteria)
        ]

    def _read(self) -> None:
        with self.path.open("rb") as log:
            log.seek(self._offset)
            new = log.read()
        complete = new.rfind(b"\n") + 1  # the server may be in the middle of a line
        self._offset += complete
        for line in new[:complete].splitlines():
            self._add(orjson.loads(line))

    def _add(self, event: dict[str, Any]) -> None:
        """A watch is written twice, when it begins and when it ends, under one id."""
        if event["auditID"] in self._begun:
            self._begun.discard(event["auditID"])
            return
        if event["stage"] == "ResponseStarted":
            self._begun.add(event["auditID"])
        self._requests.append(request(event))


def request(event: dict[str, Any]) -> Request:
    """One audit event (audit.k8s.io/v1) as a Request."""
    received = datetime.fromisoformat(event["requestReceivedTimestamp"])
    answered = datetime.fromisoformat(event["stageTimestamp"])
    target = event.get("objectRef", {})
    return Request(
        time=received,
        seconds=(answered - received).total_seconds(),
        user=event["user"]["username"],
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        annotations=event.get("annotations", {}),
    )
