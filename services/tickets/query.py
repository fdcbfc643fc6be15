"""What may be read of tickets: each as it stands or stood, in lists, boards and figures; sealed fields stay sealed."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.accountability import faults, intervals
from bailiwick_contracts.deadline_adoption import POLICIES as POLICY_STREAM
from bailiwick_contracts.deadline_adoption import GetDeadlinePolicy
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.letter import letter_stream
from bailiwick_contracts.ticket import ticket_stream
from bailiwick_contracts.ticket_query import (
    AnalyseFollowUps,
    CountTopics,
    ExamineAccountability,
    GetBoard,
    GetFigures,
    GetLetter,
    GetLogFigures,
    GetTicket,
    GetTicketHistory,
    ListLetters,
    ListTickets,
)
from bailiwick_contracts.working_time import WorkingCalendar
from pydantic_core import from_json, to_jsonable_python

from services.kernel.decision import Rejected
from services.kernel.service import Reading
from services.registry_copy import instant, micros
from services.tickets import board, figures
from services.tickets import gathering as gather
from services.tickets.figures import Period
from services.tickets.letter import LETTER
from services.tickets.log_figures import log_figures
from services.tickets.policy import POLICIES
from services.tickets.state import Ticket
from services.tickets.ticket import TICKET
from services.tickets.views import ENDS, ISSUES, LETTERS, MARKS, TICKETS, VISITS

_SCANNED = 2_000
"""Tickets that one page looks at, whatever it shows."""


class Moment:
    """As of what a report is: an instant, a number of the property's chain, or now."""

    def __init__(self, reading: Reading, property_id: str, as_of: datetime | None, as_of_number: int | None) -> None:
        """Resolve what was asked for; without either it is what the views hold now."""
        query = sa.select(MARKS).where(MARKS.c.property_id == property_id)
        if as_of is not None:
            query = query.where(MARKS.c.recorded_us <= micros(as_of))
        if as_of_number is not None:
            query = query.where(MARKS.c.number <= as_of_number)
        rows = reading.rows(query.order_by(MARKS.c.number.desc()).limit(1))
        self.is_now = as_of is None and as_of_number is None
        self.number = as_of_number if as_of_number is not None else int(rows[0].number) if rows else 0
        self.log = str(rows[0].log) if rows else "tickets"
        recorded = instant(rows[0].recorded_us) if rows else reading.now
        self.at = as_of or (recorded if as_of_number is not None else reading.now)
        self._as_of = as_of
        self._property = property_id

    def ticket(self, reading: Reading, ticket_id: str) -> Ticket:
        """A ticket as it stood."""
        events = reading.history(ticket_stream(ticket_id))
        return TICKET.fold(event for event in events if self.sees(event))

    def sees(self, event: Event[Any]) -> bool:
        """Whether a fact had been recorded."""
        return event.chainnumber <= self.number and (self._as_of is None or event.recordedat <= self._as_of)

    def candidates(self) -> sa.Select[Any]:
        """Ids of tickets that may have been open at the moment."""
        return (
            sa.select(TICKETS.c.ticket_id)
            .join(ENDS, ENDS.c.ticket_id == TICKETS.c.ticket_id)
            .where(TICKETS.c.property_id == self._property)
            .where(sa.or_(ENDS.c.over == 0, ENDS.c.number > self.number))
        )

    def shown(self, zone: str) -> Mapping[str, Any]:
        """What a report says about itself."""
        return {
            "chain": f"{self.log}:{self._property}",
            "number": self.number,
            "at": to_jsonable_python(self.at),
            "zone": zone,
        }


def _moment(reading: Reading, command: Command[Any]) -> Moment:
    return Moment(reading, command.property, command.data.as_of, command.data.as_of_number)


def get_ticket(reading: Reading, command: Command[GetTicket]) -> Mapping[str, Any]:
    """`ticket`: everything that is remembered, and `as_of`."""
    moment = _moment(reading, command)
    ticket = moment.ticket(reading, command.data.ticket_id)
    if not ticket.is_there:
        raise _unknown(command.data.ticket_id)
    shown: dict[str, Any] = to_jsonable_python(ticket, serialize_unknown=True)
    log = shown.pop("taken_over", None)
    if log is not None:
        shown["taken_over"] = {name: value for name, value in log.items() if name != "known"}
    return {"ticket_id": command.data.ticket_id, "ticket": shown, "as_of": moment.shown(_zone_name(reading, command))}


def _unknown(ticket_id: str) -> Rejected:
    return Rejected(
        f"there is no ticket {ticket_id}", code="no_such_ticket", field="ticket_id", value=ticket_id,
        rule="the id of a ticket", remedy="look it up with ListTickets",
    )  # fmt: skip


def _zone_name(reading: Reading, command: Command[Any]) -> str:
    return gather.zone_of(reading, command.property).time_zone


def acted_by(event: Event[Any], follows: bool) -> str:
    """Who is behind a fact: `people`, `rules` (it followed at once from what somebody did) or `machine` (a timer was due)."""
    if event.channel == "system":
        return "machine"
    return "rules" if follows else "people"


def get_history(reading: Reading, command: Command[GetTicketHistory]) -> Mapping[str, Any]:
    """`facts`, oldest first, and `next` where there are more. Each has `by`: people, rules or machine."""
    asked = command.data
    events = reading.history(ticket_stream(asked.ticket_id))
    if not events:
        raise _unknown(asked.ticket_id)
    found, seen = [], set[str]()
    for event in events:
        by = acted_by(event, event.commandid in seen and event.channel != "import")
        seen.add(event.commandid)
        if event.version > asked.after and asked.by in (None, by):
            found.append(
                {
                    "number": event.version,
                    "id": event.id,
                    "type": event.type,
                    "by": by,
                    "actor": event.actor,
                    "occurred_at": to_jsonable_python(event.time),
                    "recorded_at": to_jsonable_python(event.recordedat),
                    "importfile": event.importfile,
                    "importrow": event.importrow,
                    "data": from_json(event.data.as_json()),
                }
            )
    page = found[: asked.limit]
    return {"ticket_id": asked.ticket_id, "facts": page} | (
        {"next": page[-1]["number"]} if len(found) > asked.limit else {}
    )


def examine_accountability(reading: Reading, command: Command[ExamineAccountability]) -> Mapping[str, Any]:
    """`intervals` without gap or overlap, and `faults`, empty where exactly one person was accountable at every moment."""
    events = reading.history(ticket_stream(command.data.ticket_id))
    if not events:
        raise _unknown(command.data.ticket_id)
    found = intervals(events)
    return {
        "ticket_id": command.data.ticket_id,
        "intervals": [one.model_dump(mode="json", exclude_none=True) for one in found],
        "faults": faults(events, found),
    }


def _ids(reading: Reading, query: sa.Select[Any], after: str | None) -> list[str]:
    if after is not None:
        query = query.where(TICKETS.c.ticket_id > after)
    return [row[0] for row in reading.rows(query.order_by(TICKETS.c.ticket_id).limit(_SCANNED + 1))]


def list_tickets(reading: Reading, command: Command[ListTickets]) -> Mapping[str, Any]:
    """`tickets`: lines in the order of their ids; `next` where there are more; `as_of`."""
    asked = command.data
    moment = _moment(reading, command)
    query = sa.select(TICKETS.c.ticket_id).where(TICKETS.c.property_id == command.property)
    zone = gather.zone_of(reading, command.property)
    calendar = WorkingCalendar((), zone.changes, {})
    if asked.first_on is not None:
        query = query.where(TICKETS.c.registered_us >= micros(calendar.instant(asked.first_on, "00:00")))
    if asked.last_on is not None:
        query = query.where(TICKETS.c.registered_us < micros(calendar.instant(asked.last_on, "24:00")))
    day_ends = calendar.instant(calendar.local(moment.at).date(), "24:00")

    def wanted(ticket: Ticket) -> bool:
        pairs = (
            (asked.kind, ticket.kind),
            (asked.status, ticket.status),
            (asked.accountable_id, ticket.accountable_id),
            (asked.topic, ticket.topic),
        )
        return ticket.is_there and all(one is None or one == other for one, other in pairs)

    return _page(reading, moment, _ids(reading, query, asked.after), wanted, day_ends, asked.limit, zone.time_zone)


def get_board(reading: Reading, command: Command[GetBoard]) -> Mapping[str, Any]:
    """`tickets`: a line per open ticket, and per ticket whose visit is to be made; `next` where there are more; `as_of`."""
    asked = command.data
    moment = _moment(reading, command)
    zone = gather.zone_of(reading, command.property)
    calendar = WorkingCalendar((), zone.changes, {})
    on = asked.on or calendar.local(moment.at).date()
    visited = (
        sa.select(TICKETS.c.ticket_id)
        .join(VISITS, VISITS.c.ticket_id == TICKETS.c.ticket_id)
        .where(TICKETS.c.property_id == command.property)
    )
    # Visits of long ago that nobody made stay in sight for a quarter; a board is no archive.
    since = calendar.instant(on - timedelta(days=92), "00:00")
    visited = visited.where(VISITS.c.due_us >= micros(since))
    both = moment.candidates().union(visited).subquery()
    query = sa.select(TICKETS.c.ticket_id).where(TICKETS.c.ticket_id.in_(sa.select(both.c.ticket_id)))

    def wanted(ticket: Ticket) -> bool:
        if not ticket.is_open and not board.dues_of(ticket):
            return False
        if ticket.taken_over is not None:
            return False
        urgency = board.urgency_of(ticket, at=moment.at, until=calendar.instant(on, "24:00"))[0]
        return asked.only == "all" or urgency in ("overdue", "due")

    ids, ends = _ids(reading, query, asked.after), calendar.instant(on, "24:00")
    return {"on": on.isoformat()} | _page(reading, moment, ids, wanted, ends, asked.limit, zone.time_zone)


def _page(
    reading: Reading, moment: Moment, ids: list[str], wanted: Any, until: datetime, limit: int, zone: str
) -> dict[str, Any]:
    lines: list[Any] = []
    last: str | None = None
    for ticket_id in ids[:_SCANNED]:
        if len(lines) == limit:
            break
        last = ticket_id
        ticket = moment.ticket(reading, ticket_id)
        if wanted(ticket):
            lines.append(to_jsonable_python(board.line(ticket_id, ticket, at=moment.at, until=until)))
    more = last is not None and ids[-1] != last
    return {"tickets": lines, "as_of": moment.shown(zone)} | ({"next": last} if more else {})


def _months(calendar: WorkingCalendar, month: str) -> tuple[Period, Period]:
    """A month, and the one before, as instants."""
    first = date(int(month[:4]), int(month[5:]), 1)
    following = (first + timedelta(days=32)).replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    starts, ends, earlier = (calendar.instant(on, "00:00") for on in (first, following, before))
    return Period(starts, ends), Period(earlier, starts)


def _concerned(
    reading: Reading, moment: Moment, property_id: str, since: datetime, until: datetime
) -> Iterator[Ticket]:
    """Every ticket that was open in a period, or that a visit of it fell due in."""
    lived = (
        sa.select(TICKETS.c.ticket_id)
        .join(ENDS, ENDS.c.ticket_id == TICKETS.c.ticket_id)
        .where(TICKETS.c.property_id == property_id, TICKETS.c.system == "", TICKETS.c.registered_us < micros(until))
        .where(sa.or_(ENDS.c.over == 0, ENDS.c.at_us >= micros(since)))
    )
    visited = sa.select(VISITS.c.ticket_id).where(
        VISITS.c.property_id == property_id, VISITS.c.due_us >= micros(since), VISITS.c.due_us < micros(until)
    )
    both = lived.union(visited).subquery()
    for row in reading.rows(sa.select(both.c.ticket_id).order_by(both.c.ticket_id)):
        ticket = moment.ticket(reading, row[0])
        if ticket.is_there:
            yield ticket


def analyse_follow_ups(reading: Reading, command: Command[AnalyseFollowUps]) -> Mapping[str, Any]:
    """`rows` by kind and topic for the month, each beside the month before (S2-7); `as_of`."""
    moment = _moment(reading, command)
    zone = gather.zone_of(reading, command.property)
    period, before = _months(WorkingCalendar((), zone.changes, {}), command.data.month)
    found = list(_concerned(reading, moment, command.property, before.since, period.until))
    rows = figures.follow_ups(found, period, before)
    return {"month": command.data.month, "rows": rows, "as_of": moment.shown(zone.time_zone)}


def count_topics(reading: Reading, command: Command[CountTopics]) -> Mapping[str, Any]:
    """`rows` per topic and kind (S2-6); `as_of`."""
    asked = command.data
    moment = _moment(reading, command)
    zone = gather.zone_of(reading, command.property)
    calendar = WorkingCalendar((), zone.changes, {})
    period = Period(calendar.instant(asked.first_on, "00:00"), calendar.instant(asked.last_on, "24:00"))
    query = sa.select(TICKETS.c.ticket_id).where(
        TICKETS.c.property_id == command.property,
        TICKETS.c.registered_us >= micros(period.since),
        TICKETS.c.registered_us < micros(period.until),
    )
    found = [moment.ticket(reading, row[0]) for row in reading.rows(query)]
    return {"rows": figures.topics(found, period), "as_of": moment.shown(zone.time_zone)}


def get_figures(reading: Reading, command: Command[GetFigures]) -> Mapping[str, Any]:
    """`figures`: K4, K6a, K6b, K8a, K8b, K9a, K9b and K10 of the month; `as_of`."""
    moment = _moment(reading, command)
    zone = gather.zone_of(reading, command.property)
    period, _ = _months(WorkingCalendar((), zone.changes, {}), command.data.month)
    found = _concerned(reading, moment, command.property, period.since, period.until)
    return {
        "month": command.data.month,
        "figures": figures.figures(found, period),
        "as_of": moment.shown(zone.time_zone),
    }


def get_log_figures(reading: Reading, command: Command[GetLogFigures]) -> Mapping[str, Any]:
    """What was taken over from a system, counted from our own facts."""
    asked = command.data
    query = sa.select(TICKETS.c.ticket_id).where(
        TICKETS.c.property_id == command.property, TICKETS.c.system == asked.system
    )
    found = (reading.state(TICKET, ticket_stream(row[0])) for row in reading.rows(query.order_by(TICKETS.c.ticket_id)))
    return {"system": asked.system} | log_figures((one.taken_over for one in found), asked.variants_limit)


def get_letter(reading: Reading, command: Command[GetLetter]) -> Mapping[str, Any]:
    """`letter` as it stands, and its `facts`, oldest first."""
    stream = letter_stream(command.data.letter_id)
    letter = reading.state(LETTER, stream)
    if letter.status == "none":
        raise Rejected(
            f"there is no letter {command.data.letter_id}", code="no_such_letter", field="letter_id",
            value=command.data.letter_id, rule="the id of a letter", remedy="look it up with ListLetters",
        )  # fmt: skip
    facts = [
        {"id": event.id, "type": event.type, "actor": event.actor, "recorded_at": to_jsonable_python(event.recordedat)}
        for event in reading.history(stream)
    ]
    return {"letter_id": command.data.letter_id, "letter": to_jsonable_python(letter), "facts": facts}


def list_letters(reading: Reading, command: Command[ListLetters]) -> Mapping[str, Any]:
    """`letters` in the order of their ids, issued ones with their number; `next` where there are more."""
    asked = command.data
    columns = (LETTERS.c.letter_id, LETTERS.c.status, ISSUES.c.year, ISSUES.c.number, ISSUES.c.about, ISSUES.c.to_id,
               ISSUES.c.means, ISSUES.c.document_sha256, ISSUES.c.issued_us)  # fmt: skip
    query = (
        sa.select(*columns)
        .outerjoin(ISSUES, ISSUES.c.letter_id == LETTERS.c.letter_id)
        .where(LETTERS.c.property_id == command.property)
    )
    for column, value in ((ISSUES.c.year, asked.year), (LETTERS.c.status, asked.status)):
        query = query if value is None else query.where(column == value)
    if asked.after is not None:
        query = query.where(LETTERS.c.letter_id > asked.after)
    rows = reading.rows(query.order_by(LETTERS.c.letter_id).limit(asked.limit + 1))
    shown = []
    for row in rows[: asked.limit]:
        one = dict(row._asdict())
        issued_us = one.pop("issued_us")
        one["issued_at"] = to_jsonable_python(instant(issued_us)) if issued_us is not None else None
        shown.append(one)
    return {"letters": shown} | ({"next": shown[-1]["letter_id"]} if len(rows) > asked.limit else {})


def get_policy(reading: Reading, command: Command[GetDeadlinePolicy]) -> Mapping[str, Any]:
    """`policy` in force with the fact that adopted it; an empty answer where none is."""
    held = reading.state(POLICIES, POLICY_STREAM).holding(command.property, command.data.at or reading.now)
    if held is None:
        return {}
    adopted, fact_id = held
    return {"policy": adopted.policy.model_dump(mode="json"), "fact_id": fact_id,
            "holds_from": to_jsonable_python(adopted.holds_from), "for_property": adopted.for_property}  # fmt: skip
