"""Deadline policies: adopted by facts, each version for one content, never with effect on what was registered before."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.deadline_adoption import (
    AdoptDeadlinePolicy,
    DeadlinePolicyAdopted,
    DeadlinePolicyRefused,
    policy_holding,
)
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact

from services.kernel.decision import Noun, Rejected

PolicyFact = DeadlinePolicyAdopted | DeadlinePolicyRefused
SETUP = "system-setup"
"""The actor that sets an installation up, never through the live channel."""


@dataclass(frozen=True)
class Policies:
    """Every adoption with its fact, in the order recorded."""

    adopted: tuple[tuple[DeadlinePolicyAdopted, str], ...] = ()

    def holding(self, property_id: str, at: datetime) -> tuple[DeadlinePolicyAdopted, str] | None:
        """What holds for a property at an instant."""
        return policy_holding(list(self.adopted), property_id, at)


def adopt(request: AdoptDeadlinePolicy, policies: Policies, ruling: Ruling | None, *, now: datetime) -> list[Fact]:
    """Adopt a policy from the instant asked for, never before the lead time has passed; the same again is nothing new.

    Args:
        request: the policy, for whom and from when.
        policies: what was adopted before.
        ruling: under R9; None for whoever installs the system.
        now: the instant of the adoption.

    Raises:
        Rejected: the version names another content.
    """
    version = request.policy.version
    if any(one.version == version and one.policy != request.policy for one, _ in policies.adopted):
        raise Rejected(
            f"{version} names another content", code="version_taken", field="policy.version", value=version,
            rule="one content per version", remedy="give the new content a version of its own",
        )  # fmt: skip
    same = [one for one, _ in policies.adopted if one.for_property == request.for_property]
    if same and (same[-1].version, same[-1].asked_from) == (version, request.holds_from):
        return []
    if ruling is not None and ruling.outcome != "granted":
        return [
            DeadlinePolicyRefused(
                reason=ruling.reason, version=version, for_property=request.for_property, ruling=ruling
            )
        ]
    earliest = now + timedelta(seconds=request.lead_seconds)
    return [
        DeadlinePolicyAdopted(
            version=version,
            for_property=request.for_property,
            holds_from=max(earliest, request.holds_from or earliest),
            asked_from=request.holds_from,
            lead_seconds=request.lead_seconds,
            policy=request.policy,
            ruling=ruling,
        )
    ]


def evolve(policies: Policies, event: Event[Any]) -> Policies:
    """What is adopted after one more fact."""
    fact: PolicyFact = event.data
    match fact:
        case DeadlinePolicyAdopted():
            return replace(policies, adopted=(*policies.adopted, (fact, event.id)))
        case DeadlinePolicyRefused():
            return policies
        case _:
            assert_never(fact)


POLICIES: Noun[Policies] = Noun("policies", Policies(), evolve)
