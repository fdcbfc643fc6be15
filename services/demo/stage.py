"""The demonstration from nothing: a company is set up, a month is taken in, decisions are taken, everything is judged again."""

import asyncio
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from bailiwick_contracts.attendance import DeriveDays, ListDays, PublishRoster, PunchRow, RecordPunches, RosterDay
from bailiwick_contracts.deadline import shipped_policy
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.month import ConfirmAttendance, SupplyAttendance
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, AdoptLegalPolicy, SetReportingLine
from bailiwick_contracts.staff import AssignPosition, ExternalId, RegisterStaff, SetBaseWage

from services.demo.office import Person, Property, Punch
from services.kernel.reactor import caught_up
from services.run.desk import Desk

T = TypeVar("T")
SETUP = Actor(actor="system-setup", authmethod="system", channel="system")
DEVICE = Actor(actor="system-gate", authmethod="file", channel="import")
GATE = "gate"
AT_ONCE = 40
ROWS = 1_000
LEAD_SECONDS = 1
HIRED = date(2014, 1, 1)
Progress = Callable[[str, int, int], None]


class StageError(Exception):
    """The demonstration came upon an answer that it did not expect; the message says which."""


@dataclass(frozen=True)
class Office:
    """What is put on the stage."""

    properties: Sequence[Property]
    staff: Sequence[Person]
    days: Sequence[date]
    shift: tuple[time, time]
    zone: str
    punches: Sequence[Punch]
    minimum_wage: Decimal
    file: str


def policy(office: Office) -> LegalPolicy:
    """A legal policy of the kind that caps: 20 % of the month's wage in all, and a minimum wage that stays."""
    return LegalPolicy(
        version="demo-law-1",
        mode="cap",
        cap_per_occurrence=Ratio(numerator=20, denominator=100),
        monthly_cap=Ratio(numerator=20, denominator=100),
        minimum_wage=Money(amount=office.minimum_wage),
    )


async def set_up(desk: Desk, office: Office, progress: Progress) -> None:
    """Properties, authority, people, positions and wages."""
    company = "company"
    await _all(desk, [(AddProperty(property_id=p.property_id, name=p.property_id, language=p.language, currency=p.currency,
                                   calendar=p.calendar, time_zone=p.zone), p.property_id) for p in office.properties],
               progress, "properties")  # fmt: skip
    await _all(desk, [(AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=LEAD_SECONDS), company),
                      (AdoptLegalPolicy(policy=policy(office), lead_seconds=LEAD_SECONDS), company),
                      *((SetReportingLine(property_id=p.property_id, position="office_director", reports_to="property_manager"),
                         p.property_id) for p in office.properties)], progress, "authority")  # fmt: skip
    await _all(desk, [(RegisterStaff(staff_id=p.staff_id, name=p.name, phone=p.phone, home_property=p.property_id, hired_on=HIRED,
                                     external_ids=(ExternalId(system=GATE, property_id=p.property_id, external_id=p.staff_id),)),
                       company) for p in office.staff], progress, "staff")  # fmt: skip
    await _all(desk, [(AssignPosition(staff_id=p.staff_id, property_id=p.property_id, position=p.position, grade=p.grade,
                                      effective_on=HIRED), company) for p in office.staff], progress, "positions")  # fmt: skip
    await _all(desk, [(SetBaseWage(staff_id=p.staff_id, base_wage=Money(amount=p.wage), effective_on=HIRED), company)
                      for p in office.staff], progress, "wages")  # fmt: skip


async def in_force(desk: Desk) -> None:
    """Wait until the adopted versions hold and the services know of them."""
    await asyncio.sleep(LEAD_SECONDS)
    for service in ("attendance", "tickets", "billing"):
        if not await caught_up(desk.client, service, "registry"):
            raise StageError(
                f"{service} did not take in what registry holds within 30 s; bailiwick doctor shows the lag"
            )


async def take_in(desk: Desk, office: Office, progress: Progress) -> dict[str, int]:
    """Rosters, then the device's file, then the days on which somebody never came. Answers rows by outcome."""
    zone = ZoneInfo(office.zone)
    roster = [
        RosterDay(
            day=day,
            shifts=(
                Shift(
                    starts_at=_utc(day, office.shift[0], zone),
                    ends_at=_utc(day, office.shift[1], zone),
                    zone=office.zone,
                ),
            ),
        )
        for day in office.days
    ]
    counts = {"done": 0, "ignored": 0, "rejected": 0}
    punching = {punch.staff_id for punch in office.punches}
    for of in office.properties:
        people = tuple(
            person.staff_id
            for person in office.staff
            if person.property_id == of.property_id and person.staff_id in punching
        )
        parts = _chunks(roster, max(1, ROWS // len(people)))
        requests: list[tuple[Request, str]] = [
            (
                PublishRoster(roster_id=f"demo-{of.property_id}-{number}", staff_ids=people, days=tuple(part)),
                of.property_id,
            )
            for number, part in enumerate(parts)
        ]
        director = director_of(office, of.property_id)
        await _all(desk, requests, progress, f"roster of {of.property_id}", actor=Actor(actor=director))
        homes = set(people)
        rows = [
            PunchRow(punch_id=f"p{number}", external_id=punch.staff_id, at=punch.at.replace(tzinfo=zone).astimezone(UTC),
                     direction=punch.direction, file_row=number + 2)  # type: ignore[arg-type]
            for number, punch in enumerate(office.punches) if punch.staff_id in homes
        ]  # fmt: skip
        batches: list[tuple[Request, str]] = [
            (RecordPunches(system=GATE, rows=tuple(part)), of.property_id) for part in _chunks(rows, ROWS)
        ]
        for answer in await _all(
            desk, batches, progress, f"punches of {of.property_id}", actor=DEVICE, file=office.file, together=1
        ):
            for row in answer.rows:
                counts[row.outcome] = counts.get(row.outcome, 0) + 1
        remaining = 1
        while remaining:
            (answer,) = await _all(desk, [(DeriveDays(first_on=office.days[0], last_on=office.days[-1]), of.property_id)],
                                   progress, f"days of {of.property_id}")  # fmt: skip
            remaining = int((answer.result or {}).get("remaining", 0))
    return counts


async def confirm_months(desk: Desk, office: Office, progress: Progress) -> None:
    """HR's sheets of every month, supplied and confirmed by the directors (A7): until then nothing may be deducted."""
    months = sorted({f"{day:%Y-%m}" for day in office.days})
    for of in office.properties:
        director = director_of(office, of.property_id)
        supplied: list[tuple[Request, str]] = [(SupplyAttendance(month=month), of.property_id) for month in months]
        await _all(desk, supplied, progress, f"sheets of {of.property_id}")
        confirmed: list[tuple[Request, str]] = [(ConfirmAttendance(month=month), of.property_id) for month in months]
        await _all(desk, confirmed, progress, f"months of {of.property_id}", actor=Actor(actor=director))


def director_of(office: Office, property_id: str) -> str:
    """Who heads the office of a property."""
    return next(
        person.staff_id
        for person in office.staff
        if person.position == "office_director" and person.property_id == property_id
    )


async def adopt_terms(desk: Desk, progress: Progress) -> None:
    """The shipped deadline policy, for the whole company."""
    request = AdoptDeadlinePolicy(policy=shipped_policy(), lead_seconds=LEAD_SECONDS)
    await _all(desk, [(request, "company")], progress, "terms")


async def register(desk: Desk, requests: Iterable[Request], progress: Progress) -> None:
    """Further people, registered one after the other."""
    await _all(desk, [(request, "company") for request in requests], progress, "further people", together=1)


async def decide(desk: Desk, request: Request, actor: str, property_id: str) -> Answer:
    """One decision of a person."""
    return await desk.send(request, Actor(actor=actor), property_id)


async def keep_accounts(desk: Desk, requests: Iterable[Request]) -> None:
    """What the set-up asks for, one after the other."""
    for request in requests:
        answer = await desk.send(request, SETUP, "north-court")
        if answer.outcome != "done":
            raise StageError(f"{type(request).wire()}: {answer.outcome}, {answer.error}")


async def _all(
    desk: Desk,
    requests: Iterable[tuple[Request, str]],
    progress: Progress,
    title: str,
    *,
    actor: Actor = SETUP,
    file: str | None = None,
    together: int = AT_ONCE,
) -> list[Answer]:
    todo = list(requests)
    done = 0
    gate = asyncio.Semaphore(together)

    async def one(request: Request, property_id: str) -> Answer:
        nonlocal done
        async with gate:
            answer = await desk.send(request, actor, property_id, import_file=file)
        if answer.outcome in ("rejected", "refused"):
            raise StageError(
                f"{type(request).wire()} was {answer.outcome}: {answer.error or [f.data for f in answer.facts]}"
            )
        done += 1
        progress(title, done, len(todo))
        return answer

    return list(await asyncio.gather(*(one(*each) for each in todo)))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def our_office() -> Office:
    """The made-up one."""
    from services.demo import office  # noqa: PLC0415

    return Office(
        properties=office.PROPERTIES,
        staff=list(office.staff()),
        days=office.workdays(),
        shift=office.SHIFT,
        zone=office.ZONE,
        punches=list(office.punches()),
        minimum_wage=Decimal("2360.00"),
        file="gate-2026-03.csv",
    )


REAL = Property("real-office")
_LEVELS = {"1": "staff", "2": "team_leader", "3": "supervisor", "4": "manager", "5": "manager"}


def real_office(directory: Path) -> Office:
    """An office out of `punches-2015.csv`, `staff-2015.csv` and, where it is there, `workdays-2015.csv`.

    Raises:
        StageError: a file or a column is missing.
    """
    rows = _read(directory / "staff-2015.csv", ("staff_id", "job_level", "monthly_income"))
    staff = [
        Person(
            staff_id=f"real-{row['staff_id']}",
            property_id=REAL.property_id,
            name=f"員工{row['staff_id']}",
            phone="00000000",
            position="employee",
            grade=_LEVELS.get(row["job_level"], "staff"),
            wage=Decimal(row["monthly_income"]).quantize(Decimal("0.01")),
        )
        for row in rows
    ]
    director = Person(
        "real-director", REAL.property_id, "示範主任", "00000000", "office_director", "director", Decimal("99999.00")
    )
    punches = [
        Punch(f"real-{row['staff_id']}", datetime.fromisoformat(row["at"]), row["direction"])
        for row in _read(directory / "punches-2015.csv", ("staff_id", "at", "direction"))
    ]
    calendar = directory / "workdays-2015.csv"
    days = (
        [date.fromisoformat(row["date"]) for row in _read(calendar, ("date",))]
        if calendar.exists()
        else sorted({punch.at.date() for punch in punches})
    )
    return Office(
        properties=[REAL],
        staff=[director, *staff],
        days=days,
        shift=(time(10), time(17)),
        zone=REAL.zone,
        punches=punches,
        minimum_wage=Decimal("2000.00"),
        file="punches-2015.csv",
    )


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise StageError(f"{path}: column {', '.join(missing)} is missing; it needs {', '.join(columns)}")
            return list(reader)
    except OSError as error:
        raise StageError(f"{path}: {error.strerror}; --data names a directory that holds it") from error


async def days_of(desk: Desk, office: Office) -> list[dict[str, Any]]:
    """Every derived day of the first property, as attendance lists them."""
    days: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        request = ListDays(first_on=office.days[0], last_on=office.days[-1], after=after, limit=500)
        answer = await desk.query(request, SETUP, office.properties[0].property_id)
        page = answer.result or {}
        days.extend(page["days"])
        after = page.get("next")
        if after is None:
            return days
