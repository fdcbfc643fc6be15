"""Incidents and major complaints while they go on: updates and progress to the manager, and the written report (D5d, S2-4)."""

from typing import Annotated, Literal

from bailiwick_contracts.message import Fact, Identifier, Instant, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import Attachment


class PostIncidentUpdate(Request):
    """Report how an incident goes; each update reaches the manager."""

    type: Literal["tickets.post_incident_update.v1"] = "tickets.post_incident_update.v1"
    ticket_id: Identifier
    text: Text


class IncidentUpdated(Fact):
    """How an incident goes."""

    type: Literal["tickets.incident_updated.v1"] = "tickets.incident_updated.v1"
    ticket_id: Identifier
    number: int
    text: Personal
    next_due_at: Instant | None = None


class IncidentUpdateMissed(Fact):
    """An open incident was not reported on within the adopted interval."""

    type: Literal["tickets.incident_update_missed.v1"] = "tickets.incident_update_missed.v1"
    ticket_id: Identifier
    accountable_id: Identifier
    due_at: Instant
    next_due_at: Instant | None = None


class FileIncidentReport(Request):
    """Hand in the written report of an incident, without which it cannot be closed (D5d)."""

    type: Literal["tickets.file_incident_report.v1"] = "tickets.file_incident_report.v1"
    ticket_id: Identifier
    report: Annotated[Attachment, whole(Attachment)]
    summary: Text | None = None
    letter_id: Identifier | None = None
    """The draft it was made from (D7)."""


class IncidentReportFiled(Fact):
    """The written report is there."""

    type: Literal["tickets.incident_report_filed.v1"] = "tickets.incident_report_filed.v1"
    ticket_id: Identifier
    report: Attachment
    summary: Personal | None = None
    letter_id: Identifier | None = None


class ReportProgress(Request):
    """Tell the manager how a ticket goes (S2-4)."""

    type: Literal["tickets.report_progress.v1"] = "tickets.report_progress.v1"
    ticket_id: Identifier
    text: Text


class ProgressReported(Fact):
    """The manager was told how it goes."""

    type: Literal["tickets.progress_reported.v1"] = "tickets.progress_reported.v1"
    ticket_id: Identifier
    number: int
    text: Personal
    next_due_at: Instant | None = None


class ProgressMissed(Fact):
    """The manager was not told within the adopted interval."""

    type: Literal["tickets.progress_missed.v1"] = "tickets.progress_missed.v1"
    ticket_id: Identifier
    accountable_id: Identifier
    due_at: Instant
    next_due_at: Instant | None = None


class JudgeIncidentUpdate(Request):
    """A timer's: record that an update is missing, where it is."""

    type: Literal["tickets.judge_incident_update.v1"] = "tickets.judge_incident_update.v1"
    ticket_id: Identifier


class JudgeProgress(Request):
    """A timer's: record that a progress report is missing, where it is."""

    type: Literal["tickets.judge_progress.v1"] = "tickets.judge_progress.v1"
    ticket_id: Identifier
