"""Appraisals: each request to what it needs to know, and on to its decision; the due day stands in a durable timer."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bailiwick_contracts.appraisal import (
    CLAUSE,
    AppraisalRefused,
    AppraisalsOpened,
    AppraisalsOverdue,
    AppraisalSubmitted,
    CheckAppraisals,
    GetAppraisals,
    OpenAppraisals,
    SubmitAppraisal,
    appraisal_stream,
    due_on,
)
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.registry import ZoneAdopted
from bailiwick_contracts.standing import of_kind
from bailiwick_contracts.working_time import WorkingCalendar
from pydantic_core import to_jsonable_python

from services import registry_copy as registry
from services.attendance import appraisal, asking
from services.attendance.appraisal import APPRAISALS
from services.kernel.service import Asked, Asking, CommandHandler, QueryHandler, Reading, Unit


def _end_of(unit: Unit, day: Any) -> datetime:
    """The last instant of a day at the property."""
    zone = of_kind(registry.settings(unit, unit.property_id), ZoneAdopted)[-1].data
    # A zone may skip midnight itself: the day then ends where the clock is put forward.
    return WorkingCalendar((), zone.changes, {}).instant(day, "24:00") - timedelta(microseconds=1)


def on_open_appraisals(unit: Unit, command: Command[OpenAppraisals]) -> None:
    """Open a month's sheets (A8) and set the timer of their due day."""
    request = command.data
    stream = appraisal_stream(unit.property_id, request.month)
    state = unit.state(APPRAISALS, stream)
    first = next((one for one in request.staff_ids if one not in state.due), request.staff_ids[0])
    question = asking.question(unit, command, CLAUSE, "appraise", first)
    known = registry.people(unit, request.staff_ids)
    for staff_id in request.staff_ids:
        registry.reject_unknown(known.events, staff_id)
    rules = asking.rules(unit, unit.property_id)
    form = rules.appraisal if rules is not None else None
    due_at = _end_of(unit, due_on(request.month, form)) if form is not None else unit.now
    facts = appraisal.open_month(request, state, question, form=form, due_at=due_at)
    unit.append(stream, *facts)
    for fact in facts:
        if isinstance(fact, AppraisalsOpened):
            after = _checked_at(fact, unit.now)
            unit.set_timer(stream, after, CheckAppraisals(month=request.month), property_id=unit.property_id)


def _checked_at(opened: AppraisalsOpened, now: datetime) -> datetime:
    return max(opened.due_at, now) + timedelta(microseconds=1)


def asked(facts: Sequence[Event[Any]]) -> Iterator[Asked]:
    """The timer that the last opening of a month's sheets asks for, as long as nothing was said to be overdue since."""
    opened = [event for event in facts if isinstance(event.data, AppraisalsOpened)]
    if not opened:
        return
    last, month = opened[-1], opened[-1].data.month
    if any(isinstance(event.data, AppraisalsOverdue) and event.version > last.version for event in facts):
        return
    owed = bool(appraisal.check(month, APPRAISALS.fold(facts)))
    request = CheckAppraisals(month=month)
    yield Asked(last.subject, _checked_at(last.data, last.recordedat), request, frozenset({last.id}), owed=owed)


def on_submit_appraisal(unit: Unit, command: Command[SubmitAppraisal]) -> None:
    """Take a sheet (A8)."""
    request = command.data
    question = asking.question(unit, command, CLAUSE, "appraise", request.staff_id)
    stream = appraisal_stream(unit.property_id, request.month)
    unit.append(stream, *appraisal.submit(request, unit.state(APPRAISALS, stream), question))


def on_check_appraisals(unit: Unit, command: Command[CheckAppraisals]) -> None:
    """Say what is overdue (D4c)."""
    stream = appraisal_stream(unit.property_id, command.data.month)
    unit.append(stream, *appraisal.check(command.data.month, unit.state(APPRAISALS, stream)))


def get_appraisals(reading: Reading, command: Command[GetAppraisals]) -> Mapping[str, Any]:
    """`sheets` by person, `missing`, `overdue`, and K12: `due`, `complete`, `signed`, `on_time` and `valid` of them."""
    known = reading.state(APPRAISALS, appraisal_stream(command.property, command.data.month))
    sheets = known.sheets.values()
    return {
        "month": command.data.month,
        "due_at": to_jsonable_python(known.opened.due_at) if known.opened else None,
        "due": len(known.due),
        "complete": sum(sheet.complete for sheet in sheets),
        "signed": sum(sheet.signed for sheet in sheets),
        "on_time": sum(sheet.on_time for sheet in sheets),
        "valid": sum(sheet.valid for sheet in sheets),
        "missing": list(known.missing),
        "overdue": sorted(known.overdue),
        "sheets": to_jsonable_python(known.sheets),
    }


PUBLISHES: tuple[type[Fact], ...] = (AppraisalsOpened, AppraisalSubmitted, AppraisalRefused, AppraisalsOverdue)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    OpenAppraisals: on_open_appraisals,
    SubmitAppraisal: on_submit_appraisal,
}
TIMERS: Mapping[type[Request], CommandHandler] = {CheckAppraisals: on_check_appraisals}
ASKS: Mapping[str, Asking] = {"appraisal-": asked}
QUERIES: Mapping[type[Request], QueryHandler] = {GetAppraisals: get_appraisals}
