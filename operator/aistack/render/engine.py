"""One vLLM process: its command line, its environment, what it needs, and how long it may take to start."""

from collections.abc import Iterator
from math import ceil

from aistack.hosting import argument_names
from aistack.kinds import Manifest
from aistack.render import engine_log
from aistack.resolved import SelfHostedModel
from aistack.units import GIB, number

CACHE = "/cache"
"""Where downloaded models are kept: the cache's claim, or a volume that ends with the pod."""
HOME = "/home/vllm"
SOURCE = "/model"
"""Where the claim of a pvc:// source is mounted."""
SHUTDOWN_SECONDS = 45
"""How long requests in flight may go on after the signal to stop."""

ANSWERS_TO_ANY_NAME = (0, 21)
"""vLLM's version from which on it can: https://github.com/vllm-project/vllm/pull/34676."""

DEFAULT_CORES = 2
DEFAULT_MEMORY_GIB = 8
"""Both per accelerator: weights reach it in pieces, so the host needs less memory than they do."""


def location(model: SelfHostedModel) -> str:
    """What vLLM is told to load: a name on the Hugging Face hub, or a folder of the mounted claim."""
    scheme, _, rest = model.hosted.source.partition("://")
    if scheme == "pvc":
        _, _, folder = rest.partition("/")
        return f"{SOURCE}/{folder}".rstrip("/")
    return rest


def claim_of_source(model: SelfHostedModel) -> str | None:
    """The PersistentVolumeClaim that a pvc:// source names."""
    scheme, _, rest = model.hosted.source.partition("://")
    return rest.partition("/")[0] if scheme == "pvc" else None


def arguments(model: SelfHostedModel) -> Iterator[str]:
    """The command line after `vllm serve`; the declared arguments come last."""
    hosted, version = model.hosted, version_of(model)
    yield location(model)
    yield from ("--served-model-name", *served_names(model, version))
    yield "--port=8000"
    if hosted.revision and claim_of_source(model) is None:
        yield f"--revision={hosted.revision}"
    if model.spec.task != "chat":
        yield _pooling(model.spec.task, version)
    if model.spec.context_window and "--max-model-len" not in argument_names(hosted.runtime.args):
        yield f"--max-model-len={model.spec.context_window}"
    if hosted.parallelism.tensor > 1:
        yield f"--tensor-parallel-size={hosted.parallelism.tensor}"
    if hosted.parallelism.pipeline > 1:
        yield f"--pipeline-parallel-size={hosted.parallelism.pipeline}"
    if version >= (0, 16):
        yield "--disable-access-log-for-endpoints=/health,/metrics,/ping"
    if version >= (0, 18):
        yield f"--shutdown-timeout={SHUTDOWN_SECONDS}"
    yield from hosted.runtime.args


def version_of(model: SelfHostedModel) -> tuple[int, ...]:
    return tuple(int(part) for part in model.version.split("."))


def served_names(model: SelfHostedModel, version: tuple[int, ...]) -> tuple[str, ...]:
    """Its own, where vLLM can be told to answer to any: a new route must not start a model anew."""
    return (model.name,) if version >= ANSWERS_TO_ANY_NAME else model.served_names


def _pooling(task: str, version: tuple[int, ...]) -> str:
    """Models that return vectors or scores: `--runner` from 0.10.1 on, `--task` before."""
    if version >= (0, 10, 1):
        return "--runner=pooling"
    return "--task=embed" if task == "embedding" else "--task=score"


def environment(model: SelfHostedModel) -> list[Manifest]:
    """The container's variables, by name once each; a declared one wins over ours."""
    hosted = model.hosted
    values = {
        "HOME": HOME,
        "USER": "vllm",  # PyTorch asks for the user's name, and the image has none for this user id
        "HF_HOME": f"{CACHE}/huggingface",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_CONFIG_PATH": engine_log.PATH,
    }
    if claim_of_source(model):
        values["HF_HUB_OFFLINE"] = "1"
    if version_of(model) >= ANSWERS_TO_ANY_NAME:
        values["VLLM_SKIP_MODEL_NAME_VALIDATION"] = "1"
    if not model.accelerator.resource_name:
        values |= _cpu_environment(model)
    variables: dict[str, Manifest] = {name: {"name": name, "value": value} for name, value in values.items()}
    if hosted.credentials and hosted.credentials.secret_key_ref:
        secret = hosted.credentials.secret_key_ref
        variables["HF_TOKEN"] = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": secret.dump()}}
    variables |= {variable.name: variable.dump() for variable in hosted.runtime.env}
    return list(variables.values())


def _cpu_environment(model: SelfHostedModel) -> dict[str, str]:
    """Without an accelerator: a quarter of the memory for the key-value cache, a thread a core of the pod.

    vLLM would else bind its threads to cores that the pod may share, and start one for each of the node's.
    """
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(max(1, int(_amount(model, "memory") / GIB / 4))),  # GiB
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(max(1, int(_amount(model, "cpu")))),
    }


def resources(model: SelfHostedModel) -> Manifest:
    """The declared requests and limits, the accelerators, and a default for what neither of them names."""
    declared = model.hosted.resources
    count = model.hosted.accelerator.count
    limits = dict(declared.limits)
    if model.accelerator.resource_name:
        limits[model.accelerator.resource_name] = str(count)
    defaults = {"cpu": str(DEFAULT_CORES * count), "memory": f"{DEFAULT_MEMORY_GIB * count}Gi"}
    requests = {name: amount for name, amount in defaults.items() if name not in limits}
    requests |= declared.requests
    return {"requests": requests} | ({"limits": limits} if limits else {})


def _amount(model: SelfHostedModel, resource: str) -> float:
    """What the scheduler sets aside for a pod: Kubernetes takes the limit where nothing is requested."""
    wanted = resources(model)
    return number((wanted.get("limits", {}) | wanted["requests"])[resource])


def shared_memory(model: SelfHostedModel) -> str:
    """The size of /dev/shm: 2 GiB for each of several ranks; one process needs more than 160 MiB."""
    ranks = model.hosted.parallelism.tensor * model.hosted.parallelism.pipeline
    return f"{2 * ranks}Gi" if ranks > 1 else "256Mi"


def startup_seconds(model: SelfHostedModel) -> int:
    """How long a replica may take from its start to its first answer, in whole minutes.

    Ten minutes for imports, kernels and graphs, and the time to load the largest model that the pod could
    hold: its accelerators' memory, or else its own, at 20 s a GiB from the hub (50 MiB/s) and 5 s a GiB from
    a claim (200 MiB/s); at most three hours. A cache shortens a later start, not the first one.
    """
    on_accelerators = number(model.accelerator.memory or "0") * model.hosted.accelerator.count
    gib = (on_accelerators or _amount(model, "memory")) / GIB
    seconds_a_gib = 5 if claim_of_source(model) else 20
    return min(3 * 3600, 600 + 60 * ceil(gib * seconds_a_gib / 60))
