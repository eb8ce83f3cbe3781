"""Which stack comes next, on a clock that the test turns."""

import asyncio

import pytest

from aistack.runtime.backoff import delay
from aistack.runtime.queue import FIRST_RETRY, LONGEST_RETRY, SETTLE_SECONDS, Next, Priority, Queue
from aistack.runtime.store import Key

A, B, C = ("care", "a"), ("care", "b"), ("care", "c")
FAILED = Next(failed=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    return Queue(clock)


def taken(queue: Queue) -> list[Key]:
    """Every key that is due, in the order of its turn."""
    keys = []
    while key := queue.take():
        keys.append(key)
    return keys


def failing(queue: Queue, clock: Clock, key: Key, times: int) -> None:
    """Fails a key so many times in a row, each as soon as it is due."""
    for _ in range(times):
        clock.forward(queue.next_due() or 0.0)
        assert queue.take() == key
        queue.finish(key, FAILED)


def test_a_key_that_is_added_twice_waits_once(queue: Queue) -> None:
    queue.add([A, A], Priority.CHANGED)
    queue.add([A], Priority.CHANGED)
    assert queue.depth() == 1
    assert taken(queue) == [A]


def test_keys_of_one_priority_come_in_the_order_of_their_arrival(queue: Queue, clock: Clock) -> None:
    for key in (B, A, C):
        queue.add([key], Priority.CHANGED)
        clock.forward(0.001)
    assert taken(queue) == [B, A, C]


def test_a_changed_stack_overtakes_the_backlog_of_a_restart(queue: Queue, clock: Clock) -> None:
    queue.add([A, B], Priority.BACKLOG)
    clock.forward(60)
    assert queue.backlog() == 2
    queue.add([C], Priority.CHANGED)
    assert taken(queue) == [C, A, B]


def test_a_burst_of_changes_and_a_swarm_of_news_both_go_on(queue: Queue, clock: Clock) -> None:
    changed = [("care", f"changed-{number}") for number in range(6)]
    seen = [("care", f"seen-{number}") for number in range(6)]
    queue.add(changed, Priority.CHANGED)
    queue.add(seen, Priority.OBSERVED)
    clock.forward(SETTLE_SECONDS)
    assert taken(queue)[:8] == [changed[0], *seen[:3], changed[1], *seen[3:]]


def test_a_change_brings_a_key_of_the_backlog_forward(queue: Queue) -> None:
    queue.add([A, B], Priority.BACKLOG)
    queue.add([B], Priority.CHANGED)
    assert taken(queue) == [B, A]


def test_a_swarm_of_events_of_the_children_is_looked_at_once(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.OBSERVED)
    clock.forward(SETTLE_SECONDS / 2)
    queue.add([A], Priority.OBSERVED)
    assert taken(queue) == []
    clock.forward(SETTLE_SECONDS / 2)
    assert taken(queue) == [A]


def test_a_key_never_runs_twice_at_a_time_and_runs_again_after(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    assert queue.take() == A
    queue.add([A], Priority.CHANGED)
    assert queue.take() is None
    queue.finish(A, Next())
    assert queue.take() is None, "it settles first"
    clock.forward(SETTLE_SECONDS)
    assert taken(queue) == [A]


def test_a_key_that_was_left_alone_does_not_come_back(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    queue.take()
    queue.finish(A, Next())
    clock.forward(3600)
    assert queue.take() is None
    assert queue.next_due() is None


def test_a_run_may_ask_to_come_back_later(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    queue.take()
    queue.finish(A, Next(after=10))
    assert queue.next_due() == pytest.approx(10)
    clock.forward(9.9)
    assert queue.take() is None
    clock.forward(0.2)
    assert queue.take() == A


def test_an_event_comes_before_the_later_look_that_was_asked_for(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    queue.take()
    queue.finish(A, Next(after=10))
    queue.add([A], Priority.CHANGED)
    assert taken(queue) == [A]
    clock.forward(20)
    assert queue.take() is None, "the later look is not needed any more"


def test_a_key_that_fails_waits_longer_each_time_up_to_a_limit(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    waits = []
    for _ in range(14):
        failing(queue, clock, A, times=1)
        waits.append(queue.next_due() or 0.0)
    assert FIRST_RETRY / 2 <= waits[0] <= FIRST_RETRY
    assert 8 * FIRST_RETRY / 2 <= waits[3] <= 8 * FIRST_RETRY
    assert LONGEST_RETRY / 2 <= waits[-1] <= LONGEST_RETRY


def test_a_success_makes_the_next_failure_the_first(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=8)
    clock.forward(LONGEST_RETRY)
    queue.take()
    queue.finish(A, Next())
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=1)
    assert (queue.next_due() or 0.0) <= FIRST_RETRY


def test_what_the_server_asks_for_is_waited_at_least(queue: Queue) -> None:
    queue.add([A], Priority.CHANGED)
    queue.take()
    queue.finish(A, Next(failed=True, after=30))
    assert queue.next_due() == pytest.approx(30)


def test_one_bad_key_waits_alone(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=10)
    queue.add([B, C], Priority.OBSERVED)
    clock.forward(SETTLE_SECONDS)
    assert taken(queue) == [B, C]


def test_events_of_children_do_not_cut_a_failures_wait_short(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=10)
    queue.add([A], Priority.OBSERVED)
    clock.forward(1)
    assert queue.take() is None


@pytest.mark.parametrize("when", ["while it waits", "while it runs"])
def test_a_change_of_the_stack_cuts_a_failures_wait_short(queue: Queue, clock: Clock, when: str) -> None:
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=10)
    if when == "while it runs":
        clock.forward(LONGEST_RETRY)
        queue.take()
        queue.add([A], Priority.CHANGED)
        queue.finish(A, FAILED)
    else:
        queue.add([A], Priority.CHANGED)
    clock.forward(SETTLE_SECONDS)
    assert taken(queue) == [A]


def test_nothing_is_left_of_a_queue_that_was_cleared(queue: Queue, clock: Clock) -> None:
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=8)
    queue.add([B], Priority.BACKLOG)
    queue.clear()
    clock.forward(LONGEST_RETRY)
    assert taken(queue) == []
    queue.add([A], Priority.CHANGED)
    failing(queue, clock, A, times=1)
    assert (queue.next_due() or 0.0) <= FIRST_RETRY


def test_depth_and_age_speak_of_what_is_due_and_not_running(queue: Queue, clock: Clock) -> None:
    assert (queue.depth(), queue.oldest()) == (0, 0.0)
    queue.add([A, B], Priority.CHANGED)
    clock.forward(3)
    queue.take()
    queue.finish(A, Next(after=10))
    assert queue.depth() == 1
    assert queue.oldest() == pytest.approx(3)


async def test_workers_are_as_many_as_allowed_and_no_more() -> None:
    queue, three_run, gate, all_done = Queue(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    running: set[Key] = set()
    done: set[Key] = set()

    async def work(key: Key) -> Next:
        running.add(key)
        assert len(running) <= 3
        if len(running) == 3:
            three_run.set()
        await gate.wait()
        running.remove(key)
        done.add(key)
        if len(done) == 10:
            all_done.set()
        return Next()

    queue.add([("care", str(number)) for number in range(10)], Priority.BACKLOG)
    working = asyncio.create_task(queue.run(work, workers=3))
    async with asyncio.timeout(5):
        await three_run.wait()
        gate.set()
        await all_done.wait()
    working.cancel()


async def test_a_key_that_arrives_later_wakes_a_worker() -> None:
    queue, done = Queue(), asyncio.Event()

    async def work(key: Key) -> Next:
        if key == B:
            done.set()
        return Next(after=3600)

    working = asyncio.create_task(queue.run(work, workers=1))
    queue.add([A], Priority.CHANGED)
    await asyncio.sleep(0)
    queue.add([B], Priority.CHANGED)
    async with asyncio.timeout(5):
        await done.wait()
    working.cancel()


def test_a_delay_is_spread_over_its_upper_half_and_never_overflows() -> None:
    delays = [delay(3, first=1.0, longest=100.0) for _ in range(200)]
    assert all(2.0 <= seconds <= 4.0 for seconds in delays)
    assert max(delays) - min(delays) > 0.5
    assert delay(100_000, first=0.2, longest=60.0) <= 60.0
