"""Two properties full of data: every kept example of a fact, told once more of a property with a mark in every id and text of it.

A mark is eight hexadecimal digits, so that it fits into an id that is a hash as well.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bailiwick_contracts.audit import ListChains
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.message import COMPANY, Fact, Message
from bailiwick_contracts.schema import EXAMPLES
from pydantic import ValidationError

from services.gateway.surface import Operation
from services.kernel.batch import Batch, Memory
from services.kernel.beside import system_command
from services.kernel.ids import uuid7
from services.kernel.reactor import caught_up
from services.kernel.unit import WorkUnit
from tests.contracts.examples import PROPERTY
from tests.gateway.conftest import System

SEEDED = ("registry", "attendance", "tickets", "billing")
SCENE = (PROPERTY, "south-court")
"""The properties that the kept examples name."""
LEFT_OUT = ("adoptions", "registry-refusals", "deadline-policies")
"""What the whole company has one of: it stands already, and a marked copy would be another law for everybody."""
_CODES = (
    "type",
    "kind",
    "reason",
    "position",
    "asked_for",
    "occurrence",
    "status",
    "topic",
    "row_id",
    "holders",
    "calendar",
)
"""Members whose texts are words of a list, not anybody's."""
_PLAIN = re.compile(r"\d{4}-\d\d|[\d.:+-]+$|.*T\d\d:\d\d")


def marked(document: Any, kind: type[Message], place: str, mark: str) -> Any:
    """A document of `kind` of another property: its name replaced, and `mark` at the end of every text that may take it."""
    for path, text in list(_leaves(document)):
        for changed in _marked(text, place, mark):
            _put(document, path, changed)
            if _fits(kind, document):
                break
            _put(document, path, text)
    return document


def _marked(text: str, place: str, mark: str) -> Iterator[str]:
    if text == PROPERTY:
        yield place
        return
    for other in SCENE[1:]:
        text = text.replace(other, f"{place[:1]}-elsewhere")
    text = text.replace(PROPERTY, place)
    yield f"{text}-{mark}"
    yield text[: -len(mark)] + mark
    yield text


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, dict) and "ciphertext" not in value:
        for name, inside in value.items():
            yield from _leaves(inside, (*path, name))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _leaves(inside, (*path, index))
    elif isinstance(value, str) and path and path[-1] not in _CODES and not _PLAIN.match(value):
        yield path, value


def _put(document: Any, path: tuple[Any, ...], value: str) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def _fits(kind: type[Message], document: Any) -> bool:
    try:
        kind.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def facts_of(service: str, place: str, mark: str) -> list[tuple[str, str, Fact]]:
    """Owner, stream and fact of every kept example of a service, in the order of the scene they were kept from."""
    found = []
    for path in EXAMPLES.glob(f"{service}.*.json"):
        raw = path.read_bytes()
        document = json.loads(raw)
        if "specversion" not in document or document["subject"] in LEFT_OUT:
            continue
        event = read_event(raw)
        found.append((event.recordedat, event.subject, event.version, event, document))
    told = []
    for _, subject, _, event, document in sorted(found, key=lambda one: (one[0], one[1], one[2])):
        before = json.loads(json.dumps(document["data"]))
        data = marked(document["data"], type(event.data), place, mark)
        owner = COMPANY if event.property_id == COMPANY else place
        told.append(
            (owner, _stream(subject, before, data, place), type(event.data).model_validate_json(json.dumps(data)))
        )
    return told


def _stream(subject: str, before: Any, after: Any, place: str) -> str:
    """The stream of the marked record: the ids in its name are the marked ones."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    named = {old[path]: new[path] for path in old if str(path[-1]).endswith("_id") and path in new}
    for one in sorted(named, key=len, reverse=True):
        if one != PROPERTY and one in subject:
            return subject.replace(one, named[one]).replace(PROPERTY, place)[:64]
    return subject.replace(PROPERTY, place)


def fill(system: System, place: str, mark: str, without: str = "\n") -> None:
    """Put the scene into the stores of a running system, as another instance of each service would, but streams that begin so."""
    for name in SEEDED:
        runtime = system.supervisor.runtimes[name]
        with runtime.store.transaction() as connection:
            batch = Batch(runtime.service, runtime.store, runtime.keys, Memory(), connection, lambda: datetime.now(UTC))
            for owner, stream, fact in facts_of(name, place, mark):
                if type(fact) not in runtime.service.publishes or stream.startswith(without):
                    continue
                command = system_command(name, ListChains(), owner, uuid7(), batch.now)
                with WorkUnit(batch, property_id=owner, command=command) as unit:
                    unit.append(stream, fact, property_id=owner)
            batch.finish((), alone=False)
    for service in (*SEEDED, "gateway"):
        for source in SEEDED:
            if source in system.supervisor.runtimes[service].service.consumes:
                assert system.call(caught_up(system.desk.client, service, source))


def asked(operation: Operation, place: str, mark: str) -> list[tuple[str, str]] | None:
    """The query string of the kept example of a query, with the mark; None where no example is kept."""
    path = EXAMPLES / f"{operation.wire}.json"
    if not path.exists():
        return None
    document = marked(json.loads(path.read_text()), operation.model, place, mark)
    pairs: list[tuple[str, str]] = []
    for parameter in operation.parameters:
        value = document
        for step in parameter.path:
            value = value.get(step) if isinstance(value, Mapping) else None
        given = [
            one for one in (value if isinstance(value, list) else [value]) if not isinstance(one, dict | list | None)
        ]
        pairs += [(parameter.name, json.dumps(one) if isinstance(one, bool) else str(one)) for one in given]
    return pairs


def body_of(operation: Operation, place: str, mark: str) -> dict[str, Any] | None:
    """The kept example of a command, with the mark; None where none is kept."""
    path = EXAMPLES / f"{operation.wire}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = marked(json.loads(path.read_text()), operation.model, place, mark)
    return found
