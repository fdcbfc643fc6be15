"""The wiring of what is said of collection: rates, closing, reports, the status on demand, dunning."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.billing import DunningStage
from bailiwick_contracts.collection import (
    CloseMonth,
    CollectionReportIssued,
    CollectionStatusRequested,
    Figures,
    IssueCollectionReport,
    LapseCollectionStatus,
    Period,
    RequestCollectionStatus,
    SupplyCollectionStatus,
    cut_off,
    month_stream,
    months_of,
    recovery,
    report_stream,
    status_stream,
    table,
)
from bailiwick_contracts.dunning import (
    NOTICES_LIMIT,
    ArrearsNoticeSent,
    IssueNotices,
    NoticesPrinted,
    RecordPrinting,
    batch_stream,
)
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.tariff import Standing, next_month

from services.billing import gathering as gather
from services.billing import month as months
from services.billing.dunning import BATCH, aged, notices
from services.billing.month import DEMAND, MONTH, REPORT
from services.billing.views import DISPUTES, NOTICES
from services.kernel.decision import Rejected
from services.kernel.service import Asked, Outcome, Reading, Unit

ZERO = Decimal(0)


def figures_of(
    reading: Reading, property_ids: Sequence[str], month: str, as_of: date, definitions: Mapping[str, tuple[str, int]]
) -> dict[str, Figures]:
    """The collection of a month as of a day, by property, from the views.

    Args:
        reading: what is read from.
        property_ids: the properties.
        month: the month.
        as_of: what was booked until the end of this day counts.
        definitions: name and version of the definition, and days of grace, of each property.
    """
    found: dict[str, Figures] = {}
    alike: dict[tuple[str, int], list[str]] = {}
    for place in property_ids:
        alike.setdefault(definitions[place], []).append(place)
    periods: tuple[Period, ...] = ("month", "quarter", "year")
    for (definition, grace), places in alike.items():
        cut_off_on = cut_off(month, grace)
        sums = {
            period: gather.movement_sums(reading, places, months_of(month, period), cut_off_on, as_of)
            for period in periods
        }
        before, until = cut_off(next_month(month, -1), grace), min(cut_off_on, as_of)
        arrears = gather.arrears_sums(reading, places, month, before, until, as_of)
        for place in places:
            of_period = {period: table(sums[period].get(place, {})) for period in periods}
            found[place] = Figures(
                month=month,
                definition=definition,
                grace_days=grace,
                cut_off_on=cut_off_on,
                as_of=as_of,
                of_month=of_period["month"],
                of_quarter=of_period["quarter"],
                of_year=of_period["year"],
                recovery=recovery(month, grace, as_of, *arrears.get(place, (0, 0))),
            )
    return found


def figures_now(unit: Reading, place: str, month: str, as_of: date) -> Figures:
    """The collection of one property under the definition of its terms."""
    definition = gather.setting(unit, place).terms_on(as_of).definition
    named = {place: (f"{definition.name}/{definition.version}", definition.grace_days)}
    return figures_of(unit, [place], month, as_of, named)[place]


def on_close_month(unit: Unit, command: Command[CloseMonth]) -> None:
    """Close a month (B5): its figures are frozen."""
    month, place = command.data.month, unit.property_id
    stream = month_stream(place, month)
    found = gather.gate(unit, command, "B5")
    if gather.barred(unit, found, stream, command, month):
        return
    known, on = unit.state(MONTH, stream), gather.today(unit, place)
    if known.closed is not None:
        return
    figures = figures_now(unit, place, month, on)
    if on <= figures.cut_off_on:
        gather.refuse(unit, stream, command, "month_not_over", month, found.ruling)
        return
    unit.append(stream, *months.close(known, figures, found.ruling))


def on_issue_collection_report(unit: Unit, command: Command[IssueCollectionReport]) -> None:
    """Issue the report of a month (B5)."""
    request, place = command.data, unit.property_id
    stream = report_stream(request.report_id)
    found = gather.gate(unit, command, "B5")
    if gather.barred(unit, found, stream, command, request.month):
        return
    on = gather.today(unit, place)
    frozen = unit.state(MONTH, month_stream(place, request.month))
    charges = [one for of_unit in gather.open_charges(unit, place).values() for one in of_unit]
    issued = CollectionReportIssued(
        report_id=request.report_id,
        month=request.month,
        frozen_by=frozen.fact_id or None,
        currency=gather.setting(unit, place).currency,
        figures=frozen.closed.figures if frozen.closed else figures_now(unit, place, request.month, on),
        arrears=aged(charges, _disputed(unit, place), on),
        fonts_sha256=request.fonts_sha256,
        ruling=found.ruling,
    )
    unit.append(stream, *months.issue(unit.state(REPORT, stream), issued))


def _disputed(unit: Reading, place: str) -> frozenset[str]:
    query = sa.select(DISPUTES.c.unit_id).where(DISPUTES.c.property_id == place)
    return frozenset(row.unit_id for row in unit.rows(query))


def _timer(request_id: str) -> str:
    return f"collection-status-{request_id}"


def on_request_collection_status(unit: Unit, command: Command[RequestCollectionStatus]) -> None:
    """Demand the collection status (F4); an answer that does not come in time is a fact."""
    request, place = command.data, unit.property_id
    stream = status_stream(request.request_id)
    found = gather.gate(unit, command, "F4", "demand")
    if gather.barred(unit, found, stream, command, request.request_id) or found.ruling is None:
        return
    hours = gather.setting(unit, place).terms_on(gather.today(unit, place)).status_hours
    facts = months.demand(request.request_id, unit.state(DEMAND, stream), unit.now, hours, found.ruling)
    unit.append(stream, *facts)
    for fact in facts:
        unit.set_timer(_timer(request.request_id), fact.due_at, LapseCollectionStatus(request_id=request.request_id))


def asked(facts: Sequence[Event[Any]]) -> Iterator[Asked]:
    """The timer that a demand asks for until it is answered, or was found to be overdue."""
    known = DEMAND.fold(facts)
    if known.requested is None or known.supplied or known.overdue:
        return
    (made,) = [event.id for event in facts if isinstance(event.data, CollectionStatusRequested)]
    request_id = known.requested.request_id
    request = LapseCollectionStatus(request_id=request_id)
    yield Asked(_timer(request_id), known.requested.due_at, request, frozenset({made}))


def on_lapse_collection_status(unit: Unit, command: Command[LapseCollectionStatus]) -> None:
    """A demand has come due."""
    stream = status_stream(command.data.request_id)
    unit.append(stream, *months.lapse(unit.state(DEMAND, stream), unit.now))


def on_supply_collection_status(unit: Unit, command: Command[SupplyCollectionStatus]) -> None:
    """Answer a demand (B5)."""
    request, place = command.data, unit.property_id
    stream = status_stream(request.request_id)
    found = gather.gate(unit, command, "B5")
    if gather.barred(unit, found, stream, command, request.request_id):
        return
    on = gather.today(unit, place)
    figures = figures_now(unit, place, f"{on:%Y-%m}", on)
    facts = months.supply(request.request_id, unit.state(DEMAND, stream), figures, unit.now, found.ruling)
    unit.append(stream, *facts)
    if facts:
        unit.cancel_timer(_timer(request.request_id))


def on_issue_notices(unit: Unit, command: Command[IssueNotices]) -> Outcome:
    """Send arrears notices (B6); never to a unit in dispute."""
    request, place = command.data, unit.property_id
    stream = batch_stream(request.batch_id)
    found = gather.gate(unit, command, "B6")
    if gather.barred(unit, found, stream, command, request.batch_id):
        return Outcome()
    if request.as_of > gather.today(unit, place):
        raise Rejected("what is owed by a day to come may be paid by then", code="as_of_in_future", field="as_of",
                       value=request.as_of.isoformat(), rule="today at the property, or earlier", remedy="send the notices on that day")  # fmt: skip
    setting = gather.setting(unit, place)
    terms = setting.terms_on(request.as_of)
    first = min((stage.overdue_days for stage in terms.dunning), default=None)
    owed = _overdue(unit, place, request.as_of, first)
    disputed = _disputed(unit, place)
    told: dict[tuple[str, str], int] = {}
    for row in unit.rows(sa.select(NOTICES).where(NOTICES.c.property_id == place)):
        key = (row.unit_id, row.oldest_due_on)
        told[key] = max(told.get(key, 0), row.stage)
    due = notices(
        {unit_id: charges for unit_id, charges in owed.items() if unit_id not in disputed},
        told,
        terms.dunning,
        request.as_of,
    )
    now = due[:NOTICES_LIMIT]
    labels = gather.units(unit, place, [one.unit_id for one in now])
    for one in now:
        unit.append(
            stream, _notice(one, request, terms.version, labels[one.unit_id].label, setting.currency, found.ruling)
        )
    in_dispute = sum(1 for unit_id in owed if unit_id in disputed)
    return Outcome(result={"sent": len(now), "in_dispute": in_dispute, "remaining": len(due) - len(now)})


def _overdue(unit: Reading, place: str, as_of: date, days: int | None) -> dict[str, list[Standing]]:
    if days is None:
        return {}
    latest = as_of - timedelta(days=1)
    found = gather.open_charges(unit, place)
    late = {unit_id: [one for one in charges if one.due_on <= latest] for unit_id, charges in found.items()}
    return {unit_id: charges for unit_id, charges in late.items() if charges}


def _notice(one: Any, request: IssueNotices, version: str, label: str, currency: str, ruling: Any) -> ArrearsNoticeSent:
    stage: DunningStage = one.stage
    total = sum((charge.open for charge in one.charges), ZERO)
    body = stage.body.replace("{unit}", label).replace("{total}", f"{total:.2f} {currency}")
    return ArrearsNoticeSent(
        notice_id=f"{request.batch_id}-{one.unit_id}",
        batch_id=request.batch_id,
        unit_id=one.unit_id,
        label=label,
        stage=stage.stage,
        terms_version=version,
        title=stage.title,
        body=body.replace("{due_on}", one.charges[0].due_on.isoformat())[:2000],
        as_of=request.as_of,
        oldest_due_on=one.charges[0].due_on,
        overdue_days=one.overdue_days,
        total=total,
        currency=currency,
        charges=tuple(one.charges[:60]),
        ruling=ruling,
    )


def on_record_printing(unit: Unit, command: Command[RecordPrinting]) -> None:
    """Record that the letters of a batch were made (B6)."""
    request = command.data
    stream = batch_stream(request.batch_id)
    found = gather.gate(unit, command, "B6")
    if gather.barred(unit, found, stream, command, request.batch_id):
        return
    data = request.model_dump(exclude={"type"})
    printed = NoticesPrinted.model_validate(data | {"ruling": found.ruling})
    known = unit.state(BATCH, stream).printed
    if (printed.pdf_sha256, printed.fonts_sha256) not in known:
        unit.append(stream, printed)
