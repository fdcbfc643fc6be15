"""Files as banks write them: bytes in, numbered rows of cells out, whatever the encoding; and what a cell means."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser
from typing import NamedTuple

from services.table import WorkbookError, chinese_encoding, number_of, sheets_of

DELIMITERS = (",", "\t", ";", "|")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_NOTHING = re.compile(r"^[-—–/\\*_=.\s]*$")
_MONEY = re.compile(r"^(\d+|\d{1,3}(,\d{3})+|\d{1,4}(,\d{4})+)(\.\d+)?$")
"""Separated by thousands or by ten thousands: 12,50 is neither, and no 1250."""
_SWAPPED = str.maketrans(",.", ".,")
_NOTE = re.compile(r"[(（][^)）]*[^\d.,)）\s][^)）]*[)）]")
_UNITS = re.compile(r"(?i)cny|rmb|hkd|usd|人民币|人民幣|[¥￥$€元圆整]")
_LONGEST_CELL = 100_000
_SOUND = 20
"""So many characters beyond ASCII for each that is damaged, and a text still counts as of its encoding."""


class Line(NamedTuple):
    """A row of a file, with the number of its line, or of its row in a workbook."""

    number: int
    cells: list[str]


class FileError(ValueError):
    """A file cannot be read at all; the message says why and what to do."""


def decode(content: bytes) -> str:
    """The text of a file: UTF-8 with or without a BOM, UTF-16, GB18030, of which GBK and GB2312 are parts, or Big5.

    Raises:
        FileError: it is none of these.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content[len(bom) :].decode(encoding, "strict")
    if b"\0" in content[:4096]:
        even, odd = content[:4096:2].count(0), content[1:4096:2].count(0)
        return content.decode("utf-16-be" if even > odd else "utf-16-le")
    for encoding in ("utf-8", chinese_encoding(content)):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            mended = content.decode(encoding, "replace")
            lost = mended.count("\ufffd")
            if lost * _SOUND < sum(not one.isascii() for one in mended):
                return mended
    raise FileError("the file is neither UTF-8, UTF-16, GB18030 nor Big5; save it again as CSV in UTF-8")


def rows_of(text: str, delimiter: str) -> Iterator[Line]:
    """The rows of a text, each with the number of the line it ends on.

    A quoted cell may hold line breaks. A quotation mark that nobody closed swallows no row: a line that is as wide as the
    widest stands for itself.
    """
    lines = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    alone = [_cells(line, delimiter) if line.count('"') % 2 == 0 else None for line in lines]
    width = max((len(cells) for cells in alone if cells is not None), default=0)
    index = 0
    while index < len(lines):
        cells = alone[index]
        if cells is None:
            end = next((at for at in range(index + 1, len(lines)) if lines[at].count('"') % 2), None)
            inside = lines[index + 1 : end + 1] if end is not None else []
            if end is not None and all(_width(line, delimiter) < width for line in inside):
                cells, index = _cells("\n".join(lines[index : end + 1]), delimiter), end
            else:
                cells = lines[index].replace('"', "").split(delimiter)
        index += 1
        yield Line(index, [clean(cell) for cell in cells])


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        return [f"unreadable: {error}"]
    # The library's own limit is one for the whole process, the door's too.
    return cells if max(map(len, cells), default=0) <= _LONGEST_CELL else ["unreadable: a cell is too long"]


def _width(line: str, delimiter: str) -> int:
    return line.count(delimiter) + 1


def html_rows(text: str) -> Iterator[Line]:
    """The rows of the tables of an HTML page or an XML spreadsheet, as which banks save what they call XLS."""
    reader = _Tables()
    reader.feed(text)
    reader.close()
    for number, cells in enumerate(reader.rows, start=1):
        yield Line(number, [clean(cell) for cell in cells])


_ROWS, _CELLS, _WIDEST = ("tr", "row"), ("td", "th", "cell"), 500


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ROWS:
            self.rows.append([])
        elif tag in _CELLS:
            self._close()
            self._cell = []
            index = dict(attrs).get("ss:index") or ""
            if self.rows and index.isdigit() and int(index) <= _WIDEST:
                self.rows[-1] += [""] * (int(index) - 1 - len(self.rows[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag in (*_CELLS, *_ROWS):
            self._close()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _close(self) -> None:
        if self._cell is not None and self.rows:
            self.rows[-1].append(" ".join("".join(self._cell).split()))
        self._cell = None


def workbook_sheets(content: bytes) -> Iterator[list[Line]]:
    """The rows of each sheet of an XLSX workbook.

    Raises:
        FileError: it is no workbook.
    """
    try:
        for rows in sheets_of(content):
            yield [Line(number, [_cell(value) for value in row]) for number, row in enumerate(rows, start=1)]
    except WorkbookError as error:
        raise FileError(f"the workbook cannot be opened ({error}); save it again as XLSX or CSV") from None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds") if value.time() != value.min.time() else f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return number_of(value)
    return clean(str(value))


def clean(cell: str) -> str:
    """A cell without padding, byte-order marks and the `="…"` by which a spreadsheet is kept from counting."""
    cell = cell.replace("\ufeff", "").replace("\u00a0", " ").replace("\u3000", " ").strip()
    if cell.startswith('="') and cell.endswith('"'):
        cell = cell[2:-1].strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        cell = cell[1:-1].strip()
    return cell.strip("'`").strip() if cell[:1] in "'`" else cell


def is_nothing(cell: str) -> bool:
    """Whether a cell says that there is nothing: empty, dashes, a slash."""
    return _NOTHING.match(cell) is not None


def money(cell: str, decimal: str = ".") -> Decimal | None:
    """An amount as written: signs, currency marks, thousands separators and notes in brackets; None where there is none.

    Raises:
        ValueError: it is no amount of at most two decimals.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    if is_nothing(text):
        return None
    text = _UNITS.sub("", _NOTE.sub("", text)).replace(" ", "").replace("'", "").replace("−", "-").replace("–", "-")
    sign = 1
    if text.startswith("(") and text.endswith(")"):
        sign, text = -1, text[1:-1]
    if text.endswith("-"):
        sign, text = -sign, text[:-1]
    if text[:1] in "+-":
        sign, text = (-sign if text[0] == "-" else sign), text[1:]
    if decimal == ",":
        text = text.translate(_SWAPPED)
    if not _MONEY.match(text):
        raise ValueError("no amount")
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise ValueError("no amount") from None
    if value != value.quantize(Decimal("0.01")) or value >= Decimal(10) ** 15:
        raise ValueError("more than two decimals, or more than 15 digits")
    return sign * value.quantize(Decimal("0.01"))


_DATES = (
    re.compile(r"^(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?(?:[T\s]+(?P<t>.*))?$"),
    re.compile(r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:[T\s]*(?P<t>\d{2}:?\d{2}.*|))?$"),
)
_SERIAL = re.compile(r"^[3-7]\d{4}(\.\d+)?$")
"""Days since 1899-12-30, as a spreadsheet holds a date whose cell it does not show as one."""
_DAY_FIRST = re.compile(r"^(?P<d>\d{1,2})[-/.](?P<m>\d{1,2})[-/.](?P<y>\d{4})(?:[T\s]+(?P<t>.*))?$")


def day_and_time(cell: str, *, day_first: bool = False) -> tuple[date, str]:
    """A date as written, with the time of day behind it as digits, if any.

    Raises:
        ValueError: it is no date.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    for pattern in (_DAY_FIRST, *_DATES) if day_first else _DATES:
        found = pattern.match(text)
        if found is not None:
            time = re.sub(r"\D", "", found["t"] or "")[:6]
            return date(int(found["y"]), int(found["m"]), int(found["d"])), time
    if _SERIAL.match(text):
        day, seconds = divmod(round(Decimal(text) * 86_400), 86_400)
        clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        return date(1899, 12, 30) + timedelta(days=day), clock if seconds else ""
    raise ValueError("no date")


def joined(cells: Sequence[str]) -> str:
    """Cells that say something, as one text of at most 500 characters."""
    said = dict.fromkeys(cell for cell in cells if not is_nothing(cell))
    return " ".join(said)[:500]
