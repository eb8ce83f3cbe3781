"""What the chart installs is what the operator's own code says."""

import json

from aistack.admission.configuration import NAME, PATH, WebhookService, webhook_configuration
from tests.e2e.installation import CHART, NAMESPACE, ROOT, helm
from tests.e2e.world import World


def test_the_webhook_is_asked_what_the_code_says(world: World) -> None:
    found = json.loads(world.cluster.kubectl("get", "validatingwebhookconfiguration", NAME, "--output=json"))
    service = WebhookService("aistack-webhook", NAMESPACE, b"")
    wanted = webhook_configuration(service)["webhooks"][0]
    installed = found["webhooks"][0]
    assert installed["clientConfig"].pop("caBundle")
    del wanted["clientConfig"]["caBundle"]
    assert installed["clientConfig"]["service"]["path"] == PATH
    by_resource = {rule["resources"][0]: rule for rule in installed.pop("rules")}
    assert by_resource == {rule["resources"][0]: rule for rule in wanted.pop("rules")}
    assert wanted.items() <= installed.items()


def test_an_upgrade_keeps_the_certificate(world: World) -> None:
    secret = ("get", "secret", "aistack-webhook-tls", f"--namespace={NAMESPACE}", "--output=jsonpath={.data}")
    before = world.cluster.kubectl(*secret)
    helm(
        world.cluster,
        "upgrade",
        "aistack",
        str(ROOT / CHART),
        f"--namespace={NAMESPACE}",
        "--reuse-values",
        "--wait",
    )
    assert world.cluster.kubectl(*secret) == before


def test_with_cert_manager_helm_makes_no_certificate(world: World) -> None:
    text = helm(
        world.cluster,
        "template",
        "aistack",
        str(ROOT / CHART),
        "--set=webhook.certManager.enabled=true",
        "--namespace=x",
    )
    assert "kind: Certificate" in text
    assert "cert-manager.io/inject-ca-from: x/aistack-webhook" in text
    assert "kind: Secret" not in text
    assert "caBundle" not in text
