"""Months, house rules, work outside and notices: each request to what it needs to know, and on to its decision."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from bailiwick_contracts.breach import conduct_stream
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.house_book import house_stream
from bailiwick_contracts.house_rules import CLAUSE as RULES
from bailiwick_contracts.house_rules import (
    AdoptHouseRules,
    CalendarOverridden,
    GetHouseRules,
    HouseRulesAdopted,
    HouseRulesRefused,
    OverrideCalendar,
)
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.month import (
    CLOSES,
    CONFIRMS,
    SUPPLIES,
    AttendanceConfirmed,
    AttendanceDisputed,
    AttendanceSupplied,
    CloseMonth,
    ConfirmAttendance,
    ConfirmedDayChanged,
    DisputeAttendance,
    GetMonth,
    GetPersonCounts,
    ListWorkingDays,
    MonthClosed,
    MonthRefused,
    SupplyAttendance,
    last_day,
    month_stream,
)
from bailiwick_contracts.month_book import digest_of
from bailiwick_contracts.notice import (
    CLAUSE,
    GivePenaltyNotice,
    PenaltyNoticeGiven,
    PenaltyNoticeRefused,
    notices_stream,
)
from bailiwick_contracts.offsite import CLAUSE as OUTSIDE
from bailiwick_contracts.offsite import ConfirmOffsiteWork, OffsiteConfirmed, OffsiteRefused
from pydantic_core import from_json, to_jsonable_python

from services.attendance import asking, house_rules, month, notice, offsite
from services.attendance import gathering as gather
from services.attendance.breach import CONDUCT
from services.attendance.deriving import derive_whole, person_day
from services.attendance.house_rules import HOUSE
from services.attendance.month import MONTH
from services.attendance.notice import NOTICES
from services.kernel.service import CommandHandler, Outcome, QueryHandler, Reading, Unit


def _sheet(unit: Unit, of: str) -> tuple[list[str], Any]:
    return gather.month_sheet(unit, unit.property_id, date.fromisoformat(f"{of}-01"), last_day(of))


def on_supply_attendance(unit: Unit, command: Command[SupplyAttendance]) -> Outcome:
    """Supply a month (S1), as its days stand."""
    request = command.data
    question = asking.question(unit, command, SUPPLIES, "decide")
    stream = month_stream(unit.property_id, request.month)
    derivations, counts = _sheet(unit, request.month)
    known = unit.state(MONTH, stream)
    unit.append(stream, *month.supply(request, known, question, counts=counts, digest=digest_of(derivations)))
    return Outcome(result=counts.model_dump())


def on_confirm_attendance(unit: Unit, command: Command[ConfirmAttendance]) -> None:
    """Confirm a month (A7)."""
    request = command.data
    question = asking.question(unit, command, CONFIRMS, "confirm")
    stream = month_stream(unit.property_id, request.month)
    unit.append(stream, *month.confirm(request, unit.state(MONTH, stream), question))


def on_dispute_attendance(unit: Unit, command: Command[DisputeAttendance]) -> None:
    """Dispute a month (A7)."""
    request = command.data
    question = asking.question(unit, command, CONFIRMS, "confirm", request.days[0].staff_id)
    stream = month_stream(unit.property_id, request.month)
    unit.append(stream, *month.dispute(request, unit.state(MONTH, stream), question))


def on_close_month(unit: Unit, command: Command[CloseMonth]) -> None:
    """Close a month (S5)."""
    request = command.data
    question = asking.question(unit, command, CLOSES, "decide")
    stream = month_stream(unit.property_id, request.month)
    derivations, _ = _sheet(unit, request.month)
    unit.append(stream, *month.close(request, unit.state(MONTH, stream), question, digest=digest_of(derivations)))


def on_confirm_offsite_work(unit: Unit, command: Command[ConfirmOffsiteWork]) -> None:
    """Sign for work outside (A9), then derive its day with it."""
    request = command.data
    question = asking.question(unit, command, OUTSIDE, "confirm", request.staff_id)
    stream, day = person_day(unit, question.ids, request.day)
    facts = offsite.sign(request, day, question)
    unit.append(stream, *facts)
    if any(isinstance(fact, OffsiteConfirmed) for fact in facts):
        derive_whole(unit, [(stream.removeprefix("day-").rpartition("-")[0], request.day)])


def on_give_penalty_notice(unit: Unit, command: Command[GivePenaltyNotice]) -> None:
    """Record written notice of a penalty (G4)."""
    request = command.data
    question = asking.question(unit, command, CLAUSE, "decide", request.staff_id)
    stream = notices_stream(question.ids[0])
    unit.append(stream, *notice.give(request, unit.state(NOTICES, stream), question, property_id=unit.property_id))


def on_adopt_house_rules(unit: Unit, command: Command[AdoptHouseRules]) -> None:
    """Adopt the house's rules (S4), at a property or at the company."""
    question = asking.question_anywhere(unit, command, RULES, "decide")
    stream = house_stream(unit.property_id)
    unit.append(stream, *house_rules.adopt(command.data, unit.state(HOUSE, stream), question))


def on_override_calendar(unit: Unit, command: Command[OverrideCalendar]) -> None:
    """Say which days this property works (A5)."""
    question = asking.question(unit, command, house_rules.CALENDAR, "decide")
    stream = house_stream(unit.property_id)
    unit.append(stream, *house_rules.override(command.data, unit.state(HOUSE, stream), question))


def get_month(reading: Reading, command: Command[GetMonth]) -> Mapping[str, Any]:
    """`month`, what is known of it, and its `facts`, oldest first."""
    stream = month_stream(command.property, command.data.month)
    known = reading.state(MONTH, stream)
    facts = [
        {"id": event.id, "type": event.type, "recordedat": to_jsonable_python(event.recordedat),
         "data": from_json(event.data.as_json())}
        for event in reading.history(stream)
    ]  # fmt: skip
    return {"month": command.data.month, **to_jsonable_python(known), "facts": facts}


def get_house_rules(reading: Reading, command: Command[GetHouseRules]) -> Mapping[str, Any]:
    """`rules` in force with the fact that adopted them, and the `overridden` days."""
    house = asking.house(reading, command.property)
    return {
        "rules": to_jsonable_python(house.rules),
        "fact_id": house.rules_fact,
        "overridden": [to_jsonable_python(day) for event in house.overridden for day in event.data.days],
    }


def list_working_days(reading: Reading, command: Command[ListWorkingDays]) -> Mapping[str, Any]:
    """`days`: the working days, in order; and the `facts` of the calendars they come from."""
    asked = command.data
    calendar = asking.working_days(reading, command.property)
    days = calendar.between(asked.first_on, asked.last_on)
    return {"days": [day.isoformat() for day in days], "facts": list(calendar.facts)}


def get_person_counts(reading: Reading, command: Command[GetPersonCounts]) -> Mapping[str, Any]:
    """K1: `scheduled` days and those `on_time`, `late`, `early`, `absent`; K2: standing `breaches` and `repeated` ones."""
    asked = command.data
    ids = asking.ids_of(reading, asked.staff_id)
    counts = gather.person_days(reading, ids, asked.first_on, asked.last_on)
    cases = [
        one
        for book in (reading.state(CONDUCT, conduct_stream(staff_id)) for staff_id in ids)
        for one in book.cases.values()
        if one.stands and asked.first_on <= one.incident_on <= asked.last_on
    ]
    repeated = sum(one.repeated for one in cases)
    return {"staff_id": asked.staff_id, **counts, "breaches": len(cases), "repeated": repeated}


PUBLISHES: tuple[type[Fact], ...] = (
    AttendanceSupplied,
    AttendanceConfirmed,
    AttendanceDisputed,
    ConfirmedDayChanged,
    MonthClosed,
    MonthRefused,
    OffsiteConfirmed,
    OffsiteRefused,
    PenaltyNoticeGiven,
    PenaltyNoticeRefused,
    HouseRulesAdopted,
    HouseRulesRefused,
    CalendarOverridden,
)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    SupplyAttendance: on_supply_attendance,
    ConfirmAttendance: on_confirm_attendance,
    DisputeAttendance: on_dispute_attendance,
    CloseMonth: on_close_month,
    ConfirmOffsiteWork: on_confirm_offsite_work,
    GivePenaltyNotice: on_give_penalty_notice,
    AdoptHouseRules: on_adopt_house_rules,
    OverrideCalendar: on_override_calendar,
}
QUERIES: Mapping[type[Request], QueryHandler] = {
    GetMonth: get_month,
    GetHouseRules: get_house_rules,
    ListWorkingDays: list_working_days,
    GetPersonCounts: get_person_counts,
}
