"""What was made for a stack, and why: each object with the field of the spec that asked for it.

Pure: a spec and the objects as the API server shows them go in, branches of a tree come out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aistack.api.models import AIModel, Managed, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.kinds import CHILD_KINDS, Manifest
from aistack.labels import COMPONENT_LABEL, NAME_LABEL
from aistack.providers import DIRECT_PROVIDERS
from aistack.references import routes_of

PURPOSES: Mapping[tuple[str, str], str] = {
    ("network", "NetworkPolicy"): "denies its pods every connection that no other policy allows",
    ("model", "ServiceAccount"): "the pods' identity, with no right and no token",
    ("model", "PersistentVolumeClaim"): "keeps the downloaded weights when a pod goes",
    ("model", "NetworkPolicy"): "lets the gateway in, and the download out",
    ("model", "Service"): "where the gateway finds the ready replicas",
    ("model", "Deployment"): "runs vLLM",
    ("model", "PodDisruptionBudget"): "a drained node takes one replica at a time",
    ("model", "HorizontalPodAutoscaler"): "adds replicas while requests wait",
    ("gateway", "ServiceAccount"): "the pods' identity, with no right and no token",
    ("gateway", "ConfigMap"): "Envoy's routes and clusters, reloaded without a restart",
    ("gateway", "NetworkPolicy"): "lets clients in; out only to the models and providers",
    ("gateway", "Service"): "the stack's one endpoint",
    ("gateway", "Deployment"): "runs Envoy and its loader",
    ("gateway", "PodDisruptionBudget"): "a drained node takes one replica at a time",
    ("gateway", "HorizontalPodAutoscaler"): "adds replicas under load",
    ("gateway", "Ingress"): "publishes the endpoint at its host",
    ("gateway", "HTTPRoute"): "publishes the endpoint at its host, by the Gateway",
    ("adapter", "ServiceAccount"): "the pods' identity, with no right and no token",
    ("adapter", "ConfigMap"): "LiteLLM's list of models",
    ("adapter", "NetworkPolicy"): "lets the gateway in, and calls to providers out",
    ("adapter", "Service"): "where the gateway finds the adapter",
    ("adapter", "Deployment"): "runs LiteLLM, which translates for these providers",
    ("adapter", "PodDisruptionBudget"): "a drained node takes one replica at a time",
    ("adapter", "HorizontalPodAutoscaler"): "adds replicas under load",
    ("ratelimit", "ServiceAccount"): "the pods' identity, with no right and no token",
    ("ratelimit", "ConfigMap"): "the limits, by route and client",
    ("ratelimit", "NetworkPolicy"): "lets the gateway in, and the way to Redis out",
    ("ratelimit", "Service"): "where the gateway asks",
    ("ratelimit", "Deployment"): "runs the rate-limit service, which counts over all replicas",
    ("ratelimit", "PodDisruptionBudget"): "a drained node takes one replica at a time",
    ("redis", "ServiceAccount"): "the pod's identity, with no right and no token",
    ("redis", "NetworkPolicy"): "lets the rate-limit service and the queue in, and nothing out",
    ("redis", "Service"): "where the counters are, and the order of who waits",
    ("redis", "Deployment"): "runs Valkey, which keeps them in memory",
    ("redis", "PodDisruptionBudget"): "a drained node may take it: it is told all that matters again",
    ("queue", "ServiceAccount"): "the pods' identity, with no right and no token",
    ("queue", "NetworkPolicy"): "lets the gateway in, and the ways to Redis and back to the gateway out",
    ("queue", "Service"): "where the gateway sends what nobody could answer",
    ("queue", "Deployment"): "holds requests until a model can answer them",
    ("queue", "PodDisruptionBudget"): "a drained node takes one replica at a time",
    ("cache", "ServiceAccount"): "the pod's identity, with no right and no token",
    ("cache", "NetworkPolicy"): "lets the adapter in, and nothing out",
    ("cache", "Service"): "where the answers are that are given again",
    ("cache", "Deployment"): "keeps answers in memory: Valkey, or Redis 8 where similar questions are found",
    ("cache", "PodDisruptionBudget"): "a drained node may take it: answers are made again",
    ("records", "ConfigMap"): "what policies found and what it costs, as documents for auditors",
    ("records", "Report"): "what policies found, a row a rule, for dashboards",
    ("records", "PolicyReport"): "what policies found, a row a rule, for dashboards",
}
"""One line for each object that a component can have, by component and kind."""
_ORDER = [kind.kind for kind in CHILD_KINDS]


@dataclass(frozen=True, slots=True)
class Made:
    """One object: what it is for, and how it is right now."""

    kind: str
    name: str
    purpose: str
    state: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A field of the spec, what it asks for, and the objects that came of it."""

    field: str
    asks: str
    made: tuple[Made, ...] = ()


def branches(spec: AIStackSpec, objects: Iterable[Manifest]) -> list[Branch]:
    """The tree of one stack, in the order of its spec; a field that needs no object has none."""
    parts: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in sorted(objects, key=lambda each: _ORDER.index(each["kind"])):
        labels = manifest["metadata"]["labels"]
        parts.setdefault((labels[COMPONENT_LABEL], labels[NAME_LABEL]), []).append(manifest)

    grown = [_model_branch(model, parts.pop(("model", model.name), [])) for model in spec.models]
    for (component, name), manifests in sorted(parts.items()):
        field, asks = _origin(spec, component, name)
        grown.append(Branch(field, asks, _made(manifests)))
    return grown


def _model_branch(model: AIModel, manifests: Sequence[Manifest]) -> Branch:
    if model.self_hosted:
        return Branch(f"spec.models[{model.name}].selfHosted", _hosted(model.self_hosted), _made(manifests))
    asks = _managed(model.managed) if model.managed else ""
    return Branch(f"spec.models[{model.name}].managed", asks, _made(manifests))


def _hosted(hosted: SelfHosted) -> str:
    return f"{hosted.source} on {hosted.accelerator.count} of {hosted.accelerator.class_}"


def _managed(managed: Managed) -> str:
    caller = "the gateway" if managed.provider in DIRECT_PROVIDERS else "the adapter"
    return f"{managed.model} of {managed.provider}: runs there, {caller} calls it"


def _origin(spec: AIStackSpec, component: str, name: str) -> tuple[str, str]:
    """The field that a part other than a model comes from, and what it asks for."""
    origins = {
        "gateway": ("spec.gateway", f"one endpoint for {', '.join(route.name for route in routes_of(spec))}"),
        "adapter": _adapter(spec),
        "ratelimit": ("spec.gateway.limitScope", "limits that hold over all replicas"),
        "redis": _redis(spec),
        "queue": ("spec.gateway.queue", "requests that nobody can answer wait"),
        "cache": (_caches(spec), "answers that are given again"),
        "records": ("spec.governance", "who looks after the system sees what policies find"),
        "network": ("spec", "every stack is closed first; its parts open what they need"),
    }
    gone = (f"spec.models[{name}]", "no longer in the spec; about to be removed")
    return origins.get(component, gone)


def _adapter(spec: AIStackSpec) -> tuple[str, str]:
    translated = {
        model.name: model.managed.provider
        for model in spec.models
        if model.managed and model.managed.provider not in DIRECT_PROVIDERS
    }
    fields = [f"spec.models[{model}].managed.provider" for model in translated]
    providers = " and ".join(dict.fromkeys(translated.values()))
    asks = [f"{providers}: a protocol of its own, translated"] if translated else []
    if cached := _caches(spec):
        fields.append(cached)
        asks.append("answers that are given again")
    if checked := [route.name for route in routes_of(spec) if route.guardrails or route.denied_words]:
        fields += [f"spec.gateway.routes[{name}].guardrails" for name in checked]
        asks.append("what is checked of requests and answers")
    return ", ".join(fields), "; ".join(asks)


def _redis(spec: AIStackSpec) -> tuple[str, str]:
    asks = {}
    if spec.gateway.limit_scope == "Global":
        asks["spec.gateway.limitScope"] = "limits that hold over all replicas"
    if spec.gateway.queue:
        asks["spec.gateway.queue"] = "requests that wait in their order"
    return ", ".join(asks), "; ".join(asks.values())


def _caches(spec: AIStackSpec) -> str:
    """The fields that ask for one."""
    cached = (route.name for route in routes_of(spec) if route.cache.mode != "Off")
    return ", ".join(f"spec.gateway.routes[{name}].cache" for name in cached)


def _made(manifests: Sequence[Manifest]) -> tuple[Made, ...]:
    return tuple(
        Made(
            kind=manifest["kind"],
            name=manifest["metadata"]["name"],
            purpose=PURPOSES.get((manifest["metadata"]["labels"][COMPONENT_LABEL], manifest["kind"]), ""),
            state=_state(manifest),
        )
        for manifest in manifests
    )


def _state(manifest: Manifest) -> str:
    """How an object is, in a few words; empty where there is nothing to say."""
    spec, status = manifest.get("spec", {}), manifest.get("status", {})
    match manifest["kind"]:
        case "Deployment":
            return f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)} ready"
        case "PersistentVolumeClaim":
            return f"{status.get('phase', 'Pending')}, {spec['resources']['requests']['storage']}"
        case "HorizontalPodAutoscaler":
            return (
                f"{status.get('currentReplicas', 0)} of {spec.get('minReplicas', 1)} to {spec['maxReplicas']}"
            )
    return ""
