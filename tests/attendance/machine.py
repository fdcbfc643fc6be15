"""An office driven at random beside a plain model: its days, months, penalties, confirmations and posts."""

import tempfile
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bailiwick_contracts.attendance import GetDay, ListDays
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyReversed, WithdrawPenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.month import CloseMonth, ConfirmAttendance, SupplyAttendance
from bailiwick_contracts.notice import GivePenaltyNotice
from bailiwick_contracts.offsite import ConfirmOffsiteWork, ErrandEvidence
from bailiwick_contracts.temporary import HireTemp, TempHired
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.attendance.breach import CONDUCT
from services.attendance.day import DAY
from services.attendance.leave import LEAVE
from services.attendance.month import MONTH
from services.attendance.notice import NOTICES
from services.attendance.overtime import OVERTIME
from services.attendance.penalty import PENALTY
from services.attendance.temporary import TEMPORARY
from services.kernel.decision import Noun
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, HR, MONDAY, UNBLOCKED, Office, local, punch

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
POLICIES = (
    TIGHT,
    TIGHT.model_copy(update={"version": "law-notice", "prior_written_notice": True}),
    LegalPolicy(version="law-forbids", mode="forbid_fines"),
    LegalPolicy(version="law-no-work", mode="no_work_no_pay_only"),
)
WEEK = [date(2026, 5, 11) + timedelta(days=offset) for offset in range(5)]
"""Five working days in a row, for leave."""
NOUNS: dict[str, Noun[Any]] = {
    "day": DAY, "penalty": PENALTY, "temporary": TEMPORARY, "leave": LEAVE, "month": MONTH, "conduct": CONDUCT,
    "overtime": OVERTIME, "notices": NOTICES,
}  # fmt: skip
people = st.sampled_from(PEOPLE)
minutes = st.integers(-20, 90)


class DaysMachine(RuleBasedStateMachine):
    """The office, driven at random; the model remembers what was answered and counts for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.office = Office(f"sqlite:///{self.directory.name}/store.sqlite", Path(self.directory.name))

    def open(self, policy: LegalPolicy, *, blocked: bool) -> None:
        self.policy, self.blocked = policy, blocked
        self.office.set_up(policy=policy, matrix=manual_matrix() if blocked else UNBLOCKED)
        self.office.staff_the_company()
        self.office.adopt(RULES)
        self.today = MONDAY
        self.days: list[tuple[str, date]] = []
        self.number = 0
        self.standing: dict[tuple[str, date, str], str] = {}
        self.taken: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
        self.confirmed: Counter[tuple[str, int]] = Counter()
        self.hired: list[tuple[date, date]] = []
        self.noticed: defaultdict[tuple[str, date, str], int] = defaultdict(int)
        self.confirmed_months: set[str] = set()
        self.closed: set[str] = set()
        self.leaves: dict[str, tuple[str, str, int, str]] = {}
        self.overtime: list[tuple[str, Any, Any]] = []
        self.cases: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        if hasattr(self, "confirmed"):
            self.prefixes()
            self.office.judged_again()
        self.office.close()
        self.directory.cleanup()

    # -- what happens ----------------------------------------------------------------------------------------------------

    @initialize(data=st.data(), policy=st.sampled_from(POLICIES), blocked=st.booleans())
    def some_days_passed(self, data: st.DataObject, policy: LegalPolicy, blocked: bool) -> None:
        self.open(policy, blocked=blocked)
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
        penalty_id = f"p{self.number}"
        answer = self.office.penalise(
            penalty_id, who=who, day=day, occurrence=kind, share=share * (5 if kind == "absent" else 1),
            beyond_authority="cut" if cut else "recommend",
        )  # fmt: skip
        (fact,) = [
            event for event in self.office.facts("penalty") if getattr(event.data, "penalty_id", "") == penalty_id
        ]
        if not isinstance(fact.data, PenaltyDecided):
            return
        assert answer.outcome == "done"
        month = fact.data.asked.month
        assert month not in self.closed, "something was deducted in a month that is closed"
        assert (who, day, kind) not in self.standing, "one occurrence was punished twice (T6)"
        assert not self.blocked or f"{day:%Y-%m}" in self.confirmed_months, (
            "an unconfirmed month blocks deductions (A7)"
        )
        assert self.policy.mode != "forbid_fines", "a penalty where the law forbids fines (T12)"
        if self.policy.prior_written_notice:
            asked = share * (5 if kind == "absent" else 1)
            assert self.noticed[who, day, kind] >= asked > 0 or asked == 0, "no written notice stood before it (T12)"
        computed = self.office.figures(fact).computed
        assert computed is not None
        penalty, before = computed.penalty.amount, sum(self.taken[who, month].values(), Decimal(0))
        unpaid = self._unpaid(who, month)
        due = WAGE - unpaid
        self.standing[who, day, kind] = penalty_id
        self.taken[who, month][penalty_id] = penalty
        if self.policy.mode == "no_work_no_pay_only":
            assert penalty == 0, "more than unpaid time where the law knows no penalty (T12)"
            return
        assert penalty <= (DAY_WAGE if kind == "absent" else (DAY_WAGE * FIFTH).quantize(CENT)), (
            "over the authority's cap"
        )
        assert penalty <= due * FIFTH, "over the legal cap of one occurrence"
        assert before + penalty <= due * FIFTIETH or penalty == 0, "over the monthly cap"
        assert due - before - penalty >= MINIMUM or penalty == 0, "below the minimum wage"

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
        cause: Any = data.draw(st.sampled_from(("error", "appeal", "waiver", "day_changed")))
        evidence = ("memo-1",) if cause == "waiver" else ()
        request = WithdrawPenalty(penalty_id=penalty_id, cause=cause, evidence=evidence, grounds="Sample.")
        assert self.office.ask(request).outcome == "done"
        assert isinstance(self.office.last("penalty_reversed").data, PenaltyReversed)
        del self.standing[who, day, kind]
        for of_month in self.taken.values():
            of_month.pop(penalty_id, None)

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

    @rule(data=st.data(), share=st.integers(1, 40))
    def somebody_is_told_in_writing(self, data: st.DataObject, share: int) -> None:
        if not self.days:
            return
        who, day = data.draw(st.sampled_from(self.days))
        self.number += 1
        requested = Requested(share=Ratio(numerator=share, denominator=100))
        notice = GivePenaltyNotice(notice_id=f"n{self.number}", staff_id=who, day=day, occurrence="late",
                                   requested=requested, document="n-1", grounds="Sample.")  # fmt: skip
        if self.office.ask(notice).outcome == "done":
            self.noticed[who, day, "late"] = max(share, self.noticed[who, day, "late"])

    @rule(data=st.data(), direction=st.sampled_from(("in", "out", "both")))
    def work_outside_is_signed_for(self, data: st.DataObject, direction: Any) -> None:
        if not self.days:
            return
        who, day = data.draw(st.sampled_from(self.days))
        self.number += 1
        evidence = (ErrandEvidence(kind="work_order", reference="w-1"),)
        self.office.ask(ConfirmOffsiteWork(confirmation_id=f"f{self.number}", staff_id=who, day=day,
                                           direction=direction, evidence=evidence, grounds="Sample."))  # fmt: skip

    @rule(confirms=st.booleans(), closes=st.booleans())
    def a_month_ends(self, confirms: bool, closes: bool) -> None:
        month = f"{self.today:%Y-%m}"
        self.today = (self.today.replace(day=28) + timedelta(days=4)).replace(day=1)
        self.office.now = max(self.office.now, local("09:00", self.today))
        self.office.ask(SupplyAttendance(month=month), by=HR)
        sheet = self.office.facts("attendance_supplied")
        newest = max((event.data.sheet for event in sheet if event.data.month == month), default=1)
        if confirms and self.office.ask(ConfirmAttendance(month=month, sheet=newest)).outcome == "done":
            self.confirmed_months.add(month)
        if closes and self.office.ask(CloseMonth(month=month), by=HR).outcome == "done":
            assert month in self.confirmed_months, "a month was closed that nobody confirmed"
            self.closed.add(month)

    # -- what always holds -----------------------------------------------------------------------------------------------

    @invariant()
    def quotas_hold(self) -> None:
        if not hasattr(self, "confirmed"):
            return
        approved = Counter({who: Decimal(0) for who in PEOPLE})
        for who, status, _, part in self.leaves.values():
            if status == "approved":
                approved[who] += Decimal(1) if part == "whole" else Decimal("0.5")  # type: ignore[assignment]
        assert all(days <= 5 for days in approved.values()), "more annual leave than there is in a year"
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
