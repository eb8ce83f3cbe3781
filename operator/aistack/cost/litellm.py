"""The tokens' prices in LiteLLM's packaged price map, as a PriceBook."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from aistack.api.base import API_VERSION
from aistack.api.scalars import DATE, LINE, URI
from aistack.cost.money import EXACT, price_text

PRICE_MAP = "litellm/model_prices_and_context_window_backup.json"
"""Where it stands in LiteLLM's wheel."""

PROVIDERS = {
    "openai": ("openai", ""),
    "text-completion-openai": ("openai", ""),
    "anthropic": ("anthropic", ""),
    "azure": ("azure", "azure/"),
    "azure_text": ("azure", "azure/"),
    "bedrock": ("bedrock", "bedrock/"),
    "bedrock_converse": ("bedrock", "bedrock/"),
    "sagemaker": ("sagemaker", "sagemaker/"),
}
"""LiteLLM's provider → ours, and what LiteLLM writes before the model's name.

What stays before the name is a region (`eu-central-1/…`), as prices.token_prices looks it up.
"""
VERTEX = ("vertex", "vertex_ai/")
"""LiteLLM has a provider for each of its publishers: vertex_ai-anthropic_models, …"""

TASKS = {
    "chat": "chat",
    "responses": "chat",
    "completion": "chat",
    "embedding": "embedding",
    "rerank": "rerank",
}
"""LiteLLM's mode → our task; images and sound are no models of a stack."""

MILLION = Decimal(1_000_000)
LONG_INPUT = re.compile(r"input_cost_per_token_above_([0-9]+)k_tokens")
"""The field that has the price of a request whose input is longer than so many thousand tokens."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which price map it was."""

    version: str
    """Of the litellm package."""
    sha256: str
    """Of the price map."""
    as_of: str
    """The day of the package."""


def book(price_map: str, origin: Origin) -> str:
    """The PriceBook as YAML, a price a line. `price_map` is JSON; its numbers become decimals unrounded."""
    models = json.loads(price_map, parse_float=Decimal)
    prices: dict[tuple[str, str], dict[str, Any]] = {}
    for key, fields in models.items():
        if price := _price(key, fields, origin):
            name = price["provider"], price["model"]
            # A name may stand there with and without its provider; the adapter asks with it.
            if name not in prices or "/" in key:
                prices[name] = price
    head = {
        "apiVersion": API_VERSION,
        "kind": "PriceBook",
        "metadata": {
            "name": "default",
            "annotations": {
                "aistack.dev/source": f"litellm=={origin.version}",
                "aistack.dev/source-sha256": origin.sha256,
            },
        },
    }
    return "\n".join(
        (
            "# Written by `make prices` from LiteLLM's packaged price map (MIT); don't edit.",
            "# Too large for kubectl's annotation: apply it with --server-side.",
            *(f"{name}: {_flow(value)}" for name, value in head.items()),
            "spec:",
            "  currency: USD",
            f'  asOf: "{origin.as_of}"',
            "  tokens:",
            *(f"    - {_flow(prices[name])}" for name in sorted(prices)),
            "",
        )
    )


def _flow(value: Any) -> str:
    """JSON is YAML."""
    return json.dumps(value)


def _price(key: str, fields: Mapping[str, Any], origin: Origin) -> dict[str, Any] | None:
    """A model's price; None for what is no model of a stack, and for a price of nothing: that's no price."""
    provider, prefix = _provider(fields)
    task = TASKS.get(str(fields.get("mode")))
    model = key.removeprefix(prefix)
    read, written = fields.get("input_cost_per_token"), fields.get("output_cost_per_token")
    if not provider or not task or not read or (task == "chat" and not written):
        return None
    if not re.fullmatch(LINE, model):
        return None
    cached = fields.get("cache_read_input_token_cost")
    source, retires = fields.get("source") or "", fields.get("deprecation_date") or ""
    return {
        "provider": provider,
        "model": model,
        "inputPerMillion": _amount(read),
        "outputPerMillion": _amount(written or Decimal(0)),
        **({"cachedInputPerMillion": _amount(cached)} if cached else {}),
        **_long_input(fields),
        "source": source if re.fullmatch(URI, source) else f"pypi:litellm@{origin.version}",
        **({"retires": retires} if re.fullmatch(DATE, retires) else {}),
    }


def _long_input(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The price from the lowest threshold on, where one is listed."""
    thresholds = [int(match[1]) for field in fields if (match := LONG_INPUT.fullmatch(field))]
    if not thresholds:
        return {}
    above = f"above_{min(thresholds)}k_tokens"
    read, written = fields[f"input_cost_per_token_{above}"], fields.get(f"output_cost_per_token_{above}")
    cached = fields.get(f"cache_read_input_token_cost_{above}")
    if not read:
        return {}
    price = {
        "aboveTokens": min(thresholds) * 1000,
        "inputPerMillion": _amount(read),
        "outputPerMillion": _amount(written or fields.get("output_cost_per_token") or Decimal(0)),
        **({"cachedInputPerMillion": _amount(cached)} if cached else {}),
    }
    return {"longInput": price}


def _provider(fields: Mapping[str, Any]) -> tuple[str, str]:
    name = str(fields.get("litellm_provider"))
    return VERTEX if name.startswith("vertex_ai") else PROVIDERS.get(name, ("", ""))


def _amount(a_token: Decimal) -> str:
    return price_text(EXACT.multiply(Decimal(a_token), MILLION))
