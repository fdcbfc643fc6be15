"""Deadlines of tickets: the adopted policy, and the arithmetic that says when a term is up, as it stands in the fact."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Identifier, Instant, Record, built, in_utc
from bailiwick_contracts.working_time import (
    DayCounted,
    Reached,
    Span,
    Weekday,
    WorkingCalendar,
    WorkingSpan,
    reach,
    round_the_clock,
    without,
)

Kind = Literal["complaint", "repair", "help_request", "violation", "incident", "renovation", "support_request"]
"""投訴, 維修, 求助, 違章 (of an owner), 突發事件, 裝修申請, 請求支援."""
Severity = Literal["ordinary", "major"]
"""`major` is 重大: it goes straight to director and manager."""
Clockwork = Literal["response", "resolution"]
Demand = Literal["written_report", "forwarded", "work_orders_done", "verified"]
"""What must be there before a ticket of a kind is closed."""
Seconds = Annotated[int, Field(ge=1, le=366 * 86_400)]


class EscalationStep(Record):
    """One step up the reporting line once the resolution is overdue: `after_seconds` of the term's own time past the due instant."""

    after_seconds: Annotated[int, Field(ge=0, le=366 * 86_400)]
    takes_over: bool = True
    """Whether the next in line becomes accountable; otherwise it is told."""


class Terms(Record):
    """What holds for tickets of a kind and class."""

    kind: Kind
    severity: Severity = "ordinary"
    response_seconds: Seconds | None = None
    resolution_seconds: Seconds | None = None
    counts: Literal["working", "elapsed"] = "working"
    """Whether a term runs in working time or round the clock."""
    warn_at_share: Ratio = Ratio(numerator=3, denominator=4)
    """The share of a term after which the accountable person is warned."""
    escalation: tuple[EscalationStep, ...] = ()
    update_seconds: Seconds | None = None
    """How often an open incident must be reported on; in elapsed time."""
    progress_seconds: Seconds | None = None
    """How often progress on it goes to the manager (S2-4); in working time."""
    follow_up_seconds: Seconds | None = None
    """How long after completion the follow-up visit is due (D5b); in working time. None: no visit is asked for."""
    closing: tuple[Demand, ...] = ("work_orders_done", "verified")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not 0 < self.warn_at_share.numerator <= self.warn_at_share.denominator:
            raise ValueError("warn_at_share: a share of the term, more than 0 and at most 1")
        steps = [step.after_seconds for step in self.escalation]
        if steps != sorted(steps):
            raise ValueError("escalation: the steps follow one another; order them by after_seconds")
        return self


class DeadlinePolicy(Record):
    """Every term of a property, or of the company, in one version."""

    version: Identifier
    hours: Annotated[tuple[WorkingSpan, ...], Field(min_length=1, max_length=50)]
    make_up_weekday: Weekday = 1
    terms: Annotated[tuple[Terms, ...], Field(max_length=100)]

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        names = [(one.kind, one.severity) for one in self.terms]
        if len(set(names)) < len(names):
            raise ValueError("terms: each kind and class stands once; remove the repetition")
        if not any(self.make_up_weekday in span.weekdays for span in self.hours):
            raise ValueError("make_up_weekday: a weekday that has hours of its own")
        return self

    def terms_of(self, kind: str, severity: str) -> Terms | None:
        """The terms of a kind and class; where the class has none, the ordinary ones."""
        found = {one.severity: one for one in self.terms if one.kind == kind}
        return found.get(severity) or found.get("ordinary")  # type: ignore[call-overload]


class Basis(Record):
    """What a reckoning rests on, by the facts."""

    policy_version: Identifier
    policy_fact: Identifier
    zone_fact: Identifier
    calendar_fact: Identifier | None = None
    """None where the property adopted no holidays."""


class Reckoning(Record):
    """When one term of a ticket is up, with the whole arithmetic: anyone with the named facts comes to the same instants."""

    clock: Clockwork
    basis: Basis
    counts: Literal["working", "elapsed"]
    term_seconds: int
    started_at: Instant
    held: tuple[Span, ...] = ()
    """What did not count: holds, and the time between a completion and the reopening."""
    warn_at: Instant
    due_at: Instant
    days: tuple[DayCounted, ...] = ()
    """What was counted on each day up to the due instant: of the property's zone, or for an elapsed term of UTC."""
    escalate_at: tuple[Instant, ...] = ()
    """When each step of the policy goes up the line, while the resolution is overdue."""


def reckon(
    clock: Clockwork,
    terms: Terms,
    basis: Basis,
    calendar: WorkingCalendar,
    started_at: datetime,
    held: Iterable[Span] = (),
) -> Reckoning | None:
    """When a term is up (C4, C5), or None where the policy sets none.

    Args:
        clock: which of the two terms.
        terms: the terms of the ticket's kind and class.
        basis: the facts that policy and calendar come from; stands in the answer.
        calendar: the property's working time.
        started_at: when the term began. An escalation never changes it.
        held: closed holds; what lies in them does not count.
    """
    return next(iter(_reckoned((clock,), terms, basis, calendar, started_at, held)), None)


def reckon_both(
    terms: Terms, basis: Basis, calendar: WorkingCalendar, started_at: datetime, held: Iterable[Span] = ()
) -> tuple[Reckoning, ...]:
    """As `reckon`: the response, then the resolution, as far as the policy sets them."""
    return tuple(_reckoned(("response", "resolution"), terms, basis, calendar, started_at, held))


class _Wanted(NamedTuple):
    """The seconds after which a term is due, warned of and escalated."""

    clock: Clockwork
    due: int
    warn: int
    steps: tuple[int, ...]


def _wanted(clock: Clockwork, terms: Terms) -> _Wanted | None:
    due, steps, share = terms.resolution_seconds, terms.escalation, terms.warn_at_share
    if clock == "response":
        due, steps = terms.response_seconds, ()
    if due is None:
        return None
    warn = due * share.numerator // share.denominator
    return _Wanted(clock, due, warn, tuple([due + step.after_seconds for step in steps]))


def _reckoned(
    clocks: Iterable[Clockwork],
    terms: Terms,
    basis: Basis,
    calendar: WorkingCalendar,
    started_at: datetime,
    held: Iterable[Span],
) -> list[Reckoning]:
    wanted = [one for clock in clocks if (one := _wanted(clock, terms)) is not None]
    if not wanted:
        return []
    ended = tuple(sorted((span for span in held if span.until is not None), key=attrgetter("since")))
    seconds = [count for one in wanted for count in (one.due, one.warn, *one.steps)]
    start = in_utc(started_at)
    passed = _after(seconds, terms.counts, calendar, start, ended)
    return [
        built(
            Reckoning,
            {
                "clock": one.clock,
                "basis": basis,
                "counts": terms.counts,
                "term_seconds": one.due,
                "started_at": start,
                "held": ended,
                "warn_at": passed[one.warn].at,
                "due_at": passed[one.due].at,
                "days": passed[one.due].counted,
                "escalate_at": tuple([passed[step].at for step in one.steps]),
            },
        )
        for one in wanted
    ]


def _after(
    seconds: Sequence[int], counts: str, calendar: WorkingCalendar, start: datetime, held: Iterable[Span] = ()
) -> dict[int, Reached]:
    spans = calendar.spans_from(start) if counts == "working" else round_the_clock(start)
    return reach(without(spans, held), seconds, start)


def later(calendar: WorkingCalendar, start: datetime, seconds: int, counts: str = "working") -> datetime:
    """The instant at which so many seconds of working (or elapsed) time have passed since `start`."""
    return _after((seconds,), counts, calendar, start)[seconds].at


FIRST_SECOND_LATE = timedelta(seconds=1)
"""The due instant itself is in time; from the second after it a term is breached."""


def is_met(due_at: datetime, at: datetime) -> bool:
    """Whether something done at `at` was in time: at the due instant it still is."""
    return at < due_at + FIRST_SECOND_LATE


_OFFICE = (WorkingSpan(weekdays=(1, 2, 3, 4, 5), starts="09:00", ends="18:00"),)
_HOUR, _DAY = 3_600, 9 * 3_600
_UP = (EscalationStep(after_seconds=0), EscalationStep(after_seconds=4 * _HOUR))


_ALWAYS: dict[str, tuple[Demand, ...]] = {"incident": ("written_report",), "renovation": ("forwarded",)}


def closing_demands(kind: str, terms: Terms | None) -> tuple[Demand, ...]:
    """What must be there before a ticket of a kind is closed: the manual's own (D5d, G7), and what the policy adds."""
    always = _ALWAYS.get(kind, ())
    added = terms.closing if terms is not None else ("work_orders_done", "verified")
    return (*always, *(one for one in added if one not in always))


def shipped_policy(version: str = "terms-1") -> DeadlinePolicy:
    """The policy shipped with the product, to be adopted once the company has read it; nothing holds before."""
    return DeadlinePolicy(
        version=version,
        hours=_OFFICE,
        terms=(
            Terms(kind="complaint", response_seconds=2 * _HOUR, resolution_seconds=2 * _DAY, escalation=_UP,
                  follow_up_seconds=2 * _DAY),
            Terms(kind="complaint", severity="major", response_seconds=_HOUR // 2, resolution_seconds=_DAY,
                  counts="working", escalation=_UP, progress_seconds=4 * _HOUR, follow_up_seconds=_DAY),
            Terms(kind="repair", response_seconds=2 * _HOUR, resolution_seconds=_DAY, escalation=_UP,
                  follow_up_seconds=2 * _DAY),
            Terms(kind="help_request", response_seconds=_HOUR, resolution_seconds=4 * _HOUR, escalation=_UP,
                  follow_up_seconds=2 * _DAY),
            Terms(kind="violation", response_seconds=_DAY, resolution_seconds=5 * _DAY, escalation=_UP),
            Terms(kind="incident", response_seconds=900, resolution_seconds=24 * _HOUR, counts="elapsed",
                  escalation=(EscalationStep(after_seconds=0),), update_seconds=_HOUR,
                  closing=("written_report", "work_orders_done", "verified")),
            Terms(kind="renovation", response_seconds=_DAY, resolution_seconds=2 * _DAY, escalation=_UP,
                  closing=("forwarded",)),
            Terms(kind="support_request", response_seconds=4 * _HOUR, resolution_seconds=3 * _DAY, escalation=_UP,
                  closing=("work_orders_done",)),
        ),
    )  # fmt: skip
