"""The kinds that the operator reads and writes: where each lives in the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aistack.api import GROUP, VERSION

Manifest = dict[str, Any]
"""A Kubernetes object as the JSON it is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the API: `path()` is where its objects are."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of an object, of a namespace's collection, or of the whole collection."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


FIELD_MANAGER = "aistack"
"""Who server-side apply says that we are."""

AISTACK = Kind(GROUP, VERSION, "AIStack", "aistacks")
AIBUDGET = Kind(GROUP, VERSION, "AIBudget", "aibudgets", namespaced=False)
AIPOLICY = Kind(GROUP, VERSION, "AIPolicy", "aipolicies", namespaced=False)
AIPOLICY_EXCEPTION = Kind(GROUP, VERSION, "AIPolicyException", "aipolicyexceptions")
ACCELERATOR_CLASS = Kind(GROUP, VERSION, "AcceleratorClass", "acceleratorclasses", namespaced=False)
PRICE_BOOK = Kind(GROUP, VERSION, "PriceBook", "pricebooks", namespaced=False)
OWN_KINDS = (AISTACK, AIBUDGET, AIPOLICY, AIPOLICY_EXCEPTION, ACCELERATOR_CLASS, PRICE_BOOK)

SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
SERVICE = Kind("", "v1", "Service", "services")
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
REPORT = Kind("openreports.io", "v1alpha1", "Report", "reports")
POLICY_REPORT = Kind("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports")
CHILD_KINDS = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    VOLUME_CLAIM,
    NETWORK_POLICY,
    SERVICE,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    AUTOSCALER,
    INGRESS,
    HTTP_ROUTE,
    REPORT,
    POLICY_REPORT,
)
"""What a stack is rendered to, in the order of dependence: configuration before what mounts it."""
OPTIONAL_KINDS = (HTTP_ROUTE, REPORT, POLICY_REPORT)
"""Those among them that not every cluster has."""

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("", "v1", "Pod", "pods")
EVENT = Kind("", "v1", "Event", "events")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

ADMISSION_POLICY = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
)
ADMISSION_POLICY_BINDING = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
ADMISSION_KINDS = (ADMISSION_POLICY, ADMISSION_POLICY_BINDING)
"""What an AIPolicy is compiled to."""

_BY_NAME: Mapping[tuple[str, str], Kind] = {
    (kind.api_version, kind.kind): kind for kind in (*OWN_KINDS, *CHILD_KINDS, *ADMISSION_KINDS)
}


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a rendered object; KeyError for one that the operator never renders."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]
