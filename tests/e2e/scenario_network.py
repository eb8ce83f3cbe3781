"""NetworkPolicies are enforced: what a stack declares passes, and nothing else."""

from collections.abc import Iterator

import pytest

from tests.e2e.stacks import Stack, eventually, example, namespace
from tests.e2e.world import World

ENFORCED_WITHIN = 15.0  # seconds
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@pytest.fixture(scope="module", autouse=True)
def neighbour(world: World) -> Iterator[None]:
    """Another namespace with a client in it."""
    with namespace(world.cluster, "neighbour"):
        yield


def reaches(stack: Stack, host: str, port: int, *, of: str = "client", within: str | None = None) -> bool:
    """Whether a pod (of the stack's namespace, or `within` another) can connect."""
    where = f"--namespace={within or stack.namespace}"
    python = ("python3", "-c", CONNECT, host, str(port))
    said = stack.cluster.kubectl("exec", where, of, "--", *python, check=False)
    assert not said or "Error" in said or "command terminated" in said, said
    return not said


def closed(stack: Stack, host: str, port: int, *, of: str = "client", within: str | None = None) -> bool:
    """Whether a pod can't connect, and goes on not to: a network takes a moment to enforce a new policy."""
    what = f"{host}:{port} is closed to {of} of {within or stack.namespace}"
    eventually(lambda: not reaches(stack, host, port, of=of, within=within), lambda: what, ENFORCED_WITHIN)
    return not reaches(stack, host, port, of=of, within=within)


def address_of(stack: Stack, part: str) -> str:
    first, *_ = stack.replicas(part).values()
    return first.address


def test_the_gateway_without_keys_is_for_its_own_namespace(hello: Stack) -> None:
    address = f"hello-gateway.{hello.namespace}.svc"
    assert reaches(hello, address, 80)
    assert closed(hello, address, 80, within="neighbour")


def test_a_model_is_reached_by_its_gateway_only(hello: Stack) -> None:
    address = address_of(hello, "qwen")
    assert closed(hello, address, 8000)
    assert closed(hello, address, 8000, within="neighbour")
    assert hello.ask("qwen")["status"] == 200


def test_the_store_of_counters_is_reached_by_who_counts_only(hello: Stack) -> None:
    limits = {"requestsPerMinute": 1000}
    route = {"name": "qwen", "targets": [{"model": "qwen"}], "limits": limits}
    stack = example("smallest")
    stack["spec"]["gateway"] = {"limitScope": "Global", "routes": [route]}
    hello.apply(stack)
    hello.wait_until_ready()
    address = address_of(hello, "redis")
    assert closed(hello, address, 6379)
    assert closed(hello, address, 6379, within="neighbour")
    assert hello.ask("qwen")["status"] == 200


def test_a_model_reaches_the_hub_and_not_its_neighbours(hello: Stack) -> None:
    model = "deployment/hello-qwen"
    assert reaches(hello, "huggingface.co", 443, of=model)
    assert closed(hello, "hello-gateway", 80, of=model)
    assert closed(hello, "kubernetes.default.svc", 443, of=model)
