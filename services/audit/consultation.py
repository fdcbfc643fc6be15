"""Who may read: auditors are appointed and dismissed, and each reading of personal data is a fact before it is an answer."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from typing import assert_never

from bailiwick_contracts.consultation import (
    AppointAuditor,
    AuditChangeRefused,
    AuditorAppointed,
    AuditorDismissed,
    ConsultationRefused,
    DismissAuditor,
    PersonalDataConsulted,
    RecordConsultation,
)
from bailiwick_contracts.envelope import Event

from services.kernel.decision import Noun, Rejected

AuditorEvent = AuditorAppointed | AuditorDismissed


@dataclass(frozen=True)
class Auditor:
    """Whether somebody may read, and until when."""

    appointed: bool = False
    until: date | None = None


def appoint(asked: AppointAuditor, auditor: Auditor, *, by: str) -> tuple[AuditorAppointed, ...]:
    """Nobody gives the role to themselves; asking again for the same changes nothing."""
    if by == asked.auditor_id:
        raise Rejected("nobody makes themselves an auditor", code="own_case", field="auditor_id", value=asked.auditor_id,
                       rule="somebody else appoints", remedy="have the owner's representative ask")  # fmt: skip
    if auditor.appointed and auditor.until == asked.until:
        return ()
    return (AuditorAppointed(auditor_id=asked.auditor_id, until=asked.until, grounds=asked.grounds),)


def dismiss(asked: DismissAuditor, auditor: Auditor) -> tuple[AuditorDismissed, ...]:
    """Somebody who is no auditor needs no dismissal."""
    if not auditor.appointed:
        return ()
    return (AuditorDismissed(auditor_id=asked.auditor_id, grounds=asked.grounds),)


def record(asked: RecordConsultation) -> PersonalDataConsulted | ConsultationRefused:
    """A reading, or the refusal of one."""
    if asked.role is None:
        return ConsultationRefused(
            reason="not_an_auditor", reader_id=asked.reader_id, query=asked.query, about=asked.about
        )
    return PersonalDataConsulted(reader_id=asked.reader_id, role=asked.role, query=asked.query, about=asked.about)


def evolve(auditor: Auditor, event: Event[AuditorEvent]) -> Auditor:
    """Fold one fact."""
    match event.data:
        case AuditorAppointed():
            return Auditor(appointed=True, until=event.data.until)
        case AuditorDismissed():
            return replace(auditor, appointed=False)
        case _:
            assert_never(event.data)


NOUN = Noun("auditor", Auditor(), evolve)


def stream(auditor_id: str) -> str:
    """The history of one auditor's role."""
    return _within("auditor", auditor_id)


def readings_stream(reader_id: str) -> str:
    """What one reader read."""
    return _within("readings", reader_id)


def _within(kind: str, person: str) -> str:
    """A stream's name of at most 64 characters."""
    name = f"{kind}-{person}"
    return name if len(name) <= 64 else f"{name[:47]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def barred(wire: str, auditor: Auditor, *, on: date) -> tuple[AuditChangeRefused, ...]:
    """The refusal of a change that an auditor asks for: the role reads, and is not used for anything else."""
    if role_of("", auditor, on=on, operates=False) != "auditor":
        return ()
    return (AuditChangeRefused(reason="auditor_only_reads", asked_for=wire),)


def only_of_itself(actor: str, what: str) -> None:
    """What the service says of itself is put on record by it, and by nobody else. `what`: "a reading". Raises Rejected."""
    if actor != "system-audit":
        raise Rejected(f"{what} is put on record by the audit service itself", code="not_yours", field="actor", value=actor,
                       rule="asked by system-audit alone", remedy="leave it to the service, which does so unasked")  # fmt: skip


def role_of(reader_id: str, auditor: Auditor, *, on: date, operates: bool) -> str | None:
    """`auditor`, `operator` (who runs the installation, before anybody holds a role) or None."""
    if auditor.appointed and (auditor.until is None or on <= auditor.until):
        return "auditor"
    return "operator" if operates and reader_id.startswith("system-") else None
