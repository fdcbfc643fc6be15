"""Gathering a bundle over the wire: what was asked for, as of an instant, from the audit service's own answers."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.message import Request
from bailiwick_contracts.transparency import ListLogs, ProveDecision
from pydantic_core import from_json

from services.audit import inspection
from services.audit.evidence.bundle import ADOPTIONS, Bundle, adopted_for, of_interest
from services.audit.log.leaf import people_of
from services.audit.selection import Selection
from services.audit.words import LANGUAGES, decision_words

Ask = Callable[[Request], Awaitable[Answer]]
"""Asks audit and answers whatever it says, a rejection too."""
HISTORIES_LIMIT = 200
Progress = inspection.Progress


async def bundle(
    query: inspection.Query,
    ask: Ask,
    as_of: datetime,
    *,
    decision: str | None = None,
    person: str | None = None,
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """A bundle of one decision, of one person or of one period, as of an instant; `selection` narrows the last two."""
    told: list[Mapping[str, Any]] = []
    wanted: set[str] = set()
    if decision is not None:
        told.append(at_instant(await inspection.history(query, decision), as_of))
        wanted = of_interest(told[0])
    elif person is not None:
        await inspection.person(query, person, pages=1)
    chosen = selection or Selection()

    def pick(raws: Iterator[bytes]) -> dict[str, bytes]:
        return _picked(raws, as_of, wanted, person, chosen if decision is None else None)

    raws = await inspection.through(query, pick, progress=progress)
    about = {"decision": decision, "person": person, "filter": chosen.as_json() if selection is not None else None}
    made = Bundle(about, as_of, raws)
    if decision is None:
        for event_id in [one for one, raw in raws.items() if "ruling" in from_json(raw)["data"]][:HISTORIES_LIMIT]:
            told.append(at_instant(await inspection.history(query, event_id), as_of))  # noqa: PERF401 - each is awaited
    made.histories = told
    made.logs = {log["property"]: log for log in (await query(ListLogs(as_of=as_of)))["logs"]}
    for event_id, raw in raws.items():
        log = made.logs.get(from_json(raw)["source"].split("/")[2])
        answer = (
            await ask(ProveDecision(decision_id=event_id, size=log["size"]))
            if log is not None and log["size"]
            else None
        )
        if answer is not None and answer.outcome == "done":
            made.proofs[event_id] = answer.result or {}
    owners = {from_json(raw)["source"].split("/")[2] for raw in raws.values()}
    made.logs = {owner: log for owner, log in made.logs.items() if owner in owners}
    return made


def _picked(
    raws: Iterator[bytes], as_of: datetime, wanted: set[str], person: str | None, selection: Selection | None
) -> dict[str, bytes]:
    picked: dict[str, bytes] = {}
    adoptions: dict[tuple[str, str], tuple[str, bytes]] = {}
    rulings: list[Mapping[str, Any]] = []
    for raw in raws:
        try:
            document = from_json(raw)
            if datetime.fromisoformat(document["recordedat"]) > as_of:
                continue
            data = document["data"]
            named = person is None or any(one == person for _, one in people_of(document))
            chosen = document["id"] in wanted or (selection is not None and named and selection.takes(document))
        except (ValueError, KeyError, TypeError):
            continue
        if document["type"] in ADOPTIONS:
            text = data["matrix" if document["type"] == ADOPTIONS[0] else "policy"]
            adoptions[document["type"], str(text["version"])] = (document["id"], raw)
        if chosen:
            picked[document["id"]] = raw
            if isinstance(data.get("ruling"), dict):
                rulings.append(data["ruling"])
    picked.update(adoptions[key] for key in sorted(adopted_for(rulings)) if key in adoptions)
    return picked


def at_instant(history: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """A history without what was recorded after an instant, and its words anew."""
    told = dict(history)
    for group in ("led_to", "same_command"):
        told[group] = [one for one in history[group] if datetime.fromisoformat(one["recorded_at"]) <= as_of]
    return told | {"words": {language: decision_words(told, language) for language in LANGUAGES}}
