"""A real office is killed, cut off and emptied in the middle of its work, and every invariant holds of what is left."""

import asyncio
import os
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.kernel.sealing import KeyStore
from tests.crash.faults import broker, database
from tests.crash.house import DIRECTORS, JUDGED, House
from tests.crash.house_invariants import Seen, hold
from tests.crash.invariants import Evidence
from tests.crash.system import supervising
from tests.kernel import test_scenes as scenes
from tests.servers import PostgresServer, forget_broken_lines
from tests.servers import database as fresh_database

POINTS = [
    ("registry", "after-commit"), ("registry", "before-publish"), ("attendance", "before-commit"), ("attendance", "after-commit"),
    ("attendance", "intake"), ("attendance", "before-ack"), ("attendance", "before-publish"), ("attendance", "after-publish"),
    ("attendance", "lease-take"), ("audit", "log-salts"), ("audit", "log-entries"), ("audit", "log-tiles"), ("audit", "log-checkpoint"),
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def killed_at(house: House, chance: random.Random) -> str:
    part, point = chance.choice(POINTS)
    house.restart(part, crash_at=f"{point}:{chance.randint(1, 3)}")
    await asyncio.sleep(1)
    return f"{part} killed at {point}"


async def killed_at_random(house: House, chance: random.Random) -> str:
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.1, 1))
        house.restart(chance.choice((*house.parts, "nats")))
    return "any part killed"


async def from_the_matrix(house: House, chance: random.Random) -> str:
    faults = [broker.nats_killed, broker.nats_frozen, broker.authorisation_revoked, broker.stream_wiped]
    if house.postgres is not None:
        faults += [database.postmaster_killed]
    fault = chance.choice(faults)
    await fault(house, chance, False)  # type: ignore[arg-type]
    return fault.__name__


async def checked(house: House) -> None:
    """Drain, gather what there is, and hold every invariant against it."""
    client = await house.client()
    stores = {name: house.open(name) for name in JUDGED}
    try:
        async with supervising(house):
            seconds = await house.drained(client)
            with stores["attendance"].reading() as connection:
                tracked = stores["attendance"].tracked(connection)

            def views_rebuilt() -> None:
                for name, service in house.services().items():
                    scenes.hold(service, stores[name], {"registry": stores["registry"]})

            seen = Seen(
                asked=house.asked,
                facts={name: store.after(0, 10_000_000) for name, store in stores.items()},
                heads={name: store.heads() for name, store in stores.items()},
                taken={source.partition(":")[2]: number for source, (number, _) in tracked.items()},
                published=await house.streams(client),
                views_rebuilt=views_rebuilt,
                keys=KeyStore(house.settings.keys_dir),
                logs={path.name: path.read_text(errors="replace") for path in house.directory.glob("*.log")},
                secrets=house.secrets,
                process=Evidence((), (), (), {}, (), (), (), seconds, 60, house.ends, house.growth()),  # type: ignore[arg-type]
            )
            await asyncio.to_thread(hold, seen)
            await _every_fact_is_in_a_signed_log(house, seen)
    finally:
        for store in stores.values():
            store.close()
        await client.close()
        forget_broken_lines()


async def _every_fact_is_in_a_signed_log(house: House, seen: Seen) -> None:
    """I7, its second half: within the time that a fact may wait for it."""
    for place in DIRECTORS:
        wanted = sum(fact.property == place for facts in seen.facts.values() for fact in facts)
        for _ in range(30):
            size = await asyncio.to_thread(house.log_size, place)
            if size >= wanted:
                break
            await asyncio.sleep(0.5)
        else:
            raise AssertionError(f"I7: the log of {place} is signed over {size} of {wanted} facts")


async def _rounds(kind: str, directory: Path, rounds: int, seed: str) -> None:
    chance = random.Random(f"{seed} house {kind}")
    begun = time.monotonic()
    with ExitStack() as stack:
        url, server = None, None
        if kind == "postgres":
            server = stack.enter_context(PostgresServer())
            url = stack.enter_context(fresh_database(server.url))
        house = stack.enter_context(House(directory / "house", url, chance, server))
        await house.set_up()
        await house.flow(8)
        await checked(house)
        for number in range(rounds):
            fault = (killed_at, killed_at_random, from_the_matrix)[number % 3]
            said: list[str] = []

            async def happening(fault: object = fault, said: list[str] = said) -> None:
                said.append(await fault(house, chance))  # type: ignore[operator]

            await house.flow(8, happening())
            try:
                await checked(house)
            except BaseException as error:
                error.add_note(f"round {number + 1} of BAILIWICK_TEST_SEED={seed}, {kind}: {said}; {house.directory}")
                raise
            told = f"house {kind} {number + 1}/{rounds} at {time.monotonic() - begun:.0f} s: {said[0]}"
            print(told, file=sys.__stderr__, flush=True)


@pytest.mark.timeout(240)
async def test_an_office_that_is_killed_in_the_middle_of_its_work_keeps_every_invariant(tmp_path: Path) -> None:
    await _rounds("sqlite", tmp_path, 1, "smoke")


@pytest.mark.crash
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_an_office_over_many_rounds(kind: str, tmp_path: Path) -> None:
    rounds = int(os.environ.get("BAILIWICK_TEST_ROUNDS", "200")) // 10
    seed = os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32)))
    print(f"\nBAILIWICK_TEST_SEED={seed} house {kind}: {rounds} rounds", file=sys.__stderr__, flush=True)
    await _rounds(kind, tmp_path, rounds, seed)
