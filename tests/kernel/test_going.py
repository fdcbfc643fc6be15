"""Ending is asked for once, and a task that the library kept from hearing it still ends."""

import asyncio

import pytest

from services.kernel.going import go_on, rest


async def _ask_for_ever(arrived: asyncio.Event, turns: list[int], *, listens: bool) -> None:
    while len(turns) < 3:
        if listens:
            go_on()
        await asyncio.wait_for(arrived.wait(), 5)
        turns.append(1)
        await asyncio.sleep(0)


async def _cancelled_as_its_answer_arrives(*, listens: bool) -> tuple[bool, int]:
    arrived, turns = asyncio.Event(), list[int]()
    task = asyncio.create_task(_ask_for_ever(arrived, turns, listens=listens))
    await asyncio.sleep(0.01)
    arrived.set()
    await asyncio.sleep(0)  # the answer is there, the asker has not run yet
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return task.cancelled(), len(turns)


async def test_a_cancellation_that_arrives_with_an_answer_still_ends_the_task() -> None:
    ended, turns = await _cancelled_as_its_answer_arrives(listens=True)

    assert ended
    assert turns <= 1


async def test_a_task_that_was_not_cancelled_goes_on() -> None:
    go_on()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(1)
    go_on()


async def test_who_was_told_to_end_does_not_rest_first() -> None:
    arrived = asyncio.Event()

    async def ask_and_rest() -> None:
        await asyncio.wait_for(arrived.wait(), 5)
        await rest(30)

    task = asyncio.create_task(ask_and_rest())
    await asyncio.sleep(0.01)
    arrived.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=2)

    assert done
    assert task.cancelled()
