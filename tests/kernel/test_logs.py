"""What stands in a log: JSON with the ids of the fact or command, its property and its trace, and nothing of what is in it."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from eventsourcing.persistence import IntegrityError, OperationalError
from pydantic import BaseModel, ValidationError

from services.kernel.failure import place_of, reason_of, told
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from services.run import logs
from tests.kernel.test_writer import Bench
from tests.kernel.toy import ECHO, NOTED, POISON

SECRET, TRACE = "王小明 13800138000", "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    before = structlog.get_config()
    logs.configure("INFO")
    yield
    structlog.configure(**before)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{tmp_path / 'toy.sqlite'}", tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    text = capsys.readouterr().err
    assert SECRET not in text
    assert "王小明" not in json.dumps(text, ensure_ascii=False)
    return [json.loads(line) for line in text.splitlines()]


def test_a_decision_that_fails_names_its_command_its_property_and_its_trace(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    command = bench.command("ann", note=SECRET, fail="crash").model_copy(
        update={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    )
    (answer,) = bench.do(command)
    assert answer.error is not None
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["error"]) == ("decision.failed", "error", "RuntimeError")
    assert (line["command_id"], line["property"], line["trace_id"]) == (command.commandid, "north-court", TRACE)
    assert any(frame.startswith("tests/kernel/toy.py:") for frame in line["frames"])


def test_a_fact_that_a_handler_fails_on_is_named_by_its_id(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'echo.sqlite'}", views=[NOTED])
    echo = Writer(ECHO, store, bench.keys)
    (answer,) = bench.do(bench.command("logged", note=SECRET))
    POISON.add("logged")
    try:
        assert echo.process([Intake("toy:north-court", tuple(bench.raws()))]) == [None]
    finally:
        POISON.discard("logged")
        echo.close()
        store.close()
    (line,) = lines(capsys)
    assert (line["event"], line["event_id"], line["property"]) == ("fact.failed", answer.facts[0].id, "north-court")
    assert "trace_id" not in line
    # The handler's own words may hold what the fact has sealed; they stand with the dead letter alone.
    assert re.fullmatch(r"RuntimeError at tests/kernel/toy\.py:\d+", line["reason"])


def test_an_exception_is_told_by_its_kind_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as caught:
        structlog.get_logger().exception("it.failed")
        place = place_of(caught)
    assert place.startswith("ValueError at tests/kernel/test_logs.py:")
    (line,) = lines(capsys)
    assert (line["event"], line["error"], len(line["frames"])) == ("it.failed", "ValueError", 1)


def test_what_a_library_says_is_a_line_like_ours_without_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: %s", SECRET)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["error"]) == (
        "Task exception was never retrieved",
        "error",
        "ValueError",
    )


def test_what_a_validation_or_a_database_complains_about_is_left_out(bench: Bench) -> None:
    class Person(BaseModel):
        age: int

    with pytest.raises(ValidationError) as invalid:
        Person.model_validate({"age": SECRET})
    with pytest.raises(sa.exc.DBAPIError) as refused, bench.store.reading() as connection:
        connection.execute(sa.text("select no_such_column from tokens where holder_id = :who"), {"who": SECRET})
    for caught in (invalid.value, refused.value):
        assert SECRET not in reason_of(caught)
        assert "王小明" not in reason_of(caught)
    assert SECRET not in str(refused.value)


def test_of_an_error_the_words_of_a_broker_or_a_disk_alone_are_told() -> None:
    detail = f'duplicate key value violates unique constraint "staff"\nDETAIL:  Key (name)=({SECRET}) already exists.'
    assert told(KeyError(SECRET)) == "KeyError"
    assert told(IntegrityError(detail)) == "IntegrityError"
    assert SECRET not in reason_of(IntegrityError(detail))
    assert (
        told(OperationalError("database or disk is full\n[SQL: INSERT]"))
        == "OperationalError: database or disk is full"
    )
    assert told(ConnectionRefusedError(111, "refused")) == "ConnectionRefusedError: [Errno 111] refused"
    away = sa.exc.OperationalError("INSERT", None, Exception(f"connection refused\nDETAIL: {SECRET}"))
    assert told(away) == "OperationalError: connection refused"
    lacking = sa.exc.ProgrammingError("CREATE", None, Exception("permission denied for database bailiwick"))
    assert told(lacking) == "ProgrammingError: permission denied for database bailiwick"
    assert told(sa.exc.DataError("INSERT", None, Exception(f'invalid input syntax: "{SECRET}"'))) == "DataError"
