"""The writer: what is waiting becomes one transaction, and each command is answered for itself."""

import asyncio
import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, Answer, Command, check_chain, read_command
from bailiwick_contracts.sealed import KeyErasedError, open_field

from services.kernel import sealing
from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.store import Store
from services.kernel.work import GapError, Intake
from services.kernel.writer import Writer
from tests.kernel.toy import ECHO, HOLDER, NOTED, TOKENS, TOY, TakeToken

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Bench:
    """A writer on a real database, without a bus."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url, directory
        self.keys = KeyStore(directory / "keys")
        self.door = Door(directory / "doors")
        self.now = NOON
        self.store, self.writer = self.open()

    def open(self) -> tuple[Store, Writer]:
        store = Store(self.url, schema="toy", views=[TOKENS])
        return store, Writer(TOY, store, self.keys, clock=lambda: self.now)

    def command(self, holder: str = "ann", command_id: str | None = None, **more: Any) -> Command[Any]:
        signed = self.door.sign(
            TakeToken(holder_id=holder, **more), Actor(actor="boss"), "north-court", command_id=command_id
        )
        return read_command(signed, TakeToken)

    def do(self, *commands: Command[Any]) -> list[Answer]:
        return self.writer.process(commands)

    def raws(self) -> list[bytes]:
        return [fact.raw for fact in self.store.chain("north-court", 0, 1000)]


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def test_a_fact_larger_than_the_bus_takes_is_rejected_and_holds_nobody_up(bench: Bench) -> None:
    answers = bench.do(
        bench.command("ann"),
        bench.command("ann", note="x" * 1_000, swollen=1_000),
        bench.command("ann", note="x" * 100_000),
    )
    assert [answer.outcome for answer in answers] == ["done", "rejected", "done"]
    assert answers[1].error is not None
    assert answers[1].error["code"] == "too_large"
    assert [event.data.count for event in check_chain(iter(bench.raws()))] == [1, 2]


def test_one_bad_command_never_fails_its_neighbours(bench: Bench) -> None:
    answers = bench.do(
        bench.command("ann"),
        bench.command("ann", fail="reject"),
        bench.command("ann", fail="crash"),
        bench.command("ann"),
    )
    assert [answer.outcome for answer in answers] == ["done", "rejected", "rejected", "done"]
    assert [event.data.count for event in check_chain(iter(bench.raws()))] == [1, 2]
    assert answers[1].error is not None
    assert answers[1].error["field"] == "fail"


def test_beyond_the_limit_the_refusal_is_recorded(bench: Bench) -> None:
    outcomes = [bench.do(bench.command())[0].outcome for _ in range(4)]
    assert outcomes == ["done", "done", "done", "refused"]
    assert [event.type for event in check_chain(iter(bench.raws()))][-1] == "toy.token_refused.v1"


def test_the_same_command_fifty_times_has_one_effect_and_fifty_equal_answers(bench: Bench) -> None:
    once = bench.command("ann", "c1")
    answers = bench.do(*[once] * 25) + bench.do(*[once] * 25)
    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert answers[0].facts[0].data is not None
    assert len(bench.raws()) == 1


def test_the_same_id_with_another_body_is_an_error(bench: Bench) -> None:
    bench.do(bench.command("ann", "c1"))
    (answer,) = bench.do(bench.command("bob", "c1"))
    assert answer.outcome == "rejected"
    assert answer.error is not None
    assert answer.error["code"] == "command_id_reused"
    assert len(bench.raws()) == 1


def test_a_rejected_command_may_be_sent_again_under_its_id(bench: Bench) -> None:
    assert bench.do(bench.command("ann", "c1", fail="reject"))[0].outcome == "rejected"
    assert bench.do(bench.command("ann", "c1"))[0].outcome == "done"


def test_another_instance_that_wrote_meanwhile_is_noticed(bench: Bench) -> None:
    store, second = bench.open()
    for writer in (bench.writer, second, bench.writer, second):
        writer.process([bench.command()])
    assert [event.type.split(".")[1] for event in check_chain(iter(bench.raws()))] == ["token_taken"] * 3 + [
        "token_refused"
    ]
    second.close()
    store.close()


async def test_two_instances_racing_for_the_last_one_give_it_to_exactly_one(bench: Bench) -> None:
    store, second = bench.open()
    bench.do(bench.command(), bench.command())
    commands = [bench.command() for _ in range(20)]
    loops = [asyncio.create_task(writer.run()) for writer in (bench.writer, second)]
    answers = await asyncio.gather(*((bench.writer, second)[i % 2].submit(c) for i, c in enumerate(commands)))
    for loop in loops:
        loop.cancel()
    assert sorted(answer.outcome for answer in answers) == ["done"] + ["refused"] * 19
    assert len(list(check_chain(iter(bench.raws())))) == 22
    second.close()
    store.close()


def test_the_clock_of_a_service_never_goes_back(bench: Bench) -> None:
    bench.do(bench.command())
    bench.now = NOON - timedelta(hours=1)
    bench.do(bench.command())
    assert [event.recordedat for event in check_chain(iter(bench.raws()))] == [NOON, NOON]


def test_a_personal_field_is_sealed_where_it_is_stored_and_gone_with_its_key(bench: Bench) -> None:
    bench.do(bench.command("ann", note="Sample Person 樣本"))
    (raw,) = bench.raws()
    (event,) = check_chain(iter([raw]))
    assert "樣本".encode() not in raw
    assert open_field(event.data.note, event_id=event.id, path="note", keys=bench.keys) == "Sample Person 樣本"
    bench.keys.erase("person/ann")
    with pytest.raises(KeyErasedError):
        open_field(event.data.note, event_id=event.id, path="note", keys=KeyStore(bench.directory / "keys"))
    assert bench.do(bench.command("ann", note="again"))[0].outcome == "rejected"
    assert list(check_chain(iter([raw])))


def test_a_person_is_erased_though_the_disk_has_no_room_for_another_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.keys.ensure("person/ann")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sealing, "_write", full)
    bench.keys.erase("person/ann")
    with pytest.raises(KeyErasedError):
        bench.keys("person/ann")


def test_a_disk_without_room_for_a_new_key_fails_no_command_for_good_and_no_neighbour(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sealed = bench.command("ann", note="Sample Person 樣本")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        failed, answer = bench.do(sealed, bench.command("bob"))
    assert isinstance(failed, OSError)  # which the caller is told as: not known, send the same id again
    assert answer.outcome == "done"
    assert sorted(path.name for path in bench.keys.directory.iterdir()) == ["commands.toy.key"]
    assert [answer.outcome for answer in bench.do(sealed)] == ["done"]
    assert len(bench.raws()) == 2


def test_a_state_can_be_read_as_of_a_position_and_as_of_an_instant(bench: Bench) -> None:
    for minute in range(3):
        bench.now = NOON + timedelta(minutes=minute)
        bench.do(bench.command())
    with bench.store.reading() as connection:
        reading = QueryReading(TOY, bench.store, bench.keys, connection)
        assert reading.state(HOLDER, "holder-ann").count == 3
        assert reading.state(HOLDER, "holder-ann", until=2).count == 2
        assert reading.state(HOLDER, "holder-ann", until=NOON + timedelta(seconds=59)).count == 1


def test_every_view_row_stands_in_the_transaction_of_its_fact(bench: Bench) -> None:
    bench.do(*[bench.command(f"unbounded-{n % 7}") for n in range(50)])
    with bench.store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(TOKENS)).scalar() == 50


def test_facts_of_another_service_are_taken_in_once_in_order_and_a_hole_is_noticed(bench: Bench) -> None:
    bench.do(*[bench.command("unbounded") for _ in range(4)])
    raws = bench.raws()
    store = Store(bench.url if "sqlite" not in bench.url else f"{bench.url}.echo", schema="echo", views=[NOTED])
    echo = Writer(ECHO, store, bench.keys, clock=lambda: bench.now)
    source = f"{next(check_chain(iter(raws))).log}:north-court"
    (hole,) = echo.process([Intake(source, tuple(raws[1:2]))])
    assert isinstance(hole, GapError)
    assert echo.process([Intake(source, tuple(raws[:2])), Intake(source, tuple(raws))]) == [None, None]
    numbers = [event.data.number for event in check_chain(fact.raw for fact in store.chain("north-court", 0, 10))]
    assert numbers == [1, 2, 3, 4]
    with store.reading() as connection:
        assert {name: position for name, (position, _) in store.tracked(connection).items()} == {source: 4}
    echo.close()
    store.close()


def test_an_answer_says_how_many_facts_were_stored(bench: Bench) -> None:
    (answer,) = bench.do(bench.command())
    assert answer.factcount == len(answer.facts) == 1
