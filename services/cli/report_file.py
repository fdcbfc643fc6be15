"""A report as a file that others open: CSV for spreadsheets or XLSX, with what it is, as of what, and how many rows, printed on it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Report:
    """Rows with their columns, and the lines that stand above them."""

    title: str
    head: Mapping[str, str]
    """Filters, zone and as-of position, by name; the row count is added when it is written."""
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    def lines_above(self) -> list[tuple[str, str]]:
        """What is printed above the rows."""
        return [("report", self.title), *self.head.items(), ("rows", str(len(self.rows)))]


def guarded(value: Any) -> str:
    """A cell as text that no spreadsheet runs: what would begin a formula gets an apostrophe in front."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_bytes(report: Report) -> bytes:
    """The report as CSV in UTF-8 with a byte order mark, as spreadsheets expect it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for name, value in report.lines_above():
        writer.writerow([guarded(name), guarded(value)])
    writer.writerow([])
    writer.writerow([guarded(name) for name in report.columns])
    for row in report.rows:
        writer.writerow([guarded(row.get(name)) for name in report.columns])
    return out.getvalue().encode("utf-8-sig")


def xlsx_bytes(report: Report) -> bytes:
    """The report as a workbook of one sheet; text stays text, numbers are numbers, and the rows can be filtered."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet("report")
        bold = book.add_format({"bold": True})
        above = report.lines_above()
        for number, (name, value) in enumerate(above):
            sheet.write_string(number, 0, name, bold)
            sheet.write_string(number, 1, value)
        top = len(above) + 1
        for column, name in enumerate(report.columns):
            sheet.write_string(top, column, name, bold)
        for number, row in enumerate(report.rows, top + 1):
            for column, name in enumerate(report.columns):
                cell = row.get(name)
                if isinstance(cell, int) and not isinstance(cell, bool):
                    sheet.write_number(number, column, cell)
                else:
                    sheet.write_string(number, column, guarded(cell))
        if report.rows and report.columns:
            sheet.autofilter(top, 0, top + len(report.rows), len(report.columns) - 1)
            sheet.freeze_panes(top + 1, 0)
        sheet.set_column(0, max(len(report.columns) - 1, 0), 18)
    return out.getvalue()


def write(report: Report, path: Path) -> None:
    """Write by the ending of the file's name. Raises ValueError for any but .csv and .xlsx."""
    made = {".csv": csv_bytes, ".xlsx": xlsx_bytes}.get(path.suffix.lower())
    if made is None:
        raise ValueError(f"{path.name}: a report is a .csv or .xlsx file")
    path.write_bytes(made(report))
