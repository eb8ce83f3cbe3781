"""Models that may be at zero: which of them run is decided by who asks for them.

What is decided is kept in the cluster, as the Deployment's number of replicas: it stays while nobody knows
better, as after a restart of the operator.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from aistack.kinds import DEPLOYMENT
from aistack.observed import Observed, Want
from aistack.render.gateway.demand import Sleeper, sleepers
from aistack.resolved import ManagedModel, ResolvedModel, ResolvedStack, SelfHostedModel

UNHEARD_AFTER = 30.0
"""Seconds of silence of all fronts until nobody knows whether requests wait."""

Counts = Mapping[str, int]
"""A front's statistics by name; one that is not there is 0."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What is known of those who ask for one model. Times are seconds of one clock."""

    asked: float
    """When somebody asked last, or a front was silent that may know better; at first when it was looked."""
    heard: float
    """When not all fronts were silent."""
    counted: Mapping[str, Counts]
    """What each front had counted of those who are meant for the model, by its pod's uid."""
    want: Want | None = None
    """None: nobody asks yet, and nobody has to."""


def looked(
    before: Interest | None, sleeper: Sleeper, answers: Mapping[str, Counts], silent: int, now: float
) -> Interest:
    """`answers` are those of the fronts, by their pods' uids; so many others were `silent`.

    A counter that is lower than it was has begun again; what a new front, or a new counter, has counted has
    just been asked. One that is gone, as those of a list of models that another took the place of, says
    nothing.
    """
    counted = {uid: {name: said.get(name, 0) for name in sleeper.counted} for uid, said in answers.items()}
    under_way = any(said.get(name, 0) for said in answers.values() for name in sleeper.under_way)
    if before is None:
        before = Interest(now, now, counted)
    grown = any(
        count and count != before.counted.get(uid, {}).get(name, 0)
        for uid, counts in counted.items()
        for name, count in counts.items()
    )
    asked = under_way or grown
    since = now if asked or silent else before.asked
    heard = now if answers or not silent else before.heard
    return Interest(
        asked=since,
        heard=heard,
        counted={**before.counted, **counted} if silent else counted,
        want=_want(before, sleeper.idle_after, asked=asked, idle=now - since, unheard=now - heard),
    )


def _want(
    before: Interest, idle_after: float | None, *, asked: bool, idle: float, unheard: float
) -> Want | None:
    if asked:
        return Want.ASKED
    if unheard >= UNHEARD_AFTER:
        return Want.UNKNOWN
    if idle_after is not None and idle >= idle_after:
        return Want.IDLE
    return None if before.want is Want.UNKNOWN else before.want


def followed(stack: ResolvedStack, observed: Observed) -> tuple[Sleeper, ...]:
    """The models that may be at zero and whose fronts are to be asked who asks for them: those that a request
    may start, and while it runs also one that no request arrives at any more. None where all are to end.
    """
    if stack.spec.suspend:
        return ()
    reached = {model.name for model in stack.gateway.reached}
    unreached = (model for model in stack.self_hosted if model.name not in reached)
    ending = (model for model in unreached if model.hosted.scaling.min == 0 and _runs(model, observed))
    return sleepers(stack.gateway, ending)


def woken(stack: ResolvedStack, observed: Observed) -> ResolvedStack:
    """The stack with a replica at least of each model that is asked for, or runs and is not idle."""
    return _with_awake(stack, {model.name for model in stack.self_hosted if _is_awake(model, observed)})


def both_ways(stack: ResolvedStack) -> tuple[ResolvedStack, ...]:
    """The stack with all its models awake, and with those at zero that may be."""
    awake = _with_awake(stack, {model.name for model in stack.models})
    return (stack,) if awake is stack else (awake, stack)


def _is_awake(model: SelfHostedModel, observed: Observed) -> bool:
    want = observed.wants.get(model.name)
    if want in {Want.ASKED, Want.IDLE}:
        return want is Want.ASKED
    return _runs(model, observed)


def _runs(model: SelfHostedModel, observed: Observed) -> bool:
    deployment = observed.children.get((DEPLOYMENT.kind, model.object_name))
    return bool(deployment and deployment.workload and deployment.workload.wanted)


def _with_awake(stack: ResolvedStack, names: Set[str]) -> ResolvedStack:
    if not any(model.at_zero for model in stack.self_hosted):
        return stack
    return replace(stack, models=tuple(_awake(model, names) for model in stack.models))


def _awake(model: ResolvedModel, names: Set[str]) -> ResolvedModel:
    if isinstance(model, ManagedModel) or not model.at_zero or model.name not in names:
        return model
    return replace(model, replicas=replace(model.replicas, min=1))
