"""The clock of a simulation: an event loop whose time jumps to the next thing that is due, and whose threads run in line."""

import asyncio
import heapq
import selectors
from collections.abc import Callable
from typing import Any


class SimLoop(asyncio.SelectorEventLoop):
    """Nothing here waits for real: `time()` is the simulated second."""

    def __init__(self) -> None:
        super().__init__(_NoWait())
        self._simulated = 1_000.0
        self.turns = 0

    def time(self) -> float:
        """The simulated instant, in seconds."""
        return self._simulated

    def _run_once(self) -> None:
        self.turns += 1
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            scheduled[0]._scheduled = False
            heapq.heappop(scheduled)
            self._timer_cancelled_count = max(0, getattr(self, "_timer_cancelled_count", 0) - 1)
        if not ready and scheduled:
            self._simulated = max(self._simulated, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Call it in line; its result comes one turn later, so that a crash may fall between."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - handed on to whoever awaits it
            self.call_soon(_settle, future, None, error)
        else:
            self.call_soon(_settle, future, result, None)
        return future


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class _NoWait(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(0)
