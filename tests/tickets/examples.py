"""`python -m tests.tickets.examples`: plays one scene with every message of tickets, and keeps an example of each new one."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from bailiwick_contracts.deadline import shipped_policy
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy, GetDeadlinePolicy
from bailiwick_contracts.escalation import (
    EscalateOverdueTicket,
    EscalateTicket,
    HandOnTickets,
    JudgeDeadline,
    WarnOfDeadline,
)
from bailiwick_contracts.follow_up import ArrangeFollowUp, JudgeFollowUp, RecordFollowUp
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
from bailiwick_contracts.incident import (
    FileIncidentReport,
    JudgeIncidentUpdate,
    JudgeProgress,
    PostIncidentUpdate,
    ReportProgress,
)
from bailiwick_contracts.letter import DraftLetter, IssueLetter, ReviewLetter
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.ticket import AttachFile, ClassifyTicket, RegisterTicket
from bailiwick_contracts.ticket_import import ImportTickets, LogCase, LogEntry
from bailiwick_contracts.ticket_query import (
    AnalyseFollowUps,
    CountTopics,
    ExamineAccountability,
    GetBoard,
    GetFigures,
    GetLetter,
    GetLogFigures,
    GetTicket,
    GetTicketHistory,
    ListLetters,
    ListTickets,
)
from bailiwick_contracts.ticket_work import (
    AnswerSupport,
    CancelWorkOrder,
    CompleteWorkOrder,
    ForwardRenovation,
    IssueWorkOrder,
)

from tests.contracts.examples import DOOR, PERSON, keep_facts, keep_requests, keys_in
from tests.tickets.office import ANN, BEN, DIRECTOR, EVA, MONDAY, NORTH, PHOTO, Office, local

READS: tuple[Request, ...] = (
    GetTicket(ticket_id="t1"),
    GetTicketHistory(ticket_id="t1", by="machine"),
    ExamineAccountability(ticket_id="t1"),
    ListTickets(kind="complaint"),
    GetBoard(on=MONDAY, only="due"),
    AnalyseFollowUps(month="2026-03"),
    CountTopics(first_on=date(2026, 3, 1), last_on=date(2026, 3, 31)),
    GetFigures(month="2026-03"),
    GetLogFigures(system="helpdesk"),
    GetLetter(letter_id="l1"),
    ListLetters(year=2026),
    GetDeadlinePolicy(),
)
TIMERS: tuple[Request, ...] = (
    WarnOfDeadline(ticket_id="t1", clock="resolution"),
    JudgeDeadline(ticket_id="t1", clock="resolution"),
    EscalateOverdueTicket(ticket_id="t1", step=0),
    JudgeIncidentUpdate(ticket_id="t2"),
    JudgeProgress(ticket_id="t3"),
    JudgeFollowUp(ticket_id="t1", follow_up_id="after-1"),
    HandOnTickets(staff_id=ANN),
)


def said(ticket_id: str, kind: str = "complaint", **more: object) -> RegisterTicket:
    return RegisterTicket.model_validate(
        {"ticket_id": ticket_id, "kind": kind, "resident_id": PERSON, "description": "Sample.", **more}
    )


def entry(activity: str, meaning: str, clock: str, row: int) -> LogEntry:
    return LogEntry.model_validate(
        {
            "activity": activity,
            "meaning": meaning,
            "at": local(clock, date(2025, 3, 3)),
            "handler_id": "x-1",
            "row": row,
        }
    )


IMPORT = ImportTickets(
    system="helpdesk",
    cases=(LogCase(external_id="Case 1", row=1, entries=(entry("Insert ticket", "registered", "09:00", 1),
                                                          entry("Closed", "closed", "10:00", 2))),),
)  # fmt: skip


def scene() -> Iterator[tuple[Request, str, timedelta]]:
    """What happens, who asks for it, and how long it takes until then."""
    soon, hours, days = timedelta(minutes=1), timedelta(hours=3), timedelta(days=4)
    yield said("t1", contact="+86 000", attachments=(PHOTO,), topic="water"), ANN, soon
    yield AttachFile(ticket_id="t1", attachment=PHOTO.model_copy(update={"sha256": "b" * 64})), ANN, soon
    yield ClassifyTicket(ticket_id="t1", topic="leak"), ANN, soon
    yield AssignTicket(ticket_id="t1", assignee_id=BEN), ANN, soon
    yield AcceptTicket(ticket_id="t1"), BEN, soon
    yield HoldTicket(ticket_id="t1", waits_for="a part"), BEN, soon
    yield ResumeTicket(ticket_id="t1"), BEN, hours
    work = IssueWorkOrder(
        ticket_id="t1", work_order_id="w1", to="department", to_id="engineering", task="Look at the pipe."
    )
    yield work, BEN, soon
    yield work, DIRECTOR, soon
    yield work.model_copy(update={"work_order_id": "w2", "to": "contractor", "to_id": "c-7"}), DIRECTOR, soon
    yield CompleteWorkOrder(ticket_id="t1", work_order_id="w1", result="Sealed."), EVA, soon
    yield CancelWorkOrder(ticket_id="t1", work_order_id="w2", why="not needed"), DIRECTOR, soon
    yield EscalateTicket(ticket_id="t1", why="Beyond me."), BEN, soon
    yield CompleteTicket(ticket_id="t1", outcome="Dry again."), DIRECTOR, days
    yield VerifyTicket(ticket_id="t1"), ANN, days
    yield (
        RecordFollowUp(
            ticket_id="t1", follow_up_id="after-1", contact_made=True, result="unsatisfied", remark="Sample."
        ),
        ANN,
        soon,
    )
    yield CompleteTicket(ticket_id="t1", outcome="Really dry."), DIRECTOR, soon
    yield VerifyTicket(ticket_id="t1"), ANN, soon
    yield ReopenTicket(ticket_id="t1", why="It is back."), ANN, soon
    yield CompleteTicket(ticket_id="t1", outcome="Dry."), DIRECTOR, soon
    yield ArrangeFollowUp(ticket_id="t1", follow_up_id="extra", due_at=local("10:00", date(2026, 4, 1))), DIRECTOR, soon
    yield said("t2", "incident"), ANN, soon
    yield PostIncidentUpdate(ticket_id="t2", text="The lift is free."), ANN, hours
    yield FileIncidentReport(ticket_id="t2", report=PHOTO, summary="Sample."), ANN, soon
    yield CompleteTicket(ticket_id="t2", outcome="Running again."), ANN, soon
    yield VerifyTicket(ticket_id="t2"), BEN, soon
    yield said("t3", severity="major"), ANN, soon
    yield ReportProgress(ticket_id="t3", text="Under way."), DIRECTOR, days
    yield said("t4", "renovation"), ANN, soon
    yield ForwardRenovation(ticket_id="t4"), DIRECTOR, soon
    yield CompleteTicket(ticket_id="t4", outcome="Handed on."), ANN, soon
    yield said("t5", "support_request", department="engineering"), DIRECTOR, soon
    yield AnswerSupport(ticket_id="t5", accepts=True), EVA, soon
    yield said("t6", "support_request", department="engineering"), DIRECTOR, soon
    yield AnswerSupport(ticket_id="t6", accepts=False, why="No hands."), EVA, soon
    yield said("t7"), ANN, soon
    yield MergeTicket(ticket_id="t7", into_ticket_id="t3"), ANN, soon
    yield said("t8"), ANN, soon
    yield WithdrawTicket(ticket_id="t8", why="Sample."), ANN, soon
    yield DraftLetter(letter_id="l1", to_id=PERSON, about="water", body="Sample.", ticket_id="t1"), ANN, soon
    yield IssueLetter(letter_id="l1", means="by_hand", document_sha256="c" * 64), ANN, soon
    yield ReviewLetter(letter_id="l1", releases=True, remark="Good."), DIRECTOR, soon
    yield IssueLetter(letter_id="l1", means="by_hand", document_sha256="c" * 64), ANN, soon
    yield AdoptDeadlinePolicy(policy=shipped_policy("terms-sample"), for_property=NORTH), ANN, soon


def play(office: Office) -> None:
    """The whole scene, timers included."""
    for request, by, after in scene():
        office.wait_until(office.now + after)
        answer = office.ask(request, by=by)
        assert answer.outcome in ("done", "refused"), (request, answer)
    office.ask(IMPORT, by="system-import", channel="import", import_file="log.xes")
    office.later(days=6)


def main() -> None:
    """Keep what has no example yet."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        keys_in(directory)
        office = Office(f"sqlite:///{directory / 'store.sqlite'}", directory, door=DOOR).set_up()
        play(office)
        raws = [f.raw for place in (COMPANY, NORTH) for f in office.store.chain(place, 0, 100_000)]
        kept = keep_facts(raws) + keep_requests([*(request for request, _, _ in scene()), IMPORT, *READS, *TIMERS])
        office.close()
    print("\n".join(kept) or "every message has its example")  # noqa: T201


if __name__ == "__main__":
    main()
