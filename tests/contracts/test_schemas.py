"""What is on the wire is visible in the diff: each schema is generated, committed and in step; each message can be read again."""

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts import schema
from bailiwick_contracts.message import Fact, Message, Record, Refusal, Request
from bailiwick_contracts.subjects import subject_of
from jsonschema import Draft202012Validator

MESSAGES = schema.messages()


def test_no_schema_has_drifted() -> None:
    assert schema.drift() == []


def test_drift_names_each_file_and_how(tmp_path: Path) -> None:
    schema.write(tmp_path)
    assert schema.drift(tmp_path) == []
    (tmp_path / "audit.chain_broken.v1.json").write_text("{}", encoding="utf-8")
    (tmp_path / "audit.list_chains.v1.json").unlink()
    (tmp_path / "audit.gone.v1.json").write_text("{}", encoding="utf-8")
    assert schema.drift(tmp_path) == [
        "audit.list_chains.v1.json: missing",
        "audit.chain_broken.v1.json: out of date",
        "audit.gone.v1.json: belongs to no message",
    ]
    schema.write(tmp_path)
    assert schema.drift(tmp_path) == []


def test_the_command_line_says_what_drifted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert schema.main(["--check"]) == 0
    monkeypatch.setattr(schema, "drift", lambda: ["audit.chain_broken.v1.json: out of date"])
    assert schema.main(["--check"]) == 1
    assert "audit.chain_broken.v1.json: out of date" in capsys.readouterr().err


@pytest.mark.parametrize("wire", MESSAGES)
def test_each_schema_is_one_and_stays_open_for_facts(wire: str) -> None:
    made = schema.schema_of(wire, MESSAGES[wire])
    Draft202012Validator.check_schema(made)
    if issubclass(MESSAGES[wire], Fact):
        assert "additionalProperties" not in json.dumps(made)
        assert {"id", "type", "source", "data", "specversion"} <= set(made["required"])
    else:
        assert made["additionalProperties"] is False


@pytest.mark.parametrize("wire", MESSAGES)
def test_each_message_says_what_it_is(wire: str) -> None:
    message = MESSAGES[wire]
    assert (message.__doc__ or "").strip()
    assert issubclass(message, Fact | Request)
    assert issubclass(message, Refusal) == message.__name__.endswith("Refused")
    assert subject_of(wire, "*", "event")


def parts_of(model: type[Record], seen: set[type[Record]]) -> Iterator[type[Record]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.__pydantic_fields__.values():
        for kind in flat(field.annotation):
            if isinstance(kind, type) and issubclass(kind, Record):
                yield from parts_of(kind, seen)


def flat(annotation: Any) -> Iterator[Any]:
    arguments = typing.get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from flat(argument)


def every_part() -> list[type[Record]]:
    facts: list[type[Message]] = [message for message in MESSAGES.values() if issubclass(message, Fact)]
    found: dict[str, type[Record]] = {part.__name__: part for fact in facts for part in parts_of(fact, set())}
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("part", sorted(every_part(), key=str), ids=str)
def test_what_a_fact_leaves_out_it_can_do_without(part: type[Record]) -> None:
    """An absent value is not written at all, so it must have a default to be read again."""
    required = [name for name, field in part.__pydantic_fields__.items() if field.is_required()]
    assert not [name for name in required if type(None) in set(flat(part.__pydantic_fields__[name].annotation))]


@pytest.mark.parametrize("part", sorted(every_part(), key=str), ids=str)
def test_a_fact_holds_no_float_and_no_list(part: type[Record]) -> None:
    for name, field in part.__pydantic_fields__.items():
        assert float not in set(flat(field.annotation)), name
        assert typing.get_origin(field.annotation) is not list, name
