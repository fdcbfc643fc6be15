"""One entry of the log: canonical JSON (RFC 8785) that commits to a fact's stored bytes and names people by pseudonym alone."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

SALT_BYTES = 16
LISTED_PEOPLE = 100
"""People that one entry names; a roster of thousands is one fact, and more are counted."""
PERSON_FIELDS = frozenset(
    {
        "actor_id",
        "subject_id",
        "on_behalf_of_id",
        "requested_by_id",
        "holder_id",
        "superior_id",
        "reader_id",
        "auditor_id",
    }
)
_NESTED = (dict, list)
_quoted = json.encoder.encode_basestring
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class LeafError(ValueError):
    """An entry, or the bytes it should be made from, is not what it should be."""


def commitment(salt: bytes, raw: bytes) -> str:
    """SHA-256 over the salt and the stored bytes, hexadecimal: `cat salt event.json | sha256sum` says the same."""
    return hashlib.sha256(salt + raw).hexdigest()


def leaf_of(raw: bytes, salt: bytes, document: dict[str, Any] | None = None) -> bytes:
    """The entry of a stored fact; `document` is its parsed form where the caller has it.

    Members: `actor`, `chain` (`<service>/<log>/<property>`), `commitment`, `id`, `number` (in its chain), `people` (everyone
    the fact names, by pseudonym), `peoplecount` where they are too many to list, `recordedat`, `type`, `v`.

    Raises:
        LeafError: the bytes are no stored fact.
    """
    try:
        document = from_json(raw) if document is None else document
        _, _, property_id, service = document["source"].split("/")
        people = sorted(_people(document))
        count = "" if len(people) <= LISTED_PEOPLE else f'"peoplecount":{len(people)},'
        named = ",".join(map(_quoted, people[:LISTED_PEOPLE]))
        chain, number = f"{service}/{document['log']}/{property_id}", document["chainnumber"]
        if type(number) is not int:
            raise TypeError(number)
        return (
            f'{{"actor":{_quoted(document["actor"])},"chain":{_quoted(chain)},'
            f'"commitment":"{hashlib.sha256(salt + raw).hexdigest()}","id":{_quoted(document["id"])},"number":{number},'
            f'"people":[{named}],{count}"recordedat":{_quoted(document["recordedat"])},"type":{_quoted(document["type"])},"v":1}}'
        ).encode()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LeafError("these bytes are no stored fact, so nothing can commit to them") from error


def _people(document: dict[str, Any]) -> set[str]:
    """Who a fact names: the people of `people_of`, without the paths."""
    found = {document["actor"], document.get("onbehalfof")}
    waiting = [document.get("data")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name, inside in value.items():
                kind = type(inside)
                if kind is str:
                    if name[-3:] == "_id" and (name in PERSON_FIELDS or name[-8:] == "staff_id"):
                        found.add(inside)
                elif kind is dict:
                    waiting.append(inside)
                elif kind is list and inside:
                    if name[-9:] == "staff_ids":
                        found.update([person for person in inside if type(person) is str])
                    else:
                        waiting.append(inside)
        elif type(value) is list:
            waiting.extend([inside for inside in value if type(inside) in _NESTED])
    return {person for person in found if person and not person.startswith("system-")}


def people_of(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Everyone a stored fact names by pseudonymous id: (path of the field, id)."""
    for name in ("actor", "onbehalfof"):
        person = document.get(name)
        if person and not person.startswith("system-"):
            yield name, person
    for path, person in _walk(document.get("data"), "data"):
        if person and not person.startswith("system-"):
            yield path, person


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inside in value.items():
            if isinstance(inside, str):
                if name in PERSON_FIELDS or name.endswith("staff_id"):
                    yield f"{path}.{name}", inside
            elif isinstance(inside, list) and name.endswith("staff_ids"):
                yield from ((f"{path}.{name}", person) for person in inside if isinstance(person, str))
            elif isinstance(inside, dict | list):
                yield from _walk(inside, f"{path}.{name}")
    elif isinstance(value, list):
        for inside in value:
            if isinstance(inside, dict | list):
                yield from _walk(inside, path)


def read_leaf(entry: bytes) -> dict[str, Any]:
    """The members of an entry. Raises LeafError for one that is not canonical, or names no fact."""
    try:
        told: dict[str, Any] = from_json(entry)
        well_made = _encode(told).encode() == entry
        chain, number, event_id = told["chain"], told["number"], told["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise LeafError("not an entry of this log") from error
    if not (well_made and isinstance(chain, str) and isinstance(number, int) and isinstance(event_id, str)):
        raise LeafError("the entry is not canonical JSON of the members it should have")
    return told


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry behind its length, two bytes big-endian."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def unbundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises LeafError for one that is cut off."""
    entries, at, end = [], 0, len(data)
    while at < end:
        start = at + 2
        at = start + (data[start - 2] << 8 | data[start - 1] if start <= end else 1)
        if at > end:
            raise LeafError("the bundle ends inside an entry")
        entries.append(data[start:at])
    return entries
