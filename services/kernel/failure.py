"""How a failed handler is tried again, and how its failure is described to a person."""

import sqlite3
import traceback
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from eventsourcing.persistence import InterfaceError, OperationalError, PersistenceError
from nats.errors import Error as NatsError
from pydantic import ValidationError

from services.kernel.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
OF_THE_MACHINE = (PersistenceError, OSError)
"""What a handler meets and did not cause: the database, or the disk that a person's new key is written to. It ends the transaction,
and is neither the command's fault nor counted as a try."""

_WORDS_OF_OTHERS = (NatsError, sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.ProgrammingError)
"""What a broker or a database says of itself: that it is away or full, or that a role lacks a right. No value stands in its first line."""


@cache
def retry_seconds() -> tuple[float, ...]:
    """The waits between the tries of a handler, read when one first fails: a setting that cannot be is named by who starts."""
    return Settings().retry_seconds


def passing(error: BaseException) -> bool:
    """Whether an error is of the moment: the database was away, busy or full, and the same work may succeed later."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | sa.exc.TimeoutError | OSError)


def damaged(error: BaseException) -> bool:
    """Whether SQLite says that a file is none of its own, or damaged; the kinds of error below that one mean something else."""
    return type(getattr(error, "orig", error)) is sqlite3.DatabaseError


def reason_of(error: BaseException) -> str:
    """What failed and where, in at most 500 characters. The values a validation or a database complains about are left out."""
    if isinstance(error, ValidationError):
        said = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_input=False)[:5])
    elif isinstance(error, PersistenceError):
        said = str(error).partition("\n")[0]
    else:
        said = words_of(error)
    return f"{place_of(error)}: {said}"[:500]


def words_of(error: BaseException) -> str:
    """What an error says; of a database's neither the statement nor the lines in which it shows the values at hand."""
    return str(error.orig).partition("\n")[0] if isinstance(error, sa.exc.StatementError) else str(error)


def told(error: BaseException) -> str:
    """What a log says of an error: what failed and where, and in words only what a broker, a database that is away or a disk says.

    The words of anything else may be a handler's, and hold what nobody should read.
    """
    place = place_of(error)
    may_be_said = passing(error) or damaged(error) or isinstance(error, _WORDS_OF_OTHERS)
    said = words_of(error).partition("\n")[0] if may_be_said else ""
    return f"{place}: {said}"[:500] if said else place


def told_of(reason: str) -> str:
    """What a log line and a fact say of a failure by its reason: what failed and where.

    Its words may be a handler's about a person. They stand in a row that goes with the letter, never in what is kept for good.
    """
    return reason.partition(": ")[0]


def place_of(error: BaseException) -> str:
    """What failed and where, without a word of its text: that may hold what nobody should read in a log."""
    frames = frames_of(error)
    return f"{type(error).__name__}{f' at {frames[-1]}' if frames else ''}"


def frames_of(error: BaseException) -> list[str]:
    """The places of our own code that an error came through, outermost first."""
    return [
        f"{Path(frame.filename).relative_to(_ROOT)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_ROOT) and "site-packages" not in frame.filename
    ]
