"""What a handler reads before it decides: rulings, superiors and departments from the registry's copies, policy and calendar."""

from contextlib import suppress
from datetime import date
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.authority import CopyPosition, Ruling, rule
from bailiwick_contracts.deadline import Basis
from bailiwick_contracts.deadline_adoption import POLICIES as POLICY_STREAM
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.manual import DIRECTOR, MANAGER
from bailiwick_contracts.matrix import AuthorityMatrix, Verb
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import CalendarAdopted, ZoneAdopted
from bailiwick_contracts.registry_evidence import ADOPTIONS, lent, person, place
from bailiwick_contracts.sealed import KeyErasedError
from bailiwick_contracts.staff import PositionAssigned
from bailiwick_contracts.standing import (
    Post,
    asked_of,
    delegation_of,
    holders_of,
    local_date,
    matrix_in_force,
    of_kind,
    post_of,
    remaining_id,
    reports_to,
    same_person,
)
from bailiwick_contracts.ticket import RegisterTicket, TicketRegistered, ticket_stream
from bailiwick_contracts.ticket_work import IssueWorkOrder, WorkOrderIssued
from bailiwick_contracts.working_time import WorkingCalendar

from services import registry_copy as registry
from services.kernel.decision import Rejected
from services.kernel.service import Reading, Unit
from services.tickets.deadlines import Terming
from services.tickets.escalation import Line, Superior
from services.tickets.policy import POLICIES
from services.tickets.state import Ticket
from services.tickets.views import ISSUES, calendar_of, holding

_CALENDARS: dict[Basis, WorkingCalendar] = {}
_CALENDARS_LIMIT = 500


def ruling_of(unit: Unit, command: Command[Any], row_id: str, verb: Verb) -> Ruling:
    """What the matrix in force answers to whoever asks."""
    found = registry.ground(unit, command, row_id, verb, None)
    matrix, _ = matrix_in_force(found.events, unit.now)
    return rule(matrix, found.asked, selected_at=unit.now, positions=found.positions)


def ruling_at_company(unit: Unit, command: Command[Any], row_id: str) -> Ruling:
    """What the matrix in force answers to a company's own decision."""
    ids = [one for one in (command.actor, command.onbehalfof) if one]
    events = registry.registry_facts(unit, [ADOPTIONS, *map(person, ids)])
    asked = asked_of(
        events,
        row_id=row_id,
        verb="decide",
        actor_id=command.actor,
        on_behalf_of_id=command.onbehalfof,
        delegation_id=None,
        subject_id=None,
        property_id=COMPANY,
        decided_on=unit.now.date(),
    )
    return rule(matrix_in_force(events, unit.now)[0], asked, selected_at=unit.now, positions=positions(unit))


def positions(reading: Reading, property_id: str | None = None) -> tuple[CopyPosition, ...]:
    """How far the registry's copies reach, in the chains that a ruling at the property may rest on."""
    return registry.copy_positions(reading, property_id)


def terming(unit: Unit) -> Terming | None:
    """Policy and working time of the property now; None where no policy is in force.

    Raises:
        Rejected: the property is not known.
    """
    return terming_at(unit, unit.property_id)


def terming_at(unit: Unit, property_id: str) -> Terming | None:
    """Policy and working time of a property now."""
    facts = registry.settings(unit, property_id)
    held = unit.state(POLICIES, POLICY_STREAM).holding(property_id, unit.now)
    if held is None:
        return None
    adopted, fact_id = held
    zone = of_kind(facts, ZoneAdopted)[-1]
    dates = of_kind(registry.registry_facts(unit, [calendar_of(property_id)]), CalendarAdopted)
    calendar = dates[-1] if dates else None
    basis = Basis(
        policy_version=adopted.version,
        policy_fact=fact_id,
        zone_fact=zone.id,
        calendar_fact=calendar.id if calendar is not None else None,
    )
    if basis not in _CALENDARS:
        if len(_CALENDARS) >= _CALENDARS_LIMIT:
            _CALENDARS.clear()
        days = calendar.data if calendar is not None else None
        policy = adopted.policy
        _CALENDARS[basis] = WorkingCalendar.of(policy.hours, days, zone.data, policy.make_up_weekday)
    return Terming(adopted.policy, basis, _CALENDARS[basis], positions(unit, property_id))


def zone_of(reading: Reading, property_id: str) -> ZoneAdopted:
    """The adopted zone of a property.

    Raises:
        Rejected: the property is not known.
    """
    return of_kind(registry.settings(reading, property_id), ZoneAdopted)[-1].data


def today(reading: Reading, property_id: str) -> date:
    """The date at a property now."""
    return zone_of(reading, property_id).local(reading.now).date()


def accountable(unit: Unit, command: Command[Any], named_id: str | None) -> str:
    """Who is accountable for a new ticket: whoever is named, or asks, or else the head of the office.

    Raises:
        Rejected: a person is named whom nobody registered, or nobody can be found.
    """
    wanted = named_id or command.onbehalfof or command.actor
    known = registry.people(unit, [wanted])
    if wanted in known.known and wanted not in known.erased:
        return known.known[wanted]
    if named_id is not None:
        registry.reject_unknown(known.events, named_id)
    head = director(unit)
    if not head.staff_ids:
        raise Rejected(
            "nobody would be accountable", code="nobody_accountable", field="accountable_id", value=wanted,
            rule="a registered person who asks or is named, or else a head of the office",
            remedy="name somebody, or appoint an office_director in the registry",
        )  # fmt: skip
    return head.staff_ids[0]


def registered(unit: Unit, request: RegisterTicket) -> RegisterTicket | None:
    """What was asked when the ticket of this id was registered; None for one that was not registered here.

    Where that cannot be told it is taken to be as `request` has it: a text whose key was erased, of which nothing could be
    recorded now, and whoever is accountable without having been named.
    """
    found = next(
        (one for one in unit.history(ticket_stream(request.ticket_id)) if isinstance(one.data, TicketRegistered)), None
    )
    if found is None:
        return None
    fact: TicketRegistered = found.data
    asked = _asked(unit, request, found, "contact", "description")
    named = request.accountable_id
    remaining = registry.people(unit, [one for one in (named, fact.accountable_id) if one is not None]).known
    if named is None or remaining.get(named, named) == remaining.get(fact.accountable_id, fact.accountable_id):
        asked["accountable_id"] = named
    return request.model_copy(update=asked)


def issued(unit: Unit, request: IssueWorkOrder) -> IssueWorkOrder | None:
    """What was asked when the work order of this id was issued, as `registered` has it; None where none was."""
    for one in unit.history(ticket_stream(request.ticket_id)):
        if isinstance(one.data, WorkOrderIssued) and one.data.work_order_id == request.work_order_id:
            return request.model_copy(update=_asked(unit, request, one, "task"))
    return None


def _asked(unit: Unit, request: Request, event: Event[Any], *sealed: str) -> dict[str, Any]:
    """The members of a request as the fact that came of it has them, sealed ones opened; of an erased one the request's."""
    asked = {name: value for name, value in event.data if name in type(request).model_fields and name != "type"}
    for name in sealed:
        closed, asked[name] = asked[name], getattr(request, name)
        with suppress(KeyErasedError):
            asked[name] = unit.open(closed, event.id, name) if closed is not None else None
    return asked


def superior(unit: Unit, position: str, property_id: str = "") -> Superior:
    """A position with whoever holds it at the property now; the property is the unit's unless one is named."""
    at = property_id or unit.property_id
    places = (at, COMPANY)
    facts = registry.registry_facts(unit, [holding(where, position) for where in places])
    people = sorted({event.data.staff_id for event in facts if event.type == "registry.position_assigned.v1"})
    known = {event.id: event for event in (*facts, *registry.registry_facts(unit, map(person, people)))}
    return Superior(position, holders_of(list(known.values()), at, position, today(unit, at)))


def manager(unit: Unit, property_id: str = "") -> Superior:
    """The manager: the next in line of G5's report in the matrix in force."""
    return superior(unit, _named(_matrix(unit), "report", MANAGER), property_id)


def director(unit: Unit, property_id: str = "") -> Superior:
    """The head of the office: the holder of G5 in the matrix in force."""
    return superior(unit, _named(_matrix(unit), "decide", DIRECTOR), property_id)


def _matrix(unit: Unit) -> AuthorityMatrix | None:
    return matrix_in_force(registry.registry_facts(unit, [ADOPTIONS]), unit.now)[0]


def _named(matrix: AuthorityMatrix | None, verb: str, otherwise: str) -> str:
    row = matrix.row("G5", verb) if matrix is not None else None
    if row is None:
        return otherwise
    return row.next_in_line if verb == "report" else row.holders[0]


def line(unit: Unit, ticket: Ticket, property_id: str = "") -> Line:
    """Who stands above the accountable person of a ticket."""
    at = property_id or unit.property_id
    facts = registry.registry_facts(unit, [place(at), place(COMPANY), person(ticket.accountable_id)])
    held = _post(unit, facts, ticket.accountable_id, at)
    position = held.position if held is not None else _last_position(facts, ticket.accountable_id) or ticket.position
    above = reports_to(facts, at, position)
    matrix = _matrix(unit)
    top = matrix.readings.superior_without_reporting_line if matrix is not None else MANAGER
    return Line(
        director=director(unit, at),
        manager=manager(unit, at),
        next=superior(unit, above.data.reports_to if above is not None else top, at),
        positions=positions(unit, at),
    )


def _post(unit: Unit, facts: list[Event[Any]], staff_id: str, property_id: str) -> Post | None:
    on = local_date(facts, property_id, unit.now)
    return post_of(facts, same_person(facts, staff_id), property_id, on) if on is not None else None


def _last_position(facts: list[Event[Any]], staff_id: str) -> str | None:
    """The position somebody came to last, whether or not it is held still."""
    ids = same_person(facts, staff_id)
    came = [event.data for event in of_kind(facts, PositionAssigned) if event.data.staff_id in ids]
    return max(came, key=lambda post: post.effective_on).position if came else None


def is_gone(unit: Unit, staff_id: str, property_id: str) -> bool:
    """Whether a person holds no position any more, at a property's date now."""
    facts = registry.registry_facts(unit, [place(property_id), person(staff_id)])
    return _post(unit, facts, staff_id, property_id) is None


def department_of(unit: Unit, staff_id: str) -> tuple[str, str | None]:
    """A person by the id that remains, and the unit of organisation of the position held at the property."""
    facts = registry.registry_facts(unit, [place(unit.property_id), person(staff_id)])
    post = _post(unit, facts, staff_id, unit.property_id)
    return remaining_id(facts, staff_id), post.unit_id if post is not None else None


def principal(unit: Unit, command: Command[Any]) -> str:
    """Whose act a command is, by the id that remains: of whom it is on behalf of, where that person lent everything to who asks."""
    acting = command.onbehalfof if command.onbehalfof is not None and _is_lent(unit, command) else command.actor
    return remaining_id(registry.registry_facts(unit, [person(acting)]), acting)


def acting(unit: Unit, command: Command[Any]) -> frozenset[str]:
    """Who has a part in a command: whoever asks, and whoever it is the act of, by the ids that remain."""
    facts = registry.registry_facts(unit, [person(command.actor)])
    return frozenset({remaining_id(facts, command.actor), principal(unit, command)})


def _is_lent(unit: Unit, command: Command[Any]) -> bool:
    """Whether the delegation named is one of all that a person may, to who asks, at this property, and holds today.

    What is done without a row of the matrix, such as accepting a ticket, no delegation of single rows covers.
    """
    if command.delegation is None or command.onbehalfof is None:
        return False
    events = registry.registry_facts(
        unit, [person(command.actor), person(command.onbehalfof), lent(command.delegation)]
    )
    given, _ = delegation_of(events, command.delegation)
    today = local_date(registry.settings(unit, unit.property_id), unit.property_id, unit.now)
    if given is None or today is None or given.row_ids or given.property_id != unit.property_id:
        return False
    ends = [remaining_id(events, one) for one in (given.from_staff_id, given.to_staff_id)]
    revoked = given.revoked_at is not None and given.revoked_at <= unit.now
    return (
        ends == [remaining_id(events, one) for one in (command.onbehalfof, command.actor)]
        and not revoked
        and given.first_on <= today <= given.last_on
    )


def next_letter_number(unit: Unit, year: int) -> int:
    """The next number of the property's issue log of a year."""
    query = sa.select(sa.func.max(ISSUES.c.number)).where(
        ISSUES.c.property_id == unit.property_id, ISSUES.c.year == year
    )
    return int(unit.rows(query)[0][0] or 0) + 1
