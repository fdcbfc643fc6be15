"""A service's answer as an HTTP response: done, refused with the clause, or the problem that stands against it."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway.problem import ProblemError, not_found

CODES: Mapping[str, str] = {
    "invalid": "invalid",
    "busy": "unavailable",
    "unknown": "outcome_unknown",
    "unknown_type": "unavailable",
    "internal": "internal",
    "too_large": "too_large",
    "command_id_reused": "idempotency_key_reused",
    "precondition_failed": "precondition_failed",
    "precondition_required": "precondition_required",
    "no_such_record": "not_found",
}
"""What the kernel itself answers, by its code; everything else is a service's own."""
RETRY = {"unavailable": {"Retry-After": "1"}, "outcome_unknown": {"Retry-After": "1"}}


def etag(stream: str, sequence: int) -> str:
    """The version of a record as an entity tag."""
    return f'"{stream}.{sequence}"'


def unchanged(request: HttpRequest, response: Response) -> Response:
    """The response, or 304 where If-None-Match names its version: alone or in a list, `W/` or not, or `*` (RFC 9110, 13.1.2)."""
    if "if-none-match" not in request.headers:
        return response
    tag, given = response.headers.get("etag"), ",".join(request.headers.getlist("if-none-match"))
    named = {one.strip().removeprefix("W/") for one in given.split(",")}
    return Response(status_code=304, headers={"ETag": tag}) if tag is not None and named & {tag, "*"} else response


def answered(body: bytes, *, query: bool, headers: Mapping[str, str] | None = None) -> Response:
    """The response to what a service answered.

    Raises:
        ProblemError: it was refused or rejected.
    """
    answer = from_json(body)
    outcome = answer["outcome"]
    if outcome == "rejected":
        raise problem(answer.get("error") or {}, query=query)
    if outcome == "refused" and not answer.get("rows"):
        raise refused(answer)
    sent = dict(headers or {})
    if answer.pop("replayed", False):
        sent["Idempotency-Replayed"] = "true"
        body = to_json(answer)
    if query:
        record = answer.get("record")
        if record:
            sent["ETag"] = etag(record["stream"], record["sequence"])
        return Response(to_json(answer.get("result") or {}), headers=sent, media_type="application/json")
    streams = {fact["stream"]: fact["sequence"] for fact in answer.get("facts", ())}
    if len(streams) == 1:
        ((stream, sequence),) = streams.items()
        sent["ETag"] = etag(stream, sequence)
    return Response(body, headers=sent, media_type="application/json")


def problem(error: Mapping[str, Any], *, query: bool) -> ProblemError:
    """The problem that a rejection is. What is not there and what may not be seen are answered with the same words."""
    code = str(error.get("code", "rejected"))
    kind = CODES.get(code)
    missing = code.startswith(("unknown_", "no_such_")) and kind is None
    if kind == "not_found" or (missing and error.get("field") != "after" and (query or code.startswith("no_such_"))):
        return not_found()
    if kind is None:
        kind = "cursor_unknown" if error.get("field") == "after" and query else "rejected"
    more = {name: error.get(name) for name in ("field", "value", "rule", "remedy", "problems", "since")}
    headers = dict(RETRY.get(kind, {}))
    if "stream" in error and kind == "precondition_failed":
        headers["ETag"] = etag(error["stream"], error["sequence"])
    if "stream" in error:
        more |= {"record": error["stream"], "version": error["sequence"]}
    return ProblemError(kind, str(error.get("message", "")), headers=headers, reason=code, **more)


def refused(answer: Mapping[str, Any]) -> ProblemError:
    """A refusal that was recorded: which clause, which limit, what was asked, who may, and the fact itself."""
    fact = next((fact for fact in answer["facts"] if _is_refusal(fact)), answer["facts"][-1])
    data = fact.get("data") or {}
    ruling = data.get("ruling") or {}
    # Turned down before any row of the matrix was asked: the fact itself names what was asked, and under which clause.
    row_id, asked = (ruling.get("row_id"), ruling.get("asked")) if ruling else (data.get("clause"), data.get("asked"))
    clause = {"row_id": row_id, "matrix_version": ruling.get("matrix_version")} if row_id else None
    replayed = {"Idempotency-Replayed": "true"} if answer.get("replayed") else {}
    return ProblemError(
        "refused",
        f"{data.get('reason', 'refused')}; the refusal is recorded as {fact['id']}",
        headers=replayed | {"ETag": etag(fact["stream"], fact["sequence"])},
        reason=data.get("reason"),
        clause=clause,
        condition=ruling.get("condition"),
        limit=ruling.get("limit"),
        asked=asked,
        who_may=who_may(ruling),
        see=ruling.get("see"),
        commandid=answer["commandid"],
        fact=fact,
    )


def _is_refusal(fact: Mapping[str, Any]) -> bool:
    return str(fact["type"]).rsplit(".", 2)[-2].endswith("_refused")


def who_may(ruling: Mapping[str, Any]) -> list[str]:
    """The positions that may: the next in line, as the ruling names it."""
    return [str(ruling["escalate_to"])] if ruling.get("escalate_to") else []
