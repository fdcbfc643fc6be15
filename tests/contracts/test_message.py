"""Bad input: each malformed request is an error that names field, value and rule, and never becomes something else."""

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import pytest
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Message, PropertyId, Refusal, Request, Text
from bailiwick_contracts.money import Money
from pydantic import Field, ValidationError


class AskEverything(Request):
    """One field of each kind that requests are made of, for these tests."""

    type: Literal["messagetest.ask_everything.v1"] = "messagetest.ask_everything.v1"
    staff_id: Identifier
    property_id: PropertyId
    at: Instant
    on: date
    minutes: Annotated[int, Field(ge=0, le=1440)]
    pay: Money
    reason: Text
    name: Label
    flag: bool = False


class EverythingAsked(Fact):
    """A fact, for these tests."""

    type: Literal["messagetest.everything_asked.v1"] = "messagetest.everything_asked.v1"
    staff_id: Identifier


GOOD: dict[str, Any] = {
    "type": "messagetest.ask_everything.v1",
    "staff_id": "s-1",
    "property_id": "north-court",
    "at": "2026-03-02T09:31:00Z",
    "on": "2026-03-02",
    "minutes": 31,
    "pay": {"amount": "120.00", "currency": "CNY"},
    "reason": "第三次遲到",
    "name": "Sample",
}


def parse(**changes: Any) -> AskEverything:
    return AskEverything.parse(json.dumps(GOOD | changes).encode())


def refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(**{field: value})
    assert any(field in map(str, error["loc"]) for error in caught.value.errors())


def test_a_good_request_is_read() -> None:
    asked = parse()
    assert (asked.at, asked.on) == (datetime(2026, 3, 2, 9, 31, tzinfo=UTC), date(2026, 3, 2))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe\x00", b"\xef\xbb\xbf{}", json.dumps(GOOD).encode("utf-16"),
     json.dumps(GOOD).encode()[:-1], json.dumps(GOOD).encode() + b"x", b'{"staff_id":"\xff"}', b"[" * 100_000],
    ids=["empty", "cut", "null", "list", "number", "bytes", "bom", "utf-16", "truncated", "trailing", "not-utf-8", "nested"],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_an_error(body: bytes) -> None:
    with pytest.raises(ValidationError):
        AskEverything.parse(body)


def test_an_unknown_field_of_a_request_is_an_error() -> None:
    refused("unexpected", 1)


@pytest.mark.parametrize("missing", ["staff_id", "at", "pay", "minutes"])
def test_a_missing_field_is_an_error_that_names_it(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        AskEverything.parse(json.dumps({k: v for k, v in GOOD.items() if k != missing}).encode())


@pytest.mark.parametrize("wire", ["messagetest.ask_everything.v2", "messagetest.ask_everything", "", None, 1])
def test_another_type_or_version_is_an_error(wire: Any) -> None:
    refused("type", wire)


@pytest.mark.parametrize("value", [7.0, 7.5, "7", " 7 ", True, None, -1, 1441, 2**63, 1e400, "NaN", [7]])
def test_a_count_is_a_whole_json_number_inside_its_bounds(value: Any) -> None:
    refused("minutes", value)


def test_a_number_of_five_thousand_digits_is_an_error() -> None:
    body = json.dumps(GOOD).replace('"minutes": 31', '"minutes": ' + "9" * 5000).encode()
    with pytest.raises(ValidationError):
        AskEverything.parse(body)


@pytest.mark.parametrize("value", ["yes", "true", 1, 0, "", None])
def test_a_truth_is_true_or_false(value: Any) -> None:
    refused("flag", value)


@pytest.mark.parametrize(
    "amount",
    [
        120,
        120.0,
        0.30000000000000004,
        "1E+1000000",
        "1e2",
        "120.001",
        "NaN",
        "-0",
        "Infinity",
        "9" * 5000,
        True,
        None,
        "",
    ],
)
def test_money_that_is_a_number_an_exponent_or_too_fine_is_an_error(amount: Any) -> None:
    refused("pay", {"amount": amount, "currency": "CNY"})


@pytest.mark.parametrize("currency", ["cny", "¥", "", "RMBX", 156])
def test_a_wrong_currency_is_an_error(currency: Any) -> None:
    refused("pay", {"amount": "1.00", "currency": currency})


@pytest.mark.parametrize(
    "at",
    ["2026-03-02T09:31:00", "2026-03-02T17:31:00+08:00", "2026-03-02T09:31:00+14:00", "2026-03-02", "0000-01-01T00:00:00Z",
     "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-03-02T25:00:00Z", "10000-01-01T00:00:00Z", "now", "", None, [], True],
)  # fmt: skip
def test_a_time_without_utc_or_that_never_was_is_an_error(at: Any) -> None:
    refused("at", at)


@pytest.mark.parametrize(
    "on",
    ["2026-02-30", "2025-02-29", "0000-01-01", "2026-3-2", "02/03/2026", "2026-03-02T00:00:00Z", 20260302, 0, "", None],
)
def test_a_date_that_is_none_is_an_error(on: Any) -> None:
    refused("on", on)


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "A.x",
        "*",
        ">",
        "a b",
        "a\r\nb",
        "a\n",
        "a/b",
        "a\x00b",
        "x" * 65,
        "工號一",
        "а-cyrillic",
        "../../etc/passwd",
        "=1+1",
        7,
        None,
    ],
)
def test_an_id_that_is_no_id_is_an_error(identifier: Any) -> None:
    refused("staff_id", identifier)


@pytest.mark.parametrize("property_id", ["", "North", "a.b", "*", ">", "-a", "x" * 33, "北苑", "a_b", "a\n"])
def test_a_property_that_is_no_property_id_is_an_error(property_id: str) -> None:
    refused("property_id", property_id)


@pytest.mark.parametrize(
    "text",
    ["", "a\x00b", "a\rb", "\x1b[2Jall fine", "paid \u202e00.1", "a\u2066b", "x" * 2001, 7, None],
    ids=["empty", "nul", "carriage-return", "escape", "override", "isolate", "too-long", "number", "none"],
)
def test_text_with_hidden_or_endless_content_is_an_error(text: Any) -> None:
    refused("reason", text)


def test_a_lone_surrogate_is_an_error() -> None:
    body = json.dumps(GOOD).replace('"Sample"', '"\\ud800"').encode()
    with pytest.raises(ValidationError):
        AskEverything.parse(body)


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "王小明（樣本）", "𠮷", "👩‍👩‍👧", "e\u0301", "two\nlines", "اختبار"])
def test_text_that_people_write_is_kept_as_it_is(text: str) -> None:
    assert parse(reason=text).reason == text


def test_a_fact_reads_what_it_does_not_know_and_a_message_never_changes() -> None:
    fact = EverythingAsked.model_validate_json(b'{"type":"messagetest.everything_asked.v1","staff_id":"s-1","later":1}')
    assert fact == EverythingAsked(staff_id="s-1")
    with pytest.raises(ValidationError):
        fact.staff_id = "s-2"  # type: ignore[misc]


def test_two_classes_never_share_a_wire_name() -> None:
    with pytest.raises(TypeError, match="already the wire name"):

        class Another(Fact):
            type: Literal["messagetest.everything_asked.v1"] = "messagetest.everything_asked.v1"

    assert Message.registered["messagetest.everything_asked.v1"] is EverythingAsked


def test_a_refusal_says_why_by_code() -> None:
    with pytest.raises(ValidationError):
        Refusal.model_validate({"reason": "a sentence is no code"})
