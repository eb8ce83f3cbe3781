"""Affinity: one replica answers the requests that begin alike, for it has computed their beginning before.

affinity.lua finds what a request has in common with others, and its hash leads to a replica, by a table that
is made of the replicas' addresses alone (Maglev): every front finds the same one, and one that goes or comes
moves only its own share of the requests. Where it has no room, the next one is found by the same hash.
"""

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import CLIENT_HEADER, extension, script, typed
from aistack.render.gateway.neutral import Prefix, Session

FILTER = SCRIPT = "affinity"
AFFINE = "affinity"
"""In the metadata of a request that has something in common with others; affinity.lua writes it."""
KEY = "aistack.affinity"
"""Its filter state with what that is."""
MOST_LOAD = 125
"""Percent of the mean number of requests that a replica may have before others take some of its own: the
usual bound of consistent hashing with bounded loads. With less, more of them begin anew elsewhere; with more,
hot ones wait.
"""


def find_affinity() -> Manifest:
    """The filter that runs affinity.lua for the routes that ask for it. Every listener has it, for a changed
    one would renew the pods.
    """
    codes = {SCRIPT: {"inline_string": script("affinity.lua")}}
    return extension(FILTER, "filters.http.lua.v3.Lua", source_codes=codes)


def find_key(affinity: Session | Prefix) -> Manifest:
    """A route's configuration of it."""
    match affinity:
        case Session():
            context: Manifest = {"header": affinity.header, "client": CLIENT_HEADER}
        case Prefix():
            context = {"most": affinity.bytes}
    per_route = typed("extensions.filters.http.lua.v3.LuaPerRoute", name=SCRIPT, filter_context=context)
    return {FILTER: per_route}


def hash_policy() -> list[Manifest]:
    return [{"filter_state": {"key": KEY}}]


def by_hash() -> Manifest:
    """How a cluster chooses a replica. A ring of hashes has more places for each when there are fewer: one
    that goes would move a tenth of the others' share, too.
    """
    return extension(
        "maglev",
        "load_balancing_policies.maglev.v3.Maglev",
        consistent_hashing_lb_config={"hash_balance_factor": MOST_LOAD},
    )
