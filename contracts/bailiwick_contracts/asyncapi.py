"""What is published, as an AsyncAPI 3 document: one channel per fact, with its schema and its example. `python -m …` prints it."""

import json
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bailiwick_contracts.dead_letter import TEMPLATE
from bailiwick_contracts.envelope import CONTENT_TYPE
from bailiwick_contracts.message import Fact, Message
from bailiwick_contracts.schema import EXAMPLES, messages, schema_of
from bailiwick_contracts.subjects import SERVICES

ASYNCAPI = "3.0.0"
PARAMETERS: dict[str, dict[str, Any]] = {
    "property": {"description": "A property's id, or `company`."},
    "service": {"description": "Each has this fact under its own name.", "enum": list(SERVICES)},
}
"""What stands in braces in a subject."""


def release() -> str:
    """The installed release of this package."""
    try:
        return version("bailiwick-contracts")
    except PackageNotFoundError:
        return "0"


def facts() -> dict[str, type[Message]]:
    """Every fact that is published, by its wire name."""
    return {wire: known for wire, known in messages().items() if issubclass(known, Fact)}


@cache
def choices() -> frozenset[str]:
    """By what events can be chosen: `*` for every one, `service.*` for those of a service, and each wire name."""
    of_each = {f"{service}.{wire.partition('.')[2]}" for wire in facts() for service in producers(wire)}
    return frozenset({"*", *(f"{service}.*" for service in SERVICES), *of_each})


def producers(wire: str) -> frozenset[str]:
    """The services that a fact is of: one, or every one where each has it under its own name."""
    service = wire.partition(".")[0]
    return frozenset(SERVICES if service == TEMPLATE else (service,))


def address(wire: str) -> str:
    """The subject of a fact, with `{property}` in it, and `{service}` where every service has the fact under its own name."""
    service, name, number = wire.split(".")
    return f"bailiwick.{{property}}.{'{service}' if service == TEMPLATE else service}.event.{name}.{number}"


def example_of(wire: str) -> dict[str, Any] | None:
    """The example document of a message, where one is shipped."""
    path = EXAMPLES / f"{wire}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def document() -> dict[str, Any]:
    """The document: each channel is a NATS subject, its parameters those of `PARAMETERS`."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    described: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for wire, fact in facts().items():
        key = wire.replace(".", "_")
        described[key] = _message(wire, fact, key)
        schemas[key] = moved(schema_of(wire, fact), f"#/components/schemas/{key}")
        channels[key] = {
            "address": address(wire),
            "title": fact.__name__,
            "description": (fact.__doc__ or "").strip(),
            "servers": [{"$ref": "#/servers/nats"}],
            "messages": {key: {"$ref": f"#/components/messages/{key}"}},
            "parameters": {
                name: {"$ref": f"#/components/parameters/{name}"}
                for name in PARAMETERS
                if f"{{{name}}}" in address(wire)
            },
        }
        operations[f"publish_{key}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{key}"},
            "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
        }
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:bailiwick:events",
        "info": {
            "title": "bailiwick events",
            "version": release(),
            "description": "Every fact that the back office records, as CloudEvents 1.0 in structured mode. A released fact is only ever added to.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "nats": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "JetStream, one stream per service: BAILIWICK_<SERVICE>.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": described,
            "schemas": schemas,
            "parameters": PARAMETERS,
        },
    }


def _message(wire: str, fact: type[Message], key: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": wire,
        "title": fact.__name__,
        "summary": (fact.__doc__ or "").strip().split("\n")[0],
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"#/components/schemas/{key}"},
    }
    example = example_of(wire)
    return made | ({"examples": [{"payload": example}]} if example is not None else {})


def moved(schema: dict[str, Any], place: str) -> dict[str, Any]:
    """A schema as part of a larger document: its references lead to `place`, and it names no dialect and no id of its own."""
    kept = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
    return _moved(kept, place)  # type: ignore[no-any-return]


def _moved(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return {
            name: f"{place}{inside[1:]}" if name == "$ref" and isinstance(inside, str) else _moved(inside, place)
            for name, inside in value.items()
        }
    return [_moved(inside, place) for inside in value] if isinstance(value, list) else value


if __name__ == "__main__":
    json.dump(document(), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
