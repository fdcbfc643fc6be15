"""Waivers (減免): asked for by the director, who can never grant one, and decided by whoever stands above (B4)."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request
from bailiwick_contracts.money import Amount, Currency
from bailiwick_contracts.part import whole
from bailiwick_contracts.tariff import ShortId, Standing

CLAUSE = "B4"


def waiver_stream(waiver_id: str) -> str:
    """The stream of one waiver."""
    return f"waiver-{waiver_id}"


class WaiverLine(Record):
    """How much of which charge is asked to be waived."""

    charge_id: Label
    amount: Annotated[Amount, Field(gt=0)]


class WaivedLine(Record):
    """A charge with what was waived of it."""

    amount: Amount
    after: Standing


class RequestWaiver(Request):
    """Ask (B4) that parts of charges be waived; it opens a request that somebody above decides."""

    type: Literal["billing.request_waiver.v1"] = "billing.request_waiver.v1"
    waiver_id: ShortId
    lines: Annotated[tuple[Annotated[WaiverLine, whole(WaiverLine)], ...], Field(min_length=1, max_length=60)]
    grounds: Identifier

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({line.charge_id for line in self.lines}) < len(self.lines):
            raise ValueError("lines: each charge stands once in a waiver; add its amounts up")
        return self


class WaiverForwarded(Fact):
    """A waiver waits for the decision of `ruling.escalate_to`."""

    type: Literal["billing.waiver_forwarded.v1"] = "billing.waiver_forwarded.v1"
    waiver_id: ShortId
    lines: tuple[WaiverLine, ...]
    total: Amount
    currency: Currency
    grounds: Identifier
    requested_by: Identifier
    ruling: Ruling


class DecideWaiver(Request):
    """Grant a waiver that was forwarded, or decline it (B4)."""

    type: Literal["billing.decide_waiver.v1"] = "billing.decide_waiver.v1"
    waiver_id: ShortId
    grant: bool


class WaiverGranted(Fact):
    """Parts of charges need not be paid."""

    type: Literal["billing.waiver_granted.v1"] = "billing.waiver_granted.v1"
    waiver_id: ShortId
    currency: Currency
    booked_on: date
    lines: tuple[WaivedLine, ...]
    requested_by: Identifier
    request_fact_id: Identifier
    """The forwarded request that was decided."""
    ruling: Ruling


class WaiverDeclined(Fact):
    """Somebody with the power to grant it declined a waiver."""

    type: Literal["billing.waiver_declined.v1"] = "billing.waiver_declined.v1"
    waiver_id: ShortId
    requested_by: Identifier
    request_fact_id: Identifier
    ruling: Ruling


class WaiverRefused(Refusal):
    """A waiver could not be asked for or decided: a reason of `rule`, or `beyond_open`: less is open than was asked."""

    type: Literal["billing.waiver_refused.v1"] = "billing.waiver_refused.v1"
    waiver_id: ShortId
    asked_for: Literal["request", "decision"]
    total: Amount
    currency: Currency
    requested_by: Identifier | None = None
    request_fact_id: Identifier | None = None
    ruling: Ruling


class ListWaivers(Request):
    """Waivers of a property with their status, by id, in pages."""

    type: Literal["billing.list_waivers.v1"] = "billing.list_waivers.v1"
    status: Literal["forwarded", "granted", "declined", "refused"] | None = None
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
