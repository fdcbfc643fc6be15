"""What the company has adopted: versions of the authority matrix and of legal policies, and the doors it trusts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.matrix import AuthorityMatrix, in_force
from bailiwick_contracts.message import Fact
from bailiwick_contracts.registry import (
    AdoptAuthorityMatrix,
    AdoptLegalPolicy,
    AuthorityMatrixAdopted,
    DoorTrusted,
    LegalPolicyAdopted,
    PropertyAdded,
    TrustDoor,
)

from services.kernel.decision import Noun, Rejected

AdoptionFact = AuthorityMatrixAdopted | LegalPolicyAdopted | DoorTrusted
STREAM = "adoptions"


@dataclass(frozen=True)
class Adoptions:
    """Everything adopted, in the order recorded."""

    matrices: tuple[AuthorityMatrixAdopted, ...] = ()
    policies: tuple[LegalPolicyAdopted, ...] = ()
    doors: Mapping[str, str] = field(default_factory=dict)

    def matrix_at(self, at: datetime) -> AuthorityMatrix | None:
        """The matrix in force at an instant."""
        adopted = in_force(self.matrices, at)
        return adopted.matrix if adopted else None


def adopt_matrix(request: AdoptAuthorityMatrix, adoptions: Adoptions, *, now: datetime) -> list[Fact]:
    """Adopt a matrix from the instant asked for, never before the lead time has passed.

    A version id names one content for ever: another content under it is rejected, the same content may be adopted again.
    """
    named = next((one for one in adoptions.matrices if one.version == request.matrix.version), None)
    if named is not None and named.matrix != request.matrix:
        raise _version_taken(request.matrix.version)
    last = adoptions.matrices[-1] if adoptions.matrices else None
    if last is not None and last.version == request.matrix.version and last.asked_from == request.holds_from:
        return []
    return [
        AuthorityMatrixAdopted(
            version=request.matrix.version,
            holds_from=_begins(request.holds_from, now, request.lead_seconds),
            asked_from=request.holds_from,
            lead_seconds=request.lead_seconds,
            matrix=request.matrix,
        )
    ]


def adopt_policy(
    request: AdoptLegalPolicy, adoptions: Adoptions, settings: PropertyAdded | None, *, now: datetime
) -> list[Fact]:
    """Adopt a legal policy for a property, or for the company (`settings` None), after its lead time (T12)."""
    policy = request.policy
    floor = policy.minimum_wage
    if settings is not None and floor is not None and floor.currency != settings.currency:
        raise Rejected(f"{settings.property_id} pays in {settings.currency}", code="currency_differs",
                       field="policy.minimum_wage.currency", value=floor.currency,
                       rule=f"the property's currency, {settings.currency}",
                       remedy=f"give the minimum wage in {settings.currency}")  # fmt: skip
    named = next((one for one in adoptions.policies if one.version == policy.version), None)
    if named is not None and named.policy != policy:
        raise _version_taken(policy.version)
    same_place = [one for one in adoptions.policies if one.for_property == request.for_property]
    if same_place and (same_place[-1].version, same_place[-1].asked_from) == (policy.version, request.holds_from):
        return []
    return [
        LegalPolicyAdopted(
            version=policy.version,
            for_property=request.for_property,
            holds_from=_begins(request.holds_from, now, request.lead_seconds),
            asked_from=request.holds_from,
            lead_seconds=request.lead_seconds,
            policy=policy,
        )
    ]


def trust_door(request: TrustDoor, adoptions: Adoptions) -> list[Fact]:
    """Trust a door; another key for the same door replaces the one before."""
    if adoptions.doors.get(request.door) == request.public_key:
        return []
    return [DoorTrusted(door=request.door, public_key=request.public_key)]


def _begins(asked_from: datetime | None, now: datetime, lead_seconds: int) -> datetime:
    earliest = now + timedelta(seconds=lead_seconds)
    return earliest if asked_from is None or asked_from < earliest else asked_from


def _version_taken(version: str) -> Rejected:
    return Rejected(f"{version} names another content", code="version_taken", field="version", value=version,
                    rule="one content per version", remedy="give the new content a version of its own")  # fmt: skip


def evolve(adoptions: Adoptions, event: Event[Any]) -> Adoptions:
    """What is adopted after one more fact."""
    fact: AdoptionFact = event.data
    match fact:
        case AuthorityMatrixAdopted():
            return replace(adoptions, matrices=(*adoptions.matrices, fact))
        case LegalPolicyAdopted():
            return replace(adoptions, policies=(*adoptions.policies, fact))
        case DoorTrusted():
            return replace(adoptions, doors={**adoptions.doors, fact.door: fact.public_key})
        case _:
            assert_never(fact)


ADOPTIONS: Noun[Adoptions] = Noun("adoptions", Adoptions(), evolve)
