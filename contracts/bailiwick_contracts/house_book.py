"""What is remembered of a property's own rules and of its calendar. Folded alike by the office and by its judges."""

from dataclasses import dataclass, replace
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_rules import CalendarOverridden, HouseRules, HouseRulesAdopted


@dataclass(frozen=True)
class House:
    """The rules that hold at a property or, where it has none of its own, in the company."""

    rules: HouseRules | None = None
    rules_fact: str | None = None
    overridden: tuple[Event[Any], ...] = ()
    """`CalendarOverridden`, oldest first."""


def house_stream(property_id: str) -> str:
    """The stream of a property's own rules."""
    return f"house-{property_id}"


def evolve(house: House, event: Event[Any]) -> House:
    """The house after one more fact; what says nothing of its rules changes nothing."""
    fact = event.data
    match fact:
        case HouseRulesAdopted():
            return replace(house, rules=fact.rules, rules_fact=event.id)
        case CalendarOverridden():
            return replace(house, overridden=(*house.overridden, event))
        case _:
            return house
