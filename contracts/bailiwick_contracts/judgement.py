"""One judge per kind of decision: every input derived again, the ruling given again, the fact rebuilt and compared field by field."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from bailiwick_contracts.attendance import (
    DayDerived,
    MissedPunchConfirmed,
    MissedPunchRefused,
    RosterPublished,
    RosterRefused,
)
from bailiwick_contracts.authority import Asked, CopyPosition, rule
from bailiwick_contracts.conduct import (
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
    WithdrawalRefused,
)
from bailiwick_contracts.confirmation import CLAUSE, ConfirmationCase, adjudicate_confirmation
from bailiwick_contracts.deductions import PenaltyFigures
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import ADOPTIONS, Evidence, Sees, before, copied, lent, person, place, recorded_by
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio, Verb
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.penalty import Adjudication, PenaltyCase, adjudicate_penalty
from bailiwick_contracts.quota import month_of
from bailiwick_contracts.registry import RegistryChangeRefused
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.staff import EmploymentEnded, PositionAssigned, StaffMerged, StaffRehired
from bailiwick_contracts.standing import (
    asked_of,
    delegation_of,
    entered_on,
    local_date,
    matrix_in_force,
    of_kind,
    policy_in_force,
    property_of,
    same_person,
)

Kind = Literal["input", "ruling", "figures", "evidence", "unreadable", "different"]
_OUTCOME_OF: Mapping[type, str] = {
    PenaltyDecided: "decided",
    PenaltyRecommended: "recommended",
    PenaltyRefused: "refused",
}


class Skipped(Exception):  # noqa: N818 - it is an answer, not a fault
    """A decision that is not judged, by reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Finding:
    """One field that does not come out again as it was recorded.

    `kind`: `input`, something a ruling rests on; `ruling`, what was ruled; `figures`, an amount (confidential); `evidence`,
    facts that the ruling names and nobody can read; `unreadable`; `different`, what another matrix would have changed.
    """

    fact_id: str
    field: str
    kind: Kind
    was: Any = None
    would_be: Any = None
    fact_type: str = ""
    clause: str = ""
    property_id: str = ""
    recorded_at: str = ""

    @classmethod
    def about(cls, event: Event[Any], *, field: str, kind: Kind, was: Any = None, would_be: Any = None) -> "Finding":
        """A finding about a readable fact; values as plain JSON."""
        ruling = getattr(event.data, "ruling", None)
        return cls(
            fact_id=event.id,
            field=field,
            kind=kind,
            was=to_jsonable_python(was),
            would_be=to_jsonable_python(would_be),
            fact_type=event.type,
            clause=getattr(event.data, "clause", "") or (ruling.row_id if ruling is not None else ""),
            property_id=event.property_id,
            recorded_at=str(to_jsonable_python(event.recordedat)),
        )

    @property
    def confidential(self) -> bool:
        """Whether its values are amounts from which a wage follows."""
        return self.kind == "figures"


Judge = Callable[[Event[Any], Evidence, str | None], Iterator[Finding]]


class _Ground(NamedTuple):
    """What every ruling of attendance rests on, derived again."""

    events: list[Event[Any]]
    asked: Asked
    ids: tuple[str, ...]
    matrix: AuthorityMatrix | None
    policy: LegalPolicy | None
    sees: Sees
    positions: tuple[CopyPosition, ...]


def _ground(
    event: Event[Any], evidence: Evidence, under: str | None, row_id: str, verb: Verb, subject_id: str | None
) -> _Ground:
    at, positions = event.recordedat, positions_of(event)
    knows = copied(positions) if positions else recorded_by(at)
    subjects = [person(one) for one in (event.actor, event.onbehalfof, subject_id) if one]
    subjects += [place(event.property_id), place(COMPANY), ADOPTIONS]
    if event.delegation is not None:
        subjects.append(lent(event.delegation))
    events = evidence.registry(subjects, knows)
    decided_on = local_date(events, event.property_id, at)
    if decided_on is None:
        raise Skipped("evidence_missing")
    asked = asked_of(
        events,
        row_id=row_id,
        verb=verb,
        actor_id=event.actor,
        on_behalf_of_id=event.onbehalfof,
        delegation_id=event.delegation,
        subject_id=subject_id,
        property_id=event.property_id,
        decided_on=decided_on,
    )
    matrix = matrix_in_force(events, at)[0] if under is None else evidence.version(under)
    if under is not None and matrix is None:
        raise Skipped("version_not_in_the_ledger")
    policy, _ = policy_in_force(events, event.property_id, at)
    ids = same_person(events, subject_id) if subject_id else ()
    return _Ground(events, asked, ids, matrix, policy, before(event), positions)


def positions_of(event: Event[Any]) -> tuple[CopyPosition, ...]:
    """How far the copies of the registry reached when a decision was taken, by its ruling or, without one, by itself."""
    ruling = getattr(event.data, "ruling", None)
    found: tuple[CopyPosition, ...] = ruling.positions if ruling is not None else getattr(event.data, "positions", ())
    return found


def _beyond_reach(event: Event[Any], evidence: Evidence) -> Iterator[Finding]:
    """Registry facts that the ruling rests on and that were never read."""
    for position in evidence.missing(positions_of(event)):
        yield Finding.about(event, field=f"ruling.positions.{position.chain}", kind="evidence", was=position.number)


def _day(evidence: Evidence, ground: _Ground, on: date) -> tuple[Any, str | None, str]:
    staff_id = evidence.rostered(ground.ids, on, ground.sees)
    derivation = evidence.derivation(staff_id, on, ground.sees)
    return (derivation.again, derivation.fact_id, staff_id) if derivation else (None, None, staff_id)


def judge_penalty(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A penalty decided, recommended or refused (A13–A15), with its figures."""
    yield from _beyond_reach(event, evidence)
    fact = event.data
    figures = open_record(fact.figures, PenaltyFigures, event_id=event.id, path="figures", keys=evidence.keys)
    ground = _ground(event, evidence, under, fact.asked.clause or "A13", "penalise", fact.staff_id)
    derived, day_fact_id, _ = _day(evidence, ground, fact.day)
    settings = property_of(ground.events, event.property_id)
    case = PenaltyCase(
        asked=ground.asked,
        clause=fact.asked.clause,
        requested=figures.requested,
        beyond_authority=fact.asked.beyond_authority,
        day=fact.day,
        occurrence=fact.asked.occurrence,
        derived=derived,
        day_fact_id=day_fact_id,
        late_days=evidence.late_days(ground.ids, fact.day, max(fact.day, ground.asked.decided_on), ground.sees),
        entered_on=entered_on(ground.events, ground.ids, fact.day),
        standing=evidence.standing_on(ground.ids, fact.day, fact.asked.occurrence, ground.sees),
        wage=evidence.wage_on(ground.events, ground.ids, fact.day),
        paid_days=settings.data.paid_days_per_month if settings else _PAID_DAYS,
        month_days=evidence.month_days(ground.ids, fact.day, ground.sees),
        month_penalties=evidence.month_penalties(ground.ids, fact.day, ground.sees),
    )
    found = adjudicate_penalty(
        case, ground.matrix, ground.policy, selected_at=event.recordedat, positions=ground.positions
    )
    if under is not None:
        yield from _penalty_differs(event, figures, found)
        return
    yield from _compared(event, "outcome", "ruling", _OUTCOME_OF[type(fact)], _verdict(found, case))
    yield from _compared(event, "clause", "ruling", fact.clause, found.clause)
    yield from _compared(event, "asked.month", "input", fact.asked.month, month_of(fact.day))
    yield from _compared(event, "asked.requested_share", "input", fact.asked.requested_share, figures.requested.share)
    yield from _ruling_compared(event, found.ruling)
    yield from _compared(event, "figures", "figures", figures, found.figures)
    if isinstance(fact, PenaltyRefused):
        yield from _compared(event, "reason", "ruling", fact.reason, found.reason)
        yield from _compared(event, "day_fact_id", "input", fact.day_fact_id, day_fact_id)
        yield from _compared(event, "standing", "input", fact.standing, tuple(item.fact_id for item in case.standing))
        return
    occurrence = derived.occurrence(fact.asked.occurrence) if derived else None
    yield from _compared(event, "kind", "input", fact.kind, occurrence.kind if occurrence else None)
    if isinstance(fact, PenaltyDecided):
        yield from _compared(event, "also_covered_by", "ruling", fact.also_covered_by, found.also_covered_by)
    elif found.ruling is not None:
        yield from _compared(
            event, "recommended_to", "ruling", fact.recommended_to, found.ruling.escalate_to or "unset"
        )


_PAID_DAYS = Ratio(numerator=87, denominator=4)


def _verdict(found: Adjudication, case: PenaltyCase) -> str:
    known = case.derived is not None and case.derived.occurrence(case.occurrence) is not None
    return found.verdict if known and found.ruling is not None else "refused"


def _penalty_differs(event: Event[Any], figures: PenaltyFigures, found: Adjudication) -> Iterator[Finding]:
    """What another matrix would have changed for the people concerned: outcome, reason, next in line, clause, amount."""
    fact = event.data
    was = fact.ruling
    yield from _compared(event, "outcome", "different", _OUTCOME_OF[type(fact)], found.verdict)
    yield from _compared(event, "reason", "different", was.reason if was else fact.reason, found.reason)
    if was is not None and found.ruling is not None:
        yield from _compared(event, "escalate_to", "different", was.escalate_to, found.ruling.escalate_to)
    if isinstance(fact, PenaltyDecided) and figures.computed and found.verdict == "decided" and found.figures.computed:
        yield from _compared(event, "clause", "different", fact.clause, found.clause)
        yield from _compared(
            event, "figures.penalty", "figures", figures.computed.penalty, found.figures.computed.penalty
        )


def judge_confirmation(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A forgotten punch confirmed or refused (A10)."""
    yield from _beyond_reach(event, evidence)
    fact = event.data
    ground = _ground(event, evidence, under, CLAUSE, "confirm", fact.staff_id)
    derived, day_fact_id, staff_id = _day(evidence, ground, fact.day)
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
        entered_on=entered_on(ground.events, ground.ids, fact.day),
        standing=standing,
    )
    found = adjudicate_confirmation(case, ground.matrix, selected_at=event.recordedat, positions=ground.positions)
    was = "confirmed" if isinstance(fact, MissedPunchConfirmed) else "refused"
    reason = "within_limits" if isinstance(fact, MissedPunchConfirmed) else fact.reason
    kind: Kind = "ruling" if under is None else "different"
    yield from _compared(event, "outcome", kind, was, found.verdict)
    yield from _compared(event, "reason", kind, reason, found.reason)
    if under is not None:
        return
    yield from _ruling_compared(event, found.ruling)
    if isinstance(fact, MissedPunchConfirmed):
        times = found.ruling.asked.measured("times_per_year") if found.ruling else None
        yield from _compared(event, "times_in_year", "input", fact.times_in_year, getattr(times, "numerator", None))
    else:
        yield from _compared(event, "day_fact_id", "input", fact.day_fact_id, day_fact_id)
        yield from _compared(event, "standing", "input", fact.standing, standing)


def _judge_plain(row_id: str, verb: Verb) -> Judge:
    """A decision that rests on nothing but who asks, about whom, under which row."""

    def judge(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
        fact = event.data
        if fact.ruling is None:
            raise Skipped("taken_over_without_ruling")
        yield from _beyond_reach(event, evidence)
        ground = _ground(event, evidence, under, row_id, verb, getattr(fact, "staff_id", None))
        again = rule(ground.matrix, ground.asked, selected_at=event.recordedat, positions=ground.positions)
        if under is not None:
            for name in ("outcome", "reason", "escalate_to"):
                yield from _compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
            return
        yield from _ruling_compared(event, again)
        if hasattr(fact, "reason"):
            yield from _compared(event, "reason", "ruling", fact.reason, again.reason)
        if isinstance(fact, PenaltyReversed):
            mark = evidence.penalty(fact.penalty_id, ground.sees)
            yield from _compared(event, "reverses", "input", fact.reverses, mark.fact_id if mark else None)
            yield from _compared(event, "day", "input", fact.day, mark.value.data.day if mark else None)
            yield from _compared(event, "staff_id", "input", fact.staff_id, mark.value.data.staff_id if mark else None)

    return judge


def judge_registry_change(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A change of the registry turned down for want of authority (R rows)."""
    fact, at, sees = event.data, event.recordedat, before(event)
    principal = event.onbehalfof or event.actor
    subjects = [ADOPTIONS, person(principal), *([lent(event.delegation)] if event.delegation else [])]
    events = evidence.registry(subjects, sees)
    matrix = matrix_in_force(events, at)[0] if under is None else evidence.version(under)
    if under is not None and matrix is None:
        raise Skipped("version_not_in_the_ledger")
    row_id = REGISTRY_ROWS[fact.asked_for]
    row = matrix.row(row_id) if matrix else None
    held = _held_on(events, principal, at.date())
    fitting = [one for one in held if row and one.position in row.holders] or held
    asked = Asked(
        row_id=row_id,
        verb="decide",
        actor_id=event.actor,
        actor_position=fitting[0].position if fitting else None,
        actor_property=fitting[0].property_id if fitting else None,
        on_behalf_of_id=event.onbehalfof,
        delegation=delegation_of(events, event.delegation)[0] if event.delegation else None,
        decided_on=at.date(),
        property_id=COMPANY,
        subject_id=fact.subject_id,
    )
    again = rule(matrix, asked, selected_at=at)
    if under is not None:
        for name in ("outcome", "reason"):
            yield from _compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
        return
    yield from _ruling_compared(event, again)
    yield from _compared(event, "reason", "ruling", fact.reason, again.reason)


def _held_on(events: list[Event[Any]], staff_id: str, on: date) -> list[PositionAssigned]:
    """The positions somebody holds on a date under this very id, one per property, in the order first given."""
    own = [event.data for event in of_kind(events, PositionAssigned) if event.data.staff_id == staff_id]
    if any(event.data.staff_id == staff_id for event in of_kind(events, StaffMerged)):
        return []
    ended: date | None = None
    for event in sorted(events, key=lambda one: (one.recordedat, one.chainnumber)):
        if isinstance(event.data, EmploymentEnded) and event.data.staff_id == staff_id:
            ended = event.data.last_on
        elif isinstance(event.data, StaffRehired) and event.data.staff_id == staff_id:
            ended = None
    if ended is not None and on > ended:
        return []
    found: dict[str, PositionAssigned | None] = {}
    for post in own:
        best = found.setdefault(post.property_id, None)
        if post.effective_on <= on and (best is None or post.effective_on >= best.effective_on):
            found[post.property_id] = post
    return [post for post in found.values() if post is not None]


def judge_day(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """What a day came to: derived again from roster, punches and confirmations."""
    derivation = evidence.derived_again(event)
    if under is not None:
        return
    yield from _compared(event, "derived", "input", derivation.recorded, derivation.again)


def _not_judged(reason: str) -> Judge:
    def judge(_: Event[Any], __: Evidence, ___: str | None) -> Iterator[Finding]:
        raise Skipped(reason)

    return judge


def _ruling_compared(event: Event[Any], again: Any) -> Iterator[Finding]:
    was = event.data.ruling
    for finding in _compared(event, "ruling", "ruling", was, again):
        about_input = finding.field.startswith(
            ("ruling.asked", "ruling.selected_at", "ruling.matrix_version", "ruling.legal_policy")
        )
        yield Finding(**(finding.__dict__ | {"kind": "input"})) if about_input else finding


def _compared(event: Event[Any], field: str, kind: Kind, was: Any, would_be: Any) -> Iterator[Finding]:
    """Nothing when both are equal; otherwise each leaf that differs, by its path."""
    if was == would_be:
        return
    for path, left, right in _leaves(field, _plain(was), _plain(would_be)):
        yield Finding.about(event, field=path, kind=kind, was=left, would_be=right)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else to_jsonable_python(value)


def _leaves(path: str, was: Any, would_be: Any) -> Iterator[tuple[str, Any, Any]]:
    if was == would_be:
        return
    if isinstance(was, dict) and isinstance(would_be, dict):
        for name in was | would_be:
            yield from _leaves(f"{path}.{name}", was.get(name), would_be.get(name))
    elif isinstance(was, list) and isinstance(would_be, list) and len(was) == len(would_be):
        for index, (left, right) in enumerate(zip(was, would_be, strict=True)):
            yield from _leaves(f"{path}.{index}", left, right)
    else:
        yield path, was, would_be


REGISTRY_ROWS: Mapping[str, str] = {
    "registry.register_staff.v1": "R1",
    "registry.correct_staff.v1": "R1",
    "registry.map_external_id.v1": "R1",
    "registry.merge_staff.v1": "R1",
    "registry.retract_fact.v1": "R1",
    "registry.assign_position.v1": "R2",
    "registry.end_employment.v1": "R2",
    "registry.rehire_staff.v1": "R2",
    "registry.set_reporting_line.v1": "R2",
    "registry.set_base_wage.v1": "R3",
    "registry.delegate_authority.v1": "R4",
    "registry.revoke_delegation.v1": "R4",
    "registry.adopt_authority_matrix.v1": "R5",
    "registry.adopt_legal_policy.v1": "R5",
    "registry.add_property.v1": "R6",
    "registry.adopt_calendar.v1": "R6",
    "registry.add_unit_of_organisation.v1": "R6",
    "registry.trust_door.v1": "R7",
    "registry.erase_person.v1": "R8",
}
"""Under which row of the matrix each request to the registry is allowed."""
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
