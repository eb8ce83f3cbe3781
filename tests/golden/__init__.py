"""Golden cases: a folder each, with a stack and every object that it's rendered to.

`aistack.yaml` holds the stack and accelerator classes of its own beside those of examples/accelerators.yaml;
`abilities.yaml`, where there is one, what the cluster can do. `expected/` is written by `make golden` only,
and read in review.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from aistack.api import AcceleratorClass, AIStack
from aistack.catalog import Abilities, Catalog
from aistack.cli.output import as_yaml
from aistack.diagram import diagram
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.render import render
from aistack.resolve import Resolution, resolve
from aistack.resolved import ResolvedStack

FOLDER = Path(__file__).parent
EXAMPLES = FOLDER.parent.parent / "examples"
UID = "00000000-0000-4000-8000-000000000000"


def cases() -> list[Path]:
    return sorted(folder.parent for folder in FOLDER.glob("*/aistack.yaml"))


def resolved(case: Path) -> Resolution:
    """The case's stack, as in the namespace `default` unless it names one."""
    objects = [*_objects(EXAMPLES / "accelerators.yaml"), *_objects(case / "aistack.yaml")]
    stack = next(each for each in objects if each["kind"] == "AIStack")
    stack["metadata"] = {"namespace": "default", "uid": UID, **stack["metadata"]}
    classes = {each["metadata"]["name"]: each for each in objects if each["kind"] == "AcceleratorClass"}
    abilities = case / "abilities.yaml"
    catalog = Catalog(
        images=default_images(),
        accelerator_classes={name: AcceleratorClass.parse(each) for name, each in classes.items()},
        abilities=Abilities(**yaml.safe_load(abilities.read_text())) if abilities.exists() else Abilities(),
    )
    return resolve(AIStack.parse(stack), catalog)


def served(case: Path) -> ResolvedStack:
    resolution = resolved(case)
    if resolution.stack is None:
        raise ValueError(f"{case.name}: {'; '.join(map(str, resolution.problems))}")
    return resolution.stack


def manifests(case: Path) -> tuple[Manifest, ...]:
    """What the case's stack is rendered to."""
    return render(served(case))


def texts(case: Path) -> Mapping[str, str]:
    """The same as files, `service-support-gateway.yaml` and its text, and the stack's picture."""
    objects = {
        f"{manifest['kind'].lower()}-{manifest['metadata']['name']}.yaml": as_yaml([manifest])
        for manifest in manifests(case)
    }
    return {**objects, "diagram.mmd": diagram(served(case))}


def expected(case: Path) -> Mapping[str, str]:
    """What stands in the case's folder."""
    return {file.name: file.read_text() for file in sorted((case / "expected").iterdir())}


def _objects(file: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(file.read_text()))
