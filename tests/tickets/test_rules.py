"""What the office may and must do with a ticket: one person answers for it, some need more before they close, much reaches the manager."""

from datetime import date
from typing import Any

import pytest
from bailiwick_contracts.accountability import faults, intervals
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.escalation import EscalateTicket
from bailiwick_contracts.follow_up import RecordFollowUp
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    MergeTicket,
    VerifyTicket,
    WithdrawTicket,
)
from bailiwick_contracts.incident import FileIncidentReport, PostIncidentUpdate, ReportProgress
from bailiwick_contracts.letter import DraftLetter, IssueLetter, ReviewLetter
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import DelegateAuthority, RevokeDelegation
from bailiwick_contracts.sealed import open_field
from bailiwick_contracts.staff import EndEmployment
from bailiwick_contracts.ticket import ClassifyTicket, RegisterTicket
from bailiwick_contracts.ticket_query import (
    ExamineAccountability,
    GetFigures,
    ListLetters,
)
from bailiwick_contracts.ticket_work import AnswerSupport, CompleteWorkOrder, ForwardRenovation, IssueWorkOrder

from tests.tickets.examples import play
from tests.tickets.office import ANN, BEN, DIRECTOR, EVA, MANAGER, MONDAY, NORTH, PHOTO, Office, hiring, local


def done(office: Office, ticket_id: str = "t1") -> None:
    answer = office.ask(CompleteTicket(ticket_id=ticket_id, outcome="Dry."), by=office.ticket(ticket_id).accountable_id)
    assert answer.outcome == "done", answer


def visit(result: str | None, ticket_id: str = "t1", name: str = "after-1") -> RecordFollowUp:
    return RecordFollowUp.model_validate(
        {"ticket_id": ticket_id, "follow_up_id": name, "contact_made": result is not None, "result": result}
    )


def refusal(office: Office) -> tuple[str, tuple[str, ...]]:
    fact = office.last("ticket_change_refused").data
    return fact.reason, fact.missing


# -- who answers for it ----------------------------------------------------------------------------------------------


def test_one_person_is_accountable_at_every_moment_of_everything_that_can_happen(office: Office) -> None:
    play(office)
    ids = {event.data.ticket_id for event in office.facts("ticket_registered")}
    assert len(ids) >= 8
    for ticket_id in ids:
        history = office.history(ticket_id)
        found = intervals(history)
        assert faults(history, found) == []
        assert found[-1].staff_id == office.ticket(ticket_id).accountable_id


def test_an_examination_lists_the_intervals_and_finds_a_false_predecessor(office: Office) -> None:
    office.report()
    office.ask(AssignTicket(ticket_id="t1", assignee_id=BEN))
    shown = office.read(ExamineAccountability(ticket_id="t1"))
    assert [one["staff_id"] for one in shown["intervals"]] == [ANN, BEN]
    assert shown["intervals"][0]["until_number"] == shown["intervals"][1]["number"]
    history = office.history()
    forged = history[1].model_copy(update={"data": history[1].data.model_copy(update={"was_id": EVA})})
    assert faults([history[0], forged], intervals([history[0], forged])) != []


def test_somebody_unknown_is_never_made_accountable(office: Office) -> None:
    office.report()
    assert (office.ask(AssignTicket(ticket_id="t1", assignee_id="nobody")).error or {})["code"] == "unknown_staff"
    assert (office.report("t2", accountable_id="nobody").error or {})["code"] == "unknown_staff"


def test_what_a_resident_sends_in_himself_is_the_directors_until_somebody_else_is_named(office: Office) -> None:
    office.report(by="owner-7")
    assert office.ticket().accountable_id == DIRECTOR


def test_the_tickets_of_somebody_who_leaves_go_up_the_line_once_the_last_day_is_over(office: Office) -> None:
    office.report(kind="help_request")
    office.register_in_registry(EndEmployment(staff_id=ANN, last_on=MONDAY))
    office.wait_until(local("19:00"))
    assert office.ticket().accountable_id == ANN
    office.wait_until(local("21:00", date(2026, 3, 3)))
    assert office.ticket().accountable_id == DIRECTOR
    assert office.last("ticket_escalated").data.cause == "left"


def test_a_ticket_and_a_letter_of_another_property_do_not_exist_here(office: Office) -> None:
    office.report("t1")
    office.ask(DraftLetter(letter_id="l1", to_id="owner-7", about="water", body="Sample."))
    for request, code in (
        (AcceptTicket(ticket_id="t1"), "no_such_ticket"),
        (DraftLetter(letter_id="l1", to_id="owner-7", about="water", body="Other."), "no_such_letter"),
        (MergeTicket(ticket_id="t2", into_ticket_id="t1"), "no_such_ticket"),
    ):
        office.report("t2", at="london-court", by="mia-sample")
        assert (office.ask(request, at="london-court", by="mia-sample").error or {})["code"] == code
    assert (office.report("t1", at="london-court", by="mia-sample").error or {})["code"] == "no_such_ticket"


def test_on_somebody_s_behalf_acts_only_whom_that_person_lent_it_to_here_and_today(office: Office) -> None:
    """A delegation that nobody made, one of single rows, and one that is over lend nothing where no row rules."""
    day = date(2026, 3, 1)
    lend: dict[str, Any] = {
        "from_staff_id": ANN,
        "to_staff_id": BEN,
        "property_id": NORTH,
        "first_on": day,
        "last_on": day.replace(day=31),
    }
    office.register_in_registry(
        DelegateAuthority(delegation_id="rows", row_ids=("D1",), **lend),
        DelegateAuthority(delegation_id="over", **lend | {"last_on": day}),
        DelegateAuthority(delegation_id="other", **lend | {"to_staff_id": EVA}),
        DelegateAuthority(delegation_id="all", **lend),
        DelegateAuthority(delegation_id="revoked", **lend),
        RevokeDelegation(delegation_id="revoked", why="back early"),
    )
    office.report("t1")
    found = {}
    for name in ("nobody-made-it", "rows", "over", "other", "revoked", "all"):
        actor = Actor(actor=BEN, onbehalfof=ANN, delegation=name)
        (answer,) = office.tickets.process([office.sign(AcceptTicket(ticket_id="t1"), actor, NORTH)])
        found[name] = answer.outcome
    assert found == dict.fromkeys(("nobody-made-it", "rows", "over", "other", "revoked"), "refused") | {"all": "done"}


# -- what its kind demands -------------------------------------------------------------------------------------------


def test_an_incident_does_not_close_without_a_written_report(office: Office) -> None:
    office.report(kind="incident")
    done(office)
    assert office.ask(VerifyTicket(ticket_id="t1"), by=BEN).outcome == "refused"
    assert refusal(office) == ("closing_demands_unmet", ("written_report",))
    office.ask(FileIncidentReport(ticket_id="t1", report=PHOTO))
    assert office.ask(VerifyTicket(ticket_id="t1"), by=BEN).outcome == "done"
    assert office.ticket().status == "closed"


def test_an_incident_is_neither_withdrawn_nor_merged_away(office: Office) -> None:
    office.report(kind="incident")
    office.report("t2", kind="incident")
    assert office.ask(WithdrawTicket(ticket_id="t1", why="No."), by=DIRECTOR).outcome == "refused"
    assert office.ask(MergeTicket(ticket_id="t1", into_ticket_id="t2"), by=DIRECTOR).outcome == "refused"
    assert office.ticket().is_open


def test_open_work_orders_stand_against_a_completion_and_are_named(office: Office) -> None:
    office.report(kind="repair")
    order = IssueWorkOrder(ticket_id="t1", work_order_id="w1", to="contractor", to_id="c-7", task="Fix.")
    office.ask(order)
    office.ask(order.model_copy(update={"work_order_id": "w2", "to": "department", "to_id": "engineering"}))
    office.ask(CompleteWorkOrder(ticket_id="t1", work_order_id="w1", result="Fixed."))
    assert office.ask(CompleteTicket(ticket_id="t1", outcome="Dry.")).outcome == "refused"
    assert office.last("ticket_change_refused").data.work_orders == ("w2",)
    office.ask(CompleteWorkOrder(ticket_id="t1", work_order_id="w2", result="Fixed."))
    done(office)


def test_a_renovation_is_forwarded_by_the_director_and_approved_by_nobody_here(office: Office) -> None:
    office.report(kind="renovation")
    assert office.ask(CompleteTicket(ticket_id="t1", outcome="x")).outcome == "refused"
    assert refusal(office) == ("closing_demands_unmet", ("forwarded",))
    office.ask(ForwardRenovation(ticket_id="t1"), by=DIRECTOR)
    forwarded = office.last("renovation_forwarded").data
    assert (forwarded.to, forwarded.ruling.row_id, forwarded.ruling.reason) == (
        "engineering",
        "G7",
        "only_opens_a_request",
    )
    done(office)
    assert office.ticket().status == "closed"


def test_a_manager_of_the_whole_company_decides_about_the_tickets_of_each_of_its_properties(office: Office) -> None:
    above = "manager-above"
    office.register_in_registry(*hiring(above, "property_manager", place=COMPANY))
    office.report(severity="major")
    assert office.ask(ClassifyTicket(ticket_id="t1", severity="ordinary"), by=above).outcome == "done"


def test_nobody_verifies_what_he_completed_himself(office: Office) -> None:
    office.report()
    done(office)
    assert office.ask(VerifyTicket(ticket_id="t1"), by=ANN).outcome == "refused"
    assert refusal(office)[0] == "own_work"


def test_a_deputy_verifies_and_reviews_nothing_of_his_own_in_the_directors_name_and_the_director_nothing_of_his(
    office: Office,
) -> None:
    office.register_in_registry(
        DelegateAuthority(delegation_id="all", from_staff_id=DIRECTOR, to_staff_id=ANN, property_id=NORTH,
                          first_on=MONDAY, last_on=MONDAY)
    )  # fmt: skip

    def asked(request: Request, *, lent: bool) -> str:
        actor = Actor(actor=ANN, onbehalfof=DIRECTOR, delegation="all") if lent else Actor(actor=ANN)
        (answer,) = office.tickets.process([office.sign(request, actor, NORTH)])
        return str(answer.outcome)

    for name, lent in (("own", False), ("lent", True)):
        office.report(name, by=ANN)
        completed = CompleteTicket(ticket_id=name, outcome="Dry.")
        drafted = DraftLetter(letter_id=name, to_id="owner-7", about="water", body="Sample.")
        assert [asked(completed, lent=lent), asked(drafted, lent=lent)] == ["done", "done"]
        verified, reviewed = VerifyTicket(ticket_id=name), ReviewLetter(letter_id=name, releases=True)
        for request in (verified, reviewed):
            assert asked(request, lent=True) == "refused"
            assert office.ask(request, by=DIRECTOR).outcome == ("refused" if lent else "done")
    reasons = {event.data.reason for event in (*office.facts("change_refused"), *office.facts("letter_refused"))}
    assert reasons == {"own_work", "own_draft"}


# -- what reaches the manager ----------------------------------------------------------------------------------------


def told(office: Office) -> list[str]:
    return [e.data.about for e in office.facts("superior_notified") if MANAGER in e.data.staff_ids]


def test_an_unsatisfied_customer_reaches_the_manager_and_the_ticket_opens_again(office: Office) -> None:
    """T1, G5."""
    office.report()
    done(office)
    office.ask(VerifyTicket(ticket_id="t1"), by=BEN)
    assert office.ask(visit("unsatisfied")).outcome == "done"
    assert told(office) == ["unsatisfied"]
    assert (office.ticket().status, office.ticket().reopened) == ("reopened", 1)
    assert office.last("ticket_reopened").data.cause == "unsatisfied"


def test_each_update_of_an_incident_reaches_the_manager_and_a_missing_one_too(office: Office) -> None:
    office.report(kind="incident")
    office.ask(PostIncidentUpdate(ticket_id="t1", text="The lift is free."))
    office.wait_until(local("11:00:01"))
    assert told(office) == ["incident", "incident_update", "incident_update_missed"]
    assert office.ticket().update_due_at == local("12:00:01")


def test_progress_on_a_major_complaint_is_reported_or_found_missing(office: Office) -> None:
    office.report(severity="major")
    office.wait_until(local("12:00:00"))
    office.ask(ReportProgress(ticket_id="t1", text="Under way."), by=DIRECTOR)
    office.wait_until(local("14:00:00"))
    assert office.facts("progress_missed") == []
    office.wait_until(local("14:00:01"))
    assert len(office.facts("progress_missed")) == 1
    assert told(office)[-1] == "progress_missed"


def test_a_declined_support_request_is_seen_by_the_manager(office: Office) -> None:
    office.report(kind="support_request", department="engineering", by=DIRECTOR)
    assert office.last("ticket_registered").data.ruling.row_id == "P6"
    office.ask(AnswerSupport(ticket_id="t1", accepts=False, why="No hands."), by=EVA)
    assert (office.ticket().status, told(office)) == ("declined", ["support_declined"])


def test_who_accepts_a_support_request_answers_for_it(office: Office) -> None:
    office.report(kind="support_request", department="engineering", by=DIRECTOR)
    office.ask(AnswerSupport(ticket_id="t1", accepts=True), by=EVA)
    assert office.ticket().accountable_id == EVA
    done(office)
    assert office.ticket().status == "closed"


def test_nobody_answers_for_a_department_in_the_name_of_somebody_who_lent_it_to_nobody(office: Office) -> None:
    office.report(kind="support_request", department="engineering", by=DIRECTOR)
    answered = AnswerSupport(ticket_id="t1", accepts=True)
    (answer,) = office.tickets.process([office.sign(answered, Actor(actor=ANN, onbehalfof=EVA), NORTH)])
    assert (answer.outcome, refusal(office)[0]) == ("refused", "not_of_the_department")
    assert office.ticket().accountable_id == DIRECTOR


def test_a_work_order_from_feedback_is_told_to_the_manager(office: Office) -> None:
    """D5c."""
    office.report(kind="repair", feedback_of="survey-2026")
    order = IssueWorkOrder(ticket_id="t1", work_order_id="w1", to="department", to_id="engineering", task="Fix.")
    assert office.ask(order).outcome == "refused"
    assert office.ask(order, by=DIRECTOR).outcome == "done"
    assert (office.last("work_order_issued").data.ruling.row_id, told(office)) == ("D5c", ["feedback_work_order"])


# -- visits, letters, files ------------------------------------------------------------------------------------------


def test_a_visit_without_contact_may_be_tried_again_and_counts_once_it_has_a_result(office: Office) -> None:
    office.report(kind="repair")
    done(office)
    office.ask(visit(None))
    assert office.read(GetFigures(month="2026-03"))["figures"]["K10"]["numerator"] == 0
    office.ask(visit("satisfied"))
    assert office.ticket().visits["after-1"].attempts == 2
    assert office.read(GetFigures(month="2026-03"))["figures"]["K10"]["percent"] == "100.00"


def test_a_letter_goes_out_once_the_director_released_it_under_numbers_without_a_gap(office: Office) -> None:
    for name in ("l1", "l2"):
        office.ask(DraftLetter(letter_id=name, to_id="owner-7", about="water", body="Sample."))
        early = office.ask(IssueLetter(letter_id=name, means="post", document_sha256="c" * 64))
        assert early.outcome == "refused"
        assert office.ask(ReviewLetter(letter_id=name, releases=True), by=DIRECTOR).outcome == "done"
        office.ask(IssueLetter(letter_id=name, means="post", document_sha256="c" * 64))
    log = office.read(ListLetters(year=2026))["letters"]
    assert [(one["letter_id"], one["number"]) for one in log] == [("l1", 1), ("l2", 2)]
    assert [fact.data.reason for fact in office.facts("letter_refused")] == ["not_released", "not_released"]


def test_a_draft_that_was_sent_back_may_be_drafted_anew(office: Office) -> None:
    office.ask(DraftLetter(letter_id="l1", to_id="owner-7", about="water", body="Sample."))
    office.ask(ReviewLetter(letter_id="l1", releases=False, remark="Milder."), by=DIRECTOR)
    assert office.ask(DraftLetter(letter_id="l1", to_id="owner-7", about="water", body="Milder.")).outcome == "done"
    assert office.last("letter_drafted").data.revision == 2


def test_what_is_personal_is_sealed_under_the_residents_own_key(office: Office) -> None:
    office.ask(
        RegisterTicket(ticket_id="t1", kind="repair", resident_id="owner-7", contact="138 0000", description="Wet.")
    )
    event = office.last("ticket_registered")
    assert {event.data.contact.key, event.data.description.key} == {"person/owner-7"}
    assert open_field(event.data.contact, event_id=event.id, path="contact", keys=office.keys) == "138 0000"
    assert all(b"138 0000" not in fact.raw for fact in office.store.chain("north-court", 0, 10))


@pytest.mark.parametrize(
    "other",
    [
        {"description": "Gas."}, {"severity": "major"}, {"topic": "gas"}, {"contact": "139 0000"}, {"contact": None}, {"kind": "repair"},
        {"unit_id": "A-1301"}, {"reported_through": "app"}, {"accountable_id": BEN}, {"attachments": (PHOTO,)}, {"feedback_of": "visit-9"},
    ],
    ids=lambda other: f"{other}",
)  # fmt: skip
def test_another_content_under_a_taken_id_is_told_so_and_the_same_one_is_nothing_new(
    office: Office, other: dict[str, Any]
) -> None:
    said = {"kind": "help_request", "contact": "138 0000", "accountable_id": ANN}
    office.report(**said)
    # What became of the ticket since is no other content.
    office.ask(ClassifyTicket(ticket_id="t1", topic="plumbing"))
    office.ask(AssignTicket(ticket_id="t1", assignee_id=BEN), by=DIRECTOR)
    stored = len(office.facts())
    assert office.report(**said).outcome == "ignored"
    assert office.report(**said, by=BEN).outcome == "ignored"
    answer = office.report(**said | other)
    assert (answer.outcome, (answer.error or {}).get("code")) == ("rejected", "ticket_id_reused")
    assert {"field", "value", "rule", "remedy"} <= set(answer.error or {})
    assert len(office.facts()) == stored


@pytest.mark.parametrize(
    "other", [{"task": "Dry it."}, {"wanted_by": local("12:00")}], ids=lambda other: next(iter(other))
)
def test_another_task_under_the_id_of_a_work_order_is_told_so(office: Office, other: dict[str, Any]) -> None:
    office.report(kind="repair")
    order = IssueWorkOrder(ticket_id="t1", work_order_id="w1", to="department", to_id="engineering", task="Look.")
    assert office.ask(order).outcome == "done"
    office.ask(CompleteWorkOrder(ticket_id="t1", work_order_id="w1", result="Seen."))
    assert office.ask(order).outcome == "ignored"
    answer = office.ask(order.model_copy(update=other))
    assert (answer.outcome, (answer.error or {}).get("code")) == ("rejected", "work_order_id_reused")


def test_what_was_erased_since_is_no_other_content(office: Office) -> None:
    said = {"resident_id": "owner-7", "contact": "138 0000"}
    office.report(**said)
    office.keys.erase("person/owner-7")
    assert office.report(**said).outcome == "ignored"
    assert office.report(**said, severity="major").outcome == "rejected"


def test_an_escalated_ticket_is_the_superiors_and_the_assistant_can_no_longer_decide_on_it(office: Office) -> None:
    office.report(kind="repair")
    office.ask(EscalateTicket(ticket_id="t1", why="Beyond me."))
    assert office.ask(AcceptTicket(ticket_id="t1"), by=ANN).outcome == "refused"
    assert office.ask(AcceptTicket(ticket_id="t1"), by=DIRECTOR).outcome == "done"
