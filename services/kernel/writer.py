"""The writer: everything that is waiting becomes one transaction, decided with the lock held, answered after the commit."""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from bailiwick_contracts.envelope import Answer, Command, FactReference, data_of, hash_of
from bailiwick_contracts.message import Refusal
from bailiwick_contracts.stored import read_stored
from pydantic_core import from_json

from services.kernel import precondition
from services.kernel.batch import Batch, Memory
from services.kernel.crash import crash_point
from services.kernel.dead_letter_requests import with_dead_letters
from services.kernel.decision import Rejected
from services.kernel.due import Due, rows_of
from services.kernel.failure import OF_THE_MACHINE, passing, reason_of, told
from services.kernel.firing import fire
from services.kernel.ids import uuid7
from services.kernel.intake import again, readable, take_in
from services.kernel.parked import Again
from services.kernel.sealing import KeyStore
from services.kernel.service import Outcome, Service
from services.kernel.store import Store
from services.kernel.telemetry import BATCH_SIZE, DECISION_SECONDS
from services.kernel.tracing import about
from services.kernel.unit import WorkUnit
from services.kernel.versions import adopt
from services.kernel.work import BusyError, GapError, Intake, Job, Work, named, settle, settle_all

LOG = structlog.get_logger()
BATCH_LIMIT = 500
WAITING_LIMIT = 5_000
REFERENCES_LIMIT = 200
"""Facts that an answer refers to; a bulk command's answer has its rows instead."""
ANSWERED_FACTS_LIMIT = 20
"""Facts whose data stands in the answer; beyond that an answer only refers to them."""


class Writer:
    """The one that stores, for one service in one process. Two instances on one database take turns by its lock."""

    def __init__(
        self,
        service: Service,
        store: Store,
        keys: KeyStore,
        *,
        clock: Callable[[], datetime] | None = None,
        limit: int = BATCH_LIMIT,
        check: Callable[[Command[Any]], None] | None = None,
    ) -> None:
        """Write to one store.

        Args:
            service: what is decided, and how.
            store: where it is kept.
            keys: what seals and opens it.
            clock: answers the current instant in UTC; tests give their own.
            limit: how much shares one transaction.
            check: raises Rejected for a command that is not to be decided; asked on the writer's thread, before the lock is taken.
        """
        self._check = check
        self._limit = limit
        self._service, self._store, self._keys = with_dead_letters(service), store, keys
        self._clock = clock or (lambda: datetime.now(UTC))
        self._secret = keys.ensure(f"commands/{service.name}")
        self._memory = Memory()
        self._waiting: asyncio.Queue[Job] = asyncio.Queue(WAITING_LIMIT)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{service.name}-writer")
        self.committed = asyncio.Event()
        """Set after each commit that stored facts; the relay waits for it."""
        self.timers_changed = asyncio.Event()
        """Set after each commit that set or took away a timer; their loop waits for it."""
        self._timers_touched = False
        self.turns = 0
        """Grows with each transaction, whatever came of it."""
        self.failed: str | None = None
        """Why the last transaction was not stored, where that was the database's or the disk's doing."""
        self._busy = self._stopped = False
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Commands answered, by type and outcome."""
        self._prepare()

    def _prepare(self) -> None:
        with self._store.transaction() as connection:
            if self._store.setting(connection, "log") is None:
                adopt(self._service, self._store, connection)
                self._store.set_setting(connection, "log", f"{self._service.name}-{uuid7()[-12:]}")

    async def submit(self, work: Work, *, own: bool = False) -> Any:
        """Have a command decided, or facts taken in. A command answers an `Answer`, an intake nothing.

        `own`: the service gives itself this command, so no door signed it and none is asked for.

        Raises:
            Rejected: it is not to be decided; nothing was recorded.
            BusyError: too much is waiting; nothing was recorded.
            PersistenceError: the database failed; whether it was stored is unknown, the same id may be sent again.
            GapError: an intake does not follow what was taken in.
        """
        if self._stopped:
            raise _stopping()
        job = Job(work, own, asyncio.get_running_loop().create_future())
        try:
            self._waiting.put_nowait(job)
        except asyncio.QueueFull:
            raise BusyError(f"{WAITING_LIMIT} commands are waiting; send this one again in a second") from None
        return await job.future

    def waits(self) -> bool:
        """Whether there is work that is not done."""
        return self._busy or not self._waiting.empty()

    async def run(self) -> None:
        """Work until cancelled; then the batch in progress is still answered, and what waits is told to come again."""
        self._stopped = False
        try:
            await self._work()
        finally:
            self._stopped = True
            while not self._waiting.empty():
                settle(self._waiting.get_nowait().future, _stopping())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._limit and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._busy = True
            begun = loop.time()
            running = loop.run_in_executor(self._thread, self._checked, batch)
            try:
                results = await asyncio.shield(running)
            except asyncio.CancelledError:
                settle_all(batch, await running)
                raise
            self._busy = False
            self._measure(batch, results, loop.time() - begun)
            self.committed.set()
            if self._timers_touched:
                self._timers_touched = False
                self.timers_changed.set()
            settle_all(batch, results)

    def _measure(self, batch: Sequence[Job], results: Sequence[Any], seconds: float) -> None:
        BATCH_SIZE.labels(self._service.name).observe(len(batch))
        DECISION_SECONDS.labels(self._service.name).observe(seconds)
        for job, result in zip(batch, results, strict=True):
            if isinstance(job.work, Command) and not isinstance(result, Rejected):
                outcome = result.outcome if isinstance(result, Answer) else "unknown"
                self.outcomes[job.work.commandtype, outcome] += 1

    def _checked(self, batch: Sequence[Job]) -> list[Any]:
        """Process what is to be decided; what is not is turned away."""
        away = [self._turned_away(job) for job in batch]
        kept = [job.work for job, rejection in zip(batch, away, strict=True) if rejection is None]
        results = iter(self.process(kept) if kept else ())
        return [next(results) if rejection is None else rejection for rejection in away]

    def _turned_away(self, job: Job) -> Rejected | None:
        if self._check is not None and isinstance(job.work, Command) and not job.own:
            try:
                self._check(job.work)
            except Rejected as rejection:
                return rejection
        return None

    def process(self, works: Sequence[Work]) -> list[Any]:
        """Decide a batch in one transaction; when that fails as a whole, each alone, so that no one fails its neighbours."""
        self.turns += 1
        try:
            results = self._transact(works)
        except Exception as error:  # noqa: BLE001 - one command's fault must not end the writer of all
            self._memory = Memory()
            if len(works) == 1:
                self.failed = told(error) if passing(error) else None
                LOG.error("writer.failed", service=self._service.name, error=told(error), **named(works[0]))
                return [self._alone(works[0], error)]
            return [self.process([work])[0] for work in works]
        self.failed = None
        return results

    def _alone(self, work: Work, error: Exception) -> Any:
        """What failed on its own while the database answers is recorded as failed: fact by fact, timer by timer."""
        if isinstance(work, Command) or work.failure is not None or passing(error):
            return error
        if not isinstance(work, Intake) or len(work.raws) == 1:
            return self.process([replace(work, failure=reason_of(error))])[0]
        for raw in work.raws:
            (result,) = self.process([Intake(work.source, (raw,))])
            if result is not None:
                return result
        return None

    def _transact(self, works: Sequence[Work]) -> list[Any]:
        with self._store.transaction(locked=False) as connection:
            ids = [work.commandid for work in works if not isinstance(work, Intake | Again)]
            batch = Batch(self._service, self._store, self._keys, self._memory, connection, self._clock, ids)
            known = batch.known
            due = [work.timer_id for work in works if isinstance(work, Due)]
            if due:
                batch.timers.update(rows_of(connection, due))
            loaded = batch.load(self._touched(works)) if self._service.touches else []
            fresh: list[tuple[str, bytes, bytes]] = []
            results: list[Any] = []
            for work in works:
                if isinstance(work, Intake):
                    results.append(self._take_in(batch, work))
                    continue
                if isinstance(work, Again):
                    results.append(again(self._service, batch, work))
                    continue
                if isinstance(work, Due):
                    fired = fire(self._service, batch, work, known=work.commandid in known)
                    results.append(fired)
                    if fired is not None and fired.outcome != "rejected":
                        stored = fired.model_dump_json(exclude_none=True).encode()
                        fresh.append((work.commandid, b"timer", stored))
                    continue
                digest = self._digest(work)
                if work.commandid not in known:
                    answer = self._decide(batch, work)
                    results.append(answer)
                    if answer.outcome != "rejected":
                        stored = answer.model_dump_json(exclude_none=True).encode()
                        known[work.commandid] = (digest, stored)
                        fresh.append((work.commandid, digest, stored))
                elif known[work.commandid][0] == digest:
                    results.append(_replayed(work, Answer.model_validate_json(known[work.commandid][1])))
                else:
                    results.append(_another_body(work.commandid))
            batch.finish(fresh, alone=len(works) == 1)
            crash_point("before-commit")
        crash_point("after-commit")
        batch.committed()
        for stream in loaded:
            stream.events = None
        self._timers_touched = self._timers_touched or bool(batch.timers)
        self._after_commit(batch)
        fresh_raws = {(fact.stream, fact.version): fact.raw for fact in batch.stored}
        return [self._with_data(result, fresh_raws) if isinstance(result, Answer) else result for result in results]

    def _touched(self, works: Sequence[Work]) -> Iterator[str]:
        touches = self._service.touches
        for work in works:
            if isinstance(work, Command) and type(work.data) in touches:
                yield from touches[type(work.data)](work)
            for event in (work.events or ()) if isinstance(work, Intake) else ():
                if type(event.data) in touches:
                    yield from touches[type(event.data)](event)

    def _digest(self, command: Command[Any]) -> bytes:
        body = b"\0".join(
            (
                command.property.encode(),
                command.actor.encode(),
                command.commandtype.encode(),
                command.data.model_dump_json().encode(),
            )
        )
        return hmac.new(self._secret, body, hashlib.sha256).digest()

    def _decide(self, batch: Batch, command: Command[Any]) -> Answer:
        handler = self._service.commands[type(command.data)]
        try:
            with WorkUnit(batch, property_id=command.property, command=command) as unit:
                precondition.before(unit, command)
                outcome = handler(unit, command) or Outcome()
                precondition.after(unit, command, unit.decided, bulk=bool(outcome.rows))
        except Rejected as rejection:
            return Answer(commandid=command.commandid, outcome="rejected", error=rejection.as_error())
        except OF_THE_MACHINE:
            raise
        except Exception:
            LOG.exception("decision.failed", service=self._service.name, type=command.commandtype, **about(command))
            return Answer(
                commandid=command.commandid,
                outcome="rejected",
                error={"code": "internal", "message": "this service failed on the command; nothing was recorded"},
            )
        facts = tuple(
            FactReference.model_construct(
                id=e.id, type=e.type, stream=e.subject, sequence=e.version, chainnumber=e.chainnumber
            )
            for e in unit.events[: 0 if outcome.rows else REFERENCES_LIMIT]
        )
        refused = any(isinstance(event.data, Refusal) for event in unit.events)
        return Answer.model_construct(
            commandid=command.commandid,
            outcome="refused" if refused else "done" if unit.events else "ignored",
            facts=facts,
            factcount=len(unit.events),
            rows=outcome.rows,
            result=dict(outcome.result) if outcome.result is not None else None,
        )

    def _take_in(self, batch: Batch, intake: Intake) -> Exception | None:
        tracked = batch.tracking.get(intake.source) or batch.store.tracked(batch.connection, intake.source).get(
            intake.source
        )
        have, link = tracked or (0, None)
        for index, raw in enumerate(intake.raws):
            event, unread = readable(raw) if intake.events is None else (intake.events[index], None)
            if event.chainnumber <= have:
                continue
            if event.chainnumber != have + 1:
                return GapError(intake.source, have, event.chainnumber)
            if have and event.previoushash != link:
                LOG.error("intake.chain_broken", source=intake.source, number=event.chainnumber, **about(event))
            take_in(self._service, batch, intake.source, raw, event, intake.failure or unread)
            have, link = event.chainnumber, hash_of(raw)
            batch.tracking[intake.source] = (have, link)
        crash_point("intake")
        return None

    def _with_data(self, answer: Answer, fresh: Mapping[tuple[str, int], bytes]) -> Answer:
        if answer.rows or not 0 < len(answer.facts) <= ANSWERED_FACTS_LIMIT:
            return answer
        facts = []
        for fact in answer.facts:
            raw = fresh.get((fact.stream, fact.sequence))
            if raw is None:
                (stored,) = self._store.select_events(fact.stream, gt=fact.sequence - 1, lte=fact.sequence)
                raw = stored.state
            facts.append(FactReference.model_construct(None, **{**fact.__dict__, "data": from_json(data_of(raw))}))
        return Answer.model_construct(None, **{**answer.__dict__, "facts": tuple(facts)})

    def _after_commit(self, batch: Batch) -> None:
        wires = {kind.wire(): effect for kind, effect in self._service.after_commit.items()}
        for fact in batch.stored:
            if fact.type in wires:
                wires[fact.type](read_stored(fact.raw, fact.type))

    def repeat_effects(self) -> None:
        """Do once more, at start, what a crash may have kept from following a stored fact."""
        wires = {kind.wire(): effect for kind, effect in self._service.after_commit.items()}
        position: int | None = 0
        while wires and position is not None:
            page = self._store.select_notifications(position, 500, topics=tuple(wires), inclusive_of_start=False)
            for notification in page:
                wires[notification.topic](read_stored(notification.state, notification.topic))
            position = page[-1].id if page else None

    def close(self) -> None:
        """Let the batch in progress end."""
        self._thread.shutdown(wait=True)


def _replayed(command: Command[Any], answer: Answer) -> Answer:
    """What was answered before; said so to a caller from outside, who has to know whether it is new."""
    return answer.model_copy(update={"replayed": True}) if command.precondition is not None else answer


def _stopping() -> BusyError:
    return BusyError("this service is stopping; send this one again in a second")


def _another_body(command_id: str) -> Answer:
    return Answer(
        commandid=command_id,
        outcome="rejected",
        error={
            "code": "command_id_reused",
            "field": "commandid",
            "value": command_id,
            "message": "this command id was used before with another body; nothing was recorded",
            "rule": "the same id means the same command for ever",
            "remedy": "send the new command under a new id",
        },
    )
