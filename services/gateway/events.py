"""The events, read from a place on or followed live (server-sent events)."""

import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from bailiwick_contracts.message import COMPANY
from pydantic_core import to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from services.gateway.ask import Allowance, Asker
from services.gateway.cursor import Cursor, Veil, written
from services.gateway.identity import Identity
from services.gateway.limits import Rates
from services.gateway.permission import Resource, Who, may
from services.gateway.problem import ProblemError, not_found
from services.gateway.query import as_of_in, given_in, wrong
from services.gateway.reply import unchanged
from services.gateway.standing import REMEMBERED_SECONDS, Standing, everything
from services.gateway.surface import AS_OF
from services.gateway.tail import Tail, Wanted, chosen

PARAMETERS = {"type": True, "property": False, "after": False, "limit": False}
"""Each with whether it may be given more than once."""
PAGE, PAGES = 100, 500
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")


class Events:
    """`GET /v1/events`, as pages or as a stream, and the history of one record."""

    def __init__(
        self, tail: Tail, identity: Identity, standing: Standing, rates: Rates, asker: Asker, allowance: Allowance, veil: Veil
    ) -> None:  # fmt: skip
        """Everything a request needs on its way."""
        self._allowance, self._veil = allowance, veil
        self._tail, self._identity, self._standing, self._rates, self._asker = tail, identity, standing, rates, asker

    async def __call__(self, request: HttpRequest) -> Response:
        """One page, or the stream where `Accept: text/event-stream` asks for it."""
        who = await self._identity.of(request)
        self._rates.take(who.caller)
        query = request.query_params
        given_in(request.scope["query_string"].decode(), PARAMETERS)
        visible = self._visible(who, query.get("property"))
        wanted, limit = Wanted(chosen(query.getlist("type") or ("*",)), visible), _limit(query.get("limit", str(PAGE)))
        if _listens(request.headers.get("accept", "")):
            last = request.headers.get("last-event-id") or query.get("after")
            cursor = self._read(who, last) if last else None
            await self._tail.page(cursor or dict(self._tail.heads), wanted, 1)
            # What is asked for without its body would never come to its end.
            stream = () if request.method == "HEAD" else self._stream(request, cursor, wanted)
            return StreamingResponse(stream, media_type="text/event-stream")
        return await self._page(request, self._read(who, query.get("after") or "start"), wanted, limit)

    async def place(self, text: str) -> str:
        """The place in the feed that a cursor is, as it is kept. Raises ProblemError for one of another installation."""
        cursor = self._veil.read(text, plain=True)
        await self._tail.page(cursor, Wanted(), 1)
        return written(cursor)

    def _read(self, who: Who, text: str) -> Cursor:
        """A cursor that somebody gives: whoever sees not all gives one that was told here, so that none is found by trying."""
        return self._veil.read(text, plain=self._sees_all(who))

    @staticmethod
    def _sees_all(who: Who) -> bool:
        return may(who, "events", Resource(frozenset({COMPANY}))) == "granted"

    async def _page(self, request: HttpRequest, cursor: Cursor, wanted: Wanted, limit: int) -> Response:
        found, after, more = await self._tail.page(cursor, wanted, limit, stored=True)
        after = self._tail.told(wanted)(after)
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        link = f'<{request.url.path}?{urlencode([*kept, ("after", after)])}>; rel="next"'
        # The stored bytes as they are, one by one: nothing is serialised anew.
        body = b'{"events":[' + b",".join(event.raw for event in found) + b'],"next":' + to_json(after)
        # A page looks at so many facts at most: where none of them was wanted it is empty, and not the last.
        body += b',"more":' + to_json(more) + b"}"
        return Response(body, headers={"Link": link}, media_type="application/json")

    async def _stream(self, request: HttpRequest, cursor: Cursor | None, wanted: Wanted) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        looked_at = time.monotonic()
        # Where the feed fails on the way the stream ends, and the listener comes again from its last event.
        with contextlib.suppress(ProblemError):
            async for found in self._tail.follow(cursor, wanted):
                if time.monotonic() - looked_at >= REMEMBERED_SECONDS:
                    # A key that was revoked or a position that ended ends what is listened to with it.
                    who = await self._identity.of(request)
                    if self._visible(who, request.query_params.get("property")) != wanted.properties:
                        return
                    looked_at = time.monotonic()
                yield found.frames

    async def record(self, request: HttpRequest) -> Response:
        """The facts of one record, oldest first, with its version as the ETag."""
        who = await self._identity.of(request)
        self._rates.take(who.caller)
        path, query = request.path_params, request.query_params
        given_in(request.scope["query_string"].decode(), {AS_OF: False})
        as_of = as_of_in(query[AS_OF]) if AS_OF in query else None
        resource = Resource(frozenset({path["property"]}), path["service"])
        verdict = may(who, "query", resource)
        if verdict == "hidden" or path["service"] not in self._tail.services:
            raise not_found()
        if verdict == "forbidden":
            raise ProblemError("forbidden")

        def shown(fact: Mapping[str, Any]) -> bool:
            recorded = as_of is None or datetime.fromisoformat(fact["recordedat"]) <= as_of
            return recorded and self._allowance.shows(who, path["property"], fact)

        return unchanged(request, await self._asker.record(path["service"], path["stream"], path["property"], shown))

    def _visible(self, who: Who, asked: str | None) -> frozenset[str] | None:
        """The properties whose events somebody may see; None: every one."""
        if asked is not None:
            self._allow(who, asked)
            return frozenset({asked})
        if self._sees_all(who):
            return None
        seen = {
            one for one in everything(self._standing) if may(who, "events", Resource(frozenset({one}))) == "granted"
        }
        if not seen:
            raise ProblemError("forbidden")
        return frozenset(seen)

    def _allow(self, who: Who, property_id: str) -> None:
        verdict = may(who, "events", Resource(frozenset({property_id})))
        if verdict == "hidden" or (verdict == "granted" and not self._standing.is_place(property_id)):
            raise not_found()
        if verdict == "forbidden":
            raise ProblemError("forbidden")


def _listens(accept: str) -> bool:
    """Whether a stream is asked for, and pages are not preferred to it (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, *parameters = (one.strip() for one in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        weights[kind] = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
    return weights.get("text/event-stream", 0.0) > 0.0 and weights["text/event-stream"] >= weights.get(
        "application/json", 0.0
    )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= PAGES):
        raise wrong("limit", text, f"a number from 1 to {PAGES}")
    return int(text)
