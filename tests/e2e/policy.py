"""NetworkPolicies as nftables rules, as a network plugin would enforce them. Pure: objects in, text out.

Understood: podSelector, namespaceSelector, ipBlock with exceptions (IPv4), ports by number, range and name.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TABLE = "aistack-policies"
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Direction:
    """`verdict`: an egress that is allowed goes on to the ingress rules of the pod that it reaches."""

    name: str
    peers: str
    own_address: str
    far_address: str
    verdict: str


INGRESS = Direction("Ingress", "from", "daddr", "saddr", "accept")
EGRESS = Direction("Egress", "to", "saddr", "daddr", "return")


@dataclass(frozen=True)
class Peer:
    """An address or a range, the pod behind it when it is one, and what is left out of the range."""

    address: str
    pod: Object | None = None
    exceptions: tuple[str, ...] = ()

    def match(self, direction: Direction) -> str:
        field = f"ip {direction.far_address}"
        left_out = f" {field} != {{ {', '.join(self.exceptions)} }}" if self.exceptions else ""
        return f"{field} {self.address}{left_out}"


def ruleset(pods: Iterable[Object], namespaces: Iterable[Object], policies: Sequence[Object]) -> str:
    """What `nft -f` is given: our table anew, with a chain for each pod and direction that is selected."""
    labels = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in namespaces}
    live = sorted((pod for pod in pods if _is_live(pod)), key=_address)
    chains: list[str] = []
    jumps: dict[Direction, list[str]] = {INGRESS: [], EGRESS: []}
    for direction, targets in jumps.items():
        for pod in live:
            chosen = [policy for policy in policies if _applies(policy, pod, direction)]
            if chosen:
                name = f"{direction.name.lower()}_{_address(pod).replace('.', '_')}"
                rules = dict.fromkeys(_rules(chosen, pod, live, labels, direction))
                chains.append(_chain(name, [*rules, "counter drop"]))
                targets.append(f"{_address(pod)} : jump {name}")
    hooks = _hooks(jumps) if chains else []
    table = "\n".join([f"table ip {TABLE} {{", *chains, *hooks, "}"])
    return f"table ip {TABLE} {{ }}\ndelete table ip {TABLE}\n{table}\n"


def _hooks(jumps: Mapping[Direction, list[str]]) -> list[str]:
    """Between pods everything passes `forward`; what a pod says to the node itself passes `input`."""
    known = "ct state established,related accept"
    begin = "type filter hook {} priority filter; policy accept;"
    leaving, arriving = _jump(EGRESS, jumps[EGRESS]), _jump(INGRESS, jumps[INGRESS])
    return [
        _chain("forward", [begin.format("forward"), known, *leaving, *arriving]),
        _chain("input", [begin.format("input"), known, *leaving]),
    ]


def _jump(direction: Direction, targets: list[str]) -> list[str]:
    return [f"ip {direction.own_address} vmap {{ {', '.join(targets)} }}"] if targets else []


def _chain(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"])


def _is_live(pod: Object) -> bool:
    status = pod["status"]
    on_own_network = bool(status.get("podIP")) and not pod["spec"].get("hostNetwork")
    return on_own_network and status.get("phase") in ("Pending", "Running")


def _address(pod: Object) -> str:
    return str(pod["status"]["podIP"])


def _applies(policy: Object, pod: Object, direction: Direction) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return (
        direction.name in types
        and policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and selects(spec.get("podSelector", {}), pod["metadata"].get("labels", {}))
    )


def _rules(
    policies: Iterable[Object],
    pod: Object,
    live: Sequence[Object],
    namespaces: Mapping[str, Mapping[str, str]],
    direction: Direction,
) -> Iterator[str]:
    for policy in policies:
        for rule in policy["spec"].get(direction.name.lower()) or []:
            peers = rule.get(direction.peers)
            found = list(_peers(peers, policy, live, namespaces)) if peers else _everyone(rule, live)
            for peer in found:
                listener = pod if direction is INGRESS else peer.pod
                for port in _ports(rule.get("ports"), listener):
                    yield " ".join(filter(None, [peer.match(direction), port, direction.verdict]))


def _everyone(rule: Object, live: Sequence[Object]) -> list[Peer]:
    """No peers means anyone; a port's name then has a meaning only for a pod."""
    named = any(isinstance(port.get("port"), str) for port in rule.get("ports") or [])
    anyone = [Peer("0.0.0.0/0")]
    return anyone + [Peer(_address(pod), pod) for pod in live] if named else anyone


def _peers(
    peers: Iterable[Object],
    policy: Object,
    live: Sequence[Object],
    namespaces: Mapping[str, Mapping[str, str]],
) -> Iterator[Peer]:
    for peer in peers:
        if block := peer.get("ipBlock"):
            if ":" not in block["cidr"]:
                left_out = tuple(_network(each) for each in block.get("except") or [])
                yield Peer(_network(block["cidr"]), exceptions=left_out)
            continue
        for pod in live:
            namespace = pod["metadata"]["namespace"]
            selector = peer.get("namespaceSelector")
            home = policy["metadata"]["namespace"]
            near = namespace == home if selector is None else selects(selector, namespaces.get(namespace, {}))
            if near and selects(peer.get("podSelector") or {}, pod["metadata"].get("labels", {})):
                yield Peer(_address(pod), pod)


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _ports(ports: Sequence[Object] | None, listener: Object | None) -> Iterator[str]:
    """One match a port; an empty one for all ports; none for a name that the listener doesn't have."""
    if not ports:
        yield ""
        return
    for each in ports:
        protocol, port = each.get("protocol", "TCP"), each.get("port")
        if port is None:
            yield f"ip protocol {protocol.lower()}"
        elif isinstance(port, int):
            end = f"-{each['endPort']}" if "endPort" in each else ""
            yield f"{protocol.lower()} dport {port}{end}"
        elif listener is not None:
            yield from (f"{protocol.lower()} dport {number}" for number in _named(listener, port, protocol))


def _named(pod: Object, name: str, protocol: str) -> Iterator[int]:
    sidecars = [each for each in pod["spec"].get("initContainers", []) if each.get("restartPolicy")]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for port in container.get("ports", []):
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                yield port["containerPort"]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels and matchExpressions) selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
