"""What may be decided about lent authority (D1)."""

from datetime import date
from typing import Any

import pytest
from bailiwick_contracts.authority import Delegation
from bailiwick_contracts.registry import AuthorityDelegated, DelegateAuthority, DelegationRevoked, RevokeDelegation
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.staff import PositionAssigned, StaffRegistered

from services.registry.delegation import DELEGATION, delegate, revoke
from services.registry.staff import STAFF, Staff
from tests.given import FIRST_AT, Given

given = Given(DELEGATION)


def registered(staff_id: str) -> StaffRegistered:
    return StaffRegistered(
        staff_id=staff_id, name=Personal.of(staff_id, "x"), home_property="north-court", hired_on=date(2024, 1, 1)
    )


DIRECTOR = Given(STAFF)(
    registered("director"),
    PositionAssigned(
        staff_id="director", property_id="north-court", position="office_director", effective_on=date(2024, 1, 1)
    ),
).state
ASSISTANT = Given(STAFF)(registered("assistant")).state
ASKED = DelegateAuthority(
    delegation_id="d1",
    from_staff_id="director",
    to_staff_id="assistant",
    property_id="north-court",
    row_ids=("A12",),
    first_on=date(2026, 3, 1),
    last_on=date(2026, 3, 7),
)
DELEGATED = AuthorityDelegated(delegation=Delegation.model_validate(ASKED.model_dump(exclude={"type"})))


def test_a_director_lends_authority_for_dates() -> None:
    given().when(lambda lent: delegate(ASKED, lent, DIRECTOR, ASSISTANT)).then(DELEGATED)
    given(DELEGATED).when(lambda lent: delegate(ASKED, lent, DIRECTOR, ASSISTANT)).then()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to_staff_id": "director"}, "same_id"),
        ({"last_on": date(2026, 2, 28)}, "dates_reversed"),
        ({"property_id": "south-court"}, "no_position"),
    ],
)
def test_nothing_is_lent_that_makes_no_sense(changes: dict[str, Any], code: str) -> None:
    asked = ASKED.model_copy(update=changes)
    given().when(lambda lent: delegate(asked, lent, DIRECTOR, ASSISTANT)).then_rejects(code)


def test_who_holds_no_position_has_nothing_to_lend() -> None:
    given().when(lambda lent: delegate(ASKED, lent, ASSISTANT, DIRECTOR)).then_rejects("no_position")


def test_nothing_is_lent_to_a_stranger() -> None:
    given().when(lambda lent: delegate(ASKED, lent, DIRECTOR, Staff())).then_rejects("unknown_staff")


def test_an_id_names_one_delegation() -> None:
    longer = ASKED.model_copy(update={"last_on": date(2026, 3, 31)})
    given(DELEGATED).when(lambda lent: delegate(longer, lent, DIRECTOR, ASSISTANT)).then_rejects("already_delegated")


def test_lent_authority_is_taken_back_once() -> None:
    asked = RevokeDelegation(delegation_id="d1", why="back at work")
    revoked = DelegationRevoked(delegation_id="d1", property_id="north-court", revoked_at=FIRST_AT, why="back at work")
    given(DELEGATED).when(lambda lent: revoke(asked, lent, now=FIRST_AT)).then(revoked)
    given(DELEGATED, revoked).when(lambda lent: revoke(asked, lent, now=FIRST_AT)).then()
    given().when(lambda lent: revoke(asked, lent, now=FIRST_AT)).then_rejects("unknown_delegation")
