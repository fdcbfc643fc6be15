"""The gate before every release: what breaks a subscriber or a caller is named, with what to do; what only adds passes."""

import copy
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts import compatibility, schema
from bailiwick_contracts.compatibility import breaks, check, keep, main
from bailiwick_contracts.schema import EXAMPLES
from jsonschema import Draft202012Validator

RELEASED = Path(__file__).parents[2] / "contracts/released"
FACT: dict[str, Any] = {
    "type": "object",
    "description": "A penalty.",
    "properties": {
        "id": {"type": "string"},
        "data": {"$ref": "#/$defs/Data"},
    },
    "required": ["id", "data"],
    "$defs": {
        "Data": {
            "type": "object",
            "properties": {
                "share": {"type": "integer", "minimum": 0, "maximum": 100, "description": "In percent."},
                "kind": {"enum": ["late", "absent"], "type": "string"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                "parts": {"type": "array", "items": {"type": "string", "maxLength": 10}},
                "by": {"type": "object", "additionalProperties": {"type": "string"}},
                "all": {"type": "array"},
                "on": {"type": "string", "format": "date"},
                "part": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}], "default": None},
                "first": {"$ref": "#/$defs/Part", "default": {"of": "a"}},
                "second": {"$ref": "#/$defs/Part", "default": {"of": "b"}, "description": "The one behind it."},
                "times": {"type": "integer", "default": 1},
                "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
                "named": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}},
            },
            "required": ["share", "kind"],
        },
        "Part": {"type": "object", "properties": {"of": {"type": "string"}}},
    },
}
Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    made = copy.deepcopy(FACT)
    change(made["$defs"]["Data"])
    return made


BREAKING: dict[str, Change] = {
    "the field is gone": lambda d: d["properties"].pop("note"),
    "its type was": lambda d: d["properties"]["share"].update(type="string"),
    "is no longer one of its values": lambda d: d["properties"]["kind"].update(enum=["late"]),
    "rose from": lambda d: d["properties"]["share"].update(minimum=1),
    "fell from": lambda d: d["properties"]["parts"]["items"].update(maxLength=5),
    "uniqueItems was": lambda d: d["properties"]["parts"].update(uniqueItems=True),
    "multipleOf was": lambda d: d["properties"]["share"].update(multipleOf=5),
    "takes no other members": lambda d: d.update(additionalProperties=False),
    "by/*: its type was": lambda d: d["properties"]["by"]["additionalProperties"].update(type="integer"),
    "all/items: its type was": lambda d: d["properties"]["all"].update(items={"type": "integer"}),
    "pair/1: its type was": lambda d: d["properties"]["pair"].update(prefixItems=[{"type": "integer"}] * 2),
    "propertyNames was": lambda d: d["properties"]["named"].update(propertyNames={"pattern": "^[a-f]+$"}),
    "pattern was": lambda d: d["properties"]["parts"]["items"].update(pattern="^a"),
    "has to be there now": lambda d: d["required"].append("note"),
    "may mean something else": lambda d: d["properties"]["share"].update(description="In thousandths."),
    "second: left out it meant {'of': 'b'}, now None": lambda d: d["properties"]["second"].pop("default"),
    "second: its description changed": lambda d: d["properties"]["second"].update(description="The one before it."),
    "left out it meant 1, now 2": lambda d: d["properties"]["times"].update(default=2),
    "no longer one of its forms": lambda d: (
        d["properties"]["note"]["anyOf"].pop(0) and d["properties"]["note"]["anyOf"].append({"type": "integer"})
    ),
}


@pytest.mark.parametrize("said", BREAKING)
@pytest.mark.parametrize("request_", [True, False])
def test_what_takes_something_away_is_named_with_a_remedy(said: str, request_: bool) -> None:
    found = list(breaks(FACT, changed(BREAKING[said]), request=request_))
    assert any(said in f"{at}: {what}" for at, what, _ in found), found
    assert all(instead for _, _, instead in found)


ADDING: dict[str, Change] = {
    "an optional field": lambda d: d["properties"].update(more={"type": "string"}),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("name", ADDING)
@pytest.mark.parametrize("request_", [True, False])
def test_what_only_adds_passes(name: str, request_: bool) -> None:
    assert list(breaks(FACT, changed(ADDING[name]), request=request_)) == []


@pytest.mark.parametrize("request_", [True, False])
def test_what_changes_within_an_optional_part_is_named_where_it_stands(request_: bool) -> None:
    today = changed(lambda _: None)
    del today["$defs"]["Part"]["properties"]["of"]
    assert [(at, what) for at, what, _ in breaks(FACT, today, request=request_)] == [
        ("/data/part/Part/of", "the field is gone")
    ]


def test_a_request_may_take_more_and_a_fact_may_not_say_more() -> None:
    more_values = changed(lambda d: d["properties"]["kind"]["enum"].append("early"))
    optional = changed(lambda d: d["required"].remove("share"))
    any_text = changed(lambda d: d["properties"]["on"].pop("format"))
    larger = changed(lambda d: d["properties"]["share"].update(maximum=200))
    below = changed(lambda d: d["properties"]["share"].pop("minimum"))
    longer = changed(lambda d: d["properties"]["parts"]["items"].update(maxLength=20))
    for today in (more_values, optional, any_text, larger, below, longer):
        assert list(breaks(FACT, today, request=True)) == []
        assert list(breaks(FACT, today, request=False)) != []


def test_every_kept_release_goes_on_working() -> None:
    assert list(check(RELEASED)) == []
    assert main([str(RELEASED)]) == 0


@pytest.mark.parametrize("folder", ["released/0.1.0", "nowhere"])
def test_a_folder_that_keeps_no_release_is_no_gate_that_was_passed(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(RELEASED.parent / folder)])
    assert ended.value.code == 2
    assert "no release is kept there" in capsys.readouterr().err


def test_a_message_that_is_taken_away_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = keep(tmp_path, "9.9.9")
    kept = json.loads((made / "schemas.json").read_text())
    kept["attendance.never_was.v1"] = {}
    (made / "schemas.json").write_text(json.dumps(kept))
    assert main([str(tmp_path)]) == 1
    assert "attendance.never_was.v1: the message is gone" in capsys.readouterr().err


def test_other_words_for_the_same_are_accepted_once(tmp_path: Path) -> None:
    made = keep(tmp_path, "9.9.9")
    kept = json.loads((made / "schemas.json").read_text())
    kept["attendance.penalty_decided.v1"]["description"] = "Said otherwise."
    (made / "schemas.json").write_text(json.dumps(kept))
    assert [line for line in check(tmp_path) if "accept-wording" in line]
    compatibility.accept_wording(tmp_path)
    assert list(check(tmp_path)) == []


@pytest.mark.parametrize(
    ("wire", "at", "part"),
    [("attendance.penalty_decided.v1", "/data/ruling/limit/Limit", "Limit"), ("kept.in_names.v1", "/by/*", "Part")],
)
def test_other_words_for_a_part_are_accepted_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wire: str, at: str, part: str
) -> None:
    """A part that may be left out or stands under any name: its new words are told with where they are, and taken by hand."""
    named = {
        "properties": {"by": {"additionalProperties": {"$ref": "#/$defs/Part"}}},
        "$defs": {"Part": {"description": "."}},
    }
    today = {**compatibility._today(), "kept.in_names.v1": named}
    monkeypatch.setattr(compatibility, "_today", lambda: today)
    made = keep(tmp_path, "9.9.9")
    kept = json.loads((made / "schemas.json").read_text())
    kept[wire]["$defs"][part]["description"] = "Said otherwise."
    (made / "schemas.json").write_text(json.dumps(kept))
    (told,) = check(tmp_path)
    assert told.startswith(f"9.9.9 {wire} {at}: its description changed")
    compatibility.accept_wording(tmp_path)
    assert list(check(tmp_path)) == []


def test_the_release_that_the_package_says_it_is_is_kept() -> None:
    assert (RELEASED / version("bailiwick-contracts") / "schemas.json").is_file()


def test_a_changed_sentence_of_a_released_field_is_named_until_it_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody gives a field that is written for years another meaning, and nothing but the text below it shows it."""
    keep(tmp_path, "9.9.9")
    said = schema._said_of
    monkeypatch.setattr(
        schema, "_said_of", lambda kind: said(kind) | {"missing_in": "The shifts, from 1, that have no punch in."}
    )
    schema.rendered.cache_clear()
    try:
        named = [line for line in check(tmp_path) if "attendance.day_derived.v1" in line]
        assert [line for line in named if "/data/derived/missing_in" in line and "--accept-wording" in line], named
        compatibility.accept_wording(tmp_path)
        assert list(check(tmp_path)) == []
    finally:
        schema.rendered.cache_clear()


def test_a_field_is_described_by_the_text_below_it_where_it_was_declared() -> None:
    described = json.loads(dict(schema.rendered())["attendance.day_derived.v1.json"])
    assert described["properties"]["sequence"]["description"].startswith("The version in the stream, from 1")
    assert described["properties"]["door"]["description"].startswith("The door that authenticated the actor")
    assert "leave" in described["$defs"]["DerivedDay"]["properties"]["basis"]["description"]


@pytest.mark.parametrize("release", sorted(path.name for path in RELEASED.iterdir() if path.is_dir()))
def test_the_last_release_reads_what_is_written_today(release: str) -> None:
    schemas = json.loads((RELEASED / release / "schemas.json").read_text())
    for wire, one in schemas.items():
        path = EXAMPLES / f"{wire}.json"
        if path.is_file():
            Draft202012Validator(one).validate(json.loads(path.read_text()))
