"""A policy that is slow, recursive or huge is refused before it can hurt anybody: tried in a real process."""

import asyncio
import resource
import sys
from asyncio import Semaphore
from pathlib import Path

import pytest

from aistack.admission import trying
from aistack.admission.request import AdmissionRequest, AdmissionReview
from aistack.admission.review import ALLOWED
from aistack.admission.trying import Trial, trial_of, tried
from aistack.api import AIPolicy
from aistack.cli.files import read
from aistack.govern.rules import Failure, condition
from tests import reviews
from tests.rulebook import OWNED, policy
from tests.stacks import stack

POLICIES = Path(__file__).parents[2] / "policies"
WORD = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
GROWING = WORD + f".replace('a', {WORD})" * 5
NINETY = f"[{', '.join('1' for _ in range(90))}]"
SEARCHED = " && ".join("text.findAll('a').size() > 0" for _ in range(8))
SPLIT = " && ".join("text.split('').size() > 0" for _ in range(8))


def twenty_times(name: str) -> str:
    return f".map({name}, {' + '.join(name for _ in range(20))})"


HOSTILE = {
    "a text that grows by replacement": f"size({GROWING}) > 0",
    "a text that grows by addition": f"[{WORD}]{''.join(map(twenty_times, 'abcde'))}.all(e, size(e) > 0)",
    "a search that is repeated": f"['{'a' * 2000}'].all(text, {NINETY}.all(a, {NINETY}.all(b, {SEARCHED})))",
    "a list that is made again and again": f"['{'a' * 2000}'].all(text, text.split('').all(a, {SPLIT}))",
}
BOUNDED = {
    "nested": f"{'[' * 20}{']' * 20}.size() > 0",
    "negated": f"{'!' * 4000}true",
    "three loops": f"{NINETY}.all(a, {NINETY}.all(b, {NINETY}.all(c, true)))",
}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else the machine does says nothing of a rule: its own bounds are of CPU time and memory."""
    monkeypatch.setattr(trying, "PATIENCE", 120.0)


async def test_without_time_to_find_out_a_policy_is_refused_and_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trying, "PATIENCE", 0.0)
    assert (await tried(asked(policy().dump()), ALLOWED, Semaphore())).problems == (trying.NO_TIME,)


def with_rule(expression: str, **fields: str) -> AIPolicy:
    hostile = {"id": "hostile", "expression": expression, "message": "It is.", **fields}
    return policy(rules=[OWNED, hostile, {**OWNED, "id": "after"}])


def asked(obj: dict[str, object]) -> AdmissionRequest:
    return AdmissionReview.model_validate(reviews.review(obj)).request


@pytest.mark.parametrize("why", HOSTILE)
async def test_a_rule_that_takes_too_much_is_named(why: str) -> None:
    hostile = with_rule(HOSTILE[why])
    assert not isinstance(condition(HOSTILE[why], "mine").compiled, Failure)
    assert (await trial_of(hostile)).exceeds == "hostile.expression"
    (told,) = (await tried(asked(hostile.dump()), ALLOWED, Semaphore())).problems
    assert told.startswith("spec.rules[hostile].expression: on a large stack it takes more than")


@pytest.mark.parametrize("expression", ["object.metadata.name == 'large'", "object.metadata.name != 'large'"])
async def test_what_is_found_is_tried_whether_the_rule_is_kept_or_broken(expression: str) -> None:
    hostile = with_rule(expression, found=GROWING)
    assert (await trial_of(hostile)).exceeds == "hostile.found"
    (told,) = (await tried(asked(hostile.dump()), ALLOWED, Semaphore())).problems
    assert told.startswith("spec.rules[hostile].found: on a large stack it takes more than")


@pytest.mark.parametrize("why", BOUNDED)
async def test_what_the_library_bounds_itself_is_no_danger(why: str) -> None:
    assert (await trial_of(with_rule(BOUNDED[why]))).exceeds == ""


async def test_the_shipped_policies_take_little() -> None:
    shipped = [each.parsed for each in read([str(POLICIES)]) if isinstance(each.parsed, AIPolicy)]
    rules = [
        rule.model_copy(update={"id": f"{number}-{rule.id}"[:40]})
        for number, rule in enumerate(rule for each in shipped for rule in each.spec.rules)
    ]
    params = {name: values for each in shipped for name, values in each.spec.params.items()}
    whole = policy()
    spec = whole.spec.model_copy(update={"rules": tuple(rules), "params": params})
    assert len(rules) == 52
    assert await trial_of(whole.model_copy(update={"spec": spec})) == Trial("", ())


DOUBTFUL = {
    "object.spec.gateway.?rutes.hasValue()": "has no field rutes; write routes",
    "object.?spec[?'own\\n\\u2028r'].hasValue()": "has no field own r; write ",
    "object.spec.governance.owner != ''": "on a stack that says little it can't be evaluated (",
}


@pytest.mark.parametrize("expression", DOUBTFUL)
async def test_a_rule_that_can_hardly_be_meant_so_is_let_in_with_a_warning(expression: str) -> None:
    verdict = await tried(asked(with_rule(expression).dump()), ALLOWED, Semaphore())
    assert verdict.allowed
    (told,) = verdict.warnings
    assert told.startswith("spec.rules[hostile].expression: ")
    assert DOUBTFUL[expression] in told


async def test_the_bounds_are_those_of_the_trial_alone() -> None:
    await trial_of(policy())
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY


async def test_other_kinds_are_not_tried() -> None:
    assert await tried(asked(stack()), ALLOWED, Semaphore()) is ALLOWED


TRIAL = """
import sys, time
with open(sys.argv[1], "a") as log:
    log.write("begun ")
    log.flush()
    time.sleep(0.2)
    log.write("ended ")
print("/")
"""


async def test_only_so_many_are_tried_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log, room = tmp_path / "trials", Semaphore(2)
    monkeypatch.setattr(trying, "ARGV", (sys.executable, "-c", TRIAL, str(log)))
    monkeypatch.setattr(trying, "PATIENCE", 60.0)
    verdicts = await asyncio.gather(*(tried(asked(policy().dump()), ALLOWED, room) for _ in range(6)))
    assert verdicts == [ALLOWED] * 6
    running = [0]
    for word in log.read_text().split():
        running.append(running[-1] + (1 if word == "begun" else -1))
    assert (len(running), max(running)) == (13, 2)
