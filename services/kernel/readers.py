"""Queries are answered on a thread beside the loop; what waits together shares one consistent state."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Answer, Command

from services.kernel.decision import Rejected
from services.kernel.store import Store
from services.kernel.work import settle

THREADS = 6
PATIENCE_SECONDS = 0.01
"""What has waited for so long while another query takes its time is answered by another thread."""
Ask = Callable[[sa.Connection, Command[Any]], Answer]


@dataclass(frozen=True)
class _Query:
    number: int
    command: Command[Any]
    future: asyncio.Future[Answer]


class Readers:
    """The readers of one service's store: one thread takes all that waits, and while one query takes its time others step in.

    A thread and a transaction for each query cost as much as a short query does (decision 33).
    """

    def __init__(self, name: str, store: Store, ask: Ask) -> None:
        """`ask` answers one query on a connection that sees one consistent state."""
        self._store, self._ask = store, ask
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"{name}-reader")
        self._lock = threading.Lock()
        self._waiting: deque[_Query] = deque()
        self._answered: deque[tuple[_Query, Answer | Exception]] = deque()
        self._last = self._at_work = 0
        self._watched = self._told = False

    async def answer(self, command: Command[Any]) -> Answer:
        """The answer, from a state that is not older than the question. Raises what answering it raised."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._last += 1
            query = _Query(self._last, command, loop.create_future())
            self._waiting.append(query)
            idle = self._at_work == 0
            self._at_work += idle
        if idle:
            self._threads.submit(self._work, loop)
        elif not self._watched:
            self._watched = True
            loop.call_later(PATIENCE_SECONDS, self._look, loop, query.number)
        return await query.future

    def _look(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        """Have another thread step in where the query of that `number` still waits."""
        with self._lock:
            self._watched = bool(self._waiting)
            more = self._watched and self._waiting[0].number <= number and self._at_work < THREADS
            self._at_work += more
        if more:
            self._threads.submit(self._work, loop)
        if self._watched:
            loop.call_later(PATIENCE_SECONDS, self._look, loop, self._last)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._at_work -= 1
                    return
            self._turn(loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer what waits from one state. A failure ends it: its connection may be of no more use."""
        query = None
        try:
            with self._store.reading() as connection:
                # The state is the one that the first question meets; what is asked from here on is owed a later one.
                last = self._last
                while (query := self._next(last)) is not None:
                    try:
                        self._tell(loop, query, self._ask(connection, query.command))
                    except Rejected as rejection:
                        self._tell(loop, query, rejection)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            last = self._last
            for failed in (query,) if query is not None else iter(partial(self._next, last), None):
                self._tell(loop, failed, error)

    def _next(self, last: int) -> _Query | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting and self._waiting[0].number <= last else None

    def _tell(self, loop: asyncio.AbstractEventLoop, query: _Query, answer: Answer | Exception) -> None:
        with self._lock:
            self._answered.append((query, answer))
            told, self._told = self._told, True
        if not told:
            loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            answered, self._answered = self._answered, deque()
            self._told = False
        for query, answer in answered:
            settle(query.future, answer)

    def close(self) -> None:
        """Take no more; what is being answered ends by itself, and what waits is not begun."""
        with self._lock:
            self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)
