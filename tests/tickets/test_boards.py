"""What is shown of tickets: the board, lists, histories, and the figures of a month."""

from datetime import date

from bailiwick_contracts.handling import (
    AcceptTicket,
    VerifyTicket,
)
from bailiwick_contracts.ticket_query import (
    AnalyseFollowUps,
    CountTopics,
    GetBoard,
    GetFigures,
    GetTicket,
    GetTicketHistory,
    ListTickets,
)

from tests.tickets.office import BEN, MONDAY, Office, local
from tests.tickets.test_rules import done, visit


def test_the_board_shows_what_is_overdue_or_due_today_and_why(office: Office) -> None:
    office.report("overdue", kind="repair")
    office.wait_until(local("12:00"))
    office.report("today", kind="help_request")
    office.ask(AcceptTicket(ticket_id="today"))
    office.report("later", kind="violation")
    shown = {one["ticket_id"]: (one["urgency"], one["reason"]) for one in office.read(GetBoard())["tickets"]}
    assert shown == {
        "overdue": ("overdue", "response"),
        "today": ("due", "resolution"),
        "later": ("later", "resolution"),
    }
    due = office.read(GetBoard(only="due"))
    assert [one["ticket_id"] for one in due["tickets"]] == ["overdue", "today"]
    assert due["tickets"][0]["late_seconds"] == 3600
    assert (due["as_of"]["zone"], due["as_of"]["number"]) == ("Asia/Shanghai", len(office.facts()))


def test_a_board_is_shown_as_it_stood_at_an_instant_and_at_a_number(office: Office) -> None:
    office.report("t1", kind="repair")
    then, number = office.now, len(office.facts())
    office.later(hours=1)
    done(office)
    office.ask(VerifyTicket(ticket_id="t1"), by=BEN)
    assert [one["status"] for one in office.read(GetBoard(as_of=then))["tickets"]] == ["registered"]
    assert [one["status"] for one in office.read(GetBoard(as_of_number=number))["tickets"]] == ["registered"]
    assert [one["reason"] for one in office.read(GetBoard())["tickets"]] == ["visit"]
    assert office.read(GetTicket(ticket_id="t1", as_of=then))["ticket"]["status"] == "registered"


def test_lists_come_in_pages_and_by_what_is_asked(office: Office) -> None:
    for number in range(5):
        office.report(f"t{number}", kind="repair" if number % 2 else "complaint", topic="lift" if number else "water")
    first = office.read(ListTickets(limit=2))
    rest = office.read(ListTickets(limit=200, after=first["next"]))
    assert [one["ticket_id"] for one in first["tickets"] + rest["tickets"]] == [f"t{number}" for number in range(5)]
    assert "next" not in rest
    assert len(office.read(ListTickets(kind="repair"))["tickets"]) == 2
    assert len(office.read(ListTickets(topic="water", first_on=MONDAY, last_on=MONDAY))["tickets"]) == 1
    assert office.read(ListTickets(first_on=date(2026, 3, 3)))["tickets"] == []


def test_people_rules_and_timers_stand_apart_in_a_history(office: Office) -> None:
    office.report(severity="major")
    office.later(days=1)
    facts = office.read(GetTicketHistory(ticket_id="t1"))["facts"]
    by = {
        kind: [one["type"].split(".")[1] for one in facts if one["by"] == kind]
        for kind in ("people", "rules", "machine")
    }
    assert by["people"] == ["ticket_registered"]
    assert by["rules"] == ["ticket_escalated", "superior_notified", "superior_notified"]
    assert by["machine"][0] == "deadline_warned"
    only = office.read(GetTicketHistory(ticket_id="t1", by="machine"))["facts"]
    assert {one["by"] for one in only} == {"machine"}


def test_the_months_figures_by_hand(office: Office) -> None:
    """K4, K6, K8, K9, K10 of a month small enough to count on one's fingers."""
    for name in ("r1", "r2"):
        office.report(name, kind="repair")
    office.ask(AcceptTicket(ticket_id="r1"))
    office.report("c1")
    office.report("h1", kind="help_request")
    office.report("v1", kind="violation")
    for name in ("r1", "c1", "h1", "v1"):
        done(office, name)
        office.ask(VerifyTicket(ticket_id=name), by=BEN)
    office.ask(visit("satisfied", "c1"))
    office.ask(visit("unsatisfied", "h1"))
    office.later(days=20)
    shown = office.read(GetFigures(month="2026-03"))["figures"]
    parts = {name: (one["numerator"], one["denominator"]) for name, one in shown.items()}
    assert parts == {
        "K4": (1, 2), "K6a": (1, 1), "K6b": (1, 1), "K8a": (1, 2), "K8b": (1, 1), "K9a": (1, 1), "K9b": (0, 1), "K10": (2, 3),
    }  # fmt: skip
    assert office.read(GetFigures(month="2026-05"))["figures"]["K10"]["percent"] is None


def test_the_analysis_of_visits_stands_beside_the_month_before(office: Office) -> None:
    office.report("t1", topic="water")
    done(office)
    office.ask(visit("unsatisfied"))
    office.wait_until(local("10:00", date(2026, 4, 1)))
    office.report("t2", topic="water")
    done(office, "t2")
    office.ask(visit("satisfied", "t2"))
    (row,) = office.read(AnalyseFollowUps(month="2026-04"))["rows"]
    assert (row["satisfied_percent"], row["satisfied_percent_before"], row["change"]) == ("100.00", "0.00", "100.00")
    assert office.read(CountTopics(first_on=MONDAY, last_on=MONDAY))["rows"] == [
        {"topic": "water", "kind": "complaint", "registered": 1, "open": 1}
    ]
