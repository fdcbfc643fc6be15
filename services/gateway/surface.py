"""What can be asked over HTTP: one operation per request that a service takes, made from the contracts alone."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from bailiwick_contracts.message import Request
from pydantic import TypeAdapter
from pydantic_core import from_json

from services.kernel.service import Service

Kind = Literal["command", "query"]
PROPERTY_FIELDS = ("property_id", "home_property", "for_property")
"""Fields that name a property; they are held against the property of the path."""
ROWS = "rows"
AS_OF = "as_of"
NOT_ASKED_FROM_OUTSIDE = ("gateway",)
"""Its requests have paths of their own, which never carry a hash or a sealed secret."""


@dataclass(frozen=True)
class Parameter:
    """One query parameter: where its value goes in the request, and how its text is read."""

    name: str
    path: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool
    repeated: bool
    description: str = ""

    def read(self, texts: list[str]) -> Any:
        """The JSON value of what stands in the URL; a text that is no such value is left for the contract to refuse.

        What consists of parts is given as JSON: one of them, or in a cell of a table several as a list.
        """
        values = [_value(text, self.schema) for text in texts]
        if not self.repeated:
            return values[-1]
        return [one for value in values for one in (value if isinstance(value, list) else [value])]


LOOKED_AT = Parameter(
    AS_OF, (AS_OF,), {"type": "string", "format": "date-time"}, required=False, repeated=False,
    description="Answer what was recorded by this instant, as it would have been answered then.",
)  # fmt: skip


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    kinds = {schema.get("type"), *(part.get("type") for part in schema.get("anyOf", ()))}
    if "integer" in kinds and text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 20:
        return int(text)
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    if "object" in kinds:
        with contextlib.suppress(ValueError):
            return from_json(text, allow_inf_nan=False)
    return text


@dataclass(frozen=True)
class Operation:
    """One request of one service, as a path and a method."""

    service: str
    name: str
    version: int
    kind: Kind
    model: type[Request]

    @property
    def wire(self) -> str:
        """The request's wire type."""
        return self.model.wire()

    @property
    def path(self) -> str:
        """The path template."""
        return f"/v{self.version}/properties/{{property}}/{self.service}/{self.name}"

    @property
    def method(self) -> str:
        """`POST` for what may change something, `GET` for what only looks."""
        return "POST" if self.kind == "command" else "GET"

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the request's body."""
        return self.model.model_json_schema(mode="validation")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Query parameters of a query; the property is taken from the path. Every view can be asked for as of an instant."""
        own = tuple(p for p in parameters_of(self.schema, self.schema) if p.name != "property_id")
        return own if self.kind == "command" or any(p.name == AS_OF for p in own) else (*own, LOOKED_AT)

    @cached_property
    def named(self) -> Mapping[str, Parameter]:
        """Query parameters by name."""
        return {one.name: one for one in self.parameters}

    @cached_property
    def repeated(self) -> Mapping[str, bool]:
        """Each query parameter, and whether it may be given more than once."""
        return {name: one.repeated for name, one in self.named.items()}

    def takes_as_of(self, given: Any) -> bool:
        """Whether the request itself has an `as_of` that this value is for: where it takes a date, an instant is not."""
        own = self.model.model_fields.get(AS_OF)
        return own is not None and not ("T" in str(given) and own.annotation == date | None)

    @cached_property
    def takes_property(self) -> bool:
        """Whether the request has a `property_id` of its own."""
        return "property_id" in self.model.model_fields

    @cached_property
    def row(self) -> TypeAdapter[Any] | None:
        """What one of the `rows` of a bulk request is; None for a request about one thing."""
        field = self.model.model_fields.get(ROWS)
        if field is None or not field.annotation:
            return None
        inner = getattr(field.annotation, "__args__", (None,))[0]
        return TypeAdapter(inner) if inner is not None else None


def parameters_of(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: tuple[str, ...] = (), *, optional: bool = False
) -> Iterable[Parameter]:
    """The members of a schema as parameters; a part's members stand behind its name and a dot."""
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        if name == "type" and not prefix:
            continue
        field = resolved(given, root)
        path = (*prefix, name)
        if field.get("type") == "object" and "properties" in field:
            yield from parameters_of(field, root, path, optional=optional or name not in required)
            continue
        array = field if field.get("type") == "array" else None
        item = resolved(array["items"], root) if array is not None and "items" in array else field
        yield Parameter(".".join(path), path, item, name in required and not optional, array is not None,
                        str(given.get("description", "")))  # fmt: skip


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed, and without the alternative of being null."""
    if "$ref" in schema:
        return resolved(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    parts = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(parts) == 1:
        return {k: v for k, v in schema.items() if k not in ("anyOf", "default")} | resolved(parts[0], root)
    return dict(schema)


class Surface:
    """Every operation, found by version, service, name and method."""

    def __init__(self, services: Iterable[Service]) -> None:
        """`services`: those of the catalogue."""
        self.services = tuple(services)
        self._found: dict[tuple[str, int, str, str], Operation] = {}
        for service in self.services:
            if service.name in NOT_ASKED_FROM_OUTSIDE:
                continue
            for kind, requests in (("command", service.commands), ("query", service.queries)):
                for request in requests:
                    self._add(kind, request)  # type: ignore[arg-type]

    def _add(self, kind: Kind, request: type[Request]) -> None:
        service, name, version = request.wire().split(".")
        one = Operation(service, name, int(version[1:]), kind, request)
        self._found[one.method, one.version, service, name] = one

    @property
    def operations(self) -> list[Operation]:
        """All of them, in the order of their paths."""
        return sorted(self._found.values(), key=lambda one: (one.service, one.kind, one.name, one.version))

    def find(self, method: str, version: int, service: str, name: str) -> Operation | None:
        """One of them, or None."""
        return self._found.get((method, version, service, name))
