"""A self-hosted model's pods: what vLLM is told, what it gets, how it starts and ends."""

from typing import Any

import pytest

from aistack.api import AIStack
from aistack.kinds import Manifest
from aistack.render.engine import arguments, startup_seconds
from aistack.render.vllm import render_model
from aistack.resolve import resolve
from aistack.resolved import SelfHostedModel
from tests.stacks import catalog, hosted, resolved, stack


def model(task: str = "chat", context_window: int | None = None, **fields: Any) -> SelfHostedModel:
    named = {**hosted(**fields), "task": task, "contextWindow": context_window}
    return resolved(models=[named]).self_hosted[0]


def child(kind: str, **fields: Any) -> Manifest:
    return next(each for each in render_model(model(**fields)) if each["kind"] == kind)


def pod(**fields: Any) -> Manifest:
    spec: Manifest = child("Deployment", **fields)["spec"]["template"]["spec"]
    return spec


def container(**fields: Any) -> Manifest:
    only: Manifest = pod(**fields)["containers"][0]
    return only


def variables(**fields: Any) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container(**fields)["env"]}


class TestCommandLine:
    def test_it_serves_the_source_under_its_name(self) -> None:
        assert container()["command"] == ["vllm", "serve"]
        assert list(arguments(model()))[:4] == ["acme/llama", "--served-model-name", "llama", "--port=8000"]

    def test_a_route_does_not_change_a_pod_that_answers_to_any_name(self) -> None:
        def pods(version: str, **gateway: Any) -> list[Manifest]:
            stack = resolved(models=[hosted(runtime={"version": version})], gateway=gateway)
            return list(render_model(stack.self_hosted[0]))

        routes = [{"name": "chat", "targets": [{"model": "llama"}]}]
        assert pods("0.21.0", routes=routes) == pods("0.21.0")
        assert pods("0.20.2", routes=routes) != pods("0.20.2")

    @pytest.mark.parametrize(
        ("version", "logs", "drains"),
        [("0.15.1", False, False), ("0.16.0", True, False), ("0.18.0", True, True), ("0.33.0", True, True)],
    )
    def test_flags_are_written_only_to_versions_that_know_them(
        self, version: str, logs: bool, drains: bool
    ) -> None:
        written = list(arguments(model(runtime={"version": version})))
        assert ("--disable-access-log-for-endpoints=/health,/metrics,/ping" in written) is logs
        assert ("--shutdown-timeout=45" in written) is drains

    @pytest.mark.parametrize(
        ("task", "version", "flag"),
        [
            ("embedding", "0.33.0", "--runner=pooling"),
            ("rerank", "0.33.0", "--runner=pooling"),
            ("embedding", "0.10.0", "--task=embed"),
            ("rerank", "0.10.0", "--task=score"),
        ],
    )
    def test_a_model_that_does_not_chat_is_told_so_in_its_versions_words(
        self, task: str, version: str, flag: str
    ) -> None:
        assert flag in arguments(model(task=task, runtime={"version": version}))

    def test_the_context_window_is_the_longest_input_unless_an_argument_says_another(self) -> None:
        assert "--max-model-len=8192" in arguments(model(context_window=8192))
        declared = list(arguments(model(context_window=8192, runtime={"args": ["--max_model_len", "4096"]})))
        assert "--max-model-len=8192" not in declared
        assert declared[-2:] == ["--max_model_len", "4096"]

    def test_ranks_and_revision_are_passed_on(self) -> None:
        accelerator = {"class": "nvidia-l4", "count": 4}
        written = list(arguments(model(accelerator=accelerator, parallelism={"tensor": 2, "pipeline": 2})))
        assert {"--tensor-parallel-size=2", "--pipeline-parallel-size=2", "--revision=0e9e39f"} <= set(
            written
        )


class TestResources:
    def test_accelerators_are_limits_of_the_classes_resource(self) -> None:
        accelerator = {"class": "nvidia-l4", "count": 2}
        resources = container(accelerator=accelerator, parallelism={"tensor": 2})["resources"]
        assert resources == {
            "requests": {"cpu": "4", "memory": "16Gi"},
            "limits": {"nvidia.com/gpu": "2"},
        }

    def test_what_is_declared_is_taken_and_a_limit_stands_in_for_its_request(self) -> None:
        declared = {"requests": {"cpu": 8}, "limits": {"memory": "4Gi"}}
        assert container(resources=declared)["resources"] == {
            "requests": {"cpu": "8"},
            "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"},
        }

    def test_without_an_accelerator_threads_and_cache_fit_the_pod(self) -> None:
        declared = {"requests": {"cpu": "3500m", "memory": "20Gi"}}
        on_cpu = variables(accelerator={"class": "cpu"}, resources=declared)
        assert on_cpu["OMP_NUM_THREADS"] == "3"
        assert on_cpu["VLLM_CPU_KVCACHE_SPACE"] == "5"
        assert "limits" not in container(accelerator={"class": "cpu"}, resources=declared)["resources"]

    @pytest.mark.parametrize(("ranks", "size"), [(1, "256Mi"), (4, "8Gi")])
    def test_shared_memory_grows_with_the_ranks(self, ranks: int, size: str) -> None:
        volumes = pod(accelerator={"class": "nvidia-l4", "count": ranks}, parallelism={"tensor": ranks})[
            "volumes"
        ]
        assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}} in volumes


class TestSecrets:
    def test_the_hubs_token_is_a_reference(self) -> None:
        key = {"name": "hf", "key": "token"}
        assert variables(credentials={"secretKeyRef": key})["HF_TOKEN"] == {"secretKeyRef": key}

    def test_a_declared_variable_wins_and_stands_there_once(self) -> None:
        ours = {"name": "HF_HOME", "value": "/elsewhere"}
        env = container(runtime={"env": [ours]})["env"]
        assert [each for each in env if each["name"] == "HF_HOME"] == [ours]


class TestWeights:
    def test_without_a_cache_they_end_with_the_pod(self) -> None:
        assert {"name": "cache", "emptyDir": {}} in pod()["volumes"]
        assert "PersistentVolumeClaim" not in {each["kind"] for each in render_model(model())}

    def test_with_a_cache_they_stay_on_a_claim(self) -> None:
        cache = {"size": "40Gi", "storageClassName": "fast", "accessMode": "ReadWriteMany"}
        claim = child("PersistentVolumeClaim", cache=cache)
        assert claim["spec"] == {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "40Gi"}},
            "storageClassName": "fast",
        }
        mounted = {"name": "cache", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        assert mounted in pod(cache=cache)["volumes"]

    def test_those_on_a_claim_are_read_where_they_lie_and_nothing_is_downloaded(self) -> None:
        fields: dict[str, Any] = {"source": "pvc://weights/meta/llama"}
        assert next(iter(arguments(model(**fields)))) == "/model/meta/llama"
        assert "--revision=0e9e39f" not in arguments(model(**fields))
        assert variables(**fields)["HF_HUB_OFFLINE"] == "1"
        claim = {"claimName": "weights", "readOnly": True}
        assert {"name": "model", "persistentVolumeClaim": claim} in pod(**fields)["volumes"]
        assert {"name": "model", "mountPath": "/model", "readOnly": True} in container(**fields)[
            "volumeMounts"
        ]


class TestStart:
    @pytest.mark.parametrize(
        ("fields", "minutes"),
        [
            ({}, 18),  # 10 + 24 GiB at 20 s
            ({"source": "pvc://weights"}, 12),  # 10 + 24 GiB at 5 s
            ({"accelerator": {"class": "cpu"}, "resources": {"requests": {"memory": "6Gi"}}}, 12),
            ({"accelerator": {"class": "nvidia-l4", "count": 64}, "parallelism": {"tensor": 64}}, 180),
        ],
    )
    def test_the_time_for_it_grows_with_what_the_pod_could_hold(
        self, fields: dict[str, Any], minutes: int
    ) -> None:
        assert startup_seconds(model(**fields)) == minutes * 60

    def test_the_probe_waits_as_long_and_the_rollout_ten_minutes_more(self) -> None:
        probe = container()["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == startup_seconds(model())
        assert child("Deployment")["spec"]["progressDeadlineSeconds"] == startup_seconds(model()) + 600

    def test_a_stall_of_a_minute_is_no_death(self) -> None:
        probe = container()["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 100


class TestEnd:
    def test_the_grace_period_holds_the_drain_and_the_shutdown(self) -> None:
        drain = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert drain == 15
        assert pod()["terminationGracePeriodSeconds"] >= drain + 45

    def test_the_last_words_of_a_dead_engine_are_kept(self) -> None:
        assert container()["terminationMessagePolicy"] == "FallbackToLogsOnError"


class TestReplicas:
    def test_a_fixed_number_is_written_and_no_autoscaler(self) -> None:
        assert child("Deployment", scaling={"min": 3, "max": 5})["spec"]["replicas"] == 3
        assert "HorizontalPodAutoscaler" not in {each["kind"] for each in render_model(model())}

    def autoscaled(self, **scaling: Any) -> dict[str, Manifest]:
        parsed = AIStack.parse(stack(models=[hosted(scaling={"min": 1, "max": 6, **scaling})]))
        found = resolve(parsed, catalog(custom_metrics=True)).stack
        assert found is not None
        return {each["kind"]: each.get("spec", {}) for each in render_model(found.self_hosted[0])}

    def test_an_autoscalers_number_is_left_to_it(self) -> None:
        rendered = self.autoscaled()
        assert "replicas" not in rendered["Deployment"]
        scaler = rendered["HorizontalPodAutoscaler"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 6)

    @pytest.mark.parametrize(
        ("targets", "followed"),
        [
            ({}, {"vllm_num_requests_waiting": "5"}),
            ({"waitingRequests": 4}, {"vllm_num_requests_waiting": "4"}),
            ({"kvCacheUsage": 0.85}, {"vllm_kv_cache_usage_perc": "850m"}),
            (
                {"waitingRequests": 4, "kvCacheUsage": 0.8},
                {"vllm_num_requests_waiting": "4", "vllm_kv_cache_usage_perc": "800m"},
            ),
        ],
    )
    def test_it_follows_the_declared_targets_or_the_queue(
        self, targets: dict[str, Any], followed: dict[str, str]
    ) -> None:
        metrics = self.autoscaled(targets=targets)["HorizontalPodAutoscaler"]["metrics"]
        assert {
            each["pods"]["metric"]["name"]: each["pods"]["target"]["averageValue"] for each in metrics
        } == followed

    def test_it_waits_as_long_as_declared_before_a_replica_goes(self) -> None:
        behavior = self.autoscaled(scaleDownAfter="10m")["HorizontalPodAutoscaler"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 600

    @pytest.mark.parametrize(("strategy", "surge", "unavailable"), [("Surge", 1, 0), ("InPlace", 0, 1)])
    def test_a_rollout_needs_spare_accelerators_only_when_it_may(
        self, strategy: str, surge: int, unavailable: int
    ) -> None:
        rolling = child("Deployment", rollout={"strategy": strategy})["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxSurge": surge, "maxUnavailable": unavailable}
