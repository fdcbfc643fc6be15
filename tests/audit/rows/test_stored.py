"""Whatever somebody does to a fact's columns, a chain's head or an answer is found, and the row is named."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.handling import AcceptTicket
from pydantic_core import from_json, to_json

from services.audit.rows.finding import RowFinding
from services.audit.rows.stored import stored_compared
from services.kernel.tables import COMMANDS, FACTS, HEADS, SETTINGS
from tests.audit.rows.house import House

Rows = list[dict[str, Any]]
SHOWN = {"facts": "position", "heads": "property", "commands": "command_id", "settings": "name"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("stored"))
    yield made
    made.office.close()


def after(house: House, table: sa.Table, deed: Callable[[Rows], object]) -> list[RowFinding]:
    """What is found once a deed was done to a table, which is then as it was."""
    clean = house.rows(table)
    rows = [dict(row) for row in clean]
    deed(rows)
    house.put(table, rows)
    try:
        return list(stored_compared(house.store).differences)
    finally:
        house.put(table, clean)


def test_a_store_that_nobody_touched_is_accused_of_nothing_on_either_database(
    database_url: str, tmp_path: Path
) -> None:
    made = House(tmp_path, database_url)
    compared = stored_compared(made.store)
    assert (compared.differences, compared.facts) == ((), len(made.rows(FACTS)))
    made.office.close()


@pytest.mark.parametrize("column", ["stream", "version", "type", "property", "number"])
def test_a_column_that_says_something_else_than_the_fact_s_bytes_is_named(house: House, column: str) -> None:
    for number in range(6):
        place = random.Random(number).randrange(len(house.rows(FACTS)))
        position = house.rows(FACTS)[place]["position"]

        def deed(rows: Rows, place: int = place) -> None:
            value = rows[place][column]
            rows[place][column] = value + 1_000 if isinstance(value, int) else f"{value}x"

        found = [(one.table, one.key, one.columns) for one in after(house, FACTS, deed)]
        assert found == [("facts", {"position": position}, (column,))]


def test_a_fact_hidden_from_its_stream_is_named_though_its_chain_is_whole(house: House) -> None:
    """Folded without it, a quota would be free again; no chain shows it."""

    def hidden(rows: Rows) -> None:
        rows[9]["stream"] = "elsewhere"

    (found,) = after(house, FACTS, hidden)
    assert (found.key, found.columns) == ({"position": 10}, ("stream",))


def test_bytes_that_were_changed_are_named_by_the_fact_that_follows_or_by_the_head(house: House) -> None:
    facts = house.rows(FACTS)
    for place in (0, len(facts) // 2, len(facts) - 1):

        def deed(rows: Rows, place: int = place) -> None:
            document = from_json(rows[place]["raw"])
            rows[place]["raw"] = to_json(document | {"actor": "s-forger"})

        found = after(house, FACTS, deed)
        owner = facts[place]["property"]
        last = max(row["position"] for row in facts if row["property"] == owner) == facts[place]["position"]
        key = {"property": owner} if last else {"position": facts[place]["position"]}
        assert key in [dict(one.key) for one in found]


def test_a_fact_taken_out_put_in_or_moved_is_named(house: House) -> None:
    def removed(rows: Rows) -> None:
        rows.pop(5)

    found = after(house, FACTS, removed)
    assert {"position": 6} in [one.key for one in found if one.kind == "missing"]

    def moved(rows: Rows) -> None:
        rows[5]["position"] = 10_000

    found = after(house, FACTS, moved)
    assert [(one.key, one.columns) for one in found if one.kind == "altered" and one.table == "facts"] == [
        ({"position": 10_000}, ("position",))
    ]

    def doubled(rows: Rows) -> None:
        rows.append(rows[5] | {"position": len(rows) + 1, "version": 999, "number": 999})

    assert {"position": len(house.rows(FACTS)) + 1} in [one.key for one in after(house, FACTS, doubled)]

    def no_fact(rows: Rows) -> None:
        rows[5]["raw"] = b"[]"

    assert ({"position": 6}, ("raw",)) in [(one.key, one.columns) for one in after(house, FACTS, no_fact)]


@pytest.mark.parametrize(("table", "column"), [(HEADS, "number"), (HEADS, "hash"), (SETTINGS, "value")])
def test_a_head_or_a_setting_that_no_fact_says_is_named(house: House, table: sa.Table, column: str) -> None:
    told = {"north-court", "company"} if table is HEADS else {"log", "recorded_at"}
    for name in told:

        def altered(rows: Rows, name: str = name) -> None:
            for row in rows:
                if row[SHOWN[table.name]] == name:
                    row[column] = row[column] + (1 if column == "number" else "x")

        (found,) = after(house, table, altered)
        assert (found.table, found.kind, found.key, found.columns) == (
            table.name, "altered", {SHOWN[table.name]: name}, (column,),
        )  # fmt: skip


def test_a_head_taken_out_or_put_in_is_named(house: House) -> None:
    def taken_out(rows: Rows) -> None:
        rows.remove(next(row for row in rows if row["property"] == "north-court"))

    (gone,) = after(house, HEADS, taken_out)
    assert (gone.kind, gone.key) == ("missing", {"property": "north-court"})
    (put,) = after(house, HEADS, lambda rows: rows.append({"property": "east-court", "number": 1, "hash": "0" * 64}))
    assert (put.kind, put.key) == ("extra", {"property": "east-court"})


def test_a_command_whose_answer_was_taken_out_would_be_decided_again_and_is_named(house: House) -> None:
    commands = [row for row in house.rows(COMMANDS) if from_json(row["answer"])["factcount"]]
    for chosen in random.Random(7).sample(commands, 5):

        def taken_out(rows: Rows, chosen: dict[str, Any] = chosen) -> None:
            rows.remove(chosen)

        (found,) = after(house, COMMANDS, taken_out)
        assert (found.table, found.kind, found.key) == ("commands", "missing", {"command_id": chosen["command_id"]})


def _answer(**other: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: answer | other


@pytest.mark.parametrize(
    "change",
    [
        _answer(outcome="refused"),
        _answer(outcome="ignored", factcount=0, facts=[]),
        _answer(factcount=2),
        _answer(facts=[]),
        _answer(commandid="another"),
        lambda answer: answer | {"facts": [answer["facts"][0] | {"id": "another"}]},
        lambda answer: answer | {"facts": [answer["facts"][0] | {"sequence": 77}]},
        lambda _: {"no": "answer"},
    ],
)
def test_an_answer_that_names_other_facts_than_the_command_led_to_is_named(
    house: House, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    def meant(row: dict[str, Any]) -> bool:
        answer = from_json(row["answer"])
        return answer["outcome"] == "done" and len(answer.get("facts", ())) == 1

    key = next(row["command_id"] for row in house.rows(COMMANDS) if meant(row))

    def altered(rows: Rows) -> None:
        row = next(row for row in rows if row["command_id"] == key)
        row["answer"] = to_json(change(from_json(row["answer"])))

    (found,) = after(house, COMMANDS, altered)
    assert (found.table, found.kind, found.key, found.columns) == (
        "commands", "altered", {"command_id": key}, ("answer",),
    )  # fmt: skip


def test_an_answer_put_in_that_claims_facts_is_named(house: House) -> None:
    def put_in(rows: Rows) -> None:
        row = next(row for row in rows if from_json(row["answer"])["factcount"])
        answer = to_json(from_json(row["answer"]) | {"commandid": "put-in"})
        rows.append(row | {"command_id": "put-in", "answer": answer})

    (found,) = after(house, COMMANDS, put_in)
    assert (found.kind, found.key) == ("altered", {"command_id": "put-in"})


def test_what_was_decided_afterwards_agrees_too(house: House) -> None:
    house.office.ask(AcceptTicket(ticket_id="t0"))
    assert stored_compared(house.store).differences == ()
