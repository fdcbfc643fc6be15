"""Is the due table what the facts ask for? Each timer follows from the fact that set it and those that moved, cancelled or decided it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event

from services.audit.rows.finding import RowFinding
from services.audit.rows.letters import Letter, state_faults
from services.kernel.due import TIMERS, command_id_of, microseconds
from services.kernel.service import Asked


def due_findings(
    rows: Mapping[str, Any],
    asked: Mapping[str, Asked],
    facts: Mapping[str, Event[Any]],
    letters: Iterable[Letter],
    decided: set[str],
    *,
    now: datetime,
) -> list[RowFinding]:
    """Every row of the due table that its facts do not account for.

    Args:
        rows: the due table, by timer id.
        asked: what the facts ask for, by timer id.
        facts: the facts that set a timer, by id.
        letters: the dead letters of the service.
        decided: the ids of the commands that rows would turn into and that were decided already.
        now: the latest instant that the service knew.
    """
    by_id = {letter.letter_id: letter for letter in letters}
    found = []
    for timer_id in sorted({*rows, *asked}):
        row, one = rows.get(timer_id), asked.get(timer_id)
        key = {"timer_id": timer_id}
        if one is None:
            found.append(RowFinding("timers", "extra", key, (), "no fact asks for it, or one decided or cancelled it"))
        elif row is None:
            if (one.owed or one.due_at > now) and not _forgone(one, facts, by_id.values()):
                said = f"asked for at {one.due_at.isoformat()} by fact {_last(one, facts)}, and not decided"
                found.append(RowFinding("timers", "missing", key, (), said))
        else:
            faults = _faults(row, one, facts, by_id.get(command_id_of(row._mapping)), decided, now)  # noqa: SLF001 - the public name of a row's mapping
            if faults:
                said = "; ".join(f"{column}: {why}" for column, why in faults.items())
                found.append(RowFinding("timers", "altered", key, tuple(faults), said))
    return found


def _last(one: Asked, facts: Mapping[str, Event[Any]]) -> str:
    return max(one.set_by, key=lambda fact_id: (facts[fact_id].version, fact_id))


def _forgone(one: Asked, facts: Mapping[str, Event[Any]], letters: Iterable[Letter]) -> bool:
    """Whether two people dropped it after it was given up."""
    since = facts[_last(one, facts)].recordedat
    return any(
        letter.dropped and letter.kind == "timer" and letter.stream == one.timer_id[:128] and letter.raised_at >= since
        for letter in letters
    )


def _faults(
    row: Any, one: Asked, facts: Mapping[str, Event[Any]], letter: Letter | None, decided: set[str], now: datetime
) -> dict[str, str]:  # fmt: skip
    faults: dict[str, str] = {}
    set_by = facts.get(row.set_by or "")
    if row.set_by not in one.set_by or set_by is None:
        faults["set_by"] = f"fact {_last(one, facts)} set it"
        set_by = facts[_last(one, facts)]
    body = one.request.model_dump_json(exclude_none=True).encode()
    meant = {
        "due_us": microseconds(one.due_at),
        "wire": type(one.request).wire(),
        "body": body,
        "property_id": set_by.property_id,
        "correlation": set_by.correlationid,
    }
    for column, value in meant.items():
        held = getattr(row, column)
        if (bytes(held) if column == "body" else held) != value:
            faults[column] = f"its facts say {value.decode() if isinstance(value, bytes) else value}"
    if row.traceparent is not None and _trace(row.traceparent) != _trace(set_by.traceparent):
        faults["traceparent"] = "the fact that set it belongs to another trace"
    if row.tries == 0 and letter is None and row.next_us != row.due_us:
        faults["next_us"] = "it was never tried, so it is tried when it is due"
    if row.next_us is not None and row.next_us < row.due_us:
        faults["next_us"] = "it is tried before it is due"
    faults |= state_faults(row, letter, microseconds(now))
    if command_id_of(row._mapping) in decided:  # noqa: SLF001 - the public name of a row's mapping
        faults["setting"] = "the command that it turns into was decided already: it would come to nothing"
    return faults


def _trace(traceparent: str | None) -> str | None:
    return traceparent.split("-")[1] if traceparent is not None and traceparent.count("-") == 3 else traceparent


def due_rows(connection: sa.Connection) -> dict[str, Any]:
    """The due table by timer id."""
    return {row.timer_id: row for row in connection.execute(sa.select(TIMERS))}
