"""The webhook as a process of this machine, which the API server reaches through a Service."""

from pathlib import Path

from demo.kubectl import Kubectl
from demo.programs import NAMESPACE, Program
from tests.controlplane.certificates import Authority
from tests.controlplane.components import free_port
from tests.controlplane.objects import local_service
from tests.registration import SERVICE, webhook_configuration


def webhook(folder: Path) -> Program:
    """The program, with a certificate made for this run."""
    authority = Authority.create("aistack-demo")
    trusted = folder / "webhook-ca.crt"
    trusted.write_bytes(authority.pair.certificate)
    certificate, key = authority.service(SERVICE, NAMESPACE).write(folder, "webhook")
    port = free_port()
    settings = {
        "AISTACK_NAMESPACE": NAMESPACE,
        "AISTACK_METRICS_PORT": str(free_port()),
        "AISTACK_WEBHOOK_PORT": str(port),
        "AISTACK_WEBHOOK_CERTIFICATE": str(certificate),
        "AISTACK_WEBHOOK_KEY": str(key),
    }
    return Program("webhook", port, settings, trusted)


def register(folder: Path, port: int, kubectl: Kubectl) -> None:
    """Tells the API server to ask the webhook; from here on it refuses what can't be served."""
    asked = webhook_configuration(NAMESPACE, (folder / "webhook-ca.crt").read_bytes(), port)
    kubectl.apply_objects(local_service(SERVICE, NAMESPACE), asked)
