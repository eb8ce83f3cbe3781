"""What the demonstration does, in its order."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import join, quote

from demo import programs
from demo.kubectl import Kubectl
from demo.programs import NAMESPACE, Program
from demo.webhook import register, webhook
from tests.controlplane import providers
from tests.controlplane.components import free_port
from tests.controlplane.definitions import wait_until_served
from tests.controlplane.errors import CommandFailed, ControlPlaneError
from tests.controlplane.progress import say, step
from tests.controlplane.providers import Name, Provided, Sizes
from tests.e2e import node

ROOT = Path(__file__).parent.parent
ROLES = ROOT / "charts/aistack/templates/roles.yaml"
EXAMPLE = "examples/support.yaml"
ACCELERATORS, PRICES = "examples/accelerators.yaml", "examples/prices.yaml"
STACK, STACK_NAMESPACE = "support", "care"
READY_WITHIN = 120  # seconds; 10 are usual
CONDITIONS = r'{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}'


def up(folder: Path, provider: Name) -> None:
    """Brings everything up and shows it. Done again, it restarts the operator and changes nothing else."""
    cluster = _cluster(folder, provider)
    kubectl = Kubectl.of(cluster)
    if cluster.provider == "kind":
        _prepare_kind(kubectl)
    with step("installing the API and the operator's rights"):
        kubectl.apply(ROOT / "crds", ROLES, ROOT / "demo/operator.yaml")
        wait_until_served(kubectl, f"--filename={ROOT / 'crds'}")
    with step("starting the operator"):
        _start_operator(folder, cluster, kubectl)
    with step(f"applying {ACCELERATORS}, {PRICES} and {EXAMPLE}"):
        kubectl.apply(*(ROOT / path for path in (ACCELERATORS, PRICES, EXAMPLE, "demo/secrets.yaml")))
    with step(f"bringing {STACK} to Ready"):
        wait_until_ready(kubectl, READY_WITHIN, lambda: programs.tails(folder))
    show(kubectl)
    say_what_else(kubectl, logs="tail -f .demo/controller.log .demo/webhook.log")


def down(folder: Path) -> None:
    """Ends what `up` started. In a cluster that was there before, it removes what `up` applied."""
    cluster = providers.provided(folder)
    if cluster is None and not folder.exists():
        say("nothing is up")
        return
    with step("ending the demonstration"):
        if cluster and cluster.provider == "existing":
            _leave(Kubectl.of(cluster))
        programs.stop(folder)
        node.stop(folder / node.NAME)
        providers.down(folder)


def _cluster(folder: Path, provider: Name) -> Provided:
    """The cluster of an earlier run if it still runs, else a new one."""
    earlier = providers.provided(folder)
    if earlier and (earlier.provider != provider or (folder / node.NAME).exists()):
        raise ControlPlaneError(
            f"a demonstration is up on another cluster ({earlier.provider}); end it first: make demo-down"
        )
    programs.stop(folder)
    return providers.up(folder, provider, Sizes())


def _prepare_kind(kubectl: Kubectl) -> None:
    """All pods go to the nodes that kwok plays: kind's own would pull images, some not published yet."""
    kubectl("cordon", "--selector=type!=kwok")
    kubectl.apply(ROOT / "demo/kind.yaml")


def _start_operator(folder: Path, cluster: Provided, kubectl: Kubectl) -> None:
    port = free_port()
    settings = {
        "AISTACK_NAMESPACE": NAMESPACE,
        "AISTACK_METRICS_PORT": str(port),
        "AISTACK_LOADER_SECONDS": "1",  # kwok's pods have no loader that could answer
    }
    controller = Program("controller", port, settings)
    if cluster.provider != "built":
        say("no webhook here: a cluster elsewhere can't call this machine; problems show up in the status")
        programs.start(folder, kubectl, controller)
        return
    admission = webhook(folder)
    programs.start(folder, kubectl, controller, admission)
    register(folder, admission.port, kubectl)


def wait_until_ready(kubectl: Kubectl, within: int, tails: Callable[[], str]) -> None:
    """CommandFailed, with its conditions and what `tails` says of the operator, when it takes longer."""
    where = (f"aistack/{STACK}", f"--namespace={STACK_NAMESPACE}")
    try:
        kubectl("wait", "--for=condition=Ready", *where, f"--timeout={within}s")
    except CommandFailed as error:
        conditions = kubectl("get", *where, f"--output=jsonpath={CONDITIONS}")
        raise CommandFailed(
            f"{STACK} is not Ready after {within} s. Its conditions:\n{conditions or 'none'}\n{tails()}"
        ) from error


def show(kubectl: Kubectl) -> None:
    """The stack as its user sees it."""
    aistack = Path(sys.executable).with_name("aistack")
    run(kubectl, str(kubectl.program), "get", "aistacks", "--all-namespaces")
    run(kubectl, str(aistack), "status", STACK, f"--namespace={STACK_NAMESPACE}")
    files = (
        "examples/support.yaml",
        "--catalog=examples/accelerators.yaml",
        "--catalog=examples/prices.yaml",
    )
    run(kubectl, str(aistack), "cost", *files)
    run(kubectl, str(aistack), "diagram", *files)


def say_what_else(kubectl: Kubectl, logs: str) -> None:
    """What can be tried; `logs` is the command that follows the operator's."""
    path = f"{kubectl.program.parent}:{Path(sys.executable).parent}"
    print(f"""
To go on exploring, in this shell:
  export KUBECONFIG={quote(str(kubectl.kubeconfig))}
  export PATH={quote(path)}:"$PATH"
  kubectl explain aistack.spec.models.selfHosted.scaling
  kubectl delete deployment {STACK}-llama -n {STACK_NAMESPACE}    # comes back
  kubectl patch aistack {STACK} -n {STACK_NAMESPACE} --type=merge -p '{{"spec": {{"suspend": true}}}}'
  kubectl edit aistack {STACK} -n {STACK_NAMESPACE}               # break something: it is refused, and why
  aistack status {STACK} -n {STACK_NAMESPACE}
  aistack render {EXAMPLE} --catalog {ACCELERATORS}
  {logs}
To end it:
  make demo-down""")


def run(kubectl: Kubectl, *argv: str) -> int:
    """Runs a command as a reader would type it in the checkout, and shows that; its exit code."""
    print(f"\n$ {join([Path(argv[0]).name, *argv[1:]])}", flush=True)
    return subprocess.run(argv, cwd=ROOT, env=kubectl.environment, check=False).returncode


def _leave(kubectl: Kubectl) -> None:
    """Removes what was applied, but not the API: other stacks may be using it."""
    ignoring = ("--ignore-not-found", "--wait=false")
    for path in (EXAMPLE, PRICES, "demo/secrets.yaml", "demo/operator.yaml"):
        kubectl("delete", *ignoring, f"--filename={ROOT / path}")
    kubectl("delete", *ignoring, f"--filename={ROLES}")
    say(f"the API stays; to remove it: kubectl delete -f {ROOT / 'crds'}")
