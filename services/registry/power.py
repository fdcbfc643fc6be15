"""Who may change the registry: each request under its R row of the adopted matrix, and the set-up before there is one."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from bailiwick_contracts.authority import Asked, Delegation, rule
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.matrix import AuthorityMatrix
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import (
    AddProperty,
    AddUnitOfOrganisation,
    AdoptAuthorityMatrix,
    AdoptCalendar,
    AdoptLegalPolicy,
    DelegateAuthority,
    RegistryChangeRefused,
    RevokeDelegation,
    SetReportingLine,
    TrustDoor,
)
from bailiwick_contracts.staff import (
    AssignPosition,
    CorrectStaff,
    EndEmployment,
    EraseDataSubject,
    ErasePerson,
    MapExternalId,
    MergeStaff,
    PositionAssigned,
    RegisterStaff,
    RehireStaff,
    RetractFact,
    SetBaseWage,
)

SETUP = "system-setup"
"""The actor that sets an installation up or imports into it, never through the live channel."""
ROW_OF: Mapping[type[Request], str] = {
    RegisterStaff: "R1",
    CorrectStaff: "R1",
    MapExternalId: "R1",
    MergeStaff: "R1",
    RetractFact: "R1",
    AssignPosition: "R2",
    EndEmployment: "R2",
    RehireStaff: "R2",
    SetReportingLine: "R2",
    SetBaseWage: "R3",
    DelegateAuthority: "R4",
    RevokeDelegation: "R4",
    AdoptAuthorityMatrix: "R5",
    AdoptLegalPolicy: "R5",
    AddProperty: "R6",
    AdoptCalendar: "R6",
    AddUnitOfOrganisation: "R6",
    TrustDoor: "R7",
    ErasePerson: "R8",
    EraseDataSubject: "R8",
}


def refusal(
    request: Request,
    actor: Actor,
    *,
    matrix: AuthorityMatrix | None,
    held: Iterable[PositionAssigned],
    delegation: Delegation | None,
    subject_id: str | None,
    now: datetime,
    today: date,
) -> RegistryChangeRefused | None:
    """The refusal to store, or None where the actor may. `held`: the positions of the actor, or of whom he acts for."""
    if actor.actor == SETUP and actor.channel != "live":
        return None
    row_id = ROW_OF[type(request)]
    row = matrix.row(row_id) if matrix else None
    positions = list(held)
    fitting = [one for one in positions if row and one.position in row.holders] or positions
    ruling = rule(
        matrix,
        Asked(
            row_id=row_id,
            verb="decide",
            actor_id=actor.actor,
            actor_position=fitting[0].position if fitting else None,
            actor_property=fitting[0].property_id if fitting else None,
            on_behalf_of_id=actor.onbehalfof,
            delegation=delegation,
            decided_on=today,
            property_id=COMPANY,
            subject_id=subject_id,
        ),
        selected_at=now,
    )
    if ruling.outcome == "granted":
        return None
    return RegistryChangeRefused(
        reason=ruling.reason, asked_for=type(request).wire(), subject_id=subject_id, ruling=ruling
    )
