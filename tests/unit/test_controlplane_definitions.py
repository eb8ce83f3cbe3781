"""Waiting for CustomResourceDefinitions, one of them so new that it has no conditions yet."""

import pytest

from tests.controlplane.definitions import wait_until_served
from tests.controlplane.errors import CommandFailed

TOO_NEW = ".status.conditions accessor error: <nil> is of the type <nil>, expected []interface{}"


class Kubectl:
    """Fails once with each of these complaints."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = list(complaints)
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *args: str) -> str:
        self.asked.append(args)
        if self.complaints:
            raise CommandFailed(self.complaints.pop(0))
        return ""


def test_one_that_has_no_conditions_yet_is_asked_for_again() -> None:
    kubectl = Kubectl(TOO_NEW, TOO_NEW)
    wait_until_served(kubectl, "crd", "--all")
    assert [args[-2:] for args in kubectl.asked] == [("crd", "--all")] * 3


def test_another_complaint_is_raised() -> None:
    with pytest.raises(CommandFailed, match="timed out"):
        wait_until_served(Kubectl("timed out waiting for the condition"), "crd", "--all")
