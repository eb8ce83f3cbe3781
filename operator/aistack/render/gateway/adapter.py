"""The adapter's configuration: LiteLLM for the providers that don't speak OpenAI's protocol themselves.

It translates: which model, how often and for how long is the front's decision, and only the front reaches it.
Of intercepted routes it keeps the answers, and asks the front for those that it doesn't have.
"""

import hashlib
import json
from collections.abc import Iterator
from importlib import resources

import orjson

from aistack.kinds import Manifest
from aistack.render.gateway.guardrails import guardrails, guardrails_of
from aistack.render.gateway.neutral import NeutralGateway, NeutralRoute
from aistack.render.gateway.provider import Address, binding, key_of
from aistack.render.gateway.site import POD, Site
from aistack.resolved import ManagedModel

MODES = {"chat": "chat", "embedding": "embedding", "rerank": "rerank"}
"""LiteLLM's `model_info.mode` by a model's task."""
CACHE_PATIENCE = 0.5
"""Seconds."""
MODEL_PREFIXES = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "bedrock",
    "sagemaker": "sagemaker_chat",
    "vertex": "vertex_ai",
}
"""LiteLLM's provider names; `sagemaker_chat` is an endpoint that takes OpenAI's messages."""
CHECKING = ("unseen.py", "content_filter.py", "phrases.py")
"""The programs that LiteLLM checks words with."""
UNKNOWN_MODEL = "Invalid model name passed in"
"""What LiteLLM says, with a 400, to a model that its configuration doesn't have."""


def adapter_files(gateway: NeutralGateway, site: Site = POD) -> dict[str, str]:
    """config.yaml, in JSON, which is YAML; and the programs that LiteLLM and Redis run."""
    front = site.front_address(gateway.stack)
    checks = guardrails(gateway)
    config: Manifest = {
        "model_list": [
            *(_entry(model, _timeout(model, gateway)) for model in gateway.adapted),
            *(entry for route in gateway.intercepted for entry in _interceptions(route, front)),
            *(entry for route in gateway.intercepted for entry in _embeddings(route, front)),
        ],
        "litellm_settings": {
            "num_retries": 0,
            "drop_params": True,  # a fallback that lacks a parameter still answers
            "telemetry": False,
            # Else LiteLLM asks Azure without a key for nothing but a key.
            "enable_azure_ad_token_refresh": any(map(_by_azure_identity, gateway.adapted)),
            "callbacks": ["interceptor.interceptor", *(["unseen.unseen"] if checks else [])],
            **(_cache(site.cache_address(gateway.stack)) if gateway.resolved.needs_cache else {}),
        },
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        # What a client says of addresses and keys is taken out; LiteLLM answers it with a bare 500.
        "general_settings": {"allow_client_side_credentials": True},
    }
    if checks:
        config["guardrails"] = checks
    here = resources.files("aistack.render.gateway")
    programs = ("interceptor.py", "similar.lua", *(CHECKING if checks else ()))
    return {
        "config.yaml": orjson.dumps(config, option=orjson.OPT_INDENT_2).decode() + "\n",
        **{name: here.joinpath(name).read_text(encoding="utf-8") for name in programs},
    }


def interception_name(route: NeutralRoute) -> str:
    """An intercepted route's name in LiteLLM; no model's has a dot.

    It changes with what is checked: a pod that has not the newest checks does not know the name, and refuses.
    """
    checks = hashlib.sha256(json.dumps(list(guardrails_of(route))).encode()).hexdigest()[:8]
    return f"{route.name}.{checks}"


def embedding_name(route: NeutralRoute) -> str:
    """The same of the model that embeds its questions."""
    return f"{interception_name(route)}.embedding"


def _interceptions(route: NeutralRoute, front: Address) -> Iterator[Manifest]:
    """The front answers as vLLM does. LiteLLM has a provider of its own for plain completions: of every
    other it asks a chat instead.
    """
    chat, text = interception_name(route), f"{interception_name(route)}.text"
    for name, provider in ((chat, "hosted_vllm"), (text, "text-completion-openai")):
        longest = route.timeout * route.most_attempts
        yield {
            "model_name": name,
            "litellm_params": {
                "model": f"{provider}/{route.name}",
                **_asking(front),
                "timeout": longest,
                "stream_timeout": longest,
            },
            "model_info": {"id": name, "mode": "chat" if name == chat else "completion"},
        }


def _embeddings(route: NeutralRoute, front: Address) -> Iterator[Manifest]:
    """Of its questions, where similar ones are to be found: the front knows how to reach the model."""
    if route.kept and route.kept.similar:
        name = embedding_name(route)
        model = {"model": f"hosted_vllm/{route.kept.similar.model.name}", **_asking(front)}
        yield {"model_name": name, "litellm_params": model, "model_info": {"id": name, "mode": "embedding"}}


def _asking(front: Address) -> Manifest:
    """The inner listener asks for no key, and LiteLLM wants one."""
    return {"api_base": f"http://{front.host}:{front.port}/v1", "api_key": "none", "max_retries": 0}


def _cache(address: Address) -> Manifest:
    """Nothing is kept but what a request orders. A Redis that says nothing holds no request up for long."""
    return {
        "cache": True,
        "cache_params": {
            "type": "redis",
            "mode": "default_off",
            "host": address.host,
            "port": str(address.port),
            "socket_timeout": CACHE_PATIENCE,
            "socket_connect_timeout": CACHE_PATIENCE,
        },
    }


def key_variable(model: ManagedModel) -> str:
    """The environment variable that holds a model's key; an older pod has none of a new name."""
    return f"PROVIDER_KEY_{model.name}_{binding(_place(model), key_of(model))}".replace("-", "_").upper()


def _entry(model: ManagedModel, timeout: float) -> Manifest:
    prefix = MODEL_PREFIXES[model.managed.provider]
    if model.managed.provider == "sagemaker" and model.spec.task != "chat":
        prefix = "sagemaker"
    return {
        "model_name": model.name,
        "litellm_params": {
            "model": f"{prefix}/{model.managed.model}",
            "timeout": timeout,
            "stream_timeout": timeout,
            "max_retries": 0,
            **_place(model),
            **_key(model),
        },
        "model_info": {"id": model.name, "mode": MODES[model.spec.task]},
    }


def _place(model: ManagedModel) -> Manifest:
    managed = model.managed
    by_provider = {
        "anthropic": {"api_base": managed.endpoint},
        "azure": {"api_base": managed.endpoint, "api_version": managed.api_version},
        "bedrock": {"aws_region_name": managed.region, "aws_bedrock_runtime_endpoint": managed.endpoint},
        "sagemaker": {"aws_region_name": managed.region},
        "vertex": {"vertex_project": managed.project, "vertex_location": managed.region},
    }
    return {name: value for name, value in by_provider[managed.provider].items() if value}


def _key(model: ManagedModel) -> Manifest:
    """Bedrock's is an API key, Vertex's a service account's JSON; without one the pod's identity counts."""
    if not key_of(model):
        return {}
    name = "vertex_credentials" if model.managed.provider == "vertex" else "api_key"
    return {name: f"os.environ/{key_variable(model)}"}


def _by_azure_identity(model: ManagedModel) -> bool:
    return model.managed.provider == "azure" and not key_of(model)


def _timeout(model: ManagedModel, gateway: NeutralGateway) -> float:
    """Seconds: the longest that any route waits for it, so that the front gives up first."""
    times = (
        route.timeout
        for route in gateway.routes
        for choice in (*route.choices, *route.long_choices)
        if (model,) in choice.attempts
    )
    return max(times, default=gateway.longest_timeout)
