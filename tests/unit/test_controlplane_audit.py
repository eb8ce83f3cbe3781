"""The audit log is read as requests: each once, filtered by what is asked for, from where reading stopped."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.controlplane.audit import AuditLog


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "auditID": f"id-{number}",
        "stage": "ResponseComplete",
        "verb": "create",
        "user": {"username": "operator"},
        "userAgent": "aistack/0.1",
        "objectRef": {"resource": "services", "namespace": "care", "name": f"s{number}"},
        "responseStatus": {"code": 201},
        "requestReceivedTimestamp": "2026-11-01T12:00:00.000000Z",
        "stageTimestamp": "2026-11-01T12:00:00.250000Z",
        **changes,
    }


def write(log: AuditLog, *events: dict[str, Any]) -> None:
    with log.path.open("ab") as lines:
        lines.writelines(orjson.dumps(each) + b"\n" for each in events)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    (tmp_path / "audit.log").touch()
    return AuditLog(tmp_path / "audit.log")


def test_a_line_becomes_a_request(log: AuditLog) -> None:
    write(log, event(1))
    (request,) = log.requests()
    assert (request.user, request.user_agent, request.verb) == ("operator", "aistack/0.1", "create")
    assert (request.resource, request.subresource, request.namespace) == ("services", "", "care")
    assert (request.name, request.code, request.seconds) == ("s1", 201, 0.25)
    assert request.time.isoformat() == "2026-11-01T12:00:00+00:00"
    assert request.is_write


def test_a_request_for_no_resource_is_one_too(log: AuditLog) -> None:
    healthz = event(1, verb="get")
    del healthz["objectRef"]
    write(log, healthz)
    assert [(request.resource, request.is_write) for request in log.requests()] == [("", False)]


def test_only_what_arrived_after_the_mark_is_answered_and_nothing_that_was_under_way(log: AuditLog) -> None:
    write(log, event(1))
    mark = log.mark()
    before, after = ((mark + timedelta(seconds=seconds)).isoformat() for seconds in (-0.1, 0.1))
    write(log, event(2, requestReceivedTimestamp=before, stageTimestamp=after))
    write(log, event(3, requestReceivedTimestamp=after, stageTimestamp=after))
    assert [request.name for request in log.requests(since=mark)] == ["s3"]
    assert len(log.requests()) == 3


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ({"user": "operator"}, ["s1", "s2"]),
        ({"user": "operator", "verb": "patch"}, ["s2"]),
        ({"resource": "pods"}, ["s3"]),
        ({"name": "s1"}, ["s1"]),
        ({"namespace": "other"}, []),
    ],
)
def test_every_criterion_has_to_match(log: AuditLog, criteria: dict[str, str], names: list[str]) -> None:
    pod = {"resource": "pods", "namespace": "care", "name": "s3"}
    write(log, event(1), event(2, verb="patch"), event(3, user={"username": "kubelet"}, objectRef=pod))
    assert [request.name for request in log.requests(**criteria)] == names  # type: ignore[arg-type]  # names of parameters


def test_a_watch_counts_once_when_it_begins(log: AuditLog) -> None:
    write(log, event(1, verb="watch", stage="ResponseStarted"))
    assert len(log.requests(verb="watch")) == 1
    write(log, event(1, verb="watch"))
    assert len(log.requests(verb="watch")) == 1


def test_a_watch_that_is_refused_counts_as_well(log: AuditLog) -> None:
    write(log, event(1, verb="watch", responseStatus={"code": 403}))
    assert [request.code for request in log.requests(verb="watch")] == [403]


def test_half_a_line_waits_for_its_other_half(log: AuditLog) -> None:
    line = orjson.dumps(event(1)) + b"\n"
    log.path.write_bytes(line[:40])
    assert log.requests() == []
    log.path.write_bytes(line)
    assert [request.name for request in log.requests()] == ["s1"]
