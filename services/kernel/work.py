"""What is given to the writer, and what may become of it beside an answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bailiwick_contracts.envelope import Command, Event

from services.kernel.due import Due
from services.kernel.parked import Again
from services.kernel.tracing import about


class BusyError(Exception):
    """More commands wait than the writer takes on; the caller should send again later."""


@dataclass(frozen=True)
class Intake:
    """Facts of one chain of another service, in order, to be taken in."""

    source: str
    """`<log>:<property>`, the chain they belong to."""
    raws: tuple[bytes, ...]
    failure: str | None = None
    """Set, for one fact, where its transaction failed as a whole: then it is parked unhandled."""
    events: tuple[Event[Any], ...] | None = None
    """The same facts, where they were read already."""


class GapError(Exception):
    """Facts arrived that do not follow what was taken in; what lies between must be fetched first."""

    def __init__(self, source: str, have: int, got: int) -> None:
        super().__init__(f"{source}: {got} arrived after {have}")
        self.source, self.have, self.got = source, have, got


Work = Command[Any] | Intake | Due | Again


class Job(NamedTuple):
    """A piece of work with whoever waits for what becomes of it."""

    work: Work
    own: bool
    """The service gives itself this command, so no door signed it."""
    future: asyncio.Future[Any]


def settle(future: asyncio.Future[Any], result: Any) -> None:
    """Tell whoever waits; an exception is raised there. Who went away is told nothing."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def settle_all(batch: Sequence[Job], results: Sequence[Any]) -> None:
    """Tell each its result."""
    for job, result in zip(batch, results, strict=True):
        settle(job.future, result)


def named(work: Work) -> dict[str, str]:
    """What a log line says of a piece of work."""
    if isinstance(work, Command):
        return about(work)
    return {"timer": work.timer_id} if isinstance(work, Due) else {"source": work.source}
