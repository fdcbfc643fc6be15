"""Queries share a thread and a state with what waits beside them, and none waits for one that takes its time."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, Answer, Command, read_command

from services.kernel.decision import Rejected
from services.kernel.doors import Door
from services.kernel.readers import THREADS, Readers
from services.kernel.store import Store
from tests.kernel.toy import CountTokens


class Counted(Store):
    """A store that counts the states it was read in; on demand it cannot be read at all."""

    states, broken = 0, False

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        if self.broken:
            raise OSError("the database is gone")
        self.states += 1
        with super().reading() as connection:
            yield connection


class Desk:
    """Readers of a store, and the handler they ask: what each query does is told by its id."""

    def __init__(self, store: Counted, door: Door) -> None:
        self.store, self.door = store, door
        self.does: dict[str, Callable[[sa.Connection], object]] = {}
        self.readers = Readers("toy", store, self._ask)

    def _ask(self, connection: sa.Connection, command: Command[Any]) -> Answer:
        does = self.does.get(command.commandid)
        found = does(connection) if does is not None else None
        return Answer(commandid=command.commandid, outcome="done", result={"found": found})

    def query(self, name: str) -> Command[Any]:
        body = self.door.sign(CountTokens(holder_id="ann"), Actor(actor="boss"), "north-court", command_id=name)
        return read_command(body, CountTokens)

    async def __call__(self, name: str) -> Any:
        answer = await self.readers.answer(self.query(name))
        assert answer.commandid == name
        assert answer.result is not None
        return answer.result["found"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Counted(f"sqlite:///{tmp_path}/toy.db"), Door(tmp_path))
    yield made
    made.readers.close()
    made.store.close()


async def blocked(desk: Desk, name: str) -> tuple[asyncio.Task[Any], threading.Event]:
    """A query that is being answered, until the event is set."""
    begun, go = threading.Event(), threading.Event()

    def wait(_: sa.Connection) -> object:
        begun.set()
        return go.wait(20)

    desk.does[name] = wait
    task = asyncio.create_task(desk(name))
    assert await asyncio.to_thread(begun.wait, 10)
    return task, go


async def test_what_waits_together_shares_one_state(desk: Desk) -> None:
    asked = [desk.query(f"q{number}") for number in range(500)]
    answers = await asyncio.gather(*map(desk.readers.answer, asked))
    assert [one.commandid for one in answers] == [one.commandid for one in asked]
    assert desk.store.states <= 50


async def test_nothing_waits_for_a_query_that_takes_its_time(desk: Desk) -> None:
    slow = [await blocked(desk, f"slow-{number}") for number in range(THREADS - 1)]
    async with asyncio.timeout(5):
        await asyncio.gather(*(desk(f"quick-{number}") for number in range(20)))
    assert not any(task.done() for task, _ in slow)
    for _, go in slow:
        go.set()
    assert all(await asyncio.gather(*(task for task, _ in slow)))


async def test_more_slow_queries_than_threads_are_answered_one_after_another(desk: Desk) -> None:
    desk.does = {f"q{number}": lambda _: threading.Event().wait(0.05) for number in range(3 * THREADS)}
    async with asyncio.timeout(10):
        await asyncio.gather(*(desk(name) for name in desk.does))


async def test_the_state_is_never_older_than_the_question(desk: Desk) -> None:
    """A writer's caller who looks right after its answer sees what was written, though others are being answered meanwhile."""

    def stored(connection: sa.Connection) -> object:
        return desk.store.setting(connection, "seen")

    async def others() -> None:
        while True:
            await asyncio.gather(*(desk(f"other-{number}") for number in range(8)))

    noise = [asyncio.create_task(others()) for _ in range(4)]
    for number in range(100):
        with desk.store.transaction() as connection:
            desk.store.set_setting(connection, "seen", str(number))
        desk.does[f"look-{number}"] = stored
        assert await desk(f"look-{number}") == str(number)
    for task in noise:
        task.cancel()


async def test_what_fails_fails_alone(desk: Desk) -> None:
    def wrong(_: sa.Connection) -> object:
        raise Rejected("no", code="no")

    def broken(connection: sa.Connection) -> object:
        return connection.execute(sa.text("SELECT * FROM nothing")).all()

    desk.does = {"q3": wrong, "q5": broken}
    found = await asyncio.gather(*(desk(f"q{number}") for number in range(10)), return_exceptions=True)
    assert [type(one).__name__ for one in found if one is not None] == ["Rejected", "OperationalError"]


async def test_a_database_that_is_gone_is_said_to_all_who_wait_and_read_again_once_it_is_back(desk: Desk) -> None:
    desk.store.broken = True
    found = await asyncio.gather(*(desk(f"q{number}") for number in range(10)), return_exceptions=True)
    assert {type(one) for one in found} == {OSError}
    desk.store.broken = False
    assert await desk("again") is None


async def test_who_went_away_holds_up_nobody(desk: Desk) -> None:
    task, go = await blocked(desk, "slow")
    task.cancel()
    go.set()
    assert await desk("next") is None
