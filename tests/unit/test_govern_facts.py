"""Facts say what a stack's names mean, and whatever leads to them."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from aistack.api import AcceleratorClass, AIStack
from aistack.catalog import Catalog
from aistack.cli.facts import table
from aistack.govern import Money, facts_of
from aistack.govern.facts import Facts
from aistack.images import default_images
from aistack.resolve import resolve
from tests.stacks import accelerator_class, hosted, stack

TODAY = datetime(2026, 11, 23, tzinfo=UTC).date()
DOCS = Path(__file__).parents[2] / "docs/facts.md"


def managed(name: str, region: str | None = None, **fields: Any) -> dict[str, Any]:
    own = {"provider": "openai", "model": "gpt-5", **({"region": region} if region else {})}
    return {"name": name, "managed": own, **fields}


def facts(money: Money | None = None, **spec: Any) -> Facts:
    there = accelerator_class("there")
    there["spec"].update(region="eu-central-1", nodeSelector={"region": "eu-central-1"})
    offered = [AcceleratorClass.parse(each) for each in (accelerator_class(), there)]
    catalog = Catalog(default_images(), {each.metadata.name: each for each in offered})
    meaning = resolve(AIStack.parse(stack(**spec)), catalog).meaning
    assert meaning
    return facts_of(meaning, TODAY, money or Money())


def test_every_model_that_a_route_can_lead_to_brings_its_region_and_says_by_which_way() -> None:
    found = facts(
        models=[
            hosted(accelerator={"class": "there"}),
            managed("second", "eu-west-1", contextWindow=1000),
            managed("long", "us-east-1"),
            managed("unused", "ap-south-1"),
        ],
        gateway={
            "routes": [
                {
                    "name": "chat",
                    "targets": [{"model": "llama"}],
                    "fallbacks": ["spare"],
                    "longContextFallbacks": ["long"],
                },
                {"name": "spare", "targets": [{"model": "second"}]},
            ]
        },
    )
    assert found.regions == ("eu-central-1", "eu-west-1", "us-east-1")
    ways = {place.path: place.via for place in found.placements}
    assert ways["spec.models[second].managed.region"] == (
        "route chat as a fallback",
        "route spare as a target",
    )
    assert ways["spec.models[long].managed.region"] == ("route chat as a long-context fallback",)
    assert "spec.models[unused].managed.region" not in ways


def test_a_region_that_nobody_named_is_unknown_and_not_left_out() -> None:
    assert facts(models=[hosted(), managed("gpt")]).regions == ("unknown",)


def test_what_embeds_for_a_cache_or_a_pipeline_reads_the_data_too() -> None:
    near, far = (managed(name, f"{name}-1", task="embedding", dimensions=384) for name in ("near", "far"))
    cache = {"mode": "Semantic", "scope": "Client", "embeddingModel": "near"}
    source = {"name": "lake", "type": "s3", "uri": "s3://lake/docs/", "mode": "Batch"}
    found = facts(
        models=[hosted(), near, far],
        gateway={"routes": [{"name": "chat", "targets": [{"model": "llama"}], "cache": cache}]},
        vectorStores=[{"name": "docs", "engine": "qdrant", "storage": {"size": "1Gi"}}],
        pipelines=[{"name": "import", "embeddingModel": "far", "vectorStore": "docs", "sources": [source]}],
    )
    ways = {place.region: place.via for place in found.placements}
    assert {"near-1", "far-1"} <= set(found.regions)
    assert (ways["near-1"], ways["far-1"]) == (("the cache of route chat",), ("pipeline import",))


def test_the_log_sink_is_a_place_where_data_goes() -> None:
    sink = {"endpoint": "https://logs.example/v1/logs", "region": "us-west-2"}
    assert "us-west-2" in facts(gateway={"logging": {"sink": sink}}).regions


def test_what_holds_nothing_in_a_region_is_named() -> None:
    there = hosted(accelerator={"class": "there"}, cache={"size": "1Gi"})
    assert facts(models=[there]).unpinned_places == ("the cache of model llama names no storageClassName",)
    assert "class nvidia-l4" in facts().unpinned_places[0]


def test_images_say_whether_a_digest_pins_them() -> None:
    digest = f"vllm/vllm-openai@sha256:{'0' * 64}"
    found = facts(models=[hosted(runtime={"image": digest, "version": "0.33.0"})])
    assert [each.pinned for each in found.images if each.part == "models[llama]"] == [True]


def test_a_fallback_that_holds_less_than_a_target_is_named_with_both_numbers() -> None:
    found = facts(
        models=[hosted() | {"contextWindow": 8192}, managed("small", contextWindow=4096)],
        gateway={"routes": [{"name": "chat", "targets": [{"model": "llama"}], "fallbacks": ["small"]}]},
    )
    assert found.routes[0].depth == 1
    assert found.routes[0].context_shortfalls == ("fallback small holds 4096 tokens, a target 8192",)


def test_evidence_has_an_age_and_the_review_a_distance() -> None:
    declared = [{"id": "evaluation", "ref": "mlflow://1", "date": "2026-11-01"}, {"id": "plan", "ref": "x"}]
    found = facts(governance={"evidence": declared, "reviewBy": "2026-11-20"})
    assert found.evidence["evaluation"].age_days == 22
    assert found.evidence["plan"].age_days is None
    assert found.review_in_days == -3


def test_what_nobody_looked_up_is_absent() -> None:
    assert not {"monthlyCost", "unknownPrices", "oldestPriceDays", "reviewInDays"} & facts().dump().keys()


def test_money_is_told_when_it_is_known() -> None:
    money = Money(
        monthly_cost=12.5,
        unknown_prices=("gpt",),
        oldest_price=date(2026, 11, 1),
        retirements={"gpt": date(2026, 12, 3)},
        budgets={"care": False},
    )
    found = facts(money).dump()
    assert (found["monthlyCost"], found["unknownPrices"], found["oldestPriceDays"]) == (12.5, ["gpt"], 22)
    assert found["retirements"] == {"gpt": 10}
    assert found["budgets"] == [{"name": "care", "fits": False}]


def test_a_stack_that_cannot_be_served_yet_has_facts_all_the_same() -> None:
    assert facts(gateway={"expose": {"type": "Ingress", "host": "a.example"}}).exposure == "public"


def test_the_documentation_has_the_table_of_all_facts() -> None:
    assert table() in DOCS.read_text(), f"write this table into {DOCS.name}:\n{table()}"
