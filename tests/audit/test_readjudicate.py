"""Every ruling comes out again from the facts alone; whatever was altered in a ruling or beneath it is found and named."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Answer, read_event
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, Bound, Limit, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.sealed import Confidential, KeyErasedError, Keys, SealingError, open_field, seal_field
from rich.console import Console

from services.audit.report import readjudication_json, readjudication_view
from tests.audit.chains import rewritten
from tests.audit.office import Office, month
from tests.judged import judged


class History:
    """A month of the office, as bytes; tests alter copies of it."""

    def __init__(self, office: Office, made: dict[str, Answer]) -> None:
        self.raws, self.keys, self.made = office.raws(), office.keys, made

    def fact_id(self, name: str) -> str:
        return self.made[name].facts[0].id

    def altered(self, fact_id: str, change: Callable[[bytes], bytes]) -> list[bytes]:
        assert sum(read_event(raw).id == fact_id for raw in self.raws) == 1
        return [change(raw) if read_event(raw).id == fact_id else raw for raw in self.raws]

    def of(self, kind: str) -> list[str]:
        return [read_event(raw).id for raw in self.raws if read_event(raw).type == kind]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    office = Office(tmp_path_factory.mktemp("office"))
    office.set_up()
    made = month(office)
    yield History(office, made)
    office.close()


def stricter(version: str = "strict-1") -> AuthorityMatrix:
    """A13 up to 20 minutes and a tenth of the base wage; nothing else changes."""
    known = manual_matrix(version, Readings())
    limits = (
        Limit(measure="late_minutes", upper=Bound(value=Ratio(numerator=20)), above="escalate"),
        Limit(measure="share_of_base_wage", upper=Bound(value=Ratio(numerator=1, denominator=10)), counts="penalty"),
    )
    rows = tuple(row.model_copy(update={"limits": limits}) if row.row_id == "A13" else row for row in known.rows)
    return known.model_copy(update={"rows": rows})


def test_thirty_decisions_at_under_and_over_each_limit_come_out_as_recorded(history: History) -> None:
    findings, summary = judged(history.raws, history.keys)
    assert findings == []
    assert (summary.judged, summary.equal, summary.differing) == (32, 32, 0)
    assert summary.derivations > 50
    assert summary.agrees


def test_the_month_holds_what_it_says(history: History) -> None:
    outcome = {
        name: (answer.facts[0].type.split(".")[1], (answer.facts[0].data or {}))
        for name, answer in history.made.items()
    }
    decided = {name for name, (kind, _) in outcome.items() if kind == "penalty_decided"}
    assert decided == {
        "under-30-minutes", "on-30-minutes", "share-under", "share-on", "share-cut", "fourth-lateness", "fourth-and-long",
        "amount-under", "absence-whole", "early-leave", "lent",
    }  # fmt: skip
    recommended = {name for name, (kind, _) in outcome.items() if kind == "penalty_recommended"}
    assert recommended == {"over-30-minutes", "share-over", "amount-over", "absence-over", "above-grade"}
    reasons = {name: data["reason"] for name, (kind, data) in outcome.items() if kind.endswith("_refused")}
    assert reasons == {
        "same-again": "already_penalised",
        "third-lateness": "below_limit",
        "own-case": "own_case",
        "not-the-holder": "not_the_holder",
        "another-office": "outside_own_office",
        "no-such-occurrence": "no_such_occurrence",
        "unknown-clause": "unknown_clause",
        "lent-own-case": "own_case",
        "forgotten-4": "quota_exceeded",
        "forgotten-no-evidence": "arrival_not_established",
        "forgotten-present": "punch_present",
    }


def change_in(*path: str, to: Any) -> Callable[[bytes], bytes]:
    """Set one member of a fact's data by hand."""

    def change(raw: bytes) -> bytes:
        data = read_event(raw).data.model_dump(mode="json", exclude_none=True)
        place: Any = data
        for name in path[:-1]:
            place = place[int(name) if name.isdigit() else name]
        last = path[-1]
        assert place[last] != to if isinstance(place, dict) and last in place else True
        place[int(last) if last.isdigit() else last] = to
        return rewritten(raw, data=data)

    return change


@pytest.mark.parametrize(
    ("name", "path", "to", "kind"),
    [
        ("on-30-minutes", ("ruling", "outcome"), "recommend_only", "ruling"),
        ("on-30-minutes", ("ruling", "reason"), "beyond_limit", "ruling"),
        ("on-30-minutes", ("ruling", "asked", "subject_grade"), "team_leader", "input"),
        ("on-30-minutes", ("ruling", "asked", "actor_position"), "property_manager", "input"),
        ("on-30-minutes", ("ruling", "asked", "reports_to"), "hr", "input"),
        ("on-30-minutes", ("ruling", "asked", "measures", "0", "value", "numerator"), 29, "input"),
        ("on-30-minutes", ("ruling", "matrix_version"), "manual-0", "input"),
        ("on-30-minutes", ("ruling", "legal_policy_version"), "law-0", "input"),
        ("on-30-minutes", ("ruling", "selected_at"), "2026-01-01T00:00:00Z", "input"),
        ("on-30-minutes", ("ruling", "clamps", "0", "bound"), True, "ruling"),
        ("on-30-minutes", ("clause",), "A15", "ruling"),
        ("on-30-minutes", ("kind",), "early", "input"),
        ("on-30-minutes", ("asked", "month"), "2026-04", "input"),
        ("over-30-minutes", ("recommended_to",), "hr", "ruling"),
        ("over-30-minutes", ("ruling", "limit", "upper", "value", "numerator"), 31, "ruling"),
        ("fourth-lateness", ("ruling", "asked", "measures", "0", "value", "numerator"), 5, "input"),
        ("third-lateness", ("reason",), "own_case", "ruling"),
        ("lent", ("ruling", "asked", "delegation", "last_on"), "2026-12-31", "input"),
        ("lent", ("ruling", "asked", "on_behalf_of_id"), "s-manager", "input"),
        ("same-again", ("reason",), "within_limits", "ruling"),
        ("same-again", ("standing",), [], "input"),
        ("forgotten-3", ("times_in_year",), 2, "input"),
        ("forgotten-3", ("ruling", "asked", "measures", "0", "value", "numerator"), 2, "input"),
        ("forgotten-4", ("reason",), "arrival_not_established", "ruling"),
        ("forgotten-4", ("ruling", "outcome"), "granted", "ruling"),
    ],
)
def test_one_altered_field_of_a_ruling_is_found_and_named(
    history: History, name: str, path: tuple[str, ...], to: Any, kind: str
) -> None:
    fact_id = history.fact_id(name)
    findings, summary = judged(history.altered(fact_id, change_in(*path, to=to)), history.keys)
    named = {finding.field for finding in findings}
    assert any(".".join(path).startswith(field) or field.startswith(".".join(path)) for field in named), named
    assert {finding.fact_id for finding in findings} == {fact_id}
    assert kind in {finding.kind for finding in findings}
    assert (summary.differing, summary.agrees) == (1, False)
    assert all(finding.clause and finding.property_id == "north-court" for finding in findings)


def resealed(keys: Keys, rewrite: Callable[[str], str]) -> Callable[[bytes], bytes]:
    """Another text of the sealed figures, sealed with the right key in the right place."""

    def change(raw: bytes) -> bytes:
        event = read_event(raw)
        text = open_field(event.data.figures, event_id=event.id, path="figures", keys=keys)
        assert rewrite(text) != text
        forged = Confidential._of(event.data.figures.key, rewrite(text))
        closed = seal_field(forged, event_id=event.id, path="figures", key=keys(forged.key), nonce=b"1" * 12)
        return rewritten(raw, data={"figures": {"key": forged.key, "seal": "confidential", **closed}})

    return change


def with_penalty(keys: Keys, amount: str) -> Callable[[bytes], bytes]:
    """Another penalty in the sealed figures."""
    return resealed(keys, lambda text: re.sub(r'"penalty":{"amount":"[^"]+"', f'"penalty":{{"amount":"{amount}"', text))


def test_an_altered_amount_is_found_though_it_is_sealed_with_the_right_key(history: History) -> None:
    last = history.fact_id("lent")
    findings, _ = judged(history.altered(last, with_penalty(history.keys, "99.99")), history.keys)
    assert [(f.fact_id, f.field, f.kind, f.was) for f in findings] == [
        (last, "figures.computed.penalty.amount", "figures", "99.99")
    ]


@pytest.mark.parametrize("written", [lambda text: text.replace(":", ": "), lambda text: f'{{"by":"hand",{text[1:]}'])
def test_figures_written_in_another_way_are_the_same_figures(history: History, written: Callable[[str], str]) -> None:
    last = history.fact_id("lent")
    findings, summary = judged(history.altered(last, resealed(history.keys, written)), history.keys)
    assert (findings, summary.agrees) == ([], True)


def test_every_amount_that_was_altered_is_named(history: History) -> None:
    last = history.fact_id("lent")
    forged = resealed(history.keys, lambda text: re.sub(r'"(limit|month_base_wage)":{"amount":"\d', r"\g<0>9", text))
    findings, _ = judged(history.altered(last, forged), history.keys)
    assert {(f.fact_id, f.kind) for f in findings} == {(last, "figures")}
    named = [f.field for f in findings]
    assert named[0] == "figures.computed.month_base_wage.amount"
    assert named[1:] == [f"figures.computed.steps.{number}.limit.amount" for number in range(len(named) - 1)]
    assert len(named) > 2


@pytest.mark.parametrize("dated", [True, False])
def test_figures_that_do_not_read_are_a_finding_whatever_else_is_missing(history: History, dated: bool) -> None:
    last = history.fact_id("lent")
    raws = history.altered(last, with_penalty(history.keys, "1.234"))
    if not dated:
        raws = [raw for raw in raws if read_event(raw).type != "registry.zone_adopted.v1"]
    findings, summary = judged(raws, history.keys)
    assert [(f.fact_id, f.field, f.kind) for f in findings] == [(last, "ruling", "unreadable")]
    assert findings[0].was.startswith("1 validation error for PenaltyFigures\ncomputed.penalty.amount\n")
    assert bool(summary.skipped["evidence_missing"]) is not dated


def test_an_altered_amount_also_shows_in_the_months_sums_that_follow(history: History) -> None:
    first = history.fact_id("under-30-minutes")
    findings, _ = judged(history.altered(first, with_penalty(history.keys, "0.01")), history.keys)
    assert {f.fact_id for f in findings} >= {first, history.fact_id("on-30-minutes")}
    assert any(f.field == "figures.computed.month_penalties.amount" for f in findings)


def test_broken_sealing_is_a_finding_and_ends_nothing(history: History) -> None:
    last = history.fact_id("lent")
    findings, summary = judged(
        history.altered(last, change_in("figures", "nonce", to="AAAAAAAAAAAAAAAA")), history.keys
    )
    assert [(f.fact_id, f.kind) for f in findings] == [(last, "unreadable")]
    assert summary.judged == 32


def test_a_punch_altered_by_hand_shows_in_the_day_and_in_the_penalty_on_it(history: History) -> None:
    punch = next(
        read_event(raw).id
        for raw in history.raws
        if read_event(raw).type == "attendance.punch_recorded.v1"
        and (read_event(raw).data.staff_id, read_event(raw).data.direction) == ("s-1", "in")
    )
    moved = change_in("at", to="2026-03-02T01:29:00Z")
    findings, summary = judged(history.altered(punch, moved), history.keys)
    assert summary.derivations_differing == 1
    fields = {(f.fact_id, f.field) for f in findings if f.fact_id == history.fact_id("under-30-minutes")}
    assert (history.fact_id("under-30-minutes"), "ruling.asked.measures.0.value.numerator") in fields


@pytest.mark.parametrize(
    "kind",
    ["attendance.punch_recorded.v1", "attendance.shift_rostered.v1", "attendance.day_derived.v1", "attendance.penalty_decided.v1",
     "attendance.missed_punch_confirmed.v1", "registry.position_assigned.v1", "registry.base_wage_set.v1",
     "registry.reporting_line_set.v1", "registry.authority_delegated.v1", "registry.legal_policy_adopted.v1"],
)  # fmt: skip
def test_a_fact_that_rulings_rest_on_cannot_be_left_out(history: History, kind: str) -> None:
    missing = history.of(kind)[0]
    findings, summary = judged([raw for raw in history.raws if read_event(raw).id != missing], history.keys)
    assert findings or summary.skipped
    assert not summary.agrees or summary.skipped["evidence_missing"]


def test_an_altered_base_wage_is_found_in_every_figure_that_rests_on_it(history: History) -> None:
    wage = next(
        read_event(raw).id
        for raw in history.raws
        if read_event(raw).type == "registry.base_wage_set.v1" and read_event(raw).data.staff_id == "s-5"
    )
    forged = Confidential.of("north-court", Money(amount="1.00"))
    forged._open = '{"base_wage":{"amount":"4401.00"}}'
    closed = seal_field(forged, event_id=wage, path="wage", key=history.keys(forged.key), nonce=b"1" * 12)
    raws = history.altered(
        wage, lambda raw: rewritten(raw, data={"wage": {"key": forged.key, "seal": "confidential", **closed}})
    )
    findings, _ = judged(raws, history.keys)
    assert "figures.computed.month_base_wage.amount" in {
        f.field for f in findings if f.fact_id == history.fact_id("lent")
    }


def test_positions_that_reach_beyond_the_ledger_are_evidence_nobody_can_read(history: History) -> None:
    fact_id = history.fact_id("on-30-minutes")
    event = next(read_event(raw) for raw in history.raws if read_event(raw).id == fact_id)
    positions = [p.model_dump() | {"number": 9_999} for p in event.data.ruling.positions]
    findings, _ = judged(history.altered(fact_id, change_in("ruling", "positions", to=positions)), history.keys)
    assert {f.kind for f in findings} == {"evidence"}


def test_positions_put_back_show_that_less_was_known(history: History) -> None:
    fact_id = history.fact_id("on-30-minutes")
    event = next(read_event(raw) for raw in history.raws if read_event(raw).id == fact_id)
    positions = [p.model_dump() | {"number": 3} for p in event.data.ruling.positions]
    findings, summary = judged(history.altered(fact_id, change_in("ruling", "positions", to=positions)), history.keys)
    assert any(f.fact_id == fact_id for f in findings)
    assert summary.differing == 1


def test_bytes_that_are_no_fact_are_a_finding(history: History) -> None:
    findings, summary = judged(
        [*history.raws, b'{"id":"e-1","type":"attendance.day_derived.v1"}', b"\xff"], history.keys
    )
    assert [(f.fact_id, f.kind) for f in findings] == [("e-1", "unreadable"), ("unknown", "unreadable")]
    assert not summary.agrees


def test_facts_of_types_nobody_knows_are_no_concern(history: History) -> None:
    strange = rewritten(history.raws[-1], type="kitchen.soup_burnt.v1", id="e-strange")
    assert judged([*history.raws, strange], history.keys)[0] == []


def test_a_period_and_a_property_choose_what_is_judged_and_not_what_it_rests_on(history: History) -> None:
    _, whole = judged(history.raws, history.keys)
    middle = next(
        read_event(raw).recordedat for raw in history.raws if read_event(raw).id == history.fact_id("amount-under")
    )
    first, before = judged(history.raws, history.keys, until=middle)
    second, after = judged(history.raws, history.keys, since=middle)
    assert first == second == []
    assert before.judged + after.judged == whole.judged
    assert min(before.judged, after.judged) > 5
    assert judged(history.raws, history.keys, property_id="south-court")[1].judged == 0
    assert judged(history.raws, history.keys, property_id="north-court")[1].judged == whole.judged


def test_under_another_matrix_exactly_the_decisions_it_changes_are_listed(history: History) -> None:
    adopted = next(raw for raw in history.raws if read_event(raw).type == "registry.authority_matrix_adopted.v1")
    matrix = stricter().model_dump(mode="json")
    later = rewritten(
        adopted,
        id="e-strict",
        chainnumber=9_999,
        data={"version": "strict-1", "holds_from": "2027-01-01T00:00:00Z", "matrix": matrix},
    )
    findings, summary = judged([*history.raws, later], history.keys, under="strict-1")
    changed = {
        "under-30-minutes", "on-30-minutes", "share-under", "share-on", "share-cut", "lent", "early-leave",
    }  # fmt: skip
    assert {f.fact_id for f in findings} == {history.fact_id(name) for name in changed}
    assert {f.clause for f in findings} == {"A13"}
    assert (summary.judged, summary.differing) == (32, 7)
    outcomes = {f.fact_id: f.would_be for f in findings if f.field == "outcome"}
    assert set(outcomes.values()) == {"recommended"}
    assert set(outcomes) == {history.fact_id(name) for name in changed - {"share-cut"}}
    assert [f.field for f in findings if f.fact_id == history.fact_id("share-cut")] == ["figures.penalty.amount"]
    told = readjudication_json(iter(findings), summary, under="strict-1")
    assert {clause: len(facts) for clause, facts in told["by_clause"].items()} == {"A13": 7}
    with (console := Console(width=200)).capture() as captured:
        console.print(readjudication_view(told))
    assert "7 of 32 rulings would have come out differently" in captured.get()
    assert "A13: 7 facts differ" in captured.get()


def test_under_the_matrix_of_the_time_nothing_differs(history: History) -> None:
    assert judged(history.raws, history.keys, under="manual-2")[0] == []


def test_under_a_version_that_nobody_adopted_nothing_is_judged(history: History) -> None:
    findings, summary = judged(history.raws, history.keys, under="manual-99")
    assert findings == []
    assert (summary.judged, summary.skipped["version_not_in_the_ledger"]) == (0, 32)


def test_without_the_payroll_key_penalties_are_skipped_and_the_rest_is_judged(history: History) -> None:
    def keys(name: str) -> bytes:
        raise SealingError(f"no key named {name} is held here")

    findings, summary = judged(history.raws, keys)
    assert findings == []
    assert summary.skipped["key_not_held"] == 24
    assert summary.judged == 8


def test_no_personal_key_is_ever_asked_for(history: History) -> None:
    def keys(name: str) -> bytes:
        if name.startswith("person/"):
            raise KeyErasedError(name)
        return history.keys(name)

    assert judged(history.raws, keys)[1].agrees


def test_judging_needs_the_contracts_package_and_nothing_else() -> None:
    script = (
        "import sys; sys.path.insert(0, 'contracts'); import bailiwick_contracts.readjudicate; "
        "print(sorted(name for name in ('services', 'sqlalchemy', 'nats', 'faststream', 'eventsourcing') if name in sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
