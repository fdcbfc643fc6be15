"""A person's day by itself: each decision in terms of facts alone."""

from datetime import UTC, datetime, timedelta

from bailiwick_contracts.attendance import (
    ConfirmMissedPunch,
    DayDerived,
    MissedPunchConfirmed,
    MissedPunchRefused,
    PunchRecorded,
    ShiftRostered,
)
from bailiwick_contracts.authority import Asked
from bailiwick_contracts.confirmation import ConfirmationCase
from bailiwick_contracts.lateness import DerivedDay
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import Fact
from bailiwick_contracts.quota import Counting

from services.attendance.confirmation import confirm
from services.attendance.day import DAY, Day, derive, is_due, refusal_of_row, roster
from tests.attendance.office import ANN, CAMERA, MONDAY, local, punch, shift
from tests.contracts.cases import asked
from tests.given import Given

given = Given(DAY)
EVENING, NOON = local("20:00"), local("12:00")
rostered = ShiftRostered(staff_id=ANN, day=MONDAY, roster_id="march", shifts=(shift(),))
came_late = PunchRecorded(staff_id=ANN, punch_id="p1", at=local("09:10"), direction="in")
left = PunchRecorded(staff_id=ANN, punch_id="p2", at=local("17:00"), direction="out")
request = ConfirmMissedPunch(
    confirmation_id="c1", staff_id=ANN, day=MONDAY, direction="in", evidence=(CAMERA,), grounds="Seen at the gate."
)


def derived(day: Day, now: datetime = EVENING) -> list[DayDerived]:
    return derive(day, staff_id=ANN, on=MONDAY, punches=day.punches, now=now)


def confirmed(day: Day, who: Asked | None = None, times: int = 0, **changes: object) -> list[Fact]:
    counted = tuple(Counting(day=MONDAY - timedelta(days=number + 1), fact_id=f"c{number}") for number in range(times))
    case = ConfirmationCase(
        asked=who or asked(subject_id=ANN),
        day=MONDAY,
        direction="in",
        derived=day.derived,
        day_fact_id=day.derived_fact,
        evidence=(CAMERA,),
        confirmed=counted,
        standing=day.standing("in", 0),
    )
    return confirm(request.model_copy(update=changes), day, case, manual_matrix(), now=EVENING)


def without_punch_in() -> tuple[Fact, ...]:
    (fact,) = derived(given(rostered, left).state)
    return (rostered, left, fact)


def test_a_shift_is_rostered_once() -> None:
    part = {"staff_id": ANN, "on": MONDAY, "roster_id": "march"}
    given().when(lambda day: roster(day, shifts=(shift(),), **part)).then(rostered)  # type: ignore[arg-type]
    given(rostered).when(lambda day: roster(day, shifts=(shift(),), **part)).then()  # type: ignore[arg-type]


def test_a_day_is_derived_from_its_roster_and_punches_by_name() -> None:
    fact = given(rostered, came_late, left).when(derived).then_one(DayDerived, revision=1, supersedes=None)
    assert fact.derived.basis == ("f1", "f2", "f3")
    assert fact.derived.seconds_of("late") == 600


def test_a_day_that_comes_to_the_same_is_not_derived_again() -> None:
    (fact,) = derived(given(rostered, came_late, left).state)
    given(rostered, came_late, left, fact).when(derived).then()


def test_a_new_derivation_supersedes_the_last() -> None:
    (fact,) = derived(given(rostered, came_late).state)
    given(rostered, came_late, fact, left).when(derived).then_one(DayDerived, revision=2, supersedes="f3")


def test_a_day_nobody_rostered_or_that_has_not_begun_comes_to_nothing() -> None:
    given(came_late).when(derived).then()
    given(rostered).when(lambda day: derived(day, NOON)).then()


def test_a_day_is_due_once_it_is_over() -> None:
    state = given(rostered).state
    assert (is_due(state, NOON), is_due(state, EVENING)) == (False, True)
    (fact,) = derived(state)
    assert not is_due(given(rostered, fact).state, EVENING)


def test_a_forgotten_punch_is_confirmed() -> None:
    fact = given(*without_punch_in()).when(confirmed).then_one(MissedPunchConfirmed, times_in_year=1, direction="in")
    assert fact.ruling.asked.inputs[0].facts == ("f3",)


def test_the_fourth_is_refused_and_the_refusal_keeps_its_evidence() -> None:
    fact = given(*without_punch_in()).when(lambda day: confirmed(day, times=3)).then_one(MissedPunchRefused)
    assert (fact.reason, fact.day_fact_id, fact.evidence) == ("quota_exceeded", "f3", (CAMERA,))


def test_the_same_confirmation_is_nothing_new_and_its_id_names_no_other_punch() -> None:
    (fact,) = confirmed(given(*without_punch_in()).state)
    history = given(*without_punch_in(), fact)
    history.when(confirmed).then()
    history.when(lambda day: confirmed(day, direction="out")).then_rejects("confirmation_id_reused")
    history.when(lambda day: confirmed(day, confirmation_id="c2")).then_one(
        MissedPunchRefused, reason="already_confirmed", standing="f4"
    )


def test_a_row_is_refused_for_one_reason() -> None:
    row = punch("p1", ANN, "in", local("09:10"))
    assert refusal_of_row(row, staff_id=ANN, erased=False, known=None, now=NOON) is None
    assert refusal_of_row(row, staff_id=None, erased=False, known=None, now=NOON) == "unknown_staff"
    assert refusal_of_row(row, staff_id=ANN, erased=True, known=None, now=NOON) == "person_erased"
    assert refusal_of_row(row, staff_id=ANN, erased=False, known="other", now=NOON) == "punch_id_reused"
    early = datetime(2026, 3, 2, 1, 4, 59, tzinfo=UTC)
    assert refusal_of_row(row, staff_id=ANN, erased=False, known=None, now=early) == "clock_in_future"
    assert refusal_of_row(row, staff_id=ANN, erased=False, known=None, now=early + timedelta(seconds=1)) is None


def test_what_is_stored_is_never_judged_again() -> None:
    """A fold takes any stored fact, whatever today's rules would say to it."""
    odd = DayDerived(staff_id=ANN, day=MONDAY, revision=7, derived=DerivedDay(status="absent", shifts=0))
    assert given(odd, left, left, odd).state.revision == 7
