"""A case of another system: which entries are taken over, what is odd about them, and what the case comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bailiwick_contracts.envelope import Channel
from bailiwick_contracts.message import Fact
from bailiwick_contracts.ticket_import import ActivityImported, Anomaly, LogCase, LogEntry, TicketImported

from services.kernel.decision import Rejected

_STATUS = {
    "registered": "registered", "accepted": "accepted", "held": "held", "resumed": "accepted", "work_order": "accepted",
    "escalated": "accepted", "completed": "completed", "verified": "closed", "closed": "closed", "withdrawn": "withdrawn",
    "duplicate": "merged",
}  # fmt: skip
_TAKES_UP = frozenset({"registered", "accepted", "held", "resumed", "work_order", "escalated"})
_ENDED = frozenset({"closed", "withdrawn", "merged"})


@dataclass(frozen=True)
class TakenOver:
    """What is remembered of a case, its entries in order."""

    system: str
    external_id: str
    activities: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    status: str = "registered"
    last_at: datetime | None = None
    first_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    reopened: int = 0
    """How often it was taken up again after it had been resolved or closed."""


def entry_key(activity: str, at: datetime, handler_id: str, occurrence: int) -> str:
    """What makes two entries of a case the same one."""
    return f"{at.timestamp()} {occurrence} {handler_id} {activity}"


def add_entry(log: TakenOver, fact: ActivityImported, at: datetime) -> TakenOver:
    """The case after one more entry."""
    status = _STATUS.get(fact.meaning, log.status)
    ended = log.status in _ENDED or log.status == "completed"
    again = ended and fact.meaning in _TAKES_UP
    return replace(
        log,
        activities=(*log.activities, fact.activity),
        known=log.known | {entry_key(fact.activity, at, fact.handler_id, fact.occurrence)},
        status=status if again or not (log.status in _ENDED and status == "completed") else log.status,
        last_at=at,
        first_at=log.first_at or at,
        resolved_at=at if fact.meaning == "completed" else log.resolved_at,
        closed_at=at if status in _ENDED else None,
        reopened=log.reopened + again,
    )


def take_over(
    case: LogCase, log: TakenOver | None, *, ticket_id: str, system: str, channel: Channel, importer: str
) -> list[tuple[Fact, LogEntry | None]]:
    """The facts of a case that are not known yet, each with the entry it comes from; anomalies are kept in them.

    Raises:
        Rejected: it does not come through the import channel.
    """
    if channel != "import":
        raise Rejected(
            "another system's tickets are taken over from a file, never entered by hand", code="import_only",
            field="channel", value=channel, rule="channel is import", remedy="register a new ticket, or import the file",
        )  # fmt: skip
    found: list[tuple[Fact, LogEntry | None]] = []
    if log is None:
        log = TakenOver(system, case.external_id)
        first = case.entries[0] if case.entries else None
        opened = TicketImported(
            ticket_id=ticket_id,
            system=system,
            external_id=case.external_id,
            kind=case.kind,
            topic=case.topic,
            accountable_id=first.handler_id if first is not None else importer,
            anomalies=() if first is not None else ("no_entries",),
        )
        found.append((opened, first))
    for entry in case.entries:
        if entry_key(entry.activity, entry.at, entry.handler_id, entry.occurrence) in log.known:
            continue
        fact = ActivityImported(
            ticket_id=ticket_id,
            number=len(log.activities) + 1,
            activity=entry.activity,
            meaning=entry.meaning,
            handler_id=entry.handler_id,
            occurrence=entry.occurrence,
            anomalies=tuple(_anomalies(entry, log)),
        )
        found.append((fact, entry))
        log = add_entry(log, fact, entry.at)
    return found


def _anomalies(entry: LogEntry, log: TakenOver) -> Sequence[Anomaly]:
    odd: list[Anomaly] = []
    if log.last_at is not None and entry.at < log.last_at:
        odd.append("before_its_predecessor")
    if log.last_at is not None and entry.at == log.last_at:
        odd.append("same_instant")
    if log.status in _ENDED:
        odd.append("closed_again" if entry.meaning == "closed" else "after_closing")
    if not log.activities and entry.meaning in ("completed", "verified", "closed"):
        odd.append("not_begun")
    if entry.meaning == "noted":
        odd.append("unknown_activity")
    return odd
