"""A waiver reaches what it names, in its own namespace, until it expires."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.api import AIPolicy
from aistack.govern.exceptions import WARNED_BEFORE, doubts, next_change, problems, waiver
from aistack.resolved import StackRef
from tests.rulebook import OWNED, exception, policy

EXPIRY = datetime(2027, 1, 31, tzinfo=UTC)
STACK = StackRef("support", "care", "uid")
OTHERS = {"policies": [{"name": "other", "rules": ["owner"]}]}


def holds(now: datetime = EXPIRY - timedelta(days=1), namespace: str = "care", **spec: Any) -> bool:
    return waiver([exception(namespace, **spec)], policy(), "owner", STACK, now) is not None


def test_it_holds_until_the_instant_of_its_expiry_and_no_longer() -> None:
    assert holds(EXPIRY - timedelta(microseconds=1))
    assert not holds(EXPIRY)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("another stack", {"stacks": ["other"]}),
        ("another policy", OTHERS),
        ("another rule", {"policies": [{"name": "mine", "rules": ["other"]}]}),
        ("another namespace", {"namespace": "sales"}),
    ],
)
def test_it_reaches_nothing_that_it_does_not_name(why: str, changes: dict[str, Any]) -> None:
    assert not holds(**changes), why


def test_the_one_that_holds_longest_is_named() -> None:
    both = [exception(ticket="GOV-1", expiresAt="2027-03-01T00:00:00Z"), exception(ticket="GOV-2")]
    found = waiver(both, policy(), "owner", STACK, datetime(2026, 11, 23, tzinfo=UTC))
    assert found is not None
    assert found.spec.ticket == "GOV-1"


def test_a_policy_can_take_none() -> None:
    now = EXPIRY - timedelta(days=1)
    assert waiver([exception()], policy(exceptions="Never"), "owner", STACK, now) is None


def refused(requester: str = "dev@acme.example", *policies: AIPolicy, **spec: Any) -> list[str]:
    return [str(each) for each in problems(exception(**spec), policies or (policy(),), requester)]


def test_one_for_a_rule_that_there_is_by_somebody_else_is_granted() -> None:
    assert refused() == []


def test_a_rule_that_there_is_not_is_named_with_those_that_there_are() -> None:
    assert refused(policies=[{"name": "mine", "rules": ["owner", "ovner"]}]) == [
        "spec.policies[mine].rules: the policy has no rule 'ovner'; write one of owner"
    ]


def test_a_policy_that_takes_none_is_named() -> None:
    (told,) = refused("dev@acme.example", policy(exceptions="Never"))
    assert told == "spec.policies[mine]: no exception can waive this policy; leave it out"


@pytest.mark.parametrize(
    "requester",
    [
        "dpo@acme.example",
        "DPO@Acme.example",
        "oidc:dpo@acme.example",
        "https://login.acme.example#dpo@acme.example",
        "\uff44po@acme.example",  # a wide d
    ],
)
def test_nobody_approves_what_they_ask_for_however_the_name_is_written(requester: str) -> None:
    (told,) = refused(requester)
    assert told.startswith("spec.approvedBy: ")
    assert "write who else allowed it" in told


@pytest.mark.parametrize(
    "approver",
    [
        "oidc:dpo@acme.example",
        "mailto:dpo@acme.example",
        "Ana Mota <DPO@acme.example>",
        "dpo@acme.example (acting)",
        "governance@acme.example, dpo@acme.example",
        "governance@acme.example dpo@acme.example",
        "dpo @acme.example",
        "dpo@acme.example.",
        "Ana/dpo@acme.example",
        "email=dpo@acme.example",
        "*dpo@acme.example*",
    ],
)
@pytest.mark.parametrize("requester", ["dpo@acme.example", "ldap:dpo@acme.example"])
def test_nobody_approves_what_they_ask_for_whatever_stands_around_the_name(
    requester: str, approver: str
) -> None:
    (told,) = refused(requester, approvedBy=approver)
    assert told.startswith(f"spec.approvedBy: {requester} can't approve")


@pytest.mark.parametrize(
    "approver", ["d\u200bpo@acme.example", "d\u00adpo@acme.example", "dp\u043e@acme.example"]
)
def test_an_approver_is_written_in_letters_that_look_like_no_others(approver: str) -> None:
    (told,) = refused("dpo@acme.example", approvedBy=approver)
    assert "a letter that is not ASCII's may look like another" in told


def test_a_domain_before_the_name_makes_nobody_else_of_it() -> None:
    assert refused("acme\\ana", approvedBy="ana")
    assert refused("acme\\ana", approvedBy="ana (acting)")


def test_an_address_is_the_same_as_the_name_before_its_at() -> None:
    assert refused("ana", approvedBy="Ana Mota <ANA@acme.example>")
    assert refused("oidc:ana@acme.example", approvedBy="acme\\ana")


@pytest.mark.parametrize(
    ("requester", "approver"),
    [
        ("admin", "Platform admin Bo <bo@acme.example>"),
        ("system:serviceaccount:care:security", "security lead Bo <bo@acme.example>"),
    ],
)
def test_who_approves_by_address_is_nobody_by_another_word(requester: str, approver: str) -> None:
    assert refused(requester, approvedBy=approver) == []


def test_another_whose_name_ends_alike_may_ask() -> None:
    assert refused("vice-dpo@acme.example") == []
    assert refused("Ana Mota", approvedBy="Rui Mota") == []


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("spec.expiresAt", {"expiresAt": "2027-02-01T00:00:00Z"}),
        ("spec.stacks", {"stacks": ["support", "other"]}),
        ("spec.policies", {"policies": [{"name": "mine", "rules": ["owner", "purpose"]}]}),
    ],
)
def test_what_was_approved_is_not_widened_under_the_same_approval(
    field: str, changes: dict[str, Any]
) -> None:
    known = (policy(rules=[OWNED, {**OWNED, "id": "purpose"}]),)

    def told(**spec: Any) -> list[str]:
        return [str(each) for each in problems(exception(**spec), known, "dev@acme.example", exception())]

    (widened,) = told(**changes)
    assert widened.startswith(f"{field}: dpo@acme.example allowed less under GOV-311; write the ticket")
    for same in ({"ticket": "gov-311"}, {"ticket": "GOV-311 "}, {"approvedBy": "DPO@acme.example"}):
        (also,) = told(**changes, **same)
        assert also.startswith(f"{field}: "), "the same approval, written otherwise"
    assert told(**changes, ticket="GOV-400") == []
    assert told(expiresAt="2027-01-01T00:00:00Z") == []


def test_a_policy_that_there_is_not_yet_and_a_day_that_is_past_are_doubts_only() -> None:
    late = EXPIRY + timedelta(days=1)
    assert [str(each) for each in doubts(exception(), [policy("other")], late)] == [
        "spec.policies[mine]: no AIPolicy has this name yet; write one of other",
        "spec.expiresAt: 2027-01-31T00:00:00Z is past, so that it waives nothing; write a day to come",
    ]
    assert list(doubts(exception(), [policy()], EXPIRY - timedelta(days=1))) == []


def test_the_next_change_is_the_end_the_warning_before_it_or_midnight() -> None:
    assert next_change([], datetime(2026, 11, 23, 9, tzinfo=UTC)) == datetime(2026, 11, 24, tzinfo=UTC)
    noon = exception(expiresAt="2027-01-31T12:00:00Z")
    end = datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert next_change([noon], datetime(2027, 1, 31, 9, tzinfo=UTC)) == end
    assert next_change([noon], datetime(2027, 1, 17, 9, tzinfo=UTC)) == end - WARNED_BEFORE
    assert next_change([noon], end) == datetime(2027, 2, 1, tzinfo=UTC)
