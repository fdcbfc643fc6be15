"""The figures of a log that was taken over, counted from our own facts: they must be those of the file."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from statistics import median
from typing import Any

from services.tickets.taken_over import TakenOver

_CLOSED = ("closed", "withdrawn", "merged")


def log_figures(cases: Iterable[TakenOver | None], variants_limit: int) -> dict[str, Any]:
    """`tickets`, `events`, `closed`, `open`, `reopened`, `median_hours_to_resolve`, `activities`, `variants`.

    `closed` is by the last status, `reopened` counts tickets that were taken up again after they had been resolved or closed,
    and hours run from a ticket's first entry to its last resolution.
    """
    known = [one for one in cases if one is not None]
    activities = Counter(activity for one in known for activity in one.activities)
    variants = Counter(one.activities for one in known)
    closed = sum(one.status in _CLOSED for one in known)
    most: Mapping[str, Any] = {
        "distinct": len(variants),
        "most_frequent": [
            {"activities": list(names), "tickets": count}
            for names, count in sorted(variants.items(), key=lambda item: (-item[1], item[0]))[:variants_limit]
        ],
    }
    return {
        "tickets": len(known),
        "events": sum(activities.values()),
        "closed": closed,
        "open": len(known) - closed,
        "reopened": sum(one.reopened > 0 for one in known),
        "median_hours_to_resolve": median_hours(known),
        "activities": dict(sorted(activities.items())),
        "variants": most,
    }


def median_hours(cases: Iterable[TakenOver]) -> str | None:
    """The median of the hours to the last resolution, to 2 decimals; None where nothing was resolved."""
    spans = [_hours(one.first_at, one.resolved_at) for one in cases if one.first_at and one.resolved_at]
    return f"{float(median(spans)):.2f}" if spans else None


def _hours(since: datetime, until: datetime) -> Fraction:
    return Fraction(int((until - since).total_seconds()), 3600)
