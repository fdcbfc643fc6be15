"""Reading what a store holds: the same event as reading it strictly, for a third of the price."""

from pathlib import Path

import pytest
from bailiwick_contracts import attendance, audit, registry  # noqa: F401 - their types register
from bailiwick_contracts.envelope import data_of, read_event
from bailiwick_contracts.stored import read_stored, recorded_at
from pydantic_core import from_json

GOLDEN = Path(__file__).parents[1] / "replay" / "golden"
RAWS = [raw for file in sorted(GOLDEN.glob("*/*.ndjson")) for raw in file.read_bytes().splitlines()]


def test_every_kept_fact_reads_the_same_as_under_every_rule() -> None:
    for raw in RAWS:
        strict, quick = read_event(raw), read_stored(raw)
        assert quick == strict
        assert quick.model_dump_json() == strict.model_dump_json()
        assert recorded_at(raw) == strict.recordedat


def test_the_data_of_a_fact_are_found_in_its_bytes() -> None:
    assert all(from_json(data_of(raw)) == from_json(raw)["data"] for raw in RAWS)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"id":"e-1","type":"attendance.day_derived.v1"}'])
def test_what_is_no_fact_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?s).+"):
        read_stored(raw)


def test_data_that_break_their_rules_are_an_error() -> None:
    punch = next(raw for raw in RAWS if b'"type":"attendance.punch_recorded.v1"' in raw)
    with pytest.raises(ValueError, match="direction"):
        read_stored(
            punch.replace(b'"direction":"in"', b'"direction":"up"').replace(b'"direction":"out"', b'"direction":"up"')
        )
