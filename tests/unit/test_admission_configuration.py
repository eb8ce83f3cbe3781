"""The webhook is asked about our kinds only, and about nothing that it would allow unseen."""

import base64

from aistack.admission.configuration import PATH, WebhookService, operator_users, webhook_configuration
from aistack.kinds import OWN_KINDS

SERVICE = WebhookService("aistack-webhook", "aistack-system", b"authority", port=9443)
(WEBHOOK,) = webhook_configuration(SERVICE)["webhooks"]


def test_it_asks_about_creates_and_updates_of_our_own_kinds_and_of_nothing_else() -> None:
    asked = {(group, *rule["resources"]) for rule in WEBHOOK["rules"] for group in rule["apiGroups"]}
    assert asked == {("aistack.dev", kind.plural) for kind in OWN_KINDS}
    assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in WEBHOOK["rules"])


def test_it_fails_closed_and_soon() -> None:
    assert WEBHOOK["failurePolicy"] == "Fail"
    assert WEBHOOK["timeoutSeconds"] == 5
    assert WEBHOOK["matchPolicy"] == "Equivalent"
    assert WEBHOOK["sideEffects"] == "NoneOnDryRun"


def test_it_finds_the_webhook_by_its_service() -> None:
    client = WEBHOOK["clientConfig"]
    assert client["service"] == {
        "name": "aistack-webhook",
        "namespace": "aistack-system",
        "path": PATH,
        "port": 9443,
    }
    assert base64.b64decode(client["caBundle"]) == b"authority"


def test_it_leaves_out_the_operator_itself() -> None:
    by_operator = WEBHOOK["matchConditions"][0]["expression"]
    assert all(f"'{user}'" in by_operator for user in operator_users("aistack-system"))
    (namespaces,) = WEBHOOK["namespaceSelector"]["matchExpressions"]
    assert (namespaces["operator"], namespaces["values"]) == ("NotIn", ["aistack-system"])
