"""Paper: the collection report as CSV, XLSX and PDF, and arrears notices as one PDF, each made from facts alone, to the byte."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

FONTS_DIRECTORY = Path("/usr/share/fonts/opentype/noto")
"""Where Debian's fonts-noto-cjk puts them; a setting names another one."""
_FAMILIES = ("Noto Serif CJK TC", "Noto Serif CJK SC", "Noto Sans CJK TC", "Noto Sans CJK SC")
_ALSO = ("CJK", "Source Han", "WenQuanYi", "Noto Sans SC", "Noto Sans TC", "AR PL", "Droid Sans Fallback")
_FONT_FILES = (".ttc", ".otf", ".ttf")
_PERIODS = (("of_month", "month 月"), ("of_quarter", "quarter to date 季"), ("of_year", "year to date 年"))
_AMOUNTS = ("receivable", "reversed", "waived", "cash", "offset")
_RATES = ("strict", "naive", "waiver_as_collected")
_AGES = ("not_due", "up_to_30", "up_to_90", "up_to_365", "over_365", "disputed")
MONTHLY_HEAD = ("period", "fee_class", "payer_class", *_AMOUNTS, *(f"{name}_percent" for name in _RATES))
ANALYSIS_HEAD = ("fee_class", "payer_class", "units", *_AGES)
_CLASSES = {
    "management": "管理費", "water": "水費", "electricity": "電費", "parking": "停車費", "rent": "租金", "other": "其他",
    "late_fee": "滯納金", "all": "合計", "owner": "業主", "developer": "開發商",
}  # fmt: skip


class FontsMissingError(Exception):
    """No font that has Chinese lies in the directory; the message says what to do."""


def fonts_in(directory: Path) -> tuple[str, str]:
    """The family to set Chinese in, and the hash of the fonts in a directory.

    Raises:
        FontsMissingError: none has Chinese.
    """
    import typst  # noqa: PLC0415 - slow to load, and most commands print nothing

    files = (
        sorted(path for path in directory.rglob("*") if path.suffix.lower() in _FONT_FILES)
        if directory.is_dir()
        else []
    )
    families: list[str] = []
    if files:
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(directory)])
        families = sorted(set(fonts.families()))
    chosen = next((one for one in _FAMILIES if one in families), None)
    chosen = chosen or next((one for one in families if any(part in one for part in _ALSO)), None)
    if chosen is None:
        raise FontsMissingError(
            f"no font with Chinese lies in {directory}: apt-get install fonts-noto-cjk, or name a directory with one "
            "(--fonts, BAILIWICK_FONTS_DIR)"
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(directory)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return chosen, digest.hexdigest()


def percent(rate: Mapping[str, Any] | None) -> str:
    """An exact rate shown to two decimals, `N/A` where nothing was due."""
    if rate is None:
        return "N/A"
    exact = Fraction(rate["numerator"], rate["denominator"]) * 100
    return str((Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def monthly_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """The monthly table: a row for each period, fee class and payer class."""
    rows = []
    for name, shown in _PERIODS:
        for one in report["figures"][name]:
            amounts = [one[amount] for amount in _AMOUNTS]
            rates = [percent(one.get(rate)) for rate in _RATES]
            rows.append([shown, one["fee_class"], one["payer_class"], *amounts, *rates])
    return rows


def analysis_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """The analysis table: arrears by age, with what is in dispute."""
    return [
        [one["fee_class"], one["payer_class"], str(one["units"]), *(one[age] for age in _AGES)]
        for one in report["arrears"]
    ]


def summary_rows(found: Mapping[str, Any], property_id: str) -> list[list[str]]:
    """What the tables are about: definition, cut-off, freeze, position, recovery."""
    report = found["report"]
    figures, recovery = report["figures"], report["figures"]["recovery"]
    return [
        ["property", property_id],
        ["month", report["month"]],
        ["definition", figures["definition"]],
        ["cut_off_on", figures["cut_off_on"]],
        ["as_of", figures["as_of"]],
        ["frozen_by", report["frozen_by"] or "open"],
        ["position", str(found["position"])],
        ["report_fact", found["fact_id"]],
        ["recorded_at", found["recorded_at"]],
        ["currency", report["currency"]],
        ["arrears_at_cut_off", recovery["arrears"]],
        ["recovered", recovery["recovered"]],
        ["recovery_percent", percent(recovery.get("rate"))],
    ]


def csv_bytes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A table as CSV, UTF-8 with a BOM so that a spreadsheet shows Chinese."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([head, *rows])
    return out.getvalue().encode("utf-8-sig")


def xlsx_bytes(found: Mapping[str, Any], property_id: str) -> bytes:
    """The report as a workbook of three sheets; its times are those of the fact."""
    from xlsxwriter import Workbook  # noqa: PLC0415

    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True})
    book.set_properties({"title": f"{property_id} {found['report']['month']}", "created": _instant(found)})
    money = book.add_format({"num_format": "#,##0.00"})
    sheets = (
        ("summary", ("field", "value"), summary_rows(found, property_id)),
        ("monthly 月報", MONTHLY_HEAD, monthly_rows(found["report"])),
        ("analysis 分析", ANALYSIS_HEAD, analysis_rows(found["report"])),
    )
    for name, head, rows in sheets:
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, list(head))
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                if name != "summary" and head[column] in (*_AMOUNTS, *_AGES):
                    sheet.write_number(number, column, float(value), money)
                else:
                    sheet.write_string(number, column, value)
        sheet.set_column(0, len(head) - 1, 16)
    book.close()
    return out.getvalue()


def _instant(found: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(found["recorded_at"]).replace(microsecond=0, tzinfo=None)


_PAGE = """
#set page(paper: "a4", margin: 18mm, footer: context align(center)[#counter(page).display("1 / 1", both: true)])
#set text(font: sys.inputs.font, size: 9.5pt, lang: "zh")
#let d = json(bytes(sys.inputs.data))
"""
_REPORT = (
    _PAGE
    + """
#align(center, text(15pt, weight: "bold")[收費報表 Collection report])
#table(columns: 2, stroke: 0.4pt, ..d.summary.flatten())
#v(4mm) #text(weight: "bold")[月報 Monthly table]
#set text(size: 7.5pt)
#table(columns: d.monthly_head.len(), stroke: 0.4pt, align: (c, r) => if c > 2 { right } else { left },
  table.header(..d.monthly_head), ..d.monthly.flatten())
#v(4mm) #text(size: 9.5pt, weight: "bold")[分析 Analysis: arrears by days overdue]
#table(columns: d.analysis_head.len(), stroke: 0.4pt, align: (c, r) => if c > 1 { right } else { left },
  table.header(..d.analysis_head), ..d.analysis.flatten())
"""
)
_LETTERS = (
    _PAGE
    + """
#let first = state("first", true)
#for (index, one) in d.letters.enumerate() {
  if index > 0 { pagebreak() }
  align(right)[#one.as_of #h(6mm) #one.notice_id]
  v(10mm)
  align(center, text(16pt, weight: "bold")[催繳通知 #one.title])
  v(6mm)
  [#one.label #h(4mm) (#one.unit_id)]
  parbreak()
  one.body
  v(4mm)
  table(columns: 4, stroke: 0.4pt, align: (c, r) => if c == 3 { right } else { left },
    table.header([月份 month], [費用 fee], [到期 due], [欠款 open]), ..one.rows.flatten())
  align(right, text(weight: "bold")[合計 total #one.total #one.currency])
}
"""
)


def _compiled(source: str, data: Mapping[str, Any], fonts: Path, family: str, at: datetime) -> bytes:
    import typst  # noqa: PLC0415

    made: bytes = typst.compile(
        source.encode(),
        format="pdf",
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(fonts)]),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False, sort_keys=True), "font": family},
        timestamp=int(at.timestamp()),
    )
    return made


def report_pdf(found: Mapping[str, Any], property_id: str, fonts: Path, family: str) -> bytes:
    """The report as a PDF in the given fonts."""
    data = {
        "summary": summary_rows(found, property_id),
        "monthly_head": list(MONTHLY_HEAD),
        "monthly": [[_CLASSES.get(cell, cell) for cell in row] for row in monthly_rows(found["report"])],
        "analysis_head": list(ANALYSIS_HEAD),
        "analysis": [[_CLASSES.get(cell, cell) for cell in row] for row in analysis_rows(found["report"])],
    }
    return _compiled(_REPORT, data, fonts, family, datetime.fromisoformat(found["recorded_at"]))


def letters_pdf(notices: Sequence[Mapping[str, Any]], fonts: Path, family: str) -> bytes:
    """Arrears notices as one PDF, a page a unit, by notice id; its instant is that of the notice recorded last."""
    ordered = sorted(notices, key=lambda one: one["notice_id"])
    letters = []
    for one in ordered:
        notice = one["notice"]
        rows = [
            [charge["month"], _CLASSES.get(charge["fee_class"], charge["fee_class"]), charge["due_on"], charge["open"]]
            for charge in notice["charges"]
        ]
        named = ("notice_id", "unit_id", "label", "title", "body", "as_of", "total", "currency")
        letters.append({**{name: notice[name] for name in named}, "rows": rows})
    at = max(datetime.fromisoformat(one["recorded_at"]) for one in ordered)
    return _compiled(_LETTERS, {"letters": letters}, fonts, family, at)
