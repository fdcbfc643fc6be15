"""Terms of tickets as timers keep them: warned, breached from the second after, escalated, held, never moved by an escalation."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from bailiwick_contracts.deadline import shipped_policy
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy, GetDeadlinePolicy
from bailiwick_contracts.escalation import EscalateTicket
from bailiwick_contracts.handling import (
    AcceptTicket,
    CompleteTicket,
    HoldTicket,
    ReopenTicket,
    ResumeTicket,
    VerifyTicket,
)
from bailiwick_contracts.ticket import ClassifyTicket

from tests.tickets.office import ANN, BEN, DIRECTOR, LONDON, MANAGER, MONDAY, NORTH, SOUTH, Office, local

FRIDAY = date(2026, 3, 6)


def done(ticket_id: str = "t1") -> CompleteTicket:
    return CompleteTicket(ticket_id=ticket_id, outcome="Dry.")


def due(office: Office, clock: str = "resolution") -> object:
    return office.ticket().deadlines[clock].due_at


def test_a_response_a_second_before_on_and_a_second_after_its_due_instant(office: Office) -> None:
    for name in ("early", "on-time", "late"):
        office.report(name)
    office.wait_until(local("10:59:59"))
    office.ask(AcceptTicket(ticket_id="early"))
    office.wait_until(local("11:00:00"))
    office.ask(AcceptTicket(ticket_id="on-time"))
    assert office.wait_until(local("11:00:01")) == ["deadline_breached"]
    office.ask(AcceptTicket(ticket_id="late"))
    taken = {event.data.ticket_id: event.data.in_time for event in office.facts("ticket_accepted")}
    assert taken == {"early": True, "on-time": True, "late": False}
    assert office.last("deadline_breached").data.ticket_id == "late"


@pytest.mark.parametrize(("clock", "in_time"), [("17:59:59", True), ("18:00:00", True), ("18:00:01", False)])
def test_a_resolution_at_its_boundary(office: Office, clock: str, in_time: bool) -> None:
    office.report()
    office.ask(AcceptTicket(ticket_id="t1"))
    office.wait_until(local(clock))
    assert office.ask(done(), by=office.ticket().accountable_id).outcome == "done"
    assert office.last("ticket_completed").data.in_time is in_time


def test_the_breach_holds_policy_calendar_and_arithmetic(office: Office) -> None:
    office.report()
    office.wait_until(local("12:00"))
    breach = office.last("deadline_breached").data
    registered = office.facts("ticket_registered")[0].data
    assert breach.reckoning in registered.deadlines
    assert breach.reckoning.basis.policy_version == "terms-test"
    assert breach.reckoning.basis.calendar_fact is not None
    assert [(one.on, one.seconds) for one in breach.reckoning.days] == [(MONDAY, 3600)]


def test_a_timer_records_what_it_does_when_it_is_due_and_never_as_anybodys_activity(office: Office) -> None:
    office.report()
    acted = office.ticket().acted_at
    office.later(days=2)
    breach = office.facts("deadline_breached")[0]
    assert (breach.channel, breach.actor) == ("system", "system-tickets")
    assert breach.recordedat - breach.time == timedelta(0)
    assert office.ticket().acted_at == acted


def test_an_overdue_ticket_goes_from_assistant_to_director_to_manager_and_its_terms_stay(office: Office) -> None:
    office.report()
    office.ask(AcceptTicket(ticket_id="t1"))
    before = due(office)
    assert office.wait_until(local("18:00:01")) == ["deadline_warned", "deadline_breached", "ticket_escalated"]
    assert office.ticket().accountable_id == DIRECTOR
    office.wait_until(local("11:00:01", date(2026, 3, 3)))
    assert office.ticket().accountable_id == MANAGER
    assert due(office) == before
    assert office.later(days=30) == []


def test_an_escalation_by_ones_own_word_moves_no_term(office: Office) -> None:
    office.report()
    before = dict(office.ticket().deadlines)
    assert office.ask(EscalateTicket(ticket_id="t1", why="Beyond me.")).outcome == "done"
    assert (office.ticket().accountable_id, office.ticket().deadlines) == (DIRECTOR, before)
    office.ask(EscalateTicket(ticket_id="t1", why="Beyond me too."), by=DIRECTOR)
    assert (office.ticket().accountable_id, office.ticket().deadlines) == (MANAGER, before)
    top = office.ask(EscalateTicket(ticket_id="t1", why="Nobody left."), by=MANAGER)
    assert (top.error or {})["code"] == "nobody_above"


def test_what_is_on_hold_breaches_nothing_and_goes_on_where_it_stood(office: Office) -> None:
    office.report(kind="repair")
    office.ask(AcceptTicket(ticket_id="t1"))
    office.later(hours=2)
    office.ask(HoldTicket(ticket_id="t1", waits_for="a part"))
    assert office.later(days=7) == []
    office.ask(ResumeTicket(ticket_id="t1"))
    assert due(office) == local("18:00", date(2026, 3, 9))
    assert office.wait_until(local("18:00", date(2026, 3, 9))) == ["deadline_warned"]


def test_a_reopened_ticket_goes_on_with_what_was_left_of_its_term(office: Office) -> None:
    office.report()
    office.later(hours=2)
    office.ask(done())
    office.wait_until(local("10:00", date(2026, 3, 3)))
    office.ask(ReopenTicket(ticket_id="t1", why="Wet again."), by=BEN)
    assert due(office) == local("16:00", date(2026, 3, 3))


def test_a_term_lies_over_the_weekend(office: Office) -> None:
    office.wait_until(local("17:00", FRIDAY))
    office.report()
    assert due(office, "response") == local("18:00", FRIDAY)
    assert due(office) == local("16:00", date(2026, 3, 9))


def test_a_make_up_working_day_counts(office: Office) -> None:
    """9 May 2026 is a Saturday worked for the Labour Day holiday; the registry wrote the calendar out."""
    office.wait_until(local("17:00", date(2026, 5, 8)))
    office.report()
    assert due(office) == local("16:00", date(2026, 5, 9))


def test_a_holiday_does_not_count(office: Office) -> None:
    """Friday 1 May to Tuesday 5 May 2026 are free."""
    office.wait_until(local("17:00", date(2026, 4, 30)))
    office.report()
    assert due(office) == local("16:00", date(2026, 5, 6))


def test_a_term_in_a_zone_that_changes_its_clock_is_due_by_the_wall_clock(office: Office) -> None:
    """Friday 27 March 17:00 in London is UTC; Monday's 10:00 is an hour earlier in UTC."""
    office.wait_until(local("17:00", date(2026, 3, 27), ZoneInfo("Europe/London")))
    office.report(at=LONDON, by="mia-sample")
    registered = office.facts("ticket_registered", LONDON)[-1].data
    due_at = {one.clock: one.due_at for one in registered.deadlines}
    assert due_at["resolution"].isoformat() == "2026-03-30T15:00:00+00:00"


def test_a_term_that_was_up_and_is_not_under_another_kind_is_judged_once_more(office: Office) -> None:
    """A complaint of 8 h, overdue and with the manager, turns out to be a violation, which has 18 h from the same start."""
    office.report()
    office.wait_until(local("18:00", date(2026, 3, 3)))
    assert (office.ticket().accountable_id, office.ticket().overdue_steps) == (MANAGER, 2)
    office.ask(ClassifyTicket(ticket_id="t1", kind="violation"), by=DIRECTOR)
    assert due(office) == local("10:00", date(2026, 3, 4))
    assert office.wait_until(local("10:00:01", date(2026, 3, 4))) == ["deadline_warned", "deadline_breached"]
    assert office.last("deadline_breached").data.reckoning.due_at == due(office)


def test_a_breach_stands_where_the_other_kind_has_it_up_already(office: Office) -> None:
    office.report(kind="help_request")
    office.wait_until(local("18:30"))
    office.ask(ClassifyTicket(ticket_id="t1", kind="complaint"))
    assert office.wait_until(local("18:30", date(2026, 3, 4))) == ["ticket_escalated", "ticket_escalated"]


def test_a_class_that_turns_major_runs_the_shorter_terms_from_the_same_start(office: Office) -> None:
    office.report()
    office.later(hours=1)
    assert office.ask(ClassifyTicket(ticket_id="t1", severity="major")).outcome == "done"
    assert due(office) == local("14:00")
    assert office.ticket().accountable_id == DIRECTOR
    told = [event.data.position for event in office.facts("superior_notified")]
    assert told == ["office_director", "property_manager"]


def test_a_major_complaint_goes_straight_to_the_director_and_the_manager_is_told(office: Office) -> None:
    office.report(severity="major")
    assert office.ticket().accountable_id == DIRECTOR
    assert office.last("superior_notified").data.staff_ids == (MANAGER,)
    assert [event.data.cause for event in office.facts("ticket_escalated")] == ["class"]


def test_without_a_policy_no_term_runs_and_the_board_says_so(bare_office: Office) -> None:
    office = bare_office.set_up(policy=None)
    office.report()
    assert office.ticket().deadlines == {}
    assert office.later(days=30) == []
    assert office.read(GetDeadlinePolicy()) == {}


def test_a_new_policy_leaves_the_terms_of_older_tickets_alone(office: Office) -> None:
    office.report("old")
    adopted = AdoptDeadlinePolicy(policy=shipped_policy("terms-2"), for_property=NORTH, lead_seconds=1)
    assert office.ask(adopted, by=MANAGER).outcome == "done"
    office.later(minutes=1)
    office.report("new")
    assert office.ticket("old").deadlines["response"].basis.policy_version == "terms-test"
    assert office.ticket("new").deadlines["response"].basis.policy_version == "terms-2"
    assert office.read(GetDeadlinePolicy())["for_property"] == NORTH
    assert office.read(GetDeadlinePolicy(), SOUTH)["for_property"] == "company"


def test_a_policy_never_holds_before_its_lead_time(office: Office) -> None:
    early = AdoptDeadlinePolicy(
        policy=shipped_policy("terms-2"), for_property=NORTH, holds_from=local("08:00"), lead_seconds=60
    )
    office.ask(early, by=MANAGER)
    fact = office.last("deadline_policy_adopted").data
    assert (fact.holds_from, fact.asked_from) == (office.now + timedelta(seconds=60), local("08:00"))


def test_a_completed_and_verified_ticket_waits_for_nothing_but_its_visit(office: Office) -> None:
    office.report()
    office.ask(done())
    office.ask(VerifyTicket(ticket_id="t1"), by=BEN)
    assert office.later(days=30) == ["follow_up_missed"]
    assert office.ticket().accountable_id == ANN
