"""Where the front finds what it needs: the ports and paths of its pod, the addresses behind it."""

from collections.abc import Callable
from dataclasses import dataclass

from aistack.render.gateway.provider import Address, Provider
from aistack.resolved import SelfHostedModel, StackRef


def service_of_model(model: SelfHostedModel) -> Address:
    """The headless Service, by its bare name: the front is always in its namespace."""
    return Address(model.object_name, 8000)


def address_of_provider(provider: Provider) -> Address:
    return provider.address


def service_of_adapter(stack: StackRef) -> Address:
    return Address(stack.child("adapter"), 4000)


def service_of_ratelimit(stack: StackRef) -> Address:
    return Address(stack.child("ratelimit"), 8081)


def service_of_queue(stack: StackRef) -> Address:
    return Address(stack.child("queue"), 8080)


def service_of_redis(stack: StackRef) -> Address:
    return Address(stack.child("redis"), 6379)


def service_of_front(stack: StackRef) -> Address:
    return Address(stack.child("gateway"), INNER.port)


def service_of_cache(stack: StackRef) -> Address:
    return Address(stack.child("cache"), 6379)


EVERYWHERE = "0.0.0.0"  # noqa: S104 - a pod is reached on its own address only
CLIENTS = Address(EVERYWHERE, 8080)
INNER = Address(EVERYWHERE, 8082)
"""Where a front is asked behind its clients: by the adapter for the answers of intercepted routes, by the
queue for those of requests that wait, and by itself before it sends a request to the queue."""
PROBES = Address(EVERYWHERE, 9903)
"""Where the kubelet asks whether Envoy is alive."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place that a front runs in. The default is its pod."""

    listen: Address = CLIENTS
    inner: Address = INNER
    probe: Address = PROBES
    config: str = "/etc/aistack/config"
    """The mounted ConfigMap."""
    live: str = "/run/aistack"
    """What the loader handed to Envoy, the key files, and the socket of Envoy's admin interface."""
    trusted_ca: str = "/etc/ssl/certs/ca-certificates.crt"
    """The certificate authorities of Envoy's image."""
    model_address: Callable[[SelfHostedModel], Address] = service_of_model
    provider_address: Callable[[Provider], Address] = address_of_provider
    adapter_address: Callable[[StackRef], Address] = service_of_adapter
    ratelimit_address: Callable[[StackRef], Address] = service_of_ratelimit
    redis_address: Callable[[StackRef], Address] = service_of_redis
    queue_address: Callable[[StackRef], Address] = service_of_queue
    front_address: Callable[[StackRef], Address] = service_of_front
    """The inner listeners of all fronts."""
    cache_address: Callable[[StackRef], Address] = service_of_cache


POD = Site()
