"""Envoy's routes: which model a request names, who may name it, and who answers."""

import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.affinity import AFFINE, find_key, hash_policy
from aistack.render.gateway.body import read_by_one_meaning, with_large_answers, with_streams, without_usage
from aistack.render.gateway.clusters import attempts_name, target_name
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, duration, typed
from aistack.render.gateway.interception import (
    EMBEDDING_HEADER,
    MARK,
    embedding_entry,
    interception_host,
    orders,
    outer_name,
)
from aistack.render.gateway.limits import limits
from aistack.render.gateway.neutral import Choice, NeutralGateway, NeutralRoute
from aistack.render.gateway.queueing import ROUTE_HEADER, queue_headers, queued_name, tried_in_turn
from aistack.render.gateway.replies import (
    MODEL_SPENT,
    MONEY_SPENT,
    NEVER_AGAIN,
    NO_MODEL,
    NOT_JSON,
    SPENT,
    UNKNOWN_MODEL,
    UNKNOWN_NAME,
    UNKNOWN_PATH,
    WRONG_METHOD,
    client_money_spent,
)
from aistack.render.gateway.shared_limits import no_money, shared_limits

PATHS = {
    "chat": "/v1/(chat/completions|completions)",
    "embedding": "/v1/embeddings",
    "rerank": "/v1/(rerank|score)",
}
"""What a model of each task answers, as regular expressions of the whole path; nothing else of a model's
server is reached."""
RETRIED = "connect-failure,refused-stream,reset,5xx,retriable-status-codes"
RETRIED_STATUSES = [MODEL_SPENT, 429]
"""A provider says the former, too, where the gateway's own account has no money left."""
KEY_HEADERS = ("authorization", "x-api-key", "cookie")
"""What a client may prove itself with: none of it goes on to a model."""


def route_configuration(gateway: NeutralGateway) -> Manifest:
    routes = gateway.routes
    return typed(
        "config.route.v3.RouteConfiguration",
        name="gateway",
        most_specific_header_mutations_wins=True,
        request_headers_to_remove=[*KEY_HEADERS, "accept-encoding"],  # usage is read from plain answers
        virtual_hosts=[
            {
                "name": "gateway",
                "domains": ["*"],
                "typed_per_filter_config": limits(gateway) | shared_limits(gateway),
                "routes": [
                    *models(gateway),
                    wrong_method(),
                    *spent_clients(gateway),
                    *(entry for route in routes for entry in embedding_entries(route)),
                    *bad_bodies(),
                    *(entry for route in routes for entry in route_entries(route)),
                    *unknown(),
                ],
            }
        ],
    )


def models(gateway: NeutralGateway) -> Iterator[Manifest]:
    """All of them, and each by its name."""
    listed = [
        {"id": route.name, "object": "model", "created": 0, "owned_by": gateway.stack.name}
        for route in gateway.routes
    ]
    free = {"typed_per_filter_config": found} if (found := no_money(gateway)) else {}
    yield {**_answer("models", "/v1/models", {"object": "list", "data": listed}), **free}
    for model in listed:
        yield {**_answer("model", f"/v1/models/{model['id']}", model), **free}
    yield _refusal("unknown_name", {"prefix": "/v1/models/"}, 404, UNKNOWN_NAME)


def _answer(name: str, path: str, body: Manifest) -> Manifest:
    return {
        "name": name,
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps(body)}},
        "response_headers_to_add": [_header("content-type", "application/json")],
    }


def wrong_method() -> Manifest:
    is_post = {"name": ":method", "string_match": {"exact": "POST"}, "invert_match": True}
    return {
        **_refusal("wrong_method", {**_path(_any_path()), "headers": [is_post]}, 405, WRONG_METHOD),
        "response_headers_to_add": [_header("allow", "POST")],
    }


def spent_clients(gateway: NeutralGateway) -> Iterator[Manifest]:
    for client, until in gateway.resolved.spent_clients.items():
        match = {**_path(_any_path()), "headers": [_is_client(client)]}
        yield {
            **_refusal("client_money_spent", match, SPENT, client_money_spent(until)),
            "response_headers_to_add": [NEVER_AGAIN],
        }


def bad_bodies() -> Iterator[Manifest]:
    for bad, body in (("not_json", NOT_JSON), ("no_model", NO_MODEL)):
        said = [_metadata("bad", {"string_match": {"exact": bad}})]
        yield _refusal(bad, {**_path(_any_path()), "dynamic_metadata": said}, 400, body)


def unknown() -> Iterator[Manifest]:
    """Where every request is until its body is read: so what depends on its path alone is said here."""
    for task, path in PATHS.items():
        filters = {} if task == "chat" else {"typed_per_filter_config": without_usage()}
        yield {**_refusal("unknown_model", _path(path), 404, UNKNOWN_MODEL), **filters}
    yield _refusal("unknown_path", {"prefix": "/"}, 404, UNKNOWN_PATH)


def route_entries(route: NeutralRoute) -> Iterator[Manifest]:
    if route.stopped:
        yield _stop(route)
        return
    if route.queued:
        yield from _queued_entries(route)
    if route.intercepted:
        yield from _outer_entries(route)
    if not route.long_choices:
        yield from _answering(route, route.name, route.choices)
        return
    length = {"name": "content-length", "range_match": {"start": 0, "end": route.longest_body + 1}}
    yield from _answering(route, route.name, route.choices, headers=[length])
    yield from _answering(route, f"{route.name}-long", route.long_choices)


def embedding_entries(route: NeutralRoute) -> Iterator[Manifest]:
    """For the adapter, which asks once: without an embedding in time a question is answered all the same.

    The header alone decides while the body is not read yet, so that the usage is read of the answer, which is
    short. What clients send is marked by the time that it counts.
    """
    similar = route.kept.similar if route.kept and not route.stopped else None
    if similar is None or similar.rests:
        return
    marked = {**_metadata(MARK, {"bool_match": True}), "invert": True}
    asked_for = {"name": EMBEDDING_HEADER, "string_match": {"exact": route.name}}
    yield {
        "name": embedding_entry(route),
        "match": {**_path(PATHS["embedding"]), "headers": [asked_for], "dynamic_metadata": [marked]},
        "metadata": {"filter_metadata": {METADATA: {"route": route.name}}},
        "request_headers_to_remove": [EMBEDDING_HEADER],
        "route": {
            "cluster": target_name(similar.model),
            "timeout": duration(similar.patience),
            "auto_host_rewrite": True,
        },
        "typed_per_filter_config": _permission(route),
    }


def _queued_entries(route: NeutralRoute) -> Iterator[Manifest]:
    """For what clients ask; the first try of it, and what the queue asks, go by the others."""
    for entry in _entries(route, f"{route.name}.queued", route.choices):
        action = _queued_action(route, stream=entry["name"].endswith("-stream"))
        yield {**_marked(entry), "route": action, "request_headers_to_add": queue_headers(route)}


def _queued_action(route: NeutralRoute, *, stream: bool) -> Manifest:
    """Its time is bounded by what is behind: the attempts of the first try and of the last, and the queue."""
    longest = 2 * route.timeout * route.most_attempts + (route.longest_wait or 0)
    return {
        "cluster": queued_name(route, stream=stream),
        "timeout": "0s",
        "idle_timeout": duration(longest),
        "auto_host_rewrite": True,
        "retry_policy": {
            "retry_on": RETRIED,
            "retriable_status_codes": [429],
            "num_retries": len(tried_in_turn(route, stream=stream)) - 1,
            "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
        },
    }


def _outer_entries(route: NeutralRoute) -> Iterator[Manifest]:
    """For what clients ask, or what is asked for them where there is a queue; what the adapter asks goes by
    the others.
    """
    for entry in _entries(route, interception_host(route), route.choices):
        action = _outer_action(route, stream=entry["name"].endswith("-stream"))
        first = _from_queue(entry) if route.queued else _marked(entry)
        yield {**first, "route": action, "request_headers_to_add": orders(route)}


def _marked(entry: Manifest) -> Manifest:
    """Only for what comes from clients."""
    return _with_metadata(entry, MARK, {"bool_match": True})


def _with_metadata(entry: Manifest, key: str, value: Manifest) -> Manifest:
    match = {
        **entry["match"],
        "dynamic_metadata": [_metadata(key, value), *entry["match"]["dynamic_metadata"]],
    }
    return {**entry, "match": match}


def _from_queue(entry: Manifest) -> Manifest:
    """Only for what the queue asks, or is asked before it."""
    return {**entry, "match": {**entry["match"], "headers": [{"name": ROUTE_HEADER, "present_match": True}]}}


def _stop(route: NeutralRoute) -> Manifest:
    """Who may not use the model is not told that its money is spent."""
    named = _metadata("model", {"string_match": {"exact": route.name}})
    match = {**_path(PATHS[route.task]), "dynamic_metadata": [named]}
    return {
        **_refusal(route.name, match, MODEL_SPENT, MONEY_SPENT),
        "typed_per_filter_config": _permission(route),
    }


def _answering(
    route: NeutralRoute, name: str, choices: tuple[Choice, ...], **conditions: object
) -> Iterator[Manifest]:
    """A request of an affine route meets an ordinary entry first, whose script finds what it has in common
    with others; if that is anything, it is looked up again, and meets an entry of the others.
    """
    if route.affinity is None:
        yield from _entries(route, name, choices, **conditions)
        return
    for entry in _entries(route, f"{name}.affine", choices, **conditions):
        action = _affine_action(route, choices, stream=entry["name"].endswith("-stream"))
        yield {**_with_metadata(entry, AFFINE, {"present_match": True}), "route": action}
    for entry in _entries(route, name, choices, **conditions):
        yield {
            **entry,
            "typed_per_filter_config": entry["typed_per_filter_config"] | find_key(route.affinity),
        }


def _entries(
    route: NeutralRoute, name: str, choices: tuple[Choice, ...], **conditions: object
) -> Iterator[Manifest]:
    """Streams have entries of their own: they must begin in time, whole answers must end in time."""
    named = _metadata("model", {"string_match": {"exact": route.name}})
    streamed = _metadata("stream", {"bool_match": True})
    whole = {} if route.task == "chat" else with_large_answers()

    def entry(metadata: list[Manifest], *, stream: bool) -> Manifest:
        return {
            "name": f"{name}-stream" if stream else name,
            "match": {**_path(PATHS[route.task]), **conditions, "dynamic_metadata": [named, *metadata]},
            "metadata": {"filter_metadata": {METADATA: {"route": route.name}}},
            "route": _action(route, choices, stream=stream),
            "typed_per_filter_config": {
                **read_by_one_meaning(route, stream=stream),
                **(with_streams() if stream else whole),
                **_permission(route),
            },
        }

    if route.streams:
        yield entry([streamed], stream=True)
    yield entry([], stream=False)


def _affine_action(route: NeutralRoute, choices: tuple[Choice, ...], *, stream: bool) -> Manifest:
    """What belongs together goes to the same target, too."""
    weighted = _weighted(route, choices, stream=stream, affine=True)
    hashed = {"use_hash_policy": True} if len(weighted) > 1 else {}
    return {
        **_action(route, choices, stream=stream),
        "weighted_clusters": {"clusters": weighted, **hashed},
        "hash_policy": hash_policy(),
    }


def _weighted(
    route: NeutralRoute, choices: tuple[Choice, ...], *, stream: bool, affine: bool = False
) -> list[Manifest]:
    return [
        {"name": attempts_name(route, choice, stream=stream, affine=affine), "weight": choice.weight}
        for choice in choices
    ]


def _action(route: NeutralRoute, choices: tuple[Choice, ...], *, stream: bool) -> Manifest:
    """A stream that has begun is not cut. An exchange in which nothing moves is ended after as long as all
    attempts may take.
    """
    attempts = route.attempts(choices)
    longest = duration(route.timeout * attempts)
    begin = route.first_token_timeout or route.timeout
    return {
        "weighted_clusters": {"clusters": _weighted(route, choices, stream=stream)},
        "timeout": "0s" if stream else longest,
        "idle_timeout": longest,
        "auto_host_rewrite": True,
        "retry_policy": {
            "retry_on": RETRIED,
            "retriable_status_codes": RETRIED_STATUSES,
            "num_retries": attempts - 1,
            "per_try_timeout": duration(begin if stream else route.timeout),
            "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
            "retry_host_predicate": [
                {
                    "name": "previous_hosts",
                    "typed_config": typed("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
                }
            ],
            # Of equally busy replicas one is taken at random, until it is one that was not asked yet.
            "host_selection_retry_max_attempts": 100,
        },
    }


def _outer_action(route: NeutralRoute, *, stream: bool) -> Manifest:
    """As long as all attempts behind the adapter may take, and then its own last answer."""
    begin = route.first_token_timeout or route.timeout
    longest = duration(route.timeout * route.most_attempts)
    last = {
        "retry_policy": {
            "retry_on": RETRIED,
            "retriable_status_codes": RETRIED_STATUSES,
            "num_retries": 1,
            "per_try_timeout": duration(begin * route.most_attempts) if stream else longest,
        }
    }
    return {
        "cluster": outer_name(route, stream=stream),
        "timeout": "0s" if stream else longest,
        "idle_timeout": longest,
        "auto_host_rewrite": True,
        **(last if route.answer_of_adapter else {}),
    }


def _permission(route: NeutralRoute) -> Manifest:
    if route.clients is None:
        return {}
    clients = [{"header": _is_client(client)} for client in route.clients]
    policy: Manifest = {"permissions": [{"any": True}], "principals": clients or [{"not_id": {"any": True}}]}
    rules = {"action": "ALLOW", "policies": {"clients": policy}}
    return {"rbac": typed("extensions.filters.http.rbac.v3.RBACPerRoute", rbac={"rules": rules})}


def _is_client(name: str) -> Manifest:
    return {"name": CLIENT_HEADER, "string_match": {"exact": name}}


def _header(key: str, value: str) -> Manifest:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _refusal(name: str, match: Manifest, status: int, body: Manifest) -> Manifest:
    return {"name": name, "match": match, "direct_response": {"status": status, "body_format": body}}


def _path(pattern: str) -> Manifest:
    return {"safe_regex": {"regex": pattern}}


def _any_path() -> str:
    return "|".join(PATHS.values())


def _metadata(key: str, value: Manifest) -> Manifest:
    return {"filter": METADATA, "path": [{"key": key}], "value": value}
