"""What is due becomes a command of the service itself: decided once, and its row removed in the same transaction.

Nothing is lost or doubled, whatever is killed and however many instances run: the row's removal, the command id and the
facts stand in one transaction under the writers' lock. A timer that was moved or cancelled meanwhile comes to nothing.
"""

from datetime import timedelta
from typing import Any

import structlog
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import Answer, Command, hash_of
from bailiwick_contracts.message import Refusal

from services.kernel.batch import Batch
from services.kernel.crash import crash_point
from services.kernel.dead_letter import letter_stream
from services.kernel.decision import Rejected
from services.kernel.due import TIMERS, Due, Row, instant, microseconds
from services.kernel.failure import OF_THE_MACHINE, reason_of, retry_seconds, told_of
from services.kernel.service import Outcome, Put, Service
from services.kernel.tracing import about
from services.kernel.unit import WorkUnit

LOG = structlog.get_logger()


def fire(service: Service, batch: Batch, due: Due, *, known: bool = False) -> Answer | None:
    """Decide what is due; None where the timer is gone or was moved, so that nothing is to be done.

    A `Rejected` is an answer like any other: the timer is done with. A bug is tried again, later each time, and after
    the last try the row stays for a person to see (`bailiwick dead-letters`), and is due no more. `known` says that the
    command id was decided before.
    """
    row = batch.timers.get(due.timer_id)
    if row is None or (row["due_us"], row["setting"]) != (due.due_us, due.setting):
        return None
    if known:
        with WorkUnit(batch, property_id=row["property_id"]) as unit:
            unit.cancel_timer(due.timer_id)
        return None
    crash_point("timer-due")
    if due.failure is not None:
        return _failed(batch, due, row, due.failure)
    try:
        handlers = {request.wire(): (request, handler) for request, handler in service.timers.items()}
        request, handler = handlers[row["wire"]]
        command = _command(service, batch, due, row, request.model_validate_json(row["body"], strict=True))
        with WorkUnit(batch, property_id=row["property_id"], command=command) as unit:
            unit.cancel_timer(due.timer_id)
            outcome = handler(unit, command) or Outcome()
            again = batch.timers.get(due.timer_id)
            if again is not None and again["due_us"] <= due.due_us:
                raise ValueError(f"timer {due.timer_id} set itself again to the instant it was due at, or before")
    except Rejected as rejection:
        with WorkUnit(batch, property_id=row["property_id"], command=command) as unit:
            unit.cancel_timer(due.timer_id)
        return Answer(commandid=due.commandid, outcome="rejected", error=rejection.as_error())
    except OF_THE_MACHINE:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in one handler holds up nothing else
        return _failed(batch, due, row, reason_of(error))
    refused = any(isinstance(event.data, Refusal) for event in unit.events)
    return Answer(
        commandid=due.commandid,
        outcome="refused" if refused else "done" if unit.events else "ignored",
        factcount=len(unit.events),
        result=dict(outcome.result) if outcome.result is not None else None,
    )


def _failed(batch: Batch, due: Due, row: Row, reason: str) -> Answer:
    tries = row["tries"] + 1
    last = tries > len(retry_seconds())
    again = None if last else microseconds(batch.wall + timedelta(seconds=retry_seconds()[tries - 1]))
    changed = {**row, "tries": tries, "next_us": again, "reason": reason, "raised": row["raised"] or last}
    command = _command(batch.service, batch, due, row, None)
    with WorkUnit(batch, property_id=row["property_id"], command=command) as unit:
        unit.change([Put(TIMERS, changed)])
        if last:
            raised = of_service(batch.service.name).raised(
                letter_id=due.commandid,
                kind="timer",
                subject_type=row["wire"],
                stream=due.timer_id[:128],
                tries=tries,
                reason=told_of(reason),
            )
            unit.append(letter_stream(due.commandid), raised)
    batch.timers[due.timer_id] = changed
    LOG.error(
        "timer.failed", service=batch.service.name, timer=due.timer_id, tries=tries, given_up=last, reason=told_of(reason),
        **about(command),
    )  # fmt: skip
    return Answer(
        commandid=due.commandid,
        outcome="rejected",
        error={"code": "internal", "message": reason, "tries": tries, "given_up": last},
    )


def _command(service: Service, batch: Batch, due: Due, row: Row, data: Any) -> Command[Any]:
    system = f"system-{service.name}"
    return Command[Any].model_construct(
        None,
        actor=system,
        onbehalfof=None,
        delegation=None,
        authmethod="system",
        channel="system",
        commandid=due.commandid,
        commandtype=row["wire"],
        commanddigest=hash_of(row["body"]),
        door=system,
        property=row["property_id"],
        salt="timer",
        issuedat=batch.now,
        occurredat=instant(due.due_us),
        effectiveon=None,
        correlationid=row["correlation"],
        causationid=row["set_by"],
        importfile=None,
        importrow=None,
        traceparent=row["traceparent"],
        doorsignature="system",
        data=data,
    )
