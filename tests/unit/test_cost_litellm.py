"""The shipped PriceBook is what LiteLLM's price map says of models that a stack can have, and no more."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from aistack import ship_prices
from aistack.api import PriceBook
from aistack.cost.litellm import PRICE_MAP, Origin, book
from aistack.cost.prices import shipped_text
from aistack.images import default_images

ORIGIN = Origin("1.2.3", "ab" * 32, "2026-10-21")
CHAT = {
    "litellm_provider": "openai",
    "mode": "chat",
    "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05,
}


def converted(models: dict[str, Any]) -> list[dict[str, Any]]:
    parsed = PriceBook.parse(yaml.safe_load(book(json.dumps(models), ORIGIN)))
    return [price.dump() for price in parsed.spec.tokens]


def test_a_model_has_its_prices_of_a_million_tokens_in_decimals() -> None:
    listed = {
        **CHAT,
        "cache_read_input_token_cost": 1.25e-06,
        "source": "https://openai.com/api/pricing",
        "deprecation_date": "2027-01-31",
    }
    assert converted({"gpt-x": listed}) == [
        {
            "provider": "openai",
            "model": "gpt-x",
            "inputPerMillion": "2.5",
            "outputPerMillion": "10",
            "cachedInputPerMillion": "1.25",
            "source": "https://openai.com/api/pricing",
            "retires": "2027-01-31",
        }
    ]


@pytest.mark.parametrize(
    ("key", "litellm_provider", "named"),
    [
        ("claude-x", "anthropic", ("anthropic", "claude-x")),
        ("azure/eu/gpt-x", "azure", ("azure", "eu/gpt-x")),
        ("bedrock/eu-central-1/anthropic.claude", "bedrock", ("bedrock", "eu-central-1/anthropic.claude")),
        ("amazon.nova", "bedrock_converse", ("bedrock", "amazon.nova")),
        ("vertex_ai/claude-x", "vertex_ai-anthropic_models", ("vertex", "claude-x")),
        ("sagemaker/llama", "sagemaker", ("sagemaker", "llama")),
    ],
)
def test_a_model_is_named_as_in_a_stack(key: str, litellm_provider: str, named: tuple[str, str]) -> None:
    (price,) = converted({key: {**CHAT, "litellm_provider": litellm_provider}})
    assert (price["provider"], price["model"]) == named


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"litellm_provider": "groq"}, id="a provider that stacks don't have"),
        pytest.param({"mode": "image_generation"}, id="pictures"),
        pytest.param({"input_cost_per_token": 0}, id="free is what LiteLLM writes for unknown"),
        pytest.param({"output_cost_per_token": 0.0}, id="a chat whose output costs nothing"),
        pytest.param({"output_cost_per_token": None}, id="half a price"),
    ],
)
def test_what_has_no_price_for_a_stack_is_left_out(fields: dict[str, Any]) -> None:
    assert converted({"gpt-x": {**CHAT, **fields}}) == []


def test_the_second_price_of_long_inputs_is_taken_with_its_threshold() -> None:
    long = {
        **CHAT,
        "input_cost_per_token_above_200k_tokens": 5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
        "cache_read_input_token_cost_above_200k_tokens": 5e-07,
        "input_cost_per_token_above_200k_tokens_batches": 1e-06,
    }
    (price,) = converted({"gpt-x": long})
    assert price["longInput"] == {
        "aboveTokens": 200_000,
        "inputPerMillion": "5",
        "outputPerMillion": "15",
        "cachedInputPerMillion": "0.5",
    }


def test_an_embedding_has_no_output() -> None:
    (price,) = converted({"ada": {**CHAT, "mode": "embedding", "output_cost_per_token": None}})
    assert price["outputPerMillion"] == "0"


def test_a_price_without_a_source_names_the_package() -> None:
    (price,) = converted({"gpt-x": CHAT})
    assert price["source"] == "pypi:litellm@1.2.3"


def test_of_a_model_that_is_listed_twice_the_name_with_the_provider_counts() -> None:
    vertex = {**CHAT, "litellm_provider": "vertex_ai-language-models"}
    models = {"vertex_ai/gemini": {**vertex, "input_cost_per_token": 1e-06}, "gemini": vertex}
    for order in (models, dict(reversed(models.items()))):
        (price,) = converted(order)
        assert price["inputPerMillion"] == "1"


def test_the_book_says_which_map_it_is_from(tmp_path: Path) -> None:
    wheel = tmp_path / "litellm-1.2.3-py3-none-any.whl"
    with ZipFile(wheel, "w") as package:
        package.writestr(PRICE_MAP, json.dumps({"gpt-x": CHAT}))
    parsed = PriceBook.parse(yaml.safe_load(ship_prices.converted(wheel, "1.2.3")))
    assert parsed.metadata.annotations["aistack.dev/source"] == "litellm==1.2.3"
    assert len(parsed.metadata.annotations["aistack.dev/source-sha256"]) == 64


def test_the_shipped_prices_are_those_of_the_adapters_own_version() -> None:
    shipped = yaml.load(shipped_text(), Loader=yaml.CSafeLoader)
    version = default_images()["litellm"].version
    assert shipped["metadata"]["annotations"]["aistack.dev/source"] == f"litellm=={version}"
