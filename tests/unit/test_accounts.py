"""How budgets are written: together, by compare-and-swap, in all of them or in none."""

import asyncio

import pytest

from aistack.api.base import Metadata
from aistack.budget import Budgets
from aistack.errors import Unavailable
from aistack.kinds import Manifest
from tests.budget_server import Server
from tests.budgets import claim, manifest


async def test_claims_that_come_together_are_decided_in_one_write() -> None:
    server = Server(manifest(limit="100"))
    accounts, counting = server.accounts(), server.counting()
    claims = [claim(10, f"care/s{number}") for number in range(30)]
    answers = await asyncio.gather(*(accounts.admit(each, counting) for each in claims))
    assert [answer.denied for answer in answers] == [False] * 10 + [True] * 20
    assert server.reserved() == 100
    assert (server.reads, server.writes) == (0, 1)


async def test_several_processes_never_hold_more_than_the_limit_together() -> None:
    server = Server(manifest(limit="100"))
    processes = [Server.accounts(server) for _ in range(4)]
    claims = [claim(3, f"care/s{number}") for number in range(80)]
    answers = await asyncio.gather(
        *(processes[number % 4].admit(each, server.counting()) for number, each in enumerate(claims))
    )
    assert sum(not answer.denied for answer in answers) == 33
    assert server.reserved() == 99


async def test_a_cache_that_lags_behind_denies_nothing_and_admits_nothing() -> None:
    server = Server(manifest(limit="100"))
    old = dict(server.cache)
    accounts, counting = server.accounts(), server.counting()
    await accounts.admit(claim(100, "care/a"), counting)
    full = dict(server.cache)
    server.cache = dict(old)
    assert (await accounts.admit(claim(100, "care/b"), counting)).denied, "it was full by then"
    gone = server.stored["care"]
    server.stored["care"] = {**gone, "metadata": {**gone["metadata"], "resourceVersion": "9"}, "status": {}}
    server.cache = dict(full)
    assert not (await accounts.admit(claim(100, "care/b"), counting)).denied, "it was empty by then"


async def test_a_question_holds_nothing_and_writes_nothing() -> None:
    server = Server(manifest(limit="100"))
    accounts, counting = server.accounts(), server.counting()
    assert not (await accounts.ask(claim(100), counting)).denied
    assert (await accounts.ask(claim(101), counting)).denied
    assert (server.writes, server.reserved()) == (0, 0)


async def test_what_one_budget_refuses_is_held_in_none_and_every_obstacle_is_told() -> None:
    server = Server(manifest("a", "100"), manifest("b", "10"), manifest("c", "20"))
    accounts = server.accounts()
    for answer in (
        await accounts.admit(claim(50), server.counting()),
        await accounts.commit(claim(50), server.counting(), running=False),
    ):
        assert answer.denied
        assert [obstacle.ledger.name for obstacle in answer.obstacles] == ["b", "c"]
    assert [server.reserved(name) for name in "abc"] == [0, 0, 0]


async def test_what_lost_the_race_for_the_second_budget_is_taken_back_from_the_first() -> None:
    server = Server(manifest("a", "100"), manifest("b", "100"))
    lagging = server.accounts()
    old, counting = dict(server.cache), server.counting()
    await server.accounts().admit(claim(80, "care/other"), counting[1:])
    server.cache = old
    answer = await lagging.commit(claim(50), counting, running=False)
    assert [(share.name, share.phase) for share in answer.shares] == [("a", "Pending"), ("b", "Refused")]
    assert [server.reserved(name) for name in "ab"] == [0, 80]


async def test_several_budgets_are_written_one_after_the_other_in_the_order_of_their_names() -> None:
    """Whoever asks for the same ones waits for nobody who waits for him."""
    server = Server(*(manifest(name, "100") for name in ("c", "a", "b")))
    counting = Budgets(tuple(server.budgets().values())).counting(Metadata(name="support", namespace="care"))
    written: list[str] = []
    server.told = lambda budget: written.append(budget["metadata"]["name"])
    accounts = server.accounts()
    await accounts.admit(claim(60), counting)
    await accounts.commit(claim(60), counting, running=False)
    smaller = claim(20, spec="second")
    held = await accounts.commit(smaller, counting, running=False)
    await accounts.release(smaller, counting, held)
    assert written == ["a", "b", "c"] * 4
    assert [server.reserved(name) for name in "abc"] == [20, 20, 20]


@pytest.mark.parametrize("enforcement", ["Audit", "Warn"])
async def test_a_budget_that_only_counts_keeps_nobody_out_of_the_one_that_denies(enforcement: str) -> None:
    server = Server(manifest("a", "10", enforcement=enforcement), manifest("b", "100"))
    accounts = server.accounts()
    for answer in (
        await accounts.admit(claim(60), server.counting()),
        await accounts.commit(claim(60), server.counting(), running=False),
    ):
        assert not answer.denied
    assert [server.reserved(name) for name in "ab"] == [60, 60], "over the limit of the one that only counts"
    refused = await accounts.admit(claim(60, "care/other"), server.counting())
    assert refused.denied
    assert [(each.ledger.name, each.denies) for each in refused.obstacles] == [("a", False), ("b", True)]
    assert [server.reserved(name) for name in "ab"] == [60, 60], "what b refused, a doesn't count either"


async def test_what_broke_off_at_the_second_budget_is_taken_back_from_the_first() -> None:
    server = Server(manifest("a", "100"), manifest("b", "100"))
    accounts = server.accounts()
    await accounts.commit(claim(20), server.counting(), running=False)
    server.failing, server.failing_at = Unavailable(503, "ServiceUnavailable", "no answer"), "b"
    with pytest.raises(Unavailable):
        await accounts.commit(claim(50, spec="second"), server.counting(), running=False)
    assert [server.reserved(name) for name in "ab"] == [20, 20]
    server.failing = None
    assert not (await accounts.commit(claim(50, spec="second"), server.counting(), running=False)).denied
    assert [server.reserved(name) for name in "ab"] == [50, 50]


async def test_what_broke_off_at_the_second_budget_is_held_in_none_and_keeps_nobody_out() -> None:
    server = Server(manifest("a", "100"), manifest("b", "100"))
    accounts = server.accounts()
    server.failing, server.failing_at = Unavailable(503, "ServiceUnavailable", "no answer"), "b"
    with pytest.raises(Unavailable):
        await accounts.admit(claim(60), server.counting())
    server.failing = None
    assert [server.reserved(name) for name in "ab"] == [0, 0]
    assert not (await accounts.admit(claim(60, "care/other"), server.counting())).denied


async def test_what_ran_out_of_time_is_held_in_none_though_its_write_came_through() -> None:
    server = Server(manifest("a", "100"), manifest("b", "100"))
    accounts, server.hanging_at = server.accounts(), "b"
    everywhere, written = asyncio.Event(), []

    def told(budget: Manifest) -> None:
        written.append((budget["metadata"]["name"], server.reserved(budget["metadata"]["name"])))
        if len(written) == 4:
            everywhere.set()

    server.told = told
    asked = asyncio.create_task(accounts.admit(claim(60), server.counting()))
    async with asyncio.timeout(10):
        await server.hangs.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        server.goes_on.set()
        await everywhere.wait()
    assert sorted(written[:3]) == [("a", 0), ("a", 60), ("b", 60)]
    assert written[3] == ("b", 0)


@pytest.mark.parametrize("trouble", ["an error", "no room"])
async def test_what_an_earlier_request_for_the_same_spec_holds_is_not_taken_back(trouble: str) -> None:
    server = Server(manifest("a", "100"), manifest("b", "100" if trouble == "an error" else "10"))
    accounts, counting = server.accounts(), server.counting()
    assert not (await accounts.admit(claim(60), counting[:1])).denied
    if trouble == "an error":
        server.failing, server.failing_at = Unavailable(503, "ServiceUnavailable", "no answer"), "b"
        with pytest.raises(Unavailable):
            await accounts.admit(claim(60), counting)
    else:
        assert (await accounts.admit(claim(60), counting)).denied
    assert [server.reserved(name) for name in "ab"] == [60, 0]


async def test_what_an_earlier_request_holds_stays_though_the_cache_did_not_know_of_it_yet() -> None:
    server = Server(manifest("a", "100"), manifest("b", "10"))
    accounts, counting, old = server.accounts(), server.counting(), dict(server.cache)
    assert not (await server.accounts().admit(claim(60), counting[:1])).denied
    server.cache = old
    assert (await accounts.admit(claim(60), counting)).denied
    assert server.conflicts == 1
    assert [server.reserved(name) for name in "ab"] == [60, 0]


async def test_what_runs_is_counted_once_wherever_nothing_is_held_for_it() -> None:
    server = Server(manifest("a", "100"), manifest("b", "10"))
    accounts = server.accounts()
    await accounts.commit(claim(60), server.counting()[:1], running=False)
    runs = claim(50, spec="standing")
    held = await accounts.hold(runs, server.counting())
    assert [(each.name, each.reserved, each.phase) for each in held.shares] == [
        ("a", "60.00", "Committed"),
        ("b", "50.00", "Committed"),
    ]
    assert server.reserved("b") == 50, "over its limit: it runs"
    writes, reads = server.writes, server.reads
    assert (await accounts.hold(runs, server.counting())).shares == held.shares
    assert (server.writes, server.reads) == (writes, reads)


async def test_what_is_committed_costs_no_request() -> None:
    server = Server(manifest(limit="100"))
    accounts = server.accounts()
    await accounts.admit(claim(60), server.counting())
    first = await accounts.commit(claim(60), server.counting(), running=False)
    reads, writes = server.reads, server.writes
    again = await accounts.commit(claim(60), server.counting(), running=True)
    assert again == first
    assert (await accounts.release(claim(60), server.counting(), again)) is again
    assert (server.reads, server.writes) == (reads, writes)


async def test_what_an_older_spec_cost_more_is_given_back_once() -> None:
    server = Server(manifest(limit="100"))
    accounts = server.accounts()
    await accounts.commit(claim(60), server.counting(), running=False)
    smaller = claim(20, spec="second")
    held = await accounts.commit(smaller, server.counting(), running=False)
    assert held.shares[0].reserved == "60.00"
    assert (await accounts.release(smaller, server.counting(), held)).shares[0].reserved == "20.00"


async def test_a_budget_that_is_gone_holds_nobody_up() -> None:
    server = Server(manifest(limit="10"))
    accounts, counting = server.accounts(), server.counting()
    server.stored.clear()
    assert not (await accounts.admit(claim(50), counting)).denied
    assert not (await accounts.commit(claim(50), counting, running=False)).denied


async def test_a_server_that_does_not_answer_is_everybodys_error_and_the_next_try_is_a_new_one() -> None:
    server = Server(manifest(limit="100"))
    accounts, counting = server.accounts(), server.counting()
    server.failing = Unavailable(503, "ServiceUnavailable", "no answer")
    answers = await asyncio.gather(
        *(accounts.admit(claim(1, f"care/s{number}"), counting) for number in range(3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    server.failing = None
    assert not (await accounts.admit(claim(1), counting)).denied


async def test_who_gave_up_before_the_write_holds_nothing() -> None:
    server = Server(manifest(limit="100"))
    accounts = server.accounts()
    given_up = asyncio.create_task(accounts.admit(claim(60, "care/a"), server.counting()))
    stays = asyncio.create_task(accounts.admit(claim(60, "care/b"), server.counting()))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert not (await stays).denied
    assert server.reserved() == 60
