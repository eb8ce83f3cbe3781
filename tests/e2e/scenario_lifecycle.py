"""Suspend and resume."""

from tests.controlplane.progress import step
from tests.e2e.stacks import Stack, eventually


def test_a_suspended_stack_has_no_pods_and_comes_back_as_it_was(hello: Stack) -> None:
    hello.patch({"suspend": True})
    with step("the stack is suspended"):
        eventually(lambda: not hello.objects("pods"), hello.story, within=180)
    assert hello.objects("services"), "its addresses stay"
    eventually(lambda: hello.ready()["reason"] == "Suspended", hello.story, within=15)
    hello.patch({"suspend": False})
    hello.wait_until_ready()
    assert hello.ask("qwen")["status"] == 200
