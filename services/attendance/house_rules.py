"""The house's rules of attendance and its own working days: adopted in versions (S4), the calendar by the director too (A5)."""

from bailiwick_contracts.house_book import House, evolve
from bailiwick_contracts.house_rules import (
    CLAUSE,
    AdoptHouseRules,
    CalendarOverridden,
    HouseRulesAdopted,
    HouseRulesRefused,
    OverrideCalendar,
)
from bailiwick_contracts.message import Fact

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected

CALENDAR = "A5"
"""Under which row a property's working days are arranged."""


def adopt(request: AdoptHouseRules, house: House, question: Question) -> list[Fact]:
    """Adopt a version, or record that the actor may not; the version in force again is nothing new (S4).

    Raises:
        Rejected: the version's name stands for other rules.
    """
    if house.rules == request.rules:
        return []
    if house.rules is not None and house.rules.version == request.rules.version:
        raise Rejected(f"{request.rules.version} names other rules", code="version_reused", field="version",
                       value=request.rules.version, rule="one name for one version", remedy="name the new version")  # fmt: skip
    ruling = None if question.is_set_up else question.ruled(CLAUSE, "decide")
    if ruling is not None and ruling.outcome != "granted":
        return [HouseRulesRefused(reason=ruling.reason, asked_for="adopt", ruling=ruling)]
    return [HouseRulesAdopted(version=request.rules.version, rules=request.rules, ruling=ruling)]


def override(request: OverrideCalendar, house: House, question: Question) -> list[Fact]:
    """Say which days are worked here, or record that the actor may not; what stands already is nothing new (A5)."""
    stands = {day.on: day for event in house.overridden for day in event.data.days}
    changes = tuple(day for day in request.days if stands.get(day.on) != day)
    if not changes:
        return []
    ruling = None if question.is_set_up else question.ruled(CALENDAR, "decide")
    if ruling is not None and ruling.outcome != "granted":
        return [HouseRulesRefused(reason=ruling.reason, asked_for="override_calendar", ruling=ruling)]
    return [CalendarOverridden(days=changes, why=request.why, ruling=ruling)]


HOUSE: Noun[House] = Noun("house", House(), evolve)
