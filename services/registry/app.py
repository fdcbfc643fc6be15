"""The registry's wiring: each request to its decision, under the R row that allows it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import COMPANY, Fact, Request
from bailiwick_contracts.registry import (
    AddProperty,
    AddUnitOfOrganisation,
    AdoptAuthorityMatrix,
    AdoptCalendar,
    AdoptLegalPolicy,
    DelegateAuthority,
    GetMatrix,
    GetProperty,
    GetStaff,
    ListProperties,
    ListStaff,
    RevokeDelegation,
    SetReportingLine,
    TrustDoor,
)
from bailiwick_contracts.sealed import SealingError
from bailiwick_contracts.staff import (
    AssignPosition,
    CorrectStaff,
    DataSubjectErased,
    EndEmployment,
    EraseDataSubject,
    ErasePerson,
    ExternalId,
    MapExternalId,
    MergeStaff,
    PersonErased,
    RegisterStaff,
    RehireStaff,
    RetractFact,
    SetBaseWage,
)

from services.kernel.ids import uuid7
from services.kernel.sealing import KeyStore
from services.kernel.service import CommandHandler, Service, Unit
from services.registry import adoption, data_subject, delegation, property, query, staff  # noqa: A004 - the noun's own name
from services.registry.adoption import ADOPTIONS, Adoptions
from services.registry.data_subject import DATA_SUBJECT, key_of
from services.registry.delegation import DELEGATION, Lent
from services.registry.expansion import expand
from services.registry.power import refusal
from services.registry.property import PROPERTY, Property, settings_of
from services.registry.staff import STAFF, Staff
from services.registry.views import EXTERNAL, PUBLISHES, VIEWS

REFUSALS = "registry-refusals"
"""The stream of changes refused at the company, and of those of each place behind it: no noun rests on them, and no place counts another's."""


def _adoptions(unit: Unit) -> Adoptions:
    return unit.state(ADOPTIONS, adoption.STREAM)


def _staff(unit: Unit, staff_id: str) -> Staff:
    return unit.state(STAFF, staff.stream(staff_id))


def _property(unit: Unit, property_id: str) -> Property:
    return unit.state(PROPERTY, property.stream(property_id))


def _place(unit: Unit, property_id: str) -> Property:
    """A property that is there, or the company, which needs no adding."""
    known = _property(unit, property_id)
    if property_id != COMPANY:
        settings_of(known, property_id)
    return known


def _lent(unit: Unit, delegation_id: str) -> Lent:
    return unit.state(DELEGATION, delegation.stream(delegation_id))


def _taken(unit: Unit, asked: Iterable[ExternalId]) -> dict[ExternalId, str]:
    """Whom other systems' ids mean already."""
    found = {}
    for one in asked:
        where = [EXTERNAL.c[name] == value for name, value in one.model_dump().items()]
        for row in unit.rows(sa.select(EXTERNAL.c.staff_id).where(*where)):
            found[one] = row.staff_id
    return found


def _allowed(unit: Unit, command: Command[Any], subject_id: str | None) -> bool:
    """Whether the actor may; where not, the refusal is appended."""
    principal = command.onbehalfof or command.actor
    today = unit.now.date()
    refused = refusal(
        command.data,
        command,
        matrix=_adoptions(unit).matrix_at(unit.now),
        held=_staff(unit, principal).positions_on(today),
        delegation=_lent(unit, command.delegation).delegation if command.delegation else None,
        subject_id=subject_id,
        now=unit.now,
        today=today,
    )
    if refused is not None:
        asked_at = "" if command.property == COMPANY else f"-{command.property}"
        unit.append(f"{REFUSALS}{asked_at}", refused, property_id=COMPANY)
    return refused is None


def _change(
    stream: Callable[[Any], str],
    decide: Callable[[Unit, Any], Iterable[Fact]],
    *,
    subject: Callable[[Any], str | None] = lambda _: None,
    chain: Callable[[Any], str] = lambda _: COMPANY,
) -> CommandHandler:
    """The handler of a request: authority first, then the decision, its facts into `stream` and the chain of `chain`."""

    def on_change(unit: Unit, command: Command[Any]) -> None:
        if _allowed(unit, command, subject(command.data)):
            unit.append(stream(command.data), *decide(unit, command.data), property_id=chain(command.data))

    return on_change


def _of_property(decide: Callable[[Unit, Any], Iterable[Fact]]) -> CommandHandler:
    return _change(lambda r: property.stream(r.property_id), decide, chain=lambda r: r.property_id)


def _of_staff(decide: Callable[[Unit, Any], Iterable[Fact]]) -> CommandHandler:
    return _change(lambda r: staff.stream(r.staff_id), decide, subject=lambda r: r.staff_id)


def on_add_property(unit: Unit, request: AddProperty) -> Iterable[Fact]:
    """Tables are written out at the moment of adding."""
    expansion = expand(request.calendar, request.time_zone, now=unit.now)
    return property.add(request, _property(unit, request.property_id), expansion)


def on_adopt_calendar(unit: Unit, request: AdoptCalendar) -> Iterable[Fact]:
    """Tables are written out for the years asked."""
    known = _property(unit, request.property_id)
    settings = settings_of(known, request.property_id)
    expansion = expand(
        settings.calendar, settings.time_zone, now=unit.now, first_year=request.first_year, last_year=request.last_year
    )
    return property.adopt_calendar(request, known, expansion)


def on_register_staff(unit: Unit, command: Command[RegisterStaff]) -> None:
    """An id is made where none is given."""
    request = command.data
    staff_id = request.staff_id or uuid7()
    if _allowed(unit, command, staff_id):
        _place(unit, request.home_property)
        facts = staff.register(
            request, _staff(unit, staff_id), staff_id=staff_id, taken=_taken(unit, request.external_ids)
        )
        unit.append(staff.stream(staff_id), *facts, property_id=COMPANY)


def on_merge_staff(unit: Unit, command: Command[MergeStaff]) -> None:
    """One fact in the streams of both."""
    request = command.data
    if _allowed(unit, command, request.staff_id) and _allowed(unit, command, request.into_staff_id):
        for staff_id, fact in staff.merge(request, _staff(unit, request.staff_id), _staff(unit, request.into_staff_id)):
            unit.append(staff.stream(staff_id), fact, property_id=COMPANY)


def on_assign_position(unit: Unit, request: AssignPosition) -> Iterable[Fact]:
    """At a property that is there, or at the company."""
    return staff.assign_position(request, _staff(unit, request.staff_id), _place(unit, request.property_id))


def on_set_base_wage(unit: Unit, request: SetBaseWage) -> Iterable[Fact]:
    """In the currency of the home property."""
    person = staff.employed(_staff(unit, request.staff_id), request.staff_id)
    home = settings_of(_property(unit, person.home_property), person.home_property)
    return staff.set_base_wage(request, person, home)


def on_rehire_staff(unit: Unit, request: RehireStaff) -> Iterable[Fact]:
    """At a property that is there."""
    _place(unit, request.home_property)
    return staff.rehire(request, _staff(unit, request.staff_id))


def on_delegate_authority(unit: Unit, command: Command[DelegateAuthority]) -> None:
    """Everybody may lend what is his own, in person; another's authority is lent under R4."""
    request = command.data
    in_person = command.actor == request.from_staff_id and command.onbehalfof is None
    if in_person or _allowed(unit, command, request.to_staff_id):
        _place(unit, request.property_id)
        facts = delegation.delegate(
            request,
            _lent(unit, request.delegation_id),
            _staff(unit, request.from_staff_id),
            _staff(unit, request.to_staff_id),
        )
        unit.append(delegation.stream(request.delegation_id), *facts, property_id=COMPANY)


def on_revoke_delegation(unit: Unit, command: Command[RevokeDelegation]) -> None:
    """By who lent it, or under R4."""
    request = command.data
    lent = _lent(unit, request.delegation_id)
    given = delegation.known(lent, request.delegation_id)
    if unit.property_id not in (COMPANY, given.property_id):
        # Asked for one property, another's delegation is answered like none.
        given = delegation.known(delegation.Lent(), request.delegation_id)
    in_person = command.actor == given.from_staff_id and command.onbehalfof is None
    if in_person or _allowed(unit, command, given.to_staff_id):
        facts = delegation.revoke(request, lent, now=unit.now)
        unit.append(delegation.stream(request.delegation_id), *facts, property_id=COMPANY)


def on_erase_data_subject(unit: Unit, request: EraseDataSubject) -> Iterable[Fact]:
    """Somebody who is no staff, and for whom something was sealed."""
    subject_id = request.subject_id
    return data_subject.erase(
        request,
        unit.state(DATA_SUBJECT, data_subject.stream(subject_id)),
        is_staff=_staff(unit, subject_id).state != "unknown",
        is_sealed=_holds(unit, key_of(subject_id)),
    )


def _holds(unit: Unit, key: str) -> bool:
    try:
        unit.keys(key)
    except SealingError:
        return False
    return True


def on_adopt_legal_policy(unit: Unit, request: AdoptLegalPolicy) -> Iterable[Fact]:
    """For a property that is there, or for the company."""
    place = _place(unit, request.for_property)
    return adoption.adopt_policy(request, _adoptions(unit), place.settings, now=unit.now)


def _adopted(_: Request) -> str:
    return adoption.STREAM


COMMANDS: Mapping[type[Request], CommandHandler] = {
    AddProperty: _of_property(on_add_property),
    AdoptCalendar: _of_property(on_adopt_calendar),
    AddUnitOfOrganisation: _of_property(
        lambda unit, request: property.add_unit(request, _property(unit, request.property_id))
    ),
    SetReportingLine: _of_property(
        lambda unit, request: property.set_reporting_line(request, _property(unit, request.property_id))
    ),
    RegisterStaff: on_register_staff,
    CorrectStaff: _of_staff(lambda unit, request: staff.correct(request, _staff(unit, request.staff_id))),
    MapExternalId: _of_staff(
        lambda unit, request: staff.map_external_id(
            request, _staff(unit, request.staff_id), taken=_taken(unit, [request.external])
        )
    ),
    AssignPosition: _of_staff(on_assign_position),
    SetBaseWage: _of_staff(on_set_base_wage),
    EndEmployment: _of_staff(lambda unit, request: staff.end_employment(request, _staff(unit, request.staff_id))),
    RehireStaff: _of_staff(on_rehire_staff),
    MergeStaff: on_merge_staff,
    ErasePerson: _of_staff(lambda unit, request: staff.erase(request, _staff(unit, request.staff_id))),
    EraseDataSubject: _change(lambda request: data_subject.stream(request.subject_id), on_erase_data_subject),
    RetractFact: _of_staff(lambda unit, request: staff.retract(request, _staff(unit, request.staff_id))),
    DelegateAuthority: on_delegate_authority,
    RevokeDelegation: on_revoke_delegation,
    AdoptAuthorityMatrix: _change(
        _adopted, lambda unit, request: adoption.adopt_matrix(request, _adoptions(unit), now=unit.now)
    ),
    AdoptLegalPolicy: _change(_adopted, on_adopt_legal_policy),
    TrustDoor: _change(_adopted, lambda unit, request: adoption.trust_door(request, _adoptions(unit))),
}


def service(keys: KeyStore) -> Service:
    """The registry; `keys` are those it deletes when a person is erased."""

    def on_person_erased(event: Event[PersonErased]) -> None:
        for staff_id in event.data.staff_ids:
            keys.erase(key_of(staff_id))

    def on_data_subject_erased(event: Event[DataSubjectErased]) -> None:
        keys.erase(key_of(event.data.subject_id))

    return Service(
        "registry",
        publishes=PUBLISHES,
        commands=COMMANDS,
        queries={
            GetProperty: query.on_get_property,
            ListProperties: query.on_list_properties,
            ListStaff: query.on_list_staff,
            GetStaff: query.on_get_staff,
            GetMatrix: query.on_get_matrix,
        },
        views=VIEWS,
        after_commit={PersonErased: on_person_erased, DataSubjectErased: on_data_subject_erased},
    )
