"""kubectl against the demonstration's cluster."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane import binaries
from tests.controlplane.errors import CommandFailed, MissingProgram
from tests.controlplane.providers import Provided


@dataclass(frozen=True)
class Kubectl:
    """`program` run with `kubeconfig`; CommandFailed with kubectl's own words when it fails."""

    program: Path
    kubeconfig: Path

    @classmethod
    def of(cls, cluster: Provided) -> "Kubectl":
        """The kubectl that was built with the control plane; for other clusters the one in PATH."""
        if cluster.provider == "built":
            return cls(binaries.provide("kubectl")["kubectl"], Path(cluster.kubeconfig))
        found = shutil.which("kubectl")
        if found is None:
            raise MissingProgram("kubectl: not found in PATH; install it, or leave out KIND and KUBECONFIG")
        return cls(Path(found), Path(cluster.kubeconfig))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [str(self.program), *args],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailed(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *paths: Path) -> None:
        """Applies files and folders. Server-side: a CRD is too large for the annotation of the other way."""
        self("apply", "--server-side", "--force-conflicts", *(f"--filename={path}" for path in paths))

    def apply_objects(self, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(listed))
