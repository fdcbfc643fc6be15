"""The roster: the director publishes who works when (A5); each person's day holds its own part."""

from datetime import datetime

from bailiwick_contracts.attendance import PublishRoster, RosterPublished, RosterRefused
from bailiwick_contracts.authority import Asked, CopyPosition, rule
from bailiwick_contracts.matrix import AuthorityMatrix
from bailiwick_contracts.message import Fact


def publish(
    request: PublishRoster,
    person_days: int,
    asked: Asked,
    matrix: AuthorityMatrix | None,
    *,
    is_import: bool,
    now: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> list[Fact]:
    """Publish a roster, or record that the actor may not; one that changes no day is nothing new.

    Args:
        request: the roster.
        person_days: how many days of people it changes.
        asked: who asks.
        matrix: the matrix in force at `now`.
        is_import: it comes from elsewhere, where it was decided: no ruling is given on it.
        now: the instant of the decision.
        positions: how far the registry's copies reach.
    """
    if not person_days:
        return []
    ruling = None if is_import else rule(matrix, asked, selected_at=now, positions=positions)
    if ruling is not None and ruling.outcome != "granted":
        return [RosterRefused(reason=ruling.reason, roster_id=request.roster_id, ruling=ruling)]
    return [
        RosterPublished(
            roster_id=request.roster_id,
            first_on=min(row.day for row in request.days),
            last_on=max(row.day for row in request.days),
            people=len(request.staff_ids),
            person_days=person_days,
            ruling=ruling,
        )
    ]
