"""Facts about one person alone that nobody has to read before something is asked of the person; most of a history is such."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import DayDerived, PunchRecorded, ShiftRostered
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyRecommended, PenaltyRefused
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.stored import read_evidence

OF_ONE_PERSON = (
    PunchRecorded.wire(),
    ShiftRostered.wire(),
    DayDerived.wire(),
    PenaltyDecided.wire(),
    PenaltyRecommended.wire(),
    PenaltyRefused.wire(),
)
"""No ruling on another person rests on one of these, but for a month's payroll, which asks for everyone's."""
_DATA = b'"data":{"type":"'
_BEGINS = re.compile(
    rb'(%s)",(?:"\w+":"[^"\\]*",)*?"staff_id":"([^"\\]*)"' % "|".join(map(re.escape, OF_ONE_PERSON)).encode()
)


class Whose(NamedTuple):
    """Whose fact it is and of which type, as the bytes of its data begin."""

    wire: str
    staff_id: str

    def is_of(self, event: Event[Any]) -> bool:
        """Whether the event, read whole, says the same."""
        return self == (event.type, event.data.__dict__.get("staff_id"))


def whose(raw: bytes) -> Whose | None:
    """Whose fact these bytes are, of which nothing else is read; None where it is not about one person alone."""
    start = raw.find(_DATA)
    found = _BEGINS.match(raw, start + len(_DATA)) if start >= 0 else None
    return Whose(found[1].decode(), found[2].decode(errors="replace")) if found else None


class Unread:
    """Stored facts that wait, by person, in the order of recording."""

    def __init__(self) -> None:
        """None waits."""
        self._of: defaultdict[str, list[bytes]] = defaultdict(list)

    def keep(self, staff_id: str, raw: bytes) -> None:
        """Let a person's fact wait."""
        self._of[staff_id].append(raw)

    def __contains__(self, staff_id: str) -> bool:
        """Whether a fact of the person waits."""
        return staff_id in self._of

    def people(self) -> tuple[str, ...]:
        """Of whom facts wait."""
        return tuple(self._of)

    def of(self, staff_id: str) -> Iterator[Event[Any]]:
        """The facts of a person of whom some wait, now read, which wait no longer; those that do not read are left out."""
        for raw in self._of.pop(staff_id):
            with suppress(ValueError):
                yield read_evidence(raw)
