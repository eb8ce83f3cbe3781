"""The front's files: Envoy's bootstrap, and what the loader hands to Envoy while it runs."""

import orjson

from aistack.kinds import Manifest
from aistack.render.gateway.bootstrap import bootstrap
from aistack.render.gateway.clusters import clusters
from aistack.render.gateway.egress import egress_configuration
from aistack.render.gateway.envoy import typed
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.queueing import queue_clusters
from aistack.render.gateway.routes import route_configuration
from aistack.render.gateway.site import POD, Site

READABLE = 192 * 1024
"""Bytes of a file: the four have to fit into a ConfigMap's 1 MiB."""


def front_files(gateway: NeutralGateway, site: Site = POD) -> dict[str, str]:
    """The files by name."""
    pools = [typed("config.cluster.v3.Cluster", **cluster) for cluster in _clusters(gateway, site)]
    return {
        "bootstrap.json": _text(bootstrap(gateway, site)),
        "clusters.json": _text({"resources": pools}),
        "egress.json": _text({"resources": [egress_configuration(gateway)]}),
        "routes.json": _text({"resources": [route_configuration(gateway)]}),
    }


def _clusters(gateway: NeutralGateway, site: Site) -> list[Manifest]:
    return [*clusters(gateway, site), *queue_clusters(gateway, site)]


def _text(content: Manifest) -> str:
    """Indented, for people read it with kubectl; unless it is large, for a ConfigMap has to hold it."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2)
    return (text if len(text) <= READABLE else orjson.dumps(content)).decode() + "\n"
