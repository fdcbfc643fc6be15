"""What may be adopted, and from when it holds."""

import json
from datetime import timedelta

import pytest
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import LegalPolicy, in_force
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.registry import (
    AdoptAuthorityMatrix,
    AdoptLegalPolicy,
    AuthorityMatrixAdopted,
    DoorTrusted,
    LegalPolicyAdopted,
    PropertyAdded,
    TrustDoor,
)
from pydantic import ValidationError

from services.registry.adoption import ADOPTIONS, adopt_matrix, adopt_policy, trust_door
from tests.given import FIRST_AT, Given

given = Given(ADOPTIONS)
MATRIX = manual_matrix()
STRICTER = manual_matrix("strict-1", Readings(year_anchor="service"))
LEAD = timedelta(seconds=60)
ADOPTED = AuthorityMatrixAdopted(version="manual-2", holds_from=FIRST_AT + LEAD, lead_seconds=60, matrix=MATRIX)
POLICY = LegalPolicy(version="law-1", mode="cap", minimum_wage=Money.model_validate({"amount": "1800.00"}))
HONG_KONG = PropertyAdded(
    property_id="peak", name="Peak", language="en", currency="HKD", calendar="HK", time_zone="Asia/Hong_Kong"
)


def test_a_matrix_holds_once_its_lead_time_has_passed() -> None:
    given().when(lambda a: adopt_matrix(AdoptAuthorityMatrix(matrix=MATRIX), a, now=FIRST_AT)).then(ADOPTED)
    assert given(ADOPTED).state.matrix_at(FIRST_AT + LEAD - timedelta(microseconds=1)) is None
    assert given(ADOPTED).state.matrix_at(FIRST_AT + LEAD) == MATRIX


def test_a_date_in_the_past_changes_no_ruling_already_given() -> None:
    yesterday, later = FIRST_AT - timedelta(days=1), FIRST_AT + timedelta(hours=1)
    asked = AdoptAuthorityMatrix(matrix=STRICTER, holds_from=yesterday)
    history = given(ADOPTED)
    adopted = history.when(lambda a: adopt_matrix(asked, a, now=later)).then_one(
        AuthorityMatrixAdopted, version="strict-1", holds_from=later + LEAD, asked_from=yesterday
    )
    assert in_force([ADOPTED, adopted], later) == ADOPTED
    assert in_force([ADOPTED, adopted], later + LEAD) == adopted


def test_a_date_in_the_future_is_kept() -> None:
    next_year = FIRST_AT + timedelta(days=365)
    asked = AdoptAuthorityMatrix(matrix=STRICTER, holds_from=next_year)
    given().when(lambda a: adopt_matrix(asked, a, now=FIRST_AT)).then_one(AuthorityMatrixAdopted, holds_from=next_year)


def test_adopting_the_same_matrix_again_changes_nothing() -> None:
    again = AdoptAuthorityMatrix(matrix=MATRIX)
    given(ADOPTED).when(lambda a: adopt_matrix(again, a, now=FIRST_AT + LEAD)).then()


def test_a_company_may_go_back_to_an_earlier_version() -> None:
    stricter = ADOPTED.model_copy(update={"version": "strict-1", "matrix": STRICTER})
    back = AdoptAuthorityMatrix(matrix=MATRIX)
    given(ADOPTED, stricter).when(lambda a: adopt_matrix(back, a, now=FIRST_AT)).then(ADOPTED)


def test_a_version_names_one_content_for_ever() -> None:
    changed = AdoptAuthorityMatrix(matrix=STRICTER.model_copy(update={"version": "manual-2"}))
    given(ADOPTED).when(lambda a: adopt_matrix(changed, a, now=FIRST_AT)).then_rejects("version_taken")


def test_an_adoption_without_lead_time_is_an_error() -> None:
    with pytest.raises(ValidationError, match="lead_seconds"):
        AdoptAuthorityMatrix(matrix=MATRIX, lead_seconds=0)


@pytest.mark.parametrize("bound", [{"uper": {"value": {"numerator": 1}}}, {"upper": {"value": {"numerator": 0.5}}}])
def test_a_mistyped_limit_is_an_error_and_never_a_default(bound: dict[str, object]) -> None:
    matrix = json.loads(MATRIX.model_dump_json())
    matrix["rows"][3]["limits"] = [{"measure": "days"} | bound]
    with pytest.raises(ValidationError, match=r"rows\.3\.limits\.0\.upe?"):
        AdoptAuthorityMatrix.parse(json.dumps({"matrix": matrix}).encode())


def test_a_legal_policy_holds_for_the_company_or_one_property() -> None:
    company = LegalPolicyAdopted(
        version="law-1", for_property="company", holds_from=FIRST_AT + LEAD, lead_seconds=60, policy=POLICY
    )
    given().when(lambda a: adopt_policy(AdoptLegalPolicy(policy=POLICY), a, None, now=FIRST_AT)).then(company)
    given(company).when(lambda a: adopt_policy(AdoptLegalPolicy(policy=POLICY), a, None, now=FIRST_AT)).then()
    no_floor = POLICY.model_copy(update={"version": "law-2", "minimum_wage": None})
    of_peak = AdoptLegalPolicy(policy=no_floor, for_property="peak")
    given(company).when(lambda a: adopt_policy(of_peak, a, HONG_KONG, now=FIRST_AT)).then_one(
        LegalPolicyAdopted, for_property="peak"
    )


def test_a_minimum_wage_stands_in_the_propertys_currency() -> None:
    asked = AdoptLegalPolicy(policy=POLICY, for_property="peak")
    given().when(lambda a: adopt_policy(asked, a, HONG_KONG, now=FIRST_AT)).then_rejects("currency_differs")


def test_a_policy_version_names_one_content_for_ever() -> None:
    adopted = LegalPolicyAdopted(
        version="law-1", for_property="company", holds_from=FIRST_AT, lead_seconds=60, policy=POLICY
    )
    other = AdoptLegalPolicy(policy=POLICY.model_copy(update={"mode": "forbid_fines"}))
    given(adopted).when(lambda a: adopt_policy(other, a, None, now=FIRST_AT)).then_rejects("version_taken")


def test_a_door_is_trusted_by_its_key_and_a_new_key_replaces_it() -> None:
    first, second = "A" * 43 + "=", "B" * 43 + "="
    trusted = DoorTrusted(door="gate", public_key=first)
    given().when(lambda a: trust_door(TrustDoor(door="gate", public_key=first), a)).then(trusted)
    given(trusted).when(lambda a: trust_door(TrustDoor(door="gate", public_key=first), a)).then()
    given(trusted).when(lambda a: trust_door(TrustDoor(door="gate", public_key=second), a)).then(
        DoorTrusted(door="gate", public_key=second)
    )
