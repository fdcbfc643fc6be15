"""Prior written notice (T12): where the law asks for it, a penalty needs one that covers what is asked."""

import pytest
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.notice import GivePenaltyNotice

from tests.attendance.office import ANN, BEN, DIRECTOR, MONDAY, Office

NOTIFIED = LegalPolicy(version="law-notice", mode="cap", prior_written_notice=True)


@pytest.fixture
def notified(bare_office: Office) -> Office:
    office = bare_office.set_up(policy=NOTIFIED)
    office.came("09:10")
    return office


def share(percent: int) -> Requested:
    return Requested(share=Ratio(numerator=percent, denominator=100))


def yuan(amount: str) -> Requested:
    return Requested(amount=Money.model_validate({"amount": amount}))


def give(office: Office, requested: Requested, notice_id: str = "n1", by: str = DIRECTOR, **changes: object) -> Answer:
    request = {"notice_id": notice_id, "staff_id": ANN, "day": MONDAY, "occurrence": "late", "document": "file 3",
               "requested": requested.model_dump(), "grounds": "Late on Monday."}  # fmt: skip
    return office.ask(GivePenaltyNotice.model_validate(request | changes), by=by)


def ask(office: Office, requested: Requested, penalty_id: str) -> str:
    request = DecidePenalty(
        penalty_id=penalty_id, staff_id=ANN, day=MONDAY, occurrence="late", requested=requested, grounds="Late."
    )
    return office.ask(request).outcome


def test_without_notice_nothing_is_deducted_and_with_it_the_penalty_names_it(notified: Office) -> None:
    assert ask(notified, share(10), "p1") == "refused"
    assert notified.last("penalty_refused").data.reason == "prior_written_notice_missing"
    assert give(notified, share(10)).outcome == "done"
    assert ask(notified, share(10), "p2") == "done"
    named = {item.name: item.facts for item in notified.last("penalty_decided").data.ruling.asked.inputs}
    assert named["notice"] == (notified.last("penalty_notice_given").id,)
    notified.judged_again()


@pytest.mark.parametrize(
    ("given", "asked", "outcome"),
    [(share(10), share(9), "done"), (share(10), share(10), "done"), (share(10), share(11), "refused"),
     (yuan("20.00"), yuan("19.99"), "done"), (yuan("20.00"), yuan("20.00"), "done"), (yuan("20.00"), yuan("20.01"), "refused"),
     (yuan("20.00"), share(1), "refused")],
)  # fmt: skip
def test_a_notice_covers_what_it_named_and_no_cent_more(
    notified: Office, given: Requested, asked: Requested, outcome: str
) -> None:
    give(notified, given)
    assert ask(notified, asked, "p1") == outcome
    notified.judged_again()


def test_notice_of_one_occurrence_is_notice_of_no_other(notified: Office) -> None:
    give(notified, share(20), occurrence="early")
    assert ask(notified, share(10), "p1") == "refused"


def test_notice_given_again_is_nothing_new_and_who_may_not_is_refused(notified: Office) -> None:
    assert [give(notified, share(5)).outcome, give(notified, share(5)).outcome] == ["done", "ignored"]
    assert give(notified, share(5), "n2", by=BEN).outcome == "refused"
    assert notified.last("penalty_notice_refused").data.reason == "not_the_holder"
    notified.judged_again()


def test_no_amount_of_a_notice_is_readable_without_the_payroll_key(notified: Office) -> None:
    give(notified, yuan("33.21"))
    assert b"33.21" not in b"".join(fact.raw for fact in notified.store.chain("north-court", 0, 1000))
