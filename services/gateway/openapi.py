"""The HTTP API as an OpenAPI 3.1 document, made from the same surface that answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from bailiwick_contracts.asyncapi import example_of, moved, release
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.message import IDENTIFIER_PATTERN, PROPERTY_PATTERN
from pydantic import BaseModel

from services.gateway.administration import BODIES
from services.gateway.bulk import IF_MATCH
from services.gateway.limits import BULK_TYPES
from services.gateway.login import Login
from services.gateway.problem import KINDS, MEDIA_TYPE
from services.gateway.surface import LOOKED_AT, ROWS, Operation, Parameter, Surface

_PLACE = "#/components/schemas/"
_SAME = {"description": "The record is at the version of If-None-Match."}
_KEY = r'^("[\x20-\x7e]{1,253}"|[\x21\x23-\x7e][\x20-\x7e]{0,254})$'


def document(surface: Surface) -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {"Problem": _problem(), "Answer": moved(Answer.model_json_schema(), f"{_PLACE}Answer")}
    bodies: dict[str, type[BaseModel]] = {"Login": Login, **BODIES}
    for name, model in bodies.items():
        schemas[name] = moved(model.model_json_schema(), f"{_PLACE}{name}")
    paths: dict[str, Any] = {}
    for operation in surface.operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
        if operation.kind == "command":
            schemas[operation.wire] = moved(operation.schema, f"{_PLACE}{operation.wire}")
    paths |= _own()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bailiwick",
            "version": release(),
            "description": "The back office of property management. A command is a POST, a query a GET, each made from its contract.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of an account or of the identity provider, or an API key.",
                }
            },
        },
    }


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "enum": [f"/problems/{code}" for code in KINDS]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    path = {"name": "property", "in": "path", "required": True, "description": "The property, or `company`.",
            "schema": {"type": "string", "pattern": PROPERTY_PATTERN}}  # fmt: skip
    shared: dict[str, Any] = {
        "operationId": f"{operation.service}_{operation.name}_v{operation.version}",
        "tags": [operation.service],
        "summary": (operation.model.__doc__ or operation.name).strip().split("\n")[0],
        "description": (operation.model.__doc__ or "").strip(),
    }
    if operation.kind == "query":
        parameters = [path, *(_parameter(one) for one in operation.parameters)]
        result = {"type": "object", "description": "What was found; sealed fields stay sealed."}
        headers = {"ETag": _text("The version of the record that was read."), "Link": _text("rel=next: the next page.")}
        good = {"200": _good(result, headers), "304": _SAME}
        if not any(one.name == "after" for one in operation.parameters):
            good["200"]["headers"].pop("Link")
        return shared | {
            "parameters": parameters,
            "responses": good | _problems(400, 401, 403, 404, 422, 429, 500, 503),
        }
    body: dict[str, Any] = {"schema": {"$ref": f"{_PLACE}{operation.wire}"}}
    example = example_of(operation.wire)
    if example is not None:
        body["examples"] = {"shipped": {"value": example}}
    many = (
        f"One row of `{ROWS}` a line; the other members are query parameters."
        if operation.row is not None
        else "One request a line."
    )
    lines = {
        "schema": {"type": "string", "description": f"{many} A line may name the version it rests on in `{IF_MATCH}`."}
    }
    good = {"200": _good({"$ref": f"{_PLACE}Answer"}, {"ETag": _text("The version the record is at now."),
                                                       "Idempotency-Replayed": _text("`true` where it was decided before.")})}  # fmt: skip
    # Many at once answers line by line, whatever became of each.
    good["200"]["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    return shared | {
        "description": f"{shared['description']}\n\nAs NDJSON or CSV, many at once. {many}",
        "parameters": [path, *_headers(), *_claims()],
        "requestBody": {"required": True, "content": {"application/json": body} | dict.fromkeys(BULK_TYPES, lines)},
        "responses": good | _problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 500, 503, 504),
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = {name: value for name, value in one.schema.items() if name not in ("default", "title", "description")}
    if schema.get("type") == "object":
        schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    given: dict[str, Any] = {"name": one.name, "in": "query", "required": one.required, "schema": schema}
    if one.repeated:
        given |= {"schema": {"type": "array", "items": schema}, "style": "form", "explode": True}
    return given | ({"description": one.description} if one.description else {})


def _headers(*, key: bool = True) -> Iterable[dict[str, Any]]:
    if key:
        yield {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "pattern": _KEY},
               "description": "A text of the caller's own; the same again answers what was answered."}  # fmt: skip
    yield {"name": "If-Match", "in": "header", "required": False,
           "schema": {"type": "string", "pattern": r'^(\*|"[A-Za-z0-9_-]{1,64}\.[0-9]{1,10}")$'},
           "description": "The ETag of the record as it was read; needed where an existing record is changed. `*`: whatever it is."}  # fmt: skip


def _claims() -> Iterable[dict[str, Any]]:
    """What a caller may claim of a command beside its body."""
    identifier = {"type": "string", "pattern": IDENTIFIER_PATTERN}
    instant, day = {"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}
    for name, schema, about in (
        ("On-Behalf-Of", identifier, "Whose authority is used: together with the delegation, or not at all."),
        ("Delegation", identifier, "The delegation under which it is used."),
        ("Occurred-At", instant, "When it happened."),
        ("Issued-At", instant, "When it was decided."),
        ("Effective-On", day, "From when it holds."),
    ):
        yield {"name": f"Bailiwick-{name}", "in": "header", "required": False, "schema": schema, "description": about}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _good(
    schema: Mapping[str, Any], headers: dict[str, Any] | None = None, media_type: str = "application/json"
) -> dict[str, Any]:
    return {"description": "Answered.", "headers": headers or {}, "content": {media_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    found = {}
    for status in statuses:
        kinds = [kind for kind in KINDS.values() if kind.status == status]
        found[str(status)] = {
            "description": "; ".join(kind.title for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_PLACE}Problem"}}},
        }
    return found


def _own() -> dict[str, Any]:
    """The paths that are the gateway's own."""
    text = {"type": "string"}
    name = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,48}$"}
    looked = (401, 403, 404, 422, 429, 500, 503)
    changed = (400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 500, 503, 504)

    def at(where: str, schema: Mapping[str, Any], place: str = "path", *, required: bool = True) -> dict[str, Any]:
        return {"name": where, "in": place, "required": required, "schema": schema}

    def looks(about: str, *parameters: Any, schema: Any = None) -> dict[str, Any]:
        return {"tags": ["gateway"], "summary": about, "parameters": list(parameters),
                "responses": {"200": _good(schema or {"type": "object"})} | _problems(400, *looked)}  # fmt: skip

    def does(about: str, *parameters: Any, body: str | None = None, key: bool = True) -> dict[str, Any]:
        made: dict[str, Any] = {"tags": ["gateway"], "summary": about, "parameters": [*parameters, *(_headers() if key else ())],
                                "responses": {"200": _good({"type": "object"})} | _problems(*changed)}  # fmt: skip
        if body is not None:
            made["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"{_PLACE}{body}"}}},
            }
        return made

    webhook = at("webhook_id", name)
    as_of = _parameter(LOOKED_AT)
    paged = (
        at("after", name, "query", required=False),
        at("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "query", required=False),
        as_of,
    )
    stream = looks(
        "Events after a place of the feed, as a page; with Accept: text/event-stream as they happen",
        at(
            "type",
            {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 128}},
            "query",
            required=False,
        ),
        at("property", {"type": "string", "pattern": PROPERTY_PATTERN}, "query", required=False),
        at("after", text, "query", required=False),
        at("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "query", required=False),
        at("Last-Event-ID", text, "header", required=False),
    )
    members = {"events": {"type": "array", "items": {"type": "object"}}, "next": text, "more": {"type": "boolean"}}
    page = {"type": "object", "required": list(members), "properties": members}
    stream["responses"]["200"]["content"]["application/json"] = {"schema": page}
    stream["responses"]["200"]["content"]["text/event-stream"] = {"schema": text}
    identifier = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    place = {"type": "string", "pattern": PROPERTY_PATTERN}
    record = looks(
        "The facts of one record, oldest first",
        at("property", place),
        at("service", text),
        at("stream", identifier),
        as_of,
    )
    record["responses"] |= {"304": _SAME}
    record["responses"]["200"]["headers"] = {"ETag": _text("The version of the record, where all of it may be seen.")}
    login = does("A token of an account", body="Login", key=False) | {"security": []}
    session = does("A session cookie of an account, for a browser", body="Login", key=False) | {"security": []}
    leave = does("The browser forgets the session", key=False)
    leave["responses"]["204"] = {"description": "Forgotten."}
    leave["responses"].pop("200")
    return {
        "/v1/properties/{property}/records/{service}/{stream}": {"get": record},
        "/v1/events": {"get": stream},
        "/v1/tokens": {"post": login},
        "/v1/session": {"post": session, "delete": leave},
        "/v1/accounts": {"get": looks("Every account", *paged), "post": does("Let a person in", body="AccountBody")},
        "/v1/accounts/{account}": {
            "put": does("Change a password", at("account", name), body="PasswordBody"),
            "delete": does("Close an account", at("account", name)),
        },
        "/v1/api-keys": {"get": looks("Every API key", *paged), "post": does("Let an integration in", body="KeyBody")},
        "/v1/api-keys/{key_id}/revoke": {"post": does("End a key", at("key_id", name), body="WhyBody")},
        "/v1/webhooks": {
            "get": looks("Every webhook", *paged),
            "post": does("Have events sent to an address", body="WebhookBody"),
        },
        "/v1/webhooks/{webhook_id}": {"delete": does("End a webhook", webhook)},
        "/v1/webhooks/{webhook_id}/rotate": {"post": does("Sign with a new secret", webhook, body="RotationBody")},
        "/v1/webhooks/{webhook_id}/disable": {"post": does("Send nothing for now", webhook, body="WhyBody")},
        "/v1/webhooks/{webhook_id}/enable": {"post": does("Send again from where it stopped", webhook)},
        "/v1/webhooks/{webhook_id}/deliveries": {
            "get": looks(
                "Every event with its attempts",
                webhook,
                at("after", {"type": "integer", "minimum": 0, "maximum": 10**14}, "query", required=False),
                at("state", {"enum": ["waiting", "delivered"]}, "query", required=False),
            )
        },
        "/v1/webhooks/{webhook_id}/deliveries/{event_id}/resend": {
            "post": does("Send one event again, now", webhook, at("event_id", identifier))
        },
    }
