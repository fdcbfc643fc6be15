"""The house's rules of attendance, as adopted data in versions: how time is counted, the offence ladder, rates, balances, forms."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request
from bailiwick_contracts.part import whole

CLAUSE = "S4"
WorkedTime = Literal["first_in_last_out", "pairs"]
Sanction = Literal["warning", "days_without_duty", "suspension", "dismissal"]


class SanctionStep(Record):
    """One level of an offence ladder."""

    sanction: Sanction
    days: Annotated[int, Field(ge=0, le=365)] = 0
    """Of `days_without_duty`."""


class Offence(Record):
    """A kind of breach of discipline, with what follows each time (case C10)."""

    code: Identifier
    title: Label
    severity: Literal["ordinary", "serious"] = "ordinary"
    """Ordinary breaches are handled in the office, serious ones go to the manager (D4b)."""
    window_days: Annotated[int, Field(ge=1, le=3660)] = 365
    """How far back from the incident earlier offences of the kind count (T7)."""
    ladder: Annotated[tuple[SanctionStep, ...], Field(min_length=1, max_length=20)]
    """By how many stand in the window; one more than there are levels stays at the last."""


class LeaveKind(Record):
    """A kind of leave."""

    code: Identifier
    title: Label
    paid: bool
    days_per_year: Ratio | None = None
    """What everybody has each calendar year; None: no balance is kept."""
    from_overtime: bool = False
    """Comp leave: its balance is what was granted for overtime (A5)."""


class OvertimeRates(Record):
    """What overtime costs beside the hourly wage (case C18)."""

    workday: Ratio = Ratio(numerator=3, denominator=2)
    rest_day: Ratio = Ratio(numerator=2)
    holiday: Ratio = Ratio(numerator=3)
    hours_per_day: Ratio = Ratio(numerator=8)


class Headcount(Record):
    """The approved number of temporary posts (編制); a change is applied for under P2."""

    position: Label
    approved: Annotated[int, Field(ge=0, le=100_000)]


class AppraisalForm(Record):
    """The monthly appraisal sheet (D4c)."""

    sections: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=30)]
    lowest: int = 0
    highest: int = 100
    due_day: Annotated[int, Field(ge=1, le=28)] = 2
    """Of the next month, to its end in the property's zone."""


class HouseRules(Record):
    """One version."""

    version: Identifier
    worked_time: WorkedTime = "first_in_last_out"
    offences: Annotated[tuple[Offence, ...], Field(max_length=200)] = ()
    repeat_days: Annotated[int, Field(ge=1)] = 365
    """K2: the same breach by the same person within so many days is a repeated mistake."""
    appeal_days: Annotated[int, Field(ge=1, le=365)] = 15
    leave_kinds: Annotated[tuple[LeaveKind, ...], Field(max_length=50)] = ()
    overtime: OvertimeRates = OvertimeRates()
    headcount: Annotated[tuple[Headcount, ...], Field(max_length=200)] = ()
    appraisal: AppraisalForm | None = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        for name, codes in (
            ("offences", [one.code for one in self.offences]),
            ("leave_kinds", [one.code for one in self.leave_kinds]),
            ("headcount", [one.position for one in self.headcount]),
        ):
            if len(set(codes)) < len(codes):
                raise ValueError(f"{name}: each code stands once; remove the repetition")
        return self

    def offence(self, code: str) -> Offence | None:
        """A kind of breach by its code."""
        return next((one for one in self.offences if one.code == code), None)

    def leave_kind(self, code: str) -> LeaveKind | None:
        """A kind of leave by its code."""
        return next((one for one in self.leave_kinds if one.code == code), None)

    def approved(self, position: str) -> int:
        """How many temporary posts are approved; none for a position that is not named."""
        return next((one.approved for one in self.headcount if one.position == position), 0)


class AdoptHouseRules(Request):
    """Adopt a version for this property, or for every property that has none of its own (at `company`)."""

    type: Literal["attendance.adopt_house_rules.v1"] = "attendance.adopt_house_rules.v1"
    rules: Annotated[HouseRules, whole(HouseRules)]


class HouseRulesAdopted(Fact):
    """A version holds from the moment it was recorded; nothing decided before is touched."""

    type: Literal["attendance.house_rules_adopted.v1"] = "attendance.house_rules_adopted.v1"
    version: Identifier
    rules: HouseRules
    ruling: Ruling | None = None
    """None where it was set up with the installation."""


class HouseRulesRefused(Refusal):
    """Somebody without the authority asked to adopt rules or to change the calendar."""

    type: Literal["attendance.house_rules_refused.v1"] = "attendance.house_rules_refused.v1"
    asked_for: Literal["adopt", "override_calendar", "set_leave_balance"]
    ruling: Ruling


class OverriddenDay(Record):
    """A day that this property works, or does not, whatever its calendar says."""

    on: date
    kind: Literal["holiday", "rest_day", "working_day"]


class OverrideCalendar(Request):
    """Say on which days this property works or rests, against its adopted calendar."""

    type: Literal["attendance.override_calendar.v1"] = "attendance.override_calendar.v1"
    days: Annotated[tuple[Annotated[OverriddenDay, whole(OverriddenDay)], ...], Field(min_length=1, max_length=800)]
    why: Label

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({row.on for row in self.days}) < len(self.days):
            raise ValueError("days: each day stands once; remove the repetition")
        return self


class CalendarOverridden(Fact):
    """Days of this property that differ from its adopted calendar; of a day the latest fact holds."""

    type: Literal["attendance.calendar_overridden.v1"] = "attendance.calendar_overridden.v1"
    days: tuple[OverriddenDay, ...]
    why: Label
    ruling: Ruling | None = None


class GetHouseRules(Request):
    """The rules in force at a property, and its calendar's overridden days."""

    type: Literal["attendance.get_house_rules.v1"] = "attendance.get_house_rules.v1"
