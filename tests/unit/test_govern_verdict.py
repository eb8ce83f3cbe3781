"""A verdict lists everything that is broken, and says what follows from it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from aistack.api import AIPolicy, AIPolicyException, Reason
from aistack.govern import Outcome, Verdict, evaluate
from aistack.govern.exceptions import WARNED_BEFORE
from aistack.resolved import ResolvedStack
from tests.rulebook import OWNED, exception, policy
from tests.stacks import resolved

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRUE = {"id": "kept", "expression": "true", "message": "Never said."}


def judge(
    *policies: AIPolicy,
    stack: ResolvedStack | None = None,
    exceptions: tuple[AIPolicyException, ...] = (),
    labels: dict[str, str] | None = None,
    now: datetime = NOW,
    old: ResolvedStack | None = None,
) -> Verdict:
    return evaluate(stack or resolved(), policies, exceptions, labels or {}, now, old=old)


def test_a_denial_says_policy_rule_severity_field_what_is_and_what_must_be_and_the_way_out() -> None:
    (denial,) = judge(policy()).denials
    assert denial.path == "spec.governance.owner"
    assert denial.reason is Reason.POLICY_VIOLATED
    assert denial.message == (
        "mine/owner (high): Nobody answers for it; found: not set; Write governance.owner; "
        "exception: an AIPolicyException in namespace care that names mine/owner"
    )


def test_all_failures_of_all_policies_come_at_once_in_the_order_of_their_names() -> None:
    both = [OWNED, {**OWNED, "id": "again"}]
    verdict = judge(policy("b", rules=both), policy("a", rules=both))
    assert [each.message.split(" ")[0] for each in verdict.denials] == [
        "a/owner",
        "a/again",
        "b/owner",
        "b/again",
    ]


def test_what_was_found_is_told_in_the_rules_words() -> None:
    rule = {**OWNED, "found": "object.spec.models.map(model, 'model ' + model.name)"}
    (result,) = judge(policy(rules=[rule])).results
    assert result.found == ("model llama",)


EIGHTEEN = str(list(range(18)))
EXPRESSIONS = {
    "kept": "true",
    "broken": "false",
    "of alternatives": "false || true",
    "of a choice": "true ? true : false",
    "ends in a comment": "true // ) || (",
    "without an answer": "object.nothing",
    "no truth": "dyn(1)",
    "not compiled": "true) || (true",
    "of params": "params.allowed.exists(each, each == 'a')",
    "long": f"{EIGHTEEN}.all(a, {EIGHTEEN}.all(b, {EIGHTEEN}.all(c, true)))",
    "long too": f"{EIGHTEEN}.all(a, {EIGHTEEN}.all(b, {EIGHTEEN}.all(c, 1 < 2)))",
    "too long": f"{EIGHTEEN}.all(a, {EIGHTEEN}.all(b, {EIGHTEEN}.all(c, {EIGHTEEN}.all(d, true))))",
}


@pytest.mark.parametrize(("one", "other"), list(permutations(EXPRESSIONS, 2)))
def test_a_rule_comes_out_the_same_whatever_stands_beside_it(one: str, other: str) -> None:
    rules = [
        {**OWNED, "id": f"rule-{each}", "expression": EXPRESSIONS[name]}
        for each, name in enumerate((one, other))
    ]
    params = {"allowed": ["a"]}
    together = [result.outcome for result in judge(policy(rules=rules, params=params)).results]
    alone = [judge(policy(rules=[rule], params=params)).results[0].outcome for rule in rules]
    assert together == alone


def test_many_findings_are_counted_and_a_broken_one_hides_nothing() -> None:
    many = {**OWNED, "found": "'abcdefghijkl'.split('')"}
    broken = {**OWNED, "id": "broken", "found": "object.nothing"}
    told, untold = judge(policy(rules=[many, broken])).results
    assert told.told[-1] == "… and 4 more"
    assert "… and 4 more" in told.problem().message
    assert untold.outcome is Outcome.FAILED
    assert "can't be told" in untold.found[0]


def test_wanted_evidence_is_named() -> None:
    rule = {**OWNED, "expression": "false", "evidence": "red-team", "field": "spec.governance.evidence"}
    (denial,) = judge(policy(rules=[rule])).denials
    assert "found: evidence red-team is not declared" in denial.message
    assert "evidence wanted: red-team" in denial.message


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        pytest.param("object.spec.absent == 1", "absent", id="an absent field"),
        pytest.param("object ==", "line 1", id="what can't be compiled"),
        pytest.param("object.spec.environment", "not true or false", id="a text"),
    ],
)
def test_a_rule_without_an_answer_denies_where_its_policy_denies(expression: str, why: str) -> None:
    verdict = judge(policy(rules=[{**OWNED, "expression": expression}]))
    assert verdict.results[0].outcome is Outcome.ERROR
    assert "could not be evaluated" in verdict.denials[0].message
    assert why in verdict.denials[0].message


def test_warn_warns_and_audit_only_reports() -> None:
    verdict = judge(policy("warns", action="Warn"), policy("reports", action="Audit"))
    assert verdict.denials == ()
    assert [each.message.split("/")[0] for each in verdict.warnings] == ["warns"]
    assert [result.policy for result in verdict.failed("Audit")] == ["reports"]


def test_deny_warns_until_its_day_and_denies_from_it() -> None:
    coming = policy(effectiveFrom="2026-11-24")
    before = judge(coming)
    assert before.denials == ()
    assert "denied from 2026-11-24" in before.warnings[0].message
    assert len(judge(coming, now=datetime(2026, 11, 24, tzinfo=UTC)).denials) == 1


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ({"environments": ["production"]}, True),
        ({"environments": ["staging"]}, False),
        ({"riskTiers": ["high"]}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "care"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "sales"}}}, False),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [{"key": "team", "operator": "In", "values": ["care"]}]
                }
            },
            True,
        ),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}]}},
            True,
        ),
        ({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}, False),
        ({"stackSelector": {"matchExpressions": [{"key": "billed", "operator": "Exists"}]}}, False),
    ],
)
def test_a_policy_is_about_the_stacks_that_all_it_says_matches(match: dict[str, Any], applies: bool) -> None:
    verdict = judge(policy(match=match), stack=resolved(environment="production"), labels={"team": "care"})
    assert bool(verdict.results) is applies


def test_a_kept_rule_says_nothing() -> None:
    verdict = judge(policy(rules=[TRUE]))
    assert verdict.count(Outcome.PASSED) == 1
    assert verdict.denials == verdict.warnings == ()


def test_an_update_is_judged_with_what_was_there_before() -> None:
    rule = {
        **OWNED,
        "expression": "oldObject == null || oldObject.spec.environment == object.spec.environment",
    }
    moved = resolved(environment="production")
    assert judge(policy(rules=[rule]), stack=moved).denials == ()
    assert len(judge(policy(rules=[rule]), stack=moved, old=resolved()).denials) == 1


def test_a_rule_sees_the_namespace() -> None:
    rule = {**OWNED, "expression": "namespaceObject.metadata.labels.tier == 'gold'"}
    assert judge(policy(rules=[rule]), labels={"tier": "gold"}).denials == ()


def test_a_rule_sees_defaults_and_no_empty_lists_as_the_api_server_shows_them() -> None:
    rule = {
        **OWNED,
        "expression": "object.spec.models[0].selfHosted.scaling.min == 1 && !has(object.spec.pipelines) "
        "&& !has(object.spec.governance.oversight) && object.spec.governance.disclosure.chat == false",
    }
    assert judge(policy(rules=[rule])).denials == ()


def test_a_rule_sees_an_empty_list_where_somebody_wrote_one() -> None:
    rule = {**OWNED, "expression": "has(object.spec.value) && !has(object.spec.agents)"}
    assert judge(policy(rules=[rule]), stack=resolved(value=[])).denials == ()


def test_a_waived_rule_denies_nothing_and_is_counted() -> None:
    verdict = judge(policy(), exceptions=(exception(),))
    assert verdict.denials == ()
    assert verdict.count(Outcome.WAIVED) == 1


def test_an_error_can_be_waived_too() -> None:
    verdict = judge(policy(rules=[{**OWNED, "expression": "object.no"}]), exceptions=(exception(),))
    assert [result.outcome for result in verdict.results] == [Outcome.WAIVED]


def test_what_takes_no_exception_says_so() -> None:
    verdict = judge(policy(exceptions="Never"), exceptions=(exception(),))
    assert "no exception can waive it" in verdict.denials[0].message


def test_the_status_counts_what_was_kept_what_denies_what_warns_and_what_is_waived() -> None:
    kept_and_broken = policy("mine", rules=[TRUE, OWNED])
    verdict = judge(kept_and_broken, policy("warns", action="Warn"), policy("reports", action="Audit"))
    counts = verdict.status(None, verdict.broken)
    assert (counts.passed, counts.failed, counts.warned, counts.waived) == (1, 1, 1, 0)
    assert counts.broken == ("mine/owner", "reports/owner", "warns/owner")
    assert judge(kept_and_broken, exceptions=(exception(),)).status(None, ()).waived == 1


def test_the_status_names_as_many_broken_rules_as_it_has_room_for() -> None:
    broken = [f"mine/rule-{number:03}" for number in range(300)]
    named = judge(policy("the-last-that-denies")).status(None, [*broken, "the-last-that-denies/owner"]).broken
    assert named == (*broken[:127], "the-last-that-denies/owner")


def test_a_long_finding_is_cut() -> None:
    rule = {**OWNED, "found": "'a'.replace('', object.metadata.name.replace('', '" + "b" * 100 + "'))"}
    (result,) = judge(policy(rules=[rule])).results
    assert len(result.found[0]) == 512


def test_what_a_stack_broke_before_keeps_no_new_spec_away() -> None:
    verdict = judge(policy(), policy("other", rules=[{**OWNED, "expression": "object.no"}]))
    assert len(verdict.refusals()) == 2
    assert verdict.refusals(standing=verdict.standing(verdict)) == ()
    (newly,) = verdict.refusals(standing=verdict.standing(judge(policy())))
    assert "other/owner" in str(newly)


@pytest.mark.parametrize(
    ("on_violation", "stands"), [("BlockUpdates", False), ("Suspend", False), ("Report", True)]
)
def test_a_rule_that_is_broken_further_does_not_stand_unless_it_is_only_reported(
    on_violation: str, stands: bool
) -> None:
    def finding(expression: str, found: str) -> Verdict:
        rule = {**OWNED, "expression": expression, "found": found}
        return judge(policy(rules=[rule], onViolation=on_violation))

    before = finding("false", "['a', 'b']")
    assert finding("false", "['b']").standing(before), "less is found"
    assert bool(finding("false", "['b', 'c']").standing(before)) is stands, "something else is found"
    assert bool(finding("object.no", "['a']").standing(before)) is stands, "it can't be evaluated any more"


@pytest.mark.parametrize(
    ("before", "after", "stands"),
    [
        (["5 models"], ["4 models"], True),
        (["type ClusterIP", "8 clients, 1.5 each."], ["type ClusterIP", "7 clients, 1.25 each."], True),
        (["model gpt-4"], ["model gpt-5"], False),
        (["llama at 12ab"], ["llama at 34ab"], False),
        (["llama:1.2"], ["llama:1.3"], False),
        (["5 models"], ["4 models", "2 models"], False),
    ],
)
def test_a_number_that_was_found_may_change_and_a_name_may_not(
    before: list[str], after: list[str], stands: bool
) -> None:
    def finding(found: list[str]) -> Verdict:
        return judge(policy(rules=[{**OWNED, "found": str(found)}]))

    assert bool(finding(after).standing(finding(before))) is stands


def test_of_many_findings_all_count_not_only_those_that_are_told() -> None:
    def finding(*numbers: int) -> Verdict:
        return judge(policy(rules=[{**OWNED, "found": str([f"model-{number}" for number in numbers])}]))

    assert finding(*range(1, 20)).standing(finding(*range(20)))
    assert not finding(*range(19), 99).standing(finding(*range(20)))


def test_only_a_policy_that_says_so_suspends() -> None:
    assert judge(policy()).suspensions == ()
    assert len(judge(policy(onViolation="Suspend")).suspensions) == 1
    assert judge(policy(onViolation="Suspend", action="Warn")).suspensions == ()


def test_two_weeks_before_its_end_an_exception_is_told_of() -> None:
    end = datetime(2027, 1, 31, tzinfo=UTC)
    early = judge(policy(), exceptions=(exception(),), now=end - WARNED_BEFORE - timedelta(seconds=1))
    assert early.waivers(soon=True) == ()
    assert [str(each) for each in early.waivers()] == [
        "spec.governance.owner: mine/owner: waived by waiver (GOV-311) until 2027-01-31T00:00:00Z"
    ]
    late = judge(policy(), exceptions=(exception(),), now=end - WARNED_BEFORE)
    assert late.waivers(soon=True) == late.waivers()
    assert judge(policy(), exceptions=(exception(),), now=end).waivers() == ()


def test_results_are_counted_by_policy() -> None:
    assert judge(policy(), policy("other", rules=[TRUE, OWNED])).tally == {
        ("mine", "failed"): 1,
        ("other", "passed"): 1,
        ("other", "failed"): 1,
    }
