"""The webhook is asked about our kinds only, and about nothing that it would allow unseen."""

from aistack.admission.review import operator_users
from aistack.kinds import OWN_KINDS
from tests.registration import asked

WEBHOOK = asked("aistack-system")


def test_it_is_asked_about_creates_and_updates_of_our_own_kinds_and_of_nothing_else() -> None:
    named = {
        (group, plural, rule["scope"] == "Namespaced")
        for rule in WEBHOOK["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    assert named == {("aistack.dev", kind.plural, kind.namespaced) for kind in OWN_KINDS}
    assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in WEBHOOK["rules"])
    assert all(rule["apiVersions"] == ["v1alpha1"] for rule in WEBHOOK["rules"])


def test_it_fails_closed_and_soon() -> None:
    assert WEBHOOK["failurePolicy"] == "Fail"
    assert WEBHOOK["timeoutSeconds"] == 5
    assert WEBHOOK["matchPolicy"] == "Equivalent"
    assert WEBHOOK["sideEffects"] == "NoneOnDryRun"


def test_it_leaves_out_the_operator_itself() -> None:
    by_operator = WEBHOOK["matchConditions"][0]["expression"]
    assert all(f"'{user}'" in by_operator for user in operator_users("aistack-system"))
    (namespaces,) = WEBHOOK["namespaceSelector"]["matchExpressions"]
    assert (namespaces["operator"], namespaces["values"]) == ("NotIn", ["aistack-system"])
