"""Fire what is due at an instant, as the loop of a running service would, with a clock that stands still meanwhile."""

from datetime import datetime

from bailiwick_contracts.envelope import Answer

from services.kernel.due import due_until
from services.kernel.store import Store
from services.kernel.writer import Writer

ROUNDS = 1_000


def fire_due(writer: Writer, store: Store, at: datetime) -> list[Answer]:
    """Turn everything due until `at` into commands, the longest due first, and what they set due until then as well.

    The writer's clock reads `at` meanwhile: `unit.now` in the handlers. Answers what was decided, in that order; a command
    says `ignored` where its handler appended nothing. A handler that fails is tried once here, its answer has the reason.
    """
    clock, writer._clock = writer._clock, lambda: at
    answers: list[Answer] = []
    try:
        for _ in range(ROUNDS):
            with store.reading() as connection:
                due = due_until(connection, at, 500)
            if not due:
                return answers
            for result in writer.process(due):
                if isinstance(result, Exception):
                    raise result
                if result is not None:
                    answers.append(result)
    finally:
        writer._clock = clock
    raise AssertionError(f"after {ROUNDS} rounds something is still due at {at.isoformat()}: a timer sets itself anew")
