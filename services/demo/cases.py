"""The decisions of the demonstration: at, under and over each limit, and what each is expected to come to."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from bailiwick_contracts.attendance import ConfirmMissedPunch
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.confirmation import ArrivalEvidence
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Request

GROUNDS = "示範:依考勤記錄"
CAMERA = (ArrivalEvidence(kind="camera", reference="gate-1"),)


@dataclass(frozen=True)
class Case:
    """One request of somebody, in plain words, and the type of the fact it should lead to."""

    title: str
    clause: str
    actor: str
    property_id: str
    request: Request
    expected: str


def penalty(
    number: int, staff_id: str, day: date, occurrence: str, percent: int, clause: str | None = None
) -> DecidePenalty:
    """A penalty of so many percent of the base that the clause takes from."""
    return DecidePenalty(
        penalty_id=f"demo-{number:03d}",
        staff_id=staff_id,
        day=day,
        occurrence=occurrence,
        clause=clause,
        requested=Requested(share=Ratio(numerator=percent, denominator=100)),
        grounds=GROUNDS,
    )


def confirmation(number: int, staff_id: str, day: date, *, proven: bool = True) -> ConfirmMissedPunch:
    """A forgotten punch on arrival, shown by a camera or by nothing."""
    return ConfirmMissedPunch(
        confirmation_id=f"demo-{number:03d}",
        staff_id=staff_id,
        day=day,
        direction="in",
        evidence=CAMERA if proven else (),
        grounds=GROUNDS,
    )


DECIDED, RECOMMENDED, REFUSED = "penalty_decided", "penalty_recommended", "penalty_refused"
CONFIRMED, NOT_CONFIRMED = "missed_punch_confirmed", "missed_punch_refused"


def of_our_office(days: list[date]) -> Iterator[Case]:
    """The cases of the made-up office; `days` are its workdays. Its planned lateness stands in `services.demo.office`."""
    north, south = "north-court", "south-court"
    director, other = "north-00", "south-00"

    def fine(
        title: str,
        staff: int,
        day: int,
        kind: str,
        percent: int,
        expected: str,
        clause: str = "A13",
        actor: str = director,
    ) -> Case:
        request = penalty(100 + len(made), f"north-{staff:02d}", days[day], kind, percent, clause)
        return Case(title, clause, actor, north, request, expected)

    made: list[Case] = []
    for case in (
        ("29 min late, 10 %", 5, 1, "late", 10, DECIDED),
        ("30 min late, exactly 20 %", 6, 1, "late", 20, DECIDED),
        ("30 min 1 s late", 7, 1, "late", 10, RECOMMENDED),
        ("60 min late", 8, 2, "late", 20, RECOMMENDED),
        ("10 min late, 19 %", 10, 2, "late", 19, DECIDED),
        ("5 min late, 21 %: over the cap", 10, 4, "late", 21, RECOMMENDED),
        ("the same lateness a second time", 6, 1, "late", 5, REFUSED),
        ("third lateness of the year as A15", 9, 5, "late", 20, REFUSED, "A15"),
        ("fourth lateness of the year, exactly 20 %", 9, 7, "late", 20, DECIDED, "A15"),
        ("absent, exactly 100 %", 11, 4, "absent", 100, DECIDED, "A14"),
        ("absent, 101 %: over the cap", 12, 6, "absent", 101, RECOMMENDED, "A14"),
        ("by somebody who may not", 9, 1, "late", 5, REFUSED, "A13", "north-01"),
        ("by the director of the other property", 9, 1, "late", 5, REFUSED, "A13", other),
        ("a day without any lateness", 17, 1, "late", 5, REFUSED),
    ):
        made.append(fine(*case))  # noqa: PERF401 - the number of a case is how many there were before it
    forgotten = [days[index] for index in (1, 4, 7, 9)]
    made.append(Case("forgotten, nothing shows the arrival", "A10", director, north,
                     confirmation(200, "north-13", forgotten[0], proven=False), NOT_CONFIRMED))  # fmt: skip
    for number, day in enumerate(forgotten):
        made.append(Case(f"forgotten punch number {number + 1} of the year", "A10", director, north,
                         confirmation(201 + number, "north-13", day), CONFIRMED if number < 3 else NOT_CONFIRMED))  # fmt: skip
    made.append(Case("forgotten punch in the other property", "A10", other, south,
                     confirmation(210, "south-13", forgotten[0]), CONFIRMED))  # fmt: skip
    yield from made


def of_real_office(days: list[dict[str, Any]], within_grade: Collection[str]) -> Iterator[Case]:
    """Cases found in the derived days of an office whose punches are not ours, a few of each kind.

    `within_grade` are the people whom the director's clauses cover (A1, T13).
    """
    director, property_id = "real-director", "real-office"
    times: dict[str, int] = {}
    found: dict[str, list[tuple[str, date]]] = {}
    for row in sorted(days, key=lambda row: row["day"]):
        person, kinds = row["staff_id"], row["kinds"]
        if person not in within_grade:
            continue
        before = times.get(person, 0)
        where = (person, date.fromisoformat(row["day"]))
        if "absent" in kinds:
            found.setdefault("absent", []).append(where)
        if "late" in kinds:
            within = row["late_seconds"] <= 1_800
            kind = "first" if before == 0 else "often" if before >= 10 else "late within" if within else "late beyond"
            found.setdefault(kind, []).append(where)
        if "late" in kinds or "early" in kinds:
            times[person] = before + 1
    number = 0
    for kind, title, occurrence, percent, clause, expected in (
        ("late within", "late up to 30 min, exactly 20 %", "late", 20, "A13", DECIDED),
        ("late within", "late up to 30 min, 21 %: over the cap", "late", 21, "A13", RECOMMENDED),
        ("late beyond", "late more than 30 min", "late", 20, "A13", RECOMMENDED),
        ("first", "first of the year as A15", "late", 20, "A15", REFUSED),
        ("often", "more than three in the year, exactly 20 %", "late", 20, "A15", DECIDED),
        ("absent", "absent, exactly 100 %", "absent", 100, "A14", DECIDED),
        ("absent", "absent, 101 %: over the cap", "absent", 101, "A14", RECOMMENDED),
    ):
        for _ in range(5):
            if found.get(kind):
                staff_id, day = found[kind].pop(0)
                number += 1
                request = penalty(number, staff_id, day, occurrence, percent, clause)
                yield Case(f"{title} ({staff_id}, {day})", clause, director, property_id, request, expected)
