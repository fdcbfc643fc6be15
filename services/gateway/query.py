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


def given_in(text: str, known: Mapping[str, bool]) -> dict[str, list[str]]:
    """What stands in a query string. `known`: each parameter, and whether it may be given more than once.

    Raises:
        ProblemError: a parameter that is not known, or one given twice that stands once.
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
    unknown = sorted(set(given) - set(known))
    if unknown:
        rule = f"one of {', '.join(sorted(known)) or 'none'}"
        problems = [{"field": name[:80], "value": given[name][0][:80], "rule": rule} for name in unknown[:20]]
        raise ProblemError(
            "invalid",
            f"{unknown[0][:80]}: no such parameter",
            problems=problems,
            remedy="leave it out or correct its name",
        )
    for name, texts in given.items():
        if len(texts) > 1 and not known[name]:
            problems = [{"field": name, "value": ", ".join(texts)[:80], "rule": "given once"}]
            raise ProblemError("invalid", f"{name}: given {len(texts)} times", problems=problems, remedy="give it once")
    return given


def wrong(field: str, value: str, rule: str) -> ProblemError:
    """A parameter whose value is none that it takes."""
    problems = [{"field": field, "value": value[:80], "rule": rule}]
    return ProblemError("invalid", f"{field}: {rule}", problems=problems, remedy=f"correct {field}")


def query_of(text: str, operation: Operation) -> dict[str, Any]:
    """The request's members from a query string. Raises ProblemError as `given_in` does."""
    body: dict[str, Any] = {}
    for name, texts in given_in(text, operation.repeated).items():
        parameter = operation.named[name]
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
        raise wrong(AS_OF, str(text), rule) from None


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
