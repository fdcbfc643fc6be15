"""What may be decided about a person."""

from datetime import date

import pytest
from bailiwick_contracts.money import Money
from bailiwick_contracts.registry import PropertyAdded, UnitOfOrganisationAdded
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
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from services.kernel.decision import Rejected
from services.registry import staff as person
from services.registry.property import Property
from services.registry.staff import STAFF
from tests.given import Given, event

given = Given(STAFF)
HIRED = date(2024, 5, 6)
BADGE = ExternalId(system="punch-clock", property_id="north-court", external_id="0042")
REGISTERED = StaffRegistered(
    staff_id="s1", name=Personal.of("s1", "樣本甲"), phone=Personal.of("s1", "13800000000"),
    home_property="north-court", hired_on=HIRED,
)  # fmt: skip
MAPPED = ExternalIdMapped(staff_id="s1", external=BADGE)
CLEANER = PositionAssigned(
    staff_id="s1", property_id="north-court", position="cleaner", grade="staff", effective_on=HIRED
)
ASKED = RegisterStaff(
    name="樣本甲", phone="13800000000", home_property="north-court", hired_on=HIRED, external_ids=(BADGE, BADGE)
)
HOME = PropertyAdded(
    property_id="north-court", name="N", language="en", currency="CNY", calendar="CN", time_zone="Asia/Shanghai"
)
LEFT = EmploymentEnded(staff_id="s1", last_on=date(2025, 6, 30))
ERASED = PersonErased(staff_id="s1", staff_ids=("s1",), why="left")


def test_a_person_is_registered_with_name_and_phone_sealed() -> None:
    given().when(lambda s: person.register(ASKED, s, staff_id="s1", taken={})).then(REGISTERED, MAPPED)
    with pytest.raises(PydanticSerializationError, match="unsealed"):
        REGISTERED.as_json()


def test_an_id_is_registered_once() -> None:
    given(REGISTERED).when(lambda s: person.register(ASKED, s, staff_id="s1", taken={})).then_rejects(
        "already_registered"
    )


def test_another_systems_id_means_one_person_only() -> None:
    given().when(lambda s: person.register(ASKED, s, staff_id="s1", taken={BADGE: "s2"})).then_rejects(
        "external_id_taken"
    )
    asked = MapExternalId(staff_id="s1", external=BADGE)
    given(REGISTERED).when(lambda s: person.map_external_id(asked, s, taken={BADGE: "s2"})).then_rejects(
        "external_id_taken"
    )


def test_mapping_the_same_id_twice_maps_it_once() -> None:
    asked = MapExternalId(staff_id="s1", external=BADGE)
    given(REGISTERED).when(lambda s: person.map_external_id(asked, s, taken={})).then(MAPPED)
    given(REGISTERED, MAPPED).when(lambda s: person.map_external_id(asked, s, taken={BADGE: "s1"})).then()


def test_a_correction_names_the_fact_that_was_wrong() -> None:
    asked = CorrectStaff(staff_id="s1", corrects="f1", why="misspelt", name="樣本乙")
    given(REGISTERED).when(lambda s: person.correct(asked, s)).then(
        StaffCorrected(staff_id="s1", corrects="f1", why="misspelt", name=Personal.of("s1", "樣本乙"))
    )
    other = asked.model_copy(update={"corrects": "f9"})
    given(REGISTERED).when(lambda s: person.correct(other, s)).then_rejects("unknown_fact")
    empty = asked.model_copy(update={"name": None})
    given(REGISTERED).when(lambda s: person.correct(empty, s)).then_rejects("nothing_given")


def test_a_corrected_day_of_entry_holds() -> None:
    corrected = StaffCorrected(staff_id="s1", corrects="f1", why="typing", hired_on=date(2024, 5, 7))
    assert given(REGISTERED, corrected).state.hired_on == date(2024, 5, 7)


def assigning(**more: object) -> AssignPosition:
    return AssignPosition.model_validate(CLEANER.model_dump(exclude={"type"}) | more)


def test_a_position_is_assigned_and_the_same_again_changes_nothing() -> None:
    given(REGISTERED).when(lambda s: person.assign_position(assigning(), s, Property())).then(CLEANER)
    given(REGISTERED, CLEANER).when(lambda s: person.assign_position(assigning(), s, Property())).then()


def test_a_position_stands_in_a_unit_that_is_there() -> None:
    place = Property(
        units={
            "cleaning": UnitOfOrganisationAdded(property_id="north-court", unit_id="cleaning", name="C", kind="team")
        }
    )
    asked = assigning(unit_id="cleaning")
    given(REGISTERED).when(lambda s: person.assign_position(asked, s, place)).then_one(
        PositionAssigned, unit_id="cleaning"
    )
    given(REGISTERED).when(lambda s: person.assign_position(asked, s, Property())).then_rejects("unknown_unit")


def test_of_two_positions_at_a_property_the_later_begun_holds() -> None:
    promoted = CLEANER.model_copy(update={"position": "cleaning_foreman", "effective_on": date(2026, 1, 1)})
    state = given(REGISTERED, promoted, CLEANER).state
    assert state.position_at("north-court", date(2025, 12, 31)) == CLEANER
    assert state.position_at("north-court", date(2026, 1, 1)) == promoted
    assert state.position_at("south-court", date(2026, 1, 1)) is None
    assert state.position_at("north-court", date(2024, 5, 5)) is None


def test_a_person_holds_one_position_at_each_of_several_properties() -> None:
    second = CLEANER.model_copy(update={"property_id": "south-court", "position": "guard"})
    assert given(REGISTERED, CLEANER, second).state.positions_on(HIRED) == [CLEANER, second]


WAGE = Money.model_validate({"amount": "4350.00"})
WAGE_ASKED = SetBaseWage(staff_id="s1", base_wage=WAGE, effective_on=HIRED)


def test_a_base_wage_is_sealed_with_the_home_propertys_payroll_key() -> None:
    given(REGISTERED).when(lambda s: person.set_base_wage(WAGE_ASKED, s, HOME)).then(
        BaseWageSet(
            staff_id="s1",
            property_id="north-court",
            wage=Confidential.of("north-court", Wage(base_wage=WAGE)),
            effective_on=HIRED,
        )
    )


def test_a_wage_is_paid_in_the_propertys_currency_and_is_not_negative() -> None:
    dollars = WAGE_ASKED.model_copy(update={"base_wage": Money.model_validate({"amount": "1.00", "currency": "HKD"})})
    debt = WAGE_ASKED.model_copy(update={"base_wage": Money.model_validate({"amount": "-1.00"})})
    given(REGISTERED).when(lambda s: person.set_base_wage(dollars, s, HOME)).then_rejects("currency_differs")
    given(REGISTERED).when(lambda s: person.set_base_wage(debt, s, HOME)).then_rejects("negative")


@pytest.mark.parametrize("amount", [4350.5, 4350, "4.35e3", "1,000.00", "4350.001"])
def test_a_wage_that_is_no_exact_amount_is_an_error(amount: object) -> None:
    with pytest.raises(ValidationError, match="base_wage"):
        SetBaseWage.model_validate({"staff_id": "s1", "base_wage": {"amount": amount}, "effective_on": HIRED})


def test_after_the_last_day_no_position_is_held_and_none_is_given() -> None:
    gone = given(REGISTERED, CLEANER, LEFT)
    assert gone.state.position_at("north-court", LEFT.last_on) == CLEANER
    assert gone.state.position_at("north-court", date(2025, 7, 1)) is None
    gone.when(lambda s: person.assign_position(assigning(), s, Property())).then_rejects("is_left")
    gone.when(lambda s: person.end_employment(EndEmployment(staff_id="s1", last_on=LEFT.last_on), s)).then()


def test_a_person_who_left_is_rehired_under_the_same_id_without_the_old_positions() -> None:
    asked = RehireStaff(staff_id="s1", home_property="north-court", hired_on=date(2026, 2, 1))
    rehired = StaffRehired(staff_id="s1", home_property="north-court", hired_on=date(2026, 2, 1))
    given(REGISTERED, CLEANER, LEFT).when(lambda s: person.rehire(asked, s)).then(rehired)
    back = given(REGISTERED, CLEANER, LEFT, rehired)
    assert back.state.positions_on(date(2026, 2, 1)) == []
    back.when(lambda s: person.rehire(asked, s)).then()


def test_nobody_is_rehired_who_has_not_left_before() -> None:
    early = RehireStaff(staff_id="s1", home_property="north-court", hired_on=LEFT.last_on)
    given(REGISTERED, LEFT).when(lambda s: person.rehire(early, s)).then_rejects("not_left")
    given(REGISTERED).when(lambda s: person.rehire(early, s)).then_rejects("not_left")


def test_two_ids_of_one_person_become_one_that_keeps_the_names_of_both() -> None:
    other = given(StaffRegistered(staff_id="s2", name=Personal.of("s2", "x"), home_property="p", hired_on=HIRED)).state
    asked = MergeStaff(staff_id="s1", into_staff_id="s2")
    merged = StaffMerged(staff_id="s1", into_staff_id="s2", external_ids=(BADGE,))
    before = given(REGISTERED, MAPPED).state
    assert person.merge(asked, before, other) == [("s1", merged), ("s2", merged)]
    gone = STAFF.fold([event(merged, 3, subject="staff-s1")], before)
    kept = STAFF.fold([event(merged, 2, subject="staff-s2")], other)
    assert (gone.state, gone.into_staff_id) == ("merged", "s2")
    assert (kept.absorbed, kept.external_ids) == (("s1",), (BADGE,))
    assert person.merge(asked, gone, kept) == []
    assert person.erase(ErasePerson(staff_id="s2"), kept)[0] == PersonErased(
        staff_id="s2", staff_ids=("s2", "s1"), why="left"
    )


def test_a_merged_id_is_turned_away_with_the_id_to_use() -> None:
    merged = StaffMerged(staff_id="s1", into_staff_id="s2")
    state = STAFF.fold([event(REGISTERED), event(merged, 2, subject="staff-s1")])
    with pytest.raises(Rejected) as turned:
        person.assign_position(assigning(), state, Property())
    assert (turned.value.code, turned.value.remedy) == ("merged", "use s2")


def test_an_id_is_not_merged_into_itself() -> None:
    asked = MergeStaff(staff_id="s1", into_staff_id="s1")
    given(REGISTERED).when(lambda s: [fact for _, fact in person.merge(asked, s, s)]).then_rejects("same_id")


def test_a_person_is_erased_once_and_gets_no_new_name_under_the_id() -> None:
    given(REGISTERED).when(lambda s: person.erase(ErasePerson(staff_id="s1"), s)).then(ERASED)
    erased = given(REGISTERED, ERASED)
    erased.when(lambda s: person.erase(ErasePerson(staff_id="s1"), s)).then()
    asked = CorrectStaff(staff_id="s1", corrects="f1", why="again", name="樣本丙")
    erased.when(lambda s: person.correct(asked, s)).then_rejects("is_erased")
    erased.when(lambda s: person.register(ASKED, s, staff_id="s1", taken={})).then_rejects("already_registered")


def test_nobody_unknown_is_erased() -> None:
    given().when(lambda s: person.erase(ErasePerson(staff_id="s9"), s)).then_rejects("unknown_staff")


def test_what_is_retracted_no_longer_holds_and_what_stood_before_holds_again() -> None:
    promoted = CLEANER.model_copy(update={"position": "guard", "effective_on": date(2025, 1, 1)})
    history = given(REGISTERED, CLEANER, promoted)
    asked = RetractFact(staff_id="s1", fact_id="f3", why="wrong person")
    retracted = FactRetracted(
        staff_id="s1", fact_id="f3", fact_type="registry.position_assigned.v1", why="wrong person"
    )
    history.when(lambda s: person.retract(asked, s)).then(retracted)
    after = given(REGISTERED, CLEANER, promoted, retracted)
    assert after.state.position_at("north-court", date(2025, 1, 1)) == CLEANER
    after.when(lambda s: person.retract(asked, s)).then_rejects("unknown_fact")
