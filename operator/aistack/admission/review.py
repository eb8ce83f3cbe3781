"""From an admission request to a verdict, and from a verdict to the answer that kubectl shows.

The same functions decide here that decide in the controller and on the command line: what is refused is
exactly what could not be served. Nothing here reads the clock, the network or the environment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from aistack import govern
from aistack.admission.request import AdmissionRequest
from aistack.api import TYPES, AIBudget, AIPolicy, AIPolicyException, AIStack
from aistack.api.base import Metadata, Model
from aistack.api.stack import AIStackStatus
from aistack.api.validation import problems as problems_of
from aistack.budget import Claim, claim_of, standing_claim
from aistack.budget.terms import terms_problems
from aistack.cost import Estimate
from aistack.govern import exceptions, rules
from aistack.kinds import Manifest
from aistack.platform import Platform, judged, priced
from aistack.problem import Problem
from aistack.resolved import ResolvedStack

MOST_PROBLEMS = 50
"""Lines of one denial; the rest is counted."""
MOST_WARNINGS = 15
LONGEST_WARNING = 256
"""The API server cuts a warning at 256 characters and drops those beyond 4,096 in all."""
MOST_NAMED = 50
"""Rules that are named for one reason; an annotation and a record stay as small as an event."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A stack that may be stored as far as its spec goes: what it costs is to be reserved."""

    stack: AIStack | None
    """None where the spec can't be served and only what runs moves."""
    claim: Claim
    counting: tuple[AIBudget, ...]
    """The budgets in which it is to be reserved."""


@dataclass(frozen=True, slots=True)
class BrokenRules:
    """The rules that a stack breaks, as `policy/rule`, by what comes of that; MOST_NAMED of each."""

    denied: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    audited: tuple[str, ...] = ()
    """Their policies only report."""
    waived: tuple[str, ...] = ()
    """`policy/rule by exception`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with an object, a line each; an object without problems is allowed."""

    problems: tuple[str, ...] = ()
    """`<field path>: <what is wrong>; <what to write instead>`."""
    warnings: tuple[str, ...] = ()
    rules: BrokenRules = BrokenRules()
    unknown_classes: frozenset[str] = frozenset()
    """Accelerator classes that the stack names and the catalog doesn't have: it may lag behind."""
    priced: Priced | None = None
    """What is to be reserved before the object is allowed."""
    exists: bool = False
    """It is refused because another object has its name."""

    @property
    def allowed(self) -> bool:
        return not self.problems


ALLOWED = Verdict()
NOT_JUDGED = (Estimate(), govern.Verdict())


def operator_users(namespace: str) -> tuple[str, ...]:
    """The user names of the operator's own programs, whose writes are not judged again."""
    return tuple(
        f"system:serviceaccount:{namespace}:{account}"
        for account in ("aistack-controller", "aistack-webhook")
    )


def review(request: AdmissionRequest, platform: Platform, operators: frozenset[str] = frozenset()) -> Verdict:
    """Judges one request.

    `operators` are the user names of the operator itself. What can't do harm is allowed without a look at
    the object, so that a stack that is refused today can still be labelled, deleted and switched off.
    """
    if (
        request.operation not in {"CREATE", "UPDATE"}
        or request.sub_resource
        or request.user_info.username in operators
        or ((_keeps_its_spec(request) or _only_suspends(request)) and not _is_relabelled(request))
    ):
        return ALLOWED
    if _keeps_its_spec(request) or _only_suspends(request):
        return _move(request, platform)
    kind = request.kind.kind
    without_status = {name: value for name, value in request.object.items() if name != "status"}
    try:
        parsed = TYPES[kind].read(without_status)
    except ValidationError as error:
        return Verdict(problems=tuple(problems_of(error, without_status)))
    if isinstance(parsed, AIStack):
        return judge(parsed, platform, request.old_object)
    return _judge_rule(parsed, platform, request)


def judge(stack: AIStack, platform: Platform, old: Manifest) -> Verdict:
    """The steps that the controller takes too, up to the first that touches the cluster.

    `old` is the object before an update, else empty.
    """
    resolution = platform.resolve(stack)
    before = _meaning(old, platform) if old and platform.policies.policies else None
    estimated, said = judged(resolution.meaning, platform, before) if resolution.meaning else NOT_JUDGED
    refusals = said.refusals(_standing(said, before, platform))
    doubts = platform.doubts(stack.metadata)
    problems, served = (*resolution.problems, *doubts, *refusals), resolution.stack
    named = {model.self_hosted.accelerator.class_ for model in stack.spec.models if model.self_hosted}
    return Verdict(
        problems=tuple(map(str, problems)),
        warnings=tuple(map(str, (*_warnings(said, refusals), *resolution.warnings))),
        rules=_broken_rules(said, refusals),
        unknown_classes=frozenset(name for name in named if platform.catalog.accelerator(name) is None),
        priced=None if problems or not served else _priced(stack, served, estimated, platform),
    )


def _meaning(old: Manifest, platform: Platform) -> ResolvedStack | None:
    try:
        return platform.resolve(AIStack.read({**old, "status": {}})).meaning
    except ValidationError:  # another version let it in
        return None


def _standing(said: govern.Verdict, before: ResolvedStack | None, platform: Platform) -> frozenset[str]:
    """The rules that what runs breaks, and that this update makes no worse; what is off breaks none."""
    if before is None or before.spec.suspend or not said.denials:
        return frozenset()
    return said.standing(judged(before, platform)[1])


def _warnings(said: govern.Verdict, refusals: Sequence[Problem]) -> Iterator[Problem]:
    """What only warns, what is broken on, and what an exception lets be for a short time only."""
    yield from (denial for denial in said.denials if denial not in refusals)
    yield from said.warnings
    yield from said.waivers(soon=True)


def _broken_rules(said: govern.Verdict, refusals: Sequence[Problem]) -> BrokenRules:
    denied = [result.name for result in said.failed("Deny") if result.problem() in refusals]
    standing = [result.name for result in said.failed("Deny") if result.name not in denied]
    warned = [*standing, *(result.name for result in said.failed("Warn"))]
    audited = [result.name for result in said.failed("Audit")]
    waived = [f"{each.name} by {each.waived_by.metadata.name}" for each in said.not_kept if each.waived_by]
    return BrokenRules(*(tuple(names[:MOST_NAMED]) for names in (denied, warned, audited, waived)))


def _move(request: AdmissionRequest, platform: Platform) -> Verdict:
    """Other labels may mean other budgets. The spec was judged when it came, or only switches off.

    One that can't be served is asked money for what runs.
    """
    metadata = Metadata.read(request.object["metadata"])
    if doubts := platform.doubts(metadata):
        return Verdict(problems=tuple(map(str, doubts)))
    if meant := _served(request.object, platform):
        stack, resolved = meant
        return Verdict(priced=_priced(stack, resolved, priced(resolved, platform), platform))
    claim = standing_claim(metadata, AIStackStatus.of(request.object))
    if claim is None:
        return ALLOWED
    return Verdict(priced=Priced(None, claim, platform.budgets.counting(metadata)))


def _served(obj: Manifest, platform: Platform) -> tuple[AIStack, ResolvedStack] | None:
    try:
        stack = AIStack.read({**obj, "status": {}})
    except ValidationError:
        return None
    resolved = platform.resolve(stack).stack
    return (stack, resolved) if resolved else None


def _priced(stack: AIStack, resolved: ResolvedStack, estimated: Estimate, platform: Platform) -> Priced:
    return Priced(stack, claim_of(resolved, estimated), platform.budgets.counting(stack.metadata))


def _judge_rule(parsed: Model, platform: Platform, request: AdmissionRequest) -> Verdict:
    """Policies, exceptions and budgets are of no use when nobody can act on them."""
    if isinstance(parsed, AIPolicy):
        return Verdict(problems=tuple(map(str, rules.problems(parsed))))
    if isinstance(parsed, AIPolicyException):
        return _judge_exception(parsed, platform, request)
    if isinstance(parsed, AIBudget):
        return Verdict(problems=tuple(map(str, terms_problems(parsed.spec))))
    return ALLOWED


def _judge_exception(exception: AIPolicyException, platform: Platform, request: AdmissionRequest) -> Verdict:
    known, requester = platform.policies, request.user_info.username
    granted = _granted(request.old_object)
    return Verdict(
        problems=tuple(map(str, exceptions.problems(exception, known.policies, requester, granted))),
        warnings=tuple(map(str, exceptions.doubts(exception, known.policies, known.now))),
    )


def _granted(old: Manifest) -> AIPolicyException | None:
    try:
        return AIPolicyException.parse(old) if old else None
    except ValidationError:  # it can't be read, and waives nothing
        return None


def answer(request: AdmissionRequest, verdict: Verdict) -> Manifest:
    """The AdmissionReview that carries a verdict back to the API server.

    A denial comes without the warnings: they would stand above what has to be mended first. The API server's
    audit log shows the rules as `validate.aistack.dev/denied` and the like.
    """
    response: Manifest = {"uid": request.uid, "allowed": verdict.allowed}
    if noted := {name: ", ".join(rules) for name, rules in asdict(verdict.rules).items() if rules}:
        response["auditAnnotations"] = noted
    if not verdict.allowed:
        response["status"] = _status(request, verdict)
    elif verdict.warnings:
        response["warnings"] = _shortened(verdict.warnings)
    return _envelope(response)


def refusal(uid: str, code: int, reason: str, message: str) -> Manifest:
    """The AdmissionReview of a request that could not be judged: refused, and the message says by whom."""
    status = {"code": code, "reason": reason, "message": message}
    return _envelope({"uid": uid, "allowed": False, "status": status})


def _keeps_its_spec(request: AdmissionRequest) -> bool:
    return bool(request.old_object) and request.old_object.get("spec") == request.object.get("spec")


def _is_relabelled(request: AdmissionRequest) -> bool:
    """The labels of a stack choose the budgets that it counts in."""
    before = request.old_object.get("metadata", {}).get("labels", {})
    after = request.object.get("metadata", {}).get("labels", {})
    return request.kind.kind == "AIStack" and bool(before != after)


def _only_suspends(request: AdmissionRequest) -> bool:
    """The kill switch works on a stack that would be refused now."""
    return (
        request.kind.kind == "AIStack"
        and bool(request.old_object)
        and {**request.old_object.get("spec", {}), "suspend": True} == request.object.get("spec")
    )


def _status(request: AdmissionRequest, verdict: Verdict) -> Manifest:
    """A metav1.Status like that of the API server's own validation, so that kubectl prints it alike."""
    shown = verdict.problems[:MOST_PROBLEMS]
    count = len(verdict.problems)
    heading = f"{request.kind.kind} {request.full_name}: {count} problem{'s' if count > 1 else ''}"
    more = [f"  … and {count - len(shown)} more"] if count > len(shown) else []
    return {
        "code": 409 if verdict.exists else 422,
        "reason": "AlreadyExists" if verdict.exists else "Invalid",
        "message": "\n".join([heading, *(f"  {line}" for line in shown), *more]),
        "details": {
            "group": request.kind.group,
            "kind": request.kind.kind,
            "name": request.shown_name,
            "causes": [_cause(line) for line in shown],
        },
    }


def _cause(line: str) -> Manifest:
    path, _, message = line.partition(": ")
    return {"reason": "FieldValueInvalid", "field": path, "message": message}


def _shortened(warnings: tuple[str, ...]) -> list[str]:
    shown = [cut(warning, LONGEST_WARNING) for warning in warnings[:MOST_WARNINGS]]
    if len(warnings) > len(shown):
        shown.append(f"… and {len(warnings) - len(shown)} more warnings; `aistack check` shows them all")
    return shown


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _envelope(response: Manifest) -> Manifest:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
