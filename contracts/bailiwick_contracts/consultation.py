"""Auditors and what they read: who may, under which role, and each reading of personal data as a fact of its own."""

from datetime import date
from typing import Literal

from bailiwick_contracts.message import Fact, Identifier, Label, Refusal, Request, Text


class AppointAuditor(Request):
    """Let a person read the audit service; the role reads and never decides."""

    type: Literal["audit.appoint_auditor.v1"] = "audit.appoint_auditor.v1"
    auditor_id: Identifier
    """A pseudonymous id: of staff, or of somebody from outside."""
    until: date | None = None
    """The last day (UTC) on which it holds; none: until dismissed."""
    grounds: Text


class DismissAuditor(Request):
    """End the role of an auditor."""

    type: Literal["audit.dismiss_auditor.v1"] = "audit.dismiss_auditor.v1"
    auditor_id: Identifier
    grounds: Text


class AnnounceReading(Request):
    """Say what will be read of another service, before it is asked there; the reading is on record when this is answered.

    Answers `role`. Rejected with `not_an_auditor` for whoever may not read; that is on record then.
    """

    type: Literal["audit.announce_reading.v1"] = "audit.announce_reading.v1"
    query: Label
    """The wire name of what will be asked, e.g. `registry.get_staff.v1`."""
    about: Label


class RecordConsultation(Request):
    """Put on record that somebody reads personal data; the audit service asks this of itself before it answers."""

    type: Literal["audit.record_consultation.v1"] = "audit.record_consultation.v1"
    reader_id: Identifier
    query: Label
    about: Label
    """The person, decision, chain or period asked about."""
    role: Literal["auditor", "operator"] | None = None
    """None: the reader holds no role, and is turned down."""


class AuditorAppointed(Fact):
    """A person may read the audit service."""

    type: Literal["audit.auditor_appointed.v1"] = "audit.auditor_appointed.v1"
    auditor_id: Identifier
    until: date | None = None
    grounds: str


class AuditorDismissed(Fact):
    """A person may no longer read the audit service."""

    type: Literal["audit.auditor_dismissed.v1"] = "audit.auditor_dismissed.v1"
    auditor_id: Identifier
    grounds: str


class PersonalDataConsulted(Fact):
    """Somebody read what the ledger holds about people. Sealed fields stay sealed: opening one needs its key."""

    type: Literal["audit.personal_data_consulted.v1"] = "audit.personal_data_consulted.v1"
    reader_id: Identifier
    role: Literal["auditor", "operator"]
    query: str
    about: str


class ConsultationRefused(Refusal):
    """Somebody without the role asked for what the ledger holds about people, and got nothing."""

    type: Literal["audit.consultation_refused.v1"] = "audit.consultation_refused.v1"
    reader_id: Identifier
    query: str
    about: str


class AuditChangeRefused(Refusal):
    """Something was to be changed in audit by whoever may only read there, or may not at all.

    Reasons: `auditor_only_reads`, `not_the_operator`.
    """

    type: Literal["audit.audit_change_refused.v1"] = "audit.audit_change_refused.v1"
    asked_for: Label
    """The wire name of the request."""
