"""Payroll: the facts of a month gathered as they were known, and handed over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.month import CLOSES, month_stream
from bailiwick_contracts.payroll import GetPayroll, HandOverPayroll, PayrollHandedOver
from bailiwick_contracts.payroll_sheet import payroll_lines
from bailiwick_contracts.registry_evidence import person, place

from services.attendance import asking, payroll
from services.attendance import gathering as gather
from services.attendance.month import MONTH
from services.kernel.service import CommandHandler, QueryHandler, Reading, Unit
from services.registry_copy import registry_facts

PAGE = 150
"""Facts in one answer; so many stay inside a message."""


def _registry(reading: Reading, property_id: str, events: list[Event[Any]]) -> list[Event[Any]]:
    people = {event.data.staff_id for event in events if hasattr(event.data, "staff_id")}
    found = registry_facts(reading, [place(property_id), *map(person, people)])
    wanted = (
        "registry.property_added.v1",
        "registry.base_wage_set.v1",
        "registry.staff_merged.v1",
        "registry.fact_retracted.v1",
    )
    return [event for event in found if event.type in wanted]


def on_hand_over_payroll(unit: Unit, command: Command[HandOverPayroll]) -> None:
    """Hand a month over (S5)."""
    request = command.data
    question = asking.question(unit, command, CLOSES, "decide")
    stream = month_stream(unit.property_id, request.month)
    events = [event for event, _ in gather.payroll_facts(unit, unit.property_id, request.month)]
    lines = payroll_lines(
        events,
        _registry(unit, unit.property_id, events),
        property_id=unit.property_id,
        month=request.month,
        as_of=unit.now,
        keys=unit.keys,
    )
    unit.append(stream, *payroll.hand_over(request, unit.state(MONTH, stream), question, lines=lines, as_of=unit.now))


def get_payroll(reading: Reading, command: Command[GetPayroll]) -> Mapping[str, Any]:
    """`facts`, as stored, that the month's file is made of; `as_of`, and `next` where there are more."""
    request = command.data
    as_of: datetime = request.as_of or reading.now
    known = [
        (e, raw) for e, raw in gather.payroll_facts(reading, command.property, request.month) if e.recordedat <= as_of
    ]
    wages = [e for e in _registry(reading, command.property, [e for e, _ in known]) if e.recordedat <= as_of]
    raws = [raw for _, raw in known] + gather.copied_raws(reading, [event.id for event in wages])
    page = raws[request.after : request.after + PAGE]
    more = request.after + PAGE < len(raws)
    return {"as_of": as_of.isoformat(), "facts": page} | ({"next": request.after + PAGE} if more else {})


PUBLISHES: tuple[type[Fact], ...] = (PayrollHandedOver,)
COMMANDS: Mapping[type[Request], CommandHandler] = {HandOverPayroll: on_hand_over_payroll}
QUERIES: Mapping[type[Request], QueryHandler] = {GetPayroll: get_payroll}
