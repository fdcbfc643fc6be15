"""I9: after 500 broken connections a process holds no file, no thread, no task more than before, and hardly more memory."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.crash.parts import PARTS
from tests.crash.proxy import Proxy
from tests.crash.system import System, supervising

LINES = {"toy": 2, "relay": 1, "echo": 2}
"""Connections of each part; toy and echo have one of their own for requests."""
WARM = 20
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    pid: int
    files: int
    threads: int
    tasks: tuple[str, ...]
    resident: int


async def held(system: System, part: str) -> Held:
    """Asked of the process itself where nobody else knows."""
    process = psutil.Process(system.processes[part].pid)
    note = system.directory / f"{process.pid}.tasks"
    note.unlink(missing_ok=True)
    os.kill(process.pid, signal.SIGUSR1)
    while not note.exists() or not note.read_text():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    return Held(
        process.pid,
        process.num_fds(),
        process.num_threads(),
        tuple(note.read_text().split()),
        process.memory_info().rss,
    )


async def cut(proxy: Proxy, times: int) -> None:
    """Break every line, and again as soon as all of them are back."""
    for number in range(times):
        proxy.cut()
        deadline = time.monotonic() + 30
        while proxy.lines < sum(LINES.values()):
            assert time.monotonic() < deadline, f"only {proxy.lines} lines came back after cut {number + 1}"
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)


async def reconnects(directory: Path, times: int) -> None:
    chance = random.Random("reconnects")
    with System(directory, None) as system:
        async with Proxy(system.port, chance, 0) as proxy:
            for part in PARTS:
                system.environment[part] = {
                    "TOY_COUNTS": str(directory), "TOY_RECONNECT_SECONDS": "0.02", "BAILIWICK_LOG_LEVEL": "ERROR",
                    "BAILIWICK_PROGRESS_SECONDS": "30",
                }  # fmt: skip
                system.through[part] = proxy.port
                system.restart(part)
            await system.flow(chance, 24)
            await cut(proxy, WARM)
            await asyncio.sleep(3)
            before = {part: await held(system, part) for part in PARTS}
            async with supervising(system):
                await cut(proxy, times)
            await asyncio.sleep(3)
            after = {part: await held(system, part) for part in PARTS}
            await system.flow(chance, 24)
            with contextlib.suppress(KeyError):
                system.baseline.clear()
            await system.check()
    for part in PARTS:
        was, now = before[part], after[part]
        more = Counter(now.tasks) - Counter(was.tasks)
        told = (
            f"{part}: {was.files} files, {was.threads} threads, {len(was.tasks)} tasks, {was.resident >> 10} KiB; after {times} "
            f"reconnects {now.files}, {now.threads}, {len(now.tasks)}, {now.resident >> 10} KiB {dict(more) or ''}"
        )
        print(told, file=sys.__stderr__, flush=True)
        assert now.pid == was.pid, f"I9: {part} ended: {system.ends}"
        grown = {
            "files": now.files - was.files,
            "threads": now.threads - was.threads,
            "tasks": len(now.tasks) - len(was.tasks),
        }
        assert max(grown.values()) <= 2, f"I9: {told}"
        assert now.resident <= was.resident * 1.1, f"I9: memory: {told}"


@pytest.mark.timeout(180)
async def test_some_reconnects_leave_nothing_open(tmp_path: Path) -> None:
    await reconnects(tmp_path / "system", 30)


@pytest.mark.crash
@pytest.mark.timeout(1_200)
async def test_500_reconnects_leave_nothing_open(tmp_path: Path) -> None:
    await reconnects(tmp_path / "system", 500)
