"""Envoy itself reads every rendered configuration, with nothing left out.

`--mode validate` doesn't look at files that Envoy would follow while it runs, so all of them are written into
the bootstrap: an unknown field or a missing cluster then ends Envoy with the field's path.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from aistack.render.gateway.front import front_files
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.site import Site
from aistack.resolved import ResolvedGateway
from loader.keys import clients_file, secrets_file
from tests import golden
from tests.gateway.certificates import Certificates
from tests.gateway.front import ENVOY

UNFINISHED = {
    "envoy/extensions/content_parsers/json/v3/json_content_parser.proto",
    "envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.proto",
    "envoy/extensions/filters/http/sse_to_metadata/v3/sse_to_metadata.proto",
}
"""What Envoy itself calls work in progress: the reason that its image is pinned to a version."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A pod's, but for the certificate authorities that Envoy's image would bring."""
    folder = tmp_path_factory.mktemp("ca")
    return Site(trusted_ca=str(Certificates(folder, x509.DNSName("provider")).authority))


def inlined(gateway: ResolvedGateway, site: Site) -> dict[str, Any]:
    """The bootstrap with the clusters, routes and keys that it would follow as files."""
    files = {name: json.loads(text) for name, text in front_files(neutral(gateway), site).items()}
    bootstrap: dict[str, Any] = files["bootstrap.json"]
    del bootstrap["dynamic_resources"]
    static = bootstrap["static_resources"]
    followed = [_without_type(cluster) for cluster in files["clusters.json"]["resources"]]
    static["clusters"] = [*static.get("clusters", ()), *followed]
    static["secrets"] = [_secret(name) for name in _take_away_followed_keys(static["clusters"])]
    routes = files["routes.json"]["resources"] + files["egress.json"]["resources"]
    by_name = {configuration["name"]: _without_type(configuration) for configuration in routes}
    for listener in static["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        if rds := manager.pop("rds", None):
            manager["route_config"] = by_name[rds["route_config_name"]]
        for http_filter in manager["http_filters"]:
            if http_filter.pop("config_discovery", None):
                keys = json.loads(clients_file({"web": "one", "batch": "two"}))
                http_filter["typed_config"] = keys["resources"][0]["typed_config"]
    return bootstrap


def validate(bootstrap: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    options = ["--mode", "validate", "--service-node", "front", "--service-cluster", "support"]
    return subprocess.run(
        [str(ENVOY), "--config-path", str(path), *options], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("case", golden.cases(), ids=lambda case: case.name)
def test_envoy_accepts_what_is_rendered(case: Path, site: Site, tmp_path: Path) -> None:
    stack = golden.resolved(case).stack
    assert stack is not None
    result = validate(inlined(stack.gateway, site), tmp_path)
    assert result.returncode == 0, result.stderr
    assert "eprecated" not in result.stderr
    assert set(re.findall(r"proto file '(\S+)' marked as work-in-progress", result.stderr)) <= UNFINISHED


def test_the_validation_sees_an_unknown_field(site: Site, tmp_path: Path) -> None:
    bootstrap = _any_bootstrap(site)
    bootstrap["static_resources"]["clusters"][0]["no_such_field"] = 1
    result = validate(bootstrap, tmp_path)
    assert result.returncode == 1
    assert "no_such_field" in result.stderr


def test_the_validation_sees_a_missing_cluster(site: Site, tmp_path: Path) -> None:
    bootstrap = _any_bootstrap(site)
    lists = [each for each in bootstrap["static_resources"]["clusters"] if "attempts" in each["name"]]
    bootstrap["static_resources"]["clusters"].remove(lists[0])
    result = validate(bootstrap, tmp_path)
    assert result.returncode == 1
    assert f"unknown weighted cluster '{lists[0]['name']}'" in result.stderr


def _any_bootstrap(site: Site) -> dict[str, Any]:
    stack = golden.resolved(golden.FOLDER / "smallest").stack
    assert stack is not None
    return inlined(stack.gateway, site)


def _without_type(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}


def _secret(name: str) -> dict[str, Any]:
    [resource] = json.loads(secrets_file({name: "key"}))["resources"]
    return _without_type(resource)


def _take_away_followed_keys(clusters: list[dict[str, Any]]) -> list[str]:
    """Lets clusters look their keys up in the bootstrap, and returns the keys' names."""
    names = []
    for cluster in clusters:
        for options in cluster.get("typed_extension_protocol_options", {}).values():
            for http_filter in options.get("http_filters", ()):
                if http_filter["name"] == "credential_injector":
                    secret = http_filter["typed_config"]["credential"]["typed_config"]["credential"]
                    del secret["sds_config"]
                    names.append(secret["name"])
    return names
