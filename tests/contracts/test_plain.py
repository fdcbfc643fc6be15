"""Reading JSON that is written as nearly all is: the same answer, in value and in words, as by the model's own validator."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from bailiwick_contracts.message import Fact, Instant, Label, Record, Text
from bailiwick_contracts.money import Amount
from bailiwick_contracts.plain import reader
from bailiwick_contracts.schema import EXAMPLES, messages
from bailiwick_contracts.stored import read_evidence
from bailiwick_contracts.tariff import Number
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic_core import from_json, to_json


class Part(Record):
    note: Text


class Told(Record):
    at: Instant
    until: Instant | None = None
    name: Label = "other"
    notes: Annotated[tuple[Text, ...], Field(max_length=3)] = ()
    part: Part | None = None
    amount: Amount = Decimal("0.00")
    paid: Annotated[Amount, Field(gt=0)] = Decimal("1.00")
    area: Number = Decimal(0)


def same(raw: bytes) -> None:
    """By both: the same record, its instants in the zone that all of ours share, or the same words of refusal."""
    found = [_answer(read, raw) for read in (reader(Told), Told.model_validate_json)]
    assert found[0] == found[1]


def _answer(read: object, raw: bytes) -> object:
    try:
        told = read(raw)  # type: ignore[operator]
    except ValueError as error:
        return str(error)
    assert told.at.tzinfo is UTC
    return told, repr(told), told.model_fields_set


_written = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)).flatmap(  # noqa: DTZ001
    lambda at: st.sampled_from(["Z", "+00:00", "z", "", "-00:00", "+08:00", "0Z", ".5Z", ",5Z", " "]).map(
        lambda end: at.isoformat() + end
    )
)
_instants = st.one_of(
    _written,
    _written.map(lambda text: text.replace("T", " ")),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.none(),
)
_texts = st.one_of(
    st.text(max_size=140),
    st.text('ab\t\n\x00\x07\x1f\x7f\u2014\u202a\u202e\u2066\u2069\u200b\\"漏水', max_size=6),
    st.integers(),
)


@given(
    at=_instants,
    until=_instants,
    name=_texts,
    notes=st.lists(_texts, max_size=4),
    part=st.one_of(st.none(), st.fixed_dictionaries({"note": _texts})),
)
def test_it_reads_and_refuses_as_the_models_own_does(
    at: object, until: object, name: object, notes: list[object], part: object
) -> None:
    same(to_json({"at": at, "until": until, "name": name, "notes": notes, "part": part}))


_decimals = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True, places=2).map(str),
    st.decimals().map(str),
    st.from_regex(r"-?[0-9]{1,16}(\.[0-9]{0,7})?", fullmatch=True),
    st.sampled_from(
        ["-0.00", "-0", "0", "00.10", "1e3", " 1.00", "1.00\n", "１.00", "1_000", "+1.00", "999999999999999.99"]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
)


@given(amount=_decimals, paid=_decimals, area=_decimals)
def test_a_decimal_is_read_alike(amount: object, paid: object, area: object) -> None:
    for said in ({"amount": amount}, {"paid": paid}, {"area": area}):
        same(to_json({"at": "2026-03-02T09:31:00Z", **said}))


@given(at=_written, name=_texts)
def test_an_instant_and_a_text_alone_are_read_alike(at: str, name: object) -> None:
    same(to_json({"at": at, "name": name}))


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-02T24:00:00Z", "2026-03-02T23:59:60Z", "2026-02-29T00:00:00Z", "0000-01-01T00:00:00Z",
        "2026-03-02T09:31Z", "2026-03-02T09:31:00.1234567Z", "2026-03-02T09:31:00.1Z", "20260302T093100Z",
        "2026-W10-1T09:31:00Z", "2026-03-02T09:31:00Z\n", "２026-03-02T09:31:00Z", "2026-03-02T09:31:00",
    ],
)  # fmt: skip
def test_an_instant_at_the_edge_of_its_form_is_read_alike(at: str) -> None:
    same(to_json({"at": at}))


@pytest.mark.parametrize("name", [b"\x07", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\\u0007", b"\xff"])
def test_a_text_of_bytes_that_are_none_is_refused_alike(name: bytes) -> None:
    same(b'{"at":"2026-03-02T09:31:00Z","name":"' + name + b'"}')


class _Called:
    """The names of the functions in Python that are called meanwhile."""

    def __enter__(self) -> set[str]:
        found: set[str] = set()
        sys.setprofile(lambda frame, event, _: found.add(frame.f_code.co_name) if event == "call" else None)
        return found

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


FACTS = {
    wire: to_json(from_json((EXAMPLES / f"{wire}.json").read_bytes()))
    for wire, message in messages().items()
    if issubclass(message, Fact)
}


@pytest.mark.parametrize("wire", [wire for wire, raw in FACTS.items() if b"\\" not in raw])
def test_no_fact_calls_python_for_its_texts_and_instants(wire: str) -> None:
    raw = FACTS[wire]
    read_evidence(raw)
    with _Called() as called:
        read_evidence(raw)
    assert not called & {"one_line", "in_utc"}
