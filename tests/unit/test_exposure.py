"""A stack is published: what is asked of a Gateway or of cert-manager, and what is said of the answer."""

from typing import Any

import pytest

from aistack.api import AIStack, Reason
from aistack.causes import Cause
from aistack.health import assess
from aistack.observed import Observed, observe
from aistack.resolve import resolve
from aistack.status import public_endpoint
from tests.gateways import CLIENT, rendered
from tests.stacks import catalog, resolved, stack

INGRESS = {"type": "Ingress", "host": "ai.example.com", "tlsSecretName": "tls"}
EXPOSE = {"type": "Gateway", "host": "ai.example.com", "gatewayRef": {"name": "public", "namespace": "net"}}


def test_the_whole_host_goes_to_the_front_and_no_stream_is_cut() -> None:
    spec = rendered(expose=EXPOSE, clients=[CLIENT], gateway_api=True)["HTTPRoute support-gateway"]["spec"]
    assert spec["parentRefs"] == [{"name": "public", "namespace": "net"}]
    assert spec["hostnames"] == ["ai.example.com"]
    [rule] = spec["rules"]
    assert rule["backendRefs"] == [{"name": "support-gateway", "port": 80}]
    assert rule["timeouts"] == {"request": "0s"}


def test_a_gateway_of_the_stacks_own_namespace_needs_no_other() -> None:
    expose = {**EXPOSE, "gatewayRef": {"name": "public"}}
    spec = rendered(expose=expose, gateway_api=True)["HTTPRoute support-gateway"]["spec"]
    assert spec["parentRefs"] == [{"name": "public"}]


def test_without_the_gateway_api_the_gateway_is_not_published_and_stays_closed() -> None:
    there, lacking = (rendered(expose=EXPOSE, gateway_api=found) for found in (True, False))
    assert set(there) - set(lacking) == {"HTTPRoute support-gateway"}
    assert {name for name in lacking if there[name] != lacking[name]} == {"NetworkPolicy support-gateway"}
    callers = [found["NetworkPolicy support-gateway"]["spec"]["ingress"][0] for found in (there, lacking)]
    assert ["from" in each for each in callers] == [False, True]


@pytest.mark.parametrize(
    ("expose", "address"),
    [
        ({"type": "ClusterIP"}, None),
        (INGRESS, "https://ai.example.com/v1"),
        ({"type": "Ingress", "host": "ai.example.com"}, "http://ai.example.com/v1"),
        (EXPOSE, "https://ai.example.com/v1"),
        ({**EXPOSE, "gatewayRef": {"name": "public", "scheme": "http"}}, "http://ai.example.com/v1"),
    ],
)
def test_the_public_address_is_the_one_that_clients_call(expose: dict[str, Any], address: str | None) -> None:
    assert public_endpoint(resolved(gateway={"expose": expose})) == address


@pytest.mark.parametrize(
    ("issuer", "annotations"),
    [
        ({"name": "letsencrypt"}, {"cert-manager.io/cluster-issuer": "letsencrypt"}),
        ({"name": "own", "kind": "Issuer"}, {"cert-manager.io/issuer": "own"}),
    ],
)
def test_cert_manager_reads_whom_to_ask_for_an_ingress_certificate(
    issuer: dict[str, str], annotations: dict[str, str]
) -> None:
    ingress = rendered(expose={**INGRESS, "certificateIssuer": issuer})["Ingress support-gateway"]
    assert ingress["metadata"]["annotations"] == annotations
    assert "annotations" not in rendered(expose=INGRESS)["Ingress support-gateway"]["metadata"]


@pytest.mark.parametrize(
    ("abilities", "expected"), [({}, Reason.CERT_MANAGER_MISSING), ({"cert_manager": True}, None)]
)
def test_an_issuer_that_nobody_runs_is_missed(abilities: dict[str, bool], expected: Reason | None) -> None:
    expose = {**INGRESS, "certificateIssuer": {"name": "letsencrypt"}}
    found = resolve(AIStack.parse(stack(gateway={"expose": expose})), catalog(**abilities)).stack
    assert found
    exposure = assess(found, Observed(), ()).exposure
    assert (exposure.reason if exposure else None) == expected


def condition(sort: str, status: str, reason: str = "Accepted", message: str = "") -> dict[str, Any]:
    return {"type": sort, "status": status, "reason": reason, "message": message, "observedGeneration": 2}


def seen(*conditions: dict[str, Any], gateway: str = "public") -> Cause | None:
    """What is remembered of a route of which the controller of a Gateway says this."""
    route = rendered(expose=EXPOSE, gateway_api=True)["HTTPRoute support-gateway"]
    parent = {"parentRef": {"name": gateway, "namespace": "net"}, "conditions": list(conditions)}
    parents = [parent] if conditions else []
    meta = {**route["metadata"], "uid": "1", "resourceVersion": "1", "generation": 2}
    return observe({**route, "metadata": meta, "status": {"parents": parents}}).problem


def test_a_route_that_is_taken_has_no_problem() -> None:
    assert seen(condition("Accepted", "True"), condition("ResolvedRefs", "True")) is None


def test_what_was_said_of_an_older_route_or_by_another_gateway_is_not_believed() -> None:
    nobody = "no controller has taken up HTTPRoute support-gateway; is there a Gateway net/public?"
    accepted = condition("Accepted", "True")
    for found in (seen({**accepted, "observedGeneration": 1}), seen(accepted, gateway="former")):
        assert found == Cause(Reason.ROUTE_NOT_ACCEPTED, nobody)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ((), "no controller has taken up HTTPRoute support-gateway; is there a Gateway net/public?"),
        (
            (condition("Accepted", "False", "NotAllowedByListeners", "namespace care is not allowed"),),
            "HTTPRoute support-gateway: NotAllowedByListeners: namespace care is not allowed",
        ),
        (
            (
                condition("Accepted", "True"),
                condition("ResolvedRefs", "False", "BackendNotFound", "no such Service"),
            ),
            "HTTPRoute support-gateway: BackendNotFound: no such Service",
        ),
    ],
    ids=["nobody", "refused", "unresolved"],
)
def test_a_route_that_is_not_taken_says_why(conditions: tuple[dict[str, Any], ...], words: str) -> None:
    assert seen(*conditions) == Cause(Reason.ROUTE_NOT_ACCEPTED, words)
