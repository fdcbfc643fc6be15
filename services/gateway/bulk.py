"""Many at once: NDJSON or CSV in, one line of NDJSON out for each line, good or bad, in order.

A line may carry the version of the record it rests on: `if_match`, a member beside the request's or a column, holds what the
header If-Match would. Such a line is decided alone.
"""

import asyncio
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
    command_id,
    idempotency_key,
    invalid,
    no_number_for_a_time,
    no_query,
    precondition_of,
    read_json,
    times_of,
    validated,
)
from services.gateway.limits import BULK_LIMIT_BYTES
from services.gateway.permission import Who
from services.gateway.problem import KINDS, ProblemError
from services.gateway.query import query_of, wrong
from services.gateway.surface import ROWS, Operation, Parameter, parameters_of, resolved
from services.row_reasons import told

CHUNK_ROWS = 500
CHUNK_BYTES = 150 * 1024
LINES = 100_000
PACE = 100
"""After so many lines everybody else has a turn."""
IF_MATCH = "if_match"
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
    precondition: Precondition
    """Of the lines that name no version of their own."""


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
    if request.headers.get("if-match", "*").strip() != "*":
        raise ProblemError(
            "malformed", f"If-Match: each line names the version it rests on, in {IF_MATCH}; the header may be *"
        )
    key = idempotency_key(request.headers)
    sender = Sender(
        who, property_id, operation, key, request.headers, asker, allowance, precondition_of(request.headers)
    )
    if operation.row is None:
        no_query(request)
    shared = query_of(request.url.query, operation) if request.url.query else {}
    if ROWS in shared:
        raise wrong(ROWS, str(shared[ROWS]), "they are the lines of the body")
    allowance.check(who, "command", property_id, operation, shared)
    times_of(request.headers)
    allowance.actor(who, request.headers, property_id)
    lines = await asyncio.to_thread(list, _lines(await request.body(), media_type, operation))
    if not lines:
        raise ProblemError("malformed", "body: no line in it")
    if len(lines) > LINES:
        raise ProblemError("too_large", f"at most {LINES} lines")
    answers = _rows(sender, lines, shared) if operation.row is not None else _requests(sender, lines)
    return StreamingResponse((to_json(one) + b"\n" async for one in answers), media_type="application/x-ndjson")


def _lines(body: bytes, media_type: str, operation: Operation) -> Iterator[Line]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemError("malformed", f"body: not UTF-8 at byte {error.start}") from None
    if media_type == "text/csv":
        yield from _csv(text, operation)
        return
    # Lines end with a line feed alone: U+2028 and its like may stand in a text as they are.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, read_json(line.encode())
            except ProblemError as problem:
                yield number, problem


csv.field_size_limit(BULK_LIMIT_BYTES)
"""A cell that is too long is refused by its contract, and spoils no other line."""


def _csv(text: str, operation: Operation) -> Iterator[Line]:
    columns = {column.name: column for column in (*_columns(operation), _VERSION)}
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


_VERSION = Parameter(IF_MATCH, (IF_MATCH,), {"type": "string"}, required=False, repeated=False)


def _columns(operation: Operation) -> list[Parameter]:
    root = operation.schema
    if operation.row is None:
        return list(parameters_of(root, root))
    rows = resolved(root["properties"][ROWS], root)
    return list(parameters_of(resolved(rows["items"], root), root, ()))


async def _paced(lines: list[Line]) -> AsyncIterator[Line]:
    for count, line in enumerate(lines):
        if count % PACE == 0:
            await asyncio.sleep(0)
        yield line


async def _requests(sender: Sender, lines: list[Line]) -> AsyncIterator[dict[str, Any]]:
    """Each line a command of its own, with an id of its own that no caller's key is: none holds a line feed."""
    async for number, value in _paced(lines):
        try:
            if isinstance(value, ProblemError):
                raise value
            body, precondition = _split(sender, value)
            sender.allowance.check(sender.who, "command", sender.property_id, sender.operation, body)
            reply = await _ask(sender, body, f"{sender.key}\n{number}", precondition or sender.precondition)
            response = await _told(sender, reply)
            tag = {"etag": response.headers["etag"]} if "etag" in response.headers else {}
            yield {"line": number, "status": 200} | tag | from_json(bytes(response.body))
        except ProblemError as problem:
            yield _failed(number, problem)


def _failed(number: int, problem: ProblemError) -> dict[str, Any]:
    outcome = "refused" if problem.code == "refused" else "rejected"
    tag = {"etag": problem.headers["ETag"]} if "ETag" in problem.headers else {}
    return {"line": number, "outcome": outcome} | tag | problem.document()


def _split(sender: Sender, value: Any) -> tuple[Any, Precondition | None]:
    """A line without the version it rests on, and that version where it names one. Raises ProblemError."""
    if not isinstance(value, dict) or IF_MATCH not in value or IF_MATCH in sender.operation.model.model_fields:
        return value, None
    given = value[IF_MATCH]
    text = given.strip() if isinstance(given, str) else ""
    # Quotes are the cell's in CSV, so a tag may come without its own.
    tag = text if text == "*" or text.startswith('"') else f'"{text}"'
    rest = {name: inside for name, inside in value.items() if name != IF_MATCH}
    return rest, precondition_of({"if-match": tag})


async def _rows(sender: Sender, lines: list[Line], shared: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The lines as rows of as few commands as hold them; a row that fits no contract spoils no other, and is told in its place."""
    chunk: list[Line] = []
    wrong: list[dict[str, Any]] = []
    size = first = 0
    async for number, value in _paced(lines):
        try:
            row, precondition = _checked_row(sender, value)
        except ProblemError as problem:
            wrong.append(_failed(number, problem))
            if not chunk:
                yield wrong.pop()
            continue
        length = len(json.dumps(row))
        full = len(chunk) >= CHUNK_ROWS or size + length > CHUNK_BYTES
        if chunk and (full or precondition is not None):
            async for one in _in_place(_chunk(sender, chunk, shared, f"rows:{first}"), wrong):
                yield one
            chunk, wrong, size, first = [], [], 0, first + 1
        if precondition is not None:
            async for one in _chunk(sender, [(number, row)], shared, f"row:{number}", precondition):
                yield one
            continue
        chunk.append((number, row))
        size += length
    if chunk:
        async for one in _in_place(_chunk(sender, chunk, shared, f"rows:{first}"), wrong):
            yield one


async def _in_place(
    answers: AsyncIterator[dict[str, Any]], wrong: list[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    """What became of the rows of a command, and the lines between them that never were rows, in the order of the lines."""
    found = [*wrong, *[one async for one in answers]]
    for one in sorted(found, key=lambda answer: int(answer["line"])):
        yield one


def _checked_row(sender: Sender, value: Any) -> tuple[Any, Precondition | None]:
    """A row that fits its contract and may be asked, with the version it rests on. Raises ProblemError."""
    if isinstance(value, ProblemError):
        raise value
    assert sender.operation.row is not None  # noqa: S101 - asked for by the caller
    row, precondition = _split(sender, value)
    try:
        found = sender.operation.row.validate_json(json.dumps(row), strict=True)
    except ValidationError as error:
        raise invalid(error) from None
    except (ValueError, RecursionError) as error:
        raise ProblemError("malformed", str(error)[:200]) from None
    no_number_for_a_time(found, row)
    sender.allowance.check(sender.who, "command", sender.property_id, sender.operation, row)
    return row, precondition


async def _chunk(
    sender: Sender, chunk: list[Line], shared: dict[str, Any], name: str, precondition: Precondition | None = None
) -> AsyncIterator[dict[str, Any]]:
    any_version = Precondition(any_version=True)
    try:
        body = {**shared, ROWS: [value for _, value in chunk]}
        reply = await _ask(sender, body, f"{sender.key}\n{name}", precondition or any_version)
        rows = from_json(bytes((await _told(sender, reply)).body)).get("rows", [])
        if len(rows) != len(chunk):
            raise ProblemError("internal")
    except ProblemError as problem:
        alone = problem.code == "not_found" and len(chunk) > 1
        for number, value in chunk:
            if not alone:
                yield _failed(number, problem)
                continue
            # One of them names what is another property's; that spoils no other.
            async for one in _chunk(sender, [(number, value)], shared, f"row:{number}", precondition):
                yield one
        return
    for (number, given), row in zip(chunk, rows, strict=True):
        if row["outcome"] != "rejected":
            yield {"line": number, "status": 200} | row
            continue
        yield {"line": number, "status": KINDS["rejected"].status} | row | told(row.get("reason", ""), given)


async def _told(sender: Sender, reply: bytes) -> Response:
    return await sender.allowance.told(reply, sender.asker, sender.who, sender.property_id, sender.operation)


async def _ask(sender: Sender, body: Any, key: str, precondition: Precondition) -> bytes:
    asked = validated(sender.operation, body)
    actor = sender.allowance.actor(sender.who, sender.headers, sender.property_id)
    return await sender.asker.ask(
        asked, actor, sender.property_id, "command",
        command_id=command_id(sender.who, key), precondition=precondition, **times_of(sender.headers),
    )  # fmt: skip
