"""An office as of any instant: who held which position, which versions held, how its cases and months stood."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import AdoptAuthorityMatrix, GetStaff
from bailiwick_contracts.staff import AssignPosition, EndEmployment, ErasePerson
from pydantic_core import from_json

from services.audit.office import OfficeError, office_of
from services.kernel.reading import QueryReading
from tests.audit.office import Office

EXAMPLES = Path(__file__).parents[2] / "contracts/bailiwick_contracts/examples"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office"))
    made.set_up()
    yield made
    made.close()


def holders(told: dict[str, Any], position: str) -> list[str]:
    return [one["staff_id"] for one in told["positions"] if one["position"] == position]


def test_before_it_was_added_there_is_no_office(office: Office) -> None:
    first = read_event(office.raws()[0])
    with pytest.raises(OfficeError, match="adds the property"):
        office_of(office.raws(), "north-court", first.recordedat - timedelta(seconds=1))
    with pytest.raises(OfficeError):
        office_of(office.raws(), "nowhere", office.now)
    young = office_of(office.raws(), "north-court", first.recordedat)
    assert (young["positions"], set(young["versions"])) == ([], {"calendar", "zone"})


def test_positions_and_versions_are_those_of_the_instant_though_they_changed_later(office: Office) -> None:
    before = office.now
    told = office_of(office.raws(), "north-court", before)
    assert holders(told, "office_director") == ["s-director"]
    assert holders(told, "property_manager") == ["s-manager"]
    assert len(holders(told, "guard")) == 6
    assert told["versions"]["matrix"]["version"] == "manual-unblocked"
    assert told["versions"]["legal_policy"]["version"] == "law-1"
    adopted = {event.id: event for event in map(read_event, office.raws())}
    assert adopted[told["versions"]["matrix"]["adopted_by"]].type == "registry.authority_matrix_adopted.v1"
    on = before.date()
    office._setup(
        AssignPosition(
            staff_id="s-1", property_id="north-court", position="office_director", grade="director", effective_on=on
        )
    )
    office._setup(EndEmployment(staff_id="s-director", last_on=on - timedelta(days=1)))
    office._setup(AdoptAuthorityMatrix(matrix=manual_matrix("manual-later"), lead_seconds=60))
    office.now += timedelta(days=1)
    now = office_of(office.raws(), "north-court", office.now)
    assert holders(now, "office_director") == ["s-1"]
    assert now["versions"]["matrix"]["version"] == "manual-later"
    assert office_of(office.raws(), "north-court", before) == told
    other = office_of(office.raws(), "south-court", office.now)
    assert holders(other, "office_director") == ["s-other-director"]


def test_a_person_answers_for_any_instant_also_after_erasure(office: Office) -> None:
    def person(staff_id: str, at: datetime | None) -> dict[str, Any]:
        part = office.parts["registry"]
        with part.store.reading() as connection:
            reading = QueryReading(part.service, part.store, office.keys, connection)
            request = GetStaff(staff_id=staff_id, as_of=at)
            return dict(part.service.queries[GetStaff](reading, office._command(request, "a-1", COMPANY)))

    hired, before = datetime(2026, 1, 5, 3, tzinfo=UTC), office.now
    was = person("s-5", before)
    assert "guard" in str(was["positions"])
    office._setup(EndEmployment(staff_id="s-5", last_on=before.date() - timedelta(days=1)))
    office._setup(ErasePerson(staff_id="s-5"))
    office.now += timedelta(seconds=5)
    assert person("s-5", before) == was
    assert person("s-5", office.now)["state"] != was["state"]
    assert "樣本" not in str(person("s-5", None))
    with pytest.raises(Exception, match="there is no"):
        person("s-5", hired - timedelta(days=30))


def test_cases_and_months_stand_as_of_the_instant() -> None:
    def fact(name: str, minute: int, **data: Any) -> bytes:
        document = from_json((EXAMPLES / f"{name}.json").read_bytes())
        at = f"2026-04-01T01:{minute:02d}:00Z"
        service = name.partition(".")[0]
        document |= {
            "recordedat": at,
            "source": f"/properties/{data.pop('at', 'north-court')}/{service}",
            "id": f"f-{minute}",
        }
        document["data"] |= data
        return json.dumps(document).encode()

    raws = [
        fact("registry.property_added.v1", 0, at="company", property_id="north-court"),
        fact("attendance.case_opened.v1", 1, case_id="k-1"),
        fact("attendance.case_opened.v1", 2, case_id="k-2"),
        fact("attendance.attendance_supplied.v1", 3, month="2026-03"),
        fact("attendance.attendance_confirmed.v1", 4, month="2026-03"),
        fact("attendance.case_decided.v1", 5, case_id="k-1"),
        fact("attendance.month_closed.v1", 6, month="2026-03"),
        fact("attendance.case_opened.v1", 7, case_id="k-9", at="south-court"),
    ]

    def at(minute: int) -> dict[str, Any]:
        return office_of(raws, "north-court", datetime(2026, 4, 1, 1, minute, tzinfo=UTC))

    assert [one["case_id"] for one in at(4)["open_cases"]] == ["k-1", "k-2"]
    assert [one["case_id"] for one in at(9)["open_cases"]] == ["k-2"]
    assert [at(minute)["months"].get("attendance", {}).get("2026-03", {}).get("state") for minute in (2, 3, 4, 6)] == [
        None,
        "supplied",
        "confirmed",
        "closed",
    ]
    assert at(9)["on"] == "2026-04-01"
