"""What re-adjudication found: one field of one fact that does not come out again, and how two values are compared."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from bailiwick_contracts.envelope import Event

Kind = Literal["input", "ruling", "figures", "evidence", "unreadable", "different"]


class Skipped(Exception):  # noqa: N818 - it is an answer, not a fault
    """A decision that is not judged, by reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Finding:
    """One field that does not come out again as it was recorded.

    `kind`: `input`, something a ruling rests on; `ruling`, what was ruled; `figures`, an amount (confidential); `evidence`,
    facts that the ruling names and nobody can read; `unreadable`; `different`, what another matrix would have changed.
    """

    fact_id: str
    field: str
    kind: Kind
    was: Any = None
    would_be: Any = None
    fact_type: str = ""
    clause: str = ""
    property_id: str = ""
    recorded_at: str = ""

    @classmethod
    def about(cls, event: Event[Any], *, field: str, kind: Kind, was: Any = None, would_be: Any = None) -> "Finding":
        """A finding about a readable fact; values as plain JSON."""
        ruling = getattr(event.data, "ruling", None)
        return cls(
            fact_id=event.id,
            field=field,
            kind=kind,
            was=to_jsonable_python(was),
            would_be=to_jsonable_python(would_be),
            fact_type=event.type,
            clause=getattr(event.data, "clause", "") or (ruling.row_id if ruling is not None else ""),
            property_id=event.property_id,
            recorded_at=str(to_jsonable_python(event.recordedat)),
        )

    @property
    def confidential(self) -> bool:
        """Whether its values are amounts from which a wage follows."""
        return self.kind == "figures"


def ruling_compared(event: Event[Any], again: Any) -> Iterator[Finding]:
    """A ruling against the one given again; a difference in what it rests on is one of the input."""
    was = event.data.ruling
    if was == again:
        return
    for finding in compared(event, "ruling", "ruling", was, again):
        about_input = finding.field.startswith(
            ("ruling.asked", "ruling.selected_at", "ruling.matrix_version", "ruling.legal_policy")
        )
        yield replace(finding, kind="input") if about_input else finding


def compared(event: Event[Any], field: str, kind: Kind, was: Any, would_be: Any) -> Iterator[Finding]:
    """Nothing when both are equal; otherwise each leaf that differs, by its path."""
    if was == would_be:
        return
    for path, left, right in _leaves(field, _plain(was), _plain(would_be)):
        yield Finding.about(event, field=path, kind=kind, was=left, would_be=right)


def all_compared(event: Event[Any], fields: Iterable[tuple[str, Kind, Any, Any]]) -> Iterator[Finding]:
    """The same of several fields, each with its kind, what it was and what it would be."""
    for field, kind, was, would_be in fields:
        if was is not would_be and was != would_be:
            yield from compared(event, field, kind, was, would_be)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else to_jsonable_python(value)


def _leaves(path: str, was: Any, would_be: Any) -> Iterator[tuple[str, Any, Any]]:
    if was == would_be:
        return
    if isinstance(was, dict) and isinstance(would_be, dict):
        for name in was | would_be:
            yield from _leaves(f"{path}.{name}", was.get(name), would_be.get(name))
    elif isinstance(was, list) and isinstance(would_be, list) and len(was) == len(would_be):
        for index, (left, right) in enumerate(zip(was, would_be, strict=True)):
            yield from _leaves(f"{path}.{index}", left, right)
    else:
        yield path, was, would_be
