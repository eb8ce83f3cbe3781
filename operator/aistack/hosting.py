"""What a self-hosted model asks of vLLM and its pod, and can't have."""

import re
from collections.abc import Iterator

from aistack.api import Reason
from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.models import AIModel, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.catalog import Catalog
from aistack.problem import Problem
from aistack.units import number, seconds

SOURCES = {
    "hf": (re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"), "hf://owner/name"),
    "pvc": (re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[\w-][\w.-]*)*/?"), "pvc://claim/folder"),
}
"""What may follow each scheme, and how it's written."""

OWN_ARGUMENTS = {
    "--model": "write it as selfHosted.source",
    "--served-model-name": "the model's name and its routes' names are used; leave it out",
    "--host": "leave it out",
    "--port": "the gateway calls port 8000; leave it out",
    "--uds": "the gateway calls port 8000; leave it out",
    "--root-path": "leave it out",
    "--ssl-keyfile": "leave it out",
    "--ssl-certfile": "leave it out",
    "--api-key": "write the keys of those who call as spec.gateway.clients",
    "--hf-token": "write it as selfHosted.credentials.secretKeyRef",
    "--revision": "write it as selfHosted.revision",
    "--tensor-parallel-size": "write it as selfHosted.parallelism.tensor",
    "-tp": "write it as selfHosted.parallelism.tensor",
    "--pipeline-parallel-size": "write it as selfHosted.parallelism.pipeline",
    "-pp": "write it as selfHosted.parallelism.pipeline",
    "--runner": "write the model's task",
    "--task": "write the model's task",
    "--shutdown-timeout": "the pod's grace period fits 45 s; leave it out",
    "--config": "write its lines as runtime.args",
}
"""Arguments of `vllm serve` that the operator writes itself, and where the user says the same."""

OWN_VARIABLES = {
    "HF_TOKEN": "write it as selfHosted.credentials.secretKeyRef",
    "VLLM_API_KEY": "write the keys of those who call as spec.gateway.clients",
    "VLLM_PORT": "leave it out",
    "VLLM_HOST_IP": "leave it out",
}
SECRET_NAME = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|API_KEY|ACCESS_KEY)$")

LONGEST_WINDOW = 3600
"""Seconds: the longest stabilizationWindowSeconds that a HorizontalPodAutoscaler takes."""


def argument_names(arguments: tuple[str, ...]) -> set[str]:
    """The flags of a command line as vLLM reads them: `--max_model_len=1` names --max-model-len."""
    flags = (argument.partition("=")[0] for argument in arguments if argument.startswith("-"))
    return {flag.replace("_", "-") for flag in flags}


def hosting_problems(spec: AIStackSpec, catalog: Catalog) -> Iterator[Problem]:
    """Every field of the self-hosted models that vLLM or Kubernetes would refuse later."""
    for path, _, hosted in _self_hosted(spec):
        yield from _source(path, hosted)
        yield from _arguments(f"{path}.runtime.args", hosted)
        yield from _variables(f"{path}.runtime.env", hosted)
        yield from _resources(f"{path}.resources", hosted)
        yield from _scaling(f"{path}.scaling", hosted)
        if accelerator := catalog.accelerator(hosted.accelerator.class_):
            yield from _accelerators(path, hosted, accelerator)


def hosting_warnings(spec: AIStackSpec, catalog: Catalog) -> Iterator[Problem]:
    """What will run, but not as its owner may expect."""
    for path, _, hosted in _self_hosted(spec):
        yield from _unpinned(path, hosted)
        yield from _shared_cache(path, hosted)
        if accelerator := catalog.accelerator(hosted.accelerator.class_):
            yield from _idle_accelerators(path, hosted, accelerator)


def _self_hosted(spec: AIStackSpec) -> Iterator[tuple[str, AIModel, SelfHosted]]:
    for model in spec.models:
        if model.self_hosted:
            yield f"spec.models[{model.name}].selfHosted", model, model.self_hosted


def _source(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    scheme, _, rest = hosted.source.partition("://")
    if scheme not in SOURCES:
        return
    pattern, form = SOURCES[scheme]
    if not pattern.fullmatch(rest):
        yield Problem(
            f"{path}.source", Reason.INVALID_SPEC, f"{rest!r} can't follow {scheme}://; write {form}"
        )


def _arguments(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    arguments = hosted.runtime.args
    if arguments and not arguments[0].startswith("-"):
        yield Problem(
            f"{path}[0]",
            Reason.INVALID_SPEC,
            f"{arguments[0]!r} is no option; write options of `vllm serve`, such as --max-model-len=8192",
        )
    for name in sorted(argument_names(arguments) & OWN_ARGUMENTS.keys()):
        yield Problem(path, Reason.INVALID_SPEC, f"{name} is written by the operator; {OWN_ARGUMENTS[name]}")


def _variables(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    for variable in hosted.runtime.env:
        where = f"{path}[{variable.name}]"
        if variable.name in OWN_VARIABLES:
            yield Problem(
                where,
                Reason.INVALID_SPEC,
                f"{variable.name} is set by the operator; {OWN_VARIABLES[variable.name]}",
            )
        elif variable.value and SECRET_NAME.search(variable.name):
            yield Problem(
                f"{where}.value",
                Reason.INVALID_SPEC,
                "a secret's value would stand in the spec for everyone to read; write valueFrom.secretKeyRef",
            )


def _resources(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    requests, limits = hosted.resources.requests, hosted.resources.limits
    for name in requests.keys() & limits.keys():
        if number(requests[name]) > number(limits[name]):
            yield Problem(
                f"{path}.requests[{name}]",
                Reason.INVALID_SPEC,
                f"{requests[name]} is above its limit of {limits[name]}; write at most the limit",
            )


def _scaling(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    if hosted.scaling.targets.kv_cache_usage == 0:
        yield Problem(
            f"{path}.targets.kvCacheUsage",
            Reason.INVALID_SPEC,
            "at 0 replicas are always added; write such as 0.8",
        )
    if seconds(hosted.scaling.scale_down_after) > LONGEST_WINDOW:
        yield Problem(
            f"{path}.scaleDownAfter",
            Reason.INVALID_SPEC,
            f"{hosted.scaling.scale_down_after} is longer than an autoscaler looks back; write at most 1h",
        )


def _accelerators(path: str, hosted: SelfHosted, accelerator: AcceleratorClassSpec) -> Iterator[Problem]:
    name = accelerator.resource_name
    if name is None:
        return
    for field in ("requests", "limits"):
        if name in getattr(hosted.resources, field):
            yield Problem(
                f"{path}.resources.{field}[{name}]",
                Reason.INVALID_SPEC,
                "the accelerators are counted elsewhere; write them as accelerator.count",
            )
    ranks = _ranks(hosted)
    if ranks > hosted.accelerator.count * hosted.parallelism.nodes:
        yield Problem(
            f"{path}.accelerator.count",
            Reason.INVALID_SPEC,
            f"parallelism.tensor times pipeline needs {ranks} accelerators and a replica has "
            f"{hosted.accelerator.count}; write accelerator.count: {ranks}",
        )


def _idle_accelerators(path: str, hosted: SelfHosted, accelerator: AcceleratorClassSpec) -> Iterator[Problem]:
    count = hosted.accelerator.count
    spread = {"--data-parallel-size", "-dp"} & argument_names(hosted.runtime.args)
    if accelerator.resource_name and _ranks(hosted) < count and not spread:
        yield Problem(
            f"{path}.accelerator.count",
            Reason.INVALID_SPEC,
            f"{count - _ranks(hosted)} of {count} accelerators would be idle; "
            f"write parallelism.tensor: {count}, or --data-parallel-size in runtime.args",
        )


def _ranks(hosted: SelfHosted) -> int:
    return hosted.parallelism.tensor * hosted.parallelism.pipeline


def _shared_cache(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    """A ReadWriteOnce volume is mounted on one node, and a second pod may be put on another."""
    if hosted.cache is None or hosted.cache.access_mode != "ReadWriteOnce":
        return
    if hosted.scaling.max > 1:
        yield Problem(
            f"{path}.cache.accessMode",
            Reason.VOLUME_PENDING,
            "ReadWriteOnce holds all replicas on one node, others wait for the volume; write ReadWriteMany "
            "where a StorageClass has it, or scaling.max: 1",
        )
    elif hosted.rollout.strategy == "Surge":
        yield Problem(
            f"{path}.rollout.strategy",
            Reason.VOLUME_PENDING,
            "with a ReadWriteOnce cache a rollout waits when the new pod is put on another node; "
            "write InPlace, or cache.accessMode: ReadWriteMany",
        )


def _unpinned(path: str, hosted: SelfHosted) -> Iterator[Problem]:
    image = hosted.runtime.image
    if image and "@sha256:" not in image:
        yield Problem(
            f"{path}.runtime.image",
            Reason.NOT_PINNED,
            f"{image!r} is not pinned: the image behind a tag can change; write it as name@sha256:…",
        )
    if hosted.source.startswith("hf://") and not hosted.revision:
        yield Problem(
            f"{path}.revision",
            Reason.NOT_PINNED,
            "the model is not pinned to a revision: its files can change; write the commit's hash",
        )
