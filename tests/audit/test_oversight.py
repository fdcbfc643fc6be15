"""What is late or split is what the version in force at the time says, and only the operator adopts another."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bailiwick_contracts.consultation import AppointAuditor, AuditChangeRefused, RecordConsultation
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.oversight import AdoptOversight, OversightAdopted, OversightSettings, shipped
from bailiwick_contracts.schema import EXAMPLES

from services.audit.oversight import NOUN, Oversight, adopt
from services.kernel.decision import Rejected
from tests.audit.office import Office
from tests.audit.test_replay import MATRIX, granted
from tests.given import Given

given = Given(NOUN)
STRICT = OversightSettings(version="oversight-2", late_escalation_seconds=5, splitting_days=2)
to_strict = AdoptOversight(settings=STRICT)
adopted = OversightAdopted(version="oversight-2", settings=STRICT)


def test_the_operator_adopts_a_version() -> None:
    given().when(lambda known: adopt(to_strict, known, operates=True)).then(adopted)


def test_the_version_in_force_again_is_nothing_new() -> None:
    given(adopted).when(lambda known: adopt(to_strict, known, operates=True)).then()


def test_anybody_else_is_refused_and_it_is_recorded() -> None:
    refused = AuditChangeRefused(reason="not_the_operator", asked_for="audit.adopt_oversight.v1")
    given().when(lambda known: adopt(to_strict, known, operates=False)).then(refused)


@pytest.mark.parametrize("version", ["oversight-1", "oversight-2"])
def test_a_version_never_changes_its_content(version: str) -> None:
    other = AdoptOversight(settings=STRICT.model_copy(update={"version": version, "splitting_days": 9}))
    given(adopted).when(lambda known: adopt(other, known, operates=True)).then_rejects(Rejected)


def escalated(number: int, late: int, hour: int) -> dict[str, Any]:
    due = datetime(2026, 3, 5, hour, tzinfo=UTC)
    return {
        "id": f"e-{number}", "type": "tickets.ticket_escalated.v1", "source": "/properties/north-court/tickets",
        "actor": "system-tickets", "time": due.isoformat(), "recordedat": (due + timedelta(seconds=late)).isoformat(),
        "channel": "system", "data": {},
    }  # fmt: skip


def test_each_fact_is_held_against_the_version_of_its_time_and_the_report_names_it() -> None:
    change = {
        "id": "o-1", "type": "audit.oversight_adopted.v1", "source": "/properties/company/audit", "actor": "system-setup",
        "time": "2026-03-05T12:00:00Z", "recordedat": "2026-03-05T12:00:00Z", "channel": "system",
        "data": {"version": "oversight-2", "settings": STRICT.model_dump()},
    }  # fmt: skip
    documents = [MATRIX, escalated(1, 30, 1), escalated(2, 61, 2), change, escalated(3, 30, 14), escalated(4, 4, 15)]
    made = Oversight().read((one, True) for one in documents)
    late = [(one["id"], one["late_after_seconds"], one["settings"]) for one in made.found["late_escalations"]]
    assert late == [("e-2", 60, "oversight-1"), ("e-3", 5, "oversight-2")]
    assert [(one["version"], one["adopted_by"]) for one in made.versions] == [
        ("oversight-1", None),
        ("oversight-2", "o-1"),
    ]
    apart = [MATRIX, granted(1, "300.00"), granted(2, "300.00", days=3)]
    assert len(Oversight().read((one, True) for one in apart).found["splitting"]) == 1
    assert Oversight(settings=STRICT).read((one, True) for one in apart).found["splitting"] == []
    assert shipped().version == "oversight-1"


@pytest.fixture
def office(tmp_path: Any) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def test_an_auditor_can_change_nothing_and_each_attempt_is_on_record(office: Office) -> None:
    grounds = "yearly"
    assert office.ask(AppointAuditor(auditor_id="a-1", grounds=grounds), "system-setup", COMPANY).outcome == "done"
    audit = office.parts["audit"].service
    before = office.parts["audit"].store.heads()
    changes = [kind for kind in audit.commands if kind is not RecordConsultation]
    assert len(changes) >= 7
    for kind in changes:
        answer = office.ask(kind.parse((EXAMPLES / f"{kind.wire()}.json").read_bytes()), "a-1", COMPANY)
        assert answer.outcome == "refused", kind
        (fact,) = answer.facts
        told = fact.data or {}
        assert (fact.type, told["reason"], told["asked_for"]) == (
            "audit.audit_change_refused.v1", "auditor_only_reads", kind.wire(),
        )  # fmt: skip
    after = office.parts["audit"].store.heads()
    assert after[COMPANY].number - before[COMPANY].number == len(changes)
