"""What a stack's names may refer to outside itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aistack.api import AcceleratorClass
from aistack.api.catalog import AcceleratorClassSpec
from aistack.images import Image

CPU = "cpu"
"""The accelerator class that need not exist: no accelerator at all."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the cluster has beyond plain Kubernetes, found by discovery."""

    custom_metrics: bool = False
    """custom.metrics.k8s.io is served: an autoscaler can see vLLM's own metrics."""
    resource_metrics: bool = False
    """metrics.k8s.io is served: an autoscaler can see CPU."""
    gateway_api: bool = False
    """gateway.networking.k8s.io is served: a Gateway can publish a stack."""
    cert_manager: bool = False
    """cert-manager.io is served: certificates can be issued."""
    open_reports: bool = False
    """openreports.io is served: what policies find can be told in a Report."""
    policy_reports: bool = False
    """wgpolicyk8s.io is served: the same in a PolicyReport, which Reports came from."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where the gateways' spans go, and of how many requests."""

    endpoint: str
    """A collector's address for OTLP over HTTP, such as `http://otel.monitoring.svc:4318/v1/traces`."""
    percent: float
    """Of the requests that come without a trace, 0 to 100."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The images, accelerators and abilities that a cluster offers."""

    images: Mapping[str, Image]
    accelerator_classes: Mapping[str, AcceleratorClass] = field(default_factory=dict)
    abilities: Abilities = Abilities()
    operator_namespace: str = "aistack-system"
    """Where the controller runs, which asks the gateways' pods what is live."""
    traces: Traces | None = None
    """None: the gateways make no spans."""

    def engine(self, accelerator: AcceleratorClassSpec) -> Image:
        """The image of vLLM that serves on this class."""
        return self.images["vllm" if accelerator.resource_name else "vllm-cpu"]

    def accelerator(self, name: str) -> AcceleratorClassSpec | None:
        """The class of this name; None when there is none."""
        if name in self.accelerator_classes:
            return self.accelerator_classes[name].spec
        return AcceleratorClassSpec() if name == CPU else None
