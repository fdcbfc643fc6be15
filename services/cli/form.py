"""A form: the options of a command made from the fields of a request, and the request made from what was typed."""

import inspect
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Record, Request
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from services.wall_clock import BadCell, Clocks, instant_of

KEYWORD = inspect.Parameter.KEYWORD_ONLY


def options(request: type[Request], *filled: str) -> list[inspect.Parameter]:
    """One option per field of a request; every one may be left out, so that the request itself says what is missing.

    Args:
        request: whose fields.
        filled: the fields that are given something where they are left out, such as a new id.
    """
    found = []
    for name, field in request.model_fields.items():
        if name == "type":
            continue
        kind, many = _bare(field.annotation)
        needed = field.is_required() and name not in filled
        told = ". ".join(part for part in (_told(kind), "needed" if needed else "") if part)
        flags = (f"{_flag(name, many)}/--not-{name}",) if kind is bool else (_flag(name, many),)
        annotation: Any = bool | None if kind is bool else list[str] | None if many else str | None
        option = typer.Option(*flags, help=told or None)
        found.append(inspect.Parameter(name, KEYWORD, default=None, annotation=Annotated[annotation, option]))
    return found


def body(request: type[Request], typed: Mapping[str, Any], clocks: Callable[[], Clocks]) -> bytes:
    """The JSON of a request from what was typed, field by field; what was left out is left out.

    Args:
        request: which.
        typed: by field: a text, several, a flag, or None.
        clocks: the property's offset changes, asked for where an instant was typed by the wall clock.

    Raises:
        BadCell: an instant that cannot be read, or what is no text.
        ValueError: a file named with @ that cannot be read.
    """
    made: dict[str, Any] = {}
    for name, given in typed.items():
        if given is None:
            continue
        kind, many = _bare(request.model_fields[name].annotation)
        _check_text(name, given)
        if many and len(given) == 1 and given[0].startswith("@"):
            made[name] = _of_file(name, given[0])
        elif many:
            made[name] = [_value(name, kind, one, clocks) for one in given]
        else:
            made[name] = given if isinstance(given, bool) else _value(name, kind, given, clocks)
    return to_json(made)


def _check_text(name: str, given: Any) -> None:
    """What a terminal of another encoding typed comes in as halves of characters, which no message can hold."""
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, str) and (cut := one.encode(errors="replace").decode()) != one:
            raise BadCell(
                name, cut[:80], "text in UTF-8", "set the terminal to UTF-8, or give it with @FILE where one may"
            )


def asks_for_clocks(request: type[Request], typed: Mapping[str, Any]) -> bool:
    """Whether an instant was typed that must be read by the property's wall clock."""
    given = ((_bare(request.model_fields[name].annotation)[0], one) for name, one in typed.items() if one is not None)
    return any(kind is datetime for kind, _ in given)


def _flag(name: str, many: bool) -> str:
    if name == "property_id":
        return "--property"
    return "--" + (name[:-1] if many and name.endswith("s") else name).replace("_", "-")


def _bare(annotation: Any) -> tuple[Any, bool]:
    """The type under `Annotated`, `Optional` and `tuple[…, ...]`, and whether there may be several."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is tuple:
        return _bare(get_args(annotation)[0])[0], True
    return annotation, False


def _fields(kind: type[BaseModel]) -> list[str]:
    return [name for name in kind.model_fields if name != "type"]


def _told(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if kind is Ratio:
        return "a number, e.g. 1/5 or 2.5"
    if kind is datetime:
        return "an instant, e.g. 2026-03-02T18:30 by the property's clock, or with its offset"
    if inspect.isclass(kind) and issubclass(kind, Record):
        first, *more = _fields(kind)
        return f"{first.upper()}{''.join(f'[,{name}={name.upper()}]' for name in more)}, or @FILE with its JSON"
    return "" if kind in (str, int, bool) else "e.g. 2026-03-02"


def _value(name: str, kind: Any, text: str, clocks: Callable[[], Clocks]) -> Any:
    if kind is int:
        return int(text) if text.removeprefix("-").isdecimal() else text
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind is datetime:
        return instant_of(name, text, clocks()).isoformat().replace("+00:00", "Z")
    if kind is Ratio and "=" not in text:
        try:
            return Ratio.of(Fraction(text)).model_dump(mode="json")
        except (ValueError, ZeroDivisionError):
            return text
    if inspect.isclass(kind) and issubclass(kind, Record):
        return _record(name, kind, text, clocks)
    return text


def _of_file(name: str, text: str) -> Any:
    try:
        return from_json(Path(text[1:]).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {text[1:]} holds no JSON that can be read: {error}") from None


def _record(name: str, kind: type[Record], text: str, clocks: Callable[[], Clocks]) -> Any:
    if text.startswith("@"):
        return _of_file(name, text)
    if text.startswith("{"):
        return from_json(text)
    first, *_ = _fields(kind)
    made: dict[str, Any] = {}
    for part in text.split(","):
        field, given, value = part.partition("=")
        if not given:
            field, value = first, part
        inner = kind.model_fields.get(field)
        made[field] = _value(f"{name}.{field}", _bare(inner.annotation)[0], value, clocks) if inner else value
    return made
