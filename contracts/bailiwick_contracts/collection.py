"""Collection: rates by fee class and payer class, what a month is frozen at, and the report (K3, C17, F4)."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Record, Request
from bailiwick_contracts.money import Amount, Currency
from bailiwick_contracts.receipt import PaymentAllocated, PaymentReleased
from bailiwick_contracts.tariff import FeeClass, Month, PayerClass, ShortId, first_of, next_month
from bailiwick_contracts.waiver import WaiverGranted

MovementKind = Literal["charged", "reversed", "waived", "cash", "offset"]
Period = Literal["month", "quarter", "year"]


class Movement(NamedTuple):
    """What one fact moved of one month's charges: cents, signed; a release of a payment is negative."""

    month: str
    fee_class: str
    payer_class: str
    kind: MovementKind
    counted_on: date
    booked_on: date
    cents: int


def movements_of(fact: Any) -> Iterator[Movement]:
    """What a fact moved; nothing for one that a rate does not rest on."""
    match fact:
        case ChargesAccrued():
            for line in fact.lines:
                yield _moved(line.charge, "charged", fact.booked_on, fact.booked_on, line.charge.amount)
        case ChargesReversed():
            for reversed_ in fact.lines:
                yield _moved(reversed_.after, "reversed", fact.booked_on, fact.booked_on, reversed_.amount)
        case WaiverGranted():
            for waived in fact.lines:
                yield _moved(waived.after, "waived", fact.booked_on, fact.booked_on, waived.amount)
        case PaymentAllocated():
            for paid in fact.lines:
                yield _moved(paid.after, paid.kind, paid.counted_on, fact.booked_on, paid.amount)
        case PaymentReleased():
            for freed in fact.lines:
                yield _moved(freed.after, freed.kind, freed.counted_on, fact.booked_on, -freed.amount)
        case _:
            return


def _moved(charge: Any, kind: MovementKind, counted_on: date, booked_on: date, amount: Decimal) -> Movement:
    return Movement(charge.month, charge.fee_class, charge.payer_class, kind, counted_on, booked_on, int(amount * 100))


class Collected(Record):
    """What was due and what came in of it, of one fee class and payer class. Rates are exact; no denominator, no rate."""

    fee_class: FeeClass | Literal["all"]
    payer_class: PayerClass | Literal["all"]
    receivable: Amount = Decimal(0)
    reversed: Amount = Decimal(0)
    waived: Amount = Decimal(0)
    cash: Amount = Decimal(0)
    offset: Amount = Decimal(0)
    strict: Ratio | None = None
    """(cash + offset) / (receivable − reversed − waived): the rate of K3."""
    naive: Ratio | None = None
    """cash / receivable; named so that it is never taken for the strict one."""
    waiver_as_collected: Ratio | None = None
    """(cash + offset + waived) / (receivable − reversed); likewise."""


class Recovery(Record):
    """Arrears recovery (清欠): its own rate, of what was open of earlier months after their cut-off."""

    from_on: date
    """After this day, the cut-off of the month before…"""
    until_on: date
    """…and up to this one."""
    arrears: Amount
    recovered: Amount
    rate: Ratio | None = None


class Figures(Record):
    """Everything that is said of a month's collection."""

    month: Month
    definition: Label
    """Name and version, e.g. `strict/1`."""
    grace_days: int
    cut_off_on: date
    as_of: date
    """What was booked up to the end of this day counts."""
    of_month: tuple[Collected, ...]
    of_quarter: tuple[Collected, ...]
    """Of the quarter to date."""
    of_year: tuple[Collected, ...]
    recovery: Recovery


def cut_off(month: str, grace_days: int) -> date:
    """The last day whose receipts count for a period that ends with `month` (T11)."""
    return first_of(next_month(month)) - timedelta(days=1) + timedelta(days=grace_days)


def months_of(month: str, period: Period) -> tuple[str, ...]:
    """The months of a period to date: the month, its quarter so far, its year so far."""
    number = int(month[5:])
    first = {"month": number, "quarter": (number - 1) // 3 * 3 + 1, "year": 1}[period]
    return tuple(f"{month[:4]}-{one:02d}" for one in range(first, number + 1))


def rate(numerator: int, denominator: int) -> Ratio | None:
    """An exact rate; none where nothing was due: that is neither 0 nor 100 %."""
    return Ratio.of(Fraction(numerator, denominator)) if denominator > 0 else None


def collected(fee_class: str, payer_class: str, cents: dict[str, int]) -> Collected:
    """The rates of one class, from cents by kind of movement."""
    charged, reversed_, waived, cash, offset = (
        cents.get(kind, 0) for kind in ("charged", "reversed", "waived", "cash", "offset")
    )
    return Collected.model_validate(
        {
            "fee_class": fee_class,
            "payer_class": payer_class,
            "receivable": amount_of(charged),
            "reversed": amount_of(reversed_),
            "waived": amount_of(waived),
            "cash": amount_of(cash),
            "offset": amount_of(offset),
            "strict": rate(cash + offset, charged - reversed_ - waived),
            "naive": rate(cash, charged),
            "waiver_as_collected": rate(cash + offset + waived, charged - reversed_),
        }
    )


def amount_of(cents: int) -> Decimal:
    """Cents as an amount."""
    return Decimal(cents).scaleb(-2)


def counts(movement: Movement, cut_off_on: date, as_of: date) -> bool:
    """Whether a movement counts: booked by the day it is looked at, and, where it is money, in time for the cut-off."""
    in_time = movement.kind not in ("cash", "offset") or movement.counted_on <= cut_off_on
    return movement.booked_on <= as_of and in_time


Sums = dict[tuple[str, str], dict[str, int]]


def table(sums: Sums) -> tuple[Collected, ...]:
    """One row for each fee class and payer class, one for each payer class, and one for all."""
    total: Sums = {}
    for (_, payer_class), cents in sums.items():
        for key in (("all", payer_class), ("all", "all")):
            into = total.setdefault(key, {})
            for kind, amount in cents.items():
                into[kind] = into.get(kind, 0) + amount
    rows = sorted(sums.items()) + sorted(total.items(), key=lambda item: (item[0][1] == "all", item[0]))
    return tuple(collected(fee, payer, cents) for (fee, payer), cents in rows)


def recovery(month: str, grace_days: int, as_of: date, arrears: int, recovered: int) -> Recovery:
    """The recovery of a month, from cents."""
    return Recovery(
        from_on=cut_off(next_month(month, -1), grace_days),
        until_on=min(cut_off(month, grace_days), as_of),
        arrears=amount_of(arrears),
        recovered=amount_of(recovered),
        rate=rate(recovered, arrears),
    )


def figures(movements: Iterable[Movement], month: str, *, definition: str, grace_days: int, as_of: date) -> Figures:
    """The collection of a month as of a day, from every movement there is: what views must agree with to the cent."""
    known = list(movements)
    cut_off_on = cut_off(month, grace_days)
    tables = {}
    periods: tuple[Period, ...] = ("month", "quarter", "year")
    for period in periods:
        months, sums = set(months_of(month, period)), Sums()
        for one in known:
            if one.month in months and counts(one, cut_off_on, as_of):
                into = sums.setdefault((one.fee_class, one.payer_class), {})
                into[one.kind] = into.get(one.kind, 0) + one.cents
        tables[period] = table(sums)
    before = cut_off(next_month(month, -1), grace_days)
    earlier = [one for one in known if one.month < month and one.booked_on <= as_of]
    signs = {"charged": 1, "reversed": -1, "waived": -1, "cash": -1, "offset": -1}
    arrears = sum(signs[one.kind] * one.cents for one in earlier if counts(one, before, as_of))
    until = min(cut_off_on, as_of)
    recovered = sum(one.cents for one in earlier if one.kind in ("cash", "offset") and before < one.counted_on <= until)
    return Figures(
        month=month,
        definition=definition,
        grace_days=grace_days,
        cut_off_on=cut_off_on,
        as_of=as_of,
        of_month=tables["month"],
        of_quarter=tables["quarter"],
        of_year=tables["year"],
        recovery=recovery(month, grace_days, as_of, arrears, recovered),
    )


class Aged(Record):
    """Arrears of one fee class and payer class by days overdue."""

    fee_class: FeeClass
    payer_class: PayerClass
    not_due: Amount = Decimal(0)
    up_to_30: Amount = Decimal(0)
    up_to_90: Amount = Decimal(0)
    up_to_365: Amount = Decimal(0)
    over_365: Amount = Decimal(0)
    disputed: Amount = Decimal(0)
    """Of these, what belongs to units in dispute."""
    units: int = 0


class CloseMonth(Request):
    """Close a month's collection (B5), once its cut-off has passed: its figures are frozen."""

    type: Literal["billing.close_month.v1"] = "billing.close_month.v1"
    month: Month


class CollectionMonthClosed(Fact):
    """A month's collection is frozen at these figures; later payments move only the recovery of later months."""

    type: Literal["billing.collection_month_closed.v1"] = "billing.collection_month_closed.v1"
    month: Month
    figures: Figures
    ruling: Ruling | None = None


class IssueCollectionReport(Request):
    """Issue the collection report of a month (B5): as frozen, or as it stands where the month is open."""

    type: Literal["billing.issue_collection_report.v1"] = "billing.issue_collection_report.v1"
    report_id: ShortId
    month: Month
    fonts_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class CollectionReportIssued(Fact):
    """The monthly table and the analysis of a property's collection; its files are made from this fact alone.

    Its position is its own `chainnumber`: everything before it in the property's chain went into it, and nothing else.
    """

    type: Literal["billing.collection_report_issued.v1"] = "billing.collection_report_issued.v1"
    report_id: ShortId
    month: Month
    frozen_by: Identifier | None = None
    """The fact that closed the month; none while it is open."""
    currency: Currency
    figures: Figures
    arrears: tuple[Aged, ...]
    fonts_sha256: str | None = None
    """Of the directory with the fonts of its PDF."""
    ruling: Ruling | None = None


class RequestCollectionStatus(Request):
    """Demand the collection status (F4); Finance answers within the hours of the terms."""

    type: Literal["billing.request_collection_status.v1"] = "billing.request_collection_status.v1"
    request_id: ShortId


class CollectionStatusRequested(Fact):
    """The collection status was demanded, and is due at an instant."""

    type: Literal["billing.collection_status_requested.v1"] = "billing.collection_status_requested.v1"
    request_id: ShortId
    asked_at: Instant
    due_at: Instant
    ruling: Ruling


class SupplyCollectionStatus(Request):
    """Answer a demand for the collection status (B5)."""

    type: Literal["billing.supply_collection_status.v1"] = "billing.supply_collection_status.v1"
    request_id: ShortId


class CollectionStatusSupplied(Fact):
    """The collection status, as asked and answered; `late` where it was due before."""

    type: Literal["billing.collection_status_supplied.v1"] = "billing.collection_status_supplied.v1"
    request_id: ShortId
    asked_at: Instant
    answered_at: Instant
    late: bool
    figures: Figures
    ruling: Ruling | None = None


class LapseCollectionStatus(Request):
    """A demand for the collection status has come due; for the service's own timer alone."""

    type: Literal["billing.lapse_collection_status.v1"] = "billing.lapse_collection_status.v1"
    request_id: ShortId


class CollectionStatusOverdue(Fact):
    """A demand for the collection status was not answered in time."""

    type: Literal["billing.collection_status_overdue.v1"] = "billing.collection_status_overdue.v1"
    request_id: ShortId
    asked_at: Instant
    due_at: Instant


class GetCollection(Request):
    """The collection of a month as of a day: `figures`, `frozen_by` where it is closed. Company scope: every property's."""

    type: Literal["billing.get_collection.v1"] = "billing.get_collection.v1"
    month: Month
    as_of: date | None = None
    """None: now; a closed month then answers what it was frozen at."""


class GetReport(Request):
    """A collection report as it was issued."""

    type: Literal["billing.get_report.v1"] = "billing.get_report.v1"
    report_id: ShortId


class GetLedger(Request):
    """The trial balance of a property as of a day: `accounts` with debits and credits, `sum_zero` per currency."""

    type: Literal["billing.get_ledger.v1"] = "billing.get_ledger.v1"
    as_of: date | None = None


class ListStatusRequests(Request):
    """Demands for the collection status, the latest first: when each was asked, due, answered. `next` where there are more."""

    type: Literal["billing.list_status_requests.v1"] = "billing.list_status_requests.v1"
    after: ShortId | None = None
    """The last demand of the page before."""
    limit: Annotated[int, Field(ge=1, le=500)] = 200


def month_stream(property_id: str, month: str) -> str:
    """The stream of a month's collection."""
    return f"month-{property_id}-{month}"


def report_stream(report_id: str) -> str:
    """The stream of a report."""
    return f"report-{report_id}"


def status_stream(request_id: str) -> str:
    """The stream of a demand for the collection status."""
    return f"status-{request_id}"
