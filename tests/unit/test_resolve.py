"""What a stack's names come to mean; what is refused stands in test_bad_input.py."""

import time
from dataclasses import replace
from typing import Any

import pytest

from aistack.api import AIStack, Reason
from aistack.catalog import Catalog
from aistack.images import default_images
from aistack.problem import Problem
from aistack.resolve import Resolution, resolve
from aistack.resolved import SelfHostedModel
from tests.stacks import catalog, hosted, resolved, stack


def resolution(cluster: Catalog | None = None, **spec: Any) -> Resolution:
    return resolve(AIStack.parse(stack(**spec)), cluster or catalog())


def only_model(**fields: Any) -> SelfHostedModel:
    return resolved(models=[hosted(**fields)]).self_hosted[0]


def warned(found: Resolution, path: str) -> list[Problem]:
    return [warning for warning in found.warnings if warning.path == path]


class TestRoutes:
    def test_without_routes_every_model_answers_to_its_own_name(self) -> None:
        gateway = resolved(models=[hosted("llama"), hosted("qwen")]).gateway
        assert [(route.name, route.targets[0].model.name) for route in gateway.routes] == [
            ("llama", "llama"),
            ("qwen", "qwen"),
        ]

    def test_a_model_serves_its_own_name_and_every_route_that_may_come_to_it(self) -> None:
        routes = [
            {"name": "chat", "targets": [{"model": "llama"}], "fallbacks": ["careful"]},
            {"name": "careful", "targets": [{"model": "qwen"}]},
        ]
        found = resolved(models=[hosted("llama"), hosted("qwen")], gateway={"routes": routes})
        assert {model.name: model.served_names for model in found.self_hosted} == {
            "llama": ("llama", "chat"),
            "qwen": ("qwen", "chat", "careful"),
        }

    def test_a_fallback_to_a_route_brings_its_targets_then_its_fallbacks_each_once(self) -> None:
        routes = [
            {"name": "chat", "targets": [{"model": "a"}], "fallbacks": ["careful", "b"]},
            {"name": "careful", "targets": [{"model": "b"}], "fallbacks": ["c"]},
        ]
        found = resolved(models=[hosted(name) for name in "abc"], gateway={"routes": routes})
        assert [model.name for model in found.gateway.routes[0].fallbacks] == ["b", "c"]

    def test_what_embeds_the_questions_of_a_cache_is_reached_as_long_as_the_cache_is_there(self) -> None:
        cache = {"mode": "Semantic", "embeddingModel": "minilm"}
        routes = [{"name": "chat", "targets": [{"model": "llama"}], "cache": cache}]
        models = [hosted("llama"), {**hosted("minilm"), "task": "embedding"}]
        found = resolution(models=models, gateway={"routes": routes})
        assert not found.warnings
        assert found.stack
        assert [model.name for model in found.stack.gateway.reached] == ["llama", "minilm"]

    def test_no_question_waits_for_a_model_at_zero(self) -> None:
        cache = {"mode": "Semantic", "embeddingModel": "minilm"}
        routes = [{"name": "chat", "targets": [{"model": "llama"}], "cache": cache}]
        models = [hosted("llama"), {**hosted("minilm", scaling={"min": 0}), "task": "embedding"}]
        [problem] = resolution(models=models, gateway={"routes": routes}).problems
        assert problem.path == "spec.gateway.routes[chat].cache.embeddingModel"
        assert "write scaling.min: 1 for it" in problem.message

    def test_a_model_that_no_route_leads_to_is_only_a_warning(self) -> None:
        routes = [{"name": "chat", "targets": [{"model": "llama"}, {"model": "idle", "weight": 0}]}]
        found = resolution(models=[hosted("llama"), hosted("idle")], gateway={"routes": routes})
        assert found.stack is not None
        assert [warning.path for warning in found.warnings if warning.reason == Reason.INVALID_REFERENCE] == [
            "spec.models[idle]"
        ]

    def test_fallbacks_that_branch_at_every_route_are_followed_in_a_moment(self) -> None:
        names = [f"r{number}" for number in range(64)]
        routes = [
            {"name": name, "targets": [{"model": "llama"}], "fallbacks": names[index + 1 : index + 9]}
            for index, name in enumerate(names)
        ]
        parsed = AIStack.parse(stack(gateway={"routes": routes}))
        started = time.process_time()
        assert resolve(parsed, catalog()).stack is not None
        assert time.process_time() - started < 5, "an exponential walk would not end in a lifetime"

    def test_two_circles_are_two_problems(self) -> None:
        routes = [
            {"name": name, "targets": [{"model": "llama"}], "fallbacks": [other]}
            for name, other in (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"))
        ]
        problems = resolution(gateway={"routes": routes}).problems
        assert [problem.path for problem in problems] == [
            "spec.gateway.routes[b].fallbacks",
            "spec.gateway.routes[d].fallbacks",
        ]


class TestProblems:
    def test_all_of_them_are_found_in_one_pass_and_nothing_is_resolved(self) -> None:
        found = resolution(
            models=[hosted(accelerator={"class": "abacus"}, source="s3://models/llama")],
            gateway={"routes": [{"name": "chat", "targets": [{"model": "nobody"}], "fallbacks": ["none"]}]},
        )
        assert found.stack is None
        assert [problem.path for problem in found.problems] == [
            "spec.models[llama].selfHosted.accelerator.class",
            "spec.gateway.routes[chat].targets[nobody].model",
            "spec.gateway.routes[chat].fallbacks[none]",
            "spec.models[llama].selfHosted.source",
        ]


class TestAccelerators:
    def test_cpu_needs_no_class(self) -> None:
        found = resolution(Catalog(default_images()), models=[hosted(accelerator={"class": "cpu"})])
        assert found.stack is not None
        assert found.stack.self_hosted[0].accelerator.resource_name is None

    def test_a_class_named_cpu_is_taken_before_the_implied_one(self) -> None:
        cluster = catalog()
        named = {"cpu": cluster.accelerator_classes["nvidia-l4"]}
        found = resolution(
            replace(cluster, accelerator_classes=named), models=[hosted(accelerator={"class": "cpu"})]
        )
        assert found.stack is not None
        assert found.stack.self_hosted[0].accelerator.resource_name == "nvidia.com/gpu"

    @pytest.mark.parametrize(("accelerator", "part"), [("nvidia-l4", "vllm"), ("cpu", "vllm-cpu")])
    def test_the_default_image_fits_the_accelerator(self, accelerator: str, part: str) -> None:
        assert only_model(accelerator={"class": accelerator}).image == default_images()[part].reference

    def test_accelerators_that_nothing_uses_are_a_warning(self) -> None:
        path = "spec.models[llama].selfHosted.accelerator.count"
        idle = {"class": "nvidia-l4", "count": 4}
        assert "3 of 4" in warned(resolution(models=[hosted(accelerator=idle)]), path)[0].message
        spread = hosted(accelerator=idle, runtime={"args": ["--data-parallel-size=4"]})
        assert not warned(resolution(models=[spread]), path)


class TestVersion:
    @pytest.mark.parametrize(
        ("runtime", "version"),
        [
            ({"version": "0.17.1"}, "0.17.1"),
            ({"image": "vllm/vllm-openai:v0.10.2"}, "0.10.2"),
            ({"image": "vllm/vllm-openai:v0.10.2", "version": "0.11.0"}, "0.11.0"),
            ({"image": "registry.example.com:5000/vllm:latest"}, default_images()["vllm"].version),
            ({}, default_images()["vllm"].version),
        ],
    )
    def test_it_is_declared_or_in_the_tag_or_that_of_the_default_image(
        self, runtime: dict[str, str], version: str
    ) -> None:
        assert only_model(runtime=runtime).version == version


class TestReplicas:
    def test_an_autoscaler_owns_them_only_where_it_sees_a_metric(self) -> None:
        models = [hosted(scaling={"min": 1, "max": 3})]
        for sees in (True, False):
            found = resolution(catalog(custom_metrics=sees), models=models).stack
            assert found is not None
            assert found.self_hosted[0].replicas.autoscaled is sees

    def test_a_suspended_stack_has_none(self) -> None:
        found = resolution(
            catalog(custom_metrics=True, resource_metrics=True),
            suspend=True,
            models=[hosted(scaling={"min": 2, "max": 3})],
        ).stack
        assert found is not None
        for replicas in (found.self_hosted[0].replicas, found.gateway.replicas):
            assert (replicas.min, replicas.max, replicas.autoscaled) == (0, 0, False)


class TestPins:
    def test_a_model_without_a_revision_can_change_under_its_users(self) -> None:
        found = resolution(models=[hosted(revision=None)])
        assert warned(found, "spec.models[llama].selfHosted.revision")

    def test_an_image_by_tag_can_change_and_one_by_digest_cannot(self) -> None:
        path = "spec.models[llama].selfHosted.runtime.image"
        by_tag, by_digest = "vllm/vllm-openai:v0.33.0", f"vllm/vllm-openai@sha256:{'1' * 64}"
        assert warned(resolution(models=[hosted(runtime={"image": by_tag})]), path)
        assert not warned(resolution(models=[hosted(runtime={"image": by_digest})]), path)


class TestCaches:
    """A ReadWriteOnce volume is mounted on one node; the next pod may be put on another."""

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"scaling": {"min": 1, "max": 2}}, "cache.accessMode"),
            ({"rollout": {"strategy": "Surge"}}, "rollout.strategy"),
        ],
    )
    def test_one_that_two_pods_need_is_a_warning(self, fields: dict[str, Any], path: str) -> None:
        found = resolution(models=[hosted(cache={"size": "40Gi"}, **fields)])
        assert warned(found, f"spec.models[llama].selfHosted.{path}")

    @pytest.mark.parametrize(
        "fields",
        [
            {"cache": {"size": "40Gi"}, "rollout": {"strategy": "InPlace"}},
            {"cache": {"size": "40Gi", "accessMode": "ReadWriteMany"}, "scaling": {"min": 1, "max": 2}},
        ],
    )
    def test_one_that_fits_is_fine(self, fields: dict[str, Any]) -> None:
        reasons = {warning.reason for warning in resolution(models=[hosted(**fields)]).warnings}
        assert Reason.VOLUME_PENDING not in reasons


class TestProviders:
    def test_one_that_answers_nobody_without_a_key_is_a_warning(self) -> None:
        def managed(**fields: Any) -> dict[str, Any]:
            return {"name": "gpt", "managed": {"provider": "openai", "model": "gpt-5-mini", **fields}}

        path = "spec.models[gpt].managed.credentials"
        key = {"secretKeyRef": {"name": "openai", "key": "key"}}
        assert warned(resolution(models=[managed()]), path)
        assert not warned(resolution(models=[managed(credentials=key)]), path)
        assert not warned(resolution(models=[managed(endpoint="http://proxy.ai.svc/v1")]), path)


INGRESS = {"type": "Ingress", "host": "ai.example.com"}
WEB = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}}


@pytest.mark.parametrize(
    ("gateway", "warned", "why"),
    [
        ({"expose": INGRESS}, {"host", "tlsSecretName"}, "anybody calls, and everybody reads along"),
        ({"expose": INGRESS, "clients": [WEB]}, {"tlsSecretName"}, "the keys themselves can be read"),
        ({"expose": {**INGRESS, "tlsSecretName": "tls"}}, {"host"}, "anybody calls"),
        ({"expose": {**INGRESS, "tlsSecretName": "tls"}, "clients": [WEB]}, set(), "as it should be"),
        ({}, set(), "nobody outside reaches it"),
    ],
)
def test_an_endpoint_that_is_published_carelessly_is_warned_of(
    gateway: dict[str, Any], warned: set[str], why: str
) -> None:
    warnings = resolve(AIStack.parse(stack(gateway=gateway)), catalog()).warnings
    expose = [each.path for each in warnings if each.path.startswith("spec.gateway.expose.")]
    assert {path.rpartition(".")[2] for path in expose} == warned, why


@pytest.mark.parametrize(
    ("fallbacks", "expected", "why"),
    [
        ([], ["spec.gateway.routes[chat].firstTokenTimeout"], "a stream would not wait for the start"),
        (["mistral"], [], "it need not wait: another model answers"),
    ],
)
def test_a_stream_that_would_not_wait_for_a_model_at_zero_is_warned_of(
    fallbacks: list[str], expected: list[str], why: str
) -> None:
    route = {"name": "chat", "targets": [{"model": "llama"}], "firstTokenTimeout": "4s"}
    models = [hosted(scaling={"min": 0}), hosted("mistral")]
    found = resolution(models=models, gateway={"routes": [{**route, "fallbacks": fallbacks}]})
    assert [each.path for each in found.warnings if "at zero" in each.message] == expected, why
