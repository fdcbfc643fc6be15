"""Hand-over to payroll: one fact and one file per property and month; what the file holds stands in `payroll_sheet`."""

from typing import Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Instant, Request
from bailiwick_contracts.month import Digest
from bailiwick_contracts.quota import Month


class HandOverPayroll(Request):
    """Hand a closed month over to payroll (S5); handed over again after a later fact it is another revision."""

    type: Literal["attendance.hand_over_payroll.v1"] = "attendance.hand_over_payroll.v1"
    month: Month


class PayrollHandedOver(Fact):
    """A month was handed over: the file as of `as_of` has this digest, whoever makes it and whenever."""

    type: Literal["attendance.payroll_handed_over.v1"] = "attendance.payroll_handed_over.v1"
    month: Month
    revision: int
    as_of: Instant
    lines: int
    people: int
    digest: Digest
    """SHA-256 of the CSV file."""
    ruling: Ruling | None = None


class GetPayroll(Request):
    """The facts a month's file is made of, as recorded at an instant, in pages: figures and wages stay sealed in them."""

    type: Literal["attendance.get_payroll.v1"] = "attendance.get_payroll.v1"
    month: Month
    as_of: Instant | None = None
    after: int = Field(default=0, ge=0)
    """The `next` of the page before."""
