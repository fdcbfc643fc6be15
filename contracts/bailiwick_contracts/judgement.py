"""One judge per kind of decision: every input derived again, the ruling given again, the fact rebuilt and compared field by field."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import (
    DayDerived,
    MissedPunchConfirmed,
    MissedPunchRefused,
    RosterPublished,
    RosterRefused,
)
from bailiwick_contracts.authority import Asked, CopyPosition, Ruling, rule
from bailiwick_contracts.conduct import (
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
    WithdrawalRefused,
)
from bailiwick_contracts.confirmation import CLAUSE, ConfirmationCase, adjudicate_confirmation
from bailiwick_contracts.deductions import PenaltyFigures, Requested
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Kind, Skipped, all_compared, compared, ruling_compared
from bailiwick_contracts.lateness import Occurrence
from bailiwick_contracts.leave import LeaveBook, leave_stream, unpaid_leave
from bailiwick_contracts.leave import evolve as evolve_leave
from bailiwick_contracts.mark import Sees, before
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio, Verb
from bailiwick_contracts.message import built
from bailiwick_contracts.notice import notices_stream, opened_notices
from bailiwick_contracts.penalty import Adjudication, adjudicate_penalty
from bailiwick_contracts.penalty_case import PenaltyCase, counted_up_to
from bailiwick_contracts.registry import RegistryChangeRefused
from bailiwick_contracts.registry_evidence import Known
from bailiwick_contracts.registry_judgement import judge_registry_change
from bailiwick_contracts.sealed import SealingError
from bailiwick_contracts.standing import (
    asked_of,
    entered_on,
    local_date,
    matrix_in_force,
    policy_in_force,
    property_of,
    same_person,
    turns_of,
)

_OUTCOME_OF: Mapping[type, str] = {
    PenaltyDecided: "decided",
    PenaltyRecommended: "recommended",
    PenaltyRefused: "refused",
}


Judge = Callable[[Event[Any], Evidence, str | None], Iterator[Finding]]


class Ground(NamedTuple):
    """What every ruling on a person or an office rests on, derived again."""

    known: Known
    asked: Asked
    ids: tuple[str, ...]
    matrix: AuthorityMatrix | None
    policy: LegalPolicy | None
    sees: Sees
    positions: tuple[CopyPosition, ...]

    @property
    def events(self) -> list[Event[Any]]:
        """The registry's facts about all of them."""
        return self.known.events

    def entered_on(self, on: date) -> date | None:
        """The day from which the subject's years of service run, where the matrix counts by them."""
        if self.matrix is None or self.matrix.readings.year_anchor != "service":
            return None
        return entered_on(self.events, self.ids, on)


def ground_of(
    event: Event[Any], evidence: Evidence, under: str | None, row_id: str, verb: Verb, subject_id: str | None
) -> Ground:
    """Who asked, about whom, under which versions. Raises Skipped where the evidence is not there."""
    known, asked, matrix, _ = _asked_again(event, evidence, under, row_id, verb, subject_id)
    policy, _ = policy_in_force(known.events, event.property_id, event.recordedat)
    ids = known.once("ids", lambda: same_person(known.events, subject_id)) if subject_id else ()
    return Ground(known, asked, ids, matrix, policy, before(event), positions_of(event))


class _Again(NamedTuple):
    known: Known
    asked: Asked
    matrix: AuthorityMatrix | None
    alike: tuple[Any, ...]
    """The same for decisions of which `asked` differs in its date alone."""


def _asked_again(
    event: Event[Any], evidence: Evidence, under: str | None, row_id: str, verb: Verb, subject_id: str | None
) -> _Again:
    at, property_id = event.recordedat, event.property_id
    known = evidence.registry.known(event, subject_id, positions_of(event))
    decided_on = local_date(known.events, property_id, at)
    if decided_on is None:
        raise Skipped("evidence_missing")
    turns = known.once("turns", lambda: turns_of(known.events))
    alike = (row_id, verb, bisect_right(turns, decided_on.toordinal()))
    asked = known.once(
        alike,
        lambda: asked_of(
            known.events,
            row_id=row_id,
            verb=verb,
            actor_id=event.actor,
            on_behalf_of_id=event.onbehalfof,
            delegation_id=event.delegation,
            subject_id=subject_id,
            property_id=property_id,
            decided_on=decided_on,
        ),
    )
    if asked.decided_on != decided_on:
        asked = built(Asked, {**asked.__dict__, "decided_on": decided_on})
    matrix = matrix_in_force(known.events, at)[0] if under is None else evidence.registry.version(under)
    if under is not None and matrix is None:
        raise Skipped("version_not_in_the_ledger")
    return _Again(known, asked, matrix, alike)


def ruled_again(
    event: Event[Any], evidence: Evidence, under: str | None, row_id: str, verb: Verb, subject_id: str | None = None
) -> Ruling:
    """The ruling on a decision that shows nothing beside who asks, given again. Raises Skipped as `ground_of` does.

    Only what is lent is ruled on otherwise on another day or at another instant; else one matrix rules alike on what is
    asked alike, which is ruled on once.
    """
    known, asked, matrix, alike = _asked_again(event, evidence, under, row_id, verb, subject_id)
    at, positions = event.recordedat, positions_of(event)
    if asked.on_behalf_of_id is not None:
        return rule(matrix, asked, selected_at=at, positions=positions)
    same = known.once((alike, id(matrix)), lambda: rule(matrix, asked, selected_at=at, positions=positions))
    return built(Ruling, {**same.__dict__, "asked": asked, "selected_at": at, "positions": positions})


def positions_of(event: Event[Any]) -> tuple[CopyPosition, ...]:
    """How far the copies of the registry reached when a decision was taken, by its ruling or, without one, by itself."""
    said = event.data.__dict__
    ruling = said.get("ruling")
    found: tuple[CopyPosition, ...] = ruling.positions if ruling is not None else said.get("positions", ())
    return found


def beyond_reach(event: Event[Any], evidence: Evidence) -> Iterator[Finding]:
    """Registry facts that the ruling rests on and that were never read."""
    for position in evidence.registry.missing(positions_of(event)):
        yield Finding.about(event, field=f"ruling.positions.{position.chain}", kind="evidence", was=position.number)


def day_of(evidence: Evidence, ground: Ground, on: date) -> tuple[Any, str | None, str]:
    """What a person's day came to as derived again, the derivation's fact, and under which id it was rostered."""
    staff_id = evidence.rostered(ground.ids, on, ground.sees)
    derivation = evidence.derivation(staff_id, on, ground.sees)
    return (derivation.again, derivation.fact_id, staff_id) if derivation else (None, None, staff_id)


def judge_penalty(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A penalty decided, recommended or refused (A13–A15), with its figures."""
    yield from beyond_reach(event, evidence)
    requested = evidence.penalties.requested(event)
    try:
        yield from _penalty_judged(event, evidence, under, requested)
    except (Skipped, SealingError, ValueError):
        evidence.penalties.figures(event)  # where they do not read either, that is what is said
        raise


def _penalty_judged(
    event: Event[Any], evidence: Evidence, under: str | None, requested: Requested
) -> Iterator[Finding]:
    fact, asked = event.data, event.data.asked
    ground = ground_of(event, evidence, under, asked.clause or "A13", "penalise", fact.staff_id)
    month, confirmed = evidence.office.taken_in_and_confirmed(event.property_id, fact.day, ground.sees)
    case = _penalty_case(event, evidence, ground, requested, month, confirmed)
    found = adjudicate_penalty(
        case, ground.matrix, ground.policy, selected_at=event.recordedat, positions=ground.positions
    )
    if under is not None:
        yield from _penalty_differs(event, evidence.penalties.figures(event), found)
        return
    occurrence = case.derived.occurrence(asked.occurrence) if case.derived else None
    verdict = found.verdict if occurrence is not None and found.ruling is not None else "refused"
    ruled: list[tuple[str, Kind, Any, Any]] = [
        ("outcome", "ruling", _OUTCOME_OF[type(fact)], verdict),
        ("clause", "ruling", fact.clause, found.clause),
        ("asked.month", "input", asked.month, month),
        ("asked.requested_share", "input", asked.requested_share, requested.share),
    ]
    yield from all_compared(event, ruled)
    yield from ruling_compared(event, found.ruling)
    if not evidence.penalties.recorded(event, found.figures):
        yield from compared(event, "figures", "figures", evidence.penalties.figures(event), found.figures)
    yield from all_compared(event, _of_outcome(fact, case, found, occurrence))


def _of_outcome(
    fact: Any, case: PenaltyCase, found: Adjudication, occurrence: Occurrence | None
) -> Iterator[tuple[str, Kind, Any, Any]]:
    """What a penalty says beside its ruling, by how it came out."""
    if type(fact) is PenaltyRefused:
        yield "reason", "ruling", fact.reason, found.reason
        yield "day_fact_id", "input", fact.day_fact_id, case.day_fact_id
        yield "standing", "input", fact.standing, tuple(item.fact_id for item in case.standing)
        return
    yield "kind", "input", fact.kind, occurrence.kind if occurrence else None
    if type(fact) is PenaltyDecided:
        yield "also_covered_by", "ruling", fact.also_covered_by, found.also_covered_by
    elif found.ruling is not None:
        yield "recommended_to", "ruling", fact.recommended_to, found.ruling.escalate_to or "unset"


def _penalty_case(
    event: Event[Any], evidence: Evidence, ground: Ground, requested: Requested, month: str, confirmed: str | None
) -> PenaltyCase:
    asked, day, ids, sees = event.data.asked, event.data.day, ground.ids, ground.sees
    occurrence, penalties = asked.occurrence, evidence.penalties_of(ids)
    derived, day_fact_id, _ = day_of(evidence, ground, day)
    settings = ground.known.once("settings", lambda: property_of(ground.events, event.property_id))
    given = [one for staff in ids for one in evidence.office.history(notices_stream(staff), sees)]
    until = counted_up_to(ground.matrix, day, ground.asked.decided_on)
    leave = evidence.office.folds(evolve_leave, LeaveBook(), map(leave_stream, ids), sees)
    return built(
        PenaltyCase,
        {
            "asked": ground.asked,
            "clause": asked.clause,
            "requested": requested,
            "beyond_authority": asked.beyond_authority,
            "day": day,
            "occurrence": occurrence,
            "derived": derived,
            "day_fact_id": day_fact_id,
            "late_days": evidence.late_days(ids, day, until, sees),
            "entered_on": ground.entered_on(day),
            "standing": penalties.standing_on(ids, day, occurrence, sees),
            "wage": evidence.registry.wage_on(ground.events, ids, day),
            "paid_days": settings.data.paid_days_per_month if settings else _PAID_DAYS,
            "month_days": (*evidence.month_days(ids, month, sees), *unpaid_leave(leave, month)),
            "month_penalties": penalties.month_penalties(ids, month, sees),
            "month_confirmation": confirmed,
            "notices": opened_notices(given, day, occurrence, evidence.keys),
        },
    )


_PAID_DAYS = Ratio(numerator=87, denominator=4)


def _penalty_differs(event: Event[Any], figures: PenaltyFigures, found: Adjudication) -> Iterator[Finding]:
    """What another matrix would have changed for the people concerned: outcome, reason, next in line, clause, amount."""
    fact = event.data
    was = fact.ruling
    yield from compared(event, "outcome", "different", _OUTCOME_OF[type(fact)], found.verdict)
    yield from compared(event, "reason", "different", was.reason if was else fact.reason, found.reason)
    if was is not None and found.ruling is not None:
        yield from compared(event, "escalate_to", "different", was.escalate_to, found.ruling.escalate_to)
    if isinstance(fact, PenaltyDecided) and figures.computed and found.verdict == "decided" and found.figures.computed:
        yield from compared(event, "clause", "different", fact.clause, found.clause)
        yield from compared(
            event, "figures.penalty", "figures", figures.computed.penalty, found.figures.computed.penalty
        )


def judge_confirmation(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A forgotten punch confirmed or refused (A10)."""
    yield from beyond_reach(event, evidence)
    fact = event.data
    ground = ground_of(event, evidence, under, CLAUSE, "confirm", fact.staff_id)
    derived, day_fact_id, staff_id = day_of(evidence, ground, fact.day)
    standing = evidence.standing_confirmation(staff_id, fact.day, fact.direction, fact.shift, ground.sees)
    case = ConfirmationCase(
        asked=ground.asked,
        day=fact.day,
        direction=fact.direction,
        shift=fact.shift,
        derived=derived,
        day_fact_id=day_fact_id,
        evidence=fact.evidence,
        confirmed=evidence.confirmed(ground.ids, fact.day, ground.sees),
        entered_on=ground.entered_on(fact.day),
        standing=standing,
    )
    found = adjudicate_confirmation(case, ground.matrix, selected_at=event.recordedat, positions=ground.positions)
    was = "confirmed" if isinstance(fact, MissedPunchConfirmed) else "refused"
    reason = "within_limits" if isinstance(fact, MissedPunchConfirmed) else fact.reason
    kind: Kind = "ruling" if under is None else "different"
    yield from compared(event, "outcome", kind, was, found.verdict)
    yield from compared(event, "reason", kind, reason, found.reason)
    if under is not None:
        return
    yield from ruling_compared(event, found.ruling)
    if isinstance(fact, MissedPunchConfirmed):
        times = found.ruling.asked.measured("times_per_year") if found.ruling else None
        yield from compared(event, "times_in_year", "input", fact.times_in_year, getattr(times, "numerator", None))
    else:
        yield from compared(event, "day_fact_id", "input", fact.day_fact_id, day_fact_id)
        yield from compared(event, "standing", "input", fact.standing, standing)


def _judge_plain(row_id: str, verb: Verb) -> Judge:
    """A decision that rests on nothing but who asks, about whom, under which row."""

    def judge(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
        fact = event.data
        if fact.ruling is None:
            raise Skipped("taken_over_without_ruling")
        yield from beyond_reach(event, evidence)
        again = ruled_again(event, evidence, under, row_id, verb, getattr(fact, "staff_id", None))
        if under is not None:
            for name in ("outcome", "reason", "escalate_to"):
                yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
            return
        yield from ruling_compared(event, again)
        if hasattr(fact, "reason"):
            yield from compared(event, "reason", "ruling", fact.reason, again.reason)
        if isinstance(fact, PenaltyReversed):
            mark = evidence.penalty(fact.penalty_id, before(event))
            yield from compared(event, "reverses", "input", fact.reverses, mark.fact_id if mark else None)
            yield from compared(event, "day", "input", fact.day, mark.value.data.day if mark else None)
            yield from compared(event, "staff_id", "input", fact.staff_id, mark.value.data.staff_id if mark else None)

    return judge


def judge_day(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """What a day came to: derived again from roster, punches and confirmations."""
    derivation = evidence.derived_again(event)
    if under is None and derivation.again is not derivation.recorded:
        yield from compared(event, "derived", "input", derivation.recorded, derivation.again)


def _not_judged(reason: str) -> Judge:
    def judge(_: Event[Any], __: Evidence, ___: str | None) -> Iterator[Finding]:
        raise Skipped(reason)

    return judge


JUDGES: Mapping[str, Judge] = {
    RegistryChangeRefused.wire(): judge_registry_change,
    PenaltyDecided.wire(): judge_penalty,
    PenaltyRecommended.wire(): judge_penalty,
    PenaltyRefused.wire(): judge_penalty,
    PenaltyImported.wire(): _not_judged("imported_without_ruling"),
    PenaltyReversed.wire(): _judge_plain("G4", "decide"),
    WithdrawalRefused.wire(): _judge_plain("G4", "decide"),
    MissedPunchConfirmed.wire(): judge_confirmation,
    MissedPunchRefused.wire(): judge_confirmation,
    RosterPublished.wire(): _judge_plain("A5", "decide"),
    RosterRefused.wire(): _judge_plain("A5", "decide"),
    DayDerived.wire(): judge_day,
}
"""The judge of each kind of fact that carries a ruling, or that a ruling rests on as derived."""
DERIVATIONS = frozenset({DayDerived.wire()})
"""What is derived and not ruled."""
