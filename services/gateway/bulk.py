"""Many at once: NDJSON or CSV in, one line of NDJSON out for each line, good or bad, in order."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick_contracts.envelope import Precondition
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from services.gateway.ask import (
    Allowance,
    Asker,
    actor_of,
    command_id,
    idempotency_key,
    invalid,
    read_json,
    times_of,
    validated,
)
from services.gateway.permission import Who
from services.gateway.problem import KINDS, ProblemError
from services.gateway.reply import answered
from services.gateway.surface import ROWS, Operation, Parameter, parameters_of, resolved

CHUNK_ROWS = 500
CHUNK_BYTES = 150 * 1024
LINES = 100_000
Line = tuple[int, Any]
"""The number of a line, from 1, and its JSON value or the problem with it."""


@dataclass(frozen=True)
class Sender:
    """Who sends the lines, where to, and under which key."""

    who: Who
    property_id: str
    operation: Operation
    key: str
    headers: Mapping[str, str]
    asker: Asker
    allowance: Allowance


async def answer(
    request: HttpRequest,
    who: Who,
    property_id: str,
    operation: Operation,
    asker: Asker,
    allowance: Allowance,
    media_type: str,
) -> Response:
    """Take each line as a request of its own, or as a row of the requests that the operation takes rows in."""
    key = idempotency_key(request.headers)
    sender = Sender(who, property_id, operation, key, request.headers, asker, allowance)
    shared = _shared(request.url.query, operation)
    allowance.check(who, "command", property_id, operation, shared)
    times_of(request.headers)
    actor_of(who, request.headers)
    lines = list(_lines(await request.body(), media_type, operation))
    if not lines:
        raise ProblemError("malformed", "body: no line in it")
    if len(lines) > LINES:
        raise ProblemError("too_large", f"at most {LINES} lines")
    answers = _rows(sender, lines, shared) if operation.row is not None else _requests(sender, lines)
    return StreamingResponse((to_json(one) + b"\n" async for one in answers), media_type="application/x-ndjson")


def _shared(query: str, operation: Operation) -> dict[str, Any]:
    """The members that hold for every row, from the query string."""
    from services.gateway.operations import query_of  # noqa: PLC0415 - the two read the same query strings

    return query_of(query, operation) if query else {}


def _lines(body: bytes, media_type: str, operation: Operation) -> Iterator[Line]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemError("malformed", f"body: not UTF-8 at byte {error.start}") from None
    if media_type == "text/csv":
        yield from _csv(text, operation)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, read_json(line.encode())
            except ProblemError as problem:
                yield number, problem


def _csv(text: str, operation: Operation) -> Iterator[Line]:
    columns = {column.name: column for column in _columns(operation)}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        unknown = [name for name in head if name not in columns]
        if unknown or not head or len(set(head)) < len(head):
            raise ProblemError("malformed", f"the first line names columns, each once, of: {', '.join(columns)}")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(head):
                yield (
                    reader.line_num,
                    ProblemError("malformed", f"{len(cells)} cells where the first line has {len(head)}"),
                )
                continue
            row: dict[str, Any] = {}
            for name, cell in zip(head, cells, strict=True):
                if cell != "":
                    place = row
                    for step in columns[name].path[:-1]:
                        place = place.setdefault(step, {})
                    place[columns[name].path[-1]] = columns[name].read([cell])
            yield reader.line_num, row
    except csv.Error as error:
        raise ProblemError("malformed", f"line {reader.line_num}: {error}") from None


def _columns(operation: Operation) -> list[Parameter]:
    root = operation.schema
    if operation.row is None:
        return list(parameters_of(root, root))
    rows = resolved(root["properties"][ROWS], root)
    return list(parameters_of(resolved(rows["items"], root), root, ()))


async def _requests(sender: Sender, lines: list[Line]) -> AsyncIterator[dict[str, Any]]:
    """Each line a command of its own, with an id of its own."""
    for number, value in lines:
        try:
            if isinstance(value, ProblemError):
                raise value
            sender.allowance.check(sender.who, "command", sender.property_id, sender.operation, value)
            reply = await _ask(sender, value, f"{sender.key}:{number}", Precondition())
            response = answered(reply, query=False)
            yield {"line": number, "status": 200} | from_json(bytes(response.body))
        except ProblemError as problem:
            yield {
                "line": number,
                "outcome": "refused" if problem.code == "refused" else "rejected",
            } | problem.document()


async def _rows(sender: Sender, lines: list[Line], shared: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The lines as rows of as few commands as hold them; a row that fits no contract spoils no other."""
    chunk: list[Line] = []
    size = first = 0
    for number, value in lines:
        refused = _refused_row(sender, value)
        if refused is not None:
            yield {"line": number, "outcome": "rejected"} | refused.document()
            continue
        length = len(json.dumps(value))
        if chunk and (len(chunk) >= CHUNK_ROWS or size + length > CHUNK_BYTES):
            async for one in _chunk(sender, chunk, shared, first):
                yield one
            chunk, size, first = [], 0, first + 1
        chunk.append((number, value))
        size += length
    if chunk:
        async for one in _chunk(sender, chunk, shared, first):
            yield one


def _refused_row(sender: Sender, value: Any) -> ProblemError | None:
    if isinstance(value, ProblemError):
        return value
    assert sender.operation.row is not None  # noqa: S101 - asked for by the caller
    try:
        sender.operation.row.validate_json(json.dumps(value), strict=True)
        sender.allowance.check(sender.who, "command", sender.property_id, sender.operation, value)
    except ValidationError as error:
        return invalid(error)
    except ProblemError as problem:
        return problem
    return None


async def _chunk(
    sender: Sender, chunk: list[Line], shared: dict[str, Any], place: int
) -> AsyncIterator[dict[str, Any]]:
    try:
        body = {**shared, ROWS: [value for _, value in chunk]}
        reply = await _ask(sender, body, f"{sender.key}:rows:{place}", Precondition(any_version=True))
        rows = from_json(bytes(answered(reply, query=False).body)).get("rows", [])
    except ProblemError as problem:
        failed = problem.document()
        for number, _ in chunk:
            yield {"line": number, "outcome": "rejected"} | failed
        return
    for (number, _), row in zip(chunk, rows, strict=False):
        yield {"line": number, "status": KINDS["rejected"].status if row["outcome"] == "rejected" else 200} | row


async def _ask(sender: Sender, body: Any, key: str, precondition: Precondition) -> bytes:
    asked = validated(sender.operation, body)
    return await sender.asker.ask(
        asked, actor_of(sender.who, sender.headers), sender.property_id, "command",
        command_id=command_id(sender.who, key), precondition=precondition, **times_of(sender.headers),
    )  # fmt: skip
