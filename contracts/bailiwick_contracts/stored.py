"""Reading facts that a store holds already, at a third of the price: the data are validated, the envelope only typed.

Whoever wrote the fact held its envelope to every rule (`envelope.Event`), and the chain of hashes shows what was changed since.
What folds and reactions mostly look at is read at once, the rest of the envelope when it is asked for.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, SupportsIndex, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from bailiwick_contracts.envelope import Event, Unknown, event_model, placed, read_event
from bailiwick_contracts.plain import reader

_TYPE, _RECORDED = b'"type":"', b'"recordedat":"'
_OF_FOLDS = frozenset(
    {"type", "id", "source", "subject", "sequence", "recordedat", "chainnumber", "actor", "onbehalfof", "channel"}
)
_OF_EVIDENCE = _OF_FOLDS | {"log", "delegation"}
_OF_REACTIONS = _OF_EVIDENCE | {"previoushash", "correlationid", "traceparent"}
_HELD: Any = BaseModel.__dict__["__dict__"]
"""What an object holds; a late event answers for its own `__dict__`."""


class LateEvent(Event[Any]):
    """An event of which some attributes were not read yet. Asked for one of them, it reads all and is an `Event`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_read_now(self), name)

    @property
    def __dict__(self) -> dict[str, Any]:
        return _read_now(self).__dict__

    @__dict__.setter
    def __dict__(self, values: dict[str, Any]) -> None:
        _become(self, values)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return _read_now(self).__reduce_ex__(protocol)


# Where two are compared it is an event, like one that was read whole.
LateEvent.__pydantic_generic_metadata__ = Event[Unknown].__pydantic_generic_metadata__


def _become(event: Event[Any], values: dict[str, Any]) -> None:
    """Make it an `Event` of these values: all of its own, or those of the one that it is a copy of."""
    _HELD.__set__(event, values)
    object.__setattr__(event, "__pydantic_fields_set__", set(values))
    object.__setattr__(event, "__pydantic_extra__", None)
    object.__setattr__(event, "__pydantic_private__", None)
    object.__setattr__(event, "__class__", Event)


def _read_now(event: Event[Any]) -> Event[Any]:
    """The same event, no longer late. Raises ValueError where the rest of its envelope is none."""
    held = _HELD.__get__(event)
    if "unread" in held:
        try:
            values = _reader(None, _OF_FOLDS)(held["unread"]).__dict__
        except ValueError:
            values = read_event(held["unread"], held["type"]).__dict__
        _become(event, {**values, "data": held["data"], "recordedat": held["recordedat"]})
    return event


@cache
def _reader(wire: str | None, at_once: frozenset[str]) -> Callable[[bytes], Any]:
    """What reads the bytes of a fact without the patterns of its envelope: what is read at once of a type, or all but the data."""
    plain = get_type_hints(Event)
    fields: dict[str, Any] = {
        name: (plain[name], ... if field.is_required() else field.default)
        for name, field in Event.__pydantic_fields__.items()
        if name != "data" and (wire is None or name in at_once)
    }
    if wire is not None:
        fields["recordedat"] = (str, ...)  # read by `read_stored`, which gives it our own zone at once
        fields["data"] = (event_model(wire).__pydantic_fields__["data"].annotation, ...)
    made: Any = create_model("Stored", __config__=ConfigDict(extra="ignore"), **fields)
    return reader(made)


def read_folded(raw: bytes, wire: str) -> Event[Any]:
    """As `read_stored`, with less read at once: what the fold of a stream looks at."""
    return read_stored(raw, wire, _OF_FOLDS)


def read_evidence(raw: bytes) -> Event[Any]:
    """The same: what a ruling that is given again looks at. Its source is read too: whose fact it is decides what it is evidence of."""
    event = read_stored(raw, None, _OF_EVIDENCE)
    placed(event.source)
    return event


def read_stored(raw: bytes, wire: str | None = None, at_once: frozenset[str] = _OF_REACTIONS) -> Event[Any]:
    """Read one stored fact; as `read_event`, but for the patterns of the envelope's names.

    Raises:
        ValueError: the bytes are no such document; the message names field, value and rule. What is wrong with an attribute
            that is not read at once is raised when it is asked for.
    """
    named = wire if wire is not None else _text_after(_TYPE, raw)
    if named is None:
        return read_event(raw)
    try:
        event: Event[Any] = _reader(named, at_once)(raw)
        held = event.__dict__
        recorded = datetime.fromisoformat(held["recordedat"])
    except ValueError:
        return read_event(raw, wire)
    if held["type"] != named or recorded.tzinfo is not UTC:
        return read_event(raw, wire)
    held["recordedat"], held["unread"] = recorded, raw
    object.__setattr__(event, "__class__", LateEvent)  # the same fields: nothing is copied
    return event


def recorded_at(raw: bytes) -> datetime:
    """When a stored fact was recorded. Raises ValueError where it does not say."""
    text = _text_after(_RECORDED, raw)
    return datetime.fromisoformat(text) if text is not None else read_event(raw).recordedat


def _text_after(marker: bytes, raw: bytes) -> str | None:
    start = raw.find(marker)
    if start < 0:
        return None
    end = raw.find(b'"', start + len(marker))
    return raw[start + len(marker) : end].decode(errors="replace")
