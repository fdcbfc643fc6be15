"""Who may do what: one function, that says no to whatever it does not know. Positions come from the registry's facts alone.

`hidden` is answered as if there were nothing there: the director of one property cannot learn what another holds. What a
person may *decide* is no question of this door: the authority matrix rules on that, and its refusal is a recorded fact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bailiwick_contracts.message import COMPANY

Action = Literal["command", "query", "events", "administer"]
Verdict = Literal["granted", "forbidden", "hidden"]
Role = Literal["doorkeeper", "company", "office", "staff", "integration", "none"]
OF_THE_COMPANY = frozenset({"audit", "gateway"})
"""Services whose records belong to no property: they are read with a position at the company."""


@dataclass(frozen=True)
class Key:
    """What an API key was made for."""

    key_id: str
    properties: frozenset[str]
    access: frozenset[str]


@dataclass(frozen=True)
class Who:
    """Somebody the door knows: the actor, how it was authenticated, and what the registry says of them today."""

    actor: str
    authmethod: str
    caller: str
    """Who is calling, for idempotency keys and rates: the account, the key, or the provider's subject."""
    positions: Mapping[str, str] = field(default_factory=dict)
    """Property (or `company`) to the position held there."""
    powers: frozenset[str] = frozenset()
    """The positions that hold any power of the matrix in force."""
    doorkeepers: frozenset[str] = frozenset()
    """The positions that may trust a door."""
    key: Key | None = None
    is_person: bool = False
    """Whether the registry knows, or knew, the actor as a person."""


@dataclass(frozen=True)
class Resource:
    """What is asked for: of which properties, of which service, about which person where it is about one alone."""

    properties: frozenset[str]
    service: str = ""
    about: str | None = None


def role(who: Who, property_id: str) -> Role:
    """What somebody is at a property."""
    at_company = who.positions.get(COMPANY)
    if at_company is not None:
        return "doorkeeper" if at_company in who.doorkeepers else "company"
    if who.key is not None and not who.positions and not who.is_person and property_id in who.key.properties:
        # A key that acts as a person goes with that person's positions, and is no integration once they ended.
        return "integration"
    position = who.positions.get(property_id)
    if position is None:
        return "none"
    return "office" if position in who.powers else "staff"


def may(who: Who, action: Action, resource: Resource) -> Verdict:
    """Whether somebody may do something to something.

    An API key narrows what its actor may: to its properties and its kinds of access.
    """
    if who.key is not None:
        if not resource.properties <= who.key.properties and COMPANY not in who.key.properties:
            return "hidden"
        if action not in who.key.access:
            return "forbidden"
    verdicts = {_at(who, action, resource, property_id) for property_id in resource.properties}
    if not verdicts or "hidden" in verdicts:
        return "hidden"
    return "forbidden" if "forbidden" in verdicts else "granted"


def _at(who: Who, action: Action, resource: Resource, property_id: str) -> Verdict:
    held = role(who, property_id)
    if held == "none":
        return "hidden"
    if action == "administer":
        return "granted" if held == "doorkeeper" else "forbidden"
    if held in ("doorkeeper", "company"):
        return "granted"
    if resource.service in OF_THE_COMPANY:
        return "forbidden"
    if action == "command" or held in ("office", "integration"):
        return "granted"
    own = action == "query" and resource.about is not None and resource.about == who.actor
    return "granted" if own else "forbidden"
