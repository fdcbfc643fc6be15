"""A question put to the matrix in force: who asks, about whom, and when; each noun adds what it shows and gets a ruling."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from bailiwick_contracts.authority import Asked, CopyPosition, Ruling, rule
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.matrix import AuthorityMatrix, Verb
from bailiwick_contracts.showing import Showing, shown


@dataclass(frozen=True)
class Question:
    """What every decision under a clause begins with."""

    asked: Asked
    matrix: AuthorityMatrix | None
    now: datetime
    positions: tuple[CopyPosition, ...] = ()
    is_set_up: bool = False
    """Asked by whoever sets the installation up, or imports: no ruling is given on that."""
    events: list[Event[Any]] = field(default_factory=list)
    """The registry's facts it was put together from."""
    ids: tuple[str, ...] = ()
    """Every id of the subject."""

    @property
    def today(self) -> date:
        """The date at the property."""
        return self.asked.decided_on

    def ruled(self, row_id: str, verb: Verb, showing: Showing | None = None) -> Ruling:
        """The ruling on it, with what is shown."""
        complete = shown(self.asked, row_id, verb, showing or Showing())
        return rule(self.matrix, complete, selected_at=self.now, positions=self.positions)
