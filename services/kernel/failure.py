"""How a failed handler is tried again, and how its failure is described to a person."""

import os
import traceback
from pathlib import Path

import sqlalchemy as sa
from eventsourcing.persistence import InterfaceError, OperationalError
from pydantic import ValidationError

RETRY_SECONDS = tuple(float(part) for part in os.environ.get("BAILIWICK_RETRY_SECONDS", "1,5,15,60").split(","))
"""Waits between the tries of a handler that fails by a bug: 5 tries within 81 seconds, then it becomes a dead letter."""
_ROOT = Path(__file__).resolve().parents[2]


def passing(error: BaseException) -> bool:
    """Whether an error is of the moment: the database was away, busy or full, and the same work may succeed later."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | sa.exc.TimeoutError | OSError)


def reason_of(error: BaseException) -> str:
    """What failed and where, in at most 500 characters. The values a validation complains about are left out."""
    if isinstance(error, ValidationError):
        said = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_input=False)[:5])
    else:
        said = str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(_ROOT)]
    where = f" at {Path(frames[-1].filename).relative_to(_ROOT)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}: {said}"[:500]
