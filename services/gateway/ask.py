"""One request on its way in: read, allowed, signed by the gateway's own door, asked over NATS, answered."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from bailiwick_contracts.envelope import Actor, Precondition
from bailiwick_contracts.message import COMPANY, IDENTIFIER_PATTERN, PROPERTY_PATTERN, Request, made
from bailiwick_contracts.subjects import subject_of
from nats.aio.client import Client
from nats.errors import MaxPayloadError, NoRespondersError
from opentelemetry.trace import SpanKind
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway.permission import Action, Resource, Who, may
from services.gateway.problem import ProblemError, not_found
from services.gateway.reply import answered, etag
from services.gateway.standing import Standing
from services.gateway.surface import PROPERTY_FIELDS, Kind, Operation
from services.kernel import tracing
from services.kernel.doors import Door
from services.kernel.feed import read_stream

ANSWER_SECONDS = 30
KEY_CHARACTERS = 255
NESTING = 64
_identifier = re.compile(IDENTIFIER_PATTERN)
_property = re.compile(PROPERTY_PATTERN)
_etag = re.compile(r'^"([A-Za-z0-9_-]{1,64})\.([0-9]{1,10})"$')
_dated = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""How the text of an instant and of a date begins; pydantic would take a number's for seconds since 1970."""
Shown = Callable[[Mapping[str, Any]], bool]
"""Whether a stored fact is to be shown."""
_instant, _date = TypeAdapter(datetime), TypeAdapter(date)
_HEADERS = {"issued_at": "bailiwick-issued-at", "occurred_at": "bailiwick-occurred-at"}
ONCE = (
    "idempotency-key",
    "if-match",
    "bailiwick-on-behalf-of",
    "bailiwick-delegation",
    "bailiwick-effective-on",
    *_HEADERS.values(),
)


def read_json(body: bytes) -> Any:
    """The JSON value of a body. Raises ProblemError for what is none or no text, repeats a name, is nested too deeply or has NaN."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        if b"\\u" in body:
            # An escape may stand for half a character, which no database and no other program takes.
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise ProblemError("malformed", f"body: {str(error)[:200]}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object; remove one")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def validated(operation: Operation, body: Any) -> Request:
    """The request that a JSON value is. Raises ProblemError naming each field, value and rule."""
    try:
        found: Request = operation.model.model_validate_json(to_json(body), strict=True)
    except ValidationError as error:
        raise invalid(error) from None
    except (ValueError, RecursionError) as error:
        raise ProblemError("malformed", str(error)[:200]) from None
    no_number_for_a_time(found, body)
    return found


def no_number_for_a_time(found: Any, given: Any, field: str = "") -> None:
    """Raises ProblemError where what was read as an instant or a date stands there as a number, in quotes or without."""
    if isinstance(found, date):
        if not (isinstance(given, str) and _dated.match(given)):
            rule = "an instant (RFC 3339)" if isinstance(found, datetime) else "a date (YYYY-MM-DD)"
            problems = [{"field": field, "value": _shown(given), "rule": rule}]
            raise ProblemError(
                "invalid", f"{field}: {rule}", problems=problems, remedy="correct the fields named in problems"
            )
    elif isinstance(given, dict):
        for name, inside in given.items():
            member = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
            no_number_for_a_time(member, inside, f"{field}.{name}" if field else name)
    elif isinstance(given, list) and isinstance(found, (list, tuple)):
        for index, (member, inside) in enumerate(zip(found, given, strict=False)):
            no_number_for_a_time(member, inside, f"{field}.{index}" if field else str(index))


def invalid(error: ValidationError) -> ProblemError:
    """What does not fit the contract."""
    problems = [
        {"field": ".".join(map(str, one["loc"])) or "body", "value": _shown(one["input"]), "rule": one["msg"]}
        for one in error.errors(include_url=False)[:20]
    ]
    detail = f"{problems[0]['field']}: {problems[0]['rule']}"
    return ProblemError("invalid", detail, problems=problems, remedy="correct the fields named in problems")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Allowance:
    """Whether something may be asked at all, held against what the registry says."""

    def __init__(self, standing: Standing) -> None:
        """Look people up in `standing`."""
        self._standing = standing

    def is_place(self, property_id: str) -> bool:
        """Whether it is a property that is known here, or the company."""
        return self._standing.is_place(property_id)

    def check(self, who: Who, action: Action, property_id: str, operation: Operation, body: Any) -> None:
        """Raises ProblemError, the same for what is not there and for what may not be seen: properties and people alike."""
        if not _property.fullmatch(property_id):
            raise not_found()
        about = body.get("staff_id") if isinstance(body, dict) else None
        properties, people = {property_id}, set[str]()
        _named_in(body, properties, people)
        resource = Resource(frozenset(properties), operation.service, about if isinstance(about, str) else None)
        verdict = may(who, action, resource)
        if verdict == "hidden":
            raise not_found()
        if verdict == "forbidden":
            raise ProblemError("forbidden")
        if COMPANY in who.positions:
            return
        if properties != {property_id} or not all(self._standing.seen_at(one, property_id) for one in people):
            raise not_found()

    def actor(self, who: Who, headers: Mapping[str, str], property_id: str) -> Actor:
        """Who asks, and on whose behalf: of somebody who may be seen there. Whether the power is lent the ruling says.

        Raises ProblemError, the same for a person who is not there and for one who may not be seen.
        """
        found, at = actor_of(who, headers), None if COMPANY in who.positions else property_id
        if found.onbehalfof is not None and not self._standing.seen_at(found.onbehalfof, at):
            raise not_found()
        return found

    async def told(self, reply: bytes, asker: "Asker", who: Who, property_id: str, operation: Operation) -> Response:
        """What a service answered a command, with nothing in it of a record's facts that may not be seen. Raises ProblemError."""
        try:
            return answered(reply, query=False)
        except ProblemError as problem:
            if COMPANY in who.positions:
                raise
            shown = partial(self.shows, who, property_id)
            raise await asker.narrowed(problem, operation.service, property_id, shown) from None

    def shows(self, who: Who, property_id: str, fact: Mapping[str, Any]) -> bool:
        """Whether a stored fact may be read at a property: one of the company's is, where it names nobody and no place of another."""
        owner = str(fact["source"]).split("/")[2]
        if COMPANY in who.positions or owner == property_id:
            return True
        properties, people = {owner, property_id}, {str(fact["actor"])}
        _named_in(fact["data"], properties, people)
        people |= {str(one) for one in (fact["data"].get("subject_id"),) if one is not None}
        people = {one for one in people if not one.startswith("system-")}
        return properties <= {property_id, COMPANY} and all(self._standing.seen_at(one, property_id) for one in people)


def _named_in(value: Any, properties: set[str], people: set[str], depth: int = 0) -> None:
    """Every property and every person that a body names, wherever it does."""
    if depth > NESTING:
        raise ProblemError("malformed", f"body: nested deeper than {NESTING}")
    if isinstance(value, dict):
        for name, inside in value.items():
            if name in PROPERTY_FIELDS and isinstance(inside, str):
                properties.add(inside)
            elif name.endswith("staff_id") and isinstance(inside, str):
                people.add(inside)
            elif name.endswith("staff_ids") and isinstance(inside, list):
                people.update(one for one in inside if isinstance(one, str))
            else:
                _named_in(inside, properties, people, depth + 1)
    elif isinstance(value, list):
        for inside in value:
            _named_in(inside, properties, people, depth + 1)


def actor_of(who: Who, headers: Mapping[str, str]) -> Actor:
    """The claim of who asks, for whom and how it is known. Raises ProblemError."""
    names = {"onbehalfof": headers.get("bailiwick-on-behalf-of"), "delegation": headers.get("bailiwick-delegation")}
    for name, value in names.items():
        if value is not None and not _identifier.fullmatch(value):
            raise ProblemError("malformed", f"{name}: an id of letters, digits, - and _")
    if (names["onbehalfof"] is None) != (names["delegation"] is None):
        raise ProblemError(
            "malformed",
            "Bailiwick-On-Behalf-Of, Bailiwick-Delegation: both, or neither; nobody acts for another without one",
        )
    return made(Actor, actor=who.actor, authmethod=who.authmethod, **names)


def times_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """When it was decided, happened and holds from, as the caller claims, in UTC as messages have it. Raises ProblemError."""
    found: dict[str, Any] = {}
    try:
        for name, header in _HEADERS.items():
            if header in headers:
                instant = _instant.validate_python(_time(headers[header]))
                if instant.utcoffset() is None:
                    raise ProblemError("malformed", f"{header}: an instant needs its offset from UTC (RFC 3339)")
                found[name] = instant.astimezone(UTC)
        if "bailiwick-effective-on" in headers:
            found["effective_on"] = _date.validate_python(_time(headers["bailiwick-effective-on"]))
    except (ValidationError, OverflowError):
        raise ProblemError("malformed", "bailiwick-…: an instant (RFC 3339) or a date (YYYY-MM-DD)") from None
    return found


def _time(text: str) -> str | None:
    return text if _dated.match(text) else None


def precondition_of(headers: Mapping[str, str]) -> Precondition:
    """What the caller says it read. Raises ProblemError."""
    given = headers.get("if-match")
    if given is None:
        return Precondition()
    if given.strip() == "*":
        return Precondition(any_version=True)
    found = _etag.fullmatch(given.strip())
    if found is None:
        raise ProblemError("malformed", "If-Match: one ETag as it was answered, or *")
    return Precondition(stream=found.group(1), sequence=int(found.group(2)))


def given_once(request: HttpRequest) -> None:
    """Raises ProblemError for a header that says how a request is meant and stands there twice: one of the two would not be kept."""
    names = [name for name, _ in request.scope["headers"]]
    if len(set(names)) < len(names):
        for name in ONCE:
            if names.count(name.encode()) > 1:
                raise ProblemError("malformed", f"{name}: given more than once")


def no_query(request: HttpRequest) -> None:
    """Raises ProblemError for a command with query parameters: nobody would read them."""
    if request.scope["query_string"]:
        raise ProblemError("malformed", "a command's members stand in its body; there are no query parameters")


def idempotency_key(headers: Mapping[str, str]) -> str:
    """The caller's key. Raises ProblemError."""
    given = headers.get("idempotency-key")
    if given is None:
        raise ProblemError("idempotency_key_missing", "Idempotency-Key: a text of your own, e.g. a UUID")
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not 0 < len(key) <= KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise ProblemError("malformed", f"Idempotency-Key: 1 to {KEY_CHARACTERS} printable ASCII characters")
    return key


def command_id(who: Who, key: str) -> str:
    """The id of the command that a caller's key means."""
    return "http-" + hashlib.sha256(f"{who.caller}\n{key}".encode()).hexdigest()[:48]


class Asker:
    """Asks the services, each request signed by the gateway's own door."""

    def __init__(self, client: Client, door: Door) -> None:
        """A connection under the gateway's account, and its key."""
        self._client, self._door = client, door
        self._running: set[str] = set()

    async def ask(self, request: Request, who: Actor, property_id: str, kind: Kind, **claims: Any) -> bytes:
        """What a service answers.

        Raises:
            ProblemError: nobody answers, or not in time, or the same command is being decided at this moment.
        """
        wire = type(request).wire()
        name = claims.get("command_id")
        if name is not None:
            if name in self._running:
                raise ProblemError("still_running", headers={"Retry-After": "1"})
            self._running.add(name)
        try:
            with tracing.within(f"send {wire}", tracing.current(), SpanKind.CLIENT, {"messaging.system": "nats"}):
                body = self._door.sign(request, who, property_id, trace_parent=tracing.current(), **claims)
                subject = subject_of(wire, property_id, kind)
                return (await self._client.request(subject, body, timeout=ANSWER_SECONDS)).data
        except MaxPayloadError:
            raise ProblemError("too_large") from None
        except NoRespondersError:
            raise ProblemError("unavailable", headers={"Retry-After": "1"}) from None
        except TimeoutError:
            code = "outcome_unknown" if kind == "command" else "unavailable"
            raise ProblemError(code, headers={"Retry-After": "1"}) from None
        finally:
            if name is not None:
                self._running.discard(name)

    async def record(self, service: str, stream: str, property_id: str, shown: Shown) -> Response:
        """The facts of one record as they are stored, oldest first, those that are to be shown. Raises ProblemError."""
        kept = await self._kept(service, stream, property_id, shown)
        if not kept:
            raise not_found()
        version = int(kept[-1][1]["sequence"])
        # Where something is left out in between, the version would tell of it.
        headers = {"ETag": etag(stream, version)} if version == len(kept) else {}
        body = b'{"facts":[' + b",".join(raw for raw, _ in kept) + b"]}"
        return Response(body, headers=headers, media_type="application/json")

    async def _kept(
        self, service: str, stream: str, property_id: str, shown: Shown
    ) -> list[tuple[bytes, Mapping[str, Any]]]:
        if not _identifier.fullmatch(stream):
            raise not_found()
        try:
            facts = await read_stream(self._client, service, stream, property_id)
        except (NoRespondersError, TimeoutError):
            raise ProblemError("unavailable", headers={"Retry-After": "1"}) from None
        documents = [(raw, json.loads(raw)) for raw in facts]
        return [(raw, document) for raw, document in documents if shown(document)]

    async def narrowed(self, problem: ProblemError, service: str, property_id: str, shown: Shown) -> ProblemError:
        """A problem about the version of a record, without what is not to be shown of that record."""
        stream, version = problem.more.get("record"), problem.more.get("version")
        if stream is None:
            return problem
        kept = [document for _, document in await self._kept(service, stream, property_id, shown)]
        if len(kept) == version:
            return problem
        told = {document["id"] for document in kept}
        since = [fact for fact in problem.more.get("since", ()) if fact["id"] in told]
        return ProblemError(problem.code, **problem.more | {"since": since, "version": None})
