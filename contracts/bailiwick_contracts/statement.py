"""Statements: rows of a bank or payment provider, told apart by content, and the chain of their balances (C16)."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Request, Text
from bailiwick_contracts.money import Amount, Currency
from bailiwick_contracts.part import whole
from bailiwick_contracts.tariff import ShortId

ROWS_PER_REQUEST = 200
Direction = Literal["in", "out", "neutral"]
"""`neutral`: the provider's own accounts exchange something; neither a receipt nor a payment."""
State = Literal["closed", "broken", "unavailable"]
RowKey = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def statement_stream(statement_id: str) -> str:
    """The stream of one statement file."""
    return f"statement-{statement_id}"


class Chain(Record):
    """Whether each balance follows from the one before: `closed`, `broken` at a row, or `unavailable`."""

    state: State
    row: int | None = None
    """Where it breaks, in the file's own numbering."""
    expected: Amount | None = None
    found: Amount | None = None


class StatementRow(Record):
    """One row as it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    row: int
    key: RowKey
    """Of its content, the balance left out."""
    ordinal: Annotated[int, Field(ge=0)]
    """Which one it is among rows of the same content in this file."""
    balance_ordinal: Annotated[int, Field(ge=0)] = 0
    """Which one it is among rows of the same content and balance in this file."""
    on: date
    direction: Direction
    amount: Annotated[Amount, Field(ge=0)]
    balance: Amount | None = None
    counterparty: Label | None = None
    account: Label | None = None
    said: Text | None = None
    """Memo, remark, goods: all that the payer wrote."""


class ImportStatement(Request):
    """Take in a statement file (B3): first what it is and how its balances stand, then its rows."""

    type: Literal["billing.import_statement.v1"] = "billing.import_statement.v1"
    statement_id: ShortId
    """Of the file's bytes, so that the same file is the same statement."""
    profile: Identifier
    file_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    account: Label | None = None
    currency: Currency = "CNY"
    rows: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)] = 0
    credits: Annotated[int, Field(ge=0)]
    debits: Annotated[int, Field(ge=0)]
    credit_total: Amount
    debit_total: Amount
    first_on: date | None = None
    last_on: date | None = None
    chain: Annotated[Chain, whole(Chain)]
    notes: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    """What the file says of itself and is not so, such as a wrong count of rows."""


class StatementImported(Fact):
    """A statement is known and its rows may be taken in."""

    type: Literal["billing.statement_imported.v1"] = "billing.statement_imported.v1"
    statement_id: ShortId
    profile: Identifier
    file_sha256: str
    account: Label | None = None
    currency: Currency
    rows: int
    rejected: int
    credits: int
    debits: int
    credit_total: Amount
    debit_total: Amount
    first_on: date | None = None
    last_on: date | None = None
    chain: Chain
    held: bool
    """The chain is broken: no row is taken in until a person overrides it."""
    notes: tuple[Label, ...] = ()
    ruling: Ruling | None = None


class OverrideStatement(Request):
    """Take a statement whose balance chain is broken all the same (B3)."""

    type: Literal["billing.override_statement.v1"] = "billing.override_statement.v1"
    statement_id: ShortId
    grounds: Identifier


class StatementOverridden(Fact):
    """A person took a statement whose balance chain is broken."""

    type: Literal["billing.statement_overridden.v1"] = "billing.statement_overridden.v1"
    statement_id: ShortId
    chain: Chain
    grounds: Identifier
    ruling: Ruling | None = None


class ImportStatementRows(Request):
    """Take in rows of a statement. Each is answered by `r<row>`: `done`, or `ignored` as one that another statement brought.

    `result`: `matched`, `unapplied` (a total with two decimals) and `duplicates` of these rows.
    """

    type: Literal["billing.import_statement_rows.v1"] = "billing.import_statement_rows.v1"
    statement_id: ShortId
    rows: Annotated[tuple[StatementRow, ...], Field(min_length=1, max_length=ROWS_PER_REQUEST)]


class TakenRow(Record):
    """A row as it was taken in, without a word about who paid."""

    row: int
    key: RowKey
    ordinal: int
    on: date
    direction: Direction
    amount: Amount
    balance: Amount | None = None
    duplicate_of: Identifier | None = None
    """The statement that brought it first."""
    receipt_id: ShortId | None = None


class StatementRowsTaken(Fact):
    """Rows of a statement were taken in; those that another statement brought are named as its duplicates."""

    type: Literal["billing.statement_rows_taken.v1"] = "billing.statement_rows_taken.v1"
    statement_id: ShortId
    rows: tuple[TakenRow, ...]


class PreviewStatementRows(Request):
    """What `ImportStatementRows` would answer, without recording anything: `matched`, `unapplied`, `duplicates`."""

    type: Literal["billing.preview_statement_rows.v1"] = "billing.preview_statement_rows.v1"
    statement_id: ShortId
    rows: Annotated[tuple[StatementRow, ...], Field(min_length=1, max_length=ROWS_PER_REQUEST)]


class GetStatement(Request):
    """A statement with its facts and what became of its rows: `status`, `matched`, `unapplied_total`, `duplicates`."""

    type: Literal["billing.get_statement.v1"] = "billing.get_statement.v1"
    statement_id: ShortId


def row_key(parts: Iterable[str]) -> str:
    """The key of a row's content: its cells, trimmed, without the balance."""
    return hashlib.sha256("\x1f".join(" ".join(part.split()) for part in parts).encode()).hexdigest()[:32]


def is_known(row: StatementRow, known: Sequence[Decimal | None]) -> bool:
    """Whether a row was brought by another statement already.

    `known`: the balances (None where masked or missing) of the rows of the same content that other statements brought.
    Where all of them have a balance, the balances tell the rows apart; otherwise as many rows are known as there are.
    """
    if row.balance is not None and all(one is not None for one in known):
        return row.balance_ordinal < sum(one == row.balance for one in known)
    return row.ordinal < len(known)


def check_chain(
    rows: Sequence[StatementRow], *, opening: Decimal | None = None, closing: Decimal | None = None
) -> Chain:
    """Whether the balances of a statement follow from one another (C16), in the order of the file or against it.

    Rows without a balance between two that have one are summed up. With no balance at all, opening and closing decide
    where both are given; otherwise the chain is unavailable.
    """
    known = [row for row in rows if row.balance is not None]
    if not known and (opening is None or closing is None):
        return Chain(state="unavailable")
    if known and len(known) < 2 and opening is None and closing is None:
        return Chain(state="unavailable" if len(rows) > 1 else "closed")
    tries = [walk(rows, opening, closing), walk(list(reversed(rows)), opening, closing)]
    return min(tries, key=lambda one: one[1])[0]


def _signed(row: StatementRow) -> Decimal:
    return {"in": row.amount, "out": -row.amount, "neutral": Decimal(0)}[row.direction]


def walk(
    rows: Sequence[StatementRow], opening: Decimal | None = None, closing: Decimal | None = None
) -> tuple[Chain, int]:
    """The chain of balances in just this order, broken where it first breaks; and in how many places it breaks."""
    balance, moved, breaks = opening, Decimal(0), 0
    chain = Chain(state="closed")
    for row in rows:
        moved += _signed(row)
        if row.balance is None:
            continue
        if balance is not None and balance + moved != row.balance:
            breaks += 1
            if breaks == 1:
                chain = Chain(state="broken", row=row.row, expected=balance + moved, found=row.balance)
        balance, moved = row.balance, Decimal(0)
    if closing is not None and balance is not None and balance + moved != closing:
        breaks += 1
        if breaks == 1:
            last = rows[-1].row if rows else None
            chain = Chain(state="broken", row=last, expected=balance + moved, found=closing)
    return chain, breaks
