"""Who somebody is at a moment, from the registry's facts alone: position, grade, reporting line, wage, versions in force.

The facts given may be more than are needed and in any order; what was recorded later holds over what was recorded before.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from bailiwick_contracts.authority import Asked, Delegation, Input
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Verb
from bailiwick_contracts.message import COMPANY, Fact, Identifier, PropertyId, Record
from bailiwick_contracts.registry import (
    AuthorityDelegated,
    AuthorityMatrixAdopted,
    DelegationRevoked,
    LegalPolicyAdopted,
    PropertyAdded,
    ReportingLineSet,
    ZoneAdopted,
)
from bailiwick_contracts.staff import (
    BaseWageSet,
    EmploymentEnded,
    ExternalId,
    ExternalIdMapped,
    FactRetracted,
    PersonErased,
    PositionAssigned,
    StaffCorrected,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)

F = TypeVar("F", bound=Fact)
Events = Sequence[Event[Any]]


class Post(Record):
    """The position somebody holds, with the fact that gave it."""

    property_id: PropertyId
    position: str
    grade: str | None = None
    unit_id: str | None = None
    fact_id: Identifier


class Facts(list[Event[Any]]):
    """Facts of which there will be no more: those of a kind are looked for once."""

    def __init__(self, events: Iterable[Event[Any]]) -> None:
        """None was looked for yet."""
        super().__init__(events)
        self.found: dict[type[Fact], list[Event[Any]]] = {}


def of_kind(events: Iterable[Event[Any]], kind: type[F]) -> list[Event[F]]:
    """The standing facts of a kind, as recorded; those retracted are left out. The list is not to be changed."""
    if not isinstance(events, Facts):
        return _of_kind(events if isinstance(events, list) else list(events), kind)
    found = events.found.get(kind)
    if found is None:
        found = events.found[kind] = _of_kind(events, kind)
    return found


def _of_kind(known: list[Event[Any]], kind: type[F]) -> list[Event[F]]:
    found = [event for event in known if type(event.data) is kind]
    if not found:
        return found
    retracted = {event.data.fact_id for event in known if type(event.data) is FactRetracted}
    found = [event for event in found if event.id not in retracted] if retracted else found
    return sorted(found, key=lambda event: (event.recordedat, event.chainnumber)) if len(found) > 1 else found


def remaining_id(events: Events, staff_id: str) -> str:
    """The id that remains of a person after merges."""
    into = {event.data.staff_id: event.data.into_staff_id for event in of_kind(events, StaffMerged)}
    seen = {staff_id}
    while staff_id in into and into[staff_id] not in seen:
        staff_id = into[staff_id]
        seen.add(staff_id)
    return staff_id


def same_person(events: Events, staff_id: str) -> tuple[str, ...]:
    """Every id of a person: the one that remains, first, and those merged into it."""
    remains = remaining_id(events, staff_id)
    merged = [event.data.staff_id for event in of_kind(events, StaffMerged)]
    others = sorted(other for other in merged if other != remains and remaining_id(events, other) == remains)
    return (remains, *dict.fromkeys(others))


def external_meanings(events: Events) -> dict[tuple[str, str, str], str]:
    """Whom another system's ids mean, by (system, property, external id); what was recorded last holds."""
    named: list[tuple[Event[Any], tuple[ExternalId, ...], str]] = [
        *((e, (e.data.external,), e.data.staff_id) for e in of_kind(events, ExternalIdMapped)),
        *((e, e.data.external_ids, e.data.into_staff_id) for e in of_kind(events, StaffMerged)),
    ]
    named.sort(key=lambda one: (one[0].recordedat, one[0].chainnumber))
    return {(one.system, one.property_id, one.external_id): staff_id for _, ids, staff_id in named for one in ids}


def is_erased(events: Events, ids: Iterable[str]) -> bool:
    """Whether the person behind these ids was erased."""
    wanted = set(ids)
    return any(wanted & {event.data.staff_id, *event.data.staff_ids} for event in of_kind(events, PersonErased))


def entered_on(events: Events, ids: Iterable[str], on: date) -> date | None:
    """The day from which years of service run on `on`: of the last hire up to then."""
    wanted = set(ids)
    hired: list[tuple[datetime, int, str, date, bool]] = [
        *(
            (e.recordedat, e.chainnumber, e.data.staff_id, e.data.hired_on, False)
            for e in of_kind(events, StaffRegistered)
        ),
        *(
            (e.recordedat, e.chainnumber, e.data.staff_id, e.data.hired_on, False)
            for e in of_kind(events, StaffRehired)
        ),
        *(
            (e.recordedat, e.chainnumber, e.data.staff_id, e.data.hired_on, True)
            for e in of_kind(events, StaffCorrected)
            if e.data.hired_on is not None
        ),
    ]
    found: date | None = None
    for _, _, staff_id, hired_on, corrects in sorted(hired):
        if staff_id in wanted and hired_on <= on and (found is None or hired_on >= found or corrects):
            found = hired_on
    return found


def post_of(events: Events, ids: Iterable[str], property_id: str, on: date) -> Post | None:
    """The position held on a date at a property, or at the company where none is held there."""
    wanted = set(ids)
    ended = [
        e.data.last_on for e in of_kind(events, EmploymentEnded) if e.data.staff_id in wanted and e.data.last_on < on
    ]
    since = max(ended, default=None)
    held: dict[str, Event[PositionAssigned]] = {}
    for event in of_kind(events, PositionAssigned):
        post = event.data
        if post.staff_id not in wanted or post.effective_on > on or (since is not None and post.effective_on <= since):
            continue
        before = held.get(post.property_id)
        if before is None or post.effective_on >= before.data.effective_on:
            held[post.property_id] = event
    chosen = (
        held.get(property_id)
        or held.get(COMPANY)
        or max(held.values(), key=lambda e: e.data.effective_on, default=None)
    )
    if chosen is None:
        return None
    return Post(
        property_id=chosen.data.property_id,
        position=chosen.data.position,
        grade=chosen.data.grade,
        unit_id=chosen.data.unit_id,
        fact_id=chosen.id,
    )


def turns_of(events: Events) -> list[int]:
    """The ordinals of the dates from which `post_of` may answer otherwise than before, in order: between two it answers alike."""
    assigned = {event.data.effective_on.toordinal() for event in of_kind(events, PositionAssigned)}
    return sorted(assigned | {event.data.last_on.toordinal() + 1 for event in of_kind(events, EmploymentEnded)})


def holders_of(events: Events, property_id: str, position: str, on: date) -> tuple[str, ...]:
    """Who holds a position at a property on a date, by the ids that remain: whoever came to it last is first.

    The facts must hold every assignment to the position, and what is known of whoever was assigned.
    """
    assigned: dict[str, date] = {}
    for event in of_kind(events, PositionAssigned):
        if event.data.position == position and event.data.effective_on <= on:
            assigned[remaining_id(events, event.data.staff_id)] = event.data.effective_on
    holding = [
        staff_id
        for staff_id in assigned
        for post in (post_of(events, same_person(events, staff_id), property_id, on),)
        if post is not None and post.position == position and post.property_id in (property_id, COMPANY)
    ]
    return tuple(sorted(holding, key=lambda one: (-assigned[one].toordinal(), one)))


def wage_fact(events: Events, ids: Iterable[str], on: date) -> Event[BaseWageSet] | None:
    """The base wage that holds on a date; of two from the same date the one recorded later."""
    wanted = set(ids)
    found: Event[BaseWageSet] | None = None
    for event in of_kind(events, BaseWageSet):
        if event.data.staff_id in wanted and event.data.effective_on <= on:
            found = event if found is None or event.data.effective_on >= found.data.effective_on else found
    return found


def reports_to(events: Events, property_id: str, position: str | None) -> Event[ReportingLineSet] | None:
    """The reporting line of a position at a property, or at the company where the property has none."""
    found: Event[ReportingLineSet] | None = None
    for event in of_kind(events, ReportingLineSet):
        line = event.data
        if line.position == position and line.property_id in (property_id, COMPANY):
            found = (
                event
                if found is None or line.property_id == property_id or found.data.property_id == COMPANY
                else found
            )
    return found


def delegation_of(events: Events, delegation_id: str | None) -> tuple[Delegation | None, tuple[str, ...]]:
    """A delegation with what became of it, and the facts that say so."""
    given = [e for e in of_kind(events, AuthorityDelegated) if e.data.delegation.delegation_id == delegation_id]
    if not given:
        return None, ()
    lent = given[-1].data.delegation
    revoked = [e for e in of_kind(events, DelegationRevoked) if e.data.delegation_id == delegation_id]
    if revoked:
        lent = lent.model_copy(update={"revoked_at": revoked[0].data.revoked_at})
    return lent, (given[-1].id, *(event.id for event in revoked[:1]))


def _latest(events: Iterable[Event[F]], at: datetime) -> Event[F] | None:
    found: Event[Any] | None = None
    for event in events:
        adopted: Any = event.data
        if adopted.holds_from <= at and (found is None or adopted.holds_from >= found.data.holds_from):
            found = event
    return found


def matrix_in_force(events: Events, at: datetime) -> tuple[AuthorityMatrix | None, tuple[str, ...]]:
    """The matrix that holds at an instant, and the fact that adopted it."""
    found = _latest(of_kind(events, AuthorityMatrixAdopted), at)
    return (found.data.matrix, (found.id,)) if found else (None, ())


def policy_in_force(events: Events, property_id: str, at: datetime) -> tuple[LegalPolicy | None, tuple[str, ...]]:
    """The legal policy that holds at an instant for a property: its own, or the company's where it has none."""
    adopted = of_kind(events, LegalPolicyAdopted)
    for place in (property_id, COMPANY):
        found = _latest((event for event in adopted if event.data.for_property == place), at)
        if found is not None:
            return found.data.policy, (found.id,)
    return None, ()


def property_of(events: Events, property_id: str) -> Event[PropertyAdded] | None:
    """The fact that added a property."""
    found = [event for event in of_kind(events, PropertyAdded) if event.data.property_id == property_id]
    return found[-1] if found else None


def local_date(events: Events, property_id: str, at: datetime) -> date | None:
    """The date at a property at an instant, by its adopted zone; None where no zone is adopted."""
    for event in reversed(of_kind(events, ZoneAdopted)):
        if event.data.property_id == property_id:
            return event.data.local(at).date()
    return None


def opened_by(events: Events, had_part: Iterable[str | None], asked: Asked) -> str | None:
    """Who opened what is to be decided: of those who had a part in it the one who decides now, or in whose name it is decided.

    That one stands by the id that remains; where none of them decides, the first is named.
    """
    names = [one for one in had_part if one]
    deciding = (asked.actor_id, asked.on_behalf_of_id)
    again = (one for one in (remaining_id(events, name) for name in names) if one in deciding)
    return next(again, names[0] if names else None)


def asked_of(
    events: Events,
    *,
    row_id: str,
    verb: Verb,
    actor_id: str,
    on_behalf_of_id: str | None,
    delegation_id: str | None,
    subject_id: str | None,
    property_id: str,
    decided_on: date,
) -> Asked:
    """Who asks, with what position, about whom, as the registry's facts have it: what every ruling begins with.

    People are named by the ids that remain after merges. Under a delegation the position is the principal's.
    """
    actor = remaining_id(events, actor_id)
    principal = remaining_id(events, on_behalf_of_id) if on_behalf_of_id else None
    post = post_of(events, same_person(events, principal or actor), property_id, decided_on)
    line = reports_to(events, property_id, post.position if post else None)
    lent, lent_facts = delegation_of(events, delegation_id) if principal else (None, ())
    subject = remaining_id(events, subject_id) if subject_id else None
    about = post_of(events, same_person(events, subject), property_id, decided_on) if subject else None
    inputs = {
        "actor_position": (post.fact_id,) if post else (),
        "reporting_line": (line.id,) if line else (),
        "delegation": lent_facts,
        "subject_position": (about.fact_id,) if about else (),
    }
    return Asked(
        row_id=row_id,
        verb=verb,
        actor_id=actor,
        actor_position=post.position if post else None,
        actor_property=post.property_id if post else None,
        reports_to=line.data.reports_to if line else None,
        on_behalf_of_id=principal,
        delegation=lent,
        decided_on=decided_on,
        property_id=property_id,
        subject_id=subject,
        subject_property=about.property_id if about and about.property_id not in (property_id, COMPANY) else None,
        subject_grade=about.grade if about else None,
        subject_department=about.unit_id if about else None,
        inputs=tuple(Input(name=name, facts=facts) for name, facts in inputs.items() if facts),
    )
