"""What every service is asked about its dead letters, and answers; each thing done to one is a fact of its log."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.dead_letter import Messages, of_service
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Fact

from services.kernel.dead_letter import LETTER, confirm, letter_stream, propose, retry
from services.kernel.decision import Rejected
from services.kernel.due import TIMERS, command_id_of, instant, microseconds
from services.kernel.intake import release
from services.kernel.parked import PARKED, Row, values
from services.kernel.service import Put, Reading, Service
from services.kernel.unit import WorkUnit

SHOWN = 200


def with_dead_letters(service: Service) -> Service:
    """The service with what every service takes, stores and answers about its dead letters."""
    messages = of_service(service.name)
    if messages.raised in service.publishes:
        return service
    return replace(
        service,
        publishes=(*service.publishes, *messages.facts),
        commands={
            **service.commands,
            messages.retry: partial(_on_retry, messages),
            messages.propose_drop: partial(_on_propose, messages),
            messages.confirm_drop: partial(_on_confirm, messages),
        },
        queries={**service.queries, messages.listing: _on_list},
        now_only=service.now_only | {messages.listing},
    )


def standing(connection: sa.Connection) -> int:
    """How many dead letters stand: the facts and the timers that were given up, and neither handled nor dropped since."""
    counts = (sa.select(sa.func.count()).select_from(table).where(table.c.raised) for table in (PARKED, TIMERS))
    return sum(connection.execute(count).scalar_one() for count in counts)


def _on_retry(messages: Messages, unit: WorkUnit, command: Command[Any]) -> None:
    table, row = _letter(unit, command.data.letter_id)
    asked = command.data
    _record(unit, command, retry(messages, command, asked.letter_id, asked.grounds))
    unit.change([Put(table, {**row, "tries": 0, "next_us": microseconds(unit.wall)})])


def _on_propose(messages: Messages, unit: WorkUnit, command: Command[Any]) -> None:
    _letter(unit, command.data.letter_id)
    asked, state = command.data, unit.state(LETTER, letter_stream(command.data.letter_id))
    _record(unit, command, propose(state, messages, command, asked.letter_id, asked.grounds))


def _on_confirm(messages: Messages, unit: WorkUnit, command: Command[Any]) -> None:
    table, row = _letter(unit, command.data.letter_id)
    asked, state = command.data, unit.state(LETTER, letter_stream(command.data.letter_id))
    facts = confirm(state, messages, command, asked.letter_id, asked.grounds)
    _record(unit, command, facts)
    if not isinstance(facts[0], messages.dropped):
        return
    if table is PARKED:
        release(unit, row)
    else:
        unit.drop_timer(row["timer_id"])


def _record(unit: WorkUnit, command: Command[Any], facts: Any) -> None:
    unit.append(letter_stream(command.data.letter_id), *facts)


def _letter(unit: Reading, letter_id: str) -> tuple[sa.Table, Row]:
    """The row that a letter stands for. Raises Rejected where there is none, or none that was given up."""
    found: list[tuple[sa.Table, Row]] = [
        *((PARKED, values(r)) for r in unit.rows(sa.select(PARKED).where(PARKED.c.fact_id == letter_id))),
        *((TIMERS, r) for r in _timers(unit) if command_id_of(r) == letter_id),
    ]
    if not found:
        raise _no_letter(letter_id)
    table, row = found[0]
    if not row["raised"] or row["next_us"] is not None:
        state = "is being tried" if row["next_us"] is not None else "waits behind another"
        raise Rejected(f"{letter_id} {state}", code="not_given_up", field="letter_id", value=letter_id,
                       rule="only what was given up is retried or dropped by hand", remedy="wait, or deal with the first of its stream")  # fmt: skip
    return table, row


def _no_letter(letter_id: str) -> Rejected:
    return Rejected(f"there is no dead letter {letter_id}", code="unknown_letter", field="letter_id", value=letter_id,
                    rule="what failed here and waits", remedy="list them; it may be resolved or dropped already")  # fmt: skip


def _failed(table: sa.Table) -> sa.Select[Any]:
    """What a handler failed on, also where a person asked for all its tries again and none was made yet."""
    return sa.select(table).where(sa.or_(table.c.tries > 0, table.c.raised))


def _timers(reading: Reading) -> list[Row]:
    return [values(row) for row in reading.rows(_failed(TIMERS))]


def _on_list(reading: Reading, command: Command[Any]) -> Mapping[str, Any]:
    wanted, after, limit = command.data.letter_id, command.data.after, command.data.limit
    waiting = sa.select(PARKED.c.lane, sa.func.count().label("rows")).group_by(PARKED.c.lane)
    counts = {row.lane: row.rows for row in reading.rows(waiting)}
    letters = [
        *(_of_fact(values(row), counts) for row in reading.rows(_failed(PARKED))),
        *(_of_timer(row) for row in _timers(reading)),
    ]
    if wanted is None:
        # A letter that is dealt with meanwhile leaves its place, so the cursor is the place and not the letter.
        left = sorted((one for one in letters if after is None or _place(one) > after), key=_place)
        page = [_with_proposal(reading, one) for one in left[:limit]]
        return {"letters": page} | ({"next": _place(page[-1])} if len(left) > limit else {})
    letters = [_with_proposal(reading, one) for one in letters if one["letter_id"] == wanted]
    if not letters:
        raise _no_letter(wanted)
    lane = f"{(letters[0]['source'] or '').partition(':')[0]}/{letters[0]['stream']}"
    behind = sa.select(PARKED).where(PARKED.c.lane == lane, PARKED.c.fact_id != wanted).order_by(PARKED.c.version)
    return {
        "letters": letters,
        "behind": [
            {"fact_id": row.fact_id, "type": row.type, "source": row.source, "number": row.number}
            for row in reading.rows(behind.limit(SHOWN))
        ],
        "history": [_told(event) for event in reading.history(letter_stream(wanted))],
    }


def _place(letter: Mapping[str, Any]) -> str:
    return f"{letter['since']}~{letter['letter_id']}"


def _of_fact(row: Row, counts: Mapping[str, int]) -> dict[str, Any]:
    return _shown(row, row["fact_id"], "fact", row["type"], row["lane"].partition("/")[2]) | {
        "source": row["source"],
        "number": row["number"],
        "behind": counts[row["lane"]] - 1,
        "since": instant(row["parked_us"]).isoformat(),
    }


def _of_timer(row: Row) -> dict[str, Any]:
    return _shown(row, command_id_of(row), "timer", row["wire"], row["timer_id"]) | {
        "source": None,
        "number": None,
        "behind": 0,
        "since": instant(row["due_us"]).isoformat(),
    }


def _shown(row: Row, letter_id: str, kind: str, wire: str, stream: str) -> dict[str, Any]:
    return {
        "letter_id": letter_id,
        "kind": kind,
        "state": "retrying" if row["next_us"] is not None else "given_up",
        "property": row["property_id"],
        "type": wire,
        "stream": stream,
        "tries": row["tries"],
        "next_at": instant(row["next_us"]).isoformat() if row["next_us"] is not None else None,
        "reason": row["reason"],
    }


def _with_proposal(reading: Reading, letter: dict[str, Any]) -> dict[str, Any]:
    proposal = reading.state(LETTER, letter_stream(letter["letter_id"])).proposal
    return letter | {"drop_proposed_by": proposal.by if proposal is not None else None}


def _told(event: Event[Fact]) -> dict[str, Any]:
    data = event.data.model_dump(mode="json", exclude_none=True)
    told = {name: data[name] for name in ("grounds", "reason", "proposed_by", "tries") if name in data}
    return {"fact_id": event.id, "type": event.type, "at": event.recordedat.isoformat(), "actor": event.actor} | told
