"""Every command of tickets answers four tests: done, turned down, ignored when repeated, and one winner of a race."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pytest
from bailiwick_contracts.deadline import shipped_policy
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.escalation import EscalateTicket
from bailiwick_contracts.follow_up import ArrangeFollowUp, RecordFollowUp
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    HoldTicket,
    MergeTicket,
    ReopenTicket,
    ResumeTicket,
    VerifyTicket,
    WithdrawTicket,
)
from bailiwick_contracts.incident import FileIncidentReport, PostIncidentUpdate, ReportProgress
from bailiwick_contracts.letter import DraftLetter, IssueLetter, ReviewLetter
from bailiwick_contracts.message import Request
from bailiwick_contracts.ticket import AttachFile, ClassifyTicket, RegisterTicket
from bailiwick_contracts.ticket_work import (
    AnswerSupport,
    CancelWorkOrder,
    CompleteWorkOrder,
    ForwardRenovation,
    IssueWorkOrder,
)

from services.tickets.app import COMMANDS
from tests.tickets.examples import IMPORT
from tests.tickets.office import ANN, BEN, DIRECTOR, EVA, MANAGER, NORTH, PHOTO, Office, local

Step = tuple[Request, str]


def said(ticket_id: str = "t1", kind: str = "complaint", **more: object) -> RegisterTicket:
    return RegisterTicket.model_validate({"ticket_id": ticket_id, "kind": kind, "description": "Sample.", **more})


@dataclass(frozen=True)
class Case:
    """One command: what went before, who may, how somebody is turned down, and what runs against it at the same moment."""

    request: Request
    by: str
    before: Sequence[Step] = ()
    turned_down: Step | None = None
    reason: str = ""
    """The code of the refusal, or of the rejection."""
    rival: Step | None = None
    """Asked for at the same moment, after it: the two cannot both stand. Without one, somebody else asks for the same."""
    rival_outcome: str = "ignored"
    repeats: str = "ignored"
    """What the same request comes to under another command id; `done` where each one is an act of its own."""

    def __str__(self) -> str:
        return type(self.request).__name__


COMPLAINT: Step = (said(), ANN)
COMPLETED: Sequence[Step] = (COMPLAINT, (CompleteTicket(ticket_id="t1", outcome="Dry."), ANN))
CLOSED: Sequence[Step] = (*COMPLETED, (VerifyTicket(ticket_id="t1"), BEN))
ORDER = IssueWorkOrder(ticket_id="t1", work_order_id="w1", to="department", to_id="engineering", task="Look.")
REPAIR: Step = (said(kind="repair"), ANN)
DISPATCHED: Sequence[Step] = (REPAIR, (ORDER, ANN))
INCIDENT: Step = (said(kind="incident"), ANN)
SUPPORT: Step = (said(kind="support_request", department="engineering"), DIRECTOR)
DRAFT = DraftLetter(letter_id="l1", to_id="owner-7", about="water", body="Sample.")
DRAFTED: Step = (DRAFT, ANN)
RELEASED: Sequence[Step] = (DRAFTED, (ReviewLetter(letter_id="l1", releases=True), DIRECTOR))
POLICY = AdoptDeadlinePolicy(policy=shipped_policy("terms-new"), for_property=NORTH, lead_seconds=1)
VISIT = RecordFollowUp(ticket_id="t1", follow_up_id="after-1", contact_made=True, result="satisfied")
CASES = [
    Case(said(), ANN, turned_down=(said(kind="support_request", department="engineering"), BEN), reason="not_the_holder",
         rival=(said(kind="repair"), BEN), rival_outcome="ticket_id_reused"),
    Case(ClassifyTicket(ticket_id="t1", severity="ordinary"), DIRECTOR, [(said(severity="major"), ANN)],
         (ClassifyTicket(ticket_id="t1", severity="ordinary"), ANN), "not_the_holder"),
    Case(AttachFile(ticket_id="t1", attachment=PHOTO), ANN, [COMPLAINT],
         (AttachFile(ticket_id="t9", attachment=PHOTO), ANN), "no_such_ticket"),
    Case(AssignTicket(ticket_id="t1", assignee_id=BEN), ANN, [COMPLAINT],
         (AssignTicket(ticket_id="t1", assignee_id=BEN), EVA), "not_the_holder"),
    Case(AcceptTicket(ticket_id="t1"), ANN, [COMPLAINT], (AcceptTicket(ticket_id="t1"), BEN), "not_accountable"),
    Case(HoldTicket(ticket_id="t1", waits_for="a part"), ANN, [COMPLAINT],
         (HoldTicket(ticket_id="t1", waits_for="a part"), EVA), "not_accountable"),
    Case(ResumeTicket(ticket_id="t1"), ANN, [COMPLAINT, (HoldTicket(ticket_id="t1", waits_for="a part"), ANN)],
         (ResumeTicket(ticket_id="t1"), EVA), "not_accountable"),
    Case(CompleteTicket(ticket_id="t1", outcome="Dry."), ANN, [COMPLAINT],
         (CompleteTicket(ticket_id="t1", outcome="Dry."), EVA), "not_accountable",
         rival=(HoldTicket(ticket_id="t1", waits_for="a part"), ANN), rival_outcome="wrong_status"),
    Case(VerifyTicket(ticket_id="t1"), BEN, COMPLETED, (VerifyTicket(ticket_id="t1"), ANN), "own_work",
         rival=(VerifyTicket(ticket_id="t1", passed=False), DIRECTOR), rival_outcome="wrong_status"),
    Case(ReopenTicket(ticket_id="t1", why="Wet."), BEN, CLOSED, (ReopenTicket(ticket_id="t9", why="Wet."), BEN),
         "no_such_ticket"),
    Case(WithdrawTicket(ticket_id="t1", why="Sample."), ANN, [COMPLAINT], (WithdrawTicket(ticket_id="t1", why="Sample."), EVA),
         "not_the_holder", rival=(AcceptTicket(ticket_id="t1"), ANN), rival_outcome="wrong_status"),
    Case(MergeTicket(ticket_id="t1", into_ticket_id="t2"), ANN, [COMPLAINT, (said("t2"), BEN)],
         (MergeTicket(ticket_id="t1", into_ticket_id="t2"), EVA), "not_the_holder",
         rival=(MergeTicket(ticket_id="t2", into_ticket_id="t1"), BEN), rival_outcome="wrong_survivor"),
    Case(EscalateTicket(ticket_id="t1", why="Beyond me."), ANN, [COMPLAINT], (EscalateTicket(ticket_id="t1", why="No."), BEN),
         "not_accountable", rival=(EscalateTicket(ticket_id="t1", why="Mine too."), ANN), rival_outcome="not_accountable",
         repeats="not_accountable"),
    Case(ORDER, DIRECTOR, [COMPLAINT], (ORDER, ANN), "not_the_holder",
         rival=(ORDER.model_copy(update={"to_id": "cleaning"}), DIRECTOR), rival_outcome="work_order_id_reused"),
    Case(CompleteWorkOrder(ticket_id="t1", work_order_id="w1", result="Done."), EVA, DISPATCHED,
         (CompleteWorkOrder(ticket_id="t1", work_order_id="w9", result="Done."), EVA), "no_such_work_order",
         rival=(CancelWorkOrder(ticket_id="t1", work_order_id="w1", why="late"), ANN), rival_outcome="work_order_over"),
    Case(CancelWorkOrder(ticket_id="t1", work_order_id="w1", why="late"), ANN, DISPATCHED,
         (CancelWorkOrder(ticket_id="t1", work_order_id="w9", why="late"), ANN), "no_such_work_order",
         rival=(CompleteWorkOrder(ticket_id="t1", work_order_id="w1", result="Done."), EVA), rival_outcome="work_order_over"),
    Case(ForwardRenovation(ticket_id="t1"), DIRECTOR, [(said(kind="renovation"), ANN)],
         (ForwardRenovation(ticket_id="t1"), ANN), "not_the_holder"),
    Case(AnswerSupport(ticket_id="t1", accepts=True), EVA, [SUPPORT], (AnswerSupport(ticket_id="t1", accepts=True), ANN),
         "not_of_the_department", rival=(AnswerSupport(ticket_id="t1", accepts=False), EVA), rival_outcome="wrong_status"),
    Case(PostIncidentUpdate(ticket_id="t1", text="Free."), ANN, [INCIDENT],
         (PostIncidentUpdate(ticket_id="t9", text="Free."), ANN), "no_such_ticket", repeats="done", rival_outcome="done"),
    Case(FileIncidentReport(ticket_id="t1", report=PHOTO), ANN, [INCIDENT],
         (FileIncidentReport(ticket_id="t9", report=PHOTO), ANN), "no_such_ticket"),
    Case(ReportProgress(ticket_id="t1", text="Under way."), ANN, [COMPLAINT],
         (ReportProgress(ticket_id="t9", text="Under way."), ANN), "no_such_ticket", repeats="done", rival_outcome="done"),
    Case(ArrangeFollowUp(ticket_id="t1", follow_up_id="v2", due_at=local("10:00", date(2026, 3, 9))), DIRECTOR, COMPLETED,
         (ArrangeFollowUp(ticket_id="t1", follow_up_id="v2", due_at=local("10:00", date(2026, 3, 9))), ANN), "not_the_holder"),
    Case(VISIT, ANN, COMPLETED, (VISIT.model_copy(update={"follow_up_id": "v9"}), ANN), "no_such_follow_up",
         rival=(VISIT.model_copy(update={"result": "unsatisfied"}), BEN), rival_outcome="made_already"),
    Case(DRAFT, ANN, [], (DRAFT, BEN), "wrong_status", rival=(DRAFT.model_copy(update={"about": "noise"}), BEN),
         rival_outcome="wrong_status"),
    Case(ReviewLetter(letter_id="l1", releases=True), DIRECTOR, [DRAFTED], (ReviewLetter(letter_id="l1", releases=True), ANN),
         "own_draft", rival=(ReviewLetter(letter_id="l1", releases=False), MANAGER), rival_outcome="wrong_status"),
    Case(IssueLetter(letter_id="l1", means="post", document_sha256="c" * 64), ANN, RELEASED,
         (IssueLetter(letter_id="l9", means="post", document_sha256="c" * 64), ANN), "wrong_status"),
    Case(POLICY, MANAGER, [], (POLICY, ANN), "not_the_holder",
         rival=(POLICY.model_copy(update={"policy": shipped_policy("terms-new").model_copy(update={"make_up_weekday": 2})}),
                MANAGER), rival_outcome="version_taken"),
]  # fmt: skip


def prepared(office: Office, case: Case) -> None:
    for request, by in case.before:
        answer = office.ask(request, by=by)
        assert answer.outcome == "done", answer


def code_of(answer: object) -> str:
    error = getattr(answer, "error", None)
    if error is not None:
        return str(error["code"])
    facts = [fact for fact in answer.facts if fact.type.split(".")[1].endswith("_refused")]  # type: ignore[attr-defined]
    return str((facts[0].data or {})["reason"]) if facts else str(answer.outcome)  # type: ignore[attr-defined]


def test_every_command_stands_here() -> None:
    assert {type(case.request) for case in CASES} | {type(IMPORT)} == set(COMMANDS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_done(office: Office, case: Case) -> None:
    prepared(office, case)
    answer = office.ask(case.request, by=case.by)
    assert (answer.outcome, answer.error) == ("done", None)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_turned_down_with_a_reason_and_a_refusal_is_kept(office: Office, case: Case) -> None:
    prepared(office, case)
    assert case.turned_down is not None
    request, by = case.turned_down
    if type(case.request) is DraftLetter:
        office.ask(case.request, by=case.by)
    before = len(office.facts())
    answer = office.ask(request, by=by)
    assert answer.outcome in ("refused", "rejected")
    assert code_of(answer) == case.reason
    assert len(office.facts()) - before == (answer.outcome == "refused")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_command_again_answers_the_same_and_the_same_request_again_changes_nothing(
    office: Office, case: Case
) -> None:
    prepared(office, case)
    first = office.ask(case.request, by=case.by, command_id="c1")
    stored = len(office.facts())
    assert office.ask(case.request, by=case.by, command_id="c1").outcome == first.outcome
    assert len(office.facts()) == stored
    again = office.ask(case.request, by=case.by)
    if type(case.request) is DraftLetter:
        assert code_of(again) == "wrong_status"
    else:
        assert code_of(again) == case.repeats
    if case.repeats != "done":
        assert [one for one in office.facts()[stored:] if not one.type.endswith("_refused.v1")] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_of_two_at_the_same_moment_one_wins(office: Office, case: Case) -> None:
    prepared(office, case)
    request, by = case.rival or (case.request, case.by)
    works = [office.sign(one, Actor(actor=who), NORTH) for one, who in ((case.request, case.by), (request, by))]
    first, second = office.tickets.process(works)
    assert first.outcome == "done"
    assert code_of(second) == case.rival_outcome


def test_another_systems_tickets_are_taken_over_once_and_never_by_hand(office: Office) -> None:
    assert code_of(office.ask(IMPORT)) == "import_only"
    first = office.ask(IMPORT, by="system-import", channel="import")
    assert [row.outcome for row in first.rows] == ["done"]
    again = office.ask(IMPORT, by="system-import", channel="import")
    assert (again.outcome, [row.outcome for row in again.rows]) == ("ignored", ["ignored"])


def test_of_two_imports_of_one_log_at_the_same_moment_the_second_finds_it_taken_over(office: Office) -> None:
    importer = Actor(actor="system-import", channel="import")
    first, second = office.tickets.process([office.sign(IMPORT, importer, NORTH) for _ in range(2)])
    assert ([row.outcome for row in first.rows], [row.outcome for row in second.rows]) == (["done"], ["ignored"])
    (case,) = IMPORT.cases
    assert len(office.facts("activity_imported")) == len(case.entries)
