"""Each message has an example that is read, fits its schema, and shows what a subscriber will see."""

import base64
import json
from typing import Any

import pytest
from bailiwick_contracts.deductions import PenaltyFigures
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.schema import EXAMPLES, SCHEMAS, messages
from bailiwick_contracts.sealed import Keys, SealingError, keys_from, open_field, open_record, sealed_fields
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from tests.contracts.examples import DOOR, example_keys

MESSAGES = messages()
FACTS = [wire for wire, message in MESSAGES.items() if issubclass(message, Fact)]
REQUESTS = [wire for wire, message in MESSAGES.items() if issubclass(message, Request)]


def example(wire: str) -> bytes:
    return (EXAMPLES / f"{wire}.json").read_bytes()


def validator(wire: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{wire}.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=FormatChecker())


@pytest.fixture(scope="module")
def keys() -> Keys:
    held = json.loads((EXAMPLES / "keys.json").read_text(encoding="utf-8"))
    return keys_from({name: base64.b64decode(key) for name, key in held.items()})


def test_each_message_has_one_example_and_nothing_else_lies_there() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {*MESSAGES, "keys"}


@pytest.mark.parametrize("wire", MESSAGES)
def test_each_example_fits_its_schema(wire: str) -> None:
    validator(wire).validate(json.loads(example(wire)))


@pytest.mark.parametrize("wire", FACTS)
def test_each_example_of_a_fact_is_read_in_full(wire: str) -> None:
    document = json.loads(example(wire))
    event = read_event(example(wire))
    assert type(event.data) is MESSAGES[wire]
    assert isinstance(event.data, Fact)
    assert isinstance(event.data, Fact)
    assert json.loads(event.data.as_json()) == document["data"]
    assert event.dataschema == f"/schemas/{wire}.json"
    assert (SCHEMAS / f"{wire}.json").is_file()


@pytest.mark.parametrize("wire", FACTS)
def test_a_fact_of_a_later_release_still_reads_and_still_fits(wire: str) -> None:
    document = json.loads(example(wire)) | {"laterattribute": "x"}
    document["data"] |= {"later_field": {"of": "any", "kind": [1, 2]}}
    assert read_event(json.dumps(document).encode()).data == read_event(example(wire)).data
    validator(wire).validate(document)


@pytest.mark.parametrize("wire", REQUESTS)
def test_each_example_of_a_request_is_read_strictly(wire: str) -> None:
    request = MESSAGES[wire]
    assert issubclass(request, Request)
    parsed = request.parse(example(wire))
    assert json.loads(parsed.model_dump_json(exclude_none=True)).items() >= json.loads(example(wire)).items()
    extra = json.loads(example(wire)) | {"later_field": 1}
    with pytest.raises(ValidationError, match="later_field"):
        request.parse(json.dumps(extra).encode())
    assert not validator(wire).is_valid(extra)


def inside(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(found for part in value.values() for found in inside(part))]
    if isinstance(value, list):
        return [found for part in value for found in inside(part)]
    return []


@pytest.mark.parametrize("wire", REQUESTS)
def test_an_unknown_field_is_refused_however_deep_it_lies(wire: str) -> None:
    request = MESSAGES[wire]
    assert issubclass(request, Request)
    count = len(inside(json.loads(example(wire))))
    for index in range(count):
        document = json.loads(example(wire))
        inside(document)[index]["later_field"] = 1
        with pytest.raises(ValidationError, match="later_field"):
            request.parse(json.dumps(document).encode())


@pytest.mark.parametrize("wire", FACTS)
def test_what_is_sealed_shows_nothing_and_opens_with_the_example_keys(wire: str, keys: Keys) -> None:
    event = read_event(example(wire))
    assert b'base_wage":' not in example(wire).replace(b" ", b"") or b"amount" not in example(wire)
    for path, sealed in sealed_fields(event.data):
        if sealed.key in ("payroll/north-court", "person/s-0007"):
            assert open_field(sealed, event_id=event.id, path=path, keys=keys)
        else:
            with pytest.raises(SealingError):
                open_field(sealed, event_id=event.id, path=path, keys=keys)


def test_an_examples_penalty_opens_to_its_figures(keys: Keys) -> None:
    event = read_event(example("attendance.penalty_decided.v1"))
    figures = open_record(event.data.figures, PenaltyFigures, event_id=event.id, path="figures", keys=keys)
    assert figures.computed is not None
    assert figures.computed.month_base_wage == Money(amount="4360.00")
    assert figures.computed.penalty == Money(amount="40.09")


@pytest.mark.parametrize("wire", FACTS)
def test_the_door_that_vouched_for_an_example_can_be_checked(wire: str) -> None:
    trusted = read_event(example("registry.door_trusted.v1")).data
    event = read_event(example(wire))
    if event.doorsignature == "system":
        assert event.causationid is not None or event.channel == "system"
        return
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(trusted.public_key))
    if event.door != trusted.door:
        assert event.door == DOOR
        key = Ed25519PrivateKey.from_private_bytes(example_keys()[f"door/{DOOR}"]).public_key()
    key.verify(base64.b64decode(event.doorsignature), event.statement(_asked_at(wire, event.property_id)))


def _asked_at(wire: str, property_id: str) -> str:
    """The property the command named: the company's for what the registry was told at the company."""
    return "company" if wire.startswith(("registry.", "audit.")) else property_id
