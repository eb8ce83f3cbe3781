"""`aistack webhook` as a process, with the rights that it has in a cluster and no others."""

import json
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from aistack.trail import follow
from tests import reviews, webhooks
from tests.controllers import eventually
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process, end, launch
from tests.reviews import broken_stack
from tests.stacks import accelerator_class, hosted, stack
from tests.webhooks import Replica


@dataclass(frozen=True)
class Webhook:
    """The process, and who signed its certificate."""

    replica: Replica
    authority: str

    @property
    def process(self) -> Process:
        return self.replica.process

    def judge(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The response to a review of `obj`."""
        context = ssl.create_default_context(cadata=self.authority)
        connection = HTTPSConnection("localhost", self.replica.port, context=context, timeout=10)
        connection.request("POST", "/validate", json.dumps(reviews.review(obj)))
        response: dict[str, Any] = json.loads(connection.getresponse().read())["response"]
        connection.close()
        return response

    def get(self, path: str) -> tuple[int, str]:
        return self.replica.get(path)


@pytest.fixture
def webhook(installed: ControlPlane, tmp_path: Path) -> Iterator[Webhook]:
    with webhooks.webhook(installed, tmp_path) as replica:
        yield Webhook(replica, installed.authority.pair.certificate.decode())


def test_it_judges_by_the_classes_that_the_cluster_has(installed: ControlPlane, webhook: Webhook) -> None:
    assert webhook.judge(stack())["allowed"]
    assert not webhook.judge(broken_stack())["allowed"]
    fresh = accelerator_class("fresh-for-the-webhook")
    installed.kubectl("create", "-f", "-", input=json.dumps(fresh))
    try:
        named = stack(models=[hosted(accelerator={"class": "fresh-for-the-webhook"})])
        assert webhook.judge(named)["allowed"]
    finally:
        installed.kubectl("delete", "acceleratorclass", "fresh-for-the-webhook")
    eventually(lambda: not webhook.judge(named)["allowed"], "a deleted class is forgotten", webhook.process)


def test_it_counts_what_it_decides(webhook: Webhook) -> None:
    webhook.judge(stack())
    webhook.judge(broken_stack())
    webhook.judge({**stack(), "kind": "Pod"})
    code, metrics = webhook.get("/metrics")
    assert code == 200
    for kind, verdict in (("AIStack", "allowed"), ("AIStack", "denied"), ("unknown", "refused")):
        assert f'aistack_webhook_reviews_total{{kind="{kind}",verdict="{verdict}"}} 1.0' in metrics
    assert 'aistack_webhook_review_seconds_count{kind="AIStack"} 2.0' in metrics
    assert "aistack_webhook_body_bytes_count 3.0" in metrics
    expires = float(metrics.partition("\naistack_webhook_certificate_expires_seconds ")[2].split()[0])
    assert expires > time.time()


def test_told_to_stop_it_answers_on_while_it_is_no_longer_ready_and_then_ends_cleanly(
    webhook: Webhook,
) -> None:
    child = webhook.process.child
    assert child is not None
    child.send_signal(signal.SIGTERM)
    eventually(lambda: webhook.get("/readyz")[0] == 503, "it says that it is not ready", webhook.process)
    assert webhook.judge(stack())["allowed"]
    assert child.wait(60) == 0
    assert "Traceback" not in webhook.process.tail()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "tls.key").unlink(), "can't be used"),
        (lambda folder: (folder / "tls.crt").write_text("none"), "name two PEM files that belong together"),
    ],
)
def test_without_a_usable_certificate_it_says_so_and_ends(
    break_it: Callable[[Path], None], said: str, installed: ControlPlane, tmp_path: Path
) -> None:
    environment = webhooks.environment(installed, tmp_path)
    break_it(tmp_path)
    process = launch("webhook", webhooks.ARGV, tmp_path / "webhook.log", 0, environment)
    assert process.child is not None
    assert process.child.wait(60) == 2
    assert said in process.tail()
    assert "Traceback" not in process.tail()


@pytest.fixture
def judged(installed: ControlPlane) -> Iterator[dict[str, Any]]:
    """A stack that a policy of the cluster denies."""
    rule = {"id": "owner", "expression": "has(object.spec.governance.owner)", "message": "somebody owns it"}
    policy = {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "AIPolicy",
        "metadata": {"name": "owned-by-test"},
        "spec": {
            "action": "Deny",
            "match": {"stackSelector": {"matchLabels": {"judged": "yes"}}},
            "rules": [rule],
        },
    }
    installed.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(policy))
    denied = stack(namespace="default")
    denied["metadata"]["labels"] = {"judged": "yes"}
    yield denied
    installed.kubectl("delete", "aipolicy", "owned-by-test", "--ignore-not-found")


def test_a_policy_that_denies_counts_as_soon_as_it_is_there(
    webhook: Webhook, installed: ControlPlane, judged: dict[str, Any]
) -> None:
    eventually(lambda: not webhook.judge(judged)["allowed"], "the policy denies", webhook.process)
    assert "owned-by-test/owner" in webhook.judge(judged)["status"]["message"]
    assert webhook.judge(stack(namespace="default"))["allowed"]
    installed.kubectl("delete", "aipolicy", "owned-by-test")
    eventually(lambda: webhook.judge(judged)["allowed"], "the policy is forgotten", webhook.process)


def test_its_very_first_answer_knows_all_that_the_cluster_has(
    installed: ControlPlane, tmp_path: Path, judged: dict[str, Any]
) -> None:
    replica = webhooks.start(installed, tmp_path)
    fresh = Webhook(replica, installed.authority.pair.certificate.decode())
    answers: list[dict[str, Any]] = []

    def answered() -> bool:
        with suppress(OSError):
            answers.append(fresh.judge(judged))
        return bool(answers)

    try:
        eventually(answered, "it answers", replica.process)
        assert not answers[0]["allowed"]
    finally:
        end(replica.process)


def test_every_decision_is_a_line_of_the_log_and_a_record_of_the_trail(
    webhook: Webhook, tmp_path: Path
) -> None:
    webhook.judge(stack())
    webhook.judge(broken_stack())
    webhook.judge({**stack(), "kind": "Pod"})
    trail = tmp_path / "decisions.jsonl"
    with trail.open("rb") as lines:
        assert follow(lines).end.sequence == 3
    allowed, denied, refused = (json.loads(line) for line in trail.read_text().splitlines())
    assert (allowed["user"], allowed["object"], allowed["verdict"]) == ("alice", "care/support", "allowed")
    assert (denied["verdict"], denied["problems"]) == ("denied", 2)
    assert allowed["spec"] != denied["spec"]
    logged = [json.loads(line) for line in webhook.process.log.read_text().splitlines()]
    assert [line["decision"] for line in logged if "decision" in line] == [
        {name: value for name, value in record.items() if name != "previous"}
        for record in (allowed, denied, refused)
    ]
    assert (refused["verdict"], refused["code"]) == ("refused", 400)
    assert "is none of AIStack" in refused["why"]
