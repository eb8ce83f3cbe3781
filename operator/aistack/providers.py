"""What a managed model asks of its provider, and can't have."""

from collections.abc import Iterator, Mapping

from aistack.api import Reason
from aistack.api.models import Managed
from aistack.api.stack import AIStackSpec
from aistack.endpoints import endpoint_problem
from aistack.problem import Problem

DIRECT_PROVIDERS = frozenset({"openai", "openaiCompatible"})
"""Providers that speak OpenAI's protocol themselves; every other one needs the adapter."""
WITHOUT_IDENTITY = DIRECT_PROVIDERS | {"anthropic"}
"""Providers that know API keys only."""
WITHOUT_KEY = frozenset({"sagemaker"})
"""Providers that know the cloud's identities only."""
KEYED = frozenset({"openai", "anthropic"})
"""Providers that answer nobody without a key."""
TAKERS: Mapping[str, frozenset[str]] = {
    "endpoint": DIRECT_PROVIDERS | {"anthropic", "azure", "bedrock"},
    "project": frozenset({"vertex"}),
    "apiVersion": frozenset({"azure"}),
}
"""Fields that some providers know nothing of. A region may be written for all: residency rules read it."""


def provider_problems(spec: AIStackSpec) -> Iterator[Problem]:
    """Every field of the managed models that neither the front nor the adapter can honour."""
    for path, managed in _managed(spec):
        yield from _not_taken(path, managed)
        yield from _endpoint(f"{path}.endpoint", managed)
        yield from _credentials(f"{path}.credentials", managed)
    yield from _identities(spec)


def provider_warnings(spec: AIStackSpec) -> Iterator[Problem]:
    for path, managed in _managed(spec):
        if managed.provider in KEYED and not managed.credentials and not managed.endpoint:
            yield Problem(
                f"{path}.credentials",
                Reason.INVALID_REFERENCE,
                f"{managed.provider} answers nobody without a key; write secretKeyRef",
            )


def _managed(spec: AIStackSpec) -> Iterator[tuple[str, Managed]]:
    for model in spec.models:
        if model.managed:
            yield f"spec.models[{model.name}].managed", model.managed


def _not_taken(path: str, managed: Managed) -> Iterator[Problem]:
    given = {"endpoint": managed.endpoint, "project": managed.project, "apiVersion": managed.api_version}
    for field, value in given.items():
        if value and managed.provider not in TAKERS[field]:
            yield Problem(
                f"{path}.{field}",
                Reason.NOT_SUPPORTED,
                f"{managed.provider} is called without it; leave it out",
            )


def _endpoint(path: str, managed: Managed) -> Iterator[Problem]:
    if managed.endpoint is None:
        return
    problem = endpoint_problem(
        managed.endpoint, "provider", example="https://host/v1", key="credentials.secretKeyRef"
    )
    if problem:
        yield Problem(path, Reason.INVALID_SPEC, problem)


def _credentials(path: str, managed: Managed) -> Iterator[Problem]:
    if managed.credentials is None:
        return
    if managed.credentials.workload_identity and managed.provider in WITHOUT_IDENTITY:
        yield Problem(
            f"{path}.workloadIdentity",
            Reason.NOT_SUPPORTED,
            f"{managed.provider} knows keys only; write secretKeyRef",
        )
    if managed.credentials.secret_key_ref and managed.provider in WITHOUT_KEY:
        yield Problem(
            f"{path}.secretKeyRef",
            Reason.NOT_SUPPORTED,
            f"{managed.provider} knows no single key; write workloadIdentity",
        )


def _identities(spec: AIStackSpec) -> Iterator[Problem]:
    """The adapter is one pod, and a pod has one ServiceAccount."""
    first = ""
    for path, managed in _managed(spec):
        identity = managed.credentials.workload_identity if managed.credentials else None
        if identity is None or managed.provider in WITHOUT_IDENTITY:
            continue
        first = first or identity.service_account_name
        if identity.service_account_name != first:
            yield Problem(
                f"{path}.credentials.workloadIdentity.serviceAccountName",
                Reason.NOT_SUPPORTED,
                f"the models of a stack share one identity, and one before has {first!r}; write {first}",
            )
