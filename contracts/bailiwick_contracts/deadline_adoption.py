"""How a property or the company takes on a deadline policy: by a fact, from an instant."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.deadline import DeadlinePolicy
from bailiwick_contracts.message import COMPANY, Fact, Identifier, Instant, PropertyId, Refusal, Request
from bailiwick_contracts.part import whole

POLICIES = "deadline-policies"
"""The stream of every adoption."""


class AdoptDeadlinePolicy(Request):
    """Adopt a deadline policy for a property, or for every property that has none of its own."""

    type: Literal["tickets.adopt_deadline_policy.v1"] = "tickets.adopt_deadline_policy.v1"
    policy: Annotated[DeadlinePolicy, whole(DeadlinePolicy)]
    for_property: PropertyId = COMPANY
    holds_from: Instant | None = None
    lead_seconds: Annotated[int, Field(ge=1, le=31 * 86_400)] = 60


class DeadlinePolicyAdopted(Fact):
    """A policy holds from `holds_from`. Terms of tickets registered before are not touched."""

    type: Literal["tickets.deadline_policy_adopted.v1"] = "tickets.deadline_policy_adopted.v1"
    version: Identifier
    for_property: PropertyId
    holds_from: Instant
    asked_from: Instant | None = None
    lead_seconds: int
    policy: DeadlinePolicy
    ruling: Ruling | None = None
    """None where whoever installs the system adopted it."""


class DeadlinePolicyRefused(Refusal):
    """Somebody without the authority asked to adopt a policy."""

    type: Literal["tickets.deadline_policy_refused.v1"] = "tickets.deadline_policy_refused.v1"
    version: Identifier
    for_property: PropertyId
    ruling: Ruling


class GetDeadlinePolicy(Request):
    """The policy in force for the property that is asked at, now or at an instant."""

    type: Literal["tickets.get_deadline_policy.v1"] = "tickets.get_deadline_policy.v1"
    at: Instant | None = None


def policy_holding(
    adopted: list[tuple[DeadlinePolicyAdopted, str]], property_id: str, at: datetime
) -> tuple[DeadlinePolicyAdopted, str] | None:
    """The adoption that holds for a property at an instant, with its fact: its own, or the company's where it has none.

    Args:
        adopted: adoptions with the ids of their facts, as recorded.
        property_id: the property.
        at: the instant.
    """
    for place in (property_id, COMPANY):
        found: tuple[DeadlinePolicyAdopted, str] | None = None
        for one in adopted:
            if one[0].for_property == place and one[0].holds_from <= at:
                found = one if found is None or one[0].holds_from >= found[0].holds_from else found
        if found is not None:
            return found
    return None
