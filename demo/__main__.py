"""`make demo` and `make demo-down`."""

import argparse
import os
import sys
from pathlib import Path

from demo import real
from demo.scene import down, up
from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.progress import say
from tests.controlplane.providers import Name

FOLDER = Path(".demo")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The demonstration of aistack.")
    parser.add_argument("command", choices=("up", "down"))
    command = parser.parse_args(argv).command
    try:
        if command == "up" and os.environ.get("REAL"):
            real.up(FOLDER.absolute())
        elif command == "up":
            up(FOLDER.absolute(), _provider())
        else:
            down(FOLDER.absolute())
    except ControlPlaneError as error:
        say(f"error: {error}")
    except KeyboardInterrupt:
        say("stopped")
    else:
        return 0
    if FOLDER.exists():
        say("what is up so far stays, to look at; it ends with: make demo-down")
    return 1


def _provider() -> Name:
    """KIND=1 for kind, KUBECONFIG for a cluster that is there, neither for a control plane built here."""
    if os.environ.get("KIND"):
        return "kind"
    # Our own kubeconfig is often still exported when the demonstration is started again.
    given = os.environ.get("KUBECONFIG", "")
    return "existing" if given and Path(given) != (FOLDER / "kubeconfig").absolute() else "built"


if __name__ == "__main__":
    sys.exit(main())
