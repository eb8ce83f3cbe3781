"""The line that every stack goes through, from what was asked to what is true.

Level-triggered: it looks at what is, never at what happened; running it twice changes nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import ValidationError

from aistack import apply, health, status
from aistack.accounts import Accounts
from aistack.allowances import judgement, limits_status
from aistack.api import AIStack, ConditionType, Reason
from aistack.api.base import Metadata
from aistack.api.stack import AIStackStatus, CostStatus, InventoryItem, RecordsStatus, RouteStatus
from aistack.api.validation import problems
from aistack.budget import Reservation, claim_of, standing_claim
from aistack.budget.refusal import summary
from aistack.causes import shortened
from aistack.cost import cost_status
from aistack.cost.breakeven import break_evens
from aistack.errors import Conflict, NotFound, Refused, Unavailable
from aistack.events import events
from aistack.govern import Verdict
from aistack.health import Subject
from aistack.intent import intent_of
from aistack.kinds import AISTACK, CONFIG_MAP, EVENT, Manifest
from aistack.kube import Kube
from aistack.observed import Awaited, Child, Observed
from aistack.platform import Platform, judged
from aistack.problem import Problem
from aistack.recording import recorded, still_there
from aistack.records import COMPONENT as RECORDS
from aistack.records import Content
from aistack.render import render
from aistack.render.gateway.demand import Sleeper
from aistack.resolved import ResolvedStack, StackRef
from aistack.rollout import Rollout, rollout
from aistack.waking import both_ways, followed

SOON, LATER = 10.0, 60.0
"""Seconds until what no watch will tell of is looked at again; later where only a person can help."""
STOPPED = Problem(
    "spec.suspend",
    Reason.SUSPENDED,
    "no workload runs; data and configuration are kept, and the money is held",
)
UNEXPLAINED_AFTER = timedelta(seconds=10)
"""How long a pod may take to start before its events are read for the reason: most explain themselves."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind, and when to look again."""

    ready: bool
    reason: str
    deleted: tuple[Child, ...] = ()
    results: Mapping[tuple[str, str], int] | None = None
    """How many rules of each policy came out how; None where the spec could not be judged."""
    cost: CostStatus | None = None
    """What a month costs; None where the spec could not be priced."""
    failed: bool = False
    """Something was not written that may be written at the next try."""
    retry_after: float | None = None
    """Seconds until something that no watch will tell of is to be looked at."""
    awaited: tuple[Awaited, ...] = ()
    """The fronts' pods whose loaders are to be asked for what is live."""
    sleepers: tuple[Sleeper, ...] | None = None
    """The models that may be at zero, whose fronts are to be asked who asks for them; None: as before."""
    balanced: tuple[RouteStatus, ...] | None = None
    """The routes the latencies of whose targets are to be measured; None: as before."""


async def reconcile(
    raw: Manifest, observed: Observed, platform: Platform, kube: Kube, now: datetime, *, accounts: Accounts
) -> Outcome:
    """Takes one stack through the line. `now` is UTC.

    Raises errors.Unavailable and errors.NotLeader; every other trouble ends up in the stack's status.
    """
    generation = raw["metadata"]["generation"]
    before = _with_what_is_there(AIStackStatus.of(raw), observed, raw["metadata"]["uid"])
    refuse = partial(
        _refuse, raw, before, observed=observed, platform=platform, kube=kube, now=now, accounts=accounts
    )
    try:
        stack = AIStack.read({**raw, "status": {}})
    except ValidationError as error:
        found = [Problem("spec", Reason.INVALID_SPEC, line) for line in problems(error, raw)]
        return await refuse(found, stops=raw.get("spec", {}).get("suspend") is True)
    resolution = platform.resolve(stack)
    if resolution.stack is None:
        said = judged(resolution.meaning, platform)[1] if resolution.meaning else None
        return await refuse(
            resolution.problems, stops=stack.spec.suspend, verdict=said, records=before.records
        )
    intent = intent_of(stack, resolution.stack, before, observed=observed, platform=platform, now=now)
    wanted, verdict, counting = intent.wanted, intent.verdict, intent.counting
    record = partial(recorded, before=before, observed=observed.only(RECORDS), kube=kube, now=now)
    observed = observed.without(RECORDS)
    verdicts = break_evens(intent.meant, platform.prices, intent.assumptions)
    content = Content(wanted, verdict, intent.quoted, verdicts, runs=False)
    manifests = render(wanted)
    # What only stops is never held up: it would run on, and cost more.
    stops = wanted.spec.suspend and bool(before.inventory)
    running = stops or _runs(intent.last, before, wanted, manifests)
    refusals = (*platform.doubts(stack.metadata), *_refusals(verdict, before, observed, generation))
    if refusals and not running:
        return await refuse(refusals, verdict=verdict, records=await record(content))
    claim = claim_of(intent.meant, intent.estimated)
    if not running:
        await accounts.hold(standing_claim(stack.metadata, before), counting)
    reservation = await accounts.commit(claim, counting, running=running)
    if reservation.denied and not running:
        unpaid = [summary(obstacle) for obstacle in reservation.obstacles]
        records = await record(content)
        after = status.refused(
            generation, unpaid, before, now, verdict=verdict, reservation=reservation, records=records
        )
        outcome = await _write(raw, before, after, kube, now)
        return replace(outcome, results=verdict.tally, cost=cost_status(intent.estimated), retry_after=LATER)

    made = await _made(wanted, manifests, before, observed=observed, kube=kube, now=now)
    if made is None:
        return Outcome(ready=False, reason=Reason.TERMINATING)
    if made.is_rolled_out:
        reservation = await accounts.release(claim, counting, reservation)

    after = status.reported(
        wanted,
        made.state,
        generation=generation,
        verdict=verdict,
        cost=cost_status(
            intent.quoted,
            verdicts,
            observed.metered,
            before.cost,
            limits_status(intent.limits),
            counted=intent.estimated,
        ),
        reservation=reservation,
        records=await record(replace(content, runs=True)),
        failures=made.applied.failures,
        inventory=made.applied.inventory,
        before=before,
        now=now,
        restraint=intent.restraint,
        limits=judgement(intent.limits),
        routes=intent.routes,
    )
    outcome = await _write(raw, before, after, kube, now)
    return replace(
        outcome,
        deleted=made.deleted,
        results=verdict.tally,
        cost=after.cost,
        failed=any(failure.transient for failure in made.applied.failures),
        retry_after=_retry_after(made, reservation),
        awaited=made.fronts.awaited,
        sleepers=followed(wanted, observed),
        balanced=intent.routes,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """How the objects of a stack are after they were written and deleted."""

    applied: apply.Applied
    deleted: tuple[Child, ...]
    fronts: Rollout
    state: health.Health
    is_rolled_out: bool
    """Nothing of an earlier spec runs any more."""
    lingering: bool
    """Something is still to be deleted, once the fronts that call it have ended."""


async def _made(
    wanted: ResolvedStack,
    manifests: Sequence[Manifest],
    before: AIStackStatus,
    *,
    observed: Observed,
    kube: Kube,
    now: datetime,
) -> _Made | None:
    """Makes of a stack's objects what is wanted; None where the stack itself is gone by now."""
    decided = apply.plan(wanted.ref, manifests, before.inventory, observed)
    if decided.anew and not await still_there(wanted.ref, kube):
        return None
    applied = await apply.execute(wanted.ref, decided, kube)
    seen = _with_writes(observed, applied.written)
    fronts = rollout(
        wanted,
        manifests,
        seen,
        now,
        changed=any(child.kind == CONFIG_MAP.kind for child in applied.written),
        was_ready=any(row.name == "gateway" and row.ready for row in before.components),
    )
    await apply.tell(wanted.ref, fronts.untold, fronts.news, kube)
    deleted = await apply.prune(wanted.ref, decided, applied, kube, rerouted=fronts.rerouted)
    state = await _explained(health.assess(wanted, seen, applied.failures, fronts), wanted.ref, kube, now)
    return _Made(
        applied,
        deleted,
        fronts,
        state,
        is_rolled_out=state.settled and apply.is_rolled_out(wanted.ref, manifests, applied, seen),
        lingering=fronts.lingering > 0 and len(deleted) < len(decided.deletions),
    )


def _runs(
    last: ResolvedStack, before: AIStackStatus, wanted: ResolvedStack, manifests: Sequence[Manifest]
) -> bool:
    """Whether a stack was applied before, whichever models were at zero; `manifests` are those `wanted`."""
    renderings = (manifests if each == wanted else render(each) for each in both_ways(last))
    return apply.is_applied(renderings, before.inventory)


async def _refuse(
    raw: Manifest,
    before: AIStackStatus,
    found: Sequence[Problem],
    *,
    observed: Observed,
    platform: Platform,
    kube: Kube,
    now: datetime,
    accounts: Accounts,
    verdict: Verdict | None = None,
    records: RecordsStatus | None = None,
    stops: bool = False,
) -> Outcome:
    """The newest spec isn't taken. What runs goes on, and is counted where the stack belongs by now; unless
    it is to stop, which needs no spec that could be served."""
    stack = Metadata.read(raw["metadata"])
    counting = platform.budgets.counting(stack)
    reservation = await accounts.hold(standing_claim(stack, before), counting)
    shown, deleted = before, tuple[Child, ...]()
    if (stops or (verdict and verdict.suspensions)) and before.inventory:
        deleted = await apply.stop(StackRef(stack.name, stack.namespace, stack.uid), observed, kube)
        shown, found = status.stopped(before), (*found, STOPPED)
    after = status.refused(
        stack.generation, found, shown, now, verdict=verdict, reservation=reservation, records=records
    )
    outcome = await _write(raw, before, after, kube, now)
    return replace(outcome, deleted=deleted, results=verdict.tally if verdict else None)


def _with_what_is_there(said: AIStackStatus, observed: Observed, uid: str) -> AIStackStatus:
    """A status that was lost or forged is no sign that nothing runs: the objects that are there are."""
    if said.inventory:
        return said
    there = [child for child in observed.without(RECORDS).children.values() if child.owner_uid == uid]
    items = [InventoryItem(kind=each.kind, name=each.name, applied="", owned=each.owned) for each in there]
    return said.model_copy(update={"inventory": tuple(items)})


def _runs_already(before: AIStackStatus, observed: Observed, generation: int) -> bool:
    """Whether it is the newest spec that runs, however it would be rendered by now; where the status was lost
    it is taken to be. ModelsReady is of the spec that was applied last."""
    said = {condition.type: condition.observed_generation for condition in before.conditions}
    is_applied = said.get(ConditionType.MODELS_READY) == generation if said else True
    return is_applied and any(each.workload and each.workload.wanted for each in observed.children.values())


def _refusals(
    verdict: Verdict, before: AIStackStatus, observed: Observed, generation: int
) -> tuple[Problem, ...]:
    """What runs may go on breaking the rules that it breaks; what is suspended for that runs no more."""
    if not before.inventory:
        return verdict.denials
    standing = verdict.broken if _runs_already(before, observed, generation) else before.broken
    return () if verdict.suspensions else verdict.refusals(standing)


def _retry_after(made: _Made, reservation: Reservation) -> float | None:
    failures = made.applied.failures
    if any(failure.transient for failure in failures):
        return None  # the queue's own back-off begins far sooner
    terminating = any(failure.reason is Reason.TERMINATING for failure in failures)
    # What was written and has changed nothing is told of by no watch, and money may be given back then.
    unwatched = made.state.settled and bool(made.applied.written)
    if made.state.unexplained or made.lingering or terminating or unwatched:
        return SOON
    return LATER if failures or reservation.denied else None


async def _write(
    raw: Manifest, before: AIStackStatus, after: AIStackStatus, kube: Kube, now: datetime
) -> Outcome:
    """Writes the status if it differs from the one that is there; a stack that is gone needs none."""
    ready = next(item for item in after.conditions if item.type == ConditionType.READY)
    outcome = Outcome(ready.status == "True", ready.reason)
    if after == before:
        return outcome
    meta = raw["metadata"]
    try:
        await kube.replace_status(
            AISTACK, meta["namespace"], meta["name"], uid=meta["uid"], status=after.dump()
        )
    except NotFound:
        return outcome
    except Conflict as error:  # another stack by now, or too many writers at once: look again
        raise Unavailable(error.status, error.reason, error.message) from error
    for event in events(raw, before, after, now):
        with suppress(Refused, Conflict, NotFound):  # told already, or nobody is there to be told
            await kube.create(EVENT, event)
    return outcome


def _with_writes(observed: Observed, written: Sequence[Child]) -> Observed:
    """What is seen, with the answers to our own writes, which no watch has told of yet."""
    fresh = {(child.kind, child.name): child for child in written}
    return replace(observed, children={**observed.children, **fresh})


async def _explained(state: health.Health, stack: StackRef, kube: Kube, now: datetime) -> health.Health:
    """With the words of events about what has taken long and says nothing itself."""
    old = [subject for subject in state.unexplained if _unexplained_for_long(subject, now)]
    return state.explained(await _event_words(kube, stack.namespace, old)) if old else state


def _unexplained_for_long(subject: Subject, now: datetime) -> bool:
    return not subject.created or now - datetime.fromisoformat(subject.created) >= UNEXPLAINED_AFTER


async def _event_words(kube: Kube, namespace: str, subjects: Sequence[Subject]) -> Mapping[str, str]:
    """The newest warning about each object, by its uid."""
    found = await asyncio.gather(*(_newest_warning(kube, namespace, subject) for subject in subjects))
    return {subject.uid: words for subject, words in zip(subjects, found, strict=True) if words}


async def _newest_warning(kube: Kube, namespace: str, subject: Subject) -> str:
    selector = f"involvedObject.uid={subject.uid},type=Warning"
    events = [
        event
        async for page in kube.pages(EVENT, namespace=namespace, field_selector=selector)
        for event in page.items
    ]
    newest = max(events, key=_event_time, default={})
    return shortened(newest.get("message", ""))


def _event_time(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), event["metadata"]["creationTimestamp"]))
