"""Pages for people, made here of the contracts: the API, the events, the problems. No script, and nothing from another host."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from html import escape
from typing import Any

from bailiwick_contracts import asyncapi
from bailiwick_contracts.envelope import schema_address
from bailiwick_contracts.schema import SCHEMAS, schema_of
from pydantic_core import to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response

from services.gateway import openapi
from services.gateway.problem import KINDS, not_found
from services.gateway.surface import Surface

Handler = Callable[[HttpRequest], Awaitable[Response]]
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f4f4f4;padding:.75rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid #ddd}
a{color:#0645ad}nav a{margin-right:1rem}summary{cursor:pointer}.m{font-weight:600}"""
CACHED = {"Cache-Control": "public, max-age=300"}


class Pages:
    """Everything that can be read without asking a service."""

    def __init__(self, surface: Surface) -> None:
        """Describe this surface."""
        self._surface = surface

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi.document(self._surface)

    @cached_property
    def asyncapi(self) -> dict[str, Any]:
        """The AsyncAPI document."""
        return asyncapi.document()

    @cached_property
    def schemas(self) -> dict[str, bytes]:
        """Every JSON Schema by its file's name."""
        return {path.name: path.read_bytes() for path in SCHEMAS.glob("*.json")}

    def paths(self) -> Mapping[str, Handler]:
        """Each path with what answers it."""
        return {
            "/": self.index,
            "/style.css": self.style,
            "/openapi.json": self.openapi_json,
            "/asyncapi.json": self.asyncapi_json,
            "/docs": self.api,
            "/docs/events": self.events,
            "/docs/events/{wire}": self.event,
            "/docs/asyncapi": self.channels,
            "/schemas/{name}": self.schema,
            "/problems": self.problems,
            "/problems/{code}": self.problem,
        }

    async def index(self, _: HttpRequest) -> Response:
        """Where everything is."""
        return page("bailiwick", "<p>The back office of property management: decisions checked against written authority, "
                    "kept for good, published for other systems.</p>")  # fmt: skip

    async def style(self, _: HttpRequest) -> Response:
        """The one style sheet."""
        return Response(STYLE, media_type="text/css", headers=CACHED)

    async def openapi_json(self, _: HttpRequest) -> Response:
        """The OpenAPI document."""
        return Response(to_json(self.openapi), media_type="application/json", headers=CACHED)

    async def asyncapi_json(self, _: HttpRequest) -> Response:
        """The AsyncAPI document."""
        return Response(to_json(self.asyncapi), media_type="application/json", headers=CACHED)

    async def schema(self, request: HttpRequest) -> Response:
        """A JSON Schema at its stable address."""
        found = self.schemas.get(request.path_params["name"]) or self._shared_schema(request.path_params["name"])
        if found is None:
            raise not_found()
        return Response(found, media_type="application/schema+json", headers=CACHED)

    def _shared_schema(self, name: str) -> bytes | None:
        """The schema of a message that every service has under its own name, which lies in no file of its own."""
        wire = name.removesuffix(".json")
        taken = {one.wire: one.model for one in self._surface.operations}
        facts = {fact.wire(): fact for service in self._surface.services for fact in service.publishes}
        model = taken.get(wire) or facts.get(wire)
        return to_json(schema_of(wire, model)) if model is not None else None

    async def api(self, _: HttpRequest) -> Response:
        """The HTTP API, an operation a section."""
        parts = []
        for path, methods in self.openapi["paths"].items():
            for method, one in methods.items():
                parts.append(
                    f"<details><summary><code><span class=m>{method.upper()}</span> {escape(path)}</code> — {escape(one['summary'])}</summary>"
                    f"<p>{escape(one.get('description', ''))}</p>{_parameters(one)}{_body(one, self.openapi)}{_answers(one)}</details>"
                )
        return page(
            "HTTP API",
            '<p>As a document: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>' + "".join(parts),
        )

    async def events(self, _: HttpRequest) -> Response:
        """The event catalogue: every fact with who makes it and who takes it in."""
        rows = [
            (
                f'<a href="/docs/events/{wire}"><code>{wire}</code></a>',
                escape(_first_line(fact)),
                _producer(wire),
                escape(", ".join(self._consumers(wire)) or "—"),
                f'<a href="{schema_address(wire)}">schema</a>',
            )
            for wire, fact in asyncapi.facts().items()
        ]
        return page("Event catalogue", table(("Type", "What happened", "Producer", "Consumers", "Schema"), rows))

    async def event(self, request: HttpRequest) -> Response:
        """One fact: what it means, its fields, its versions, an example."""
        wire = request.path_params["wire"]
        fact = asyncapi.facts().get(wire)
        if fact is None:
            raise not_found()
        name, _, _ = wire.rpartition(".")
        versions = sorted(one for one in asyncapi.facts() if one.rpartition(".")[0] == name)
        fields = [
            (
                f"<code>{escape(field)}</code>",
                "yes" if about.is_required() else "no",
                escape(str(about.description or "")),
            )
            for field, about in fact.model_fields.items()
        ]
        example = asyncapi.example_of(wire)
        body = (
            f"<p>{escape((fact.__doc__ or '').strip())}</p>"
            + table(("", ""), [
                ("Producer", _producer(wire)),
                ("Consumers", escape(", ".join(self._consumers(wire)) or "—")),
                ("Versions", ", ".join(f'<a href="/docs/events/{one}">{one}</a>' for one in versions)),
                ("Subject", f"<code>{asyncapi.address(wire)}</code>"),
                ("Schema", f'<a href="{schema_address(wire)}">{schema_address(wire)}</a>'),
            ])
            + "<h2>Fields of <code>data</code></h2>"
            + table(("Field", "Always", "Meaning"), fields)
            + (f"<h2>Example</h2><pre>{escape(json.dumps(example, ensure_ascii=False, indent=2))}</pre>" if example else "")
        )  # fmt: skip
        return page(wire, body)

    async def channels(self, _: HttpRequest) -> Response:
        """The AsyncAPI document as a page."""
        rows = [
            (f"<code>{escape(one['address'])}</code>", escape(one["title"]), escape(one["description"]))
            for one in self.asyncapi["channels"].values()
        ]
        head = '<p>As a document: <a href="/asyncapi.json">/asyncapi.json</a> (AsyncAPI 3).</p>'
        return page("Events on NATS", head + table(("Subject", "Message", "What happened"), rows))

    async def problems(self, _: HttpRequest) -> Response:
        """Every kind of problem."""
        rows = [
            (
                f'<a href="/problems/{code}"><code>{code}</code></a>',
                str(kind.status),
                escape(kind.title),
                escape(kind.title_zh),
            )
            for code, kind in KINDS.items()
        ]
        return page("Problems", table(("Code", "Status", "Title", "標題"), rows))

    async def problem(self, request: HttpRequest) -> Response:
        """One kind of problem, in both languages."""
        kind = KINDS.get(request.path_params["code"])
        if kind is None:
            raise not_found()
        body = (
            f"<p>HTTP status {kind.status}.</p><p>{escape(kind.what)}</p>"
            f'<h2 lang="zh-Hant">{escape(kind.title_zh)}</h2><p lang="zh-Hant">{escape(kind.what_zh)}</p>'
        )
        return page(kind.title, body)

    def _consumers(self, wire: str) -> list[str]:
        made_by = asyncapi.producers(wire)
        return [service.name for service in self._surface.services if not made_by.isdisjoint(service.consumes)]


def _producer(wire: str) -> str:
    made_by = asyncapi.producers(wire)
    return "every service, each under its own name" if len(made_by) > 1 else next(iter(made_by))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]


def page(title: str, body: str) -> HTMLResponse:
    """A whole page."""
    links = (
        ("/docs", "HTTP API"),
        ("/docs/events", "Events"),
        ("/docs/asyncapi", "Subjects"),
        ("/problems", "Problems"),
    )
    navigation = "".join(f'<a href="{path}">{name}</a>' for path, name in links)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/style.css"><nav>{navigation}</nav>'
        f"<main><h1>{escape(title)}</h1>{body}</main></html>",
        headers=CACHED,
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    names = "".join(f"<th>{name}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _parameters(one: Mapping[str, Any]) -> str:
    rows = [
        (
            f"<code>{escape(p['name'])}</code>",
            p["in"],
            "yes" if p["required"] else "no",
            escape(p.get("description", "")),
        )
        for p in one.get("parameters", ())
    ]
    return table(("Parameter", "In", "Required", ""), rows) if rows else ""


def _body(one: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    content = one.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return ""
    example = content.get("examples", {}).get("shipped", {}).get("value")
    if example is None:
        example = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
    return f"<pre>{escape(json.dumps(example, ensure_ascii=False, indent=2))}</pre>"


def _answers(one: Mapping[str, Any]) -> str:
    rows = [(status, escape(about["description"])) for status, about in one["responses"].items()]
    return table(("Status", ""), rows)
