"""A decision step by step, what an auditor looks for, and a unit's account of a moment."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.money import Money
from bailiwick_contracts.team import RecommendPayChange
from pydantic_core import from_json
from rich.console import Console

from services.audit import inspection
from services.audit.oversight import REPORTS, Oversight
from services.audit.replay import replay_of, replay_view
from tests.audit.audited import Audited
from tests.audit.office import Office, month

EXAMPLES = Path(__file__).parents[2] / "contracts/bailiwick_contracts/examples"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    made = Audited.__new__(Audited)
    made.office = Office(tmp_path_factory.mktemp("replay"))
    made.office.set_up()
    made.made = month(made.office)
    yield made
    made.office.close()


def test_a_decision_is_replayed_from_request_to_effects(audited: Audited) -> None:
    history = asyncio.run(inspection.history(audited.query, audited.fact_id("share-cut")))
    facts = {read_event(raw).id: from_json(raw) for raw in audited.office.raws()}
    told = replay_of(history, facts)
    steps = [step["step"] for step in told["steps"]]
    assert steps[0] == "request"
    order = [
        one
        for one in dict.fromkeys(steps)
        if one in ("request", "gathered", "versions", "clause", "measured", "clamp", "outcome")
    ]
    assert order == ["request", "gathered", "versions", "clause", "measured", "clamp", "outcome"]
    bound = [step["what"]["kind"] for step in told["steps"] if step["step"] == "clamp" and step["what"]["bound"]]
    assert "authority_cap" in bound
    gathered = [fact for step in told["steps"] if step["step"] == "gathered" for fact in step["facts"]]
    assert gathered
    assert set(gathered) <= set(facts)
    for language, word in (("en", "what was asked"), ("zh-Hant", "請求")):
        console = Console(width=300)
        with console.capture() as capture:
            console.print(replay_view(told, language))
        assert word in capture.get()
        assert "numerator" not in capture.get()


def reports(audited: Audited) -> dict[str, list[dict[str, Any]]]:
    documents = [(from_json(raw), True) for raw in audited.office.raws()]
    return Oversight().read(documents).found


def test_decisions_at_and_beyond_a_limit_are_told_apart(audited: Audited) -> None:
    found = reports(audited)
    assert set(found) == set(REPORTS)
    at_limit = {one["id"] for one in found["at_limit"] if one["measure"] == "late_minutes"}
    beyond = {one["id"] for one in found["beyond_limit"]}
    assert audited.fact_id("on-30-minutes") in at_limit
    assert audited.fact_id("over-30-minutes") in beyond
    assert audited.fact_id("under-30-minutes") not in at_limit | beyond
    (over,) = [one for one in found["beyond_limit"] if one["id"] == audited.fact_id("over-30-minutes")]
    assert (over["measure"], over["limit"]) == ("late_minutes", "30")
    assert Fraction(over["value"]) > 30


def test_own_cases_and_used_quotas_are_listed_with_who_tried(audited: Audited) -> None:
    found = reports(audited)
    own = {one["id"]: one for one in found["own_cases"]}
    assert {audited.fact_id("own-case"), audited.fact_id("lent-own-case")} <= set(own)
    assert own[audited.fact_id("lent-own-case")]["on_behalf_of"] == "s-director"
    quotas = {one["id"] for one in found["quotas"]}
    assert {audited.fact_id(f"forgotten-{number}") for number in range(1, 4)} <= quotas


def granted(number: int, amount: str, subject: str = "unit-1", days: int = 0) -> dict[str, Any]:
    return {
        "id": f"w-{number}", "type": "billing.waiver_granted.v1", "source": "/properties/north-court/billing", "actor": "s-1",
        "recordedat": f"2026-03-{1 + days:02d}T01:00:00Z", "time": f"2026-03-{1 + days:02d}T01:00:00Z", "channel": "live",
        "data": {"unit_id": subject, "ruling": {
            "outcome": "granted", "reason": "within_limits", "row_id": "W1", "matrix_version": "m-1",
            "asked": {"actor_id": "s-1", "verb": "decide",
                      "measures": [{"measure": "amount", "value": {"amount": amount, "currency": "CNY"}}]},
        }},
    }  # fmt: skip


LIMIT = {"measure": "amount", "upper": {"value": {"amount": "500.00", "currency": "CNY"}, "inclusive": True}}
MATRIX = {
    "id": "m", "type": "registry.authority_matrix_adopted.v1", "source": "/properties/company/registry", "actor": "s-0",
    "recordedat": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:00Z",
    "data": {"matrix": {"version": "m-1", "rows": [{
        "row_id": "W1", "verb": "decide", "limits": [LIMIT],
    }]}},
}  # fmt: skip


def found_in(*documents: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return Oversight().read((one, True) for one in (MATRIX, *documents)).found


def test_amounts_split_to_stay_under_a_limit_are_added_up() -> None:
    split = found_in(granted(1, "300.00"), granted(2, "250.00", days=3))["splitting"]
    assert [(one["facts"], one["total"]) for one in split] == [(["w-1", "w-2"], "550")]
    assert found_in(granted(1, "300.00"), granted(2, "200.00"))["splitting"] == []
    assert found_in(granted(1, "300.00"), granted(2, "300.00", "unit-2"))["splitting"] == []
    assert found_in(granted(1, "500.00"))["at_limit"][0]["limit"] == "500"
    assert len(found_in(granted(1, "300.00"), granted(2, "250.00"))["waivers"]) == 2


def test_recommendations_that_each_stay_under_what_may_be_recommended_are_added_up_too() -> None:
    """The manual lets the director recommend amounts up to a limit (A4, G3): two of them may pass it together."""

    def recommended(number: int, amount: str, **more: Any) -> dict[str, Any]:
        document = granted(number, amount)
        ruling = document["data"]["ruling"] | {"outcome": "recommend_only", "reason": "only_opens_a_request"} | more
        return document | {"data": document["data"] | {"ruling": ruling}}

    assert len(found_in(recommended(1, "300.00"), recommended(2, "250.00"))["splitting"]) == 1
    beyond = recommended(2, "550.00", limit=LIMIT)
    assert found_in(recommended(1, "300.00"), beyond)["splitting"] == []


def test_sealed_amounts_are_held_against_their_limit_by_whoever_has_the_key(tmp_path: Path) -> None:
    """A4: 200.00 is the most that may be recommended; twice 150.00 within the window is more."""
    office = Office(tmp_path)
    office.set_up()
    for number, (amount, to) in enumerate((("200.00", "s-1"), ("150.00", "s-2"), ("150.00", "s-2"), ("200.01", "s-3"))):
        asked = RecommendPayChange(
            matter_id=f"pay-{number}", staff_id=to, direction="raise", grounds="x", amount=Money(amount=amount)
        )
        office.ask(asked, "s-director")
    documents = [(from_json(raw), True) for raw in office.raws()]
    told, closed = Oversight(keys=office.keys).read(documents), Oversight().read(documents)
    assert [(one["subject"], one["value"], one["limit"]) for one in told.found["at_limit"]] == [("s-1", "200", "200")]
    assert [(one["subject"], one["value"]) for one in told.found["beyond_limit"]] == [("s-3", "200.01")]
    assert [(one["subject"], one["total"]) for one in told.found["splitting"]] == [("s-2", "300")]
    assert (told.sealed, closed.sealed) == (0, 4)
    assert (closed.found["at_limit"], closed.found["splitting"]) == ([], [])
    assert [one["value"] for one in closed.found["beyond_limit"]] == [""]
    office.close()


@pytest.mark.parametrize(("late", "count"), [(59, 0), (61, 1)])
def test_an_escalation_that_came_late_is_listed(late: int, count: int) -> None:
    at = read_event((EXAMPLES / "registry.door_trusted.v1.json").read_bytes()).recordedat
    document = {
        "id": "e-1", "type": "tickets.ticket_escalated.v1", "source": "/properties/north-court/tickets", "actor": "system-tickets",
        "time": at.isoformat(), "recordedat": (at + timedelta(seconds=late)).isoformat(), "channel": "system", "data": {},
    }  # fmt: skip
    assert [one["late_seconds"] for one in found_in(document)["late_escalations"]] == [late] * count
