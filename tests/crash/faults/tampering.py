"""Stored facts are altered by hand, as the owner of the database could: every way of it is found, and then put back."""

import asyncio
import contextlib
import random
from collections.abc import Callable

import sqlalchemy as sa
from bailiwick_contracts.envelope import check_chain, hash_of

from services.kernel.tables import FACTS, HEADS
from tests.crash.parts import PARTS
from tests.crash.system import System

CHAIN = "north-court"
Tampering = Callable[[sa.Connection, int, int], None]
"""Alters the chain at a number, of which the second is the last."""


def update(connection: sa.Connection, number: int, last: int) -> None:
    raw = _raw(connection, number)
    other = raw.replace(b'"actor":"boss"', b'"actor":"miss"')
    assert other != raw
    connection.execute(sa.update(FACTS).where(*_at(number)).values(raw=other))


def delete(connection: sa.Connection, number: int, last: int) -> None:
    connection.execute(sa.delete(FACTS).where(*_at(number)))


def insert(connection: sa.Connection, number: int, last: int) -> None:
    """One more fact at the end, made of another one, with the head moved to it."""
    row = dict(connection.execute(sa.select(FACTS).where(*_at(number))).one()._mapping)
    position = connection.execute(sa.select(sa.func.max(FACTS.c.position))).scalar_one() + 1
    version = connection.execute(
        sa.select(sa.func.max(FACTS.c.version)).where(FACTS.c.stream == row["stream"])
    ).scalar_one()
    connection.execute(
        sa.insert(FACTS).values(row | {"position": position, "version": version + 1, "number": last + 1})
    )
    _end(connection, last + 1, row["raw"])


def swap(connection: sa.Connection, number: int, last: int) -> None:
    one, other = _raw(connection, number), _raw(connection, number + 1)
    connection.execute(sa.update(FACTS).where(*_at(number)).values(raw=other))
    connection.execute(sa.update(FACTS).where(*_at(number + 1)).values(raw=one))


def truncate(connection: sa.Connection, number: int, last: int) -> None:
    connection.execute(sa.delete(FACTS))


def cut_end(connection: sa.Connection, number: int, last: int) -> None:
    """The newest facts are gone, and the head says that there never were any more."""
    connection.execute(sa.delete(FACTS).where(FACTS.c.property == CHAIN, FACTS.c.number > number))
    _end(connection, number, _raw(connection, number))


def _raw(connection: sa.Connection, number: int) -> bytes:
    return bytes(connection.execute(sa.select(FACTS.c.raw).where(*_at(number))).scalar_one())


def _at(number: int) -> tuple[sa.ColumnElement[bool], ...]:
    return FACTS.c.property == CHAIN, FACTS.c.number == number


def _end(connection: sa.Connection, number: int, raw: bytes) -> None:
    connection.execute(sa.update(HEADS).where(HEADS.c.property == CHAIN).values(number=number, hash=hash_of(raw)))


WAYS: tuple[Tampering, ...] = (update, delete, insert, swap, truncate, cut_end)


async def rows_altered(system: System, chance: random.Random, soak: bool) -> None:
    """Each way in turn, while nobody writes; the smoke takes all of them too."""
    await asyncio.sleep(0.3)
    with system.without(*PARTS):
        await asyncio.to_thread(_each_is_found, system, chance)


def _each_is_found(system: System, chance: random.Random) -> None:
    system.keep_database("untampered")
    store = system.store("toy")
    last = store.heads()[CHAIN].number
    facts = store.chain(CHAIN, 0, 1_000_000)
    store.close()
    seen = min(last, _seen_by_echo(system)[0])
    numbers = [number for number, fact in enumerate(facts[: seen - 1], 1) if b'"actor":"boss"' in fact.raw]
    for way in WAYS:
        with system.engine().begin() as connection:
            way(connection, chance.choice(numbers), last)
        assert not verifies(system), f"I7: {way.__name__} was not found"
        system.put_back_database("untampered")
    assert verifies(system), "I7: an untouched chain did not verify"


def _seen_by_echo(system: System) -> tuple[int, str | None]:
    echo = system.store("echo")
    try:
        with echo.reading() as connection:
            tracked = {name.partition(":")[2]: at for name, at in echo.tracked(connection).items()}
    finally:
        echo.close()
    return tracked.get(CHAIN, (0, ""))


def verifies(system: System) -> bool:
    """Whether toy's chain holds to its head, and is what another service saw of it."""
    store = system.store("toy")
    try:
        facts, head = store.chain(CHAIN, 0, 10_000_000), store.heads().get(CHAIN)
    finally:
        store.close()
    with contextlib.suppress(ValueError):
        events = list(check_chain(fact.raw for fact in facts))
        if head is None or not events or (events[-1].chainnumber, hash_of(facts[-1].raw)) != (head.number, head.hash):
            return False
        number, link = _seen_by_echo(system)
        return len(facts) >= number and (not number or hash_of(facts[number - 1].raw) == link)
    return False
