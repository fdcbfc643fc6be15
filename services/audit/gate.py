"""The gate before what the ledger holds about people: a role is asked for, and the reading is on record before it is answered."""

import threading
import time
from collections.abc import Callable
from typing import Any

from bailiwick_contracts.consultation import RecordConsultation
from bailiwick_contracts.envelope import Command

from services.audit import consultation
from services.kernel.decision import Rejected
from services.kernel.service import QueryHandler, Reading

ONE_READING_SECONDS = 600
"""Pages of the same question by the same reader within ten minutes are one reading."""
Record = Callable[[RecordConsultation], None]
"""Puts a reading on record and returns once it is; raises what went wrong."""


class Gate:
    """Lets auditors and the operator through, and nobody whose reading could not be put on record."""

    def __init__(self, record: Record | None = None) -> None:
        """`record` is given once the service runs."""
        self.record = record
        self._recent: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def before(
        self, handler: QueryHandler, about: Callable[[Any], str], query: Callable[[Any], str] | None = None
    ) -> QueryHandler:
        """The handler behind the gate; `about` names what a request asks about, `query` what is read where it is another.

        Raises:
            Rejected: `not_an_auditor` (which is on record then), or `not_on_record` when it could not be put there.
        """

        def on_query(reading: Reading, command: Command[Any]) -> Any:
            present = reading.present
            auditor = present.state(consultation.NOUN, consultation.stream(command.actor))
            operates = command.authmethod in ("local", "system")
            role = consultation.role_of(command.actor, auditor, on=present.now.date(), operates=operates)
            self._note(
                RecordConsultation(
                    reader_id=command.actor,
                    query=command.commandtype if query is None else query(command.data),
                    about=about(command.data)[:128],
                    role=role,  # type: ignore[arg-type]
                )
            )
            if role is None:
                raise Rejected("only an appointed auditor may read this; that it was asked for is on record", code="not_an_auditor",
                               field="actor", value=command.actor, rule="the role of auditor, and not past its last day",
                               remedy="have the operator appoint: bailiwick audit appoint")  # fmt: skip
            return handler(reading, command)

        return on_query

    def _note(self, asked: RecordConsultation) -> None:
        key = (asked.reader_id, asked.query, asked.about)
        with self._lock:
            recent = self._recent.get(key)
            if recent is not None and time.monotonic() - recent < ONE_READING_SECONDS:
                return
        if self.record is None:
            raise Rejected("the service does not run yet, so a reading cannot be put on record", code="not_on_record",
                           field="commandtype", value=asked.query, rule="what is read is on record first",
                           remedy="ask again in a second")  # fmt: skip
        self.record(asked)
        with self._lock:
            if len(self._recent) > 10_000:
                self._recent.clear()
            self._recent[key] = time.monotonic()
