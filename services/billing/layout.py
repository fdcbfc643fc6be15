"""A statement file read by its profile: every row, or why it is not taken; counts, totals and the chain of balances."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.statement import Chain, Direction, StatementRow, check_chain, row_key
from pydantic import ValidationError

from services.billing.profile import Profile, normal
from services.billing.sheet import (
    DELIMITERS,
    FileError,
    Line,
    day_and_time,
    decode,
    is_nothing,
    joined,
    money,
    rows_of,
    workbook_rows,
)
from services.table import BadRow

_SEARCHED = 400
_ZERO = Decimal(0)
_TOTALS = ("合计", "總計", "总计", "小计", "小計", "total", "人民币合计", "合计金额")
_CURRENCIES = {"人民币": "CNY", "人民幣": "CNY", "rmb": "CNY", "156": "CNY", "港币": "HKD", "港幣": "HKD", "美元": "USD",
               "美金": "USD", "澳门元": "MOP"}  # fmt: skip
_UNPRINTABLE = re.compile(r"[\x00-\x1f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Entry:
    """A row before it is told apart from its equals."""

    row: int
    on: date
    direction: Direction
    amount: Decimal
    content: tuple[str, ...]
    """What it is told apart by, the balance left out."""
    balance: Decimal | None = None
    counterparty: str = ""
    account: str = ""
    said: str = ""


@dataclass(frozen=True)
class ReadStatement:
    """A statement as read: what a command line prints and what is asked of billing."""

    profile: str
    rows: tuple[StatementRow, ...]
    bad: tuple[BadRow, ...]
    chain: Chain
    currency: str = "CNY"
    notes: tuple[str, ...] = field(default=())

    def of(self, direction: Direction) -> tuple[int, Decimal]:
        """How many rows of a direction, and their total."""
        found = [row.amount for row in self.rows if row.direction == direction]
        return len(found), sum(found, _ZERO)


def numbered(entries: Sequence[Entry], scope: str) -> tuple[StatementRow, ...]:
    """Rows with their keys and their ordinals among equals."""
    seen: dict[tuple[Any, ...], int] = {}
    made = []
    for one in entries:
        key = row_key((scope, one.on.isoformat(), one.direction, f"{one.amount:.2f}", *one.content))
        ordinal, with_balance = seen.get((key,), 0), seen.get((key, one.balance), 0)
        seen[(key,)], seen[key, one.balance] = ordinal + 1, with_balance + 1
        made.append(
            StatementRow.model_validate(
                {"row": one.row, "key": key, "ordinal": ordinal, "balance_ordinal": with_balance, "on": one.on,
                 "direction": one.direction, "amount": one.amount, "balance": one.balance,
                 "counterparty": _shown(one.counterparty, 128), "account": _shown(one.account, 128),
                 "said": _shown(one.said, 500)}
            )
        )  # fmt: skip
    return tuple(made)


def _shown(text: str, most: int) -> str | None:
    return _UNPRINTABLE.sub(" ", text).strip()[:most] or None


def table_of(content: bytes, profiles: Mapping[str, Profile]) -> tuple[Profile, list[Line], int]:
    """The profile that fits a file, its rows, and where its header stands; the profile with the most telling columns wins.

    Raises:
        FileError: none fits; the message names the columns that each would need.
    """
    readings: list[list[Line]] = []
    if content.startswith(b"PK\x03\x04"):
        readings.append(list(workbook_rows(content)))
    elif content.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileError("this is an old XLS workbook; open it and save it as XLSX or CSV")
    else:
        text = decode(content)
        readings += [list(rows_of(text, delimiter)) for delimiter in DELIMITERS if delimiter in text]
    best: tuple[int, Profile, list[Line], int] | None = None
    for lines in readings:
        for index, line in enumerate(lines[:_SEARCHED]):
            names = {normal(cell) for cell in line.cells}
            for profile in profiles.values():
                wanted = {normal(column) for column in profile.header}
                if wanted <= names and (best is None or len(wanted) > best[0]):
                    best = (len(wanted), profile, lines, index)
    if best is None:
        needed = "; ".join(f"{one.id}: {', '.join(one.header)}" for one in profiles.values())
        raise FileError(f"no line of the file has the columns of a profile ({needed[:900]})")
    return best[1], best[2], best[3]


class _Reader:
    def __init__(self, profile: Profile, header: Sequence[str]) -> None:
        self._profile = profile
        self._at: dict[str, int] = {}
        for index, cell in enumerate(header):
            self._at.setdefault(normal(cell), index)
        self._header = [normal(cell) for cell in header]
        self.currency: str | None = None

    def is_header(self, line: Line) -> bool:
        return [normal(cell) for cell in line.cells] == self._header

    def cell(self, line: Line, columns: Sequence[str]) -> str:
        for column in columns:
            index = self._at.get(normal(column))
            if index is not None and index < len(line.cells) and not is_nothing(line.cells[index]):
                return line.cells[index]
        return ""

    def every(self, line: Line, columns: Sequence[str]) -> list[str]:
        return [self.cell(line, (column,)) for column in columns]

    def entry(self, line: Line) -> Entry | BadRow:
        """One row, or what is wrong with it."""
        profile = self._profile
        written = self.cell(line, profile.date)
        try:
            on, time = day_and_time(written, day_first=profile.day_first)
        except ValueError:
            return BadRow(line.number, profile.date[0], written[:80], "a date such as 2026-03-02", "correct the date")
        try:
            direction, amount = self._moved(line)
        except ValueError as error:
            amounts = self.every(line, (*profile.amount, *profile.credit, *profile.debit))
            shown = " / ".join(one for one in amounts if one)
            return BadRow(
                line.number, (profile.amount or profile.credit)[0], shown[:80], str(error), "correct the amount"
            )
        code = self.cell(line, profile.currency)
        currency = _CURRENCIES.get(code.casefold(), code.upper()[:3] if code else "")
        if currency and self.currency is None:
            self.currency = currency
        if currency and currency != self.currency:
            return BadRow(line.number, profile.currency[0], code, f"one currency a statement, here {self.currency}",
                          "import the rows of the other currency as a file of their own")  # fmt: skip
        clock = re.sub(r"\D", "", self.cell(line, profile.time)) or time
        counterparty, account = self.cell(line, profile.counterparty), self.cell(line, profile.account)
        said, reference = joined(self.every(line, profile.said)), joined(self.every(line, profile.reference))
        return Entry(
            row=line.number, on=on, direction=direction, amount=amount, balance=self._balance(line),
            counterparty=counterparty, account=account, said=said, content=(clock, counterparty, account, said, reference),
        )  # fmt: skip

    def _moved(self, line: Line) -> tuple[Direction, Decimal]:
        profile = self._profile
        if profile.void is not None:
            status = self.cell(line, profile.void.column)
            is_void = any(status.startswith(value) for value in profile.void.values)
        else:
            is_void = False
        if profile.amount:
            value = money(self.cell(line, profile.amount), profile.decimal)
        else:
            came, went = (money(self.cell(line, one), profile.decimal) for one in (profile.credit, profile.debit))
            if came and went:
                raise ValueError("an amount in one of the two columns, not in both")
            value = None if came is None and went is None else (came or _ZERO) - (went or _ZERO)
        if value is None:
            raise ValueError("an amount")
        if is_void:
            return "neutral", abs(value)
        if profile.direction is not None:
            return self._by_column(line, value)
        value = -value if profile.inverted else value
        return ("in" if value > 0 else "out" if value < 0 else "neutral"), abs(value)

    def _by_column(self, line: Line, value: Decimal) -> tuple[Direction, Decimal]:
        named = self._profile.direction
        assert named is not None  # noqa: S101 - the caller looked
        said = self.cell(line, named.column)
        if any(said.startswith(one) for one in named.debit):
            return "out", abs(value)
        if any(said.startswith(one) for one in named.credit):
            return ("in" if value >= 0 else "out"), abs(value)
        return "neutral", abs(value)

    def _balance(self, line: Line) -> Decimal | None:
        try:
            return money(self.cell(line, self._profile.balance), self._profile.decimal)
        except ValueError:
            return None


def _is_totals(line: Line, profile: Profile) -> bool:
    first = next((cell for cell in line.cells if cell), "")
    begins = normal(first)
    return any(begins.startswith(normal(one)) for one in (*profile.footer, *_TOTALS))


def read_table_statement(content: bytes, profiles: Mapping[str, Profile]) -> ReadStatement:
    """Read a statement of rows and columns.

    Args:
        content: the file.
        profiles: the profile to read it by, or all of them to find the one that fits.

    Raises:
        FileError: it cannot be read, or no profile fits.
    """
    profile, lines, at = table_of(content, profiles)
    reader = _Reader(profile, lines[at].cells)
    entries: list[Entry] = []
    bad: list[BadRow] = []
    for line in lines[at + 1 :]:
        filled = [cell for cell in line.cells if cell]
        if not filled or reader.is_header(line):
            continue
        if re.match(r"^[-=*#]{4,}", filled[0]) and len(filled) < 3:
            break
        if _is_totals(line, profile):
            continue
        made = reader.entry(line)
        if isinstance(made, Entry):
            entries.append(made)
        elif len(filled) > 1 or any(character.isdigit() for character in filled[0]):
            bad.append(made)
    try:
        rows = numbered(entries, profile.id)
    except ValidationError as error:
        raise FileError(f"a row cannot be taken: {error.errors(include_url=False)[0]['msg']}") from None
    notes = _count_note(profile, lines[:at], len(rows) + len(bad))
    return ReadStatement(profile.id, rows, tuple(bad), chain_of(rows), reader.currency or "CNY", notes)


def _count_note(profile: Profile, head: Sequence[Line], found: int) -> tuple[str, ...]:
    if profile.count is None:
        return ()
    for line in head:
        said = re.search(profile.count, " ".join(line.cells))
        if said is not None and int(said.group(1)) != found:
            return (f"the file says {said.group(1)} rows and has {found}",)
    return ()


def chain_of(rows: Sequence[StatementRow], opening: Decimal | None = None, closing: Decimal | None = None) -> Chain:
    """The chain of balances, in whichever order the file lists its rows: as they stand, or each day's turned round."""
    turned = list(rows)
    turned.reverse()
    orders = (list(rows), sorted(rows, key=lambda one: one.on), sorted(turned, key=lambda one: one.on))
    found = [check_chain(order, opening=opening, closing=closing) for order in orders]
    return next((one for one in found if one.state != "broken"), found[0])
