"""Which facts an export, a bundle or an archive is about, and how it says so."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

_MEMBERS = {
    "id": str, "type": str, "source": str, "subject": str, "sequence": str, "time": str, "recordedat": str, "log": str,
    "chainnumber": int, "actor": str, "data": dict,
}  # fmt: skip
"""What whoever looks at a selection goes by, and as what."""


@dataclass(frozen=True)
class Selection:
    """A filter over stored facts; what is None does not filter. Instants are those of recording."""

    property_id: str | None = None
    service: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this instant."""
    as_of: datetime | None = None
    """As the ledger stood at this instant, inclusive."""

    def takes(self, document: dict[str, Any]) -> bool:
        """Whether a stored fact, parsed, belongs to it."""
        _, _, property_id, service = document["source"].split("/")
        recorded = datetime.fromisoformat(document["recordedat"])
        return (
            self.property_id in (None, property_id)
            and self.service in (None, service)
            and self.type in (None, document["type"])
            and (self.since is None or recorded >= self.since)
            and (self.until is None or recorded < self.until)
            and (self.as_of is None or recorded <= self.as_of)
        )

    def as_json(self) -> dict[str, str | None]:
        """What it says of itself."""
        told = {
            "property": self.property_id,
            "service": self.service,
            "type": self.type,
            "since": self.since,
            "until": self.until,
            "as_of": self.as_of,
        }
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}

    @classmethod
    def parse(cls, told: Mapping[str, str | None]) -> "Selection":
        """What `as_json` said. Raises ValueError and KeyError."""
        since, until, as_of = (
            None if told[name] is None else datetime.fromisoformat(str(told[name]))
            for name in ("since", "until", "as_of")
        )
        return cls(told["property"], told["service"], told["type"], since, until, as_of)


class Reached:
    """How far each chain was read: the position that a result is as of."""

    def __init__(self) -> None:
        self.chains: dict[str, int] = {}
        self.facts = 0

    def passing(self, raws: Iterable[bytes], selection: Selection) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """The facts of a selection with their parsed form; what is unreadable is left to `audit complete` to name."""
        for raw in raws:
            try:
                document = from_json(raw)
                if not all(isinstance(document[name], kind) for name, kind in _MEMBERS.items()):
                    continue
                chosen = selection.takes(document)
                _, _, property_id, service = document["source"].split("/")
            except (ValueError, KeyError, TypeError):
                continue
            recorded = datetime.fromisoformat(document["recordedat"])
            if selection.as_of is None or recorded <= selection.as_of:
                chain = f"{service}/{document['log']}/{property_id}"
                self.chains[chain] = max(self.chains.get(chain, 0), document["chainnumber"])
            if chosen:
                self.facts += 1
                yield raw, document

    def as_json(self) -> dict[str, int]:
        """Chain to the number of the last fact read, in order."""
        return dict(sorted(self.chains.items()))
