"""The payroll file of a month: each deduction with its clause, ruling and clamps, the same bytes as of any date."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from bailiwick_contracts.attendance import DayDerived
from bailiwick_contracts.conduct import ImportedAmount, PenaltyDecided, PenaltyImported, PenaltyReversed
from bailiwick_contracts.deductions import PenaltyFigures, day_base_wage
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.leave import LeaveDay, LeaveEntered, LeaveStruck
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.money import Money, rounded
from bailiwick_contracts.month import MonthClosed
from bailiwick_contracts.month_book import counts_in
from bailiwick_contracts.overtime import OvertimeFigures, OvertimePayRecommended
from bailiwick_contracts.quota import month_of
from bailiwick_contracts.registry import PAID_DAYS_PER_MONTH
from bailiwick_contracts.sealed import Keys, open_record
from bailiwick_contracts.staff import BaseWageSet, FactRetracted, StaffMerged, Wage
from bailiwick_contracts.standing import property_of, same_person, wage_fact

COLUMNS = (
    "staff_id", "kind", "day", "counts_in", "late_for", "reference", "clause", "ruling", "clamps", "requested", "unpaid",
    "penalty", "recommended", "currency", "fact", "note",
)  # fmt: skip
_NOTHING = Decimal("0.00")


class Line(NamedTuple):
    """One line of the file; amounts are of the property's currency."""

    staff_id: str
    kind: Literal["penalty", "penalty_reversed", "unpaid_time", "unpaid_leave", "overtime_recommended"]
    day: date
    counts_in: str
    late_for: str = ""
    reference: str = ""
    clause: str = ""
    ruling: str = ""
    clamps: str = ""
    requested: str = ""
    unpaid: Decimal = _NOTHING
    penalty: Decimal = _NOTHING
    recommended: Decimal = _NOTHING
    currency: str = ""
    fact: str = ""
    note: str = ""


def payroll_month(fact: Any) -> str | None:
    """The month whose file a fact of attendance is read for first; None for what no file is made of."""
    said = _PAYROLL_MONTH.get(type(fact))
    return said(fact) if said is not None else None


def _of_its_day(fact: Any) -> str:
    return month_of(fact.day)


# By the class itself: asking eight models in turn whether a fact is one of theirs costs more than reading it.
_PAYROLL_MONTH: Mapping[type, Callable[[Any], str | None]] = {
    PenaltyDecided: lambda fact: fact.asked.month,
    PenaltyImported: lambda fact: fact.month,
    MonthClosed: lambda fact: fact.month,
    DayDerived: lambda fact: _of_its_day(fact) if fact.derived.unpaid_seconds or fact.supersedes is not None else None,
    LeaveEntered: _of_its_day,
    LeaveStruck: _of_its_day,
    OvertimePayRecommended: _of_its_day,
    PenaltyReversed: _of_its_day,
}


def payroll_since(month: str) -> str:
    """The month a year before: what came to light later than that stands in no file of this month."""
    return f"{int(month[:4]) - 1:04d}{month[4:]}"


def payroll_lines(
    events: Iterable[Event[Any]],
    registry: Sequence[Event[Any]],
    *,
    property_id: str,
    month: str,
    as_of: datetime,
    keys: Keys,
) -> list[Line]:
    """The lines of a month as they were known at an instant, by person, day and kind.

    What came to light after a month was closed stands in the next month that was open then, with a note. Unpaid time is
    the difference between what a day comes to and what it came to before, so that no minute is taken twice.

    Args:
        events: attendance's facts of this property, of this month and those before it, in any order.
        registry: the registry's facts about the property and the people.
        property_id: which property.
        month: which month.
        as_of: what was recorded later is left out.
        keys: the payroll keys.

    Raises:
        SealingError: a payroll key is missing.
    """
    seen = sorted((e for e in events if e.recordedat <= as_of), key=lambda e: (e.recordedat, e.chainnumber))
    known = [event for event in registry if event.recordedat <= as_of]
    closes = {event.data.month: event.recordedat for event in seen if isinstance(event.data, MonthClosed)}
    maker = _Lines(known, property_id, closes, keys)
    for event in seen:
        maker.take(event)
    lines = [line for line in maker.lines() if line.counts_in == month]
    return sorted(lines, key=lambda line: (line.staff_id, line.day, line.kind, line.fact))


class _Lines:
    """Lines in the making, fact by fact."""

    def __init__(
        self, registry: Sequence[Event[Any]], property_id: str, closes: dict[str, datetime], keys: Keys
    ) -> None:
        self._closes, self._keys = closes, keys
        self._merges = [event for event in registry if isinstance(event.data, StaffMerged)]
        self._of: defaultdict[str, list[Event[Any]]] = defaultdict(list)
        for event in registry:
            if isinstance(event.data, BaseWageSet | FactRetracted):
                self._of[event.data.staff_id].append(event)
        self._wages: dict[tuple[str, date], Money] = {}
        settings = property_of(list(registry), property_id)
        self._paid_days: Ratio = settings.data.paid_days_per_month if settings is not None else PAID_DAYS_PER_MONTH
        self._currency = settings.data.currency if settings is not None else "CNY"
        self._penalties: dict[str, tuple[Line, str]] = {}
        self._others: list[Line] = []
        self._unpaid: defaultdict[tuple[str, date, str], list[tuple[Decimal, str]]] = defaultdict(list)
        self._came_to: dict[tuple[str, date], Decimal] = {}
        self._leave: dict[tuple[str, date, str], LeaveEntered] = {}

    def take(self, event: Event[Any]) -> None:
        """Read one more fact, in order of recording."""
        fact = event.data
        match fact:
            case PenaltyDecided():
                self._penalties[fact.penalty_id] = (self._penalty(event, fact), fact.asked.month)
            case PenaltyImported():
                opened = open_record(fact.figures, ImportedAmount, event_id=event.id, path="figures", keys=self._keys)
                line = Line(fact.staff_id, "penalty", fact.day, fact.month, reference=fact.penalty_id, clause="imported",
                            penalty=opened.penalty.amount, currency=self._currency, fact=event.id, note=fact.origin)  # fmt: skip
                self._penalties[fact.penalty_id] = (line, fact.month)
            case PenaltyReversed():
                self._reverse(event, fact)
            case DayDerived():
                self._day(event, fact)
            case LeaveEntered() if not fact.paid:
                self._leave[fact.staff_id, fact.day, fact.leave_id] = fact
                self._leave_line(event, fact, Decimal(1))
            case LeaveStruck():
                entered = self._leave.pop((fact.staff_id, fact.day, fact.leave_id), None)
                if entered is not None:
                    self._leave_line(event, entered, Decimal(-1))
            case OvertimePayRecommended():
                opened_pay = open_record(
                    fact.figures, OvertimeFigures, event_id=event.id, path="figures", keys=self._keys
                )
                self._others.append(
                    Line(
                        fact.staff_id,
                        "overtime_recommended",
                        fact.day,
                        self._taken(fact.day, event.recordedat),
                        reference=fact.overtime_id,
                        clause=fact.ruling.row_id,
                        ruling=fact.ruling.outcome,
                        recommended=opened_pay.amount.amount,
                        currency=self._currency,
                        fact=event.id,
                        note=self._note(fact.day, event.recordedat),
                    )
                )
            case _:
                return

    def lines(self) -> Iterable[Line]:
        """Every line, of whichever month."""
        yield from (line for line, _ in self._penalties.values())
        yield from self._others
        for (staff_id, day, taken), parts in self._unpaid.items():
            total = sum((amount for amount, _ in parts), _NOTHING)
            if total:
                late = f"{day:%Y-%m}"
                yield Line(staff_id, "unpaid_time", day, taken, late if late != taken else "", unpaid=total,
                           currency=self._currency, fact=parts[-1][1],
                           note=f"came to light after {late} was closed" if late != taken else "")  # fmt: skip

    def _penalty(self, event: Event[Any], fact: PenaltyDecided) -> Line:
        figures = open_record(fact.figures, PenaltyFigures, event_id=event.id, path="figures", keys=self._keys)
        computed, asked = figures.computed, figures.requested
        requested = (
            f"{asked.share.fraction}" if asked.share is not None else str(asked.amount.amount) if asked.amount else ""
        )
        bound = [
            f"{clamp.step}. {clamp.kind} ({clamp.rule}){' cut' if clamp.bound else ''}" for clamp in fact.ruling.clamps
        ]
        late = fact.asked.late_for or ""
        return Line(
            fact.staff_id, "penalty", fact.day, fact.asked.month, late, fact.penalty_id, fact.clause,
            f"{fact.ruling.outcome} under {fact.ruling.matrix_version} and {fact.ruling.legal_policy_version}",
            "; ".join(bound), requested, penalty=computed.penalty.amount if computed else _NOTHING,
            currency=self._currency, fact=event.id, note=f"decided after {late} was closed" if late else "",
        )  # fmt: skip

    def _reverse(self, event: Event[Any], fact: PenaltyReversed) -> None:
        found = self._penalties.get(fact.penalty_id)
        if found is None:
            return
        line, month = found
        taken = counts_in(month, lambda one: self._closed(one, event.recordedat))
        if taken == month:
            del self._penalties[fact.penalty_id]
            return
        self._others.append(
            line._replace(
                kind="penalty_reversed",
                counts_in=taken,
                late_for=month,
                penalty=-line.penalty,
                fact=event.id,
                note=f"{fact.cause}: taken back after {month} was closed",
            )
        )

    def _day(self, event: Event[Any], fact: DayDerived) -> None:
        derived, key = fact.derived, (fact.staff_id, fact.day)
        before = self._came_to.get(key, _NOTHING)
        now = _NOTHING
        if derived.unpaid_seconds:
            share = Fraction(derived.unpaid_seconds, derived.scheduled_seconds or 1)
            now = rounded(self._day_wage(fact.staff_id, fact.day).amount, share)
        if now != before:
            taken = self._taken(fact.day, event.recordedat)
            self._unpaid[fact.staff_id, fact.day, taken].append((now - before, event.id))
        self._came_to[key] = now

    def _leave_line(self, event: Event[Any], entered: LeaveEntered, sign: Decimal) -> None:
        days = LeaveDay(day=entered.day, part=entered.part).days
        amount = rounded(self._day_wage(entered.staff_id, entered.day).amount, days) * sign
        self._others.append(
            Line(
                entered.staff_id,
                "unpaid_leave",
                entered.day,
                self._taken(entered.day, event.recordedat),
                reference=entered.leave_id,
                unpaid=amount,
                currency=self._currency,
                fact=event.id,
                note=self._note(entered.day, event.recordedat),
            )
        )

    def _closed(self, month: str, at: datetime) -> bool:
        closed = self._closes.get(month)
        return closed is not None and closed < at

    def _taken(self, day: date, at: datetime) -> str:
        return counts_in(f"{day:%Y-%m}", lambda month: self._closed(month, at))

    def _note(self, day: date, at: datetime) -> str:
        return f"came to light after {day:%Y-%m} was closed" if self._taken(day, at) != f"{day:%Y-%m}" else ""

    def _day_wage(self, staff_id: str, day: date) -> Money:
        if (staff_id, day) not in self._wages:
            self._wages[staff_id, day] = self._find_wage(staff_id, day)
        return self._wages[staff_id, day]

    def _find_wage(self, staff_id: str, day: date) -> Money:
        ids = same_person(self._merges, staff_id) if self._merges else (staff_id,)
        fact = wage_fact([*self._merges, *(event for one in ids for event in self._of.get(one, ()))], ids, day)
        if fact is None:
            return Money.model_validate({"amount": "0.00", "currency": self._currency})
        wage = open_record(fact.data.wage, Wage, event_id=fact.id, path="wage", keys=self._keys)
        return day_base_wage(wage.base_wage, self._paid_days)


def payroll_rows(lines: Iterable[Line]) -> list[list[str]]:
    """The lines as cells; a text that a spreadsheet would run as a formula is quoted, an amount stays one."""
    return [[_cell(value) for value in line] for line in lines]


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def payroll_csv(lines: Iterable[Line]) -> bytes:
    """The file: UTF-8 with a BOM, CRLF, every cell in quotes; the same lines are the same bytes."""
    rows = [list(COLUMNS), *payroll_rows(lines)]
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    return b"\xef\xbb\xbf" + "".join(f"{row}\r\n" for row in quoted).encode()


def payroll_digest(lines: Iterable[Line]) -> str:
    """The digest of the file."""
    return sha256(payroll_csv(lines)).hexdigest()
