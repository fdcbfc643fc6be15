"""Timers: what is due is decided once, whatever is moved, cancelled, killed or run twice meanwhile."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, check_chain
from eventsourcing.persistence import OperationalError

from services.kernel.due import TIMERS, due_until
from services.kernel.timers import Timers
from tests.kernel.due import fire_due
from tests.kernel.test_writer import NOON, Bench
from tests.kernel.toy import TOY, GiveTokenBack

ONE = NOON + timedelta(hours=1)
TWO = NOON + timedelta(hours=2)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def events(bench: Bench, kind: str = "") -> list[Event[Any]]:
    return [event for event in check_chain(iter(bench.raws())) if kind in event.type]


def waiting(bench: Bench) -> list[Any]:
    with bench.store.reading() as connection:
        return list(connection.execute(sa.select(TIMERS).order_by(TIMERS.c.timer_id)))


def test_what_is_due_is_decided_in_the_name_of_the_service_as_of_the_instant_it_was_due(bench: Bench) -> None:
    bench.do(bench.command("ann", "c1", back_at=ONE))
    assert fire_due(bench.writer, bench.store, ONE - timedelta(microseconds=1)) == []
    (answer,) = fire_due(bench.writer, bench.store, TWO)
    assert (answer.outcome, answer.factcount) == ("done", 1)
    taken, back = events(bench)
    assert back.type == "toy.token_given_back.v1"
    assert (back.actor, back.door, back.channel) == ("system-toy", "system-toy", "system")
    assert (back.time, back.recordedat, back.decidedat) == (ONE, TWO, TWO)
    assert (back.causationid, back.correlationid, back.property_id) == (taken.id, "c1", "north-court")
    assert back.commandid == answer.commandid
    assert waiting(bench) == []
    assert fire_due(bench.writer, bench.store, TWO) == []


def test_a_timer_stands_or_falls_with_the_unit_that_set_it(bench: Bench) -> None:
    bench.do(
        bench.command("ann", back_at=ONE, fail="crash"),
        bench.command("bob", back_at=ONE, fail="reject"),
        bench.command("eve", back_at=ONE),
        bench.command("eve", keep=True, fail="crash"),
    )
    assert [row.timer_id for row in waiting(bench)] == ["back-eve"]


def test_set_again_it_moves_and_cancelled_it_is_gone_though_it_was_read_as_due(bench: Bench) -> None:
    bench.do(bench.command("ann", back_at=ONE), bench.command("bob", back_at=ONE))
    with bench.store.reading() as connection:
        read = due_until(connection, ONE, 10)
    moved, cancelled, *fired = bench.writer.process(
        [bench.command("ann", back_at=TWO), bench.command("bob", keep=True), *read]
    )
    assert (moved.outcome, cancelled.outcome, fired) == ("done", "done", [None, None])
    assert fire_due(bench.writer, bench.store, ONE) == []
    assert len(fire_due(bench.writer, bench.store, TWO)) == 1
    assert [event.subject for event in events(bench, "given_back")] == ["holder-ann"]


def test_set_again_to_the_instant_it_was_decided_at_it_is_decided_again(bench: Bench) -> None:
    for _ in range(2):
        bench.do(bench.command("ann", back_at=ONE))
        assert len(fire_due(bench.writer, bench.store, ONE)) == 1
    assert len(events(bench, "given_back")) == 2


def test_two_instances_that_both_read_it_as_due_decide_it_once(bench: Bench) -> None:
    bench.do(*(bench.command(f"unbounded-{n}", back_at=ONE) for n in range(20)))
    store, second = bench.open()
    with store.reading() as connection:
        read = due_until(connection, ONE, 100)
    answers = bench.writer.process(read[:12]) + second.process(read) + bench.writer.process(read)
    assert sum(answer is not None for answer in answers) == 20
    assert len(events(bench, "given_back")) == 20
    second.close()
    store.close()


def test_a_handler_that_finds_nothing_to_do_or_rejects_has_done_with_its_timer(bench: Bench) -> None:
    rejected = GiveTokenBack(holder_id="bob", fail="reject")
    bench.do(bench.command("ann", back_at=ONE), bench.command("bob", back_at=ONE, back=rejected))
    bench.do(bench.command("ann", "c9", back_at=TWO))
    answers = {answer.outcome for answer in fire_due(bench.writer, bench.store, ONE)}
    assert answers == {"rejected"}
    assert [answer.outcome for answer in fire_due(bench.writer, bench.store, TWO)] == ["done"]
    nothing = GiveTokenBack(holder_id="nobody")
    bench.do(bench.command("eve", back_at=ONE, back=nothing))
    assert [answer.outcome for answer in fire_due(bench.writer, bench.store, TWO)] == ["ignored"]
    assert waiting(bench) == []


def test_a_recurring_timer_sets_itself_again_later_and_never_to_where_it_was(bench: Bench) -> None:
    again = GiveTokenBack(holder_id="ann", again_at=TWO)
    bench.do(bench.command("ann", back_at=ONE, back=again), bench.command("ann"))
    assert [answer.outcome for answer in fire_due(bench.writer, bench.store, ONE)] == ["done"]
    assert [answer.outcome for answer in fire_due(bench.writer, bench.store, TWO)] == ["done"]
    bench.do(bench.command("bob", back_at=TWO, back=GiveTokenBack(holder_id="bob", again_at=ONE)))
    (answer,) = fire_due(bench.writer, bench.store, TWO)
    assert answer.error is not None
    assert "set itself again" in answer.error["message"]


def test_a_handler_with_a_bug_is_tried_five_times_later_each_time_and_holds_up_nobody(bench: Bench) -> None:
    bug = GiveTokenBack(holder_id="ann", fail="crash")
    bench.do(bench.command("ann", back_at=ONE, back=bug), bench.command("bob", back_at=ONE))
    at, waits = ONE, []
    outcomes = [answer.outcome for answer in fire_due(bench.writer, bench.store, at)]
    assert sorted(outcomes) == ["done", "rejected"]
    while (row := waiting(bench)[0]).next_us is not None:
        waits.append(row.next_us / 1e6 - at.timestamp())
        assert fire_due(bench.writer, bench.store, at + timedelta(seconds=waits[-1] - 0.001)) == []
        at += timedelta(seconds=waits[-1])
        assert len(fire_due(bench.writer, bench.store, at)) == 1
    assert waits == [1, 5, 15, 60]
    assert (row.tries, "RuntimeError" in row.reason, "asked to crash" in row.reason) == (5, True, True)
    assert fire_due(bench.writer, bench.store, at + timedelta(days=9)) == []
    assert [event.subject for event in events(bench, "given_back")] == ["holder-bob"]


@asynccontextmanager
async def running(bench: Bench) -> Any:
    loops = [
        asyncio.create_task(part)
        for part in (bench.writer.run(), Timers("toy", bench.store, bench.writer, clock=lambda: bench.now).run())
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def until(condition: Any, seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_transaction_that_fails_for_one_timer_is_counted_against_that_timer_alone(bench: Bench) -> None:
    broken = GiveTokenBack(holder_id="ann", fail="database")
    bench.do(bench.command("ann", back_at=ONE, back=broken), bench.command("bob", back_at=ONE))
    bench.now = TWO
    async with running(bench):
        await until(lambda: events(bench, "given_back"), 10)
        await until(lambda: waiting(bench)[0].tries == 1, 10)
    (row,) = waiting(bench)
    assert (row.timer_id, "no_such_column" in row.reason) == ("back-ann", True)


async def test_at_rest_it_is_decided_within_a_second_also_when_set_earlier_than_what_is_slept_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kernel.timers.POLL_SECONDS", 60)
    monkeypatch.setattr(Bench, "now", property(lambda _: datetime.now(UTC), lambda _, __: None), raising=False)
    async with running(bench):
        await bench.writer.submit(bench.command("ann", back_at=bench.now + timedelta(hours=1)))
        await asyncio.sleep(0.3)
        due_at = bench.now + timedelta(seconds=0.4)
        await bench.writer.submit(bench.command("bob", back_at=due_at))
        await until(lambda: events(bench, "given_back"), 5)
    (back,) = events(bench, "given_back")
    assert (back.subject, back.time) == ("holder-bob", due_at)
    assert timedelta(0) <= back.recordedat - due_at < timedelta(seconds=1)


async def test_a_database_that_is_away_loses_nothing_that_is_due(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.do(bench.command("ann", back_at=ONE))
    bench.now = TWO
    commit, left = type(bench.store).transaction, [3]

    def away(store: Any, **asked: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OperationalError("the server closed the connection")
        return commit(store, **asked)

    monkeypatch.setattr(type(bench.store), "transaction", away)
    async with running(bench):
        await until(lambda: events(bench, "given_back"), 20)
    assert (left, len(events(bench, "given_back")), waiting(bench)) == ([0], 1, [])


async def test_five_thousand_due_at_once_are_decided_within_a_minute_each_once(bench: Bench) -> None:
    commands = [bench.command(f"unbounded-{n % 50}-{n}", back_at=ONE) for n in range(5_000)]
    for start in range(0, 5_000, 500):
        bench.do(*commands[start : start + 500])
    bench.now = TWO
    async with running(bench):
        took = await until(lambda: not waiting(bench), 60)
    given = [fact.stream for fact in bench.store.after(0, 20_000) if "given_back" in fact.type]
    assert (len(given), len(set(given))) == (5_000, 5_000)
    assert took < 60


def test_only_what_the_service_declares_can_be_set(bench: Bench) -> None:
    bench.writer._service = replace(TOY, timers={})
    (answer,) = bench.do(bench.command("ann", back_at=ONE))
    assert (answer.outcome, waiting(bench), events(bench)) == ("rejected", [], [])
