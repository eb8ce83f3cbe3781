"""What clients were answered, as the lane on a real node counts it."""

import json
import sys

import pytest

from tests.e2e.load import Load, load, once


def clients(program: str) -> list[str]:
    """The command line of a client that is this program."""
    return [sys.executable, "-c", program]


def answer(status: int = 200, *, complete: bool = True) -> str:
    return json.dumps({"status": status, "complete": complete})


ASKING = f"""
import sys, time, threading
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set())).start()
count = 0
while not over.wait(0.01):
    count += 1
    print('{answer()}', flush=True)
print('{{"answers": %d}}' % count)
"""


def test_a_load_ends_with_its_body_and_has_every_answer() -> None:
    with load(clients(ASKING)) as made:
        made.goes_on(3)
    assert len(made.answers) >= 3
    assert made.reported == len(made.answers)
    assert made.failed == []


def test_an_answer_that_broke_off_failed_though_it_began_well() -> None:
    made = Load()
    made.read([answer(), answer(503, complete=False), answer(complete=False)])
    assert [each["status"] for each in made.failed] == [503, 200]


def test_answers_that_were_lost_on_the_way_are_not_passed_over() -> None:
    ended = f"print('{answer()}'); print('{{\"answers\": 2}}')"
    with pytest.raises(AssertionError, match="2 ≠ 1"), load(clients(ended)):
        pass


def test_a_load_that_gets_no_answers_says_so() -> None:
    with pytest.raises(AssertionError, match="answers in 0 s"), load(clients(ASKING)) as made:
        made.goes_on(1_000_000, within=0.0)


def test_a_client_asks_once_without_an_input() -> None:
    assert once(clients(f"print('{answer()}'); print('{{\"answers\": 1}}')"))["status"] == 200
