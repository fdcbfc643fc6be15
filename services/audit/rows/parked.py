"""Are the parked rows what their source's chain says? Each points at one fact; a lane waits whole, behind one that is tried or was given up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bailiwick_contracts.envelope import Event

from services.audit.rows.finding import RowFinding
from services.audit.rows.letters import Letter, state_faults
from services.kernel.due import microseconds
from services.kernel.parked import lane_of

APART_US = 600 * 1_000_000
"""How far the clocks of two machines are held to be apart at most."""
Place = tuple[str, int]
"""Source (`<log>:<property>`) and number in its chain."""


def parked_findings(
    rows: Sequence[Any],
    taken: Mapping[Place, Event[Any]],
    letters: Iterable[Letter],
    handled: set[str],
    uncopied: set[Place],
    begun: Mapping[str, int],
    *,
    now_us: int,
) -> list[RowFinding]:
    """Every row of `parked` that does not hold, and every fact that is to be parked and is not.

    Args:
        rows: the table.
        taken: the facts of the sources that were taken in, from the first that is parked on, by place.
        letters: the dead letters of the service.
        handled: the ids of facts of which a fact or a timer of the service's own says that they were handled.
        uncopied: the places of facts that the local copies cannot take in.
        begun: source to the instant of its first fact, in microseconds since 1970.
        now_us: the latest instant that the service knew, in microseconds since 1970.
    """
    by_id = {letter.letter_id: letter for letter in letters if letter.kind == "fact"}
    lanes: dict[str, list[Any]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row)
    found = []
    for row in rows:
        event = taken.get((row.source, row.number))
        first = min(lanes[row.lane], key=lambda one: (one.version, one.number)) is row
        faults = _faults(row, event, first, by_id.get(row.fact_id), handled, uncopied, begun, now_us)
        if event is None:
            found.append(RowFinding("parked", "extra", _key(row), (), "no fact that was taken in stands at this place"))
        elif faults:
            said = "; ".join(f"{column}: {why}" for column, why in faults.items())
            found.append(RowFinding("parked", "altered", _key(row), tuple(faults), said))
    held = {(row.source, row.number) for row in rows}
    found.extend(_missing(rows, taken, held))
    found.extend(_letters_without_row(by_id.values(), held))
    return found


def _key(row: Any) -> dict[str, Any]:
    return {"source": row.source, "number": row.number}


def _faults(
    row: Any, event: Event[Any] | None, first: bool, letter: Letter | None, handled: set[str], uncopied: set[Place],
    begun: Mapping[str, int], now_us: int,
) -> dict[str, str]:  # fmt: skip
    if event is None:
        return {}
    meant = {
        "lane": lane_of(event),
        "version": event.version,
        "property_id": event.property_id,
        "fact_id": event.id,
        "type": event.type,
    }
    faults = {name: f"the fact says {value}" for name, value in meant.items() if getattr(row, name) != value}
    if row.copied and (row.source, row.number) in uncopied:
        faults["copied"] = "the local copies cannot take it in"
    if not faults and event.id in handled:
        faults["fact_id"] = "it was handled: what it led to is recorded"
    latest_us = max(now_us, microseconds(event.recordedat))
    if not begun.get(row.source, latest_us) - APART_US <= row.parked_us <= latest_us + APART_US:
        faults["parked_us"] = "it was parked after its chain began, and before now"
    if first:
        if row.tries == 0 and row.next_us is None:
            faults["next_us"] = "nothing stands before it, and it is not tried: what it waited behind is gone"
        return faults | (state_faults(row, letter, now_us) if "next_us" not in faults else {})
    if row.next_us is not None or row.tries or row.reason is not None or row.raised:
        faults["next_us"] = "it waits behind another, and is not tried before that"
    return faults


def _missing(rows: Sequence[Any], taken: Mapping[Place, Event[Any]], held: set[Place]) -> Iterator[RowFinding]:
    """What follows a parked fact in its stream waits too; a row of the middle or the end that is gone leaves this hole."""
    firsts: dict[str, int] = {}
    for row in rows:
        event = taken.get((row.source, row.number))
        if event is not None and event.id == row.fact_id:
            firsts[lane_of(event)] = min(event.version, firsts.get(lane_of(event), event.version))
    for place, event in taken.items():
        if event.version > firsts.get(lane_of(event), event.version) and place not in held:
            said = f"fact {event.id} follows one that is parked in its stream, so it waits too"
            yield RowFinding("parked", "missing", {"source": place[0], "number": place[1]}, (), said)


def _letters_without_row(letters: Iterable[Letter], held: set[Place]) -> Iterator[RowFinding]:
    for letter in letters:
        if letter.standing != "over" and letter.source is not None and (letter.source, letter.number) not in held:
            said = f"dead letter {letter.letter_id} stands, neither resolved nor dropped"
            yield RowFinding("parked", "missing", {"source": letter.source, "number": letter.number}, (), said)
