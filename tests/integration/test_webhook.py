"""What a user sees of the webhook, through a real API server that reaches it by its Service."""

import json
import ssl
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, operator_users, review
from aistack.admission.server import Decide
from aistack.api import AcceleratorClass, AIPolicy, AIPolicyException
from aistack.catalog import Catalog
from aistack.govern import Policies
from aistack.images import default_images
from aistack.platform import Platform
from tests import rulebook
from tests.controlplane import ControlPlane, RequestFailed
from tests.reviews import Object, broken_stack, price_book
from tests.stacks import API_VERSION, accelerator_class, hosted, stack
from tests.webhook import NAMESPACE, LocalWebhook, local_webhook

NO_CLASS = "no AcceleratorClass is named 'tpu'; write one of cpu, nvidia-l4"
NO_MODEL = "no model is named 'gpt'; write one of llama"


@pytest.fixture(scope="module", autouse=True)
def webhook(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWebhook]:
    with local_webhook(cluster, tmp_path_factory.mktemp("webhook")) as running:
        yield running


class Kubectl:
    """kubectl in one namespace, as an administrator or as somebody else."""

    def __init__(self, cluster: ControlPlane, namespace: str, config: Path | None = None) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.config = config or cluster.kubeconfig

    def __call__(self, *args: str, obj: Object | None = None) -> str:
        if obj is not None:
            args = (*args, "-f", "-")
            metadata = {name: value for name, value in obj["metadata"].items() if name != "uid"}
            obj = {**obj, "metadata": {**metadata, "namespace": self.namespace}}
        return self.cluster.kubectl(
            f"--kubeconfig={self.config}",
            f"--namespace={self.namespace}",
            *args,
            input=json.dumps(obj) if obj else None,
            check=False,
        )


@pytest.fixture
def kubectl(cluster: ControlPlane, namespace: str) -> Kubectl:
    return Kubectl(cluster, namespace)


@pytest.fixture
def as_operator(cluster: ControlPlane, namespace: str) -> Kubectl:
    user = operator_users(NAMESPACE)[0]
    return Kubectl(cluster, namespace, cluster.kubeconfig_for(user, ("system:masters",)))


@pytest.fixture
def _old_stack(webhook: LocalWebhook, as_operator: Kubectl) -> None:
    """A stored stack that would be refused today; only the operator's own writes are not judged."""
    assert "created" in as_operator("create", obj=broken_stack())
    webhook.seen.clear()


def test_a_sound_stack_is_stored_and_what_is_unwise_is_shown(webhook: LocalWebhook, kubectl: Kubectl) -> None:
    routes = [{"name": "chat", "targets": [{"model": "llama"}]}]
    shown = kubectl("create", obj=stack(models=[hosted(), hosted("spare")], gateway={"routes": routes}))
    assert "aistack.aistack.dev/support created" in shown
    assert "Warning: spec.models[spare]: no route leads to this model" in shown
    assert webhook.seen[-1].full_name == f"{kubectl.namespace}/support"


def test_a_denial_shows_every_problem_as_the_api_servers_own_do(kubectl: Kubectl) -> None:
    shown = kubectl("create", obj=broken_stack())
    assert 'The AIStack "support" is invalid' in shown
    assert f"* spec.models[llama].selfHosted.accelerator.class: {NO_CLASS}" in shown
    assert f"* spec.gateway.routes[chat].targets[gpt].model: {NO_MODEL}" in shown
    assert "NotFound" in kubectl("get", "aistack", "support")


def test_the_denials_message_alone_says_everything(cluster: ControlPlane, namespace: str) -> None:
    obj = broken_stack()
    obj["metadata"]["namespace"] = namespace
    with pytest.raises(RequestFailed) as failed:
        cluster.client.create(f"/apis/{API_VERSION}/namespaces/{namespace}/aistacks", obj)
    heading, first, second = str(failed.value).splitlines()
    assert failed.value.code == 422
    assert heading.endswith(f"denied the request: AIStack {namespace}/support: 2 problems")
    assert first.endswith(NO_CLASS)
    assert second.endswith(NO_MODEL)


def test_a_dry_run_is_judged_and_stores_nothing(kubectl: Kubectl) -> None:
    assert NO_MODEL in kubectl("create", "--dry-run=server", obj=broken_stack())
    assert "created (server dry run)" in kubectl("create", "--dry-run=server", obj=stack())
    assert "NotFound" in kubectl("get", "aistack", "support")


def test_an_update_to_what_cannot_be_served_is_denied_and_changes_nothing(kubectl: Kubectl) -> None:
    kubectl("create", obj=stack())
    patch = '{"spec": {"gateway": {"routes": [{"name": "chat", "targets": [{"model": "gpt"}]}]}}}'
    assert NO_MODEL in kubectl("patch", "aistack", "support", "--type=merge", f"--patch={patch}")
    assert kubectl("get", "aistack", "support", "-o=jsonpath={.spec.gateway.routes}") == ""


def test_a_class_created_a_moment_ago_counts(cluster: ControlPlane, kubectl: Kubectl) -> None:
    fresh = accelerator_class(f"fresh-{kubectl.namespace}")
    cluster.kubectl("create", "-f", "-", input=json.dumps(fresh))
    name = fresh["metadata"]["name"]
    try:
        assert "created" in kubectl("create", obj=stack(models=[hosted(accelerator={"class": name})]))
    finally:
        cluster.kubectl("delete", "acceleratorclass", name)


@pytest.mark.usefixtures("_old_stack")
def test_an_old_stack_can_be_labelled_suspended_and_deleted_without_the_webhook_in_the_way(
    webhook: LocalWebhook, kubectl: Kubectl
) -> None:
    assert "annotated" in kubectl("annotate", "aistack", "support", "team=care")
    assert webhook.seen == [], "metadata alone is not even asked about"
    assert "labeled" in kubectl("label", "aistack", "support", "team=care")
    off = '--patch={"spec": {"suspend": true}}'
    assert "patched" in kubectl("patch", "aistack", "support", "--type=merge", off)
    assert "deleted" in kubectl("delete", "aistack", "support")


@pytest.mark.usefixtures("_old_stack")
def test_an_old_stack_cannot_be_switched_on_again_as_it_is(kubectl: Kubectl) -> None:
    kubectl("patch", "aistack", "support", "--type=merge", '--patch={"spec": {"suspend": true}}')
    on = kubectl("patch", "aistack", "support", "--type=merge", '--patch={"spec": {"suspend": false}}')
    assert NO_CLASS in on


def test_a_forged_generation_does_not_lead_around_the_webhook(kubectl: Kubectl) -> None:
    kubectl("create", obj=stack())
    for generation in (1, 2, 7):
        forged = deepcopy(broken_stack())
        forged["metadata"]["generation"] = generation
        assert NO_MODEL in kubectl("replace", obj=forged)


@pytest.mark.usefixtures("_old_stack")
def test_a_status_is_written_without_the_webhook(webhook: LocalWebhook, kubectl: Kubectl) -> None:
    status = '--patch={"status": {"modelsReady": "0/1"}}'
    assert "patched" in kubectl("patch", "aistack", "support", "--subresource=status", "--type=merge", status)
    assert webhook.seen == []


def test_an_internal_error_denies_and_names_itself(webhook: LocalWebhook, kubectl: Kubectl) -> None:
    async def break_down(_: AdmissionRequest) -> Verdict:
        raise RuntimeError("the token is s3cr3t")

    webhook.decide_instead = break_down
    try:
        shown = kubectl("create", obj=stack())
    finally:
        webhook.decide_instead = None
    assert "denied the request: internal error in the aistack webhook (id " in shown
    assert "s3cr3t" not in shown
    assert "NotFound" in kubectl("get", "aistack", "support")


def test_the_audit_log_says_which_rules_were_denied_warned_reported_and_waived(
    webhook: LocalWebhook, kubectl: Kubectl
) -> None:
    mine = rulebook.policy()
    warning, reporting = rulebook.policy("warns", action="Warn"), rulebook.policy("reports", action="Audit")
    excused = rulebook.exception(kubectl.namespace)

    def judging(*policies: AIPolicy, exceptions: Sequence[AIPolicyException] = ()) -> Decide:
        known = Policies(policies, exceptions, now=datetime(2026, 11, 23, tzinfo=UTC))
        classes = {"nvidia-l4": AcceleratorClass.parse(accelerator_class())}
        platform = Platform(Catalog(default_images(), classes), policies=known)

        async def decide(request: AdmissionRequest) -> Verdict:
            return review(request, platform)

        return decide

    mark = webhook.cluster.audit.mark()
    try:
        webhook.decide_instead = judging(mine, warning, reporting)
        assert "is invalid" in kubectl("create", obj=stack())
        webhook.decide_instead = judging(mine, exceptions=[excused])
        assert "created" in kubectl("create", obj=stack())
    finally:
        webhook.decide_instead = None
    noted = [
        {key.rpartition("/")[2]: value for key, value in request.annotations.items() if "aistack" in key}
        for request in webhook.cluster.audit.requests(mark, namespace=kubectl.namespace, verb="create")
    ]
    assert noted == [
        {"denied": "mine/owner", "warned": "warns/owner", "audited": "reports/owner"},
        {"waived": "mine/owner by waiver"},
    ]


def test_a_large_object_gets_the_right_verdict(kubectl: Kubectl) -> None:
    shown = kubectl("create", "--dry-run=server", obj=price_book(2_900_000))
    assert "created (server dry run)" in shown


def test_an_object_that_grows_over_the_limit_on_its_way_is_refused_with_the_limit(
    cluster: ControlPlane,
) -> None:
    """The API server writes each `<` as six characters."""
    with pytest.raises(RequestFailed, match="over 8 MiB"):
        cluster.client.create(f"/apis/{API_VERSION}/pricebooks?dryRun=All", price_book(2_900_000, filler="<"))


async def test_another_path_is_not_found(webhook: LocalWebhook, cluster: ControlPlane) -> None:
    authority = cluster.authority.pair.certificate.decode()
    context = ssl.create_default_context(cadata=authority)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for path in ("/", "/validate/", "/validate/aistacks", "/mutate"):
            async with session.post(f"https://localhost:{webhook.port}{path}", data=b"{}") as answer:
                assert answer.status == 404, path


def test_those_who_apply_notice_nothing_of_a_renewed_certificate(
    webhook: LocalWebhook, kubectl: Kubectl
) -> None:
    address = ("localhost", webhook.port)
    before = ssl.get_server_certificate(address)
    webhook.write_certificate()
    webhook.certificate.refresh()
    assert "created" in kubectl("create", "--dry-run=server", obj=stack())
    assert NO_MODEL in kubectl("create", "--dry-run=server", obj=broken_stack())
    assert ssl.get_server_certificate(address) != before


def test_without_a_webhook_our_kinds_wait_and_others_do_not(webhook: LocalWebhook, kubectl: Kubectl) -> None:
    webhook.configure(port=1)
    try:
        shown = kubectl("create", obj=stack())
        assert 'failed calling webhook "validate.aistack.dev"' in shown
        assert "connection refused" in shown
        assert "configmap/free created" in kubectl("create", "configmap", "free")
    finally:
        webhook.configure()
    assert "created" in kubectl("create", obj=stack())
