"""The judges of tickets: each ruling given again under its row, and each term and breach reckoned again from the facts it names."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bailiwick_contracts.authority import rule
from bailiwick_contracts.deadline import is_met
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted, DeadlinePolicyRefused
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.escalation import DeadlineBreached, EscalateTicket, TicketEscalated
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped, all_compared, compared, ruling_compared
from bailiwick_contracts.follow_up import ArrangeFollowUp, FollowUpDue
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    HoldTicket,
    MergeTicket,
    ResumeTicket,
    TicketAssigned,
    TicketMerged,
    TicketReopened,
    TicketResumed,
    TicketVerified,
    TicketWithdrawn,
    VerifyTicket,
    WithdrawTicket,
)
from bailiwick_contracts.judgement import Judge, beyond_reach, positions_of, ruled_again
from bailiwick_contracts.letter import LetterRefused, LetterReviewed, ReviewLetter
from bailiwick_contracts.mark import Sees, before, copied, recorded_by
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.office_judgement import JUDGES as OFFICE
from bailiwick_contracts.registry_evidence import ADOPTIONS, person
from bailiwick_contracts.standing import asked_of, matrix_in_force
from bailiwick_contracts.ticket import (
    ClassifyTicket,
    RegisterTicket,
    TicketChangeRefused,
    TicketClassified,
    TicketRegistered,
)
from bailiwick_contracts.ticket_work import (
    AnswerSupport,
    ForwardRenovation,
    IssueWorkOrder,
    Power,
    RenovationForwarded,
    WorkOrderIssued,
    power_over_work,
)

S3_2: Power = ("S3-2", "decide")
D5A: Power = ("D5a", "decide")
D9A: Power = ("D9a", "confirm")
G5: Power = ("G5", "decide")
G7: Power = ("G7", "submit")
P6: Power = ("P6", "request")
D7: Power = ("D7", "approve")
_LAST_REASONS = frozenset(
    {"not_accountable", "own_work", "closing_demands_unmet", "not_of_the_department", "own_draft", "not_released"}
)
"""Reasons of a refusal that are not its ruling's."""


def _work(event: Event[Any], evidence: Evidence) -> Power:
    stood = evidence.tickets.stood(event.subject, before(event))
    if stood.registered is None or stood.said is None:
        raise Skipped("evidence_missing")
    return power_over_work(stood.said.kind, stood.registered.data.feedback_of)


_ASKED: Mapping[str, Power] = {
    RegisterTicket.wire(): P6, ClassifyTicket.wire(): D5A, AssignTicket.wire(): S3_2, AcceptTicket.wire(): None,
    HoldTicket.wire(): S3_2, ResumeTicket.wire(): S3_2, CompleteTicket.wire(): S3_2, VerifyTicket.wire(): D9A,
    WithdrawTicket.wire(): S3_2, MergeTicket.wire(): S3_2, EscalateTicket.wire(): D5A, ForwardRenovation.wire(): G7,
    AnswerSupport.wire(): None, ArrangeFollowUp.wire(): G5, ReviewLetter.wire(): D7,
}  # fmt: skip


def _of_refusal(event: Event[Any], evidence: Evidence) -> Power:
    asked_for = event.data.asked_for
    return _work(event, evidence) if asked_for == IssueWorkOrder.wire() else _ASKED.get(asked_for)


def _of(power: Any) -> Callable[[Event[Any], Evidence], Power]:
    found: Power = power
    return lambda _, __: found


def _ruled(power: Callable[[Event[Any], Evidence], Power]) -> Judge:
    """A decision with its ruling: given again under the row that its kind of decision stands under."""

    def judge(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
        yield from beyond_reach(event, evidence)
        yield from _ruling(event, evidence, under, power(event, evidence))

    return judge


def _ruling(event: Event[Any], evidence: Evidence, under: str | None, power: Power) -> Iterator[Finding]:
    fact = event.data
    if fact.ruling is None:
        if power is not None and isinstance(fact, WorkOrderIssued):
            yield Finding.about(event, field="ruling", kind="ruling", was=None, would_be=power[0])
        return
    if power is None:
        yield Finding.about(event, field="ruling", kind="ruling", was=fact.ruling.row_id, would_be=None)
        return
    again = ruled_again(event, evidence, under, *power)
    if under is not None:
        for name in ("outcome", "reason", "escalate_to"):
            yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
        return
    yield from ruling_compared(event, again)
    reason = fact.__dict__.get("reason")
    if reason is not None and reason not in _LAST_REASONS:
        yield from compared(event, "reason", "ruling", reason, again.reason)
    if isinstance(fact, RenovationForwarded):
        yield from compared(event, "to", "ruling", fact.to, again.escalate_to)


def _knows(event: Event[Any]) -> Sees:
    positions = positions_of(event)
    return copied(positions) if positions else recorded_by(event.recordedat)


def judge_registration(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A registration: P6 of a support request, and the terms by the policy, zone and calendar of its moment."""
    yield from beyond_reach(event, evidence)
    fact = event.data
    yield from _ruling(event, evidence, under, P6 if fact.kind == "support_request" else None)
    if under is not None:
        return
    sees = before(event)
    held = evidence.tickets.policy_at(event.property_id, event.recordedat, sees)
    terms = held[0].policy.terms_of(fact.kind, fact.severity) if held is not None else None
    yield from compared(event, "terms", "input", fact.terms, terms)
    again = evidence.tickets.reckoned(
        event.property_id, terms, event.recordedat, (), event.recordedat, sees, _knows(event)
    )
    yield from compared(event, "deadlines", "input", fact.deadlines, again)


def judge_classification(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A classification: D5a where it lowers, what the ticket was before, and the terms of what it became from the same start."""
    yield from beyond_reach(event, evidence)
    yield from _ruling(event, evidence, under, D5A)
    if under is not None:
        return
    fact, sees = event.data, before(event)
    if fact.ruling is None and (fact.was_severity, fact.severity) == ("major", "ordinary"):
        yield Finding.about(event, field="ruling", kind="ruling", was=None, would_be="D5a")
    stood = evidence.tickets.stood(event.subject, sees)
    if stood.registered is None or stood.said is None:
        raise Skipped("evidence_missing")
    yield from all_compared(
        event,
        [
            ("was_kind", "input", fact.was_kind, stood.said.kind),
            ("was_severity", "input", fact.was_severity, stood.said.severity),
            ("was_topic", "input", fact.was_topic, stood.said.topic),
        ],
    )
    terms, deadlines = stood.said.terms, stood.deadlines
    held = evidence.tickets.policy_at(event.property_id, event.recordedat, sees)
    if held is not None and (fact.kind, fact.severity) != (fact.was_kind, fact.was_severity):
        terms = held[0].policy.terms_of(fact.kind, fact.severity)
        deadlines = evidence.tickets.reckoned(
            event.property_id, terms, stood.registered.recordedat, stood.holds, event.recordedat, sees, _knows(event)
        )  # fmt: skip
    yield from compared(event, "terms", "input", fact.terms, terms)
    yield from compared(event, "deadlines", "input", fact.deadlines, deadlines)


def judge_terms(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A resumption or reopening: the terms from the same start, with everything left out that did not count."""
    yield from beyond_reach(event, evidence)
    if under is not None:
        return
    fact, sees = event.data, before(event)
    stood = evidence.tickets.stood(event.subject, sees)
    if stood.registered is None or stood.said is None:
        raise Skipped("evidence_missing")
    span = fact.held if isinstance(fact, TicketResumed) else fact.stood_still
    again = evidence.tickets.reckoned(
        event.property_id, stood.said.terms, stood.registered.recordedat, (*stood.holds, span), event.recordedat,
        sees, _knows(event),
    )  # fmt: skip
    wanted = {one.clock for one in fact.deadlines}
    yield from compared(event, "deadlines", "input", fact.deadlines, tuple(one for one in again if one.clock in wanted))


def judge_breach(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A breach: the reckoning that stood in the ticket's history before it, and an instant past its due one."""
    if under is not None:
        return
    fact = event.data
    standing = evidence.tickets.stood(event.subject, before(event)).deadlines
    stood = next((one for one in standing if one.clock == fact.clock), None)
    yield from compared(event, "reckoning", "input", fact.reckoning, stood)
    if is_met(fact.reckoning.due_at, event.recordedat):
        yield Finding.about(
            event, field="recordedat", kind="input", was=event.recordedat, would_be=fact.reckoning.due_at
        )


def judge_policy(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A deadline policy adopted or refused (R9), at a property or for the company."""
    fact = event.data
    if fact.ruling is None:
        raise Skipped("taken_over_without_ruling")
    if event.property_id != COMPANY:
        yield from _ruled(_of(("R9", "decide")))(event, evidence, under)
        return
    yield from beyond_reach(event, evidence)
    subjects = [ADOPTIONS, *(person(one) for one in (event.actor, event.onbehalfof) if one)]
    events = evidence.registry.about(subjects, _knows(event))
    matrix = matrix_in_force(events, event.recordedat)[0] if under is None else evidence.registry.version(under)
    asked = asked_of(
        events, row_id="R9", verb="decide", actor_id=event.actor, on_behalf_of_id=event.onbehalfof, delegation_id=None,
        subject_id=None, property_id=COMPANY, decided_on=event.recordedat.date(),
    )  # fmt: skip
    again = rule(matrix, asked, selected_at=event.recordedat, positions=positions_of(event))
    if under is not None:
        yield from compared(event, "outcome", "different", fact.ruling.outcome, again.outcome)
        return
    yield from ruling_compared(event, again)


_TICKETS: Mapping[type[Any], Judge] = {
    TicketRegistered: judge_registration,
    TicketResumed: judge_terms,
    TicketReopened: judge_terms,
    DeadlineBreached: judge_breach,
    TicketAssigned: _ruled(_of(S3_2)),
    TicketVerified: _ruled(_of(D9A)),
    TicketWithdrawn: _ruled(_of(S3_2)),
    TicketMerged: _ruled(_of(S3_2)),
    TicketEscalated: _ruled(_of(D5A)),
    TicketClassified: judge_classification,
    WorkOrderIssued: _ruled(_work),
    RenovationForwarded: _ruled(_of(G7)),
    FollowUpDue: _ruled(_of(G5)),
    LetterReviewed: _ruled(_of(D7)),
    LetterRefused: _ruled(_of_refusal),
    TicketChangeRefused: _ruled(_of_refusal),
    DeadlinePolicyAdopted: judge_policy,
    DeadlinePolicyRefused: judge_policy,
}
JUDGES: Mapping[str, Judge] = {**OFFICE, **{kind.wire(): judge for kind, judge in _TICKETS.items()}}
"""The judge of each kind of fact that carries a ruling or a term, or that a ruling rests on as derived."""
