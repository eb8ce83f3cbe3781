"""The loader's two commands."""

import argparse
import json
import logging
import math
import signal
import sys
import time
from pathlib import Path
from threading import Event

from loader.envoy import Admin, EnvoyDown
from loader.mounts import BadMount, Places, Snapshot, read_mounts, read_version
from loader.server import serve
from loader.state import State
from loader.turn import Refused, Unconfirmed, prepare, retire, turn

POLL_SECONDS = 0.25
SILENT_SECONDS = 30.0
"""How long Envoy may say nothing before its last requests are given up: a busy one misses an answer."""
log = logging.getLogger("loader")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    places = Places(options.config, options.keys, options.live)
    if options.command == "prepare":
        return _prepare(places)
    ending = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    state = State()
    admin = Admin(places.live / "admin.sock")
    server = serve(state, admin, options.port)
    follow(places, admin, state, ending, options.drain_seconds)
    drain(admin, state, options.leave_seconds, options.drain_seconds)
    time.sleep(options.log_seconds)
    server.shutdown()
    return 0


def follow(places: Places, admin: Admin, state: State, ending: Event, drain_seconds: float) -> None:
    """Makes what is mounted live whenever it changes, until `ending`.

    What is no longer used is taken away when the requests that came before the change have had
    `drain_seconds` to end.
    """
    done: Snapshot | None = None
    refused: Snapshot | None = None
    retire_at = math.inf
    while not ending.is_set():
        try:
            state.mounted = read_version(places)
            wanted = read_mounts(places)
            if wanted == done:
                state.problem = ""
                if time.monotonic() >= retire_at:
                    retire(wanted, places.live, admin, ending.is_set)
                    retire_at = math.inf
            elif wanted != refused:
                turn(wanted, places.live, admin, ending.is_set)
                _went_live(wanted, admin, state)
                if done is None or done.files != wanted.files:  # with other keys nothing more is unused
                    retire_at = time.monotonic() + drain_seconds
                done, refused = wanted, None
        except Refused as problem:
            done, refused = None, wanted
            state.refusals += 1
            _report(state, str(problem))
        except (BadMount, EnvoyDown, Unconfirmed) as problem:
            _report(state, str(problem))
        ending.wait(POLL_SECONDS)


def _went_live(wanted: Snapshot, admin: Admin, state: State) -> None:
    if not admin.ready():
        raise EnvoyDown("Envoy has not started its listeners")
    state.live = wanted.version
    state.problem = ""
    state.turns += 1
    _log("live", version=wanted.version)


def drain(admin: Admin, state: State, leave_seconds: float, drain_seconds: float) -> None:
    """Ends when the last connection has, or after `drain_seconds`; new ones may come for `leave_seconds`.

    Of an Envoy that is silent for `SILENT_SECONDS` it waits for nothing more.
    """
    state.draining = True
    _log("draining", seconds=drain_seconds)
    begin = answered = time.monotonic()
    active, told = "http.gateway.downstream_cx_active", False
    while (passed := time.monotonic() - begin) < drain_seconds:
        try:
            over = admin.stats([active]).get(active) == "0"
            answered = time.monotonic()
            if not told:
                admin.begin_drain()
                told = True
        except EnvoyDown as problem:
            over = time.monotonic() - answered >= SILENT_SECONDS
            if over and passed >= leave_seconds:
                _log("drain ended early", problem=str(problem))
        if over and passed >= leave_seconds:
            break
        time.sleep(POLL_SECONDS)
    _log("drained", seconds=round(time.monotonic() - begin, 1))


def _prepare(places: Places) -> int:
    try:
        prepare(read_mounts(places), places.live)
    except BadMount as problem:
        _log("cannot start", problem=str(problem))
        return 1
    return 0


def _report(state: State, problem: str) -> None:
    """Says a problem once, not four times a second."""
    if problem != state.problem:
        state.problem = problem
        _log("not live", problem=problem, mounted=state.mounted, live=state.live)


def _log(event: str, **fields: object) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    log.info(json.dumps({"time": now, "event": event, **fields}))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loader", description="Hands a gateway's configuration to Envoy.")
    parser.add_argument("command", choices=["prepare", "run"])
    parser.add_argument(
        "--config", type=Path, default=Path("/etc/aistack/config"), help="the mounted ConfigMap"
    )
    parser.add_argument("--keys", type=Path, default=Path("/etc/aistack/keys"), help="the mounted Secrets")
    parser.add_argument("--live", type=Path, default=Path("/run/aistack"), help="where Envoy reads its files")
    parser.add_argument("--port", type=int, default=9902, help="of the status server")
    parser.add_argument(
        "--leave-seconds", type=float, default=10, help="how long new requests may still come"
    )
    parser.add_argument("--drain-seconds", type=float, default=3600, help="how long requests may take to end")
    parser.add_argument(
        "--log-seconds", type=float, default=0, help="how long what is logged of them takes to the sink"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
