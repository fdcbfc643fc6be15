"""What was open of a unit, as a ruling finds it: whatever was settled since, and at no higher price after many years."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from bailiwick_contracts.billing_evidence import BillingEvidence
from bailiwick_contracts.charge import ChargesReversed, ReversedLine
from bailiwick_contracts.mark import Mark, Sees, before, chain_of, last
from bailiwick_contracts.message import built
from bailiwick_contracts.receipt import ReceiptBounced, ReceiptStanding
from bailiwick_contracts.tariff import Standing
from hypothesis import given
from hypothesis import strategies as st

NORTH = "north-court"
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
places = st.tuples(st.sampled_from(("log-1", "log-2")), st.integers(1, 9), st.integers(0, 4))


def _standing(charge_id: str, unit_id: str, amount: str) -> Standing:
    return built(Standing, {"charge_id": charge_id, "unit_id": unit_id, "open": Decimal(amount)})


standings = st.builds(
    _standing,
    st.sampled_from(("c1", "c2", "c3")),
    st.sampled_from(("1-101", "1-101", "1-102")),
    st.sampled_from(("0.00", "0.00", "5.00")),
)


def _fact(log: str, number: int, minute: int, *touched: Standing) -> Any:
    lines = tuple(built(ReversedLine, {"after": one}) for one in touched)
    return SimpleNamespace(
        log=log, source=f"/properties/{NORTH}/billing", property_id=NORTH, chainnumber=number,
        recordedat=MIDNIGHT + timedelta(minutes=minute), data=built(ChargesReversed, {"lines": lines}),
    )  # fmt: skip


def _mark(fact: Any, value: Any = None) -> Mark:
    return Mark(chain_of(fact), fact.chainnumber, fact.recordedat, "f", value)


@given(st.lists(st.tuples(places, standings, places), max_size=25))
def test_what_was_open_is_found_in_whatever_order_facts_come_and_rulings_ask(
    steps: list[tuple[tuple[str, int, int], Standing, tuple[str, int, int]]],
) -> None:
    evidence = BillingEvidence()
    stood: defaultdict[str, list[Mark]] = defaultdict(list)
    of_units: defaultdict[str, set[str]] = defaultdict(set)
    for place, standing, asked_at in steps:
        fact = _fact(*place, standing)
        evidence.take(_mark(fact), fact)
        stood[standing.charge_id].append(_mark(fact, standing))
        of_units[standing.unit_id].add(standing.charge_id)
        sees = before(_fact(*asked_at))
        for unit_id in ("1-101", "1-102"):
            found = [last(stood[one], sees) for one in sorted(of_units[unit_id])]
            expected = [one.value for one in found if one is not None and one.value.open > 0]
            assert sorted(evidence.open_of(NORTH, unit_id, sees), key=lambda one: one.charge_id) == expected


def test_a_ruling_looks_at_no_charge_that_was_settled_long_before_it() -> None:
    def looked_at(months: int) -> Iterator[int]:
        evidence = BillingEvidence()
        for month in range(1, months + 1):
            for number, amount in ((2 * month, "5.00"), (2 * month + 1, "0.00")):
                fact = _fact("log-1", number, number, _standing(f"c{month}", "1-101", amount))
                evidence.take(_mark(fact), fact)
                looks: list[Mark] = []
                evidence.open_of(NORTH, "1-101", _counted(before(fact), looks))
                yield len(looks)

    assert max(looked_at(60)) == max(looked_at(6))


def _counted(sees: Sees, looks: list[Mark]) -> Sees:
    def counted(mark: Mark) -> bool:
        looks.append(mark)
        return sees(mark)

    return counted


def test_a_receipt_is_evidence_at_its_own_property_alone() -> None:
    evidence, fact = BillingEvidence(), _fact("log-1", 1, 1)
    standing = built(ReceiptStanding, {"receipt_id": "rc-1"})
    fact.data = built(ReceiptBounced, {"receipt": standing})
    evidence.take(_mark(fact), fact)
    sees = before(_fact("log-1", 2, 2))
    assert evidence.receipt(NORTH, "rc-1", sees) is standing
    assert evidence.receipt("south-court", "rc-1", sees) is None
