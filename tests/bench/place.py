"""Where a measure runs: a directory and a database of its own, and what its processes use of the processor."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor

from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests import servers

BOSS = Actor(actor="boss")
PLACE = "north-court"


@dataclass
class Place:
    """A directory, and an empty database of `server`; without one, SQLite in the directory."""

    directory: Path
    server: sa.URL | None = None
    database_url: str | None = None
    _opened: list[Any] = field(default_factory=list)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.server is not None:
            self.database_url = self._stack.enter_context(servers.database(self.server))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._stack.close()

    def another(self, name: str) -> "Place":
        """A place beside this one, as empty as this one was."""
        return Place(self.directory / name, self.server)

    @property
    def settings(self) -> Settings:
        """Of a system that runs here."""
        return Settings(data_dir=self.directory, database_url=self.database_url)

    def store(self, service: Service) -> Store:
        """The store of a service, opened here."""
        tables = [table for view in service.views for table in view.tables]
        self._opened.append(store := Store(self.settings.store_url(service.name), schema=service.name, views=tables))
        return store

    def writer(self, service: Service, store: Store, limit: int = 500) -> Writer:
        """A writer on it."""
        self._opened.append(writer := Writer(service, store, KeyStore(self.directory / "keys"), limit=limit))
        return writer

    def close(self) -> None:
        """Give back what was opened."""
        for one in reversed(self._opened):
            one.close()
        self._opened.clear()


@dataclass
class Spent:
    """Seconds of the wall and of the processor, this process, its children and their servers included."""

    seconds: float = 0.0
    cpu: float = 0.0


def _cpu() -> dict[int, float]:
    found = {}
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


@contextlib.contextmanager
def spending() -> Iterator[Spent]:
    """What the body takes."""
    spent, before, begun = Spent(), _cpu(), time.perf_counter()
    yield spent
    spent.seconds = time.perf_counter() - begun
    spent.cpu = sum(cpu - before.get(pid, 0.0) for pid, cpu in _cpu().items())


async def child(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module of this package in a process of its own; answers the JSON object it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"tests.bench.{module} failed")
    answer: dict[str, Any] = json.loads(printed)
    return answer
