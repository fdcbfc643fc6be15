"""Facts about one person alone that nobody has to read before something is asked of the person; most of a history is such."""

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import DayDerived, PunchRecorded, ShiftRostered
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyRecommended, PenaltyRefused
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.stored import read_evidence

OF_ONE_PERSON = frozenset(
    kind.wire()
    for kind in (PunchRecorded, ShiftRostered, DayDerived, PenaltyDecided, PenaltyRecommended, PenaltyRefused)
)
"""No ruling on another person rests on one of these, but for a month's payroll, which asks for everyone's."""
_DATA = b'"data":{"type":"'
_BEGINS = re.compile(
    rb'(?:%s)",(?:"\w+":"[^"\\]*",)*?"staff_id":"([^"\\]*)"' % "|".join(map(re.escape, OF_ONE_PERSON)).encode()
)


def whose(raw: bytes) -> str | None:
    """Which person a fact is about alone, as the bytes of its data begin, of which nothing else is read; None where about none."""
    start = raw.find(_DATA)
    found = _BEGINS.match(raw, start + len(_DATA)) if start >= 0 else None
    return sys.intern(found[1].decode(errors="replace")) if found else None


def is_of(event: Event[Any], staff_id: str) -> bool:
    """Whether an event that was read whole is about that person alone."""
    return event.type in OF_ONE_PERSON and event.data.__dict__["staff_id"] == staff_id


class Place(NamedTuple):
    """Where a fact stands in what holds the history."""

    at: int
    length: int


Fetch = Callable[[Place], bytes]
"""The fact that stands there."""


class Unread:
    """Where the stored facts stand that wait, by person, in the order of recording."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        """None waits; without `fetch` none ever does."""
        self._fetch = fetch
        self._of: defaultdict[str, list[Place]] = defaultdict(list)

    def keep(self, staff_id: str, place: Place) -> None:
        """Let a person's fact wait."""
        self._of[staff_id].append(place)

    def __contains__(self, staff_id: str) -> bool:
        """Whether a fact of the person waits."""
        return staff_id in self._of

    def people(self) -> tuple[str, ...]:
        """Of whom facts wait."""
        return tuple(self._of)

    def of(self, staff_id: str) -> Iterator[Event[Any]]:
        """The facts of a person of whom some wait, now read, which wait no longer; those that do not read are left out."""
        for place in self._of.pop(staff_id):
            with suppress(ValueError):
                assert self._fetch is not None  # noqa: S101 - whoever keeps places can look there
                yield read_evidence(self._fetch(place))
