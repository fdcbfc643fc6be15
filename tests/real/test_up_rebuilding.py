"""The time that a view takes to be rebuilt does not count against the start of the system."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from services.kernel.settings import Settings
from services.run import serve, up
from services.run.place import StartError


class Rebuilds:
    """A runtime, as far as the supervisor's word about it goes."""

    busy = True
    rebuilding = property(lambda self: self)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def until_ready(child: up.Child) -> None:
    tasks = [asyncio.create_task(for_ever()) for _ in range(2)]
    try:
        await up._until_ready(child, *tasks)
    finally:
        for task in tasks:
            task.cancel()


async def test_who_rebuilds_is_waited_for_and_who_falls_silent_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(up, "READY_SECONDS", 0.3)
    child = up.Child(Settings(data_dir=tmp_path), ("registry",))
    waiting = asyncio.create_task(until_ready(child))
    for _ in range(8):
        await asyncio.sleep(0.1)
        child.rebuilding_at = time.monotonic()
    child.ready.set()
    await waiting
    child.ready.clear()
    with pytest.raises(StartError, match="not ready after"):
        await until_ready(child)


async def test_a_process_says_that_it_rebuilds_as_long_as_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "REBUILDING_SECONDS", 0.05)
    supervisor: Any = type("Supervising", (), {"runtimes": {"toy": Rebuilds()}})()
    telling = asyncio.create_task(serve._tell_rebuilding(supervisor))
    await asyncio.sleep(0.2)
    telling.cancel()
    assert set(capsys.readouterr().out.split()) == {"rebuilding"}
