"""A row that is not taken is told the rule and the way out, at every door in the same words."""

import re

import pytest
from bailiwick_contracts.attendance import RecordPunches
from bailiwick_contracts.message import Request
from bailiwick_contracts.meter import RecordReadings
from bailiwick_contracts.receipt import PostReceipts

from services.row_reasons import REASONS, told


@pytest.mark.parametrize("request_type", [RecordPunches, RecordReadings, PostReceipts])
def test_every_reason_that_a_row_is_turned_away_for_has_its_words(request_type: type[Request]) -> None:
    promised = re.findall("`([a-z_]+)`", (request_type.__doc__ or "").partition("`rejected`")[2])
    assert promised
    assert not set(promised) - REASONS.keys()


def test_a_row_is_told_the_id_it_gave_and_never_an_amount() -> None:
    assert told("unknown_staff", {"external_id": "0042"})["field"] == "external_id"
    assert told("unknown_staff", {"external_id": "0042"})["value"] == "0042"
    assert told("unknown_unit", {"unit_id": "a-1", "amount": "5.00"})["value"] == "a-1"
    assert "value" not in told("fee_beyond_amount", {"fee": "7.00", "amount": "5.00"})
    assert all(one.rule and one.remedy for one in REASONS.values())
