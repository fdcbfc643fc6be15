"""The registry on a real database: who may change it, what it answers, and what an erasure leaves."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Actor, Answer, check_chain, read_command
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import LegalPolicy
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.registry import (
    AddProperty,
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
from bailiwick_contracts.sealed import KeyErasedError
from bailiwick_contracts.staff import (
    AssignPosition,
    CorrectStaff,
    EndEmployment,
    EraseDataSubject,
    ErasePerson,
    ExternalId,
    MapExternalId,
    MergeStaff,
    RegisterStaff,
    RehireStaff,
    RetractFact,
    SetBaseWage,
)

from services.kernel.decision import Rejected
from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.store import Store
from services.kernel.writer import Writer
from services.registry.app import service
from services.registry.power import ROW_OF

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETUP = Actor(actor="system-setup", authmethod="system", channel="system")
NAME, PHONE = "樣本員工甲", "13912345678"


class Office:
    """A registry with its keys, and a clock that stands still."""

    def __init__(self, url: str, directory: Path) -> None:
        self.directory = directory
        self.keys = KeyStore(directory / "keys")
        self.service = service(self.keys)
        tables = [table for view in self.service.views for table in view.tables]
        self.store = Store(url, schema="registry", views=tables)
        self.now = NOON
        self.writer = Writer(self.service, self.store, self.keys, clock=lambda: self.now)
        self.door = Door(directory / "doors")

    def ask(self, request: Request, actor: str | Actor = SETUP) -> Answer:
        who = actor if isinstance(actor, Actor) else Actor(actor=actor)
        signed = self.door.sign(request, who, COMPANY)
        (answer,) = self.writer.process([read_command(signed, type(request))])
        assert isinstance(answer, Answer)
        return answer

    def done(self, request: Request, actor: str | Actor = SETUP) -> list[str]:
        answer = self.ask(request, actor)
        assert answer.outcome == "done", answer.error or answer.facts
        return [fact.id for fact in answer.facts]

    def query(self, request: Request) -> Any:
        signed = read_command(self.door.sign(request, SETUP, COMPANY), type(request))
        with self.store.reading() as connection:
            reading = QueryReading(self.service, self.store, self.keys, connection)
            reading.now = self.now
            return json.loads(json.dumps(self.service.queries[type(request)](reading, signed)))

    def hire(self, staff_id: str, position: str, place: str = "north-court", **more: Any) -> None:
        fields = {
            "staff_id": staff_id,
            "name": f"樣本{staff_id}",
            "home_property": "north-court",
            "hired_on": date(2024, 1, 1),
        }
        self.done(RegisterStaff.model_validate(fields | more))
        self.done(
            AssignPosition(
                staff_id=staff_id, property_id=place, position=position, grade="staff", effective_on=date(2024, 1, 1)
            )
        )


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    made = Office(database_url, tmp_path)
    made.done(AddProperty(property_id="north-court", name="North Court"))
    made.done(AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1))
    made.now += timedelta(seconds=1)
    made.hire("hr", "hr", COMPANY)
    made.hire("admin", "company_admin", COMPANY)
    made.hire("director", "office_director")
    made.hire("cleaner", "cleaner", name=NAME, phone=PHONE)
    yield made
    made.writer.close()
    made.store.close()


def wage(staff_id: str = "cleaner") -> SetBaseWage:
    return SetBaseWage(
        staff_id=staff_id, base_wage=Money.model_validate({"amount": "4350.00"}), effective_on=date(2026, 1, 1)
    )


def test_personnel_sets_a_wage_and_a_director_is_refused_on_record(office: Office) -> None:
    assert office.ask(wage(), "hr").outcome == "done"
    refused = office.ask(wage(), "director")
    assert refused.outcome == "refused"
    (fact,) = refused.facts
    assert fact.data is not None
    assert (fact.type, fact.data["reason"]) == ("registry.registry_change_refused.v1", "not_the_holder")
    assert fact.data["ruling"]["row_id"] == "R3"


def test_nobody_sets_his_own_wage(office: Office) -> None:
    (fact,) = office.ask(wage("hr"), "hr").facts
    assert fact.data is not None
    assert fact.data["reason"] == "own_case"


def test_before_a_matrix_is_adopted_only_the_set_up_may_change_anything(database_url: str, tmp_path: Path) -> None:
    bare = Office(database_url, tmp_path)
    request = AddProperty(property_id="north-court", name="North Court")
    (fact,) = bare.ask(request, "somebody").facts
    assert fact.data is not None
    assert fact.data["reason"] == "matrix_unset"
    assert bare.ask(request, Actor(actor="system-setup")).outcome == "refused"
    assert bare.ask(request).outcome == "done"
    bare.writer.close()
    bare.store.close()


def test_every_request_that_changes_something_has_its_row(office: Office) -> None:
    assert set(ROW_OF) == set(office.service.commands)
    assert {manual_matrix().row(row_id) is not None for row_id in ROW_OF.values()} == {True}


def test_a_staff_id_is_made_where_none_is_given(office: Office) -> None:
    answer = office.ask(RegisterStaff(name="樣本丁", home_property="north-court", hired_on=date(2026, 3, 1)), "hr")
    assert answer.facts[0].data is not None
    assert answer.facts[0].data["staff_id"][14] == "7"


def test_nobody_is_registered_at_a_property_that_is_not_there(office: Office) -> None:
    answer = office.ask(RegisterStaff(name="樣本丁", home_property="atlantis", hired_on=date(2026, 3, 1)))
    assert answer.error is not None
    assert (answer.outcome, answer.error["code"]) == ("rejected", "unknown_property")


def test_an_external_id_leads_to_the_person_until_the_mapping_is_retracted(office: Office) -> None:
    badge = ExternalId(system="punch-clock", property_id="north-court", external_id="0042")
    (fact_id,) = office.done(MapExternalId(staff_id="cleaner", external=badge))
    assert office.query(GetStaff(external=badge))["staff_id"] == "cleaner"
    taken = office.ask(MapExternalId(staff_id="director", external=badge))
    assert taken.error is not None
    assert taken.error["code"] == "external_id_taken"
    office.done(RetractFact(staff_id="cleaner", fact_id=fact_id, why="wrong badge"))
    assert office.done(MapExternalId(staff_id="director", external=badge))


def test_a_merged_person_is_found_under_the_id_that_remains(office: Office) -> None:
    badge = ExternalId(system="punch-clock", property_id="north-court", external_id="0043")
    office.hire("twin", "cleaner", external_ids=(badge,))
    assert len(office.done(MergeStaff(staff_id="twin", into_staff_id="cleaner"))) == 2
    assert office.query(GetStaff(external=badge))["staff_id"] == "cleaner"
    assert office.query(GetStaff(staff_id="twin"))["into_staff_id"] == "cleaner"


def test_a_person_leaves_and_returns(office: Office) -> None:
    office.done(EndEmployment(staff_id="cleaner", last_on=date(2026, 1, 31)), "hr")
    assert office.query(GetStaff(staff_id="cleaner"))["state"] == "left"
    office.done(RehireStaff(staff_id="cleaner", home_property="north-court", hired_on=date(2026, 3, 1)), "hr")
    assert office.query(GetStaff(staff_id="cleaner"))["state"] == "employed"


def test_the_list_of_people_comes_in_pages_with_names_sealed(office: Office) -> None:
    first = office.query(ListStaff(limit=3))
    second = office.query(ListStaff(limit=3, after=first["after"]))
    people = first["staff"] + second["staff"]
    assert [one["staff_id"] for one in people] == ["admin", "cleaner", "director", "hr"]
    assert "after" not in second
    assert people[1]["positions"][0]["position"] == "cleaner"
    assert people[1]["name"]["sealed"]["key"] == "person/cleaner"
    assert NAME not in json.dumps(people, ensure_ascii=False)


def test_a_person_is_shown_as_recorded_at_an_instant(office: Office) -> None:
    before = office.now
    office.now += timedelta(hours=1)
    office.done(
        AssignPosition(staff_id="cleaner", property_id="north-court", position="guard", effective_on=date(2026, 1, 1)),
        "hr",
    )
    assert office.query(GetStaff(staff_id="cleaner"))["positions"][0]["position"] == "guard"
    assert office.query(GetStaff(staff_id="cleaner", as_of=before))["positions"][0]["position"] == "cleaner"


def test_erasing_a_person_leaves_no_key_no_name_and_an_unbroken_chain(office: Office) -> None:
    office.done(CorrectStaff(staff_id="cleaner", corrects=_registered(office), why="typing", phone=PHONE), "hr")
    assert len(office.keys("person/cleaner")) == 32
    office.done(ErasePerson(staff_id="cleaner"), "hr")
    with pytest.raises(KeyErasedError):
        office.keys("person/cleaner")
    assert "name" not in office.query(GetStaff(staff_id="cleaner"))
    raws = [fact.raw for fact in office.store.chain(COMPANY, 0, 1000)]
    assert len(list(check_chain(iter(raws)))) == len(raws)
    assert not any(word.encode() in raw for raw in raws for word in (NAME, PHONE, "4350.00"))
    files = [path.read_bytes() for path in office.directory.rglob("*") if path.is_file()]
    assert not any(word.encode() in content for content in files for word in (NAME, PHONE))


def test_a_resident_is_erased_by_whoever_may_once_and_nothing_is_sealed_for_him_again(office: Office) -> None:
    asked = EraseDataSubject(subject_id="owner-7")
    assert (office.ask(asked, "hr").error or {})["code"] == "unknown_data_subject"
    office.keys.ensure("person/owner-7")
    assert office.ask(asked, "director").outcome == "refused"
    assert office.ask(asked, "hr").outcome == "done"
    assert office.ask(asked, "hr").outcome == "ignored"
    with pytest.raises(KeyErasedError):
        office.keys("person/owner-7")
    assert (office.ask(EraseDataSubject(subject_id="cleaner"), "hr").error or {})["code"] == "is_staff"
    office.keys.erase("person/late")
    answer = office.ask(RegisterStaff(staff_id="late", name=NAME, home_property="north-court", hired_on=NOON.date()))
    assert (answer.error or {})["code"] == "is_erased"


def test_of_two_erasures_at_the_same_moment_one_is_recorded(office: Office) -> None:
    office.keys.ensure("person/owner-7")
    signed = [office.door.sign(EraseDataSubject(subject_id="owner-7"), Actor(actor="hr"), COMPANY) for _ in range(2)]
    answers = office.writer.process([read_command(one, EraseDataSubject) for one in signed])
    assert [answer.outcome for answer in answers] == ["done", "ignored"]


def _registered(office: Office) -> str:
    with office.store.reading() as connection:
        reading = QueryReading(office.service, office.store, office.keys, connection)
        return reading.history("staff-cleaner")[0].id


def test_an_erasure_interrupted_after_its_fact_is_completed_at_the_next_start(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(office.keys, "erase", lambda _: None)
        office.done(ErasePerson(staff_id="cleaner"))
    assert len(office.keys("person/cleaner")) == 32
    office.writer.repeat_effects()
    with pytest.raises(KeyErasedError):
        office.keys("person/cleaner")


def lending(delegation_id: str, from_staff_id: str, to_staff_id: str) -> DelegateAuthority:
    return DelegateAuthority(
        delegation_id=delegation_id,
        from_staff_id=from_staff_id,
        to_staff_id=to_staff_id,
        property_id="north-court",
        first_on=date(2026, 3, 1),
        last_on=date(2026, 3, 7),
    )


def test_a_director_lends_his_own_authority_and_nobody_elses(office: Office) -> None:
    assert office.ask(lending("d1", "director", "cleaner"), "director").outcome == "done"
    assert office.ask(lending("d2", "director", "cleaner"), "cleaner").outcome == "refused"
    assert office.ask(RevokeDelegation(delegation_id="d1", why="back"), "cleaner").outcome == "refused"
    assert office.ask(RevokeDelegation(delegation_id="d1", why="back"), "director").outcome == "done"


def test_personnel_does_not_lend_itself_the_directors_authority(office: Office) -> None:
    (fact,) = office.ask(lending("d1", "director", "hr"), "hr").facts
    assert fact.data is not None
    assert fact.data["reason"] == "own_case"


def test_a_lent_company_power_is_used_on_behalf_of_its_holder(office: Office) -> None:
    lent = lending("d1", "hr", "admin").model_copy(update={"property_id": COMPANY, "row_ids": ("R3",)})
    office.done(lent, "hr")
    acting = Actor(actor="admin", onbehalfof="hr", delegation="d1")
    assert office.ask(wage(), acting).outcome == "done"
    assert office.ask(wage("hr"), acting).outcome == "refused"
    office.now += timedelta(days=6)
    assert office.ask(wage("director"), acting).outcome == "refused"


def test_the_matrix_and_policy_of_an_instant_are_answered(office: Office) -> None:
    office.done(AdoptLegalPolicy(policy=LegalPolicy(version="law-1", mode="cap"), lead_seconds=60), "admin")
    assert office.query(GetMatrix())["legal_policy"] is None
    office.now += timedelta(seconds=60)
    found = office.query(GetMatrix(property_id="north-court"))
    assert (found["matrix"]["version"], found["legal_policy"]["version"]) == ("manual-2", "law-1")
    assert office.query(GetMatrix(as_of=NOON))["matrix"] is None
    assert office.query(GetMatrix(version="manual-2"))["matrix"]["matrix"]["rows"][0]["row_id"] == "A1"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (GetMatrix(version="manual-9"), "unknown_version"),
        (GetMatrix(property_id="south-court"), "unknown_property"),
        (ListStaff(home_property="south-court"), "unknown_property"),
    ],
)
def test_what_is_not_there_is_named_instead_of_answered_with_nothing(office: Office, asked: Request, code: str) -> None:
    """Of a property that is not there the company's policy was answered, as if it held."""
    with pytest.raises(Rejected) as rejected:
        office.query(asked)
    assert rejected.value.code == code


def test_a_property_is_answered_with_its_settings_lines_and_tables(office: Office) -> None:
    office.done(
        SetReportingLine(property_id="north-court", position="office_director", reports_to="property_manager"), "hr"
    )
    office.done(AdoptCalendar(property_id="north-court", first_year=2020, last_year=2021), "admin")
    found = office.query(GetProperty(property_id="north-court"))
    assert found["settings"]["time_zone"] == "Asia/Shanghai"
    assert found["reporting_lines"] == {"office_director": "property_manager"}
    assert found["calendar"]["first_on"] == "2020-01-01"
    assert office.query(ListProperties())["properties"][0]["property_id"] == "north-court"


def test_properties_are_listed_in_pages(office: Office) -> None:
    for name in ("east-court", "west-court"):
        office.done(AddProperty(property_id=name, name=name))
    listed, page = [], office.query(ListProperties(limit=1))
    while "after" in page:
        listed += page["properties"]
        page = office.query(ListProperties(limit=1, after=page["after"]))
    assert listed + page["properties"] == office.query(ListProperties())["properties"]
    assert [one["property_id"] for one in listed + page["properties"]] == ["east-court", "north-court", "west-court"]


def test_a_door_is_trusted_by_the_administrator(office: Office) -> None:
    key = TrustDoor(door="gate", public_key="A" * 43 + "=")
    assert office.ask(key, "director").outcome == "refused"
    assert office.ask(key, "admin").outcome == "done"
    assert office.ask(key, "admin").outcome == "ignored"
