"""Random commands and clocks against a plain model: caps, one penalty an occurrence, quotas, and folds that never raise."""

import tempfile
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.attendance import GetDay, ListDays
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyReversed, WithdrawPenalty
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.temporary import HireTemp, TempHired
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.attendance.breach import CONDUCT
from services.attendance.day import DAY
from services.attendance.leave import LEAVE
from services.attendance.month import MONTH
from services.attendance.penalty import PENALTY
from services.attendance.temporary import TEMPORARY
from services.kernel.decision import Noun
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, MONDAY, Office, local, punch

PEOPLE = (ANN, BEN)
WAGE, DAY_WAGE, MINIMUM = Decimal("4350.00"), Decimal("200.00"), Decimal("4000.00")
FIFTH, FIFTIETH = Decimal("0.2"), Decimal("0.02")
TIGHT = LegalPolicy(
    version="law-tight",
    mode="cap",
    cap_per_occurrence=Ratio(numerator=1, denominator=5),
    monthly_cap=Ratio(numerator=1, denominator=50),
    minimum_wage=Money.model_validate({"amount": "4000.00"}),
)
"""So tight that two penalties reach the month's cap, and two absences the floor."""
CENT = Decimal("0.01")
NOUNS: dict[str, Noun[Any]] = {
    "day": DAY, "penalty": PENALTY, "temporary": TEMPORARY, "leave": LEAVE, "month": MONTH, "conduct": CONDUCT,
}  # fmt: skip
people = st.sampled_from(PEOPLE)
minutes = st.integers(-20, 90)


class OfficeMachine(RuleBasedStateMachine):
    """The office, driven at random; the model remembers what was answered and counts for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.open()

    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.office = Office(f"sqlite:///{self.directory.name}/store.sqlite", Path(self.directory.name)).set_up(
            policy=TIGHT
        )
        self.office.adopt(RULES)
        self.today = MONDAY
        self.days: list[tuple[str, date]] = []
        self.number = 0
        self.standing: dict[tuple[str, date, str], str] = {}
        self.taken: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
        self.confirmed: Counter[tuple[str, int]] = Counter()
        self.hired: list[tuple[date, date]] = []
        self.folded = 0

    def teardown(self) -> None:
        self.prefixes()
        self.office.judged_again()
        self.office.close()
        self.directory.cleanup()

    # -- what happens ----------------------------------------------------------------------------------------------------

    @initialize(data=st.data())
    def some_days_passed(self, data: st.DataObject) -> None:
        for number in range(8):
            late = data.draw(st.one_of(st.none(), st.integers(1, 45)))
            self.a_day_passes(PEOPLE[number % 2], late, data.draw(st.integers(-5, 40)), 1)

    @rule(who=people, late=st.one_of(st.none(), minutes), early=st.one_of(st.none(), minutes), skip=st.integers(1, 9))
    def a_day_passes(self, who: str, late: int | None, early: int | None, skip: int) -> None:
        self.today += timedelta(days=skip)
        arrival = None if late is None else f"{9 + late // 60:02d}:{late % 60:02d}"
        left = None if early is None else f"{17 - (early + 59) // 60:02d}:{-early % 60:02d}"
        self.office.came(arrival, left, day=self.today, who=who)
        self.days.append((who, self.today))

    @rule(
        data=st.data(), share=st.integers(0, 40), kind=st.sampled_from(("late", "early", "absent")), cut=st.booleans()
    )
    def somebody_is_penalised(self, data: st.DataObject, share: int, kind: str, cut: bool) -> None:
        if not self.days:
            return
        who, day = data.draw(st.sampled_from(self.days))
        derived = self.office.read(GetDay(staff_id=who, day=day))["derived"] or {"occurrences": []}
        kinds = [one["occurrence"] for one in derived["occurrences"]]
        kind = data.draw(st.sampled_from(kinds)) if kinds and share % 7 else kind
        self.number += 1
        penalty_id, month = f"p{self.number}", f"{day:%Y-%m}"
        answer = self.office.penalise(
            penalty_id, who=who, day=day, occurrence=kind, share=share * (5 if kind == "absent" else 1),
            beyond_authority="cut" if cut else "recommend",
        )  # fmt: skip
        (fact,) = [event for event in self.office.facts("penalty") if event.data.penalty_id == penalty_id]
        if not isinstance(fact.data, PenaltyDecided):
            return
        assert answer.outcome == "done"
        assert (who, day, kind) not in self.standing, "one occurrence was punished twice (T6)"
        computed = self.office.figures(fact).computed
        assert computed is not None
        penalty, before = computed.penalty.amount, sum(self.taken[who, month].values(), Decimal(0))
        unpaid = self._unpaid(who, month)
        due = WAGE - unpaid
        assert penalty <= (DAY_WAGE if kind == "absent" else (DAY_WAGE * FIFTH).quantize(CENT)), (
            "over the authority's cap"
        )
        assert penalty <= due * FIFTH, "over the legal cap of one occurrence"
        assert before + penalty <= due * FIFTIETH or penalty == 0, "over the monthly cap"
        assert due - before - penalty >= MINIMUM or penalty == 0, "below the minimum wage"
        self.standing[who, day, kind] = penalty_id
        self.taken[who, month][penalty_id] = penalty

    @rule(data=st.data())
    def a_month_is_worked_through(self, data: st.DataObject) -> None:
        for _ in range(4):
            self.somebody_is_penalised(data, data.draw(st.integers(1, 25)), "late", data.draw(st.booleans()))

    def _unpaid(self, who: str, month: str) -> Decimal:
        first = date.fromisoformat(f"{month}-01")
        rows = self.office.read(ListDays(first_on=first, last_on=first + timedelta(days=30), staff_id=who))["days"]
        of_month = [row for row in rows if row["day"].startswith(month)]
        parts = (
            DAY_WAGE * row["unpaid_seconds"] / row["scheduled_seconds"] for row in of_month if row["unpaid_seconds"]
        )
        return sum((part.quantize(CENT, "ROUND_HALF_UP") for part in parts), Decimal(0))

    @rule(data=st.data())
    def a_penalty_is_taken_back(self, data: st.DataObject) -> None:
        if not self.standing:
            return
        (who, day, kind), penalty_id = data.draw(st.sampled_from(sorted(self.standing.items())))
        request = WithdrawPenalty(penalty_id=penalty_id, cause="error", grounds="Sample.")
        assert self.office.ask(request).outcome == "done"
        assert isinstance(self.office.last("penalty_reversed").data, PenaltyReversed)
        del self.standing[who, day, kind]
        del self.taken[who, f"{day:%Y-%m}"][penalty_id]

    @rule(data=st.data(), direction=st.sampled_from(("in", "out")))
    def a_forgotten_punch_is_confirmed(self, data: st.DataObject, direction: str) -> None:
        if not self.days:
            return
        who, day = data.draw(st.sampled_from(self.days))
        self.number += 1
        if self.office.confirm(f"c{self.number}", who=who, day=day, direction=direction).outcome == "done":
            self.confirmed[who, day.year] += 1

    @rule(data=st.data(), late=minutes, direction=st.sampled_from(("in", "out")))
    def a_punch_comes_late(self, data: st.DataObject, late: int, direction: str) -> None:
        if not self.days:
            return
        who, day = data.draw(st.sampled_from(self.days))
        self.number += 1
        hour = 9 if direction == "in" else 16
        at = local(f"{hour + late // 60:02d}:{late % 60:02d}", day)
        self.office.punches(punch(f"x{self.number}", who, direction, at))

    @rule(first=st.integers(0, 6), length=st.integers(0, 4))
    def a_temp_is_taken_on(self, first: int, length: int) -> None:
        self.number += 1
        begins = MONDAY + timedelta(days=first)
        request = HireTemp(hire_id=f"h{self.number}", position="cleaner", first_on=begins,
                           last_on=begins + timedelta(days=length), why="leaves")  # fmt: skip
        if self.office.ask(request).outcome == "done":
            assert isinstance(self.office.last("temp_hired").data, TempHired)
            self.hired.append((request.first_on, request.last_on))

    @rule(hours=st.integers(0, 72))
    def time_passes(self, hours: int) -> None:
        self.office.now += timedelta(hours=hours)

    # -- what always holds -----------------------------------------------------------------------------------------------

    @invariant()
    def quotas_hold(self) -> None:
        assert all(times <= 3 for times in self.confirmed.values()), "more than three forgotten punches of a year (A10)"
        for day in (MONDAY + timedelta(days=offset) for offset in range(12)):
            assert sum(first <= day <= last for first, last in self.hired) <= 2, "more temps than approved (A3)"

    def prefixes(self) -> None:
        """Folding any prefix of any history never raises."""
        histories: defaultdict[str, list[Any]] = defaultdict(list)
        for event in self.office.facts():
            histories[event.subject].append(event)
        for subject, history in histories.items():
            noun = NOUNS.get(subject.split("-")[0])
            for length in range(len(history) + 1 if noun else 0):
                assert noun is not None
                noun.fold(history[:length])


TestOffice = OfficeMachine.TestCase
TestOffice.settings = settings(
    max_examples=8, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
pytestmark = pytest.mark.timeout(300)
