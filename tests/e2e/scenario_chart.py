"""What the chart installs."""

import json

from aistack.admission.server import PATH
from tests.e2e.installation import CHART, NAMESPACE, ROOT, helm
from tests.e2e.world import World
from tests.registration import NAME, asked


def test_the_webhook_is_asked_what_the_tests_ask_it(world: World) -> None:
    found = json.loads(world.cluster.kubectl("get", "validatingwebhookconfiguration", NAME, "--output=json"))
    (installed,) = found["webhooks"]
    assert installed["clientConfig"]["caBundle"]
    assert installed["clientConfig"]["service"]["path"] == PATH
    assert asked(NAMESPACE).items() <= installed.items()


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
