"""From policies, exceptions and a stack to a verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from aistack.api import API_VERSION, AIPolicy, AIPolicyException
from aistack.api.policies import Rule
from aistack.govern.exceptions import ends_soon, waiver
from aistack.govern.facts import Facts
from aistack.govern.matching import matches
from aistack.govern.rules import Failure, activation, condition, text, together
from aistack.govern.survey import Money, facts_of
from aistack.govern.verdict import Holding, Outcome, Result, Verdict, in_force
from aistack.kinds import Manifest
from aistack.resolved import ResolvedStack, StackRef

__all__ = [
    "NO_POLICIES",
    "Money",
    "Outcome",
    "Policies",
    "Result",
    "Verdict",
    "evaluate",
    "facts_of",
    "judge",
]

LONGEST_FOUND = 512
"""Characters of one finding."""


@dataclass(frozen=True, slots=True)
class Policies:
    """All that a stack is judged by, at one moment."""

    policies: Sequence[AIPolicy] = ()
    exceptions: Sequence[AIPolicyException] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The labels of each namespace."""
    now: datetime = datetime(1, 1, 1, tzinfo=UTC)


NO_POLICIES = Policies()


def judge(stack: ResolvedStack, by: Policies, money: Money, old: ResolvedStack | None = None) -> Verdict:
    """The verdict on a stack where it is, when it is asked for.

    `money` is what policies can ask of cost, `old` the stack before an update.
    """
    if not by.policies:
        return Verdict()
    exceptions = [item for item in by.exceptions if item.metadata.namespace == stack.ref.namespace]
    labels = by.namespaces.get(stack.ref.namespace, {})
    facts = facts_of(stack, by.now.date(), money)
    return evaluate(stack, by.policies, exceptions, labels, by.now, old=old, facts=facts)


def evaluate(
    stack: ResolvedStack,
    policies: Sequence[AIPolicy],
    exceptions: Sequence[AIPolicyException],
    namespace_labels: Mapping[str, str],
    now: datetime,
    *,
    old: ResolvedStack | None = None,
    facts: Facts | None = None,
) -> Verdict:
    """Every rule of every policy that is about `stack`, in the order of the policies' names.

    `now` is UTC. `old` is the stack before an update. `facts` are what `facts_of` gave where prices and
    budgets are known; without them they are looked up in the stack alone.
    """
    applying = [policy for policy in policies if matches(policy.spec.match, stack, namespace_labels)]
    if not applying:
        return Verdict()
    applying.sort(key=lambda policy: policy.metadata.name)
    this = wire(stack)
    variables = activation(
        this=this,
        old=wire(old) if old else None,
        namespace={"metadata": {"name": stack.ref.namespace, "labels": dict(namespace_labels)}},
        facts=(facts or facts_of(stack, now.date())).dump(),
        params={
            policy.metadata.name: {name: list(values) for name, values in policy.spec.params.items()}
            for policy in applying
        },
    )
    case = _Case(stack.ref, this, variables, exceptions, now)
    return Verdict(tuple(result for policy in applying for result in _results(policy, case)))


@dataclass(frozen=True, slots=True)
class _Case:
    """What is judged, and what may excuse it."""

    ref: StackRef
    this: Manifest
    variables: Any
    exceptions: Sequence[AIPolicyException]
    now: datetime


def wire(stack: ResolvedStack) -> Manifest:
    """The object as the API server would show it to a rule: with its defaults, and as it was written."""
    sent = stack.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    return {
        "apiVersion": API_VERSION,
        "kind": "AIStack",
        "metadata": _shown(stack.metadata.dump(), {}),
        "spec": _shown(stack.spec.dump(), sent),
    }


def _shown(value: Manifest, sent: Any) -> Manifest:
    """Without what is empty, unless it was written so: `[]` is there for a rule, an absent list is not.

    On the way of every review: what is neither map nor list is passed over without a call.
    """
    known = sent if isinstance(sent, dict) else {}
    kept: Manifest = {}
    for key, item in value.items():
        if isinstance(item, dict):
            shown: Any = _shown(item, known.get(key))
        elif isinstance(item, list):
            shown = _shown_items(item, known.get(key))
        else:
            kept[key] = item
            continue
        if shown or key in known:
            kept[key] = shown
    return kept


def _shown_items(items: list[Any], sent: Any) -> list[Any]:
    each_sent = sent if isinstance(sent, list) else repeat(None)
    pairs = zip(items, each_sent, strict=False)
    return [_shown(item, known) if isinstance(item, dict) else item for item, known in pairs]


def _results(policy: AIPolicy, case: _Case) -> Iterator[Result]:
    holding = _holding(policy, case)
    for rule, answer in zip(policy.spec.rules, _answers(policy, case), strict=True):
        yield Result(holding, rule) if answer is True else _broken(rule, answer, policy, holding, case)


def _answers(policy: AIPolicy, case: _Case) -> Sequence[Any]:
    """What each rule gives. Where one has no answer, each is asked by itself."""
    name = policy.metadata.name
    expressions = tuple(rule.expression for rule in policy.spec.rules)
    answers = together(expressions, name).answer(case.variables)
    if isinstance(answers, Failure):
        return [condition(expression, name).answer(case.variables) for expression in expressions]
    return list(answers)


def _broken(rule: Rule, answer: Any, policy: AIPolicy, holding: Holding, case: _Case) -> Result:
    """A rule that has no answer is broken: it never passes in silence."""
    name = policy.metadata.name
    waived_by = waiver(case.exceptions, policy, rule.id, case.ref, case.now)
    if answer is False:
        outcome, found = Outcome.FAILED, _found(rule, name, case)
    else:
        why = answer.why if isinstance(answer, Failure) else f"gives {answer!r}, not true or false"
        outcome, found = Outcome.ERROR, (why,)
    return Result(
        holding,
        rule,
        outcome=Outcome.WAIVED if waived_by else outcome,
        found=found,
        waived_by=waived_by,
        ends_soon=waived_by is not None and ends_soon(waived_by, case.now),
    )


def _holding(policy: AIPolicy, case: _Case) -> Holding:
    action, denies_from = in_force(policy.spec, case.now)
    return Holding(
        policy=policy.metadata.name,
        action=action,
        namespace=case.ref.namespace,
        waivable=policy.spec.exceptions == "Allowed",
        denies_from=denies_from,
        on_violation=policy.spec.on_violation,
    )


def _found(rule: Rule, policy: str, case: _Case) -> tuple[str, ...]:
    """What a reader should see: the rule's own words, or else what stands at its field."""
    if not rule.found:
        return (_standing(rule, case.this),)
    answer = text(rule.found, policy).answer(case.variables)
    if isinstance(answer, Failure):
        return (f"(what was found can't be told: {answer.why})",)
    return tuple(str(each)[:LONGEST_FOUND] for each in (answer if isinstance(answer, list) else [answer]))


def _standing(rule: Rule, this: Manifest) -> str:
    if rule.evidence:
        declared = this["spec"]["governance"].get("evidence", [])
        there = next((each for each in declared if each["id"] == rule.evidence), None)
        return f"evidence {rule.evidence} is {'declared as ' + there['ref'] if there else 'not declared'}"
    value: Any = this
    for name in rule.field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "not set" if value is None else str(value)[:LONGEST_FOUND]
