"""What the webhook answers: pure, from a request and a catalog to the words that kubectl prints."""

from copy import deepcopy
from typing import Any

import pytest

from aistack.admission.request import AdmissionReview
from aistack.admission.review import (
    MOST_PROBLEMS,
    MOST_WARNINGS,
    Verdict,
    answer,
    refusal,
    review,
)
from aistack.api import TYPES, AcceleratorClass, AIPolicy
from aistack.catalog import Catalog
from aistack.govern import Policies
from aistack.images import default_images
from aistack.platform import Platform
from tests import reviews, rulebook
from tests.reviews import Object, broken_stack
from tests.rulebook import OWNED
from tests.stacks import API_VERSION, accelerator_class, hosted, stack

CATALOG = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(accelerator_class())})
OPERATOR = "system:serviceaccount:aistack-system:aistack-controller"


def judged(obj: Object | None, old: Object | None = None, **request: Any) -> Verdict:
    sent = AdmissionReview.model_validate(reviews.review(obj, old, **request))
    return review(sent.request, Platform(CATALOG), frozenset({OPERATOR}))


def answered(obj: Object | None, old: Object | None = None, **request: Any) -> Object:
    sent = AdmissionReview.model_validate(reviews.review(obj, old, **request))
    response: Object = answer(sent.request, review(sent.request, Platform(CATALOG)))["response"]
    return response


def suspended(obj: Object) -> Object:
    return {**obj, "spec": {**obj["spec"], "suspend": True}}


def test_a_sound_stack_is_allowed_in_an_answer_to_its_very_request() -> None:
    response = answered(stack())
    assert (response["uid"], response["allowed"]) == (reviews.UID, True)
    assert "status" not in response


def test_a_denial_names_the_object_and_lists_every_problem_with_what_to_write_instead() -> None:
    status = answered(broken_stack())["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    heading, tpu, gpt = status["message"].splitlines()
    assert heading == "AIStack care/support: 2 problems"
    assert tpu.startswith("  spec.models[llama].selfHosted.accelerator.class: ")
    assert "'tpu'; write one of cpu, nvidia-l4" in tpu
    assert (
        gpt == "  spec.gateway.routes[chat].targets[gpt].model: no model is named 'gpt'; write one of llama"
    )


def test_each_problem_is_a_cause_with_its_field_as_in_the_api_servers_own_answers() -> None:
    details = answered(broken_stack())["status"]["details"]
    assert (details["group"], details["kind"], details["name"]) == ("aistack.dev", "AIStack", "support")
    assert details["causes"][1] == {
        "reason": "FieldValueInvalid",
        "field": "spec.gateway.routes[chat].targets[gpt].model",
        "message": "no model is named 'gpt'; write one of llama",
    }


def test_a_single_problem_is_counted_in_the_singular() -> None:
    message = answered(stack(models=[hosted(accelerator={"class": "tpu"})]))["status"]["message"]
    assert message.startswith("AIStack care/support: 1 problem\n")


def test_a_name_that_is_yet_to_be_generated_is_shown_as_such() -> None:
    obj = broken_stack()
    obj["metadata"] = {"generateName": "try-", "namespace": "care"}
    assert answered(obj)["status"]["message"].startswith("AIStack care/try-…: 2 problems\n")


def test_a_stack_that_the_types_refuse_is_denied_with_the_field() -> None:
    verdict = judged(stack(environment="playground"))
    assert len(verdict.problems) == 1
    assert verdict.problems[0].startswith("spec.environment: ")
    assert "'production', 'staging' or 'development'" in verdict.problems[0]


def test_many_problems_are_cut_to_a_readable_number_and_counted() -> None:
    targets = [{"model": f"gone-{number}"} for number in range(MOST_PROBLEMS + 7)]
    routes = [
        {"name": f"route-{start}", "targets": targets[start : start + 16]}
        for start in range(0, len(targets), 16)
    ]
    status = answered(stack(gateway={"routes": routes}))["status"]
    lines = status["message"].splitlines()
    assert lines[0] == f"AIStack care/support: {MOST_PROBLEMS + 7} problems"
    assert lines[-1] == "  … and 7 more"
    assert len(status["details"]["causes"]) == MOST_PROBLEMS


def test_what_is_only_unwise_comes_back_as_warnings() -> None:
    unused = hosted("spare")
    routes = [{"name": "chat", "targets": [{"model": "llama"}]}]
    response = answered(stack(models=[hosted(), unused], gateway={"routes": routes}))
    assert response["allowed"] is True
    assert any("no route leads to this model" in warning for warning in response["warnings"])


def test_warnings_stay_within_what_the_api_server_passes_on() -> None:
    request = AdmissionReview.model_validate(reviews.review(stack())).request
    verdict = Verdict(warnings=tuple(f"{number} " + "x" * 400 for number in range(40)))
    warnings = answer(request, verdict)["response"]["warnings"]
    assert len(warnings) == MOST_WARNINGS + 1
    assert sum(map(len, warnings)) <= 4096
    assert all(len(warning) <= 256 for warning in warnings)
    assert warnings[0].endswith("…")
    assert warnings[-1].startswith("… and 25 more warnings")


def test_an_accelerator_class_is_allowed_without_a_word() -> None:
    assert judged(accelerator_class("cpu")) == Verdict()


def test_every_kind_is_judged_by_its_type() -> None:
    for kind in TYPES:
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "x"}, "spec": {"colour": "blue"}}
        assert any("spec.colour" in line for line in judged(obj).problems), kind


def test_unknown_classes_are_told_apart_so_that_they_can_be_looked_up() -> None:
    assert judged(broken_stack()).unknown_classes == {"tpu"}
    assert judged(stack()).unknown_classes == frozenset()


def test_a_broken_stack_can_be_deleted() -> None:
    assert judged(None, old=broken_stack()).allowed


def test_a_status_is_not_judged() -> None:
    old = stack()
    assert judged(broken_stack(), old=old, subResource="status").allowed
    unreadable = {**stack(), "status": {"observedGeneration": "seven"}}
    assert judged(unreadable).allowed


def test_the_operators_own_writes_are_not_judged() -> None:
    assert judged(broken_stack(), user=OPERATOR).allowed
    assert not judged(broken_stack(), user="system:serviceaccount:care:aistack-controller").allowed


def test_metadata_of_a_stack_that_would_be_refused_today_can_be_changed() -> None:
    old = broken_stack()
    old["metadata"]["finalizers"] = ["example.com/wait"]
    assert judged(broken_stack(), old=old).allowed


def test_a_stack_that_would_be_refused_today_can_be_switched_off_but_not_on_again() -> None:
    assert judged(suspended(broken_stack()), old=broken_stack()).allowed
    assert not judged(broken_stack(), old=suspended(broken_stack())).allowed


def test_switching_off_does_not_carry_a_stack_into_another_budget_for_nothing() -> None:
    off = suspended(stack())
    assert judged(off, old=stack()).priced is None
    off["metadata"] = {**off["metadata"], "labels": {"team": "other"}}
    assert judged(off, old=stack()).priced is not None


def test_switching_off_does_not_carry_another_change_through() -> None:
    changed = suspended(broken_stack())
    changed["spec"] = {**deepcopy(changed["spec"]), "environment": "production"}
    assert len(judged(changed, old=broken_stack()).problems) == 2


def test_a_refusal_is_never_an_approval_and_says_why() -> None:
    response = refusal("1", 500, "InternalError", "nothing was decided")["response"]
    assert response["allowed"] is False
    assert response["status"]["message"] == "nothing was decided"


def test_a_policy_whose_rules_cannot_be_evaluated_is_refused_with_rule_and_position() -> None:
    misspelt = {**OWNED, "id": "price", "expression": "true &&\n  has(facts.monthyCost)"}
    bad = rulebook.policy(rules=[OWNED, {**OWNED, "id": "half", "expression": "object.spec =="}, misspelt])
    half, price = judged(bad.dump()).problems
    assert half.startswith("spec.rules[half].expression: line 1, column 15: ")
    assert price == (
        "spec.rules[price].expression: line 2, column 13: no fact is named monthyCost; write monthlyCost"
    )
    assert judged(rulebook.policy().dump()).allowed


def test_an_exception_is_judged_by_the_policies_that_there_are_and_by_who_asks() -> None:
    def asked(user: str, *known: AIPolicy) -> Verdict:
        sent = AdmissionReview.model_validate(reviews.review(rulebook.exception().dump(), user=user))
        return review(sent.request, Platform(CATALOG, policies=Policies(known)))

    assert asked("dev@acme.example", rulebook.policy()) == Verdict()
    assert "can't approve" in asked("dpo@acme.example", rulebook.policy()).problems[0]
    assert "no exception can waive" in asked("dev", rulebook.policy(exceptions="Never")).problems[0]
    unknown = asked("dev@acme.example")
    assert unknown.allowed
    assert "no AIPolicy has this name yet" in unknown.warnings[0]


def updated(to: Object, old: Object, *policies: AIPolicy) -> Verdict:
    sent = AdmissionReview.model_validate(reviews.review(to, old))
    return review(sent.request, Platform(CATALOG, policies=Policies(policies, namespaces={"care": {}})))


@pytest.mark.parametrize("on_violation", ["Report", "BlockUpdates", "Suspend"])
def test_what_a_stack_broke_before_is_only_warned_of_when_it_is_changed(on_violation: str) -> None:
    wanted = rulebook.policy(onViolation=on_violation)
    owned = stack(governance={"owner": "care@acme.example"})
    changed = updated(stack(environment="staging"), stack(), wanted)
    assert changed.allowed
    assert "mine/owner" in changed.warnings[0]
    assert changed.rules.warned == ("mine/owner",)
    assert not updated(stack(), owned, wanted).allowed, "what is newly broken is denied"


def test_one_of_two_broken_rules_can_be_mended_and_none_can_be_broken_besides() -> None:
    purpose = {**OWNED, "id": "purpose", "expression": "object.spec.governance.?intendedPurpose.hasValue()"}
    wanted = rulebook.policy(rules=[OWNED, purpose])
    owned = stack(governance={"owner": "care@acme.example"})
    assert updated(owned, stack(), wanted).allowed
    denied = updated(stack(governance={"intendedPurpose": "Answers."}), owned, wanted)
    assert denied.rules.denied == ("mine/owner",)


def test_a_stack_that_was_off_is_not_switched_on_to_break_a_rule() -> None:
    assert not updated(stack(), suspended(stack()), rulebook.policy()).allowed


def test_a_rule_sees_what_was_there_before_an_update() -> None:
    kept = {
        **OWNED,
        "expression": "oldObject == null || object.spec.?environment == oldObject.spec.?environment",
    }
    policy = rulebook.policy(rules=[kept])
    assert not updated(stack(environment="staging"), stack(environment="production"), policy).allowed
    assert updated(stack(environment="staging", value=[]), stack(environment="staging"), policy).allowed
