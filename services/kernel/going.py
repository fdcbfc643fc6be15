"""The word that a task should end, kept where a library loses it."""

import asyncio


def go_on() -> None:
    """Raise what was asked for and got lost; nothing where the task may go on.

    `asyncio.wait_for` of Python 3.11 answers a result that arrives in the same instant as a cancellation and forgets the
    cancellation. The NATS client stands on it, so every loop that asks the broker calls this once a turn.

    Raises:
        asyncio.CancelledError: this task was cancelled before.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def rest(seconds: float) -> None:
    """Sleep, unless this task should end already: what was lost before the sleep must not wait until after it.

    Raises:
        asyncio.CancelledError: this task was cancelled, before or meanwhile.
    """
    go_on()
    await asyncio.sleep(seconds)
