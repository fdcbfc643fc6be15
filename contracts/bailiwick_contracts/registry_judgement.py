"""The judge of changes of the registry that were turned down: the R row, the posts held, and the ruling again."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from bailiwick_contracts.authority import Asked, rule
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped, compared, ruling_compared
from bailiwick_contracts.mark import before
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry_evidence import ADOPTIONS, lent, person
from bailiwick_contracts.staff import EmploymentEnded, PositionAssigned, StaffMerged, StaffRehired
from bailiwick_contracts.standing import delegation_of, matrix_in_force, of_kind

REGISTRY_ROWS: Mapping[str, str] = {
    "registry.register_staff.v1": "R1",
    "registry.correct_staff.v1": "R1",
    "registry.map_external_id.v1": "R1",
    "registry.merge_staff.v1": "R1",
    "registry.retract_fact.v1": "R1",
    "registry.assign_position.v1": "R2",
    "registry.end_employment.v1": "R2",
    "registry.rehire_staff.v1": "R2",
    "registry.set_reporting_line.v1": "R2",
    "registry.set_base_wage.v1": "R3",
    "registry.delegate_authority.v1": "R4",
    "registry.revoke_delegation.v1": "R4",
    "registry.adopt_authority_matrix.v1": "R5",
    "registry.adopt_legal_policy.v1": "R5",
    "registry.add_property.v1": "R6",
    "registry.adopt_calendar.v1": "R6",
    "registry.add_unit_of_organisation.v1": "R6",
    "registry.trust_door.v1": "R7",
    "registry.erase_person.v1": "R8",
    "registry.erase_data_subject.v1": "R8",
}
"""Under which row of the matrix each request to the registry is allowed."""


def judge_registry_change(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A change of the registry turned down for want of authority (R rows)."""
    fact, at, sees = event.data, event.recordedat, before(event)
    principal = event.onbehalfof or event.actor
    subjects = [ADOPTIONS, person(principal), *([lent(event.delegation)] if event.delegation else [])]
    events = evidence.registry.about(subjects, sees)
    matrix = matrix_in_force(events, at)[0] if under is None else evidence.registry.version(under)
    if under is not None and matrix is None:
        raise Skipped("version_not_in_the_ledger")
    row_id = REGISTRY_ROWS[fact.asked_for]
    row = matrix.row(row_id) if matrix else None
    held = _held_on(events, principal, at.date())
    fitting = [one for one in held if row and one.position in row.holders] or held
    asked = Asked(
        row_id=row_id,
        verb="decide",
        actor_id=event.actor,
        actor_position=fitting[0].position if fitting else None,
        actor_property=fitting[0].property_id if fitting else None,
        on_behalf_of_id=event.onbehalfof,
        delegation=delegation_of(events, event.delegation)[0] if event.delegation else None,
        decided_on=at.date(),
        property_id=COMPANY,
        subject_id=fact.subject_id,
    )
    again = rule(matrix, asked, selected_at=at)
    if under is not None:
        for name in ("outcome", "reason"):
            yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
        return
    yield from ruling_compared(event, again)
    yield from compared(event, "reason", "ruling", fact.reason, again.reason)


def _held_on(events: list[Event[Any]], staff_id: str, on: date) -> list[PositionAssigned]:
    """The positions somebody holds on a date under this very id, one per property, in the order first given."""
    own = [event.data for event in of_kind(events, PositionAssigned) if event.data.staff_id == staff_id]
    if any(event.data.staff_id == staff_id for event in of_kind(events, StaffMerged)):
        return []
    ended: date | None = None
    for event in sorted(events, key=lambda one: (one.recordedat, one.chainnumber)):
        if isinstance(event.data, EmploymentEnded) and event.data.staff_id == staff_id:
            ended = event.data.last_on
        elif isinstance(event.data, StaffRehired) and event.data.staff_id == staff_id:
            ended = None
    if ended is not None and on > ended:
        return []
    found: dict[str, PositionAssigned | None] = {}
    for post in own:
        best = found.setdefault(post.property_id, None)
        if post.effective_on <= on and (best is None or post.effective_on >= best.effective_on):
            found[post.property_id] = post
    return [post for post in found.values() if post is not None]
