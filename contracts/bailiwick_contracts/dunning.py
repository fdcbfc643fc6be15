"""Dunning: arrears notices by stages that are data, never to a unit in dispute; letters are printed from the facts (D8)."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Request, Text
from bailiwick_contracts.money import Amount, Currency
from bailiwick_contracts.tariff import ShortId, Standing, UnitId

NOTICES_LIMIT = 200
"""Notices of one request."""


def batch_stream(batch_id: str) -> str:
    """The stream of one batch of notices."""
    return f"notices-{batch_id}"


class IssueNotices(Request):
    """Send a notice (B6) to each unit whose oldest debt has reached a stage that it got no notice of.

    `result`: `sent`, `in_dispute` and `remaining`, how many are left for another request of the same batch.
    """

    type: Literal["billing.issue_notices.v1"] = "billing.issue_notices.v1"
    batch_id: ShortId
    as_of: date
    """Today at the property, or earlier."""


class ArrearsNoticeSent(Fact):
    """A unit was told what it owes, at a stage of the terms."""

    type: Literal["billing.arrears_notice_sent.v1"] = "billing.arrears_notice_sent.v1"
    notice_id: Identifier
    batch_id: ShortId
    unit_id: UnitId
    label: Label
    stage: int
    terms_version: Identifier
    title: Label
    body: Text
    as_of: date
    oldest_due_on: date
    overdue_days: int
    total: Amount
    currency: Currency
    charges: tuple[Standing, ...]
    """The overdue ones, oldest first; at most 60 are named."""
    ruling: Ruling | None = None


class RecordPrinting(Request):
    """Say that the letters of a batch were made: the file's hash, and the hash of the fonts it was set in (B6)."""

    type: Literal["billing.record_printing.v1"] = "billing.record_printing.v1"
    batch_id: ShortId
    letters: Annotated[int, Field(ge=0)]
    pdf_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    fonts_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NoticesPrinted(Fact):
    """The letters of a batch, as one PDF that can be made again to the byte with the same fonts."""

    type: Literal["billing.notices_printed.v1"] = "billing.notices_printed.v1"
    batch_id: ShortId
    letters: int
    pdf_sha256: str
    fonts_sha256: str
    ruling: Ruling | None = None


class ListNotices(Request):
    """Arrears notices of a batch or unit by id, in pages, each as it was sent."""

    type: Literal["billing.list_notices.v1"] = "billing.list_notices.v1"
    batch_id: ShortId | None = None
    unit_id: UnitId | None = None
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 100
