"""The loader's order, what it reads, and what it says of itself."""

import json
import shutil
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from loader import __main__ as program
from loader.__main__ import drain, follow
from loader.envoy import Admin, EnvoyDown
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


def test_a_sinks_secret_may_have_words_and_is_there_for_envoy_also_where_there_is_none(
    places: Places,
) -> None:
    mount(places.config, dict(snapshot().files))
    write_keys(read_mounts(places), places.live)
    assert json.loads((places.live / "sink.json").read_text()) == {"resources": []}
    mount(places.keys, {"sink/sink-1": "Bearer secret\n"})
    found = read_mounts(places)
    assert "secret" not in repr(found)
    write_keys(found, places.live)
    [resource] = json.loads((places.live / "sink.json").read_text())["resources"]
    assert resource["name"] == "sink-1"
    assert resource["generic_secret"] == {"secret": {"inline_string": "Bearer secret"}}


def test_a_sinks_secret_that_no_header_can_hold_is_named(places: Places) -> None:
    mount(places.config, dict(snapshot().files))
    mount(places.keys, {"sink/sink-1": "Bearer a\nX: b"})
    with pytest.raises(BadMount, match="secret of the log sink has control characters"):
        read_mounts(places)


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


def test_a_mount_that_changes_while_it_is_read_is_read_again(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the folder that has just been removed would look like one without any keys."""
    mount(places.config, dict(snapshot().files))
    mount(places.keys, {"..1/clients/web": "old", "..2/clients/web": "new"})
    current = places.keys / "..data"
    current.symlink_to("..1")
    read = Path.read_text

    def swapping(path: Path) -> str:
        if path.name == "version":
            current.unlink()
            current.symlink_to("..2")
            shutil.rmtree(places.keys / "..1", ignore_errors=True)
        return read(path)

    monkeypatch.setattr(Path, "read_text", swapping)
    with pytest.raises(BadMount, match="changed while they were read"):
        read_mounts(places)
    assert read_mounts(places).clients == {"web": "new"}


def test_key_files_are_the_loaders_and_envoys_alone(places: Places) -> None:
    write_keys(snapshot(clients={"web": "key"}, providers={"provider-gpt": "other"}), places.live)
    found = {path.name: path.stat().st_mode & 0o777 for path in places.live.iterdir()}
    assert found == dict.fromkeys(["clients.json", "provider-gpt.json", "sink.json"], 0o600)


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


def test_without_envoy_nobody_knows_who_is_asked_for() -> None:
    status, _, text = answer(State(), NOBODY, "/demand")
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "does not answer" in text


class Clock:
    """Time that passes only while somebody waits."""

    gmtime, strftime = staticmethod(time.gmtime), staticmethod(time.strftime)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(program, "time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Envoy(Admin):
    """Stands in for one; `active` says how many connections there are, or that it is silent."""

    def __init__(self, active: Callable[[], int | None]) -> None:
        self._active = active
        self.told = False

    def begin_drain(self) -> None:
        self._connections()
        self.told = True

    def stats(self, prefixes: list[str]) -> dict[str, str]:
        return {prefixes[0]: str(self._connections())}

    def _connections(self) -> int:
        found = self._active()
        if found is None:
            raise EnvoyDown("timed out")
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_an_envoy_that_misses_an_answer_finishes_its_requests_all_the_same(clock: Clock) -> None:
    def busy() -> int | None:
        return None if clock.now < 5 or 60 < clock.now < 80 else int(clock.now < 100)

    envoy = Envoy(busy)
    drain(envoy, State(), 10, 3600)
    assert envoy.told
    assert clock.now == 100


@pytest.mark.parametrize(("leave_seconds", "expected"), [(10, 30), (60, 60)])
def test_an_envoy_that_is_gone_is_not_waited_for(clock: Clock, leave_seconds: float, expected: float) -> None:
    drain(Envoy(lambda: None), State(), leave_seconds, 3600)
    assert clock.now == expected


def test_a_pod_without_connections_still_waits_for_those_that_may_come(clock: Clock) -> None:
    drain(Envoy(lambda: 0), State(), 10, 3600)
    assert clock.now == 10


def test_rotated_keys_do_not_put_off_what_is_to_be_taken_away(
    clock: Clock, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(places.config, dict(snapshot().files))

    class Ending:
        """Of five hours, in which a key is rotated every half."""

        def is_set(self) -> bool:
            return clock.now >= 5 * 3600

        def wait(self, _: float) -> None:
            clock.sleep(60)

    def rotated(_: Places) -> Snapshot:
        return snapshot("a" if clock.now < 3600 else "b", clients={"web": f"key-{clock.now // 1800}"})

    retired: list[float] = []
    monkeypatch.setattr(program, "read_mounts", rotated)
    monkeypatch.setattr(program, "turn", lambda *_: None)
    monkeypatch.setattr(program, "retire", lambda *_: retired.append(clock.now))
    monkeypatch.setattr(program, "_went_live", lambda *_: None)
    follow(places, Envoy(lambda: 0), State(), Ending(), 3600)  # type: ignore[arg-type]  # an Event of this clock
    assert [round(moment / 3600, 1) for moment in retired] == [2.0]
