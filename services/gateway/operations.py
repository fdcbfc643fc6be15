"""The generated part of the API: every command a POST, every query a GET."""

from typing import Any

from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import GetProperty
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway import bulk
from services.gateway.ask import (
    Allowance,
    Asker,
    actor_of,
    command_id,
    given_once,
    idempotency_key,
    no_query,
    precondition_of,
    read_json,
    times_of,
    validated,
)
from services.gateway.identity import Identity
from services.gateway.limits import BULK_TYPES, Rates
from services.gateway.permission import Who
from services.gateway.problem import ProblemError, not_found
from services.gateway.query import as_of_in, next_page, query_of
from services.gateway.reply import answered, unchanged
from services.gateway.surface import AS_OF, Operation, Surface

_ALLOWED = {"GET": "GET, HEAD", "POST": "POST"}


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
            for other, allowed in _ALLOWED.items():
                if self._surface.find(other, path["version"], path["service"], path["name"]) is not None:
                    raise ProblemError("method_not_allowed", headers={"Allow": allowed})
            raise not_found()
        given_once(request)
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
        no_query(request)
        body = read_json(await request.body())
        self._allowance.check(who, "command", property_id, operation, body)
        key = idempotency_key(request.headers)
        asked = validated(operation, body)
        reply = await self._asker.ask(
            asked, self._allowance.actor(who, request.headers, property_id), property_id, "command",
            command_id=command_id(who, key), precondition=precondition_of(request.headers), **times_of(request.headers),
        )  # fmt: skip
        return await self._allowance.told(reply, self._asker, who, property_id, operation)

    async def _query(self, request: HttpRequest, who: Who, property_id: str, operation: Operation) -> Response:
        body = query_of(request.scope["query_string"].decode(), operation)
        claims = _looked_at(operation, body)
        self._allowance.check(who, "query", property_id, operation, body)
        await self._there(who, property_id)
        if operation.takes_property:
            body["property_id"] = property_id
        asked = validated(operation, body)
        reply = await self._asker.ask(
            asked, self._allowance.actor(who, request.headers, property_id), property_id, "query", **claims
        )
        response = answered(reply, query=True)
        link = next_page(request, operation, reply)
        if link is not None:
            response.headers["Link"] = link
        return unchanged(request, response)

    async def _there(self, who: Who, property_id: str) -> None:
        """Raises ProblemError for a property that is not there: every view of it would be empty, and every chain of it complete.

        The registry is asked about one that is not known here: it may be of this moment.
        """
        if not self._allowance.is_place(property_id):
            asked = GetProperty(property_id=property_id)
            answered(await self._asker.ask(asked, actor_of(who, {}), COMPANY, "query"), query=True)


def _looked_at(operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    """The instant that a view is asked for, taken out of a body that has no place of its own for it. Raises ProblemError."""
    if AS_OF not in body:
        return {}
    if not operation.takes_as_of(body[AS_OF]):
        return {"as_of": as_of_in(body.pop(AS_OF))}
    if "T" in str(body[AS_OF]):
        # A message has its times in UTC; who asks here gives them as RFC 3339 has them, of every view alike.
        body[AS_OF] = as_of_in(body[AS_OF]).isoformat()
    return {}
