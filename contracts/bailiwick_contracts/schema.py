"""Writes the JSON Schema (2020-12) of every message into `schemas/`; `--check` names each file that has drifted.

A fact's schema is its whole CloudEvents document with sealed fields closed; a request's is its body. Facts stay open to
unknown fields, requests do not, exactly as they are read.
"""

import argparse
import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bailiwick_contracts.dead_letter import TEMPLATE, of_service, shared
from bailiwick_contracts.envelope import Answer, Command, Event, Unknown, schema_address
from bailiwick_contracts.message import Fact, Message, message_types
from bailiwick_contracts.subjects import SERVICES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS = Path(__file__).parent / "schemas"
EXAMPLES = Path(__file__).parent / "examples"
ENVELOPES: dict[str, type[BaseModel]] = {"command": Command[Unknown], "answer": Answer}
"""What is no message of a service but travels all the same: the envelope of a request, and what it is answered."""


def messages() -> dict[str, type[Message]]:
    """Every message of every service by its wire name, in order."""
    for service in SERVICES:
        import_module(f"bailiwick_contracts.{service}")
    of_service(TEMPLATE)
    return {
        wire: known
        for wire, known in sorted(message_types().items())
        if (wire.startswith(f"{TEMPLATE}.") if shared(wire) else wire.partition(".")[0] in SERVICES)
        and known.__module__.startswith("bailiwick_contracts.")
    }


@cache
def _sentences(module: str) -> Mapping[str, Mapping[str, str]]:
    """Of each class of a module: what the text below a field says of it."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(import_module(module)))):
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                    and isinstance(text.value.value, str)
                ):
                    found.setdefault(node.name, {})[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _said_of(model: type[BaseModel]) -> dict[str, str]:
    """What the classes that a model is made of say of its fields, the nearest first."""
    said: dict[str, str] = {}
    for kind in model.__mro__:
        if kind.__module__.startswith("bailiwick_contracts."):
            for field, text in _sentences(kind.__module__).get(kind.__name__, {}).items():
                said.setdefault(field, text)
    return said


class _WithSentences(GenerateJsonSchema):
    """The schema of a model with what stands below each field: it is part of what the field means."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        made = super().model_schema(schema)
        said = _said_of(schema["cls"])
        for name, field in made.get("properties", {}).items():
            if name in said:
                field.setdefault("description", said[name])
        return made


def schema_of(wire: str, message: type[Message]) -> dict[str, Any]:
    """The JSON Schema of one message: of the whole document for a fact, of the body for a request."""
    model: type[BaseModel] = Event[message] if issubclass(message, Fact) else message  # type: ignore[valid-type]
    body = _plain(model.model_json_schema(mode="validation", schema_generator=_WithSentences))
    if issubclass(message, Fact):
        body["properties"]["type"] = {"const": wire}
        body["properties"]["dataschema"] = {"const": schema_address(wire)}
        body["description"] = (message.__doc__ or "").strip()
    if shared(wire):
        _any_service(body, wire)
    return {"$schema": DIALECT, "$id": schema_address(wire), "title": message.__name__, **body}


def _any_service(body: dict[str, Any], wire: str) -> None:
    """A message that every service has under its own name: its type is a pattern, not one text."""
    pattern = {"type": "string", "pattern": f"^[a-z]+[.]{wire.partition('.')[2].replace('.', '[.]')}$"}
    for part in (body, *body.get("$defs", {}).values()):
        if part.get("properties", {}).get("type", {}).get("const") == wire:
            part["properties"]["type"] = pattern


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """Without titles that only repeat a field's name, and with names that are always written required."""
    body.pop("title", None)
    for part in (body, *body.get("$defs", {}).values()):
        _require_names(part)
        for field in part.get("properties", {}).values():
            field.pop("title", None)
    return body


def _require_names(part: dict[str, Any]) -> None:
    """A name that is always written (`type`, `specversion`, `seal`) is required, though Python fills it in."""
    constant = [name for name, field in part.get("properties", {}).items() if "const" in field]
    always = {*part.get("required", ()), *constant}
    if always:
        part["required"] = [name for name in part["properties"] if name in always]


@cache
def rendered() -> tuple[tuple[str, str], ...]:
    """Each schema file's name with the text that belongs in it."""
    return tuple(_rendered())


def _rendered() -> Iterator[tuple[str, str]]:
    for wire, message in messages().items():
        yield f"{wire}.json", _text(schema_of(wire, message))
    for name, model in ENVELOPES.items():
        head = {"$schema": DIALECT, "$id": f"/schemas/{name}.json"}
        yield (
            f"{name}.json",
            _text(
                head
                | {"title": name}
                | _plain(model.model_json_schema(mode="validation", schema_generator=_WithSentences))
            ),
        )


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=False) + "\n"


def drift(folder: Path = SCHEMAS) -> list[str]:
    """Each file in `folder` that is missing, out of date or left over, with which of these it is."""
    wanted = dict(rendered())
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} if folder.is_dir() else {}
    return [
        *(f"{name}: missing" for name in wanted if name not in found),
        *(f"{name}: out of date" for name in wanted if name in found and found[name] != wanted[name]),
        *(f"{name}: belongs to no message" for name in sorted(found) if name not in wanted),
    ]


def write(folder: Path = SCHEMAS) -> int:
    """Write every schema into `folder`, take away what belongs to no message, and answer how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = dict(rendered())
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return len(wanted)


def main(arguments: list[str] | None = None) -> int:
    """`python -m bailiwick_contracts.schema [--check]`: 0 when all is written or in step, 1 on drift."""
    parser = argparse.ArgumentParser(prog="python -m bailiwick_contracts.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name each file that drifted")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        sys.stdout.write(f"{write()} schemas in {SCHEMAS}\n")
        return 0
    drifted = drift()
    for line in drifted:
        sys.stderr.write(f"schemas/{line}; run python -m bailiwick_contracts.schema\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    raise SystemExit(main())
