"""The loader's order, what it reads, and what it says of itself."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from loader.envoy import Admin
from loader.mounts import BadMount, Places, Snapshot, read_mounts, read_version
from loader.server import answer
from loader.state import State
from loader.turn import additions, prepare, removals, write_keys


def snapshot(clusters: str = "", hosts: str = "", route: str = "", **keys: Any) -> Snapshot:
    """One resource for each letter; the route configuration has one virtual host, `route`."""
    egress = {"name": "egress", "virtual_hosts": [{"name": name} for name in hosts]}
    files = {
        "clusters.json": {"resources": [{"name": name} for name in clusters]},
        "egress.json": {"resources": [egress]},
        "routes.json": {"resources": [{"name": "gateway", "virtual_hosts": [{"name": route}]}]},
    }
    texts = {name: json.dumps(content) for name, content in files.items()}
    return Snapshot({**texts, "version": "1"}, keys.get("clients", {}), keys.get("providers", {}))


def names(resources: list[Any]) -> str:
    """Names of clusters, or of the virtual hosts of route configurations, sorted."""
    hosts = [host for each in resources for host in each.get("virtual_hosts", [each])]
    return "".join(sorted(host["name"] for host in hosts))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "config", tmp_path / "keys", tmp_path / "live")
    for folder in (found.config, found.keys, found.live):
        folder.mkdir()
    return found


def mount(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_what_is_new_comes_before_the_routes_and_what_is_old_goes_after_them(places: Places) -> None:
    prepare(snapshot(clusters="ab", hosts="xy", route="1"), places.live)
    wanted = snapshot(clusters="bc", hosts="yz", route="2")
    planned = [*additions(wanted, places.live), *removals(wanted)]
    assert [(step.file, names(step.resources)) for step in planned] == [
        ("clusters.json", "abc"),
        ("egress.json", "xyz"),
        ("routes.json", "2"),
        ("egress.json", "yz"),
        ("clusters.json", "bc"),
    ]


def test_a_changed_cluster_takes_the_place_of_the_old_one_at_once(places: Places) -> None:
    prepare(snapshot(clusters="a"), places.live)
    changed = {**snapshot().files, "clusters.json": '{"resources": [{"name": "a", "type": "new"}]}'}
    first = next(additions(Snapshot(changed, {}, {}), places.live))
    assert first.resources == [{"name": "a", "type": "new"}]


def test_the_same_content_has_the_same_version(places: Places) -> None:
    prepare(snapshot(clusters="ab"), places.live)
    one, same, other = (
        next(additions(wanted, places.live)) for wanted in (snapshot("ab"), snapshot("ab"), snapshot("abc"))
    )
    assert one.version == same.version != other.version
    assert json.loads(one.text)["version_info"] == one.version


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"resources": 1}', '{"resources": [{}]}', '{"resources": [1]}']
)
def test_what_is_no_list_of_resources_is_named(places: Places, text: str) -> None:
    wrong = Snapshot({**snapshot().files, "egress.json": text}, {}, {})
    with pytest.raises(BadMount, match=r"egress\.json is not a list"):
        prepare(wrong, places.live)


def test_a_resource_that_is_named_twice_is_refused(places: Places) -> None:
    with pytest.raises(BadMount, match=r"clusters\.json names a resource twice"):
        prepare(snapshot(clusters="aa"), places.live)


def test_a_missing_file_is_named(places: Places) -> None:
    with pytest.raises(BadMount, match=r"clusters\.json: No such file"):
        read_mounts(places)


def test_keys_are_read_without_the_newline_at_their_end(places: Places) -> None:
    mount(places.config, dict(snapshot().files))
    mount(places.keys, {"clients/web": "key\n", "providers/gpt/provider-gpt": "other"})
    found = read_mounts(places)
    assert found.clients == {"web": "key"}
    assert found.providers == {"provider-gpt": "other"}
    assert "key" not in repr(found).replace("keys", "")


def test_the_version_is_known_also_while_a_key_is_unusable(places: Places) -> None:
    mount(places.config, dict(snapshot().files))
    mount(places.keys, {"clients/web": "\n"})
    assert read_version(places) == snapshot().version
    with pytest.raises(BadMount, match="client web is empty"):
        read_mounts(places)


def test_a_mount_is_read_where_its_link_points(places: Places) -> None:
    mount(places.config / "..1", dict(snapshot(clusters="a").files))
    mount(places.config, dict(snapshot(clusters="b").files))
    (places.config / "..data").symlink_to("..1")
    assert names(json.loads(read_mounts(places).files["clusters.json"])["resources"]) == "a"


def test_key_files_are_the_loaders_and_envoys_alone(places: Places) -> None:
    write_keys(snapshot(clients={"web": "key"}, providers={"provider-gpt": "other"}), places.live)
    found = {path.name: path.stat().st_mode & 0o777 for path in places.live.iterdir()}
    assert found == {"clients.json": 0o600, "provider-gpt.json": 0o600}


NOBODY = Admin(Path("/nowhere/admin.sock"))
"""Of an Envoy that doesn't run."""


def test_a_pod_is_ready_once_something_is_live_and_until_it_drains() -> None:
    state = State()
    assert answer(state, NOBODY, "/ready")[0] == HTTPStatus.SERVICE_UNAVAILABLE
    state.live = state.mounted = "1"
    assert answer(state, NOBODY, "/ready")[0] == HTTPStatus.OK
    state.mounted, state.problem = "2", "Envoy refused routes.json"
    assert answer(state, NOBODY, "/ready")[0] == HTTPStatus.OK
    state.draining = True
    assert answer(state, NOBODY, "/ready")[0] == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer(state, NOBODY, "/live")[0] == HTTPStatus.OK


def test_an_unknown_path_is_not_found() -> None:
    status, _, text = answer(State(), NOBODY, "/drain")
    assert status == HTTPStatus.NOT_FOUND
    assert "/ready" in text


def test_without_envoy_the_loader_still_tells_its_own_metrics() -> None:
    status, _, text = answer(State(), NOBODY, "/metrics")
    assert status == HTTPStatus.OK
    assert "aistack_loader_in_step 0" in text
