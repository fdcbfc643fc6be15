"""Rebuilding views: equal to what is in use, beside it, swapped in one transaction while commands flow."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, read_event

from services.kernel.parked import PARKED
from services.kernel.rebuild import Rebuild, RebuildError, Rebuilt, together
from services.kernel.rebuilding import Rebuilding
from services.kernel.service import Add, Change, Put, Service, View
from services.kernel.store import Store
from services.kernel.versions import VIEWS, ViewVersionError, to_rebuild
from services.kernel.work import Intake
from services.kernel.writer import Writer
from tests.kernel.test_dead_letters import Pair
from tests.kernel.test_writer import Bench
from tests.kernel.toy import ECHO, NOTED, POISON, TOKENS, TOY, TokenTaken

_tables = sa.MetaData()
WIDE = sa.Table(
    "tokens",
    _tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("holder_id", sa.Text, nullable=False),
    sa.Column("twice", sa.Integer, nullable=False),
    sa.Index("tokens_by_holder", "holder_id"),
)
SUMS = sa.Table(
    "sums", _tables, sa.Column("holder_id", sa.Text, primary_key=True), sa.Column("tokens", sa.Integer, nullable=False)
)


def widely(event: Event[Any], _: bytes) -> Iterable[Change]:
    if isinstance(event.data, TokenTaken):
        yield Put(WIDE, {"id": event.id, "holder_id": event.data.holder_id, "twice": 2 * event.data.count})
        yield Add(SUMS, {"holder_id": event.data.holder_id}, {"tokens": 1})


LATER = replace(TOY, views=(View("tokens", 2, "toy", (WIDE, SUMS), widely),))


def no_feed(*_: object) -> Sequence[bytes]:
    raise AssertionError("own views are folded from the log")


def rows(store: Store, table: sa.Table) -> list[tuple[Any, ...]]:
    with store.reading() as connection:
        return sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)


def rebuild(service: Service, store: Store, name: str, feed: Any = no_feed, **more: Any) -> Rebuilt:
    return Rebuild(service, store, together(service, name), feed, **more).run()


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    yield made
    made.writer.close()
    made.store.close()


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[Pair]:
    POISON.clear()
    made = Pair(database_url, tmp_path)
    yield made
    made.close()
    POISON.clear()


def fill(bench: Bench, count: int) -> None:
    for start in range(0, count, 500):
        bench.do(*(bench.command(f"unbounded-{n % 7}") for n in range(start, min(count, start + 500))))


def test_a_view_equals_its_rebuild_also_one_whose_rows_went_astray(bench: Bench) -> None:
    fill(bench, 2_300)
    before = rows(bench.store, TOKENS)
    told: list[tuple[int, int]] = []
    done = rebuild(TOY, bench.store, "tokens", progress=lambda *now: told.append(now))
    assert rows(bench.store, TOKENS) == before
    assert (done.views, done.tables, done.facts) == (("tokens",), ("tokens",), 2_300)
    assert told[0] == (0, 2_300)
    assert told[-1] == (2_300, 2_300)
    with bench.store.transaction() as connection:
        connection.execute(sa.update(TOKENS).values(count=0))
    rebuild(TOY, bench.store, "tokens")
    assert rows(bench.store, TOKENS) == before
    fill(bench, 3)
    assert len(rows(bench.store, TOKENS)) == 2_303


def test_commands_flow_meanwhile_from_another_instance_and_none_is_missing(bench: Bench) -> None:
    fill(bench, 1_500)
    store, second = bench.open()
    ended, answers = threading.Event(), []

    def flow() -> None:
        while not ended.is_set():
            answers.extend(second.process([bench.command("unbounded-9") for _ in range(5)]))

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        for _ in range(3):
            done = rebuild(TOY, bench.store, "tokens")
            assert done.locked_seconds < 2
    finally:
        ended.set()
        flowing.join()
    second.close()
    store.close()
    assert {answer.outcome for answer in answers} == {"done"}
    assert len(rows(bench.store, TOKENS)) == 1_500 + len(answers)
    with bench.store.reading() as connection:
        assert sa.inspect(connection).has_table("tokens__new") is False


class Watched(Rebuild):
    """Tells, whenever it lets commands have their turn, whether the table that was replaced is still there."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(TOY, bench.store, together(TOY, "tokens"), no_feed)
        self.bench, self.left, self.answered = bench, 0, 0

    def _rest(self, seconds: float) -> None:
        with self.bench.store.reading() as connection:
            self.left += sa.inspect(connection).has_table("tokens__old")
        self.answered += len(self.bench.do(self.bench.command("unbounded-8")))


def test_commands_do_not_wait_until_what_was_replaced_is_taken_out(bench: Bench) -> None:
    fill(bench, 1_700)
    watched = Watched(bench)
    watched.run()
    assert watched.left == (3 if bench.store.sqlite else 0)
    assert len(rows(bench.store, TOKENS)) == 1_700 + watched.answered
    with bench.store.reading() as connection:
        assert sa.inspect(connection).has_table("tokens__old") is False


def test_what_a_killed_rebuild_left_goes_with_the_next(bench: Bench) -> None:
    fill(bench, 1_700)
    before = rows(bench.store, TOKENS)
    with bench.store.transaction() as connection:
        for name in ("tokens__old", "tokens__new"):
            connection.exec_driver_sql(f"CREATE TABLE {name} AS SELECT * FROM tokens")
    rebuild(TOY, bench.store, "tokens")
    assert rows(bench.store, TOKENS) == before
    with bench.store.reading() as connection:
        names = sa.inspect(connection).get_table_names()
    assert not {"tokens__old", "tokens__new"} & set(names)


def test_one_that_was_interrupted_is_begun_again_and_leaves_the_view_in_use_alone(bench: Bench) -> None:
    fill(bench, 1_500)
    before = rows(bench.store, TOKENS)
    stop = threading.Event()

    def stop_half_way(done: int, _: int) -> None:
        if done >= 1_000:
            stop.set()

    with pytest.raises(RebuildError, match="stopped"):
        rebuild(TOY, bench.store, "tokens", progress=stop_half_way, stop=stop)
    assert rows(bench.store, TOKENS) == before
    fill(bench, 2)
    assert rebuild(TOY, bench.store, "tokens").facts == 1_502


def test_of_two_rebuilds_of_one_view_the_later_goes_on(bench: Bench) -> None:
    fill(bench, 1_500)
    other = Rebuild(TOY, bench.store, together(TOY, "tokens"), no_feed)
    begun: list[int] = []

    def begin_another(done: int, _: int) -> None:
        if done and not begun:
            begun.append(done)
            other._begin()

    with pytest.raises(RebuildError, match="another rebuild"):
        rebuild(TOY, bench.store, "tokens", progress=begin_another)
    assert len(rows(bench.store, TOKENS)) == 1_500


def test_a_newer_view_has_other_columns_and_tables_and_no_older_code_writes_into_it(bench: Bench) -> None:
    fill(bench, 20)
    store = Store(bench.url, schema="toy", views=[WIDE, SUMS])
    with store.reading() as connection:
        assert [view.name for view in to_rebuild(LATER, connection)] == ["tokens"]
    later = Writer(LATER, store, bench.keys, clock=lambda: bench.now)
    (error,) = later.process([bench.command("unbounded-1")])
    assert isinstance(error, ViewVersionError)
    rebuild(LATER, store, "tokens")
    assert sum(count for _, count in rows(store, SUMS)) == 20
    (error,) = bench.do(bench.command("unbounded-1"))
    assert isinstance(error, ViewVersionError)
    (answer,) = later.process([bench.command("unbounded-1")])
    assert answer.outcome == "done"
    assert sum(count for _, count in rows(store, SUMS)) == 21
    assert rows(store, WIDE)[-1][2] % 2 == 0
    later.close()
    store.close()


def test_a_fold_that_fails_is_named_with_its_fact_and_changes_nothing(bench: Bench) -> None:
    fill(bench, 3)
    before = rows(bench.store, TOKENS)

    def broken(event: Event[Any], _: bytes) -> Iterable[Change]:
        raise KeyError(event.id)

    service = replace(TOY, views=(View("tokens", 1, "toy", (TOKENS,), broken),))
    with pytest.raises(RebuildError, match=r"view tokens fails on toy\.token_taken\.v1"):
        rebuild(service, bench.store, "tokens")
    assert rows(bench.store, TOKENS) == before


def test_views_that_share_a_table_are_rebuilt_together_and_an_unknown_one_is_named(bench: Bench) -> None:
    shared = tuple(View(name, 1, name, (TOKENS,), TOY.views[0].fold) for name in ("toy", "other"))
    assert [view.name for view in together(replace(TOY, views=shared), "other")] == ["toy", "other"]
    with pytest.raises(RebuildError, match="has no view 'nothing'; it has tokens"):
        together(TOY, "nothing")


def feed_of(pair: Pair, size: int = 7) -> Any:
    return lambda _, place, after: [fact.raw for fact in pair.toy.store.chain(place, after, size)]


def test_a_copy_is_rebuilt_from_its_source_as_far_as_it_was_taken_in(pair: Pair) -> None:
    pair.take(*["good"] * 30)
    pair.toy.do(*(pair.toy.command("unbounded-later") for _ in range(5)))
    before = rows(pair.store, NOTED)
    done = rebuild(ECHO, pair.store, "noted", feed_of(pair))
    assert (rows(pair.store, NOTED), done.facts) == (before, 30)
    pair.take_in()
    assert len(rows(pair.store, NOTED)) == 35


def test_a_copy_that_lacks_a_fact_that_its_fold_fails_on_is_rebuilt_without_it(pair: Pair) -> None:
    POISON.add("copy-unbounded-bad")
    pair.take("good", "bad", "good")
    rebuild(ECHO, pair.store, "noted", feed_of(pair))
    assert pair.copied() == [1, 3]
    POISON.clear()
    rebuild(ECHO, pair.store, "noted", feed_of(pair))
    assert pair.copied() == [1, 2, 3]


def test_a_copy_that_lacks_a_fact_whose_row_the_database_refuses_is_rebuilt_without_it_too(pair: Pair) -> None:
    POISON.add("row-unbounded-bad")
    pair.take("good", "bad", "good")
    rebuild(ECHO, pair.store, "noted", feed_of(pair))
    assert pair.copied() == [1, 3]
    with pair.store.transaction() as connection:
        connection.execute(sa.delete(PARKED))
    with pytest.raises(RebuildError, match=r"view noted fails on toy\.token_taken\.v1"):
        rebuild(ECHO, pair.store, "noted", feed_of(pair))
    assert pair.copied() == [1, 3]


async def test_a_source_that_is_away_is_asked_again_and_waiting_for_it_is_no_standstill(pair: Pair) -> None:
    """The watch ends a process in which nothing moves, and with it all that could be waited for."""
    pair.take("good", "good")
    before = rows(pair.store, NOTED)
    with pair.store.transaction() as connection:
        connection.execute(sa.update(VIEWS).values(version=7_000))
    turns: list[int] = []

    async def feed(service: str, property_id: str, after: int) -> list[bytes]:
        turns.append(rebuilding.turns)
        if len(turns) < 4:
            raise TimeoutError
        return await pair.feed(service, property_id, after)

    rebuilding = Rebuilding(ECHO, pair.store, feed)
    await rebuilding.until_current()
    assert turns[:4] == sorted(set(turns[:4])), "it moved from one try to the next"
    assert rows(pair.store, NOTED) == before


def test_taking_out_what_nobody_uses_is_no_standstill(bench: Bench) -> None:
    fill(bench, 1_700)
    with bench.store.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE tokens__old AS SELECT * FROM tokens")
    told: list[tuple[int, int]] = []
    rebuild(TOY, bench.store, "tokens", progress=lambda *far: told.append(far))
    assert told.count((0, 0)) == (3 if bench.store.sqlite else 0), "PostgreSQL drops it in one step"


def test_a_source_whose_log_was_exchanged_is_not_folded(pair: Pair) -> None:
    pair.take("good", "good")
    other = [raw.replace(b'"log":"toy-', b'"log":"toy-0') for raw in pair.toy.raws()]
    with pytest.raises(RebuildError, match="is due"):
        rebuild(ECHO, pair.store, "noted", lambda *_: other)
    assert pair.copied() == [1, 2]


def test_a_fact_taken_in_during_the_rebuild_is_in_the_copy(pair: Pair) -> None:
    pair.take(*["good"] * 10)
    feed, late = feed_of(pair, 3), [True]

    def feed_and_go_on(source: str, place: str, after: int) -> Any:
        if after == 6 and late.pop():
            late.append(False)
            pair.toy.do(*(pair.toy.command("unbounded-good") for _ in range(4)))
            pair.take_in()
        return feed(source, place, after)

    done = rebuild(ECHO, pair.store, "noted", feed_and_go_on)
    assert (len(rows(pair.store, NOTED)), done.facts) == (14, 14)


def test_an_intake_of_older_code_waits_until_the_view_is_its_own(pair: Pair) -> None:
    pair.take("good")
    newer = replace(ECHO, views=(replace(ECHO.views[0], version=2),))
    rebuild(newer, pair.store, "noted", feed_of(pair))
    pair.toy.do(pair.toy.command("unbounded-good"))
    facts = pair.toy.store.chain("north-court", 1, 10)
    (error,) = pair.echo.process([Intake(f"{read_event(facts[0].raw).log}:north-court", (facts[0].raw,))])
    assert isinstance(error, ViewVersionError)
    assert pair.parked() == []
