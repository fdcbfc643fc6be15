"""A company's year in small, in the proportions of the brief's audit replay (W9), 1 : 1,000: two properties, one ledger.

In it: 1,000 days with 3.5 punches each, 300 tickets with some ten facts, 1,200 bills of 3.5 charges, 2,400 readings, 1,300 receipts
each allocated to what is open, 18 penalties. Patrol scans, a tenth of W9's facts, are left out: nothing here records them.
Everybody, every unit and every amount is made up.
"""

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bailiwick_contracts.attendance import PublishRoster, PunchRow, RecordPunches, RosterDay
from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, RegisterUnits
from bailiwick_contracts.charge import ChargeUnits, FinishChargeRun, StartChargeRun
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    HoldTicket,
    ResumeTicket,
    VerifyTicket,
)
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.meter import Meter, ReadingRow, RecordReadings, RegisterMeters
from bailiwick_contracts.receipt import PostReceipts, ReceiptRow
from bailiwick_contracts.registry import AddProperty, AddUnitOfOrganisation, SetReportingLine
from bailiwick_contracts.ticket import ClassifyTicket, RegisterTicket
from bailiwick_contracts.ticket_work import CompleteWorkOrder, IssueWorkOrder

from services.attendance.app import SERVICE as ATTENDANCE
from services.billing.app import SERVICE as BILLING
from services.tickets.app import SERVICE as TICKETS
from tests.audit.office import FIFTH, Office, at, punch_row
from tests.billing.office import TERMS, flat, line, tariff
from tests.tickets.office import POLICY

PROPERTIES = ("court-1", "court-2")
PEOPLE, UNITS, TICKETS_A_MONTH = 2, 50, 25
"""Of each property the first two; of all together the last."""
MONTHS = 12
FIRST = date(2026, 3, 1)
LINES = (
    line("management", price="2.80"),
    line("water", fee_class="water", basis="per_meter", price="3.45", meter_kind="water"),
    line("power", fee_class="electricity", basis="per_meter", price="0.62", meter_kind="electricity"),
    line("parking", fee_class="parking", basis="per_bay", price="180.00"),
)


@cache
def year() -> tuple[tuple[bytes, ...], dict[str, bytes]]:
    """Every fact of the four services that decide, in the order of recording, and the payroll keys."""
    with TemporaryDirectory() as directory:
        company = _Company(Path(directory))
        for month in range(MONTHS):
            company.month(month)
        raws = tuple(company.office.raws())
        keys = {f"payroll/{place}": company.office.keys(f"payroll/{place}") for place in PROPERTIES}
        company.office.close()
    return raws, keys


class _Company:
    """What happens at both properties."""

    def __init__(self, directory: Path) -> None:
        self.office = Office(directory, ATTENDANCE, TICKETS, BILLING)
        self.office.set_up()
        self.office.hire("s-cashier", "finance", "staff", "5600.00", property_id=COMPANY)
        for place in PROPERTIES:
            self._open(place)
        self._asked(AdoptDeadlinePolicy(policy=POLICY, lead_seconds=1), "system-setup", COMPANY, "system")
        self._numbers = itertools.count()

    def _open(self, place: str) -> None:
        self._asked(AddProperty(property_id=place, name=place), "system-setup", COMPANY, "import")
        for position, above in (("office_director", "property_manager"), ("property_assistant", "office_director")):
            line_of = SetReportingLine(property_id=place, position=position, reports_to=above)
            self._asked(line_of, "system-setup", COMPANY, "import")
        engineers = AddUnitOfOrganisation(property_id=place, unit_id="engineering", name="工程部")
        self._asked(engineers, "system-setup", COMPANY, "import")
        self.office.hire(f"{place}-director", "office_director", "director", "9800.00", property_id=place)
        for name in ("assistant", "clerk"):
            self.office.hire(f"{place}-{name}", "property_assistant", "staff", "5200.00", property_id=place)
        for staff_id in _people(place):
            self.office.hire(staff_id, "guard", "staff", "4400.00", property_id=place)
        setting = AdoptTariff(tariff=tariff("2026-a", *LINES), effective_on=date(2026, 1, 1))
        self._asked(setting, "s-cashier", place)
        self._asked(AdoptTerms(terms=TERMS, effective_on=date(2026, 1, 1)), "s-cashier", place)
        flats = tuple(flat(one, f"{60 + n}.5", bays=n % 2) for n, one in enumerate(_units()))
        self._asked(RegisterUnits(units=flats), "s-cashier", place)
        meters = tuple(
            Meter(meter_id=f"{kind[0]}-{one}", unit_id=one, kind=kind, installed_on=date(2026, 1, 1))
            for one in _units()
            for kind in ("water", "electricity")
        )
        self._asked(RegisterMeters(meters=meters), "s-cashier", place)

    def month(self, number: int) -> None:
        """One month at every property: bills and rosters, then day by day who came, and what was reported meanwhile."""
        first = _first_of(number)
        days = [first + timedelta(days=n) for n in range(1, 29) if n % 4]
        reported = itertools.cycle(PROPERTIES)
        self.office.now = max(self.office.now, at(first, 8))
        for place in PROPERTIES:
            self._bills(place, first, number)
            self._roster(place, days)
        for n, day in enumerate(days):
            self.office.now = max(self.office.now, at(day, 9))
            for count in range(n, TICKETS_A_MONTH, len(days)):
                self._ticket(next(reported), is_held=count % 2 == 0)
            self.office.now = max(self.office.now, at(day, 19))
            for place in PROPERTIES:
                self._came(place, day, late=_people(place)[0] if n % 7 == 3 else None)
        for place in PROPERTIES[: 1 + number % 2]:
            self._penalise(place, days[3])

    def _bills(self, place: str, first: date, number: int) -> None:
        rows = tuple(
            ReadingRow(reading_id=f"{kind}-{one}-{first}", meter_id=f"{kind}-{one}", read_on=first, value=Decimal((number + 1) * (5 + n)))
            for n, one in enumerate(_units())
            for kind in ("w", "e")
        )  # fmt: skip
        self._asked(RecordReadings(rows=rows), "s-cashier", place)
        month = f"{first:%Y-%m}"
        for request in (
            StartChargeRun(month=month),
            ChargeUnits(month=month, unit_ids=_units()),
            FinishChargeRun(month=month),
        ):
            self._asked(request, "s-cashier", place)
        for n, one in enumerate((*_units(), *_units()[number % 10 :: 10])):
            received = ReceiptRow(
                receipt_id=f"{place}-{number}-{n}", received_on=first, amount=Decimal(560 + n), unit_id=one
            )
            self._asked(PostReceipts(rows=(received,)), "s-cashier", place)

    def _roster(self, place: str, days: list[date]) -> None:
        for staff_id in _people(place):
            shifts = tuple(RosterDay(day=day, shifts=_shifts(day, staff_id)) for day in days)
            roster = PublishRoster(roster_id=f"{staff_id}-{days[0]}", staff_ids=(staff_id,), days=shifts)
            self._asked(roster, f"{place}-director", place)

    def _came(self, place: str, day: date, late: str | None) -> None:
        rows = tuple(row for one in _people(place) for row in _punches(one, day, is_late=one == late))
        self._asked(RecordPunches(rows=rows), "system-clock", place, "import")

    def _penalise(self, place: str, day: date) -> None:
        penalty = DecidePenalty(
            penalty_id=f"{place}-{day}", staff_id=_people(place)[0], day=day, occurrence="late",
            requested=Requested(share=FIFTH), grounds="樣本事由",
        )  # fmt: skip
        self._asked(penalty, f"{place}-director", place)

    def _ticket(self, place: str, *, is_held: bool) -> None:
        ticket, director = f"t-{next(self._numbers)}", f"{place}-director"
        clerk, assistant = f"{place}-clerk", f"{place}-assistant"
        steps: list[tuple[Request, str]] = [
            (RegisterTicket(ticket_id=ticket, kind="complaint", description="樣本", unit_id="1-001"), clerk),
            (ClassifyTicket(ticket_id=ticket, topic="leak"), clerk),
            (AssignTicket(ticket_id=ticket, assignee_id=assistant), director),
            (AcceptTicket(ticket_id=ticket), assistant),
            (HoldTicket(ticket_id=ticket, waits_for="a part"), assistant),
            (ResumeTicket(ticket_id=ticket), assistant),
            (
                IssueWorkOrder(
                    ticket_id=ticket, work_order_id="w-1", to="department", to_id="engineering", task="樣本"
                ),
                director,
            ),
            (CompleteWorkOrder(ticket_id=ticket, work_order_id="w-1", result="樣本"), director),
            (CompleteTicket(ticket_id=ticket, outcome="樣本"), assistant),
            (VerifyTicket(ticket_id=ticket), director),
        ]
        for request, by in steps:
            if is_held or not isinstance(request, HoldTicket | ResumeTicket):
                self._asked(request, by, place)

    def _asked(self, request: Request, by: str, place: str, channel: str = "live") -> None:
        answer = self.office.ask(request, by, place, channel=channel)
        if answer.outcome != "done":
            raise RuntimeError(f"{request!r} was not done: {answer!r}")


def _first_of(number: int) -> date:
    return date(FIRST.year + (FIRST.month + number - 1) // 12, (FIRST.month + number - 1) % 12 + 1, 1)


@cache
def _units() -> tuple[str, ...]:
    return tuple(f"{1 + n // 10}-{n % 10:03d}" for n in range(UNITS))


def _people(place: str) -> tuple[str, ...]:
    return tuple(f"{place}-{number}" for number in range(PEOPLE))


def _hours(staff_id: str) -> tuple[tuple[int, int], ...]:
    return ((9, 18),) if staff_id == f"{PROPERTIES[0]}-0" else ((8, 12), (13, 17))


def _shifts(day: date, staff_id: str) -> tuple[Shift, ...]:
    return tuple(
        Shift(starts_at=at(day, starts), ends_at=at(day, ends), zone="Asia/Shanghai")
        for starts, ends in _hours(staff_id)
    )


def _punches(staff_id: str, day: date, *, is_late: bool) -> Iterator[PunchRow]:
    for starts, ends in _hours(staff_id):
        came = at(day, starts) + timedelta(minutes=20 if is_late else 0)
        for instant, direction in ((came, "in"), (at(day, ends), "out")):
            yield punch_row(staff_id, instant, direction)
