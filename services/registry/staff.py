"""A person who works here: entry and leaving, positions, base wage, names in other systems, merging and erasure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, assert_never

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.registry import PropertyAdded
from bailiwick_contracts.sealed import Confidential, Personal
from bailiwick_contracts.staff import (
    AssignPosition,
    BaseWageSet,
    CorrectStaff,
    EmploymentEnded,
    EndEmployment,
    ErasePerson,
    ExternalId,
    ExternalIdMapped,
    FactRetracted,
    MapExternalId,
    MergeStaff,
    PersonErased,
    PositionAssigned,
    RegisterStaff,
    RehireStaff,
    RetractFact,
    SetBaseWage,
    StaffCorrected,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
    Wage,
)

from services.kernel.decision import Noun, Rejected
from services.registry.property import Property

StaffFact = (
    StaffRegistered | StaffCorrected | ExternalIdMapped | PositionAssigned | BaseWageSet | EmploymentEnded | StaffRehired
    | StaffMerged | PersonErased | FactRetracted
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """Something a later fact may take back: a position, a base wage or a name in another system."""

    fact_id: str
    fact: PositionAssigned | BaseWageSet | ExternalIdMapped


@dataclass(frozen=True)
class Staff:
    """What is remembered of a person; nothing personal."""

    state: Literal["unknown", "employed", "left", "merged", "erased"] = "unknown"
    home_property: str = ""
    hired_on: date | None = None
    last_on: date | None = None
    into_staff_id: str | None = None
    absorbed: tuple[str, ...] = ()
    """The ids merged into this one."""
    held: tuple[Held, ...] = ()
    facts: frozenset[str] = frozenset()

    def position_at(self, property_id: str, on: date) -> PositionAssigned | None:
        """The position held at a property on a date: the latest to begin, the later recorded of two."""
        if self.state in ("merged", "unknown") or (self.last_on is not None and on > self.last_on):
            return None
        found: PositionAssigned | None = None
        for fact in (held.fact for held in self.held):
            if isinstance(fact, PositionAssigned) and fact.property_id == property_id and fact.effective_on <= on:
                found = fact if found is None or fact.effective_on >= found.effective_on else found
        return found

    def positions_on(self, on: date) -> list[PositionAssigned]:
        """Every position held on a date, one per property."""
        properties = {held.fact.property_id: None for held in self.held if isinstance(held.fact, PositionAssigned)}
        return [found for property_id in properties if (found := self.position_at(property_id, on)) is not None]

    @property
    def external_ids(self) -> tuple[ExternalId, ...]:
        """The person's names in other systems."""
        return tuple(held.fact.external for held in self.held if isinstance(held.fact, ExternalIdMapped))


def stream(staff_id: str) -> str:
    """The stream of a person."""
    return f"staff-{staff_id}"


def present(staff: Staff, staff_id: str) -> Staff:
    """The person, if the id still stands for one. Raises Rejected with the way out."""
    if staff.state == "unknown":
        raise Rejected(f"there is no {staff_id}", code="unknown_staff", field="staff_id", value=staff_id,
                       rule="a person who was registered", remedy="register the person first")  # fmt: skip
    if staff.state == "merged":
        raise Rejected(f"{staff_id} was merged", code="merged", field="staff_id", value=staff_id,
                       rule="the id that remains", remedy=f"use {staff.into_staff_id}")  # fmt: skip
    return staff


def employed(staff: Staff, staff_id: str) -> Staff:
    """The person, if he or she works here. Raises Rejected with the way out."""
    if present(staff, staff_id).state != "employed":
        raise Rejected(f"{staff_id} does not work here: {staff.state}", code=f"is_{staff.state}", field="staff_id", value=staff_id,
                       rule="a person who works here", remedy="rehire, or register anew after an erasure")  # fmt: skip
    return staff


def register(request: RegisterStaff, staff: Staff, *, staff_id: str, taken: Mapping[ExternalId, str]) -> list[Fact]:
    """Register a person under `staff_id`; `taken` says whom the external ids that were asked mean already."""
    if staff.state != "unknown":
        raise Rejected(f"{staff_id} is registered", code="already_registered", field="staff_id", value=staff_id,
                       rule="one person per id", remedy="correct the record, or leave the id out")  # fmt: skip
    for external in request.external_ids:
        _free(external, staff_id, taken)
    registered = StaffRegistered(
        staff_id=staff_id,
        name=Personal.of(staff_id, request.name),
        phone=Personal.of(staff_id, request.phone) if request.phone else None,
        home_property=request.home_property,
        hired_on=request.hired_on,
    )
    mapped = [
        ExternalIdMapped(staff_id=staff_id, external=external) for external in dict.fromkeys(request.external_ids)
    ]
    return [registered, *mapped]


def _free(external: ExternalId, staff_id: str, taken: Mapping[ExternalId, str]) -> None:
    holder = taken.get(external)
    if holder not in (None, staff_id):
        raise Rejected(f"{external.external_id} of {external.system} means {holder}", code="external_id_taken",
                       field="external_id", value=external.external_id, rule="one person per external id",
                       remedy="retract that mapping, or merge the two")  # fmt: skip


def correct(request: CorrectStaff, staff: Staff) -> list[Fact]:
    """Put a record right, naming the fact that was wrong."""
    present(staff, request.staff_id)
    if staff.state == "erased":
        raise Rejected(f"{request.staff_id} was erased", code="is_erased", field="staff_id", value=request.staff_id,
                       rule="a person who was not erased",
                       remedy="leave the record as it is; who comes back is registered anew")  # fmt: skip
    if request.corrects not in staff.facts:
        raise Rejected(f"{request.corrects} is no fact about {request.staff_id}", code="unknown_fact", field="corrects",
                       value=request.corrects, rule="a fact about this person",
                       remedy="take the id from the answer to the command that recorded it")  # fmt: skip
    if (request.name, request.phone, request.hired_on) == (None, None, None):
        raise Rejected("nothing to correct was given", code="nothing_given", field="name", value="none",
                       rule="a name, a phone or a day of entry", remedy="give at least one of them")  # fmt: skip
    return [
        StaffCorrected(
            staff_id=request.staff_id,
            corrects=request.corrects,
            why=request.why,
            name=Personal.of(request.staff_id, request.name) if request.name else None,
            phone=Personal.of(request.staff_id, request.phone) if request.phone else None,
            hired_on=request.hired_on,
        )
    ]


def map_external_id(request: MapExternalId, staff: Staff, *, taken: Mapping[ExternalId, str]) -> list[Fact]:
    """Say how another system names a person; a name means one person at most."""
    present(staff, request.staff_id)
    _free(request.external, request.staff_id, taken)
    if request.external in staff.external_ids:
        return []
    return [ExternalIdMapped(staff_id=request.staff_id, external=request.external)]


def assign_position(request: AssignPosition, staff: Staff, place: Property) -> list[Fact]:
    """Give a person a position. The same on the same date changes nothing; an unknown grade is kept, and refuses later (T8)."""
    employed(staff, request.staff_id)
    if request.unit_id is not None and request.unit_id not in place.units:
        raise Rejected(f"{request.unit_id} is no unit of {request.property_id}", code="unknown_unit", field="unit_id",
                       value=request.unit_id, rule="a unit that was added", remedy="add the unit first")  # fmt: skip
    assigned = PositionAssigned.model_validate(request.model_dump(exclude={"type"}))
    return [] if staff.position_at(request.property_id, request.effective_on) == assigned else [assigned]


def set_base_wage(request: SetBaseWage, staff: Staff, home: PropertyAdded) -> list[Fact]:
    """Set the monthly base wage in the currency of the home property, sealed with that property's payroll key."""
    employed(staff, request.staff_id)
    if request.base_wage.currency != home.currency:
        raise Rejected(f"{home.property_id} pays in {home.currency}", code="currency_differs", field="base_wage.currency",
                       value=request.base_wage.currency, rule=f"the property's currency, {home.currency}",
                       remedy=f"give the wage in {home.currency}")  # fmt: skip
    if request.base_wage.amount < 0:
        # A wage is nobody else's business: not even a wrong one is told.
        raise Rejected("a wage is not negative", code="negative", field="base_wage.amount", value="below 0.00",
                       rule="0.00 or more", remedy="give what is paid a month, without a minus sign")  # fmt: skip
    return [
        BaseWageSet(
            staff_id=request.staff_id,
            property_id=home.property_id,
            wage=Confidential.of(home.property_id, Wage(base_wage=request.base_wage)),
            effective_on=request.effective_on,
        )
    ]


def end_employment(request: EndEmployment, staff: Staff) -> list[Fact]:
    """Record the last day; the same day again changes nothing."""
    if present(staff, request.staff_id).state == "left" and staff.last_on == request.last_on:
        return []
    employed(staff, request.staff_id)
    return [EmploymentEnded(staff_id=request.staff_id, last_on=request.last_on)]


def rehire(request: RehireStaff, staff: Staff) -> list[Fact]:
    """Take a person on again who left, after the last day."""
    present(staff, request.staff_id)
    if staff.state == "employed" and staff.hired_on == request.hired_on:
        return []
    if staff.state != "left" or staff.last_on is None or request.hired_on <= staff.last_on:
        raise Rejected(f"{request.staff_id} is {staff.state}", code="not_left", field="hired_on",
                       value=request.hired_on.isoformat(), rule="after the last day of a person who left",
                       remedy="end the employment first, give a later day, or register anew after an erasure")  # fmt: skip
    return [StaffRehired(staff_id=request.staff_id, home_property=request.home_property, hired_on=request.hired_on)]


def merge(request: MergeStaff, staff: Staff, into: Staff) -> list[tuple[str, Fact]]:
    """Merge one id into another: one fact, in the streams of both. Answers (staff id whose stream, fact)."""
    if staff.state == "merged" and staff.into_staff_id == request.into_staff_id:
        return []
    present(staff, request.staff_id)
    present(into, request.into_staff_id)
    if request.staff_id == request.into_staff_id:
        raise Rejected("an id is not merged into itself", code="same_id", field="into_staff_id",
                       value=request.into_staff_id, rule="another id", remedy="name the id that is to remain")  # fmt: skip
    if "erased" in (staff.state, into.state) and staff.state != into.state:
        raise Rejected("one of the two was erased", code="is_erased", field="staff_id", value=request.staff_id,
                       rule="both erased or neither", remedy="erase the other first")  # fmt: skip
    merged = StaffMerged(
        staff_id=request.staff_id, into_staff_id=request.into_staff_id, staff_ids=staff.absorbed,
        external_ids=staff.external_ids,
    )  # fmt: skip
    return [(request.staff_id, merged), (request.into_staff_id, merged)]


def erase(request: ErasePerson, staff: Staff) -> list[Fact]:
    """Erase a person: the fact first; the keys named in it are deleted once it is stored."""
    if present(staff, request.staff_id).state == "erased":
        return []
    ids = (request.staff_id, *staff.absorbed)
    return [PersonErased(staff_id=request.staff_id, staff_ids=ids, why=request.why)]


def retract(request: RetractFact, staff: Staff) -> list[Fact]:
    """Take back a position, base wage or external id recorded in error; what stood before it holds again."""
    present(staff, request.staff_id)
    found = next((held.fact for held in staff.held if held.fact_id == request.fact_id), None)
    if found is None:
        raise Rejected(f"{request.fact_id} is nothing that stands and can be retracted", code="unknown_fact",
                       field="fact_id", value=request.fact_id,
                       rule="a position, base wage or external id of this person",
                       remedy="take the id from the answer to the command that recorded it")  # fmt: skip
    external = found.external if isinstance(found, ExternalIdMapped) else None
    return [
        FactRetracted(
            staff_id=request.staff_id, fact_id=request.fact_id, fact_type=found.type, why=request.why, external=external
        )
    ]


def evolve(staff: Staff, event: Event[Any]) -> Staff:
    """The person after one more fact."""
    fact: StaffFact = event.data
    staff = replace(staff, facts=staff.facts | {event.id})
    match fact:
        case StaffRegistered():
            return replace(staff, state="employed", home_property=fact.home_property, hired_on=fact.hired_on)
        case StaffRehired():
            kept = tuple(held for held in staff.held if not isinstance(held.fact, PositionAssigned))
            entered = replace(staff, state="employed", home_property=fact.home_property, hired_on=fact.hired_on)
            return replace(entered, last_on=None, held=kept)
        case StaffCorrected():
            return staff if fact.hired_on is None else replace(staff, hired_on=fact.hired_on)
        case ExternalIdMapped() | PositionAssigned() | BaseWageSet():
            return replace(staff, held=(*staff.held, Held(event.id, fact)))
        case EmploymentEnded():
            return replace(staff, state="left", last_on=fact.last_on)
        case StaffMerged():
            if event.subject == stream(fact.staff_id):
                return replace(staff, state="merged", into_staff_id=fact.into_staff_id)
            return _absorbed(staff, fact, event.id)
        case PersonErased():
            return replace(staff, state="erased")
        case FactRetracted():
            return replace(staff, held=tuple(held for held in staff.held if held.fact_id != fact.fact_id))
        case _:
            assert_never(fact)


def _absorbed(staff: Staff, fact: StaffMerged, event_id: str) -> Staff:
    moved = tuple(
        Held(f"{event_id}-{number}", ExternalIdMapped(staff_id=fact.into_staff_id, external=external))
        for number, external in enumerate(fact.external_ids)
    )
    absorbed = (*staff.absorbed, fact.staff_id, *fact.staff_ids)
    return replace(staff, absorbed=absorbed, held=(*staff.held, *moved))


STAFF: Noun[Staff] = Noun("staff", Staff(), evolve)
