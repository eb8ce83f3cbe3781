"""What breaks each rule of the CRDs, and what keeps it, in the example that has all fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.schemas import Object


@dataclass(frozen=True)
class Change:
    """What to write at a rule's node of an example, so that the rule is broken, and so that it is kept."""

    refused: Any
    accepted: Any


def with_keys_of(length: int) -> Callable[[Object], Object]:
    """Makes each key of a map as long as that."""
    return lambda node: {key.ljust(length, "x"): value for key, value in node.items()}


CHANGES = {
    "the names of Services begin with the stack's: write a metadata.name of at most 30 lower-case letters,"
    " digits and '-' that begins with a letter": Change(
        refused={"metadata": {"name": "9-lives", "namespace": "default"}},
        accepted={"metadata": {"name": "nine-lives", "namespace": "default"}},
    ),
    "write exactly one of selfHosted and managed": Change({"selfHosted": None}, {"license": "mit"}),
    "dimensions belong to task embedding: write task: embedding, or leave dimensions out": Change(
        {"dimensions": 384}, {"dimensions": 384, "task": "embedding"}
    ),
    "this name is kept for a part that every stack may have: write another, such as main": Change(
        "gateway", "my-gateway"
    ),
    "write exactly one of secretKeyRef and workloadIdentity": Change(
        {"secretKeyRef": {"name": "a", "key": "b"}, "workloadIdentity": {"serviceAccountName": "c"}},
        {"secretKeyRef": {"name": "a", "key": "b"}, "workloadIdentity": None},
    ),
    "write exactly one of value and valueFrom": Change({"value": None}, {"value": ""}),
    "a volume can't shrink: write the size that it has, or a larger one": Change(
        {"size": "1023Mi"}, {"size": "1Ti"}
    ),
    "a volume's storageClassName and accessMode can't change: remove the cache, then write it anew": Change(
        {"storageClassName": "slow"}, {"size": "2Ti"}
    ),
    "min is above max: write a max of at least min": Change(
        {"min": 3, "max": 2}, {"min": 2, "max": 2, "toZeroAfter": None}
    ),
    "toZeroAfter needs min: 0: write min: 0, or leave toZeroAfter out": Change(
        {"min": 1, "toZeroAfter": "5m"}, {"min": 1, "toZeroAfter": None}
    ),
    "a key is too long: write at most 317 characters": Change(with_keys_of(318), with_keys_of(317)),
    "provider azure needs endpoint and apiVersion: write both": Change(
        {"provider": "azure", "endpoint": "https://acme.example"},
        {"provider": "azure", "endpoint": "https://acme.example", "apiVersion": "1"},
    ),
    "providers bedrock and sagemaker need region: write one such as eu-central-1": Change(
        {"provider": "sagemaker", "region": None}, {"provider": "sagemaker", "region": "eu-central-1"}
    ),
    "provider vertex needs project and region: write both": Change(
        {"provider": "vertex"}, {"provider": "vertex", "project": "acme"}
    ),
    "provider openaiCompatible needs endpoint: write one such as https://host/v1": Change(
        {"provider": "openaiCompatible"},
        {"provider": "openaiCompatible", "endpoint": "https://acme.example/v1"},
    ),
    "types Ingress and Gateway need host: write one such as support.ai.example.com": Change(
        {"host": None}, {"host": "other.example.com"}
    ),
    "write gatewayRef with type Gateway, and only then": Change(
        {"gatewayRef": None}, {"gatewayRef": None, "type": "ClusterIP"}
    ),
    "className and tlsSecretName belong to type Ingress: write type: Ingress, or leave them out": Change(
        {"className": "nginx"}, {"className": "nginx", "type": "Ingress", "gatewayRef": None}
    ),
    "a certificate needs a place: write tlsSecretName, the Secret that the issuer is to fill": Change(
        {"certificateIssuer": {"name": "letsencrypt"}},
        {
            "certificateIssuer": {"name": "letsencrypt"},
            "tlsSecretName": "tls",
            "type": "Ingress",
            "gatewayRef": None,
        },
    ),
    "nobody would keep the logs for so long: write sink, or leave retention out": Change(
        {"sink": None}, {"sink": None, "retention": None}
    ),
    "header is what the secret is sent in: write secretKeyRef, or leave header out": Change(
        {"secretKeyRef": None}, {"secretKeyRef": None, "header": None}
    ),
    "every target has weight 0: write a weight above 0 for one of them": Change(
        {"targets": [{"model": "llama", "weight": 0}]}, {"targets": [{"model": "llama", "weight": 1}]}
    ),
    "the only target is its own fallback: write another model in fallbacks": Change(
        {"targets": [{"model": "gpt"}], "fallbacks": ["gpt"]},
        {"targets": [{"model": "gpt"}], "fallbacks": ["llama"]},
    ),
    "the only target is its own longContextFallback: write a model with a larger contextWindow": Change(
        {"targets": [{"model": "llama"}], "longContextFallbacks": ["llama"]},
        {"targets": [{"model": "llama"}], "longContextFallbacks": ["claude"]},
    ),
    "mode Semantic needs embeddingModel: write the name of a model with task embedding": Change(
        {"embeddingModel": None}, {"embeddingModel": "other"}
    ),
    "embeddingModel and similarity belong to mode Semantic: write mode: Semantic, or leave them out": Change(
        {"mode": "Exact"}, {"mode": "Exact", "embeddingModel": None, "similarity": None}
    ),
    "header belongs to by: Session; write that, or leave header out": Change(
        {"by": "Prefix"}, {"by": "Prefix", "header": None}
    ),
    "prefixBytes belongs to by: Prefix; write that, or leave prefixBytes out": Change(
        {"prefixBytes": 4096}, {"by": "Prefix", "header": None, "prefixBytes": 4096}
    ),
    "the gateway removes this header or writes it itself: write one of your clients', such as "
    "x-session-id": Change({"header": "x-envoy-anything"}, {"header": "x-anything"}),
    "a store's engine can't change: write a second store and move the data": Change(
        {"engine": "milvus"}, {"replicas": 5}
    ),
    "chroma runs as one replica: write replicas: 1, or another engine": Change(
        {"engine": "chroma", "replicas": 2}, {"engine": "chroma", "replicas": 1}
    ),
    "type kafka is read as a stream, all others in batches: write mode: Stream with kafka only": Change(
        {"type": "kafka", "schedule": None}, {"type": "gs"}
    ),
    "a stream has no schedule: leave schedule out, or write mode: Batch": Change(
        {"type": "kafka", "mode": "Stream"}, {"type": "kafka", "mode": "Stream", "schedule": None}
    ),
    "overlap isn't below size: write an overlap smaller than size": Change(
        {"size": 100, "overlap": 100}, {"size": 101, "overlap": 100}
    ),
    "an agent can't delegate to itself: write another agent's name in delegatesTo": Change(
        {"delegatesTo": ["triage"]}, {"delegatesTo": ["billing"]}
    ),
    "write exactly one of pipeline and mcp": Change({"pipeline": None}, {"pipeline": "other"}),
    "no objective is set: write availability, latencyP95 or firstTokenP95, or leave objectives out": Change(
        {"availability": None, "latencyP95": None, "firstTokenP95": None},
        {"availability": None, "latencyP95": None},
    ),
    "write values with In and NotIn, and none with Exists and DoesNotExist": Change(
        {"operator": "Exists", "values": ["a"]}, {"operator": "NotIn", "values": ["a"]}
    ),
    "a budget's currency can't change: write a second AIBudget in the other currency": Change(
        {"currency": "EUR"}, {"amount": "1"}
    ),
    "class cpu has no accelerator: leave resourceName out, or write another metadata.name": Change(
        {"metadata": {"name": "cpu"}}, {"metadata": {"name": "cpu-2"}}
    ),
    "memory is the accelerator's: write resourceName too, or leave memory out for a CPU class": Change(
        {"resourceName": None}, {"resourceName": None, "memory": None}
    ),
    "operator Equal needs key: write the taint's key, or operator: Exists": Change(
        {"key": None}, {"key": None, "operator": "Exists", "value": None}
    ),
    "operator Exists takes no value: leave value out, or write operator: Equal": Change(
        {"operator": "Exists"}, {"operator": "Exists", "value": None}
    ),
    "spotHourly is above onDemandHourly: write a spot price of at most onDemandHourly": Change(
        {"onDemandHourly": "9.5", "spotHourly": "10.0"}, {"onDemandHourly": "10.0", "spotHourly": "9.5"}
    ),
}
"""By the rule's message: a change of the example's node that breaks it, and one that keeps it."""
