"""One export of the ledger for process mining or BPM tools: which format, of what, as of where."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from services.audit.mining.events import MinedEvent, mined
from services.audit.mining.ocel import write_json, write_sqlite
from services.audit.mining.xes import write_xes
from services.audit.selection import Reached, Selection

Format = Literal["ocel2-json", "ocel2-sqlite", "xes"]
FORMATS: tuple[str, ...] = get_args(Format)


class ExportError(LookupError):
    """What was asked for makes no log."""


def export(
    raws: Iterator[bytes], selection: Selection, kind: str, path: Path, *, case: str = "stream"
) -> dict[str, Any]:
    """Write `path` from stored facts in the order recorded.

    Answers `events`, `objects` or `cases`, `filter`, and `as_of` (chain to the number of the last fact read), which the file
    states too. The file is written beside its place and renamed, so it is whole or not there.

    Raises:
        ExportError: there are facts, and none of them names a thing of the type that `case` asks for.
    """
    reached = Reached()
    facts = list(mined(document for _, document in reached.passing(raws, selection)))
    about = {"filter": selection.as_json(), "as_of": reached.as_json(), "facts": reached.facts, "format": kind}
    part = path.with_name(f".{path.name}.part")
    counts = _written(facts, kind, about, part, case)
    if facts and counts.get("cases") == 0:
        part.unlink()
        raise ExportError(f"none of {len(facts)} facts names a {case}")
    part.replace(path)
    return counts | about


def _written(events: list[MinedEvent], kind: str, about: dict[str, Any], part: Path, case: str) -> dict[str, int]:
    if kind == "ocel2-sqlite":
        return write_sqlite(events, about, part)
    with part.open("w", encoding="utf-8") as file:
        if kind == "xes":
            return write_xes(events, about | {"case": case}, file, case=case)
        return write_json(events, about, file)
