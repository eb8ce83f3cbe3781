"""Every stack of the table is refused by the API server or the webhook behind it, and the refusal helps."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.bad_stacks import BAD_STACKS, BadStack, valid_stack
from tests.controlplane import ControlPlane
from tests.webhook import LocalWebhook, local_webhook

IN_THE_API_SERVERS_WORDS = (
    "Required value",
    "Duplicate value",
    "supported values: ",
    "should match",
    "should be greater than or equal to",
    "should be less than or equal to",
    "should have at least",
    "must be of type",
    "unknown field",
)
"""How it says what to write where a bound or a pattern of the schema is broken; invariants have our own."""


@pytest.fixture(scope="module", autouse=True)
def webhook(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWebhook]:
    with local_webhook(cluster, tmp_path_factory.mktemp("webhook")) as running:
        yield running


def refusal(cluster: ControlPlane, manifest: dict[str, object]) -> str:
    """What kubectl shows for it."""
    args = ("create", "--dry-run=server", "--validate=strict", "--namespace=default", "-f", "-")
    metadata = {"name": "support", "namespace": "default"}
    return cluster.kubectl(*args, input=json.dumps({**manifest, "metadata": metadata}), check=False)


def test_the_stack_that_the_rows_change_is_accepted(cluster: ControlPlane) -> None:
    assert "created (server dry run)" in refusal(cluster, valid_stack())


def place(row: BadStack) -> re.Pattern[str]:
    """The field as the webhook names it, or as the API server does: list items by their index."""
    if row.by == "names":
        return re.compile(re.escape(row.path))
    fields = re.split(r"\[[^]]*\]", row.path)
    return re.compile(r"\[\d+\]".join(map(re.escape, fields)))


@pytest.mark.parametrize("row", BAD_STACKS, ids=lambda row: row.id)
def test_a_broken_stack_is_refused_and_told_what_to_write(row: BadStack, cluster: ControlPlane) -> None:
    shown = refusal(cluster, row.manifest())
    assert "created" not in shown, row.why
    assert "AIStack" in shown
    assert place(row).search(shown), shown
    own_words = IN_THE_API_SERVERS_WORDS if row.by == "schema" else ()
    assert any(words in shown for words in (row.says, *own_words)), shown
