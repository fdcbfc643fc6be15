"""The stored shape: what is written is what is read, chained, and sealed in its place."""

import json
from typing import Any, Literal

import pytest
from bailiwick_contracts.envelope import (
    FIRST_HASH,
    ChainError,
    Claim,
    Command,
    Unknown,
    check_chain,
    hash_of,
    read_command,
    read_event,
    render,
)
from bailiwick_contracts.message import Fact, Identifier, Record, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.sealed import (
    Confidential,
    KeyErasedError,
    Personal,
    SealingError,
    keys_from,
    open_field,
    open_record,
    sealed_fields,
)
from pydantic import ValidationError

from tests.amounts import shows_amount
from tests.audit.chains import Chain, rechained, rewritten


class Pay(Record):
    """A wage, for these tests."""

    wage: Money


class PersonNoted(Fact):
    """A fact with both kinds of sealed fields, for these tests."""

    type: Literal["envelopetest.person_noted.v1"] = "envelopetest.person_noted.v1"
    staff_id: Identifier
    name: Personal | None = None
    pay: Confidential | None = None


class NotePerson(Request):
    """A request, for these tests."""

    type: Literal["envelopetest.note_person.v1"] = "envelopetest.note_person.v1"
    staff_id: Identifier
    times: int = 1


def three() -> Chain:
    chain = Chain("envelopetest")
    for staff_id in ("s-1", "s-2", "s-3"):
        chain.add(f"person-{staff_id}", PersonNoted(staff_id=staff_id))
    return chain


def body(**changes: Any) -> bytes:
    command = {
        "actor": "s-director",
        "authmethod": "local",
        "channel": "live",
        "commandid": "c-1",
        "commandtype": "envelopetest.note_person.v1",
        "commanddigest": FIRST_HASH,
        "door": "door-1",
        "doorsignature": "signature",
        "property": "north-court",
        "salt": "random",
        "issuedat": "2026-03-02T09:31:00Z",
        "data": {"type": "envelopetest.note_person.v1", "staff_id": "s-1"},
    }
    return json.dumps(command | changes).encode()


def test_a_stored_fact_is_read_back_as_it_was_written() -> None:
    event = read_event(three().raws[1])
    assert event.data == PersonNoted(staff_id="s-2")
    assert (event.property_id, event.service, event.version) == ("north-court", "envelopetest", 1)
    assert (event.chainnumber, event.previoushash) == (2, hash_of(three().raws[0]))


def test_the_bytes_are_canonical_because_what_is_absent_is_left_out() -> None:
    assert render({"b": 1, "a": None, "c": "x"}, b'{"z":1}') == b'{"b":1,"c":"x","data":{"z":1}}'
    assert three().raws == three().raws


def test_a_reader_of_today_reads_a_fact_that_says_more() -> None:
    raw = rewritten(three().raws[0], newattribute="x", data={"shoe_size": 43})
    assert read_event(raw).data == PersonNoted(staff_id="s-1")


def test_a_fact_of_a_type_nobody_knows_is_kept_whole() -> None:
    raw = rewritten(three().raws[0], type="kitchen.soup_burnt.v7", data={"soup": "leek"})
    event = read_event(raw)
    assert isinstance(event.data, Unknown)
    assert event.data.model_dump()["soup"] == "leek"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"type":7}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"type":"x"',
        b'{"type":"envelopetest.person_noted.v1"}',
    ],
)
def test_bytes_that_are_no_stored_fact_are_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each is refused in its own words
        read_event(raw)


def test_a_fact_that_arrives_under_another_type_is_an_error() -> None:
    raw = rewritten(three().raws[0], type="kitchen.soup_burnt.v7")
    with pytest.raises(ValueError, match=r"soup_burnt.*arrived where"):
        read_event(raw, "envelopetest.person_noted.v1")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"id": "a.b"}, "id"), ({"subject": ">"}, "subject"), ({"log": "*"}, "log"), ({"chainnumber": 0}, "chainnumber"),
     ({"recordedat": "2026-01-01T00:00:00"}, "recordedat"), ({"recordedat": "2026-01-01T08:00:00+08:00"}, "recordedat"),
     ({"previoushash": "abc"}, "previoushash"), ({"sequence": "1"}, "sequence"), ({"specversion": "0.3"}, "specversion"),
     ({"channel": "back"}, "channel"), ({"data": {"staff_id": "a>b"}}, "staff_id")],
)  # fmt: skip
def test_a_stored_fact_with_an_impossible_attribute_is_an_error_that_names_it(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read_event(rewritten(three().raws[0], **changes))
    assert field in str(caught.value)


def test_an_unbroken_chain_passes_every_fact_on() -> None:
    assert [event.data.staff_id for event in check_chain(iter(three().raws))] == ["s-1", "s-2", "s-3"]


def test_a_chain_is_checked_on_from_where_it_was_left() -> None:
    first, *rest = three().raws
    assert [event.chainnumber for event in check_chain(iter(rest), number=1, previous=hash_of(first))] == [2, 3]


@pytest.mark.parametrize("order", [[0, 2], [1, 2], [0, 0, 1, 2], [1, 0, 2]])
def test_a_missing_repeated_or_moved_fact_breaks_its_chain(order: list[int]) -> None:
    raws = three().raws
    with pytest.raises(ChainError, match="missing or repeated"):
        list(check_chain(raws[index] for index in order))


def test_a_changed_byte_breaks_the_chain_at_the_next_fact() -> None:
    raws = three().raws
    raws[1] = rewritten(raws[1], data={"staff_id": "s-9"})
    with pytest.raises(ChainError, match="number 2 is not what number 3 was chained to"):
        list(check_chain(iter(raws)))


def test_a_forger_who_chains_everything_afresh_changes_the_last_hash() -> None:
    raws = three().raws
    forged = rechained([raws[0], rewritten(raws[1], data={"staff_id": "s-9"}), raws[2]])
    assert len(list(check_chain(iter(forged)))) == 3
    assert hash_of(forged[-1]) != hash_of(raws[-1])


def sealed() -> tuple[Chain, Any]:
    chain = Chain("envelopetest")
    fact = PersonNoted(
        staff_id="s-1",
        name=Personal.of("s-1", "Sample Name"),
        pay=Confidential.of("north-court", Pay(wage=Money(amount="4350.00"))),
    )
    return chain, read_event(chain.add("person-s-1", fact))


def test_a_sealed_field_opens_with_its_key_and_shows_nothing_without() -> None:
    chain, event = sealed()
    keys = keys_from(chain.keys)
    assert b"Sample Name" not in chain.raws[0]
    assert not shows_amount(chain.raws[0], "4350")
    assert open_field(event.data.name, event_id=event.id, path="name", keys=keys) == "Sample Name"
    assert open_record(event.data.pay, Pay, event_id=event.id, path="pay", keys=keys) == Pay(
        wage=Money(amount="4350.00")
    )
    with pytest.raises(SealingError, match="no key named person/s-1"):
        open_field(event.data.name, event_id=event.id, path="name", keys=keys_from({}))


def test_each_kind_of_sealed_field_has_a_key_of_its_own() -> None:
    chain, event = sealed()
    assert sorted(chain.keys) == ["payroll/north-court", "person/s-1"]
    assert [path for path, _ in sealed_fields(event.data)] == ["name", "pay"]


@pytest.mark.parametrize(
    ("event_id", "path"), [("another-event", "name"), ("envelopetest-north-court-000001", "alias")]
)
def test_a_sealed_value_moved_elsewhere_does_not_open(event_id: str, path: str) -> None:
    chain, event = sealed()
    with pytest.raises(SealingError, match="altered or moved"):
        open_field(event.data.name, event_id=event_id, path=path, keys=keys_from(chain.keys))


@pytest.mark.parametrize("change", [{"ciphertext": "AAAA"}, {"ciphertext": "not base64"}, {"nonce": ""}])
def test_an_altered_sealed_value_does_not_open(change: dict[str, str]) -> None:
    chain, event = sealed()
    with pytest.raises(SealingError, match="altered or moved"):
        open_field(
            event.data.name.model_copy(update=change), event_id=event.id, path="name", keys=keys_from(chain.keys)
        )


def test_an_erased_person_stays_erased_while_the_wage_still_opens() -> None:
    chain, event = sealed()

    def keys(name: str) -> bytes:
        if name == "person/s-1":
            raise KeyErasedError(name)
        return chain.keys[name]

    with pytest.raises(KeyErasedError):
        open_field(event.data.name, event_id=event.id, path="name", keys=keys)
    assert open_record(event.data.pay, Pay, event_id=event.id, path="pay", keys=keys).wage == Money(amount="4350.00")


def test_an_open_value_never_leaves_unsealed_nor_shows_itself() -> None:
    fact = PersonNoted(staff_id="s-1", name=Personal.of("s-1", "Sample Name"))
    assert "Sample Name" not in repr(fact)
    with pytest.raises(Exception, match="unsealed"):
        fact.as_json()


def test_a_command_is_read_strictly() -> None:
    command = read_command(body(), NotePerson)
    assert isinstance(command, Command)
    assert command.data == NotePerson(staff_id="s-1")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"extra": 1}, "extra"), ({"property": "North"}, "property"), ({"property": "a.b"}, "property"),
     ({"issuedat": "2026-03-02T09:31:00"}, "issuedat"), ({"issuedat": "2026-03-02T17:31:00+08:00"}, "issuedat"),
     ({"issuedat": None}, "issuedat"), ({"commandid": "a>b"}, "commandid"), ({"actor": ""}, "actor"), ({"actor": 7}, "actor"),
     ({"effectiveon": "2026-02-30"}, "effectiveon"), ({"importrow": "7"}, "importrow"), ({"commanddigest": "x"}, "commanddigest"),
     ({"data": {"type": "envelopetest.note_person.v1", "staff_id": "s-1", "times": 1.0}}, "times"),
     ({"data": {"type": "envelopetest.note_person.v1", "staff_id": "s-1", "times": True}}, "times"),
     ({"data": {"type": "envelopetest.note_person.v1", "staff_id": "s-1", "pay": 1}}, "pay"),
     ({"data": {"type": "envelopetest.note_person.v2", "staff_id": "s-1"}}, "type"), ({"data": []}, "data"), ({"salt": None}, "salt")],
)  # fmt: skip
def test_a_command_that_is_not_exact_is_an_error_that_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read_command(body(**changes), NotePerson)
    assert field in str(caught.value)


def test_what_a_door_signs_differs_with_everything_it_vouches_for() -> None:
    claim = {
        "actor": "s-1", "commandid": "c-1", "commandtype": "t", "commanddigest": FIRST_HASH, "door": "d",
        "onbehalfof": "s-2", "delegation": "g-1",
    }  # fmt: skip
    changed = [{}, *({name: "x" if name != "commanddigest" else "1" * 64} for name in claim)]
    statements = {Claim.model_validate(claim | change).statement("north-court") for change in changed}
    statements.add(Claim.model_validate(claim).statement("south-court"))
    statements.add(Claim.model_validate(claim | {"channel": "import"}).statement("north-court"))
    statements.add(Claim.model_validate(claim | {"authmethod": "oidc"}).statement("north-court"))
    assert len(statements) == len(claim) + 4
