"""Parts of requests: read as strictly as the request itself."""

from typing import Any

from pydantic import BeforeValidator
from pydantic_core import to_json

from bailiwick_contracts.message import Record


def whole(model: type[Record]) -> BeforeValidator:
    """A field that holds `model`, in a request: unknown fields are errors in it too, so a mistyped limit is no default."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        read = model.model_validate_json(to_json(value), strict=True)
        extra = sorted(_unknown(value, read.model_dump(mode="json")))
        if extra:
            raise ValueError(f"{', '.join(extra)}: no such field; remove it or correct its name")
        return read

    return BeforeValidator(check)


def _unknown(given: Any, known: Any, path: str = "") -> list[str]:
    if isinstance(given, dict) and isinstance(known, dict):
        extra = [f"{path}{name}" for name in given if name not in known]
        return extra + [
            one for name in given if name in known for one in _unknown(given[name], known[name], f"{path}{name}.")
        ]
    if isinstance(given, list | tuple) and isinstance(known, list):
        pairs = enumerate(zip(given, known, strict=False))
        return [one for index, (left, right) in pairs for one in _unknown(left, right, f"{path}{index}.")]
    return []
