"""A row beside the facts that they do not account for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["missing", "extra", "altered"]


@dataclass(frozen=True)
class RowFinding:
    """One row of a table that every service has: `facts`, `commands`, `timers` and the like.

    `missing`: the facts ask for it and the table lacks it; `extra`: no fact asks for it; `altered`: the columns named hold
    something else. `says` is why, in words.
    """

    table: str
    kind: Kind
    key: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Compared:
    """What the comparison of a service's rows beside the facts came to."""

    tables: tuple[str, ...]
    facts: int
    """How many facts were read for it."""
    rows: int
    differences: tuple[RowFinding, ...]
