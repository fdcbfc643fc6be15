"""What may be asked of tickets: lists, boards, histories and figures, now or as of an instant or a number of the chain."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bailiwick_contracts.deadline import Kind
from bailiwick_contracts.message import Identifier, Instant, Label, Request
from bailiwick_contracts.ticket import Status

MonthAsked = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
PageSize = Annotated[int, Field(ge=1, le=200)]
Position = Annotated[int, Field(ge=0, lt=2**31)]


class GetTicket(Request):
    """One ticket as it stands or stood; sealed fields stay sealed."""

    type: Literal["tickets.get_ticket.v1"] = "tickets.get_ticket.v1"
    ticket_id: Identifier
    as_of: Instant | None = None
    as_of_number: Position | None = None


class GetTicketHistory(Request):
    """Every fact of a ticket in order, each by `people`, `rules` (what followed from a fact at once) or `machine` (timers)."""

    type: Literal["tickets.get_ticket_history.v1"] = "tickets.get_ticket_history.v1"
    ticket_id: Identifier
    by: Literal["people", "rules", "machine"] | None = None
    after: Position = 0
    limit: PageSize = 100


class ExamineAccountability(Request):
    """Who was accountable for a ticket from when to when, and whether there was ever nobody or more than one."""

    type: Literal["tickets.examine_accountability.v1"] = "tickets.examine_accountability.v1"
    ticket_id: Identifier


class ListTickets(Request):
    """Tickets of the property in pages, in the order of their ids."""

    type: Literal["tickets.list_tickets.v1"] = "tickets.list_tickets.v1"
    kind: Kind | None = None
    status: Status | None = None
    accountable_id: Identifier | None = None
    topic: Label | None = None
    first_on: date | None = None
    """Registered on or after this date of the property's zone."""
    last_on: date | None = None
    after: Identifier | None = None
    limit: PageSize = 100
    as_of: Instant | None = None
    as_of_number: Position | None = None


class GetBoard(Request):
    """The board of a day (D9a): every open ticket, and what was overdue or due that day, with the reason."""

    type: Literal["tickets.get_board.v1"] = "tickets.get_board.v1"
    on: date | None = None
    """Today at the property, where none is given."""
    only: Literal["all", "due"] = "all"
    """`due`: only what is overdue or due on the day."""
    after: Identifier | None = None
    limit: PageSize = 100
    as_of: Instant | None = None
    as_of_number: Position | None = None


class AnalyseFollowUps(Request):
    """The month's follow-up visits on complaints and repairs (S2-7), by kind and topic."""

    type: Literal["tickets.analyse_follow_ups.v1"] = "tickets.analyse_follow_ups.v1"
    month: MonthAsked
    as_of: Instant | None = None
    as_of_number: Position | None = None


class CountTopics(Request):
    """How many tickets were registered per topic and kind in a period, dates of the property's zone, both included (S2-6)."""

    type: Literal["tickets.count_topics.v1"] = "tickets.count_topics.v1"
    first_on: date
    last_on: date
    as_of: Instant | None = None
    as_of_number: Position | None = None


class GetFigures(Request):
    """The figures K4, K6, K8, K9 and K10 of a month, each with numerator, denominator and definition."""

    type: Literal["tickets.get_figures.v1"] = "tickets.get_figures.v1"
    month: MonthAsked
    as_of: Instant | None = None
    as_of_number: Position | None = None


class GetLogFigures(Request):
    """What was taken over from a system: cases, entries, entries per activity, variants, and how the cases ended."""

    type: Literal["tickets.get_log_figures.v1"] = "tickets.get_log_figures.v1"
    system: Identifier
    variants_limit: Annotated[int, Field(ge=0, le=500)] = 50


class GetLetter(Request):
    """One letter with its history; its text stays sealed."""

    type: Literal["tickets.get_letter.v1"] = "tickets.get_letter.v1"
    letter_id: Identifier


class ListLetters(Request):
    """The issue log of a year, or the letters of a status, in pages."""

    type: Literal["tickets.list_letters.v1"] = "tickets.list_letters.v1"
    year: Annotated[int, Field(ge=1990, le=2100)] | None = None
    status: Literal["drafted", "released", "sent_back", "issued"] | None = None
    after: Identifier | None = None
    limit: PageSize = 100
