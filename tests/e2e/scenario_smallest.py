"""The smallest stack answers a chat completion through its gateway."""

from aistack.spending.throughput import read_engine
from tests.e2e.stacks import PATIENCE, Stack, eventually

METRICS = (
    "from urllib.request import urlopen; print(urlopen('http://localhost:8000/metrics').read().decode())"
)


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


def test_vllm_counts_tokens_under_the_names_that_throughput_is_measured_by(hello: Stack) -> None:
    assert hello.ask("qwen")["status"] == 200
    replicas = hello.replicas("qwen")

    def told() -> list[str]:
        return [hello.kubectl("exec", pod, "--", "python3", "-c", METRICS) for pod in replicas]

    eventually(
        lambda: any(read_engine(said).tokens > 0 for said in told()), lambda: "".join(told()), PATIENCE
    )
