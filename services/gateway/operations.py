"""The generated part of the API: every command a POST, every query a GET."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic_core import from_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway import bulk
from services.gateway.ask import (
    Allowance,
    Asker,
    actor_of,
    command_id,
    idempotency_key,
    precondition_of,
    read_json,
    times_of,
    validated,
)
from services.gateway.identity import Identity
from services.gateway.limits import BULK_TYPES, Rates
from services.gateway.permission import Who
from services.gateway.problem import ProblemError, not_found
from services.gateway.reply import answered
from services.gateway.surface import Operation, Surface

CURSORS = ("next", "after")
"""How a page's result names the place where the next begins."""
PARAMETERS = 100


class Operations:
    """Finds the operation of a path and takes the request through it."""

    def __init__(self, surface: Surface, identity: Identity, asker: Asker, rates: Rates, allowance: Allowance) -> None:
        """Everything a request needs on its way."""
        self._surface, self._identity, self._asker, self._rates = surface, identity, asker, rates
        self._allowance = allowance

    async def __call__(self, request: HttpRequest) -> Response:
        """One request of one operation."""
        who = await self._identity.of(request)
        self._rates.take(who.caller)
        path = request.path_params
        method = "GET" if request.method == "HEAD" else request.method
        operation = self._surface.find(method, path["version"], path["service"], path["name"])
        if operation is None:
            other = {"GET": "POST", "POST": "GET"}.get(method, "POST")
            if self._surface.find(other, path["version"], path["service"], path["name"]) is None:
                raise not_found()
            raise ProblemError("method_not_allowed", headers={"Allow": other})
        if operation.kind == "query":
            return await self._query(request, who, path["property"], operation)
        return await self._command(request, who, path["property"], operation)

    async def _command(self, request: HttpRequest, who: Who, property_id: str, operation: Operation) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in BULK_TYPES:
            return await bulk.answer(request, who, property_id, operation, self._asker, self._allowance, media_type)
        if media_type != "application/json":
            raise ProblemError(
                "unsupported_media_type", "Content-Type: application/json, application/x-ndjson or text/csv"
            )
        if request.url.query:
            raise ProblemError("malformed", "a command's members stand in its body; there are no query parameters")
        body = read_json(await request.body())
        self._allowance.check(who, "command", property_id, operation, body)
        key = idempotency_key(request.headers)
        asked = validated(operation, body)
        reply = await self._asker.ask(
            asked, actor_of(who, request.headers), property_id, "command",
            command_id=command_id(who, key), precondition=precondition_of(request.headers), **times_of(request.headers),
        )  # fmt: skip
        return answered(reply, query=False)

    async def _query(self, request: HttpRequest, who: Who, property_id: str, operation: Operation) -> Response:
        body = query_of(request.url.query, operation)
        self._allowance.check(who, "query", property_id, operation, body)
        if operation.takes_property:
            body["property_id"] = property_id
        asked = validated(operation, body)
        reply = await self._asker.ask(asked, actor_of(who, request.headers), property_id, "query")
        response = answered(reply, query=True)
        link = next_page(request.url.path, request.url.query, operation, reply)
        if link is not None:
            response.headers["Link"] = link
        if "etag" in response.headers and request.headers.get("if-none-match") == response.headers["etag"]:
            return Response(status_code=304, headers={"ETag": response.headers["etag"]})
        return response


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


def next_page(path: str, query: str, operation: Operation, reply: bytes) -> str | None:
    """The Link header of a page that is not the last (RFC 8288), where the operation has pages."""
    if "after" not in operation.model.model_fields:
        return None
    result: Mapping[str, Any] = from_json(reply).get("result") or {}
    place = next((result[name] for name in CURSORS if name in result), None)
    if place is None:
        return None
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "after"]
    return f'<{path}?{urlencode([*kept, ("after", str(place))])}>; rel="next"'
