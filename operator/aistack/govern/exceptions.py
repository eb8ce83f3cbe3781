"""Dated waivers: which of them lets a stack break a rule now. Nothing else decides when one has expired."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from aistack.api import AIPolicy, AIPolicyException, Reason
from aistack.problem import Problem, instead
from aistack.resolved import StackRef

WARNED_BEFORE = timedelta(days=14)
"""How long before its end the stacks that run under an exception say so."""
_PREFIX = re.compile(r".*[:#\\]")
"""Before a name may stand who vouches for it: `oidc:ana`, `acme\\ana`."""
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
"""Whatever stands around it: `mailto:ana@acme.example`, `Ana/ana@acme.example`."""
_BETWEEN = re.compile(r"""[\s<>(){}\[\]"',;|]+""")
"""What stands around an address: `Ana <ana@acme.example>`."""


def waiver(
    exceptions: Iterable[AIPolicyException], policy: AIPolicy, rule: str, stack: StackRef, now: datetime
) -> AIPolicyException | None:
    """The exception under which `stack` may break `rule`; the one that holds longest when there are several.

    `now` is UTC. A policy that allows no exceptions, such as that of prohibited practices, has none.
    """
    if policy.spec.exceptions == "Never":
        return None
    name = policy.metadata.name
    applying = [each for each in exceptions if covers(each, name, rule, stack) and holds(each, now)]
    return max(applying, key=expiry, default=None)


def covers(exception: AIPolicyException, policy: str, rule: str, stack: StackRef) -> bool:
    """Whether it names this rule and this stack; it reaches only stacks of its own namespace."""
    return (
        exception.metadata.namespace == stack.namespace
        and stack.name in exception.spec.stacks
        and any(each.name == policy and rule in each.rules for each in exception.spec.policies)
    )


def holds(exception: AIPolicyException, now: datetime) -> bool:
    """Until the instant of its expiry, and no longer."""
    return now < expiry(exception)


def ends_soon(exception: AIPolicyException, now: datetime) -> bool:
    """Whether it is time to say so to those who run under it."""
    return expiry(exception) - WARNED_BEFORE <= now


def expiry(exception: AIPolicyException) -> datetime:
    return datetime.fromisoformat(exception.spec.expires_at)


def next_change(exceptions: Iterable[AIPolicyException], now: datetime) -> datetime:
    """When a verdict can change by itself: at the end of an exception, a warning before it, or midnight
    (UTC), when a policy may begin to deny and evidence grows a day older."""
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    ends = [expiry(each) for each in exceptions]
    known = (tomorrow, *ends, *(end - WARNED_BEFORE for end in ends))
    return min(instant for instant in known if instant > now)


def problems(
    exception: AIPolicyException,
    policies: Iterable[AIPolicy],
    requester: str = "",
    granted: AIPolicyException | None = None,
) -> Iterator[Problem]:
    """Why it can't be granted; `requester` is the user who asks for it, where that is known, and `granted`
    what it was before an update."""
    known = {policy.metadata.name: policy for policy in policies}
    for named in exception.spec.policies:
        if policy := known.get(named.name):
            yield from _unwaivable(policy, named.rules)
    approver = exception.spec.approved_by
    if not approver.isascii():
        told = "a letter that is not ASCII's may look like another; write the approver's address or user name"
        yield Problem("spec.approvedBy", Reason.INVALID_SPEC, told)
    if _is_same_person(requester, approver):
        told = f"{requester} can't approve what {requester} asks for; write who else allowed it"
        yield Problem("spec.approvedBy", Reason.INVALID_SPEC, told)
    if granted:
        yield from _widened(exception, granted)


def doubts(exception: AIPolicyException, policies: Iterable[AIPolicy], now: datetime) -> Iterator[Problem]:
    """Why it may waive nothing: what is worth a warning, but may be meant so."""
    known = {policy.metadata.name for policy in policies}
    for named in exception.spec.policies:
        if named.name not in known:
            told = f"no AIPolicy has this name yet; {instead(known, 'it waives nothing before there is one')}"
            yield Problem(f"spec.policies[{named.name}]", Reason.INVALID_REFERENCE, told)
    if not holds(exception, now):
        told = f"{exception.spec.expires_at} is past, so that it waives nothing; write a day to come"
        yield Problem("spec.expiresAt", Reason.INVALID_SPEC, told)


def _unwaivable(policy: AIPolicy, rules: Iterable[str]) -> Iterator[Problem]:
    path = f"spec.policies[{policy.metadata.name}]"
    if policy.spec.exceptions == "Never":
        yield Problem(path, Reason.INVALID_SPEC, "no exception can waive this policy; leave it out")
    known = {rule.id for rule in policy.spec.rules}
    for rule in rules:
        if rule not in known:
            told = f"the policy has no rule {rule!r}; {instead(known, 'leave it out')}"
            yield Problem(f"{path}.rules", Reason.INVALID_REFERENCE, told)


def _widened(exception: AIPolicyException, granted: AIPolicyException) -> Iterator[Problem]:
    """What an update waives besides, under the approval that was given for less."""
    spec, before = exception.spec, granted.spec
    approvals = [(_folded(each.approved_by), _folded(each.ticket)) for each in (spec, before)]
    if approvals[0] != approvals[1]:
        return
    further = {
        "spec.expiresAt": expiry(exception) > expiry(granted),
        "spec.stacks": not set(spec.stacks) <= set(before.stacks),
        "spec.policies": not _waived(exception) <= _waived(granted),
    }
    told = (
        f"{spec.approved_by} allowed less under {spec.ticket}; write the ticket under which more is allowed, "
        "or ask for another exception"
    )
    yield from (Problem(path, Reason.INVALID_SPEC, told) for path, is_wider in further.items() if is_wider)


def _waived(exception: AIPolicyException) -> set[tuple[str, str]]:
    return {(named.name, rule) for named in exception.spec.policies for rule in named.rules}


def _is_same_person(user: str, approver: str) -> bool:
    """By their addresses where both have one; else by name, which is what stands before an address's @."""
    own, theirs = _addresses(user), _addresses(approver)
    if own and theirs:
        return not own.isdisjoint(theirs)
    words = {_folded(approver), *(_folded(word) for word in _BETWEEN.split(approver))}
    return not _spellings(_names(own) or {_folded(user)}).isdisjoint(_spellings(_names(theirs) or words))


def _names(addresses: Iterable[str]) -> set[str]:
    return {address.partition("@")[0] for address in addresses}


def _spellings(names: Iterable[str]) -> set[str]:
    return {spelling for name in names for spelling in (name, _PREFIX.sub("", name))} - {""}


def _addresses(text: str) -> set[str]:
    spaced = unicodedata.normalize("NFKC", text).casefold()
    return {*_ADDRESS.findall(spaced), *_ADDRESS.findall(_folded(text))}


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
