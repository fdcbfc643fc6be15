"""The figures of a month: K4, K6, K8, K9, K10, the analysis of follow-up visits (S2-7) and the counts by topic (S2-6)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bailiwick_contracts.deadline import is_met

from services.tickets.state import Ticket

_OUT = ("withdrawn", "merged")


@dataclass(frozen=True)
class Period:
    """A period of the property's zone as instants, the end excluded."""

    since: datetime
    until: datetime

    def holds(self, at: datetime | None) -> bool:
        """Whether an instant lies in it."""
        return at is not None and self.since <= at < self.until


def rate(numerator: int, denominator: int) -> Mapping[str, Any]:
    """A rate with its exact parts and the percentage to 2 decimals, half up; None where nothing is to be counted."""
    percent = None
    if denominator:
        percent = str((Decimal(100 * numerator) / denominator).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return {"numerator": numerator, "denominator": denominator, "percent": percent}


def _counted(tickets: Iterable[Ticket], kind: str) -> list[Ticket]:
    return [one for one in tickets if one.kind == kind and one.taken_over is None and one.status not in _OUT]


def figures(tickets: Iterable[Ticket], period: Period) -> Mapping[str, Mapping[str, Any]]:
    """Each figure with numerator, denominator, percentage, target and definition. Tickets taken over count in none.

    Args:
        tickets: every ticket that was open, closed, due or visited in the period, as the report's moment has it.
        period: the month.
    """
    known = list(tickets)
    repairs, complaints = _counted(known, "repair"), _counted(known, "complaint")
    violations, helps = _counted(known, "violation"), _counted(known, "help_request")
    open_repairs = [one for one in repairs if _was_open(one, period)]
    due_repairs = [one for one in repairs if period.holds(_due_at(one))]
    done_repairs = [one for one in repairs if one.completions and period.holds(one.completions[0].at)]
    due_violations = [one for one in violations if period.holds(_due_at(one) or one.registered_at)]
    closed_complaints = [one for one in complaints if any(period.holds(each.at) for each in one.closings)]
    received = [one for one in helps if period.holds(one.registered_at)]
    rated = [v for one in helps for v in one.visits.values() if v.is_effective and period.holds(v.made_at)]
    visits = [v for one in known if one.taken_over is None for v in one.visits.values() if period.holds(v.due_at)]
    return {
        "K4": _of("100", "repairs followed up within their term / repairs open in the month",
                  rate(sum(map(_followed_in_time, open_repairs)), len(open_repairs))),
        "K6a": _of("100", "violations closed with verification / violations due in the month",
                   rate(sum(any(c.verified for c in one.closings) for one in due_violations), len(due_violations))),
        "K6b": _of("95", "last visit satisfied / complaints closed in the month; no visit is no pass",
                   rate(sum(_last_result(one) == "satisfied" for one in closed_complaints), len(closed_complaints))),
        "K8a": _of("100", "repairs completed within their term / repairs due in the month",
                   rate(sum(_done_in_time(one) for one in due_repairs), len(due_repairs))),
        "K8b": _of("100", "repairs never reopened / repairs first completed in the month",
                   rate(sum(one.reopened == 0 for one in done_repairs), len(done_repairs))),
        "K9a": _of("100", "help requests completed / help requests received in the month",
                   rate(sum(bool(one.completions) for one in received), len(received))),
        "K9b": _of("95", "satisfied / visits of help requests with a result in the month",
                   rate(sum(one.result == "satisfied" for one in rated), len(rated))),
        "K10": _of("100", "visits with contact and result / visits due in the month",
                   rate(sum(one.is_effective for one in visits), len(visits))),
    }  # fmt: skip


def _of(target: str, definition: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**found, "target": target, "definition": definition}


def _was_open(ticket: Ticket, period: Period) -> bool:
    begun = ticket.registered_at is not None and ticket.registered_at < period.until
    return begun and (ticket.closed_at is None or ticket.closed_at >= period.since)


def _due_at(ticket: Ticket) -> datetime | None:
    term = ticket.deadlines.get("resolution")
    return term.due_at if term is not None else None


def _followed_in_time(ticket: Ticket) -> bool:
    term = ticket.deadlines.get("response") or ticket.deadlines.get("resolution")
    at = ticket.followed_up_at
    return at is not None and (term is None or is_met(term.due_at, at))


def _done_in_time(ticket: Ticket) -> bool:
    return bool(ticket.completions) and ticket.completions[0].in_time is True


def _last_result(ticket: Ticket) -> str | None:
    made = [(one.made_at, one.result) for one in ticket.visits.values() if one.is_effective and one.made_at is not None]
    return max(made, key=lambda one: one[0])[1] if made else None


def follow_ups(tickets: Iterable[Ticket], period: Period, before: Period) -> list[Mapping[str, Any]]:
    """Visits due in the period on complaints, repairs and help requests, by kind and topic, beside the period before (S2-7).

    `change` is the difference of the satisfied among the effective ones, in hundredths of a percent; None where one of the
    two periods has none.
    """
    known = list(tickets)
    now, then = _visits(known, period), _visits(known, before)
    found: list[Mapping[str, Any]] = []
    for kind, topic in sorted(now):
        counts, earlier = now[kind, topic], then.get((kind, topic), Counter())
        satisfied = rate(counts["satisfied"], counts["effective"])
        previous = rate(earlier["satisfied"], earlier["effective"])
        change = None
        if satisfied["percent"] is not None and previous["percent"] is not None:
            change = str(Decimal(satisfied["percent"]) - Decimal(previous["percent"]))
        found.append(
            {
                "kind": kind,
                "topic": topic,
                **{
                    name: counts[name]
                    for name in ("due", "effective", "no_contact", "missed", "satisfied", "unsatisfied")
                },
                "effective_percent": rate(counts["effective"], counts["due"])["percent"],
                "satisfied_percent": satisfied["percent"],
                "satisfied_percent_before": previous["percent"],
                "change": change,
                "reopened": counts["reopened"],
            }
        )
    return found


def _visits(tickets: Iterable[Ticket], period: Period) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for ticket in tickets:
        if ticket.kind not in ("complaint", "repair", "help_request"):
            continue
        for visit in ticket.visits.values():
            if not period.holds(visit.due_at):
                continue
            counts = found.setdefault((ticket.kind, ticket.topic), Counter())
            counts["due"] += 1
            counts["effective"] += visit.is_effective
            counts["no_contact"] += visit.attempts > 0 and not visit.is_effective
            counts["missed"] += visit.missed
            counts[visit.result or "open"] += 1
            counts["reopened"] += visit.result == "unsatisfied"
    return found


def topics(tickets: Iterable[Ticket], period: Period) -> list[Mapping[str, Any]]:
    """Tickets registered in the period per topic and kind (S2-6), the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    still: Counter[tuple[str, str]] = Counter()
    for ticket in tickets:
        if period.holds(ticket.registered_at):
            counts[ticket.topic, ticket.kind] += 1
            still[ticket.topic, ticket.kind] += ticket.is_open
    ordered = sorted(counts, key=lambda one: (-counts[one], one))
    return [
        {"topic": topic, "kind": kind, "registered": counts[topic, kind], "open": still[topic, kind]}
        for topic, kind in ordered
    ]
