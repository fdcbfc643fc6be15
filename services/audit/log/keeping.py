"""Keeping the logs up to date beside the running service, and answering what is asked of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from bailiwick_contracts.consultation import RecordConsultation
from bailiwick_contracts.envelope import Answer, Command, Event
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.transparency import (
    BuildLog,
    ChangeLogKey,
    CheckpointIssued,
    ListLogs,
    LogKeyChanged,
    ProveDecision,
    RecordCheckpoint,
)

from services.audit import ledger
from services.audit.consultation import only_of_itself
from services.audit.gate import Gate
from services.audit.log.files import LogError, entry_at, hash_tiles
from services.audit.log.keeper import Built, Keeper
from services.audit.log.leaf import read_leaf
from services.audit.log.note import Checkpoint, NoteError, Policy
from services.audit.log.proof import Proof
from services.audit.log.tree import TileMissingError, Tree
from services.audit.views import CHECKPOINTS, chain_name, instant_text
from services.kernel.beside import Beside
from services.kernel.decision import Rejected
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.ids import uuid7
from services.kernel.service import Reading, Unit

LOG = structlog.get_logger()
LOOK_SECONDS = 0.5
RECORD_SECONDS = 10
ASK_AGAIN_SECONDS = 30.0
"""Between two questions to a witness that did not cosign."""


@dataclass
class Keeping:
    """The keeper at work."""

    keeper: Keeper
    gate: Gate
    _ask: Callable[[Request, str, str], Awaitable[Answer]] | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _signed_at: dict[str, float] = field(default_factory=dict)
    _asked_at: dict[str, float] = field(default_factory=dict)

    async def run(self, runtime: Any, _: Any) -> None:
        """Sign over what is new every few seconds, and put each checkpoint on record; runs until cancelled."""
        running = Beside(runtime.service, runtime.store, runtime.writer, runtime.keys, runtime.settings)
        self._ask, self._loop = running.ask, asyncio.get_running_loop()
        self.gate.record = self._record
        seconds, entries = running.setting("checkpoint_seconds"), running.setting("checkpoint_entries")
        try:
            while True:
                go_on()
                try:
                    for built in await asyncio.to_thread(self._look, running, seconds, entries):
                        await asyncio.to_thread(self._witnessed, built.property_id)
                        await self._announce(built.property_id, running)
                    for property_id in await asyncio.to_thread(self._to_be_asked_again, seconds):
                        await asyncio.to_thread(self._witnessed, property_id)
                except Exception as error:  # noqa: BLE001 - the disk may be full or a file altered: said, and tried again
                    LOG.error("tlog.build", error=told(error))
                    await rest(5)
                await rest(min(LOOK_SECONDS, seconds))
        finally:
            self.gate.record = None

    def _look(self, running: Beside, seconds: float, entries: int) -> list[Built]:
        built = []
        with running.reading() as reading:
            for property_id, reached in _reached(reading).items():
                waiting = reached - sum(self.keeper.log(property_id).cursors.values())
                due = time.monotonic() - self._signed_at.get(property_id, 0.0) >= seconds
                if waiting and (due or waiting >= entries):
                    built.append(self.keeper.build(reading, property_id))
                    self._signed_at[property_id] = time.monotonic()
        return built

    def _witnessed(self, property_id: str) -> dict[str, str]:
        """Ask the witnesses of a log; one that does not answer is asked again, and delays nothing but itself."""
        if not self.keeper.unwitnessed(property_id):
            return {}
        self._asked_at[property_id] = time.monotonic()
        told = self.keeper.witness(property_id)
        for name, said in told.items():
            if said != "cosigned":
                LOG.warning("tlog.witness", property=property_id, witness=name, error=said[:500])
        return told

    def _to_be_asked_again(self, seconds: float) -> list[str]:
        now, wait = time.monotonic(), max(seconds, ASK_AGAIN_SECONDS)
        return [
            property_id
            for property_id in self.keeper.properties()
            if now - self._asked_at.get(property_id, -wait) >= wait and self.keeper.unwitnessed(property_id)
        ]

    async def _announce(self, property_id: str, running: Beside) -> None:
        with running.reading() as reading:
            request = self._unannounced(reading, property_id)
        if request is not None:
            await running.ask(request, property_id, _command_id(request))

    def _unannounced(self, reading: Reading, property_id: str) -> RecordCheckpoint | None:
        log = self.keeper.log(property_id)
        found, policy = log.current(), log.policy()
        if found is None or policy is None or found.size == 0:
            return None
        last = reading.rows(sa.select(sa.func.max(CHECKPOINTS.c.size)).where(CHECKPOINTS.c.property_id == property_id))[
            0
        ][0]
        if last is not None and last >= found.size:
            return None
        root = found.body.decode().split("\n")[2]
        keys = tuple(str(key) for key in policy.logs)
        return RecordCheckpoint(origin=found.origin, size=found.size, root=root, note=str(found), keys=keys)

    def _blocking(self, request: Request, property_id: str, command_id: str) -> Answer:
        """Ask the running service from one of its threads."""
        if self._ask is None or self._loop is None:
            raise Rejected("the service does not run yet", code="busy", field="commandtype", value=request.wire(),
                           rule="asked of a service that runs", remedy="ask again in a second")  # fmt: skip
        made = self._ask(request, property_id, command_id)
        return asyncio.run_coroutine_threadsafe(made, self._loop).result(RECORD_SECONDS)  # type: ignore[arg-type]

    def _record(self, asked: RecordConsultation) -> None:
        self._blocking(asked, COMPANY, uuid7())

    # -- handlers ----------------------------------------------------------------------------------------------------

    def on_record_checkpoint(self, unit: Unit, command: Command[RecordCheckpoint]) -> None:
        """A checkpoint on record; the same one again changes nothing. One by anybody else would stand for what nobody signed."""
        only_of_itself(command.actor, "a checkpoint")
        asked = command.data
        query = sa.select(CHECKPOINTS.c.root).where(
            CHECKPOINTS.c.property_id == unit.property_id, CHECKPOINTS.c.size == asked.size
        )
        known = unit.rows(query)
        if known and known[0].root != asked.root:
            raise Rejected("another root is on record for a log of this size", code="another_root", field="root", value=asked.root,
                           rule=f"the log had {asked.size} entries with the root {known[0].root}",
                           remedy="bailiwick audit verify says what was rewritten")  # fmt: skip
        if not known:
            fact = CheckpointIssued(
                origin=asked.origin, size=asked.size, root=asked.root, note=asked.note, keys=asked.keys
            )
            unit.append(f"log-{unit.property_id}", fact)

    def on_change_log_key(self, unit: Unit, command: Command[ChangeLogKey]) -> None:
        """A new key, vouched for by the one before it."""
        property_id = command.data.property_id
        log = self.keeper.log(property_id)
        before = log.policy()
        if before is None or log.checkpoint is None:
            raise Rejected("this property has no signed log yet", code="no_log", field="property_id", value=property_id,
                           rule="a key changes between two checkpoints", remedy="bailiwick audit log build first")  # fmt: skip
        key, both = self.keeper.change_key(property_id)
        fact = LogKeyChanged(key=str(key), before=str(before.logs[-1]), note=str(both), reason=command.data.reason)
        unit.append(f"log-{property_id}", fact, property_id=property_id)

    def on_build_log(self, reading: Reading, command: Command[BuildLog]) -> dict[str, Any]:
        """Build now."""
        property_id = command.data.property_id
        ledger.of_property(reading, property_id)
        try:
            built = self.keeper.build(reading, property_id)
        except LogError as error:
            raise Rejected(str(error), code="log_broken", field="property_id", value=property_id, rule="files as the checkpoint says",
                           remedy="bailiwick audit verify names each difference") from error  # fmt: skip
        witnesses = self._witnessed(property_id)
        request = self._unannounced(reading, property_id)
        if request is not None and self._ask is not None:
            self._blocking(request, property_id, _command_id(request))
        found = self.keeper.log(property_id).current()
        told = {"property": property_id, "size": found.size if found else 0, "added": built.added}
        return told | {"note": str(found or ""), "witnesses": witnesses}

    def on_list_logs(self, reading: Reading, command: Command[ListLogs]) -> dict[str, Any]:
        """Every log, now or as last signed on record at an instant."""
        as_of = command.data.as_of
        logs = []
        for property_id in self.keeper.properties():
            log = self.keeper.log(property_id)
            policy, recorded_at = log.policy(), None
            if as_of is None:
                found = log.current()
            else:
                found, recorded_at = _on_record(reading, property_id, CHECKPOINTS.c.recordedat <= instant_text(as_of))
                policy = None if policy is None or found is None else _as_signed(policy, found)
            if found is not None and policy is not None:
                logs.append(
                    {
                        "property": property_id,
                        "origin": found.origin,
                        "size": found.size,
                        "note": str(found),
                        "recorded_at": recorded_at,
                        "policy": str(policy),
                        "keys": [str(key) for key in policy.logs],
                        "directory": str(log.directory.absolute()),
                    }
                )
        return {"logs": logs}

    def on_prove_decision(self, reading: Reading, command: Command[ProveDecision]) -> dict[str, Any]:
        """A proof. It tells of one fact whose id the asker knows, and opens nothing."""
        wanted = command.data.decision_id
        event = ledger.fact(reading, wanted) or ledger.ruled(ledger.of_command(reading, wanted))
        if event is None:
            raise Rejected("the ledger holds neither a fact nor a command of this id", code="unknown_decision",
                           field="decision_id", value=wanted, rule="the id of a fact or of a command",
                           remedy="copy it from the answer to the command")  # fmt: skip
        chain = chain_name(event.service, event.log, event.property_id)
        try:
            return self.prove(reading, event, chain, command.data.size)
        except (LogError, TileMissingError, NoteError, ValueError) as error:
            raise Rejected(f"the files of the log do not give this proof: {error}", code="log_broken", field="decision_id",
                           value=event.id, rule="files as the checkpoint says",
                           remedy="bailiwick audit verify names each difference") from error  # fmt: skip

    def prove(self, reading: Reading, event: Event[Any], chain: str, size: int | None) -> dict[str, Any]:
        """The proof of one fact under the checkpoint of now, or under the one on record of a size."""
        log = self.keeper.log(event.property_id)
        index, found, policy = log.place(chain, event.chainnumber), log.current(), log.policy()
        if size is not None:
            found, _ = _on_record(reading, event.property_id, CHECKPOINTS.c.size == size)
        if index is None or found is None or policy is None or index >= found.size:
            raise Rejected("the log has yet to take this fact in", code="not_in_the_log", field="decision_id", value=event.id,
                           rule="a checkpoint follows within seconds", remedy="bailiwick audit log build, or ask again")  # fmt: skip
        entry = entry_at(log.fetch, index, max(found.size, log.checkpoint.size if log.checkpoint else 0))
        if read_leaf(entry)["id"] != event.id:
            raise LogError(f"entry {index} is of another fact than the note of places says")
        salt = log.salts.read(index)
        tree = Tree(max(found.size, log.checkpoint.size if log.checkpoint else 0), hash_tiles(log.fetch))
        proof = Proof(index, tuple(tree.inclusion(index, found.size)), found, salt or b"")
        return {
            "id": event.id,
            "property": event.property_id,
            "index": index,
            "proof": str(proof),
            "entry": entry.decode(),
            "salt": salt.hex() if salt else None,
            "note": str(found),
            "keys": [str(key) for key in policy.logs],
        }


def _on_record(reading: Reading, property_id: str, which: Any) -> tuple[Checkpoint | None, str | None]:
    """The largest checkpoint on record that fits, and when it was recorded."""
    query = sa.select(CHECKPOINTS.c.note, CHECKPOINTS.c.recordedat).where(
        CHECKPOINTS.c.property_id == property_id, which
    )
    rows = reading.rows(query.order_by(CHECKPOINTS.c.size.desc()).limit(1))
    return (Checkpoint.parse(rows[0].note), rows[0].recordedat) if rows else (None, None)


def _as_signed(policy: Policy, found: Checkpoint) -> Policy:
    """The policy as a checkpoint on record bears it out: keys up to its newest signer, and whoever cosigned it."""
    there = {(one.name, one.key_id) for one in found.signatures}
    newest = max(
        (at for at, key in enumerate(policy.logs) if (key.name, key.id) in there), default=len(policy.logs) - 1
    )
    witnesses = tuple(pair for pair in policy.witnesses if (pair[1].name, pair[1].id) in there)
    return Policy(policy.logs[: newest + 1], witnesses)


def _command_id(request: RecordCheckpoint) -> str:
    """The same checkpoint is the same command, whoever announces it first."""
    safe = "".join(letter if letter.isalnum() else "-" for letter in request.root)
    return f"checkpoint-{request.size}-{safe[:40]}"[:64]


def _reached(reading: Reading) -> dict[str, int]:
    """Property to how many facts the ledger says its chains hold."""
    found: dict[str, int] = {}
    for chain, (number, _) in ledger.chains(reading).items():
        property_id = chain.split("/")[2]
        found[property_id] = found.get(property_id, 0) + number
    return found
