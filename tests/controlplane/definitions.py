"""CustomResourceDefinitions that were just written."""

import time
from typing import Protocol

from tests.controlplane.errors import CommandFailed

SERVED_WITHIN = 60.0  # seconds
PAUSE = 0.1  # seconds


class Kubectl(Protocol):
    """Runs kubectl; CommandFailed when it fails."""

    def __call__(self, *args: str) -> str: ...


def wait_until_served(kubectl: Kubectl, *which: str) -> None:
    """Until the API serves what these arguments of kubectl name. CommandFailed where it doesn't.

    `kubectl wait` fails at once on one that is so new that it has null for conditions, so it is asked again.
    """
    deadline = time.monotonic() + SERVED_WITHIN
    while True:
        try:
            kubectl("wait", "--for=condition=Established", f"--timeout={SERVED_WITHIN:.0f}s", *which)
        except CommandFailed as error:
            if "accessor error" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return
