"""Where requests wait for a model that is at zero: at the egress listener of the same Envoy, so that it is a
member of a list of attempts like any other, for as long as an attempt may take.

Envoy answers at once where a cluster has no host. So one that nobody listens at stands in for replicas while
there are none: a connection to it fails, which is tried again until a replica is there, or until nobody
waits any more.
"""

from aistack.kinds import Manifest
from aistack.render.gateway.provider import Address
from aistack.resolved import SelfHostedModel

NOBODY = "nobody"
"""The cluster that stands in for replicas."""
UNANSWERED = Address("127.0.0.1", 1)
"""The pod itself, at a port that only root may listen at."""
TRIED_AGAIN = {"base_interval": "0.5s", "max_interval": "2s"}
"""How long a request waits between two looks: a model takes most of a minute to start."""
ENDLESS = 1_000_000
"""Looks; the time of the attempt ends them."""


def waiting_name(model: SelfHostedModel) -> str:
    """The cluster that a list of attempts names for waiting; its active requests are those that wait."""
    return f"waiting-{model.name}"


def starting_name(model: SelfHostedModel) -> str:
    """The cluster that looks for a replica: the model's pool, or nobody."""
    return f"starting-{model.name}"


def waiting_host(model: SelfHostedModel) -> Manifest:
    """The egress listener's virtual host; who leaves is gone from here, too."""
    name = waiting_name(model)
    retries = {
        "retry_on": "connect-failure,refused-stream",
        "num_retries": ENDLESS,
        "retry_back_off": TRIED_AGAIN,
    }
    action = {"cluster": starting_name(model), "timeout": "0s", "retry_policy": retries}
    return {"name": name, "domains": [name], "routes": [{"match": {"prefix": "/v1/"}, "route": action}]}
