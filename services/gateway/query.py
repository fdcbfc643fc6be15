"""The query string of a GET: filters, the place of a page, and the instant that is looked at."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import TypeAdapter
from pydantic_core import from_json
from starlette.requests import Request as HttpRequest

from services.gateway.problem import ProblemError
from services.gateway.surface import AS_OF, Operation

CURSORS = ("next", "after")
"""How a page's result names the place where the next begins."""
PARAMETERS = 100
_instant: TypeAdapter[datetime] = TypeAdapter(datetime)


def query_of(text: str, operation: Operation) -> dict[str, Any]:
    """The request's members from a query string.

    Raises:
        ProblemError: a parameter that the operation does not have, or one given twice that stands once.
    """
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=PARAMETERS, errors="strict"
        )
    except ValueError:
        raise ProblemError("malformed", "query: not a query string, or more than 100 parameters") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    known = {parameter.name: parameter for parameter in operation.parameters}
    unknown = sorted(set(given) - set(known))
    if unknown:
        problems = [
            {"field": name[:80], "rule": f"one of {', '.join(sorted(known)) or 'none'}"} for name in unknown[:20]
        ]
        raise ProblemError("invalid", f"{unknown[0][:80]}: no such parameter", problems=problems)
    body: dict[str, Any] = {}
    for name, texts in given.items():
        parameter = known[name]
        if len(texts) > 1 and not parameter.repeated:
            raise ProblemError(
                "invalid", f"{name}: given {len(texts)} times", problems=[{"field": name, "rule": "given once"}]
            )
        place = body
        for step in parameter.path[:-1]:
            place = place.setdefault(step, {})
        place[parameter.path[-1]] = parameter.read(texts)
    return body


def as_of_in(text: Any) -> datetime:
    """The instant that is looked at. Raises ProblemError."""
    try:
        found = _instant.validate_python(text if "T" in str(text) else None)
        if found.utcoffset() is None:
            raise ValueError
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        rule = "an instant with its offset from UTC (RFC 3339), e.g. 2026-03-02T18:00:00Z; `+` is written %2B in a URL"
        raise ProblemError("invalid", f"{AS_OF}: {rule}", problems=[{"field": AS_OF, "rule": rule}]) from None


def next_page(request: HttpRequest, operation: Operation, reply: bytes) -> str | None:
    """The Link header of a page that is not the last (RFC 8288), where the operation has pages."""
    if "after" not in operation.model.model_fields:
        return None
    result: Mapping[str, Any] = from_json(reply).get("result") or {}
    place = next((result[name] for name in CURSORS if name in result), None)
    if place is None:
        return None
    kept = [(name, value) for name, value in parse_qsl(request.url.query, keep_blank_values=True) if name != "after"]
    return f'<{request.url.path}?{urlencode([*kept, ("after", str(place))])}>; rel="next"'
