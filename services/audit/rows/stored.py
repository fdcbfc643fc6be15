"""Do the columns beside a fact's bytes say what its bytes say? And is each command answered with the facts that it led to?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import FIRST_HASH, Answer, hash_of
from pydantic import ValidationError
from pydantic_core import from_json

from services.audit.rows.finding import Compared, RowFinding
from services.kernel.store import LOG_POSITION, Store
from services.kernel.tables import COMMANDS, FACTS, HEADS, SETTINGS
from services.kernel.writer import REFERENCES_LIMIT

HEAD = ("number", "hash")
TABLES = ("facts", "heads", "commands", "settings")


@dataclass
class Led:
    """What a command led to."""

    count: int = 0
    refused: bool = False
    mark: int = 0
    """Over the references of its facts, in whatever order; small, however many facts there are."""


@dataclass
class Stored:
    """Every fact of a store, read once in the order of its positions."""

    found: list[RowFinding] = field(default_factory=list)
    rows: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    led: dict[str, Led] = field(default_factory=dict)
    _position: int = 0
    _at: dict[str, int] = field(default_factory=dict)
    _missing: dict[tuple[str, int], str] = field(default_factory=dict)

    def take(self, row: Any) -> None:
        """One row of `facts`."""
        self.rows += 1
        if row.position != self._position + 1:
            said = f"no fact stands from position {self._position + 1} to {row.position - 1}"
            self.found.append(RowFinding("facts", "missing", {"position": self._position + 1}, (), said))
        self._position = row.position
        try:
            document = from_json(row.raw)
            meant = {
                "stream": document["subject"],
                "version": int(document["sequence"]),
                "type": document["type"],
                "property": document["source"].split("/")[2],
                "number": document["chainnumber"],
            }
            faults = {name: f"its bytes say {value}" for name, value in meant.items() if getattr(row, name) != value}
            faults |= self._chained(document, meant["property"], meant["number"], row)
            self._remember(document, meant)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            faults = {"raw": "these bytes are no fact"}
        if faults:
            said = "; ".join(f"{column}: {why}" for column, why in faults.items())
            self.found.append(RowFinding("facts", "altered", {"position": row.position}, tuple(faults), said))

    def _chained(self, document: Mapping[str, Any], owner: str, number: int, row: Any) -> dict[str, str]:
        before, link = self.heads.get(owner, (0, FIRST_HASH))
        at = self._at.get(owner, 0)
        if number <= before:
            where = "" if self._missing.pop((owner, number), None) is None else ", and is missing there"
            return {"position": f"number {number} of {owner} belongs before {before}{where}"}
        for missing in range(before + 1, min(number, before + 1_000)):
            self._missing[owner, missing] = document["id"]
        self.heads[owner], self._at[owner] = (number, hash_of(bytes(row.raw))), row.position
        if number == before + 1 and document["previoushash"] != link:
            said = f"raw: fact {document['id']}, which follows it, names another hash"
            self.found.append(RowFinding("facts", "altered", {"position": at}, ("raw",), said))
        return {}

    def _remember(self, document: Mapping[str, Any], meant: Mapping[str, Any]) -> None:
        self.last = document
        command_id = document["commandid"]
        if not command_id.startswith("after-") and ".dead_letter_raised." not in document["type"]:
            one = self.led.setdefault(command_id, Led())
            one.count += 1
            one.refused = one.refused or document["type"].split(".")[1].endswith("_refused")
            one.mark ^= hash((document["id"], meant["type"], meant["stream"], meant["version"], meant["number"]))

    def finish(self) -> Iterator[RowFinding]:
        """Every row of `facts` that does not hold."""
        yield from self.found
        for (owner, number), event_id in self._missing.items():
            said = f"number {number} of {owner} stands nowhere, and fact {event_id} follows it"
            yield RowFinding("facts", "missing", {"property": owner, "number": number}, (), said)

    def heads_differ(self, heads: Mapping[str, tuple[int, str]]) -> Iterator[RowFinding]:
        """Every row of `heads` that does not hold; that of the log itself carries a mark, which no fact tells."""
        meant = dict(self.heads)
        if self.rows:
            meant[LOG_POSITION] = (self._position, heads.get(LOG_POSITION, (0, ""))[1])
        for owner in sorted({*heads, *meant}):
            there, last = heads.get(owner, (0, "")), meant.get(owner, (0, ""))
            key, columns = {"property": owner}, tuple(n for n, a, b in zip(HEAD, there, last, strict=True) if a != b)
            said = f"the last fact has number {last[0]} and hash {last[1]}"
            if owner not in heads:
                yield RowFinding("heads", "missing", key, (), said)
            elif owner not in meant and owner != LOG_POSITION:
                yield RowFinding("heads", "extra", key, (), "no fact is of this chain")
            elif owner in meant and columns:
                yield RowFinding("heads", "altered", key, columns, said)

    def settings_differ(self, settings: Mapping[str, str]) -> Iterator[RowFinding]:
        """What the store says of itself that its last fact says too."""
        if self.last:
            at, log = settings.get("recorded_at", ""), self.last["log"]
            if settings.get("log") != log:
                yield RowFinding("settings", "altered", {"name": "log"}, ("value",), f"its facts say {log}")
            if not _same_instant(at, self.last["recordedat"]):
                said = f"its last fact says {self.last['recordedat']}"
                yield RowFinding("settings", "altered", {"name": "recorded_at"}, ("value",), said)

    def commands_differ(self, rows: Iterable[Any]) -> Iterator[RowFinding]:
        """Every answer that names other facts than its command led to, and every command with facts and no answer."""
        unanswered = dict(self.led)
        for row in rows:
            led = unanswered.pop(row.command_id, Led())
            if (why := _answer_fault(row, led)) is not None:
                yield RowFinding("commands", "altered", {"command_id": row.command_id}, ("answer",), why)
        for command_id, led in unanswered.items():
            said = f"it led to {led.count} facts; were it sent again, it would be decided again"
            yield RowFinding("commands", "missing", {"command_id": command_id}, (), said)


def _same_instant(one: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except ValueError:
        return False


def _answer_fault(row: Any, led: Led) -> str | None:
    try:
        answer = Answer.model_validate_json(bytes(row.answer))
    except ValidationError:
        return "this is no answer"
    if answer.commandid != row.command_id:
        return f"it answers {answer.commandid}"
    if answer.factcount != led.count:
        return f"it says {answer.factcount} facts, and {led.count} name this command"
    outcome = "refused" if led.refused else "done" if led.count else "ignored"
    if answer.outcome != outcome:
        return f"it says {answer.outcome}, and its facts say {outcome}"
    mark = 0
    for one in answer.facts:
        mark ^= hash((one.id, one.type, one.stream, one.sequence, one.chainnumber))
    named = 0 if bytes(row.digest) == b"timer" or answer.rows else min(led.count, REFERENCES_LIMIT)
    if len(answer.facts) != named or (named == led.count and mark != led.mark):
        return "it names other facts than those that name this command"
    return None


def stored_compared(store: Store) -> Compared:
    """The facts of a store, its heads, answers and what it says of itself, on one consistent state."""
    stored = Stored()
    with store.reading() as connection:
        for row in connection.execute(
            sa.select(FACTS).order_by(FACTS.c.position), execution_options={"yield_per": 1_000}
        ):
            stored.take(row)
        heads = {row.property: (row.number, row.hash) for row in connection.execute(sa.select(HEADS))}
        settings = {row.name: row.value for row in connection.execute(sa.select(SETTINGS))}
        answers = connection.execute(sa.select(COMMANDS), execution_options={"yield_per": 1_000})
        found = [
            *stored.finish(),
            *stored.heads_differ(heads),
            *stored.commands_differ(answers),
            *stored.settings_differ(settings),
        ]
    return Compared(TABLES, stored.rows, stored.rows + len(heads) + len(stored.led), tuple(found))
