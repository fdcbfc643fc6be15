"""People in the registry: the requests and facts about one person, who is known elsewhere by a pseudonymous id alone."""

from datetime import date
from typing import Annotated, Literal

from pydantic import StringConstraints

from bailiwick_contracts.message import Fact, Identifier, Label, PropertyId, Record, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Confidential, Personal

Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()-]{2,30}$")]


class ExternalId(Record):
    """How another system names a person."""

    system: Identifier
    property_id: PropertyId
    external_id: Label


ExternalIdAsked = Annotated[ExternalId, whole(ExternalId)]


class RegisterStaff(Request):
    """Register a person. Without a `staff_id` (a UUIDv7 of our own) one is made."""

    type: Literal["registry.register_staff.v1"] = "registry.register_staff.v1"
    staff_id: Identifier | None = None
    name: Label
    phone: Phone | None = None
    home_property: PropertyId
    hired_on: date
    external_ids: tuple[ExternalIdAsked, ...] = ()


class StaffRegistered(Fact):
    """A person works here. Elsewhere only the pseudonymous `staff_id` is used."""

    type: Literal["registry.staff_registered.v1"] = "registry.staff_registered.v1"
    staff_id: Identifier
    name: Personal
    phone: Personal | None = None
    home_property: PropertyId
    hired_on: date


class CorrectStaff(Request):
    """Put a person's record right. Only the fields given change."""

    type: Literal["registry.correct_staff.v1"] = "registry.correct_staff.v1"
    staff_id: Identifier
    corrects: Identifier
    """The fact that was wrong."""
    why: Label
    name: Label | None = None
    phone: Phone | None = None
    hired_on: date | None = None


class StaffCorrected(Fact):
    """A person's record was put right; the fields given replace those of `corrects`."""

    type: Literal["registry.staff_corrected.v1"] = "registry.staff_corrected.v1"
    staff_id: Identifier
    corrects: Identifier
    why: Label
    name: Personal | None = None
    phone: Personal | None = None
    hired_on: date | None = None


class MapExternalId(Request):
    """Say how another system names a person."""

    type: Literal["registry.map_external_id.v1"] = "registry.map_external_id.v1"
    staff_id: Identifier
    external: ExternalIdAsked


class ExternalIdMapped(Fact):
    """Another system's name of a person."""

    type: Literal["registry.external_id_mapped.v1"] = "registry.external_id_mapped.v1"
    staff_id: Identifier
    external: ExternalId


class AssignPosition(Request):
    """Give a person a position at a property (or at `company`) from a date on; it replaces the one held there."""

    type: Literal["registry.assign_position.v1"] = "registry.assign_position.v1"
    staff_id: Identifier
    property_id: PropertyId
    position: Label
    grade: Identifier | None = None
    """A grade of the matrix's ladder; without one, every ruling about the person is refused (T8)."""
    unit_id: Identifier | None = None
    effective_on: date


class PositionAssigned(Fact):
    """A person holds a position at a property from a date on."""

    type: Literal["registry.position_assigned.v1"] = "registry.position_assigned.v1"
    staff_id: Identifier
    property_id: PropertyId
    position: Label
    grade: Identifier | None = None
    unit_id: Identifier | None = None
    effective_on: date


class SetBaseWage(Request):
    """Set a person's base wage per month from a date on."""

    type: Literal["registry.set_base_wage.v1"] = "registry.set_base_wage.v1"
    staff_id: Identifier
    base_wage: Annotated[Money, whole(Money)]
    effective_on: date


class Wage(Record):
    """What `BaseWageSet.wage` holds."""

    base_wage: Money
    """Per month."""


class BaseWageSet(Fact):
    """A person's base wage from a date on, readable with the payroll key of the home property."""

    type: Literal["registry.base_wage_set.v1"] = "registry.base_wage_set.v1"
    staff_id: Identifier
    property_id: PropertyId
    """Whose payroll key seals it."""
    wage: Confidential
    effective_on: date


class EndEmployment(Request):
    """Record a person's last day."""

    type: Literal["registry.end_employment.v1"] = "registry.end_employment.v1"
    staff_id: Identifier
    last_on: date


class EmploymentEnded(Fact):
    """A person's last day; every position ends with it."""

    type: Literal["registry.employment_ended.v1"] = "registry.employment_ended.v1"
    staff_id: Identifier
    last_on: date


class RehireStaff(Request):
    """Take a person on again who had left, under the same id."""

    type: Literal["registry.rehire_staff.v1"] = "registry.rehire_staff.v1"
    staff_id: Identifier
    home_property: PropertyId
    hired_on: date


class StaffRehired(Fact):
    """A person who had left works here again; the years of service begin anew."""

    type: Literal["registry.staff_rehired.v1"] = "registry.staff_rehired.v1"
    staff_id: Identifier
    home_property: PropertyId
    hired_on: date


class MergeStaff(Request):
    """Say that two ids are one person; the history of both counts for the one that remains."""

    type: Literal["registry.merge_staff.v1"] = "registry.merge_staff.v1"
    staff_id: Identifier
    into_staff_id: Identifier


class StaffMerged(Fact):
    """`staff_id` is the same person as `into_staff_id`, which remains; quotas and caps count both histories.

    It stands in the streams of both.
    """

    type: Literal["registry.staff_merged.v1"] = "registry.staff_merged.v1"
    staff_id: Identifier
    into_staff_id: Identifier
    staff_ids: tuple[Identifier, ...] = ()
    """Ids that were merged into `staff_id` before, and go with it."""
    external_ids: tuple[ExternalId, ...] = ()
    """Names in other systems that mean the remaining id from now on."""


class ErasePerson(Request):
    """Erase a person's name, phone and every personal text, everywhere, for ever."""

    type: Literal["registry.erase_person.v1"] = "registry.erase_person.v1"
    staff_id: Identifier
    why: Identifier = "left"
    """A code, never text about the person."""


class PersonErased(Fact):
    """The keys of these ids are deleted: nothing personal that was sealed with them is ever read again."""

    type: Literal["registry.person_erased.v1"] = "registry.person_erased.v1"
    staff_id: Identifier
    staff_ids: tuple[Identifier, ...]
    """The id itself and every id merged into it."""
    why: Identifier


class EraseDataSubject(Request):
    """Erase the personal data of somebody who is no staff, everywhere, for ever: a resident, a payer, a contact."""

    type: Literal["registry.erase_data_subject.v1"] = "registry.erase_data_subject.v1"
    subject_id: Identifier
    """The id under which it was recorded."""
    why: Identifier = "asked_for"
    """A code, never text about the person."""


class DataSubjectErased(Fact):
    """The key of this id is deleted: nothing personal that was sealed with it is ever read again."""

    type: Literal["registry.data_subject_erased.v1"] = "registry.data_subject_erased.v1"
    subject_id: Identifier
    why: Identifier


class RetractFact(Request):
    """Take back a position, base wage or external id that was recorded in error."""

    type: Literal["registry.retract_fact.v1"] = "registry.retract_fact.v1"
    staff_id: Identifier
    fact_id: Identifier
    why: Label


class FactRetracted(Fact):
    """A fact about a person does not hold. Rulings given under it stand, and re-adjudication names it."""

    type: Literal["registry.fact_retracted.v1"] = "registry.fact_retracted.v1"
    staff_id: Identifier
    fact_id: Identifier
    fact_type: Label
    why: Label
    external: ExternalId | None = None
    """The name that no longer means the person, where a mapping is retracted."""
