"""One row of a statement's table, read by its profile: a movement, or what is wrong with it; or no row at all."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bailiwick_contracts.statement import Direction

from services.billing.profile import Profile, normal
from services.billing.sheet import Line, day_and_time, is_nothing, joined, money
from services.table import BadRow

_ZERO = Decimal(0)
_TOTALS = ("合计", "合計", "總計", "总计", "小计", "小計", "total", "笔数", "筆數")
_DATED = re.compile(r"^\D{0,2}(\d{8}|\d{1,4}\s*[-/.年]\s*\d)")
_CURRENCIES = {"人民币": "CNY", "人民幣": "CNY", "人民币元": "CNY", "rmb": "CNY", "156": "CNY", "港币": "HKD", "港幣": "HKD",
               "美元": "USD", "美金": "USD", "澳门元": "MOP"}  # fmt: skip


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


class Reader:
    """Reads the rows of one table by a profile."""

    def __init__(self, profile: Profile, header: Sequence[str]) -> None:
        """For a table with this header."""
        self._profile = profile
        self._at: dict[str, int] = {}
        for index, cell in enumerate(header):
            self._at.setdefault(normal(cell), index)
        self._header = [normal(cell) for cell in header]
        self.currency: str | None = None
        self._debit_signed = False

    def look_over(self, lines: Iterable[Line]) -> None:
        """See how the table writes what went out: where every amount of that column has a minus, the minus says nothing more."""
        found = [self._debit(line) for line in lines]
        self._debit_signed = any(found) and all(value <= 0 for value in found if value is not None)

    def _debit(self, line: Line) -> Decimal | None:
        try:
            return money(self.cell(line, self._profile.debit), self._profile.decimal)
        except ValueError:
            return None

    def is_header(self, line: Line) -> bool:
        """Whether a row is the header once more."""
        return [normal(cell) for cell in line.cells] == self._header

    def is_totals(self, line: Line) -> bool:
        """Whether a row sums others up."""
        begins = normal(next((cell for cell in line.cells if cell), ""))
        if any(begins.startswith(normal(one)) for one in self._profile.footer):
            return True
        return any(one in begins for one in _TOTALS) and not self._is_dated(line)

    def is_prose(self, line: Line) -> bool:
        """Whether a line says something about the table: no date, no amount, few cells."""
        amounts = (*self._profile.amount, *self._profile.credit, *self._profile.debit)
        filled = sum(1 for cell in line.cells if cell)
        return (
            not self._is_dated(line) and not any(self.every(line, amounts)) and filled <= max(2, len(self._header) // 4)
        )

    def _is_dated(self, line: Line) -> bool:
        return any(_DATED.match(cell) for cell in self.every(line, self._profile.date))

    def cell(self, line: Line, columns: Sequence[str]) -> str:
        """The first of these columns that says something."""
        for column in columns:
            index = self._at.get(normal(column))
            if index is not None and index < len(line.cells) and not is_nothing(line.cells[index]):
                return line.cells[index]
        return ""

    def every(self, line: Line, columns: Sequence[str]) -> list[str]:
        """What each of these columns says."""
        return [self.cell(line, (column,)) for column in columns]

    def entry(self, line: Line) -> Entry | BadRow:
        """One row, or what is wrong with it."""
        profile = self._profile
        written = self.cell(line, profile.date)
        try:
            on, time = day_and_time(written, day_first=profile.day_first)
        except ValueError:
            return BadRow(line.number, profile.date[0], written[:80], "a date such as 2026-03-02",
                          "correct the date; where days come first, say day_first = true in a profile")  # fmt: skip
        odd = self._odd_word(line)
        if odd is not None:
            return odd
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
            is_void = _begins(status, profile.void.values)
        else:
            is_void = False
        if profile.amount:
            value = money(self.cell(line, profile.amount), profile.decimal)
        else:
            came, went = (money(self.cell(line, one), profile.decimal) for one in (profile.credit, profile.debit))
            if came and went:
                raise ValueError("an amount in one of the two columns, not in both")
            went = abs(went) if went is not None and self._debit_signed else went
            value = None if came is None and went is None else (came or _ZERO) - (went or _ZERO)
        if value is None:
            raise ValueError("an amount")
        if is_void:
            return "neutral", abs(value)
        if profile.direction is not None:
            return self._by_column(line, value)
        value = -value if profile.inverted else value
        return ("in" if value > 0 else "out" if value < 0 else "neutral"), abs(value)

    def _odd_word(self, line: Line) -> BadRow | None:
        named = self._profile.direction
        if named is None or not named.neutral:
            return None
        said, known = self.cell(line, named.column), (*named.credit, *named.debit, *named.neutral)
        if not said or _begins(said, known):
            return None
        return BadRow(
            line.number,
            named.column[0],
            said[:80],
            f"one of {', '.join(known)}"[:120],
            "correct which way the money went",
        )

    def _by_column(self, line: Line, value: Decimal) -> tuple[Direction, Decimal]:
        named = self._profile.direction
        assert named is not None  # noqa: S101 - the caller looked
        said = self.cell(line, named.column)
        if _begins(said, named.debit):
            return "out", abs(value)
        if _begins(said, named.credit):
            return ("in" if value >= 0 else "out"), abs(value)
        return "neutral", abs(value)

    def _balance(self, line: Line) -> Decimal | None:
        try:
            return money(self.cell(line, self._profile.balance), self._profile.decimal)
        except ValueError:
            return None


def _begins(said: str, words: Sequence[str]) -> bool:
    flat = normal(said)
    return any(flat.startswith(normal(word)) for word in words)
