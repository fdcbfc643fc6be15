"""Tables as other systems write them: bytes in, named cells out, each bad row with its number and what is wrong with it.

A file is UTF-8, with or without a BOM, UTF-16 with one, GB18030, or Big5; or an XLSX workbook, of which the first sheet is read.
Its columns are found by name and separated by comma, semicolon, tab or bar. What a spreadsheet would run as a formula is
never taken, and a quote that is never closed costs its own row alone.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from zipfile import ZipFile

_DELIMITERS = (",", ";", "\t", "|")
_FORMULA = ("=", "+", "-", "@")
_CELL_LIMIT = 128
_SHOWN = 80
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_WORKBOOK = b"PK\x03\x04"
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_LOOKED_AT = 256 * 1024
_LINES_OF_A_ROW = 30
"""A row whose quoted cells hold line breaks goes on for so many lines at most."""


_UNPACKED_BYTES, _CELLS = 256 * 1024 * 1024, 10_000_000
"""A workbook of a few kilobytes may unpack to more than this machine holds."""
_NOT_CLOSED = "\x00not closed"


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be taken, or row 1 where it is the whole file: field, value, the rule and the way out."""

    row: int
    field: str
    value: str
    rule: str
    remedy: str


@dataclass(frozen=True)
class Line:
    """The cells of a row by column, with its number in the file; the header is row 1."""

    number: int
    cells: Mapping[str, str]


class WorkbookError(ValueError):
    """A workbook cannot be read; the message says why."""


def read_table(content: bytes, columns: Sequence[str]) -> tuple[list[Line], list[BadRow]]:
    """The rows of a file that has these columns, and those that cannot be taken."""
    text = _text(content)
    if text is None:
        return [], [BadRow(1, "file", "", "a workbook that opens, or text", "save the file as XLSX or CSV once more")]
    header = next(iter(io.StringIO(text, newline="")), "").rstrip("\r\n")
    delimiter = next((one for one in _DELIMITERS if set(columns) <= set(_names(header, one))), None)
    if delimiter is None:
        return [], list(_missing(header, columns))
    names = _names(header, delimiter)
    twice = [name for name, times in Counter(names).items() if times > 1 and name in columns]
    if twice:
        return [], [BadRow(1, twice[0], shown(header), "each column once", "take the other one out, or rename it")]
    lines: list[Line] = []
    bad: list[BadRow] = []
    for number, cells in _rows(text, delimiter, len(names)):
        if not any(cell.strip() for cell in cells):
            continue
        wrong = _wrong(number, names, cells, columns)
        if wrong is not None:
            bad.append(wrong)
        else:
            lines.append(Line(number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}))
    return lines, bad


def header_of(content: bytes) -> set[str]:
    """The names in a file's first line, by whichever separator finds most."""
    first = next(iter(io.StringIO(_text(content) or "", newline="")), "").rstrip("\r\n")
    found: set[str] = set()
    for one in _DELIMITERS:
        names = set(_names(first, one))
        found = names if len(names) > len(found) else found
    return found


def _text(content: bytes) -> str | None:
    """What a file says, whatever it is; None for a workbook that does not open."""
    if content.startswith(_WORKBOOK):
        return _of_workbook(content)
    if content.startswith(_UTF_16):
        return content.decode("utf-16", "replace")
    return content.removeprefix(_BOM).decode(_encoding(content), "surrogateescape")


def _of_workbook(content: bytes) -> str | None:
    """The first sheet of a workbook as comma-separated text; formulas stay formulas, and are turned down as such."""
    try:
        first = next(sheets_of(content, formulas=True), ())
    except WorkbookError:
        return None
    made = io.StringIO()
    cells = [[_of_cell(value) for value in row] for row in first]
    # A row ends in a workbook with its last cell that says something; the header says how many there are.
    width = next((len(names) for names in cells), 0)
    csv.writer(made, lineterminator="\n").writerows((row + [""] * width)[:width] for row in cells)
    return made.getvalue()


def sheets_of(content: bytes, *, formulas: bool = False) -> Iterator[Sequence[tuple[object, ...]]]:
    """The rows of each sheet of an XLSX workbook. `formulas`: as they stand, not what a spreadsheet last made of them.

    Raises:
        WorkbookError: it is none, is damaged, or holds more than a table that an office keeps.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - slow to load, and most files are no workbooks

    try:
        with ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > _UNPACKED_BYTES:
                raise WorkbookError(f"unpacked it has more than {_UNPACKED_BYTES >> 20} MiB")
        for sheet in load_workbook(io.BytesIO(content), read_only=True, data_only=not formulas).worksheets:
            # How large a sheet says it is, some programs write without looking.
            sheet.reset_dimensions()
            rows, cells = [], 0
            for row in sheet.iter_rows(values_only=True):
                rows.append(row)
                cells += len(row)
                if cells > _CELLS:
                    raise WorkbookError(f"a sheet of it has more than {_CELLS} cells")
            yield rows
    except WorkbookError:
        raise
    except Exception as error:  # noqa: BLE001 - the library fails at what is damaged with whatever it runs into
        raise WorkbookError(str(error) or type(error).__name__) from None


def _of_cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds") if value.time() != time.min else f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return number_of(value)
    return "" if value is None else str(value).replace("\n", " ")


def number_of(value: float) -> str:
    """A number as a spreadsheet shows it: in fifteen digits, so that a sum of 0.1 and 0.2 is 0.3, and without an exponent."""
    return format(Decimal(f"{value:.15g}"), "f")


def _encoding(content: bytes) -> str:
    """UTF-8 where it is, or where a line beyond ASCII is; else GB18030 or Big5 where that fits; else UTF-8 with bad rows."""
    lines = [line for line in content.removeprefix(_BOM).split(b"\n") if not line.isascii()]
    if content.startswith(_BOM) or any(_decodes(line, "utf-8") for line in lines) or not lines:
        return "utf-8"
    chinese = chinese_encoding(content)
    return chinese if all(_decodes(line, chinese) for line in lines) else "utf-8"


def chinese_encoding(content: bytes) -> str:
    """What a file is that is no Unicode: GB18030, or Big5 as Windows has it, or where that does not fit as Hong Kong has it.

    Most bytes of the one are characters of the other too. The common characters tell them apart: those of GB2312's first level and
    those of Big5's first level each lie together, and what is common in the one lies half outside that of the other.
    """
    pairs = _PAIR.findall(content[:_LOOKED_AT])
    simplified = sum(0xB0 <= lead <= 0xD7 and trail >= 0xA1 for lead, trail in pairs)
    traditional = sum(0xA4 <= lead <= 0xC6 and (trail <= 0x7E or trail >= 0xA1) for lead, trail in pairs)
    if traditional <= simplified:
        return "gb18030"
    return "cp950" if _decodes(content, "cp950") else "big5hkscs"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _names(header: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([header.rstrip("\r")], delimiter=delimiter), [])]


def _missing(header: str, columns: Sequence[str]) -> Iterator[BadRow]:
    best = max(_DELIMITERS, key=lambda one: len(set(columns) & set(_names(header, one))))
    known = _names(header, best)
    rule = f"the columns {', '.join(columns)}, separated by comma, semicolon, tab or bar"
    for column in columns:
        if column not in known:
            yield BadRow(
                1, column, shown(header), rule, f"add the column {column}, or say in a mapping how it is named"
            )


def _rows(text: str, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    lines = list(io.StringIO(text, newline=""))
    index = 1
    while index < len(lines):
        reader = csv.reader(lines[index : index + _LINES_OF_A_ROW] if '"' in lines[index] else lines[index : index + 1],
                            delimiter=delimiter)  # fmt: skip
        try:
            cells = next(reader, [])
        except csv.Error as error:
            yield index + 1, [f"\x00{error}"]
            index += 1
            continue
        swallowed = lines[index + 1 : index + reader.line_num]
        if swallowed and (len(cells) != width or any(line.count(delimiter) + 1 == width for line in swallowed)):
            yield index + 1, [lines[index].rstrip("\r\n"), _NOT_CLOSED]
            index += 1
        else:
            yield index + 1, cells
            index += max(1, reader.line_num)


def _wrong(number: int, names: Sequence[str], cells: Sequence[str], columns: Sequence[str]) -> BadRow | None:
    if cells[-1] == _NOT_CLOSED:
        return BadRow(number, "row", shown(cells[0]), "a quote that opens a cell is closed in the same row",
                      "close the quote, or take it out")  # fmt: skip
    if len(cells) != len(names):
        return BadRow(
            number, "row", shown(" | ".join(cells)), f"{len(names)} cells, as the header has",
            "put a cell that holds the separator or a line break in double quotes",
        )  # fmt: skip
    for name, cell in zip(names, cells, strict=True):
        if name not in columns:
            continue
        if any(0xD800 <= ord(character) <= 0xDFFF for character in cell):
            return BadRow(
                number, name, shown(cell), "UTF-8, GB18030 or Big5 throughout", "save the file as UTF-8 once more"
            )
        if any(ord(character) < 0x20 and character not in "\t\r\n" for character in cell):
            return BadRow(number, name, shown(cell), "text without control characters", "remove the character")
        if cell.strip().startswith(_FORMULA):
            return BadRow(
                number,
                name,
                shown(cell),
                "no cell begins with = + - @",
                "export values, not formulas, and take the sign out",
            )
        if len(cell) > _CELL_LIMIT:
            return BadRow(number, name, shown(cell), f"at most {_CELL_LIMIT} characters", "shorten the cell")
    return None


def shown(value: str) -> str:
    """A value as a report may show it: short, and nothing in it that a terminal or a spreadsheet would act on."""
    plain = "".join(character if character.isprintable() else "\ufffd" for character in value[:_SHOWN])
    return plain + ("…" if len(value) > _SHOWN else "")
