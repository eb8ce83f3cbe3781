"""Envoy's clusters: a pool a self-hosted model, a way out a managed one, and the lists of attempts."""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import UNKNOWN_MODEL
from aistack.render.gateway.affinity import by_hash
from aistack.render.gateway.degradation import last_answer_name
from aistack.render.gateway.envoy import MANAGED_SUFFIX, MAX_BODY, extension, socket_address
from aistack.render.gateway.interception import interception_host, outer_name
from aistack.render.gateway.neutral import Attempt, Choice, NeutralGateway, NeutralRoute
from aistack.render.gateway.provider import Address, binding, key_of, provider_of
from aistack.render.gateway.refusals import marked_unknown
from aistack.render.gateway.site import Site
from aistack.render.gateway.upstream import (
    NO_LIMITS,
    by_name,
    cluster,
    codec,
    injected_key,
    tls_to,
    upstream_filters,
)
from aistack.render.gateway.waiting import NOBODY, UNANSWERED, starting_name, waiting_name
from aistack.resolved import ManagedModel, ResolvedModel, SelfHostedModel

EGRESS = "egress"
"""The listener inside Envoy that managed models are called through."""
ADAPTER_OR_MODELS = "adapter-or-models"
"""The adapter, or where there is none that knows the route, what it would have asked."""


def clusters(gateway: NeutralGateway, site: Site) -> list[Manifest]:
    found = [_target(model, site) for model in gateway.models]
    found += [pool(models, site) for models in _together(gateway)]
    found += [affine_pool(model, site) for model in _affine(gateway)]
    found += [provider(model, site) for model in gateway.direct]
    if gateway.adapted or gateway.intercepted:
        found.append(part("adapter", site.adapter_address(gateway.stack)))
    found += [each for model in gateway.sleepers for each in waiting_room(model)]
    found += [nobody()] if gateway.sleepers else []
    found += [each for route in gateway.routes for each in _last_answers(route)]
    found += [each for route in gateway.intercepted for each in _ways_to_adapter(route)]
    if gateway.intercepted:
        found += [inner("inner", "adapter", site), adapter_or_models()]
    lists = {each["name"]: each for route in gateway.routes for each in _lists(route)}
    return [*found, *lists.values()]


def target_name(model: ResolvedModel) -> str:
    """The cluster that a list of attempts names for a model."""
    return f"{'model' if isinstance(model, SelfHostedModel) else 'managed'}-{model.name}"


def attempt_name(attempt: Attempt) -> str:
    """The same for models that stand together."""
    if len(attempt) == 1:
        return target_name(attempt[0])
    names = " ".join(model.name for model in attempt)
    return f"models-{hashlib.sha256(names.encode()).hexdigest()[:12]}"


def affine_name(model: SelfHostedModel) -> str:
    """The cluster of the same replicas, chosen by what a request has in common with others."""
    return f"affine-{model.name}"


def provider_name(model: ManagedModel) -> str:
    """The cluster behind the egress listener; also the name of the model's key."""
    if model.needs_adapter:
        return "adapter"
    found = provider_of(model)
    return f"provider-{model.name}-{binding([found.tls, found.authority], key_of(model))}"


def egress_host(model: ManagedModel) -> str:
    """The host name by which the egress listener knows a managed model."""
    return f"{model.name}{MANAGED_SUFFIX}"


def attempts_name(route: NeutralRoute, choice: Choice, *, stream: bool, affine: bool = False) -> str:
    """Made from what it is: a changed list is a new cluster, so no route ever meets it half changed."""
    hold = "hold" if _holds(route, stream) else ""
    members = " ".join((*_members(route, choice, stream, affine), hold))
    return f"attempts-{hashlib.sha256(members.encode()).hexdigest()[:12]}"


def _members(route: NeutralRoute, choice: Choice, stream: bool, affine: bool) -> list[str]:
    """The clusters that are tried in order."""
    pools = _affine_first(choice.attempts) if affine else map(attempt_name, choice.attempts)
    waiting = [waiting_name(choice.waits_for)] if choice.waits_for else []
    last = [] if route.last_answer is None else [last_answer_name(route, stream=stream)]
    return [*pools, *waiting, *last]


def _affine_first(attempts: tuple[Attempt, ...]) -> Iterator[str]:
    """A model's further attempts go to its least busy replicas: by affinity all of them would come back to
    one that fails at once, for it alone has room. A cluster leaves out only whom it has asked itself, so the
    second may be at the replica of the first, and the third is at another one than the second.
    """
    for position, attempt in enumerate(attempts):
        match attempt:
            case (SelfHostedModel() as model,) if attempt not in attempts[:position]:
                yield affine_name(model)
            case _:
                yield attempt_name(attempt)


def _holds(route: NeutralRoute, stream: bool) -> bool:
    return stream and bool(route.first_token_timeout)


def _lists(route: NeutralRoute) -> Iterator[Manifest]:
    for choice in (*route.choices, *route.long_choices):
        for stream in (False, True) if route.streams else (False,):
            yield attempts_in_order(route, choice, stream=stream)
            if route.affinity:
                yield attempts_in_order(route, choice, stream=stream, affine=True)


def _ways_to_adapter(route: NeutralRoute) -> Iterator[Manifest]:
    """An intercepted route's one target, and the last answer after it."""
    host = interception_host(route)
    yield _to_egress(host, "adapter", host)
    if route.answer_of_adapter is not None:
        for stream in (False, True):
            yield in_order(outer_name(route, stream=stream), [host, last_answer_name(route, stream=stream)])


def inner(name: str, target: str, site: Site) -> Manifest:
    """This replica's own listener behind the clients: what the adapter would ask, when there is none."""
    endpoint = {"address": socket_address(Address("127.0.0.1", site.inner.port))}
    return {**cluster(name, {target: endpoint}), "type": "STATIC", "connect_timeout": "1s"}


def adapter_or_models() -> Manifest:
    filters = upstream_filters([marked_unknown(UNKNOWN_MODEL), codec()])
    attempts = in_order(ADAPTER_OR_MODELS, ["adapter", "inner"])
    return {**attempts, "typed_extension_protocol_options": filters}


def _target(model: ResolvedModel, site: Site) -> Manifest:
    return pool((model,), site) if isinstance(model, SelfHostedModel) else way_out(model)


def _together(gateway: NeutralGateway) -> Iterator[Attempt]:
    """Models that are one pool to a route, each combination once."""
    attempts = (attempt for route in gateway.routes for each in route.choices for attempt in each.attempts)
    yield from {attempt_name(attempt): attempt for attempt in attempts if len(attempt) > 1}.values()


def _affine(gateway: NeutralGateway) -> Iterator[SelfHostedModel]:
    """The models that some request comes to by affinity, each once."""
    routes = [route for route in gateway.routes if route.affinity]
    choices = [choice for route in routes for choice in (*route.choices, *route.long_choices)]
    reached = {attempt_name(attempt) for choice in choices for attempt in choice.attempts}
    for model in gateway.models:
        if isinstance(model, SelfHostedModel) and target_name(model) in reached:
            yield model


def pool(models: Attempt, site: Site) -> Manifest:
    """A request goes to the replica with the fewest."""
    return _pool(attempt_name(models), models, site, _least_busy())


def affine_pool(model: SelfHostedModel, site: Site) -> Manifest:
    """The same replicas once more, for a cluster of Envoy's chooses in one way only, and without a hash this
    one would choose at random. Each is asked for its health twice as often.
    """
    return _pool(affine_name(model), (model,), site, by_hash())


def _pool(name: str, models: Attempt, site: Site, policy: Manifest) -> Manifest:
    """The ready replicas behind headless Services, looked up again and again and health-checked.

    A pool whose replicas are all unhealthy counts as empty, and its attempts go to the next model. An answer
    of 500 does not eject a replica: one client's bad request must not take a model from everybody. One that
    ends is healthy until it does: it leaves when its address leaves the Service.
    """
    hosted = [model for model in models if isinstance(model, SelfHostedModel)]
    endpoints = {model.name: {"address": socket_address(site.model_address(model))} for model in hosted}
    return {
        **cluster(name, endpoints),
        **_looked_up_often(len(endpoints)),
        "connect_timeout": "1s",
        "load_balancing_policy": {"policies": [{"typed_extension_config": policy}]},
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/health"},
            }
        ],
        "ignore_health_on_host_removal": True,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "outlier_detection": {
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_time": "30s",
            "max_ejection_percent": 100,
            "successful_active_health_check_uneject_host": False,
        },
    }


def way_out(model: ManagedModel) -> Manifest:
    """From the client listener to the egress listener of the same Envoy.

    A list of attempts runs no filter of its members, so a provider named in one would get the client's
    headers and no key; behind the egress listener it gets what it should.
    """
    return _to_egress(target_name(model), model.name, egress_host(model))


def waiting_room(model: SelfHostedModel) -> Iterator[Manifest]:
    """The way to it, and what it looks for: a replica, or while there is none the host that never answers."""
    yield _to_egress(waiting_name(model), model.name, waiting_name(model))
    yield {
        "name": starting_name(model),
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": NO_LIMITS,
        "per_connection_buffer_limit_bytes": MAX_BODY,
        "cluster_type": extension(
            "envoy.clusters.aggregate",
            "clusters.aggregate.v3.ClusterConfig",
            clusters=[target_name(model), NOBODY],
        ),
    }


def nobody() -> Manifest:
    endpoint = {"address": socket_address(UNANSWERED)}
    return {**cluster(NOBODY, {NOBODY: endpoint}), "type": "STATIC", "connect_timeout": "1s"}


def _last_answers(route: NeutralRoute) -> Iterator[Manifest]:
    """A route's last answers come from the egress listener too; they are the target `whenDown` in the log."""
    if route.when_down is not None:
        for name in (last_answer_name(route, stream=stream) for stream in (False, True)):
            yield _to_egress(name, "whenDown", name)


def _to_egress(name: str, target: str, host: str) -> Manifest:
    listener = {"server_listener_name": EGRESS, "endpoint_id": host}
    endpoint = {"hostname": host, "address": {"envoy_internal_address": listener}}
    return {**cluster(name, {target: endpoint}), "type": "STATIC", "connect_timeout": "1s"}


def provider(model: ManagedModel, site: Site) -> Manifest:
    """An OpenAI-compatible provider; its key is added on the way out, from a file that the loader writes."""
    found = provider_of(model)
    endpoint = {"hostname": found.address.host, "address": socket_address(site.provider_address(found))}
    filters = [codec()]
    if key_of(model):
        filters.insert(
            0, injected_key(provider_name(model), f"{provider_name(model)}.json", site, prefix="Bearer ")
        )
    return {
        **cluster(provider_name(model), {model.name: endpoint}),
        "cluster_type": by_name(all_addresses_in_single_endpoint=True),
        "connect_timeout": "5s",
        "typed_extension_protocol_options": upstream_filters(filters),
        **({"transport_socket": tls_to(found, site.trusted_ca)} if found.tls else {}),
    }


def part(name: str, address: Address) -> Manifest:
    """The Service of the adapter, or of the queue."""
    return {
        **cluster(name, {name: {"address": socket_address(address)}}),
        "cluster_type": by_name(),
        "connect_timeout": "1s",
    }


def attempts_in_order(route: NeutralRoute, choice: Choice, *, stream: bool, affine: bool = False) -> Manifest:
    """Attempt n goes to member n; members without a healthy replica are skipped at once.

    A stream's headers wait for its first byte where the first token has a timeout: one for headers is then
    one for the first token.
    """
    filters = {"typed_extension_protocol_options": upstream_filters([_hold(), codec()])}
    name = attempts_name(route, choice, stream=stream, affine=affine)
    attempts = in_order(name, _members(route, choice, stream, affine))
    return {**attempts, **(filters if _holds(route, stream) else {})}


def in_order(name: str, members: list[str]) -> Manifest:
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": NO_LIMITS,
        "per_connection_buffer_limit_bytes": MAX_BODY,
        "cluster_type": extension(
            "envoy.clusters.composite",
            "clusters.composite.v3.ClusterConfig",
            clusters=[{"name": member} for member in members],
        ),
    }


def _looked_up_often(names: int) -> Manifest:
    """Envoy's newer type of cluster takes one name."""
    often = "2s"
    if names == 1:
        return {"cluster_type": by_name(dns_refresh_rate=often)}
    return {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED", "dns_refresh_rate": often}


def _least_busy() -> Manifest:
    """Of all, not of two at random: replicas are few, and a request keeps one busy for long."""
    return extension(
        "least_request",
        "load_balancing_policies.least_request.v3.LeastRequest",
        selection_method="FULL_SCAN",
    )


def _hold() -> Manifest:
    return extension(
        "hold",
        "filters.http.wasm.v3.Wasm",
        config={
            "name": "hold",
            "root_id": "hold",
            "failure_policy": "FAIL_CLOSED",
            "allow_on_headers_stop_iteration": True,
            "vm_config": {
                "vm_id": "hold",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"inline_bytes": _hold_program()}},
            },
        },
    )


@cache
def _hold_program() -> str:
    """hold.wasm in base64: what wat2wasm (wabt, or wasmtime's) makes of hold.wat, 417 bytes."""
    program = resources.files("aistack.render.gateway").joinpath("hold.wasm").read_bytes()
    return base64.b64encode(program).decode()
