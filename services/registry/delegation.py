"""Authority lent by one person to another, for dates, and taken back."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from bailiwick_contracts.authority import Delegation
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.registry import AuthorityDelegated, DelegateAuthority, DelegationRevoked, RevokeDelegation

from services.kernel.decision import Noun, Rejected
from services.registry.staff import Staff, employed

DelegationFact = AuthorityDelegated | DelegationRevoked


@dataclass(frozen=True)
class Lent:
    """What is remembered of a delegation."""

    delegation: Delegation | None = None


def stream(delegation_id: str) -> str:
    """The stream of a delegation."""
    return f"delegation-{delegation_id}"


def delegate(request: DelegateAuthority, lent: Lent, delegator: Staff, delegate_to: Staff) -> list[Fact]:
    """Lend the authority of the position that the delegator holds at the property on the first day (D1)."""
    asked = Delegation.model_validate(request.model_dump(exclude={"type"}))
    if lent.delegation == asked:
        return []
    if lent.delegation is not None:
        raise Rejected(f"{request.delegation_id} is another delegation", code="already_delegated", field="delegation_id",
                       value=request.delegation_id, rule="one delegation per id", remedy="send it under a new id")  # fmt: skip
    employed(delegator, request.from_staff_id)
    employed(delegate_to, request.to_staff_id)
    if request.from_staff_id == request.to_staff_id:
        raise Rejected("nobody lends to himself", code="same_id", field="to_staff_id", value=request.to_staff_id,
                       rule="another person", remedy="name who is to act instead")  # fmt: skip
    if request.last_on < request.first_on:
        raise Rejected("it would end before it begins", code="dates_reversed", field="last_on",
                       value=request.last_on.isoformat(), rule="on or after first_on",
                       remedy="give a last day that is not before the first")  # fmt: skip
    if delegator.position_at(request.property_id, request.first_on) is None:
        raise Rejected(f"{request.from_staff_id} holds no position at {request.property_id}", code="no_position",
                       field="from_staff_id", value=request.from_staff_id, rule="a position held on the first day",
                       remedy="assign the position first")  # fmt: skip
    return [AuthorityDelegated(delegation=asked)]


def known(lent: Lent, delegation_id: str) -> Delegation:
    """The delegation. Raises Rejected for one that nobody gave."""
    if lent.delegation is None:
        raise Rejected(f"there is no delegation {delegation_id}", code="unknown_delegation", field="delegation_id",
                       value=delegation_id, rule="a delegation that was given",
                       remedy="take the id from the command that lent the authority")  # fmt: skip
    return lent.delegation


def revoke(request: RevokeDelegation, lent: Lent, *, now: datetime) -> list[Fact]:
    """Take lent authority back from now on; what was decided under it stands."""
    delegation = known(lent, request.delegation_id)
    if delegation.revoked_at is not None:
        return []
    return [
        DelegationRevoked(
            delegation_id=request.delegation_id, property_id=delegation.property_id, revoked_at=now, why=request.why
        )
    ]


def evolve(lent: Lent, event: Event[Any]) -> Lent:
    """The delegation after one more fact."""
    fact: DelegationFact = event.data
    match fact:
        case AuthorityDelegated():
            return replace(lent, delegation=fact.delegation)
        case DelegationRevoked():
            if lent.delegation is None:
                return lent
            return replace(lent, delegation=lent.delegation.model_copy(update={"revoked_at": fact.revoked_at}))
        case _:
            assert_never(fact)


DELEGATION: Noun[Lent] = Noun("delegation", Lent(), evolve)
