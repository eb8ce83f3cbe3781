"""What a gateway's routes mean, in no engine's words: who is tried, in which order, for how long."""

from dataclasses import dataclass

from aistack.api.gateway import Client
from aistack.resolve import ManagedModel, ResolvedGateway, ResolvedModel, ResolvedRoute, StackRef, Way
from aistack.units import seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """One way through a route: picked in proportion to `weight`, then one model an attempt."""

    weight: int
    attempts: tuple[ResolvedModel, ...]


@dataclass(frozen=True, slots=True)
class NeutralRoute:
    """A model name that clients use. Times are in seconds.

    `timeout` bounds one attempt: a whole answer must be complete, a stream must have begun. A fallback after
    a timeout gets the same time again, so a request ends after `timeout` times its attempts at the latest; a
    stream that has begun is never cut by it. `first_token_timeout` bounds a stream's beginning more tightly.
    """

    name: str
    task: str
    choices: tuple[Choice, ...]
    timeout: float
    first_token_timeout: float | None
    clients: tuple[str, ...] | None
    """The clients that may use it; None is every client that may enter."""
    requests_per_minute: int | None
    """How many requests a replica takes in a minute, over all clients; None is no limit."""
    when_down: str | None
    """The text that is answered when every attempt has failed; None is an error."""

    @property
    def streams(self) -> bool:
        """Whether an answer may come as a stream."""
        return self.task == "chat"

    @property
    def attempts(self) -> int:
        """How often a request is tried at most, the last answer included; the same for every choice."""
        return len(self.choices[0].attempts) + (self.when_down is not None)


@dataclass(frozen=True, slots=True)
class NeutralGateway:
    """A gateway as every engine is made from it."""

    resolved: ResolvedGateway
    routes: tuple[NeutralRoute, ...]
    models: tuple[ResolvedModel, ...]
    """Those that some request may arrive at, each once."""

    @property
    def stack(self) -> StackRef:
        return self.resolved.stack

    @property
    def clients(self) -> tuple[Client, ...]:
        """Empty: whoever reaches the gateway may use it."""
        return self.resolved.clients

    @property
    def managed(self) -> tuple[ManagedModel, ...]:
        return tuple(model for model in self.models if isinstance(model, ManagedModel))

    @property
    def direct(self) -> tuple[ManagedModel, ...]:
        """Managed models whose providers speak OpenAI's protocol."""
        return tuple(model for model in self.managed if not model.needs_adapter)

    @property
    def adapted(self) -> tuple[ManagedModel, ...]:
        """Managed models that are reached through the adapter; without any there is no adapter."""
        return tuple(model for model in self.managed if model.needs_adapter)

    @property
    def longest_timeout(self) -> float:
        """Seconds that the slowest route gives one attempt."""
        return max(route.timeout for route in self.routes)


def neutral(gateway: ResolvedGateway) -> NeutralGateway:
    routes = tuple(_neutral(route, gateway.clients) for route in gateway.routes)
    return NeutralGateway(gateway, routes, gateway.reached)


def _neutral(route: ResolvedRoute, clients: tuple[Client, ...]) -> NeutralRoute:
    spec = route.spec
    first_token = seconds(spec.first_token_timeout) if spec.first_token_timeout else None
    return NeutralRoute(
        name=route.name,
        task=route.targets[0].model.spec.task,
        choices=_choices(route),
        timeout=seconds(spec.timeout),
        first_token_timeout=first_token or None,
        clients=_allowed(route.name, clients),
        requests_per_minute=spec.limits.requests_per_minute,
        when_down=spec.when_down.message if spec.when_down else None,
    )


def _choices(route: ResolvedRoute) -> tuple[Choice, ...]:
    return tuple(Choice(way.weight, _attempts(way, route.spec.retries)) for way in route.ways)


def _attempts(way: Way, retries: int) -> tuple[ResolvedModel, ...]:
    """Attempts that are left over go to further replicas of the first model."""
    left_over = max(0, 1 + retries - len(way.models))
    return (*[way.models[0]] * left_over, *way.models)


def _allowed(route: str, clients: tuple[Client, ...]) -> tuple[str, ...] | None:
    """A client that names no routes may use all of them."""
    if all(not client.routes or route in client.routes for client in clients):
        return None
    return tuple(client.name for client in clients if not client.routes or route in client.routes)
