"""Killed in the middle of a burst with timers due: none lost, none twice, every term judged once."""

import asyncio
import os
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from bailiwick_contracts.accountability import faults, intervals

from tests.tickets.office import ANN, DIRECTOR, MANAGER
from tests.tickets.running import RESOLUTION, RESPONSE, Running, reported

SEED = int(os.environ.get("BAILIWICK_TEST_SEED", "20261124"))


async def _kill(running: Running, chance: random.Random, times: int) -> None:
    for point in ("timer-due:5", "after-commit:4", "before-commit:6")[:times]:
        running.kill("tickets")
        running.start("tickets", crash_at=point)
        for _ in range(400):
            if running.processes["tickets"].poll() is not None:
                break
            await asyncio.sleep(0.05)
        running.kill("tickets")
        running.start("tickets")
        await asyncio.sleep(chance.uniform(0.5, 2))
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        running.kill("tickets")
        running.start("tickets")


def judged_once(running: Running, tickets: int) -> None:
    """Each ticket: both terms warned of and breached once, up the line twice, in order, and one person at every moment."""
    by_ticket: dict[str, list[object]] = {}
    for event in running.facts():
        by_ticket.setdefault(event.subject, []).append(event)
    assert len(by_ticket) == tickets
    for history in by_ticket.values():
        kinds = Counter(
            (event.type.split(".")[1], getattr(event.data, "clock", ""))  # type: ignore[attr-defined]
            for event in history
        )
        assert kinds == {
            ("ticket_registered", ""): 1,
            ("deadline_warned", "response"): 1,
            ("deadline_warned", "resolution"): 1,
            ("deadline_breached", "response"): 1,
            ("deadline_breached", "resolution"): 1,
            ("ticket_escalated", ""): 2,
        }, kinds
        found = intervals(history)  # type: ignore[arg-type]
        assert faults(history, found) == []  # type: ignore[arg-type]
        assert [one.staff_id for one in found] == [ANN, DIRECTOR, MANAGER]


async def _burst(tmp_path: Path, tickets: int, times: int) -> None:
    chance = random.Random(SEED)
    with Running(tmp_path) as running:
        client = await running.client()
        await running.set_up(client)
        numbers = iter(range(tickets))

        async def caller() -> None:
            for number in numbers:
                await running.until_answered(client, reported(number))
                await asyncio.sleep(0.02)

        await asyncio.gather(*(caller() for _ in range(8)), _kill(running, chance, times))
        await running.nothing_due()
        judged_once(running, tickets)
        await client.close()


@pytest.mark.timeout(180)
async def test_timers_survive_kills_in_the_middle_of_a_burst(tmp_path: Path) -> None:
    await _burst(tmp_path, 40, 1)


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_timers_survive_many_kills_in_the_middle_of_a_longer_burst(tmp_path: Path) -> None:
    await _burst(tmp_path, 400, 3)


@pytest.mark.timeout(120)
async def test_at_rest_every_timer_fires_within_a_second_of_its_time(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        client = await running.client()
        await running.set_up(client)
        for number in range(5):
            await running.until_answered(client, reported(number))
        await asyncio.sleep(max(RESPONSE, RESOLUTION))
        await running.nothing_due()
        late = [event.recordedat - event.time for event in running.facts() if event.channel == "system"]
        assert len(late) == 30
        share = 5 if os.environ.get("PYTEST_XDIST_WORKER") else 1
        assert max(late) < timedelta(seconds=share), max(late)
        await client.close()
