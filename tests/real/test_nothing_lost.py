"""Nothing lost, nothing twice, in order: parts are killed as separate processes while commands flow, on each database."""

import asyncio
import os
import random
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import PROPERTIES, Installation, command_until_answered, drained

SEED = int(os.environ.get("BAILIWICK_TEST_SEED", "20261124"))
NAMED_POINTS = (
    ("toy", "before-commit:3"),
    ("toy", "after-commit:3"),
    ("relay", "before-publish"),
    ("relay", "after-publish"),
    ("echo", "intake"),
    ("echo", "after-commit"),
    ("echo", "before-ack"),
)
RANDOM_ROUNDS = 3
COMMANDS = 60


async def _flow(installation: Installation, round_number: int, chaos: Coroutine[Any, Any, None]) -> set[str]:
    client = await installation.client()
    ids = [f"r{round_number}-{n}" for n in range(COMMANDS)]

    async def one_caller(mine: list[str]) -> None:
        for command_id in mine:
            holder = f"unbounded-{hash(command_id) % 5}"
            await command_until_answered(installation, client, command_id, holder, random.choice(PROPERTIES))

    await asyncio.gather(*(one_caller(ids[start::6]) for start in range(6)), chaos)
    await client.close()
    return set(ids)


@pytest.mark.crash
@pytest.mark.timeout(3_000)
async def test_nothing_is_lost_over_many_rounds(tmp_path: Path, database_url: str) -> None:
    """The same as the smoke below, `BAILIWICK_TEST_ROUNDS` times; the seed is printed so that a run can be repeated."""
    rounds = int(os.environ.get("BAILIWICK_TEST_ROUNDS", "30"))
    seed = int(os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"BAILIWICK_TEST_SEED={seed}")  # noqa: T201 - with it the run can be repeated
    chance = random.Random(seed)
    accepted: set[str] = set()
    with Installation(tmp_path, None if database_url.startswith("sqlite") else database_url) as installation:
        for number in range(rounds):
            accepted |= await _flow(installation, number, _random_kills(installation, chance))
            client = await installation.client()
            await drained(installation, client, accepted)
            await client.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.crash)], indirect=True)
async def test_every_accepted_command_is_stored_published_and_taken_in_once_whatever_is_killed(
    tmp_path: Path, database_url: str
) -> None:
    chance = random.Random(SEED)
    accepted: set[str] = set()
    with Installation(tmp_path, None if database_url.startswith("sqlite") else database_url) as installation:
        for number, (part, point) in enumerate(NAMED_POINTS):
            installation.restart(part, crash_at=point)
            accepted |= await _flow(installation, number, _revive(installation, part))
        for number in range(RANDOM_ROUNDS):
            accepted |= await _flow(installation, 100 + number, _random_kills(installation, chance))
        client = await installation.client()
        await drained(installation, client, accepted)
        await client.close()


@pytest.mark.timeout(120)
async def test_what_was_delivered_to_a_process_that_died_is_taken_in_though_its_chain_stays_silent(
    tmp_path: Path, database_url: str
) -> None:
    north, south = PROPERTIES
    with Installation(tmp_path, None if database_url.startswith("sqlite") else database_url) as installation:
        installation.restart("echo", crash_at="intake")
        client = await installation.client()
        await asyncio.gather(
            command_until_answered(installation, client, "n1", "unbounded", north), _revive(installation, "echo")
        )
        await command_until_answered(installation, client, "s1", "unbounded", south)
        await drained(installation, client, {"n1", "s1"})
        await client.close()


@pytest.mark.timeout(120)
async def test_a_wiped_broker_is_refilled_from_the_stores_without_a_second_effect(
    tmp_path: Path, database_url: str
) -> None:
    north, south = PROPERTIES
    with Installation(tmp_path, None if database_url.startswith("sqlite") else database_url) as installation:
        client = await installation.client()
        before = {f"b{n}" for n in range(40)}
        await asyncio.gather(*(command_until_answered(installation, client, c, "unbounded", north) for c in before))
        await drained(installation, client, before)
        installation.kill("nats")
        shutil.rmtree(tmp_path / "jetstream")
        installation.start("nats")
        after = {f"a{n}" for n in range(10)}
        await asyncio.gather(*(command_until_answered(installation, client, c, "unbounded", south) for c in after))
        await drained(installation, client, before | after)
        await client.close()


async def _revive(installation: Installation, part: str) -> None:
    for _ in range(400):
        if installation.processes[part].poll() is not None:
            installation.start(part)
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{part} never reached the point at which it was to be killed")


async def _random_kills(installation: Installation, chance: random.Random) -> None:
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        installation.restart(chance.choice(("toy", "relay", "echo", "nats")))
