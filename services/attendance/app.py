"""Attendance's wiring: each request to what it needs to know, and on to its decision."""

from collections.abc import Iterator, Sequence
from datetime import date

import sqlalchemy as sa
from bailiwick_contracts.attendance import (
    ROWS_LIMIT,
    ConfirmMissedPunch,
    DayDerived,
    DeriveDays,
    GetDay,
    ListDays,
    ListPunches,
    MissedPunchConfirmed,
    MissedPunchRefused,
    PublishRoster,
    PunchRecorded,
    PunchRow,
    RecordPunches,
    RosterPublished,
    RosterRefused,
    ShiftRostered,
    day_stream,
)
from bailiwick_contracts.conduct import (
    DecidePenalty,
    GetPenalty,
    ImportPenalty,
    ListPenalties,
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
    WithdrawalRefused,
    WithdrawPenalty,
    penalty_stream,
)
from bailiwick_contracts.confirmation import CLAUSE as CONFIRMS
from bailiwick_contracts.confirmation import ConfirmationCase
from bailiwick_contracts.envelope import Command, RowAnswer
from bailiwick_contracts.lateness import Punch
from bailiwick_contracts.leave import leave_stream, unpaid_leave
from bailiwick_contracts.message import built
from bailiwick_contracts.penalty_case import PenaltyCase
from bailiwick_contracts.registry import ZoneAdopted
from bailiwick_contracts.standing import entered_on, matrix_in_force, of_kind, policy_in_force, property_of
from bailiwick_contracts.swap import ShiftsSwapped, SwapShifts, swapped

from services import registry_copy as registry
from services.attendance import (
    appraisal_app,
    asking,
    breach_app,
    leave_app,
    month_app,
    overtime_app,
    payroll_app,
    query,
    team_app,
)
from services.attendance import day as days
from services.attendance import gathering as gather
from services.attendance.confirmation import confirm
from services.attendance.day import DAY
from services.attendance.deriving import (
    FEW,
    derive,
    derive_around,
    derive_whole,
    every,
    person_day,
    reach,
    with_neighbours,
)
from services.attendance.leave import LEAVE
from services.attendance.penalty import PENALTY, WITHDRAWAL, decide, take_over, withdraw
from services.attendance.roster import publish, swap
from services.attendance.views import DAYS, SHIFTS, VIEWS
from services.kernel.service import Outcome, Service, Unit


def _rostered(command: Command[PublishRoster]) -> Iterator[str]:
    """The streams that a small roster is decided on: its own, and its days with those around them, which may be derived anew."""
    request = command.data
    yield f"roster-{request.roster_id}"
    if len(request.staff_ids) * len(request.days) <= FEW:
        asked = [(staff_id, row.day) for staff_id in request.staff_ids for row in request.days]
        yield from (day_stream(*part) for part in sorted(with_neighbours(asked)))


def on_publish_roster(unit: Unit, command: Command[PublishRoster]) -> Outcome:
    """Publish a roster (A5), then derive again what it changes."""
    request, is_import = command.data, command.channel == "import"
    found = registry.ground(unit, command, "A5", "decide", None)
    known = registry.people(unit, request.staff_ids)
    for staff_id in request.staff_ids:
        registry.reject_unknown(known.events, staff_id)
    unit.load(day_stream(staff_id, row.day) for staff_id in request.staff_ids for row in request.days)
    changes: dict[tuple[str, date], list[ShiftRostered]] = {}
    for staff_id in request.staff_ids:
        for row in request.days:
            state = unit.state(DAY, day_stream(staff_id, row.day))
            part = days.roster(state, staff_id=staff_id, on=row.day, roster_id=request.roster_id, shifts=row.shifts)
            if part:
                changes[staff_id, row.day] = part
    matrix, _ = matrix_in_force(found.events, unit.now)
    published = publish(
        request, len(changes), found.asked, matrix, is_import=is_import, now=unit.now, positions=found.positions
    )
    unit.append(f"roster-{request.roster_id}", *published)
    if not any(isinstance(fact, RosterPublished) for fact in published):
        return Outcome()
    for (staff_id, on), facts in changes.items():
        unit.append(day_stream(staff_id, on), *facts)
    derive_around(unit, {part: [shift for fact in facts for shift in fact.shifts] for part, facts in changes.items()})
    return Outcome(result={"person_days": len(changes)})


def on_swap_shifts(unit: Unit, command: Command[SwapShifts]) -> Outcome:
    """Swap two people's shifts (A5), then derive again what it changes."""
    request = command.data
    question = asking.question(unit, command, "A5", "decide")
    known = registry.people(unit, [request.first.staff_id, request.second.staff_id])
    for one in (request.first, request.second):
        registry.reject_unknown(known.events, one.staff_id)
    parts = [(one.staff_id, one.day) for one in (request.first, request.second)]
    others = [(request.first.staff_id, request.second.day), (request.second.staff_id, request.first.day)]
    unit.load(day_stream(*part) for part in (*parts, *others))
    of_first, of_second = (unit.state(DAY, day_stream(*part)).shifts for part in parts)
    apart = request.first.day != request.second.day
    taken = tuple(part[0] for part in others if apart and unit.state(DAY, day_stream(*part)).shifts)
    stream = f"roster-{request.roster_id}"
    recorded = [event.data for event in unit.history(stream)]
    facts = swap(request, question, of_first=of_first, of_second=of_second, taken=taken, known=recorded)
    unit.append(stream, *facts)
    if not any(isinstance(fact, ShiftsSwapped) for fact in facts):
        return Outcome()
    changes = swapped(request.first, request.second, of_first, of_second)
    for (staff_id, on), shifts in changes.items():
        part = ShiftRostered(staff_id=staff_id, day=on, roster_id=request.roster_id, shifts=shifts)
        unit.append(day_stream(staff_id, on), part)
    derive_around(unit, changes)
    return Outcome(result={"person_days": len(changes)})


def on_record_punches(unit: Unit, command: Command[RecordPunches]) -> Outcome:
    """Record what a device sent, row by row, then derive each affected day once."""
    request = command.data
    settings = registry.settings(unit, unit.property_id)
    whom = _whom(unit, request)
    who = registry.people(unit, {one for one in whom if one is not None})
    known_ids = gather.punches_known_as(unit, (row.punch_id for row in request.rows), unit.property_id)
    ids = set(who.known.values())
    first, last = min(row.at for row in request.rows), max(row.at for row in request.rows)
    shifts = gather.shifts_between(unit, ids, first.date(), last.date())
    known = gather.punches_between(unit, ids, *reach(every(shifts), first, last))
    seen = {(one, punch.at, punch.direction) for one, of_person in known.items() for punch in of_person}
    zone = of_kind(settings, ZoneAdopted)[-1].data
    duties = {staff_id: days.Duty(of_person) for staff_id, of_person in shifts.items()}
    answers: list[RowAnswer] = []
    taken: list[tuple[PunchRow, str, date | None]] = []
    affected: set[tuple[str, date]] = set()
    for row, named in zip(request.rows, whom, strict=True):
        staff_id = who.known.get(named) if named is not None else None
        refused = days.refusal_of_row(
            row, staff_id=staff_id, erased=named in who.erased, known=known_ids.get(row.punch_id), now=unit.now
        )
        if refused is not None or staff_id is None:
            answers.append(RowAnswer(row=row.punch_id, outcome="rejected", reason=refused))
            continue
        known_ids.setdefault(row.punch_id, days.punch_key(staff_id, row.at, row.direction))
        if (staff_id, row.at, row.direction) in seen:
            answers.append(RowAnswer(row=row.punch_id, outcome="ignored", reason="known"))
            continue
        seen.add((staff_id, row.at, row.direction))
        on = duties[staff_id].day_of(row.at, row.direction) if staff_id in duties else None
        if on is not None:
            affected.add((staff_id, on))
        taken.append((row, staff_id, on))
        answers.append(built(RowAnswer, {"row": row.punch_id, "outcome": "done", "reason": None}))
    punches = days.of_days(affected, known, duties)
    _append_punches(unit, taken, zone, punches)
    if affected:
        derive(unit, affected, punches)
    return Outcome(rows=tuple(answers))


def _whom(unit: Unit, request: RecordPunches) -> list[str | None]:
    """Whom each row is about; None for another system's id that means nobody."""
    outside = {row.external_id for row in request.rows if row.external_id is not None}
    if not outside or request.system is None:
        return [row.staff_id for row in request.rows]
    meant = registry.external_ids(unit, request.system, unit.property_id, outside)
    return [row.staff_id if row.external_id is None else meant.get(row.external_id) for row in request.rows]


def _append_punches(
    unit: Unit, taken: Sequence[tuple[PunchRow, str, date | None]], zone: ZoneAdopted, punches: days.Punches
) -> None:
    """Append what was taken, and add to `punches` what belongs to a rostered day."""
    streams = [day_stream(staff_id, on or zone.local(row.at).date()) for row, staff_id, on in taken]
    unit.load(streams)
    for (row, staff_id, on), stream in zip(taken, streams, strict=True):
        fact = PunchRecorded(staff_id=staff_id, punch_id=row.punch_id, at=row.at, direction=row.direction)
        (event,) = unit.append(stream, fact, occurred_at=row.at, importrow=row.file_row)
        if on is not None:
            punch = {"at": row.at, "direction": row.direction, "fact_id": event.id}
            punches[staff_id][on].append(built(Punch, punch))


def on_derive_days(unit: Unit, command: Command[DeriveDays]) -> Outcome:
    """Derive what is over and was not derived since."""
    request = command.data
    due = (
        sa.select(SHIFTS.c.staff_id, SHIFTS.c.day)
        .outerjoin(DAYS, (DAYS.c.staff_id == SHIFTS.c.staff_id) & (DAYS.c.day == SHIFTS.c.day))
        .where(
            SHIFTS.c.property_id == unit.property_id,
            SHIFTS.c.day.between(request.first_on, request.last_on),
            SHIFTS.c.ends_us < registry.micros(unit.now),
            sa.or_(DAYS.c.status.is_(None), DAYS.c.status == "open"),
        )
    )
    if request.staff_ids:
        due = due.where(SHIFTS.c.staff_id.in_(request.staff_ids))
    found = [(row.staff_id, row.day) for row in unit.rows(due.order_by(SHIFTS.c.day, SHIFTS.c.staff_id))]
    now = found[:ROWS_LIMIT]
    changed = derive_whole(unit, now)
    return Outcome(result={"derived": changed, "remaining": len(found) - len(now)})


def on_confirm_missed_punch(unit: Unit, command: Command[ConfirmMissedPunch]) -> None:
    """Confirm a forgotten punch (A10), then derive its day with it."""
    request = command.data
    found = registry.ground(unit, command, CONFIRMS, "confirm", request.staff_id)
    stream, day = person_day(unit, found.ids, request.day)
    case = ConfirmationCase(
        asked=found.asked,
        day=request.day,
        direction=request.direction,
        shift=request.shift,
        derived=day.derived,
        day_fact_id=day.derived_fact,
        evidence=request.evidence,
        confirmed=gather.confirmations(unit, found.ids, request.day),
        entered_on=entered_on(found.events, found.ids, request.day),
        standing=day.standing(request.direction, request.shift),
    )
    matrix, _ = matrix_in_force(found.events, unit.now)
    facts = confirm(request, day, case, matrix, now=unit.now, positions=found.positions)
    unit.append(stream, *facts)
    if any(isinstance(fact, MissedPunchConfirmed) for fact in facts):
        staff_id = stream.removeprefix("day-").rpartition("-")[0]
        derive_whole(unit, [(staff_id, request.day)])


def on_decide_penalty(unit: Unit, command: Command[DecidePenalty]) -> None:
    """Penalise an occurrence (A13–A15)."""
    request = command.data
    found = registry.ground(unit, command, request.clause or "A13", "penalise", request.staff_id)
    stream = penalty_stream(request.penalty_id)
    _, day = person_day(unit, found.ids, request.day)
    month = asking.taken_in(unit, unit.property_id, request.day)
    settings = property_of(found.events, unit.property_id)
    leave = asking.states(unit, LEAVE, leave_stream, found.ids)
    case = PenaltyCase(
        asked=found.asked,
        clause=request.clause,
        requested=request.requested,
        beyond_authority=request.beyond_authority,
        day=request.day,
        occurrence=request.occurrence,
        derived=day.derived,
        day_fact_id=day.derived_fact,
        late_days=gather.late_days(unit, found.ids, request.day, max(request.day, found.asked.decided_on)),
        entered_on=entered_on(found.events, found.ids, request.day),
        standing=gather.standing_on(unit, found.ids, request.day, request.occurrence),
        wage=gather.wage_on(unit, found.events, found.ids, request.day),
        month_days=(*gather.month_days(unit, found.ids, month), *unpaid_leave(leave, month)),
        month_penalties=gather.month_penalties(unit, found.ids, month),
        month_confirmation=asking.confirmation_of(unit, unit.property_id, request.day),
        notices=asking.notices(unit, found.ids, request.day, request.occurrence),
        **({"paid_days": settings.data.paid_days_per_month} if settings else {}),
    )
    matrix, _ = matrix_in_force(found.events, unit.now)
    policy, _ = policy_in_force(found.events, unit.property_id, unit.now)
    facts = decide(
        request,
        unit.state(PENALTY, stream),
        case,
        matrix,
        policy,
        property_id=unit.property_id,
        now=unit.now,
        positions=found.positions,
        month=month,
    )
    unit.append(stream, *facts)


def on_import_penalty(unit: Unit, command: Command[ImportPenalty]) -> None:
    """Take over an old penalty."""
    request = command.data
    registry.settings(unit, unit.property_id)
    registry.reject_unknown(registry.people(unit, [request.staff_id]).events, request.staff_id)
    stream = penalty_stream(request.penalty_id)
    facts = take_over(request, unit.state(PENALTY, stream), property_id=unit.property_id, channel=command.channel)
    unit.append(stream, *facts)


def on_withdraw_penalty(unit: Unit, command: Command[WithdrawPenalty]) -> None:
    """Take a penalty back (G4)."""
    request = command.data
    stream = penalty_stream(request.penalty_id)
    penalty = unit.state(PENALTY, stream)
    row_id, verb = WITHDRAWAL
    found = registry.ground(unit, command, row_id, verb, penalty.staff_id or None)
    matrix, _ = matrix_in_force(found.events, unit.now)
    facts = withdraw(request, penalty, found.asked, matrix, now=unit.now, positions=found.positions)
    unit.append(stream, *facts)


SERVICE = Service(
    name="attendance",
    publishes=(
        RosterPublished,
        RosterRefused,
        ShiftRostered,
        ShiftsSwapped,
        PunchRecorded,
        DayDerived,
        MissedPunchConfirmed,
        MissedPunchRefused,
        PenaltyDecided,
        PenaltyRecommended,
        PenaltyRefused,
        PenaltyImported,
        PenaltyReversed,
        WithdrawalRefused,
        *month_app.PUBLISHES,
        *leave_app.PUBLISHES,
        *overtime_app.PUBLISHES,
        *breach_app.PUBLISHES,
        *team_app.PUBLISHES,
        *appraisal_app.PUBLISHES,
        *payroll_app.PUBLISHES,
    ),
    commands={
        PublishRoster: on_publish_roster,
        SwapShifts: on_swap_shifts,
        RecordPunches: on_record_punches,
        DeriveDays: on_derive_days,
        ConfirmMissedPunch: on_confirm_missed_punch,
        DecidePenalty: on_decide_penalty,
        ImportPenalty: on_import_penalty,
        WithdrawPenalty: on_withdraw_penalty,
        **month_app.COMMANDS,
        **leave_app.COMMANDS,
        **overtime_app.COMMANDS,
        **breach_app.COMMANDS,
        **team_app.COMMANDS,
        **appraisal_app.COMMANDS,
        **payroll_app.COMMANDS,
    },
    queries={
        GetDay: query.get_day,
        ListDays: query.list_days,
        ListPunches: query.list_punches,
        GetPenalty: query.get_penalty,
        ListPenalties: query.list_penalties,
        **month_app.QUERIES,
        **leave_app.QUERIES,
        **overtime_app.QUERIES,
        **breach_app.QUERIES,
        **team_app.QUERIES,
        **appraisal_app.QUERIES,
        **payroll_app.QUERIES,
    },
    views=VIEWS,
    timers=appraisal_app.TIMERS,
    asks=appraisal_app.ASKS,
    touches={PublishRoster: _rostered},
    consumes=("registry",),
)
