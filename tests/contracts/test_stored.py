"""Reading what a store holds: the same event as reading it strictly, for a third of the price."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts import attendance, audit, registry  # noqa: F401 - their types register
from bailiwick_contracts.envelope import Event, Unknown, data_of, read_event
from bailiwick_contracts.stored import read_folded, read_stored, recorded_at
from pydantic_core import from_json

GOLDEN = Path(__file__).parents[1] / "replay" / "golden"
RAWS = [raw for file in sorted(GOLDEN.glob("*/*.ndjson")) for raw in file.read_bytes().splitlines()]


def test_every_kept_fact_reads_the_same_as_under_every_rule() -> None:
    for raw in RAWS:
        strict, quick = read_event(raw), read_stored(raw)
        assert quick == strict == read_folded(raw, strict.type)
        assert quick.model_dump_json() == strict.model_dump_json()
        assert recorded_at(raw) == strict.recordedat


PUNCH = next(raw for raw in RAWS if b'"type":"attendance.punch_recorded.v1"' in raw)


@pytest.mark.parametrize("name", [*Event.model_fields, "property_id", "service", "version"])
def test_each_attribute_is_there_whichever_is_asked_for_first(name: str) -> None:
    strict = read_event(PUNCH)
    assert getattr(read_stored(PUNCH), name) == getattr(strict, name) == getattr(read_folded(PUNCH, strict.type), name)


@pytest.mark.parametrize(
    "taken",
    [
        copy.copy,
        copy.deepcopy,
        lambda event: pickle.loads(pickle.dumps(event)),  # noqa: S301 - what this test pickled
        lambda event: event.model_copy(),
        lambda event: Event[Any](**dict(event)),
    ],
)
def test_what_is_made_of_a_stored_fact_before_any_attribute_is_asked_for_is_the_fact(
    taken: Callable[[Event[Any]], Event[Any]],
) -> None:
    strict = read_event(PUNCH)
    made = taken(read_stored(PUNCH))
    assert type(made) in (Event, Event[Any])
    assert made == strict == made
    assert made.commanddigest == strict.commanddigest
    assert {read_stored(PUNCH), read_stored(PUNCH)} == {read_stored(PUNCH)}
    assert read_stored(PUNCH) == read_stored(PUNCH) != read_stored(RAWS[0])
    assert strict.dataschema in str(read_stored(PUNCH))


def test_a_fact_reads_the_same_however_its_bytes_are_laid_out() -> None:
    for raw in RAWS[:200]:
        document = json.loads(raw)
        turned = json.dumps(dict(reversed(document.items())), indent=1).encode()
        nested = json.dumps({"more": {"type": "x.y.v1", "data": {}}, "data": document["data"], **document}).encode()
        assert read_stored(turned) == read_stored(turned, document["type"]) == read_event(raw)
        assert read_stored(nested) == read_stored(nested, document["type"]) == read_event(raw)


def test_a_fact_of_an_unknown_type_is_kept_whole() -> None:
    raw = PUNCH.replace(b"attendance.punch_recorded.v1", b"attendance.punch_dreamt.v1")
    event = read_stored(raw)
    assert isinstance(event.data, Unknown)
    assert event.data.model_extra is not None
    assert event.data.model_extra["punch_id"] == read_event(PUNCH).data.punch_id
    assert event.door == read_event(PUNCH).door
    assert event == read_event(raw)


def test_a_type_that_is_not_the_one_announced_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"arrived where attendance\.punch_dreamt\.v1 was announced"):
        read_stored(PUNCH, "attendance.punch_dreamt.v1")


def test_what_is_wrong_with_the_rest_of_an_envelope_is_an_error_once_it_is_asked_for() -> None:
    document = json.loads(PUNCH)
    event = read_stored(PUNCH.replace(json.dumps(document["time"]).encode(), b'"yesterday"', 1))
    assert event.data == read_event(PUNCH).data
    for _ in range(2):
        with pytest.raises(ValueError, match="time"):
            _ = event.door
    with pytest.raises(ValueError, match="recordedat"):
        read_stored(PUNCH.replace(b"recordedat", b"writtenat"))
    with pytest.raises(AttributeError):
        _ = read_stored(PUNCH).nothing  # type: ignore[attr-defined]


def test_the_data_of_a_fact_are_found_in_its_bytes() -> None:
    assert all(from_json(data_of(raw)) == from_json(raw)["data"] for raw in RAWS)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"id":"e-1","type":"attendance.day_derived.v1"}'])
def test_what_is_no_fact_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?s).+"):
        read_stored(raw)


def test_data_that_break_their_rules_are_an_error() -> None:
    with pytest.raises(ValueError, match="direction"):
        read_stored(
            PUNCH.replace(b'"direction":"in"', b'"direction":"up"').replace(b'"direction":"out"', b'"direction":"up"')
        )
