"""Records made of checked values: the same as when every value is checked once more."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from bailiwick_contracts.authority import Input, Measured
from bailiwick_contracts.deductions import PenaltyFigures, Requested, Step, Wage
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Record, made
from bailiwick_contracts.money import Money
from bailiwick_contracts.quota import Counted

CENTS = Money(amount=Decimal("12.30"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Input, {"name": "day", "facts": ("f-1", "f-2")}),
        (Measured, {"measure": "late_minutes", "value": Ratio.of(Fraction(7, 2))}),
        (Measured, {"value": CENTS, "measure": "amount", "confidential": True}),
        (Wage, {"month": CENTS, "fact_id": "w-1"}),
        (Step, {"kind": "authority_cap", "rule": "A13", "before": CENTS, "limit": CENTS, "after": CENTS}),
        (Counted, {"times": 0}),
        (PenaltyFigures, {"requested": Requested(share=Ratio.of(Fraction(1, 5)))}),
    ],
)
def test_a_record_made_is_the_one_that_is_read_from_its_json(kind: type[Record], values: dict[str, Any]) -> None:
    one, checked = made(kind, **values), kind(**values)
    assert one == checked
    assert one.model_dump_json() == checked.model_dump_json()
    assert kind.model_validate_json(one.model_dump_json()) == one
    assert one.model_copy() == checked


def test_a_name_that_is_no_field_or_one_that_is_missing_is_an_error() -> None:
    with pytest.raises(TypeError, match="Counted has no timse"):
        made(Counted, times=1, timse=1)
    with pytest.raises(TypeError, match="Counted has no times"):
        made(Counted)
