"""The table of broken stacks: bad_stacks.yaml, and the valid stack that each row changes in one place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

BASE = """
apiVersion: aistack.dev/v1alpha1
kind: AIStack
metadata: {name: support, namespace: care}
spec:
  models:
    - name: llama
      selfHosted:
        source: hf://acme/llama
        revision: 4b1f0c2
        accelerator: {class: nvidia-l4}
    - name: gpt
      managed:
        provider: openai
        model: gpt-5-mini
        credentials: {secretKeyRef: {name: openai, key: key}}
  gateway:
    routes:
      - name: chat
        targets: [{model: llama}]
        fallbacks: [gpt]
"""

Noticed = Literal["schema", "names"]
"""`schema`: by the API server or the types; `names`: by the webhook or `resolve`."""


@dataclass(frozen=True)
class BadStack:
    """One row. A path is `spec.models[llama].…`; `says` are words of the refusal."""

    id: str
    why: str
    by: Noticed
    path: str
    says: str
    changes: dict[str, dict[str, Any]]

    def manifest(self) -> dict[str, Any]:
        """The stack with the row's fields in place of those that it has."""
        stack = valid_stack()
        spec = stack["spec"]
        llama, gpt = spec["models"]
        places = {
            "hosted": llama["selfHosted"],
            "llama": llama,
            "managed": gpt["managed"],
            "route": spec["gateway"]["routes"][0],
            "gateway": spec["gateway"],
            "spec": spec,
        }
        for place, fields in self.changes.items():
            places[place].update(fields)
        return stack


def valid_stack() -> dict[str, Any]:
    stack: dict[str, Any] = yaml.safe_load(BASE)
    return stack


def _rows() -> Iterator[BadStack]:
    table = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    for by, rows in table.items():
        for row in rows:
            (name, why), (_, path), (_, says), *changes = row.items()
            yield BadStack(name, why, by, path, says, dict(changes))


BAD_STACKS = tuple(_rows())
