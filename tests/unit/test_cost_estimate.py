"""What a month costs: whole replicas, tokens, volumes, the gateway; min, expected and max."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from aistack.api.models import Spot
from aistack.api.stack import CostStatus
from aistack.cost.assumptions import DEFAULTS, Assumed, Provenance
from aistack.cost.charges import (
    ADAPTER,
    CACHE,
    DEFAULT_REQUESTS,
    FRONT,
    QUEUE,
    RATELIMIT,
    REDIS,
    Category,
    PodRequests,
)
from aistack.cost.estimate import Estimate, cost_status, estimate
from aistack.cost.money import cents
from aistack.cost.prices import NO_PRICES
from aistack.kinds import Manifest
from aistack.render import render
from aistack.resolved import ResolvedStack, SelfHostedModel
from aistack.units import GIB, decimal
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route, shared
from tests.stacks import hosted

EXACT = {"mode": "Exact"}
SEMANTIC = {"mode": "Semantic", "embeddingModel": "ada"}


def costs(estimated: Estimate, component: str) -> tuple[str, str, str] | None:
    """Min, expected and max of one part, to the cent."""
    cost = estimated.components[component]
    return (cents(cost.min), cents(cost.expected), cents(cost.max)) if cost else None


def on_spot(stack: ResolvedStack, share: float) -> ResolvedStack:
    """The stack with a part of its replicas on spot capacity, which `resolve` doesn't let in yet."""

    def spot(model: SelfHostedModel) -> SelfHostedModel:
        return replace(model, hosted=model.hosted.model_copy(update={"spot": Spot(share=share)}))

    models = tuple(spot(m) if isinstance(m, SelfHostedModel) else m for m in stack.models)
    return replace(stack, models=models)


def scaled(low: int, high: int, **fields: Any) -> dict[str, Any]:
    return hosted(scaling={"min": low, "max": high}, **fields)


def test_a_replica_costs_its_accelerators_for_730_hours() -> None:
    model = scaled(1, 3, accelerator={"class": "nvidia-l4", "count": 2}, parallelism={"tensor": 2})
    estimated = estimate(priced(models=[model]), prices())
    assert costs(estimated, "model/llama") == ("1168.00", "1168.00", "3504.00")


def test_without_traffic_what_runs_is_what_runs_at_least() -> None:
    estimated = estimate(priced(models=[scaled(2, 5)]), prices())
    assert costs(estimated, "model/llama") == ("1168.00", "1168.00", "2920.00")


@pytest.mark.parametrize(
    ("tokens_per_second", "replicas"),
    [
        pytest.param(None, 6, id="unknown throughput: counted at the most"),
        pytest.param(10_000, 1, id="one is enough"),
        # 1,500e6 tokens a month over 2,628,000 s x 0.6 x 250 tokens/s = 3.8
        pytest.param(250, 4, id="whole replicas"),
        pytest.param(10, 6, id="more than there may be"),
    ],
)
def test_expected_replicas_follow_traffic_and_throughput(
    tokens_per_second: int | None, replicas: int
) -> None:
    throughput = {} if tokens_per_second is None else {"tokensPerSecond": tokens_per_second}
    estimated = estimate(priced(models=[scaled(1, 6, **throughput)], traffic=TRAFFIC), prices())
    assert costs(estimated, "model/llama") == ("584.00", f"{584 * replicas}.00", "3504.00")


def test_a_measured_throughput_counts_where_none_is_declared() -> None:
    measured = Assumed(Decimal(250), Provenance.MEASURED, "vLLM's counters of a week")
    for declared, expected in (({}, "2336.00"), ({"tokensPerSecond": 10_000}, "584.00")):
        stack = priced(models=[scaled(1, 6, **declared)], traffic=TRAFFIC)
        estimated = estimate(stack, prices(), replace(DEFAULTS, throughput={"llama": measured}))
        assert costs(estimated, "model/llama") == ("584.00", expected, "3504.00")
        assert (("llama: tokens a second", measured) in estimated.assumptions) is (not declared)


def test_spot_replicas_are_whole_and_pay_for_interruptions() -> None:
    """Half of 3 is 1: 2 at 0.80 and 1 at 0.30 x 1.05; a single replica can't be half on spot."""
    estimated = estimate(on_spot(priced(models=[scaled(1, 3)]), 0.5), prices())
    assert costs(estimated, "model/llama") == ("584.00", "584.00", "1397.95")


def test_a_model_on_cpu_costs_what_its_pods_ask_for() -> None:
    """2 cores x 0.03 and 4 GiB x 0.004, times 730."""
    model = hosted(accelerator={"class": "cpu"}, resources={"requests": {"cpu": 2, "memory": "4Gi"}})
    assert costs(estimate(priced(models=[model]), prices()), "model/llama") == ("55.48", "55.48", "55.48")


def test_a_volume_costs_its_size_once_however_many_replicas_share_it() -> None:
    cache = {"size": "40Gi", "storageClassName": "fast", "accessMode": "ReadWriteMany"}
    with_cache = estimate(priced(models=[scaled(2, 2, cache=cache)]), prices())
    assert costs(with_cache, "model/llama") == ("1178.00", "1178.00", "1178.00")


def test_a_suspended_stack_costs_its_volumes() -> None:
    model = scaled(1, 3, cache={"size": "40Gi"})
    spec = shared(model, managed(), traffic=TRAFFIC, suspend=True)
    estimated = estimate(priced(**spec), prices())
    assert estimated.components.keys() == {"model/llama"}
    assert costs(estimated, "model/llama") == ("4.00", "4.00", "4.00")
    assert estimated.unknown == ()


def test_a_managed_model_costs_its_tokens_and_what_is_sent() -> None:
    """1e6 x (1000 x 2 + 500 x 8) / 1e6 = 6000; 4 bytes a token sent: 3.7253 GiB x 0.09 = 0.34."""
    estimated = estimate(priced(models=[managed()], traffic=TRAFFIC), prices())
    assert costs(estimated, "model/gpt") == ("6000.34", "6000.34", "6000.34")


def test_hits_of_a_cache_reach_no_model_but_nobody_can_count_on_them() -> None:
    spec = {"models": [managed()], "gateway": {"routes": [route(("gpt", 1), cache=EXACT)]}}
    some = estimate(priced(**spec, traffic={**TRAFFIC, "cacheHitRatio": 0.25}), prices())
    assert costs(some, "model/gpt") == ("4500.25", "4500.25", "6000.34")
    every = estimate(priced(**spec, traffic={**TRAFFIC, "cacheHitRatio": 1}), prices())
    assert costs(every, "model/gpt") == ("0.00", "0.00", "6000.34")


def test_a_route_without_a_cache_has_no_hits() -> None:
    """Half of the requests come to either route; of chat's a quarter is answered by its cache."""
    models, traffic = [managed(), managed("two")], {**TRAFFIC, "cacheHitRatio": 0.25}
    second = route(("two", 1), name="second")
    one = {"routes": [route(("gpt", 1), cache=EXACT), second]}
    beside = estimate(priced(models=models, gateway=one, traffic=traffic), prices())
    assert costs(beside, "model/gpt") == ("2250.13", "2250.13", "3000.17")
    assert costs(beside, "model/two") == ("3000.17",) * 3
    none = {"routes": [route(("gpt", 1)), second]}
    without = estimate(priced(models=models, gateway=none, traffic=traffic), prices())
    assert costs(without, "model/gpt") == ("3000.17",) * 3
    assert dict(without.assumptions)["cache hits"].why == "no route has a cache"


def test_a_provider_embeds_every_question_at_most_and_writes_nothing() -> None:
    """Of two routes one compares: 5e5 x 1000 x 0.02 / 1e6 = 10; sent: 1.8626 GiB x 0.09 = 0.17."""
    models = [hosted(), {**managed("ada", model="ada"), "task": "embedding"}]
    routes = [route(("llama", 1), cache=SEMANTIC), route(("llama", 1), name="second")]
    spec = {"models": models, "gateway": {"routes": routes}, "traffic": TRAFFIC}
    ada = {**GPT, "model": "ada", "inputPerMillion": "0.02", "outputPerMillion": "0"}
    estimated = estimate(priced(**spec), prices(ada))
    assert costs(estimated, "model/ada") == ("0.00", "10.17", "10.17")
    assert not estimated.unknown
    directly = [*routes, route(("ada", 1), name="vectors")]
    beside = estimate(priced(**{**spec, "gateway": {"routes": directly}}), prices(ada))
    assert [gap.component for gap in beside.unknown] == ["model/ada"]


def test_cached_input_has_its_own_price() -> None:
    """Of 1000 tokens 400 are cached: 1e6 x (600 x 2 + 400 x 0.5 + 500 x 8) / 1e6 = 5400."""
    measured = replace(DEFAULTS, cached_input=Assumed(Decimal("0.4"), Provenance.MEASURED, "last month"))
    estimated = estimate(priced(models=[managed()], traffic=TRAFFIC), prices(), measured)
    assert costs(estimated, "model/gpt") == ("5400.34", "5400.34", "5400.34")


def test_tokens_of_long_inputs_have_their_second_price_where_the_mean_is_long() -> None:
    """A thousand requests of 500,000 tokens at 4, and of 10 at 12: 2000 and 0.12."""
    long = {"aboveTokens": 200_000, "inputPerMillion": "4", "outputPerMillion": "12"}
    known = prices({**GPT, "longInput": long})
    traffic = {"requestsPerMonth": 1000, "inputTokens": 500_000, "outputTokens": 10}
    charged = estimate(priced(models=[managed()], traffic=traffic), known).charges
    paid = {charge.item: cents(charge.cost.expected) for charge in charged if charge.cost}
    assert (paid["gpt-x input tokens"], paid["gpt-x output tokens"]) == ("2000.00", "0.12")


def test_what_falls_back_is_paid_for() -> None:
    """No request, 1 in 100 and 1 in 10 of llama's come to gpt: of 6000.34 nothing, 60.00 and 600.03."""
    routes = [route(("llama", 1), fallbacks=["gpt"])]
    spec = {"models": [hosted(), managed()], "gateway": {"routes": routes}, "traffic": TRAFFIC}
    assert costs(estimate(priced(**spec), prices()), "model/gpt") == ("0.00", "60.00", "600.03")


def test_weights_divide_a_route_and_what_falls_back_comes_on_top() -> None:
    """A fifth goes to gpt at once, and of the other four fifths 0, 1 and 10 in 100 follow."""
    routes = [route(("llama", 80), ("gpt", 20))]
    spec = {"models": [hosted(), managed()], "gateway": {"routes": routes}, "traffic": TRAFFIC}
    # gpt's own failures go to llama: 0.2, 0.2 x 0.99 + 0.8 x 0.01 and 0.2 x 0.9 + 0.8 x 0.1 of 6000.335
    assert costs(estimate(priced(**spec), prices()), "model/gpt") == ("1200.07", "1236.07", "1560.09")


def test_what_is_too_long_for_a_target_is_paid_for_where_it_goes() -> None:
    """None, 1 in 100 and 1 in 10 of the requests are sent on to gpt: of 6000.34 nothing, 60.00 and 600.03."""
    long = route(("llama", 1), longContextFallbacks=["gpt"])
    models = [{**hosted(), "contextWindow": 8192}, {**managed(), "contextWindow": 200_000}]
    estimated = estimate(priced(models=models, gateway={"routes": [long]}, traffic=TRAFFIC), prices())
    assert costs(estimated, "model/gpt") == ("0.00", "60.00", "600.03")
    assert "too long" in dict(estimated.assumptions)


def test_a_published_endpoints_answers_leave_the_cluster() -> None:
    """1e6 answers x 500 tokens x 4 bytes are 1.8626 GiB, at 0.09 each 0.17, beside 12.74 for the pods."""
    stack = priced(traffic=TRAFFIC)
    expose = stack.spec.gateway.expose.model_copy(update={"type": "Ingress"})
    gateway = stack.spec.gateway.model_copy(update={"expose": expose})
    published = replace(stack, spec=stack.spec.model_copy(update={"gateway": gateway}))
    assert costs(estimate(published, prices()), "gateway") == ("12.91", "12.91", "12.91")


def test_traffic_is_divided_equally_over_the_routes_of_chat_models() -> None:
    embedding = {**hosted("minilm"), "task": "embedding"}
    estimated = estimate(priced(models=[managed(), managed("two"), embedding], traffic=TRAFFIC), prices())
    assert costs(estimated, "model/gpt") == costs(estimated, "model/two") == ("3000.17",) * 3
    assert costs(estimated, "model/minilm") == ("584.00",) * 3, "its replica, whatever comes to it"
    assert estimated.unknown == ()


@pytest.mark.parametrize("task", ["embedding", "rerank"])
def test_a_managed_model_that_the_traffic_does_not_tell_of_is_unknown_and_not_free(task: str) -> None:
    beside = {**managed("ada"), "task": task}
    (gap,) = estimate(priced(models=[managed(), beside], traffic=TRAFFIC), prices()).unknown
    assert (gap.component, gap.item) == ("model/ada", "tokens")
    assert "write it into a stack that has no chat routes" in gap.what
    alone = estimate(priced(models=[beside], traffic=TRAFFIC), prices())
    assert alone.unknown == ()
    assert costs(alone, "model/ada") == ("6000.34",) * 3


def test_a_managed_model_that_no_request_reaches_costs_nothing() -> None:
    spec = {"models": [managed(), managed("idle")], "gateway": {"routes": [route(("gpt", 1))]}}
    estimated = estimate(priced(**spec, traffic=TRAFFIC), prices())
    assert estimated.unknown == ()
    assert "model/idle" not in estimated.components


def test_the_gateway_costs_its_pods_and_the_adapter_where_there_is_one() -> None:
    """0.27 cores x 0.03 + 0.15625 GiB x 0.004 and 0.5 x 0.03 + 0.75 x 0.004, times 730 and 2 to 4 pods."""
    spec = {"models": [managed(provider="anthropic")], "gateway": {"replicas": {"min": 2, "max": 4}}}
    estimated = estimate(priced(**spec), prices())
    assert costs(estimated, "gateway") == ("12.74", "12.74", "25.48")
    assert costs(estimated, "adapter") == ("26.28", "26.28", "52.56")
    assert "adapter" not in estimate(priced(), prices()).components


def test_what_has_no_price_is_named_and_in_no_sum() -> None:
    estimated = estimate(priced(models=[hosted(), managed()], traffic=TRAFFIC), NO_PRICES)
    assert estimated.components["gateway"] is None
    assert {(gap.component, gap.item) for gap in estimated.unknown} >= {
        ("gateway", "CPU"),
        ("model/gpt", "gpt-x input tokens"),
    }
    assert estimated.monthly == estimated.components["model/llama"]


def test_a_model_whose_class_has_no_price_is_unknown_and_not_free() -> None:
    stack = priced(models=[hosted(accelerator={"class": "nvidia-l4"})])
    (model,) = stack.self_hosted
    unpriced = replace(model, accelerator=model.accelerator.model_copy(update={"price": None}))
    estimated = estimate(replace(stack, models=(unpriced,)), NO_PRICES)
    assert estimated.monthly is None
    assert "write price into AcceleratorClass nvidia-l4, in USD" in {gap.what for gap in estimated.unknown}


def test_a_price_of_another_currency_is_unknown() -> None:
    euros = replace(prices(), currency="EUR")
    (gap,) = [each for each in estimate(priced(), euros).unknown if each.component == "model/llama"]
    assert gap.what == "write price of AcceleratorClass nvidia-l4 in EUR; it is in USD"


def test_managed_tokens_without_traffic_are_unknown() -> None:
    (gap,) = estimate(priced(models=[managed()]), prices()).unknown
    assert str(gap).startswith("model/gpt: tokens: write spec.traffic")


def test_every_assumption_says_where_it_is_from() -> None:
    routes = [route(("llama", 1), ("gpt", 1), cache=EXACT)]
    spec = {"models": [hosted(tokensPerSecond=900), managed()], "gateway": {"routes": routes}}
    estimated = estimate(priced(**spec, traffic={**TRAFFIC, "cacheHitRatio": 0.25}), prices())
    said = {name: assumed.provenance for name, assumed in estimated.assumptions}
    assert said == {
        "requests a month": Provenance.DECLARED,
        "input tokens": Provenance.DECLARED,
        "output tokens": Provenance.DECLARED,
        "cache hits": Provenance.DECLARED,
        "llama: tokens a second": Provenance.DECLARED,
        "utilisation": Provenance.DEFAULT,
        "falls back": Provenance.DEFAULT,
        "falls back at most": Provenance.DEFAULT,
        "cached input": Provenance.DEFAULT,
        "bytes a token": Provenance.DEFAULT,
    }


def test_the_status_has_decimal_strings_and_names_what_is_unknown() -> None:
    known = cost_status(estimate(priced(models=[managed()], traffic=TRAFFIC), prices()))
    assert known.monthly
    assert known.monthly.dump() == {"min": "6013.07", "expected": "6013.07", "max": "6013.07"}
    assert known.price_book == "cluster@2026-11-01"
    assert known.counted is None, "nobody has said what budgets count"
    nothing = cost_status(estimate(priced(models=[managed()]), NO_PRICES))
    assert nothing.monthly is None
    assert nothing.unknown_prices[0] == "gateway: CPU: write compute[default] into a PriceBook in USD"


def test_the_largest_prices_and_numbers_still_fit_the_status() -> None:
    dearest = {**GPT, "inputPerMillion": "999999999999.999999", "outputPerMillion": "999999999999.999999"}
    traffic = {"requestsPerMonth": 10**12, "inputTokens": 10**9, "outputTokens": 10**9}
    estimated = estimate(priced(models=[managed()], traffic=traffic), prices(dearest))
    status = cost_status(estimated, counted=estimated)
    assert CostStatus.parse(status.dump()) == status
    assert status.counted
    assert status.counted.max == "999999999999.999999"


def requested(manifest: Manifest) -> PodRequests:
    """What the scheduler sets aside for a pod of a rendered Deployment, sidecars with it."""
    pod = manifest["spec"]["template"]["spec"]
    sidecars = [each for each in pod.get("initContainers", []) if each.get("restartPolicy") == "Always"]
    asked = [each["resources"]["requests"] for each in (*pod["containers"], *sidecars)]
    return PodRequests(
        cores=sum((decimal(each["cpu"]) for each in asked), Decimal(0)),
        memory=sum((decimal(each["memory"]) for each in asked), Decimal(0)) / GIB,
    )


def test_every_workload_and_every_volume_that_is_rendered_is_charged() -> None:
    """What a new part would cost for nothing is found here."""
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "requestsPerMinute": 5}
    spec = {
        "models": [hosted(cache={"size": "40Gi"}), managed(provider="anthropic")],
        "gateway": {
            "limitScope": "Global",
            "clients": [client],
            "routes": [route(("llama", 1), ("gpt", 1), cache=EXACT)],
            "queue": {},
        },
    }
    stack = priced(**spec, traffic=TRAFFIC)
    charged = estimate(stack, prices()).charges
    rendered = {(each["kind"], each["metadata"]["name"]) for each in render(stack)}
    running = {charge.component for charge in charged if charge.category is Category.COMPUTE}
    assert {name for kind, name in rendered if kind in {"Deployment", "StatefulSet", "DaemonSet", "Job"}} == {
        f"support-{component.removeprefix('model/')}" for component in running
    }
    kept = {charge.component for charge in charged if charge.category is Category.STORAGE}
    assert len([name for kind, name in rendered if kind == "PersistentVolumeClaim"]) == len(kept) == 1


def test_what_pods_are_said_to_ask_for_is_what_they_are_rendered_with() -> None:
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "requestsPerMinute": 5}
    cached = {"name": "chat", "targets": [{"model": "llama"}], "cache": {"mode": "Exact"}}
    spec = {
        "models": [hosted(accelerator={"class": "cpu"}), managed(provider="anthropic")],
        "gateway": {"limitScope": "Global", "clients": [client], "routes": [cached], "queue": {}},
    }
    deployments = {
        each["metadata"]["name"]: requested(each)
        for each in render(priced(**spec))
        if each["kind"] == "Deployment"
    }
    assert deployments == {
        "support-gateway": FRONT,
        "support-adapter": ADAPTER,
        "support-ratelimit": RATELIMIT,
        "support-redis": REDIS,
        "support-queue": QUEUE,
        "support-cache": CACHE,
        "support-llama": DEFAULT_REQUESTS,
    }
