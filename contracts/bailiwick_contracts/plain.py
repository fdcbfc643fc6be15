"""The validator of stored JSON as nearly all of it is written, with nothing left in it that Python has to be called for.

What it accepts, the model's own accepts and answers alike; what it refuses is for the model's own to judge.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaValidator

from bailiwick_contracts.message import in_utc, one_line

_INSTANT = {
    "type": "function-after",
    "function": {"type": "no-info", "function": datetime.fromisoformat},
    "schema": {
        "type": "str",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$",
    },
}
_DECIMAL = frozenset({"type", "metadata"})
"""What a schema of a decimal says that asks nothing beside of it."""
_TURNING = re.compile(b"\xe2(\x80[\xaa-\xae]|\x81[\xa6-\xa9])")
"""The overrides of direction that `one_line` forbids, as UTF-8."""
_ANSWERING_FOR_A_REFUSAL = ("union", "function-wrap")
"""Where a part that is refused is read in another way, so that who refuses less may answer otherwise."""
_KEPT = frozenset({"cls", "function", "metadata", "serialization"})
"""Parts of a schema in which no other schema stands, or none that validates."""


def reader(model: type[BaseModel]) -> Callable[[bytes], Any]:
    """What reads a model from its JSON: as `model_validate_json`, faster where instants are written as ours are."""
    checked, schema = model.__pydantic_validator__.validate_json, _plain(model.__pydantic_core_schema__)
    try:
        plain = SchemaValidator(schema, _use_prebuilt=False).validate_json
    except TypeError:  # a pydantic, as 2.12.0, that reads every part by the part's own validator
        return checked

    def read(raw: bytes) -> Any:
        if _is_plain(raw):
            try:
                return plain(raw)
            except ValueError:
                pass  # said by the model's own
        return checked(raw)

    return read


def _is_plain(raw: bytes) -> bool:
    """Whether none of its texts can hold what `one_line` forbids: nothing is escaped, and none turns the direction."""
    return b"\\" not in raw and (b"\xe2" not in raw or _TURNING.search(raw) is None)


def _plain(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(map(_plain, schema))
    if not isinstance(schema, dict) or schema.get("type") in _ANSWERING_FOR_A_REFUSAL:
        return schema
    kind, inner = schema.get("type"), schema.get("schema", {})
    if kind in ("function-after", "function-before", "function-plain") and "ref" not in schema:
        function = schema["function"]["function"]
        if function is one_line:
            return _plain(inner)
        if function is in_utc and inner.keys() <= {"type", "strict", "microseconds_precision", "metadata"}:
            return _INSTANT
        read = getattr(function, "of_text", None)
        if read is not None and (kind == "function-plain" or inner.keys() <= _DECIMAL):
            return {
                "type": "function-after",
                "function": {"type": "no-info", "function": read},
                "schema": {"type": "str"},
            }
    return {name: part if name in _KEPT else _plain(part) for name, part in schema.items()}
