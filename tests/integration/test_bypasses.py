"""Nobody gets around a policy: the table of attempts on a real API server, with webhook and controller."""

import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from aistack.admission.review import operator_users
from aistack.cli.fixtures import changed
from tests import controllers
from tests.bypasses import (
    NAMESPACE,
    Attempt,
    Object,
    accelerator_classes,
    attempts,
    exception,
    policies,
    sound,
)
from tests.controllers import GROUPS, Stacks, eventually, is_ready
from tests.controlplane import ControlPlane, local_service
from tests.controlplane.components import free_port
from tests.controlplane.process import Process, kill, launch
from tests.registration import SERVICE, webhook_configuration, withdraw
from tests.stacks import API_VERSION

SYSTEM = controllers.NAMESPACE
STACKS = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/aistacks"
EVE = "eve@acme.example"


@pytest.fixture(scope="module")
def webhook(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The webhook's program, which the API server asks."""
    folder = Path(tmp_path_factory.mktemp("webhook"))
    certificate, key = installed.authority.service(SERVICE, SYSTEM).write(folder, "tls")
    metrics, port = free_port(), free_port()
    environment = {
        "KUBECONFIG": str(installed.kubeconfig_for(operator_users(SYSTEM)[1], GROUPS)),
        "AISTACK_METRICS_PORT": str(metrics),
        "AISTACK_WEBHOOK_PORT": str(port),
        "AISTACK_WEBHOOK_CERTIFICATE": str(certificate),
        "AISTACK_WEBHOOK_KEY": str(key),
    }
    argv = [sys.executable, "-m", "aistack", "webhook", "--log-format=json"]
    process = launch("webhook", argv, folder / "webhook.log", metrics, environment)
    try:
        eventually(lambda: is_ready(process), "the webhook is ready", process)
        asked = webhook_configuration(SYSTEM, installed.authority.pair.certificate, port)
        apply(installed, local_service(SERVICE, SYSTEM), asked)
        yield process
    finally:
        withdraw(installed)
        kill(process)


@pytest.fixture(scope="module")
def guarded(installed: ControlPlane, webhook: Process, controller: Process) -> Iterator[ControlPlane]:
    """A cluster with the whole operator, and a namespace whose stacks must keep the policies."""
    assert webhook.running()
    assert controller.running()
    installed.kubectl("create", "namespace", NAMESPACE)
    apply(installed, *accelerator_classes())
    for obj in policies():  # a webhook without a moment to try one asks for it again
        eventually(lambda obj=obj: created(installed, obj), "the policy is there")  # type: ignore[misc]  # a bound default
    broken = changed(sound(), "spec", {"spec.governance": {}, "spec.models.llama.selfHosted.revision": None})
    broken["spec"]["governance"] = {"useCases": ["social-scoring"]}
    broken["spec"]["gateway"]["routes"][0]["fallbacks"] = ["abroad"]
    names = ("owned/owner", "held/regions", "pinned/revision", "prohibited/practice")
    eventually(
        lambda: all(name in post(installed, broken, dry_run=True)[1] for name in names),
        "every policy denies",
    )
    yield installed
    for obj in policies():
        installed.kubectl("delete", "aipolicy", obj["metadata"]["name"])
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def running(guarded: ControlPlane) -> Stacks:
    """The sound stack, Ready."""
    stacks = Stacks(guarded, NAMESPACE)
    stacks.apply(sound())
    stacks.wait_ready("support")
    return stacks


def apply(cluster: ControlPlane, *objects: Object) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(listed))


def created(cluster: ControlPlane, obj: Object) -> bool:
    told = cluster.kubectl("create", "--filename=-", input=json.dumps(obj), check=False)
    return "created" in told or "AlreadyExists" in told


def post(cluster: ControlPlane, body: Object | bytes, *, dry_run: bool = False) -> tuple[int, str]:
    """Code and words of the answer to creating a stack."""
    sent = urllib.request.Request(  # noqa: S310 - the server's address is ours and is https
        f"{cluster.server}{STACKS}{'?dryRun=All' if dry_run else ''}",
        method="POST",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    context: ssl.SSLContext = cluster.client_ssl_context()
    try:
        with urllib.request.urlopen(sent, context=context, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, str(json.loads(error.read())["message"])


def rows(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("attempt", attempts(section), ids=lambda attempt: attempt.id)


def stored(cluster: ControlPlane) -> set[str]:
    names = cluster.kubectl("get", "aistacks", f"--namespace={NAMESPACE}", "--output=name")
    return set(names.split())


def test_the_table_is_long_enough() -> None:
    sections = ("created", "updated", "ignored", "excepted", "granted", "children")
    assert sum(len(attempts(section)) for section in sections) >= 60


def test_the_sound_stack_and_exception_are_let_in(guarded: ControlPlane) -> None:
    assert post(guarded, sound(), dry_run=True)[0] == 201
    assert "created" in as_eve(guarded, exception())


@rows("created")
def test_a_stack_that_breaks_a_rule_is_never_stored(guarded: ControlPlane, attempt: Attempt) -> None:
    obj = deepcopy(sound())
    for root in ("metadata", "spec", "status"):
        obj = changed(obj, root, deepcopy(attempt.changes))
    obj["metadata"]["name"] = obj["metadata"]["name"] and f"try-{len(attempt.id)}"
    before = stored(guarded)
    code, told = post(guarded, obj)
    assert code in {400, 403, 404, 422}, told
    assert attempt.says in told
    assert stored(guarded) == before


@rows("updated")
def test_a_stack_that_runs_is_not_changed_to_break_a_rule(running: Stacks, attempt: Attempt) -> None:
    before = running.get("aistack", "support")
    told = patch(running, "aistack", "support", attempt)
    assert attempt.says in told
    assert running.get("aistack", "support")["spec"] == before["spec"]


@rows("ignored")
def test_a_status_carries_no_spec(running: Stacks, attempt: Attempt) -> None:
    before = running.get("aistack", "support")
    assert "patched" in patch(running, "aistack", "support", attempt)
    assert running.get("aistack", "support")["spec"] == before["spec"]
    truth = timeless(before["status"])
    eventually(lambda: timeless(running.get("aistack", "support")["status"]) == truth, "the status is true")


def timeless(status: Object) -> Object:
    """Without the times at which it began to be so."""
    conditions = [{**each, "lastTransitionTime": ""} for each in status.get("conditions", ())]
    components = [{**each, "since": ""} for each in status.get("components", ())]
    return {**status, "conditions": conditions, "components": components}


@rows("excepted")
def test_an_exception_is_not_granted(guarded: ControlPlane, attempt: Attempt) -> None:
    told = as_eve(guarded, changed(exception(), "spec", deepcopy(attempt.changes)))
    assert "created" not in told
    assert attempt.says in told


@rows("granted")
def test_an_exception_that_was_granted_is_not_widened(guarded: ControlPlane, attempt: Attempt) -> None:
    apply(guarded, exception())
    told = as_eve(guarded, changed(exception(), "spec", deepcopy(attempt.changes)), "replace")
    assert "replaced" not in told
    assert attempt.says in told
    guarded.kubectl("delete", "aipolicyexception", "waiver", f"--namespace={NAMESPACE}")


@rows("children")
def test_what_is_done_to_a_stacks_objects_is_undone(running: Stacks, attempt: Attempt) -> None:
    before = kept(running, attempt)
    assert before
    if attempt.delete:
        running.cluster.kubectl("delete", attempt.kind, attempt.name, f"--namespace={NAMESPACE}")
    else:
        assert "patched" in patch(running, attempt.kind, attempt.name, attempt)
    eventually(lambda: kept(running, attempt) == before, f"{attempt.name} is as before")


def kept(stacks: Stacks, attempt: Attempt) -> Object:
    """What of an object its stack decides."""
    found = stacks.get(attempt.kind, attempt.name)
    if not found:
        return {}
    meta = found["metadata"]
    content = {name: found.get(name) or {} for name in ("spec", "data")}
    if attempt.kind == "service":
        content["spec"] = content["spec"]["selector"]
    owners = [owner["uid"] for owner in meta.get("ownerReferences", ())]
    return {**content, "labels": meta.get("labels"), "owners": owners}


def patch(stacks: Stacks, kind: str, name: str, attempt: Attempt) -> str:
    argv = ["patch", kind, name, f"--namespace={NAMESPACE}", f"--patch={json.dumps(attempt.patch)}"]
    # Containers are merged by their name, other kinds than Kubernetes' own know no such merge.
    argv += ["--type=strategic" if attempt.kind and not attempt.subresource else "--type=merge"]
    argv += [f"--subresource={attempt.subresource}"] if attempt.subresource else []
    return stacks.cluster.kubectl(*argv, check=False)


def as_eve(cluster: ControlPlane, obj: Object, verb: str = "create") -> str:
    """The answer to somebody who may write exceptions, without writing any."""
    config = cluster.kubeconfig_for(EVE, ("system:masters",))
    argv = (f"--kubeconfig={config}", verb, "--dry-run=server", "--validate=false", "--filename=-")
    return cluster.kubectl(*argv, input=json.dumps(obj), check=False)


def test_of_a_key_that_stands_twice_the_same_one_is_judged_that_is_stored(guarded: ControlPlane) -> None:
    spec = json.dumps(sound()["spec"])
    broken = json.dumps({**sound()["spec"], "governance": {}})
    head = f'{{"apiVersion": "{API_VERSION}", "kind": "AIStack", "metadata": {{"name": "twice"}}, '
    code, told = post(guarded, f'{head}"spec": {spec}, "spec": {broken}}}'.encode())
    assert code == 422
    assert "owned/owner" in told
    code, told = post(guarded, f'{head}"spec": {broken}, "spec": {spec}}}'.encode(), dry_run=True)
    assert code == 201
    assert json.loads(told)["spec"]["governance"]["owner"] == "care@acme.example"


@pytest.mark.parametrize("size", [1_100_000, 2_900_000])
def test_padding_past_a_limit_skips_no_rule(guarded: ControlPlane, size: int) -> None:
    """Kopf's own server cuts at 1 MiB, and some API servers pass on what a webhook did not answer."""
    obj = sound()
    del obj["spec"]["governance"]["owner"]
    body = json.dumps({**obj, "padding": "x" * size}).encode()
    code, told = post(guarded, body)
    assert code == 422
    assert "owned/owner" in told
    filler = [{"name": f"M{number}", "value": "x" * 900} for number in range(size // 1000)]
    obj["spec"]["models"][0]["selfHosted"]["runtime"] = {"env": filler}
    code, told = post(guarded, obj)
    assert code == 422
    assert "env" in told, "more variables than any stack has"


def test_an_exception_of_another_namespace_reaches_nobody_here(guarded: ControlPlane) -> None:
    apply(guarded, {**exception(), "metadata": {"name": "waiver", "namespace": "default"}})
    obj = sound()
    obj["metadata"]["name"] = "elsewhere"
    del obj["spec"]["governance"]["owner"]
    assert "owned/owner" in post(guarded, obj)[1]
    guarded.kubectl("delete", "aipolicyexception", "waiver", "--namespace=default")


def test_what_is_deleted_and_made_again_is_judged_again(guarded: ControlPlane) -> None:
    obj = sound()
    obj["metadata"]["name"] = "again"
    assert post(guarded, obj)[0] == 201
    guarded.kubectl("delete", "aistack", "again", f"--namespace={NAMESPACE}")
    del obj["spec"]["governance"]["owner"]
    assert "owned/owner" in post(guarded, obj)[1]


def test_a_finalizer_keeps_nothing_running_and_lets_nothing_in(guarded: ControlPlane) -> None:
    obj = sound()
    obj["metadata"] = {**obj["metadata"], "name": "kept", "finalizers": ["example.com/wait"]}
    assert post(guarded, obj)[0] == 201
    guarded.kubectl("delete", "aistack", "kept", f"--namespace={NAMESPACE}", "--wait=false")
    spec = json.dumps({"spec": {"governance": {"owner": None}}})
    argv = ("patch", "aistack", "kept", f"--namespace={NAMESPACE}", "--type=merge")
    assert "owned/owner" in guarded.kubectl(*argv, f"--patch={spec}", check=False)
    free = json.dumps({"metadata": {"finalizers": None}})
    assert "patched" in guarded.kubectl(*argv, f"--patch={free}"), "it can always be let go"


def test_a_policy_that_would_hold_everybody_up_is_never_stored(guarded: ControlPlane) -> None:
    growing = "'aaaaaaaaaaaaaaaaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 6
    rule = {"id": "huge", "expression": f"size({growing}) > 0", "message": "It is."}
    huge = {
        "apiVersion": API_VERSION,
        "kind": "AIPolicy",
        "metadata": {"name": "huge"},
        "spec": {"action": "Deny", "rules": [rule]},
    }
    said = "spec.rules[huge].expression: on a large stack it takes more than"
    eventually(
        lambda: said in guarded.kubectl("create", "--filename=-", input=json.dumps(huge), check=False),
        "the rule is refused",
    )
    assert "NotFound" in guarded.kubectl("get", "aipolicy", "huge", check=False)
    after = changed(sound(), "metadata", {"metadata.name": "after"})
    assert post(guarded, after, dry_run=True)[0] == 201, "the webhook answers as before"
