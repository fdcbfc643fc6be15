"""Tickets taken over from another system's log: every entry with its own time and order, whatever is odd about it."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from bailiwick_contracts.deadline import Kind
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Record, Request

ROWS_LIMIT = 2_000
"""Entries of one request; so many stay under the 256 KiB of a message."""
Meaning = Literal[
    "registered", "classified", "accepted", "held", "resumed", "escalated", "work_order", "work_done", "completed", "verified", "closed",
    "withdrawn", "duplicate", "noted",
]  # fmt: skip
"""What an activity of the other system means here; `noted` changes nothing."""
Anomaly = Literal["before_its_predecessor", "same_instant", "after_closing", "closed_again", "not_begun", "unknown_activity",
                  "no_entries"]  # fmt: skip


class ImportRow(Record):
    """A part of an import, read as strictly as the request."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class LogEntry(ImportRow):
    """One entry of a case, in the order of the file."""

    activity: Label
    meaning: Meaning
    at: Instant
    handler_id: Identifier
    """Who did it: our id, or a pseudonym of the other system's."""
    occurrence: Annotated[int, Field(ge=1)] = 1
    """Which of the entries of this case that agree in activity, instant and handler; with it an entry is known again."""
    row: int
    """The row of the file, or the number of the event in it."""


class LogCase(ImportRow):
    """One case of the other system, or the part of it that one request holds."""

    external_id: Label
    kind: Kind = "help_request"
    topic: Label = "other"
    row: int
    entries: tuple[LogEntry, ...] = ()


class ImportTickets(Request):
    """Take cases over, through the import channel alone; what is known already changes nothing.

    Each case is answered by its ticket id: `done`, `ignored` where nothing of it was new, or `rejected` with a reason.
    """

    type: Literal["tickets.import_tickets.v1"] = "tickets.import_tickets.v1"
    system: Identifier
    cases: Annotated[tuple[LogCase, ...], Field(min_length=1, max_length=ROWS_LIMIT)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if sum(len(case.entries) for case in self.cases) > ROWS_LIMIT:
            raise ValueError(
                f"cases: at most {ROWS_LIMIT:,} entries in one request; send several, a long case in parts"
            )
        return self


class TicketImported(Fact):
    """A ticket that another system kept. It has no terms, and nothing of it is judged again."""

    type: Literal["tickets.ticket_imported.v1"] = "tickets.ticket_imported.v1"
    ticket_id: Identifier
    system: Identifier
    external_id: Label
    kind: Kind
    topic: Label
    accountable_id: Identifier
    """Whoever the first entry names; the importer, where there is none."""
    anomalies: tuple[Anomaly, ...] = ()


class ActivityImported(Fact):
    """One entry of another system's log, at its own time (the envelope's `time`), in its own place."""

    type: Literal["tickets.activity_imported.v1"] = "tickets.activity_imported.v1"
    ticket_id: Identifier
    number: int
    """The place in the case, from 1."""
    activity: Label
    meaning: Meaning
    handler_id: Identifier
    """From this entry on accountable."""
    occurrence: int = 1
    anomalies: tuple[Anomaly, ...] = ()
    """What is odd about the entry: kept, never put right."""


def imported_id(system: str, property_id: str, external_id: str) -> str:
    """The ticket id of another system's case: the same case is the same ticket, however often it is taken over."""
    digest = hashlib.sha256(f"{system}\n{property_id}\n{external_id}".encode()).hexdigest()
    return f"x-{digest[:24]}"


def pseudonym(system: str, name: str) -> str:
    """How somebody whom only the other system knows is called here."""
    return f"x-{hashlib.sha256(f'{system}{chr(10)}{name}'.encode()).hexdigest()[:16]}"
