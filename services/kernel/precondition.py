"""What a caller says it knows of the record it changes, held against the log with the writer's lock held."""

from typing import Any

from bailiwick_contracts.envelope import Command, Event, Precondition
from bailiwick_contracts.message import COMPANY, Refusal
from pydantic_core import to_jsonable_python

from services.kernel.decision import Rejected
from services.kernel.service import Unit

SHOWN = 20
"""How many of the facts since the caller looked are named."""
RECORDS = 50
"""A command that touches more records than this is one over many, and no version of one of them speaks for it."""


class Unmet(Rejected):
    """The record is not as the caller said. `as_error` adds `stream`, `sequence` and, where something changed, `since`."""

    def __init__(self, message: str, *, stream: str, sequence: int, since: list[dict[str, Any]], **more: Any) -> None:
        super().__init__(message, **more)
        self.stream, self.sequence, self.since = stream, sequence, since

    def as_error(self) -> dict[str, Any]:
        """The `error` member of an answer."""
        return super().as_error() | {"stream": self.stream, "sequence": self.sequence, "since": self.since}


def before(unit: Unit, command: Command[Any]) -> None:
    """Hold the version that the caller saw against the record. Raises Unmet with what was stored since."""
    said = command.precondition
    if said is None or said.stream is None or said.any_version or unit.is_aside(said.stream):
        return
    _held(said, unit.history(said.stream))


def _held(said: Precondition, facts: list[Event[Any]]) -> None:
    """Raises Unmet where these facts of the record are others than the caller saw."""
    if len(facts) != (said.sequence or 0):
        raise Unmet(
            f"{said.stream} is at version {len(facts)}, not {said.sequence or 0}",
            code="precondition_failed",
            stream=said.stream or "",
            sequence=len(facts),
            since=[_shown(event) for event in facts[said.sequence or 0 :][:SHOWN]],
            field="precondition",
            value=f"{said.stream}.{said.sequence or 0}",
            rule="the version that was read is still the last one",
            remedy="read the record again, decide anew, and send that version",
        )


def after(unit: Unit, command: Command[Any], events: list[Event[Any]], *, bulk: bool) -> None:
    """Hold what a decision stored against what the caller said; raised here, nothing of it is stored.

    Raises:
        Unmet: an existing record is changed and no version of it was given, or another record than the one named.
        Rejected: the record is another property's, which is to the caller as if there were none.
    """
    said = command.precondition
    if said is None or not events:
        return
    first: dict[str, int] = {}
    for event in events:
        first.setdefault(event.subject, event.version)
    refused = all(isinstance(event.data, Refusal) for event in events)
    if said.stream in first and not refused and not said.any_version:
        seen = first[said.stream] - 1
        is_elsewhere = command.property != COMPANY and unit.is_hidden(said.stream)
        if seen != (said.sequence or 0) or is_elsewhere:
            _held(said, unit.history(said.stream)[:seen])
    for stream, version in first.items():
        if version > 1 and command.property != COMPANY and unit.is_hidden(stream):
            raise Rejected("there is no such record here", code="no_such_record", field="property", value=command.property,
                           rule="a record of the property", remedy="name a record of the property")  # fmt: skip
    if len(first) > RECORDS or (bulk and said.stream is None):
        return
    if refused or said.any_version:
        return
    if said.stream is not None and said.stream not in first:
        raise Unmet(
            f"the command changes {', '.join(sorted(first))}, not {said.stream}",
            code="precondition_failed", stream=min(first), sequence=first[min(first)] - 1, since=[],
            field="precondition", value=said.stream,
            rule="If-Match names the record that is changed", remedy="read the record that is changed, and send its version",
        )  # fmt: skip
    if said.stream is None and len(first) == 1:
        ((stream, version),) = first.items()
        if version > 1:
            raise Unmet(
                f"{stream} exists, and the command does not say which version of it was seen",
                code="precondition_required", stream=stream, sequence=version - 1, since=[],
                field="precondition", value="none",
                rule="a change of an existing record names the version it was decided on",
                remedy="read the record, and send its version",
            )  # fmt: skip


def _shown(event: Event[Any]) -> dict[str, Any]:
    fields = {"id", "type", "sequence", "recordedat", "actor"}
    return {name: to_jsonable_python(getattr(event, name)) for name in sorted(fields)}
