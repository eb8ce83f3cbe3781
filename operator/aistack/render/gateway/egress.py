"""The way out to managed models: their own model name, their own address, nothing of the client's."""

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import UNKNOWN_MODEL, interception_name
from aistack.render.gateway.body import with_members
from aistack.render.gateway.clusters import ADAPTER_OR_MODELS, egress_host, provider_name
from aistack.render.gateway.degradation import DEGRADED_HEADER, last_answers
from aistack.render.gateway.envoy import CLIENT_HEADER, typed
from aistack.render.gateway.interception import CACHE_HEADER, CLIENT_COPY, ORDER_HEADER, interception_host
from aistack.render.gateway.neutral import NeutralGateway, NeutralRoute
from aistack.render.gateway.provider import provider_of
from aistack.render.gateway.queueing import QUEUE_HEADERS
from aistack.render.gateway.refusals import UNKNOWN_HEADER, refusals_of_adapter, refusals_of_interception
from aistack.render.gateway.replies import OWN
from aistack.render.gateway.routes import KEY_HEADERS
from aistack.render.gateway.shared_limits import model_limit
from aistack.render.gateway.waiting import waiting_host
from aistack.resolved import ManagedModel

CLIENT_HEADERS = (
    *KEY_HEADERS,
    CLIENT_HEADER,
    "openai-organization",
    "openai-project",
    "forwarded",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "baggage",
    "traceparent",
    "tracestate",
)
"""What a request says of its client: no provider learns it."""
PROVIDER_HEADERS = ("openai-organization", "openai-project", "set-cookie", DEGRADED_HEADER, OWN)
"""What an answer says of the gateway's account, which no client learns, or in the gateway's name."""


def egress_configuration(gateway: NeutralGateway) -> Manifest:
    """A virtual host a managed model and a model that may be at zero; two for a route's last answers."""
    return typed(
        "config.route.v3.RouteConfiguration",
        name="egress",
        most_specific_header_mutations_wins=True,
        request_headers_to_remove=[*CLIENT_HEADERS, *(QUEUE_HEADERS if gateway.queue else ())],
        response_headers_to_remove=[*PROVIDER_HEADERS, *([CACHE_HEADER] if gateway.intercepted else [])],
        virtual_hosts=[
            *(virtual_host(gateway, model) for model in gateway.managed),
            *(waiting_host(model) for model in gateway.sleepers),
            *(host for route in gateway.routes for host in last_answers(route)),
            *(adapter_host(route) for route in gateway.intercepted),
        ],
    )


def adapter_host(route: NeutralRoute) -> Manifest:
    """Where an intercepted request goes.

    One that nothing is checked of goes past an adapter that is not there, or does not know the route yet.
    What is checked has the name that only an adapter with these checks knows: an older one may translate for
    a model with the route's own.
    """
    past = {
        "cluster": ADAPTER_OR_MODELS,
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,retriable-headers",
            "retriable_headers": [{"name": UNKNOWN_HEADER, "present_match": True}],
            "num_retries": 1,
        },
    }
    named = with_members({"model": interception_name(route)}) if route.checked else {}
    name = interception_host(route)
    return {
        "name": name,
        "domains": [name],
        "routes": [
            {
                "match": {"prefix": "/v1/"},
                "route": {"timeout": "0s", **({"cluster": "adapter"} if route.checked else past)},
                "typed_per_filter_config": {**named, **refusals_of_interception(UNKNOWN_MODEL)},
            }
        ],
    }


def virtual_host(gateway: NeutralGateway, model: ManagedModel) -> Manifest:
    return {
        "name": model.name,
        "domains": [egress_host(model)],
        "request_headers_to_remove": [ORDER_HEADER, CLIENT_COPY],  # nobody orders what is only translated
        "routes": [
            {
                "match": {"prefix": "/v1/"},
                "route": {"cluster": provider_name(model), "timeout": "0s", **_rewrite(model)},
                "typed_per_filter_config": {
                    **_body(model),
                    **_refusals(model),
                    **model_limit(gateway, model),
                },
            }
        ],
    }


def _rewrite(model: ManagedModel) -> Manifest:
    if model.needs_adapter:
        return {}
    provider = provider_of(model)
    return {"prefix_rewrite": f"{provider.path}/", "host_rewrite_literal": provider.authority}


def _refusals(model: ManagedModel) -> Manifest:
    return refusals_of_adapter(UNKNOWN_MODEL) if model.needs_adapter else {}


def _body(model: ManagedModel) -> Manifest:
    """The body's model becomes the provider's name for it.

    The adapter knows models by the stack's names.
    """
    return with_members({"model": model.name if model.needs_adapter else model.managed.model})
