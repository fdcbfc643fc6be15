"""Facts that rest with one judge alone, by what they are about: a person, a ticket, a property's books. Most of a history is such."""

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import DayDerived, PunchRecorded, ShiftRostered
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyRecommended, PenaltyRefused
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.stored import read_evidence

OF_ONE_PERSON = frozenset(
    kind.wire()
    for kind in (PunchRecorded, ShiftRostered, DayDerived, PenaltyDecided, PenaltyRecommended, PenaltyRefused)
)
"""No ruling on another person rests on one of these, but for a month's payroll, which asks for everyone's."""
_OF_ALL = DeadlinePolicyAdopted.wire()
"""Of what tickets and billing store, the one kind that rulings on other tickets, and other properties, rest on."""
_DATA = b'"data":{'
_BEGINS = re.compile(
    rb'(?:"reason":"[^"\\]*",)?"type":"(?:%s)",(?:"\w+":"[^"\\]*",)*?"staff_id":"([^"\\]*)"'
    % "|".join(map(re.escape, sorted(OF_ONE_PERSON))).encode()
)
_STORED_BY = re.compile(
    rb'\{"specversion":"1\.0","id":"[^"\\]*","type":"((tickets|billing)\.[^"\\]*)","source":"/properties/([^"\\/]*)/\2",'
    rb'"subject":"([^"\\]*)"'
)


def about(event: Event[Any]) -> str:
    """What a fact is about, by which it is dealt out: a staff id, `tickets/<stream>`, `billing/<property>`, or any other stream."""
    match event.service:
        case "tickets":
            return f"tickets/{event.subject}"
        case "billing":
            return f"billing/{event.property_id}"
        case _:
            return event.data.__dict__.get("staff_id") or event.subject


def whose(raw: bytes) -> str | None:
    """What a fact is about alone, as its bytes begin, of which nothing else is read; None where rulings on others may rest on it."""
    stored = _STORED_BY.match(raw)
    if stored is not None:
        kind, service, place, stream = stored.groups()
        return (
            None if kind == _OF_ALL.encode() else _name(service + b"/" + (stream if service == b"tickets" else place))
        )
    start = raw.find(_DATA)
    found = _BEGINS.match(raw, start + len(_DATA)) if start >= 0 else None
    return _name(found[1]) if found else None


def _name(said: bytes) -> str:
    return sys.intern(said.decode(errors="replace"))


def is_about(event: Event[Any], alone: str) -> bool:
    """Whether an event that was read whole is about that alone."""
    kind = event.type
    is_of_one = kind in OF_ONE_PERSON or (kind != _OF_ALL and kind.partition(".")[0] == event.service in _APART)
    return is_of_one and about(event) == alone


_APART = ("tickets", "billing")


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

    def keep(self, alone: str, place: Place) -> None:
        """Let a person's fact wait. One about a ticket or a property's books nobody else will ask for."""
        if "/" not in alone:
            self._of[alone].append(place)

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
