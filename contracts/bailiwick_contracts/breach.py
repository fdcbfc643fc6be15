"""Breaches of discipline (D4b): a case is opened, the person heard, it is decided by an adopted ladder, notified, and may be appealed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from bailiwick_contracts.authority import Asked, Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_rules import Offence, Sanction
from bailiwick_contracts.manual import SERIOUS
from bailiwick_contracts.matrix import AuthorityMatrix, Verb
from bailiwick_contracts.message import Fact, Identifier, Label, Refusal, Request, Text
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.showing import Showing, named
from bailiwick_contracts.standing import opened_by

CLAUSE = "G4"
ABOVE = "S3"
Severity = Literal["ordinary", "serious"]
Evidence = Annotated[tuple[Identifier, ...], Field(max_length=50)]


def conduct_stream(staff_id: str) -> str:
    """The stream of one person's cases."""
    return f"conduct-{staff_id}"


class OpenCase(Request):
    """Open a case of a breach of discipline (G4). One of a kind per person and day; nobody opens one about himself (C11)."""

    type: Literal["attendance.open_case.v1"] = "attendance.open_case.v1"
    case_id: Identifier
    staff_id: Identifier
    incident_on: date
    code: Identifier
    """As the house's rules name the breach."""
    evidence: Evidence = ()
    grounds: Text


class CaseOpened(Fact):
    """A breach is alleged; nothing is decided."""

    type: Literal["attendance.case_opened.v1"] = "attendance.case_opened.v1"
    case_id: Identifier
    staff_id: Identifier
    incident_on: date
    code: Identifier
    severity: Severity
    evidence: tuple[Identifier, ...] = ()
    ruling: Ruling
    grounds: Personal


class RecordStatement(Request):
    """Record what the person says about a case, or that nothing was said; without it no case is decided."""

    type: Literal["attendance.record_statement.v1"] = "attendance.record_statement.v1"
    case_id: Identifier
    staff_id: Identifier
    statement: Text | None = None
    """None: the person was heard and declined to say anything."""


class StatementRecorded(Fact):
    """The person was heard."""

    type: Literal["attendance.statement_recorded.v1"] = "attendance.statement_recorded.v1"
    case_id: Identifier
    staff_id: Identifier
    declined: bool
    statement: Personal | None = None
    ruling: Ruling | None = None
    """None where the person recorded it."""


class DecideCase(Request):
    """Decide a case (G4; serious ones S3): whether there was a breach. What follows is the ladder's, not the decider's."""

    type: Literal["attendance.decide_case.v1"] = "attendance.decide_case.v1"
    case_id: Identifier
    staff_id: Identifier
    finding: Literal["breach", "no_breach"]
    grounds: Text


class CaseDecided(Fact):
    """The case is decided."""

    type: Literal["attendance.case_decided.v1"] = "attendance.case_decided.v1"
    case_id: Identifier
    staff_id: Identifier
    incident_on: date
    code: Identifier
    finding: Literal["breach", "no_breach"]
    level: int | None = None
    """Of the ladder, from 1; none where there was no breach."""
    sanction: Sanction | None = None
    days: int = 0
    repeated: bool = False
    """K2: the same breach stood within the house's window of repetition before it."""
    ruling: Ruling
    grounds: Personal


class CaseForwarded(Fact):
    """The breach is serious, or what follows is dismissal: the manager has the case (D4b, A2)."""

    type: Literal["attendance.case_forwarded.v1"] = "attendance.case_forwarded.v1"
    case_id: Identifier
    staff_id: Identifier
    forwarded_to: Label
    finding: Literal["breach", "no_breach"]
    """What the actor held."""
    level: int
    sanction: Sanction
    ruling: Ruling
    grounds: Personal


class GiveCaseNotice(Request):
    """Record that the person was told of the decision in writing; the days of appeal run from it."""

    type: Literal["attendance.give_case_notice.v1"] = "attendance.give_case_notice.v1"
    case_id: Identifier
    staff_id: Identifier
    given_on: date
    document: Label


class CaseNoticeGiven(Fact):
    """The person was told."""

    type: Literal["attendance.case_notice_given.v1"] = "attendance.case_notice_given.v1"
    case_id: Identifier
    staff_id: Identifier
    given_on: date
    document: Label
    ruling: Ruling


class AppealCase(Request):
    """Appeal against a decided case; only the person concerned may."""

    type: Literal["attendance.appeal_case.v1"] = "attendance.appeal_case.v1"
    case_id: Identifier
    staff_id: Identifier
    grounds: Text


class CaseAppealed(Fact):
    """The person appealed; somebody above who did not decide the case has it."""

    type: Literal["attendance.case_appealed.v1"] = "attendance.case_appealed.v1"
    case_id: Identifier
    staff_id: Identifier
    grounds: Personal


class DecideAppeal(Request):
    """Decide an appeal (S3); never by who decided the case."""

    type: Literal["attendance.decide_appeal.v1"] = "attendance.decide_appeal.v1"
    case_id: Identifier
    staff_id: Identifier
    outcome: Literal["upheld", "overturned"]
    """Of the case: whether its decision stands."""
    grounds: Text


class AppealDecided(Fact):
    """The appeal has an outcome of its own; where the case is overturned a `CaseReversed` follows."""

    type: Literal["attendance.appeal_decided.v1"] = "attendance.appeal_decided.v1"
    case_id: Identifier
    staff_id: Identifier
    outcome: Literal["upheld", "overturned"]
    ruling: Ruling
    grounds: Personal


class CaseReversed(Fact):
    """The decision no longer stands: it counts on no ladder and as no repetition. What was decided meanwhile stays."""

    type: Literal["attendance.case_reversed.v1"] = "attendance.case_reversed.v1"
    case_id: Identifier
    staff_id: Identifier
    reverses: Identifier
    """The fact that decided it."""


class CaseRefused(Refusal):
    """Something asked of a case was turned down.

    `same_breach_that_day` (C11), `statement_missing`, `appeal_too_late`, or a reason of `rule` such as `own_case`.
    """

    type: Literal["attendance.case_refused.v1"] = "attendance.case_refused.v1"
    asked_for: Literal["open", "statement", "decide", "notice", "appeal", "decide_appeal"]
    case_id: Identifier
    staff_id: Identifier
    standing: Identifier | None = None
    """The case that stands already."""
    finding: Literal["breach", "no_breach"] | None = None
    """What was to be decided."""
    ruling: Ruling | None = None


class GetConduct(Request):
    """One person's cases, and how many breaches stand of each code."""

    type: Literal["attendance.get_conduct.v1"] = "attendance.get_conduct.v1"
    staff_id: Identifier


@dataclass(frozen=True)
class Case:
    """One case of a person."""

    status: Literal["opened", "forwarded", "decided", "appealed", "reversed"]
    code: str = ""
    severity: Severity = "ordinary"
    incident_on: date = date.min
    heard: bool = False
    found: str = ""
    sanction: str = ""
    level: int = 0
    repeated: bool = False
    decided_fact: str = ""
    decided_by: str = ""
    decided_on: date | None = None
    noticed_on: date | None = None
    appeal: str = ""
    opened_fact: str = ""
    decided_through: str = ""
    """Who acted for whoever it was decided by."""

    @property
    def stands(self) -> bool:
        """Whether it is a breach that counts."""
        return self.status in ("decided", "appealed") and self.found == "breach"


@dataclass(frozen=True)
class Conduct:
    """All cases of one person."""

    cases: dict[str, Case] = field(default_factory=dict)


def evolve(conduct: Conduct, event: Event[Any]) -> Conduct:
    """The cases after one more fact; what says nothing of them changes nothing."""
    fact = event.data
    match fact:
        case CaseOpened():
            opened = Case("opened", fact.code, fact.severity, fact.incident_on, opened_fact=event.id)
            return replace(conduct, cases={**conduct.cases, fact.case_id: opened})
        case StatementRecorded():
            return _with(conduct, fact.case_id, heard=True)
        case CaseForwarded():
            return _with(conduct, fact.case_id, status="forwarded")
        case CaseDecided():
            return _with(
                conduct,
                fact.case_id,
                status="decided",
                found=fact.finding,
                sanction=fact.sanction or "",
                level=fact.level or 0,
                repeated=fact.repeated,
                decided_fact=event.id,
                decided_by=event.onbehalfof or event.actor,
                decided_through=event.actor if event.onbehalfof else "",
                decided_on=fact.ruling.asked.decided_on,
            )
        case CaseNoticeGiven():
            return _with(conduct, fact.case_id, noticed_on=fact.given_on)
        case CaseAppealed():
            return _with(conduct, fact.case_id, status="appealed", appeal="open")
        case AppealDecided():
            return _with(conduct, fact.case_id, status="decided", appeal=fact.outcome)
        case CaseReversed():
            return _with(conduct, fact.case_id, status="reversed")
        case _:
            return conduct


def _with(conduct: Conduct, case_id: str, **changes: Any) -> Conduct:
    known = conduct.cases.get(case_id, Case("opened"))
    return replace(conduct, cases={**conduct.cases, case_id: replace(known, **changes)})


def standing_before(
    case_id: str, code: str, books: Iterable[Conduct], anchor: date, window_days: int
) -> list[tuple[str, Case]]:
    """The breaches of a kind that stand within a window back from an anchor, both ends included (C10, T7).

    Args:
        case_id: the case that is decided, which does not count itself.
        code: the kind.
        books: the person's cases, under every id.
        anchor: the day of the incident, or of the decision where the matrix reads so.
        window_days: how far back.
    """
    first = anchor - timedelta(days=window_days)
    found = [
        (key, one)
        for book in books
        for key, one in book.cases.items()
        if key != case_id and one.stands and one.code == code and first <= one.incident_on <= anchor
    ]
    return sorted(found, key=lambda item: (item[1].incident_on, item[0]))


def level_of(offence: Offence, earlier: int) -> int:
    """The level of the ladder, from 1: one more than stand before; the sixth of five stays at the fifth (C10)."""
    return min(earlier + 1, len(offence.ladder))


def case_power(matrix: AuthorityMatrix | None, position: str | None) -> tuple[str, Verb]:
    """G4 for who holds it, S3 for who stands above."""
    above = matrix.row(ABOVE) if matrix else None
    return (ABOVE, "decide") if above is not None and position in above.holders else (CLAUSE, "decide")


def case_shown(known: Case | None, earlier: Iterable[tuple[str, Case]] = (), *, sanction: str = "") -> Showing:
    """What a decision on a case shows: what it goes on from, the breaches that count, and whether it is for the manager."""
    serious = known is not None and (known.severity == "serious" or sanction == "dismissal")
    return Showing(
        kind=SERIOUS if serious else None,
        inputs=named(
            case=(known.opened_fact,) if known is not None and known.opened_fact else (),
            earlier_breaches=tuple(one.decided_fact for _, one in earlier),
        ),
    )


def appeal_shown(known: Case, events: Sequence[Event[Any]], asked: Asked) -> Showing:
    """What a decision on an appeal shows: the decision appealed against, and who took it, who may not decide again."""
    decided_by = opened_by(events, (known.decided_by, known.decided_through), asked)
    return Showing(inputs=named(decision=(known.decided_fact,)), requested_by_id=decided_by)
