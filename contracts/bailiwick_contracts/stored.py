"""Reading facts that a store holds already, at a third of the price: the data are validated, the envelope only typed.

Whoever wrote the fact held its envelope to every rule (`envelope.Event`), and the chain of hashes shows what was changed since.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, get_type_hints

from pydantic import ConfigDict, create_model

from bailiwick_contracts.envelope import Event, event_model, read_event

_TYPE, _RECORDED = b'"type":"', b'"recordedat":"'


@cache
def _reader(wire: str) -> Callable[[bytes], Any]:
    """What reads the bytes of a wire type into the fields of its event, without their patterns."""
    strict, plain = event_model(wire), get_type_hints(Event)
    fields: dict[str, Any] = {
        name: (plain[name], ... if field.is_required() else field.default)
        for name, field in strict.__pydantic_fields__.items()
        if name != "data"
    }
    data: Any = strict.__pydantic_fields__["data"].annotation
    made: Any = create_model("Stored", __config__=ConfigDict(extra="ignore"), **fields, data=(data, ...))
    return made.__pydantic_validator__.validate_json


def read_stored(raw: bytes, wire: str | None = None) -> Event[Any]:
    """Read one stored fact; as `read_event`, but for the patterns of the envelope's names.

    Raises:
        ValueError: the bytes are no such document; the message names field, value and rule.
    """
    named = wire if wire is not None else _text_after(_TYPE, raw)
    if named is None:
        return read_event(raw)
    try:
        event: Event[Any] = _reader(named)(raw)
        object.__setattr__(event, "__class__", Event)  # the same fields: nothing is copied
    except ValueError:
        if wire is not None:
            raise
        return read_event(raw)
    if event.type == named:
        return event
    if wire is not None:
        raise ValueError(f"type: {event.type} arrived where {wire} was announced")
    return read_event(raw)


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
