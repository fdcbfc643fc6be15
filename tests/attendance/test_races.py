"""Twenty callers at once on PostgreSQL, two instances of the service: the quota, the headcount and the monthly cap each hold."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.registry import AdoptLegalPolicy
from bailiwick_contracts.temporary import HireTemp

from services.attendance.app import SERVICE
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests.attendance.house import RULES
from tests.attendance.office import ANN, CAMERA, DIRECTOR, MONDAY, NORTH, Office

CALLERS = 20
DAYS = [MONDAY + timedelta(days=offset) for offset in range(CALLERS)]
pytestmark = pytest.mark.xdist_group("attendance-races")


class Two:
    """Two writers on one database, each with a connection and a memory of its own."""

    def __init__(self, office: Office, url: str) -> None:
        self.office = office
        store = Store(url, schema="attendance", views=[table for view in SERVICE.views for table in view.tables])
        self.store, self.second = store, Writer(SERVICE, store, office.keys, clock=lambda: office.now)

    def at_once(self, requests: list[Request]) -> Counter[str]:
        """Every request by a caller of its own, half of them at either instance; what they were answered."""
        commands = [self.office.sign(request, Actor(actor=DIRECTOR), NORTH) for request in requests]
        writers = (self.office.attendance, self.second)
        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(lambda item: writers[item[0] % 2].process([item[1]])[0], enumerate(commands)))
        assert all(isinstance(answer, Answer) for answer in answers), answers
        return Counter(answer.outcome for answer in answers)

    def close(self) -> None:
        self.second.close()
        self.store.close()


@pytest.fixture
def two(postgres_url: str, tmp_path: Path) -> Any:
    office = Office(postgres_url, tmp_path).set_up()
    office.adopt(RULES)
    made = Two(office, postgres_url)
    yield made
    made.close()
    office.close()


def test_three_forgotten_punches_of_a_year_are_confirmed_of_twenty_asked_for_at_once(two: Two) -> None:
    from bailiwick_contracts.attendance import ConfirmMissedPunch  # noqa: PLC0415

    for day in DAYS:
        two.office.came(None, day=day)
    asked: list[Request] = [
        ConfirmMissedPunch.model_validate(
            {"confirmation_id": f"c{number}", "staff_id": ANN, "day": day, "direction": "in",
             "evidence": (CAMERA.model_dump(),), "grounds": "Seen."}
        )
        for number, day in enumerate(DAYS)
    ]  # fmt: skip
    assert two.at_once(asked) == {"done": 3, "refused": 17}
    assert sorted(event.data.times_in_year for event in two.office.facts("missed_punch_confirmed")) == [1, 2, 3]
    two.office.judged_again()


def test_two_approved_posts_are_filled_of_twenty_asked_for_at_once(two: Two) -> None:
    asked: list[Request] = [
        HireTemp(hire_id=f"h{number}", position="cleaner", first_on=DAYS[0], last_on=DAYS[9], why="leaves")
        for number in range(CALLERS)
    ]
    assert two.at_once(asked) == {"done": 2, "refused": 18}
    two.office.judged_again()


def test_the_monthly_cap_holds_whatever_twenty_decide_at_once(two: Two) -> None:
    office = two.office
    tight = LegalPolicy(version="tight", mode="cap", monthly_cap=Ratio(numerator=1, denominator=29))
    office.register(AdoptLegalPolicy(policy=tight, lead_seconds=1))
    office.now += timedelta(minutes=1)
    for day in DAYS:
        office.came("09:10", day=day)
    requested = Requested(share=Ratio(numerator=1, denominator=5))
    asked: list[Request] = [
        DecidePenalty(
            penalty_id=f"p{number}", staff_id=ANN, day=day, occurrence="late", requested=requested, grounds="Late."
        )
        for number, day in enumerate(DAYS)
    ]
    assert two.at_once(asked) == {"done": 20}
    computed = [figures for event in office.facts("penalty_decided") if (figures := office.figures(event).computed)]
    total = sum(one.penalty.amount for one in computed)
    due = min(one.month_base_wage.amount - one.month_unpaid.amount for one in computed)
    assert total == (due / 29).quantize(total)  # the cap, to the cent, and nothing over it
    assert total * 29 <= due
    office.judged_again()
