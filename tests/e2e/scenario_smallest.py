"""The smallest stack answers a chat completion through its gateway."""

from tests.e2e.stacks import Stack


def test_the_smallest_stack_answers_a_chat_completion(hello: Stack) -> None:
    answer = hello.ask("qwen")
    assert answer["status"] == 200, answer
    assert answer["text"]


def test_the_smallest_stack_answers_as_a_stream(hello: Stack) -> None:
    answer = hello.ask("qwen", stream=True)
    assert answer["status"] == 200, answer
    assert answer["complete"]
    assert answer["events"] > 1


def test_a_model_that_does_not_exist_is_refused_in_words(hello: Stack) -> None:
    answer = hello.ask("gpt-7")
    assert answer["status"] == 404, answer
    assert "The model 'gpt-7' is not here" in answer["text"]
