"""Whoever is no staff and whose personal data somebody sealed: a resident, a payer, a contact. Here he is known by erasure alone."""

from dataclasses import dataclass
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.staff import DataSubjectErased, EraseDataSubject

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class DataSubject:
    """What is remembered of somebody."""

    erased: bool = False


def stream(subject_id: str) -> str:
    """The stream of a data subject."""
    return f"data-subject-{subject_id}"


def key_of(subject_id: str) -> str:
    """The name of the key under which a person's data is sealed."""
    return f"person/{subject_id}"


def erase(request: EraseDataSubject, subject: DataSubject, *, is_staff: bool, is_sealed: bool) -> list[Fact]:
    """Erase somebody who is no staff: the fact first; the key is deleted once it is stored.

    Args:
        request: whom, and why.
        subject: what is remembered of him.
        is_staff: whether the registry knows him as staff.
        is_sealed: whether anything was ever sealed under his key.

    Raises:
        Rejected: he is staff, or nothing was ever sealed for him.
    """
    if subject.erased:
        return []
    if is_staff:
        raise Rejected(f"{request.subject_id} is staff", code="is_staff", field="subject_id", value=request.subject_id,
                       rule="somebody who is no staff", remedy="erase_person erases staff, with every id merged into it")  # fmt: skip
    if not is_sealed:
        raise Rejected(f"nothing was ever sealed for {request.subject_id}", code="unknown_data_subject", field="subject_id",
                       value=request.subject_id, rule="the id under which personal data was recorded, e.g. a resident's",
                       remedy="look the id up in the ticket or the account")  # fmt: skip
    return [DataSubjectErased(subject_id=request.subject_id, why=request.why)]


def evolve(subject: DataSubject, event: Event[Any]) -> DataSubject:
    """The data subject after one more fact."""
    return DataSubject(erased=True) if isinstance(event.data, DataSubjectErased) else subject


DATA_SUBJECT = Noun("data_subject", DataSubject(), evolve)
