"""What routes ask of the gateway and can't have, and what its publication lets happen."""

from collections.abc import Iterator

from aistack.api import Reason
from aistack.api.gateway import Gateway, Route
from aistack.api.models import AIModel
from aistack.api.retrieval import Traffic
from aistack.api.stack import AIStackSpec
from aistack.problem import Problem
from aistack.references import Names, followed, members_of
from aistack.units import seconds


def routing_problems(spec: AIStackSpec, names: Names) -> Iterator[Problem]:
    """Every field of the routes that doesn't fit the models that they lead to, or the rest of the stack."""
    yield from _tokens(spec.gateway, names)
    for route in names.routes.values():
        path = f"spec.gateway.routes[{route.name}]"
        yield from _strategy(f"{path}.strategy", route, names, spec.traffic)
        yield from _output_tokens(f"{path}.limits.maxOutputTokens", route, names)
        yield from _when_down(f"{path}.whenDown", route, names)
        yield from _long_context(f"{path}.longContextFallbacks", route, names)
        yield from _cache(f"{path}.cache", route, names)
        yield from _checks(path, route, names)
        yield from _affinity(f"{path}.affinity", route, names)


def routing_warnings(names: Names) -> Iterator[Problem]:
    """What its owner may not have meant by a time limit, or an affinity."""
    for route in names.routes.values():
        models = [names.models[name] for name in members_of(route, names) if name in names.models]
        hosted = [model.self_hosted for model in models if model.self_hosted]
        if route.affinity and hosted and all(each.scaling.max == 1 for each in hosted):
            yield Problem(
                f"spec.gateway.routes[{route.name}].affinity",
                Reason.INVALID_SPEC,
                "none of its models has a second replica to choose from; write a scaling.max above 1, or "
                "leave it out",
            )
        if route.first_token_timeout and models and all(map(_may_sleep, models)):
            yield Problem(
                f"spec.gateway.routes[{route.name}].firstTokenTimeout",
                Reason.INVALID_SPEC,
                f"a stream waits no longer than {route.first_token_timeout} for a model at zero; leave it "
                f"out, or write scaling.min: 1 for {models[0].name}",
            )


def _may_sleep(model: AIModel) -> bool:
    return model.self_hosted is not None and model.self_hosted.scaling.min == 0


def exposure_warnings(gateway: Gateway) -> Iterator[Problem]:
    """What its owner may not have meant by publishing the endpoint."""
    if gateway.expose.type == "ClusterIP":
        return
    path = "spec.gateway.expose"
    if not gateway.clients:
        message = f"whoever reaches {gateway.expose.host} may call every model; write clients with keys"
        yield Problem(f"{path}.host", Reason.INVALID_SPEC, message)
    if gateway.expose.type == "Ingress" and not gateway.expose.tls_secret_name:
        message = (
            "without it keys and prompts may travel unencrypted; write the Secret of the host's certificate"
        )
        yield Problem(f"{path}.tlsSecretName", Reason.INVALID_SPEC, message)


def _tokens(gateway: Gateway, names: Names) -> Iterator[Problem]:
    """Tokens are known at the end of an answer; a bucket of one replica can't be charged afterwards."""
    routes = {f"routes[{name}].limits": route.limits for name, route in names.routes.items()}
    clients = {f"clients[{client.name}]": client for client in gateway.clients}
    if gateway.limit_scope != "Global":
        for place in (place for place, limits in (routes | clients).items() if limits.tokens_per_minute):
            yield Problem(
                f"spec.gateway.{place}.tokensPerMinute",
                Reason.INVALID_SPEC,
                "tokens are counted over all replicas only; write spec.gateway.limitScope: Global",
            )
    for name, route in names.routes.items():
        task = _task(route, names)
        if route.limits.tokens_per_minute and task not in {"chat", ""}:
            yield Problem(
                f"spec.gateway.routes[{name}].limits.tokensPerMinute",
                Reason.INVALID_SPEC,
                f"only the tokens of chats are counted, and its models' task is {task}; "
                "write requestsPerMinute",
            )


def _strategy(path: str, route: Route, names: Names, traffic: Traffic | None) -> Iterator[Problem]:
    if route.strategy == "lowestCost" and traffic is None:
        message = "what a request costs depends on its tokens; write spec.traffic, or the strategy ordered"
        yield Problem(path, Reason.INVALID_SPEC, message)
    models = (names.models[target.model] for target in route.targets if target.model in names.models)
    managed = next((model.name for model in models if model.managed), None)
    if route.strategy == "leastBusy" and managed:
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            f"how busy {managed} is only its provider knows; move it to fallbacks, or write another strategy",
        )


def _output_tokens(path: str, route: Route, names: Names) -> Iterator[Problem]:
    if route.limits.max_output_tokens and (task := _task(route, names)) not in {"chat", ""}:
        message = f"an answer of the task {task} has no length to choose; leave it out"
        yield Problem(path, Reason.INVALID_SPEC, message)


def _task(route: Route, names: Names) -> str:
    """What its models do; empty where none of them is known."""
    return next((names.models[name].task for name in members_of(route, names) if name in names.models), "")


def _when_down(path: str, route: Route, names: Names) -> Iterator[Problem]:
    members = (names.models[name] for name in members_of(route, names) if name in names.models)
    other = next((model for model in members if model.task != "chat"), None)
    if route.when_down and other:
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            f"a text can't stand for what {other.name} answers, whose task is {other.task}; leave it out",
        )


def _cache(path: str, route: Route, names: Names) -> Iterator[Problem]:
    if route.cache.mode == "Off":
        return
    if (task := _task(route, names)) not in {"chat", ""}:
        message = f"only the answers of chats are kept, and its models' task is {task}; leave it out"
        yield Problem(f"{path}.mode", Reason.INVALID_SPEC, message)
    if not seconds(route.cache.ttl):
        message = f"{route.cache.ttl} keeps no answer; write such as 1h, or mode: Off"
        yield Problem(f"{path}.ttl", Reason.INVALID_SPEC, message)
    if embedding := names.models.get(route.cache.embedding_model or ""):
        yield from _embedding(f"{path}.embeddingModel", embedding)


def _embedding(path: str, model: AIModel) -> Iterator[Problem]:
    if model.task != "embedding":
        message = f"the task of {model.name} is {model.task}; write the name of a model with task: embedding"
        yield Problem(path, Reason.INVALID_SPEC, message)
    if _may_sleep(model):
        message = f"no question waits until {model.name} has started; write scaling.min: 1 for it"
        yield Problem(path, Reason.INVALID_SPEC, message)


def _checks(path: str, route: Route, names: Names) -> Iterator[Problem]:
    checks = {"guardrails": route.guardrails, "deniedWords": route.denied_words}
    for field in (field for field, used in checks.items() if used):
        if (task := _task(route, names)) not in {"chat", ""}:
            message = f"only chats are checked, and its models' task is {task}; leave it out"
            yield Problem(f"{path}.{field}", Reason.INVALID_SPEC, message)
    if route.allowed_words and not any(checks.values()):
        message = "nothing is checked that could leave them alone; write guardrails or deniedWords"
        yield Problem(f"{path}.allowedWords", Reason.INVALID_SPEC, message)
    denied = {word.lower() for word in route.denied_words}
    for word in (word for word in route.allowed_words if word.lower() in denied):
        message = f"{word!r} is denied, too; write it in deniedWords alone, or in none of the two"
        yield Problem(f"{path}.allowedWords", Reason.INVALID_SPEC, message)


def _affinity(path: str, route: Route, names: Names) -> Iterator[Problem]:
    if route.affinity is None:
        return
    models = [names.models[name] for name in members_of(route, names) if name in names.models]
    if (task := _task(route, names)) not in {"chat", ""}:
        message = f"only chats begin as earlier ones did, and its models' task is {task}; leave it out"
        yield Problem(path, Reason.INVALID_SPEC, message)
    if models and all(model.managed for model in models):
        message = f"which of its machines answers for {models[0].name} only its provider knows; leave it out"
        yield Problem(path, Reason.INVALID_SPEC, message)
    if route.strategy == "leastBusy":
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            "leastBusy asks the replica with the fewest requests, whatever it knows of them; write another "
            "strategy, or leave affinity out",
        )


def _long_context(path: str, route: Route, names: Names) -> Iterator[Problem]:
    if not route.long_context_fallbacks:
        return
    weighted = [target.model for target in route.targets if target.weight]
    targets = [names.models[name] for name in weighted if name in names.models]
    for target in targets:
        if target.context_window is None:
            field = f"spec.models[{target.name}].contextWindow"
            message = f"which requests are too long for {target.name} is not known; write {field}"
            yield Problem(path, Reason.INVALID_SPEC, message)
    smallest = min((target.context_window for target in targets if target.context_window), default=0)
    for model in (names.models[name] for name in followed(route.long_context_fallbacks, names)):
        if model.context_window is not None and model.context_window <= smallest:
            yield Problem(
                path,
                Reason.INVALID_SPEC,
                f"{model.name} holds {model.context_window} tokens, and every target {smallest} or more; "
                "write a model with a larger contextWindow",
            )
