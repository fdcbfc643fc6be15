"""In what encoding a table of another system comes is found by what is common in it, with no word from whoever sends it.

A workbook is read as it is, whatever its program says of it; a damaged one, or one that unpacks without end, is none.
"""

import io
import zipfile
from collections.abc import Callable

import pytest

from services.billing.message_file import read_statement
from services.billing.profile import known_profiles
from services.billing.sheet import FileError
from services.table import chinese_encoding, header_of, read_table

TRADITIONAL = (
    "工號,姓名,部門,到職日期\n1,陳美玲,工程部,2024-03-01\n2,林志豪,保安部,2024-04-15\n",
    "房號,業主,備註\nA-1201,黃國強,電梯維修費已於上月繳清\nB-305,張雅婷,請改寄對帳單至新地址\n",
    "staff_id,name\n7,王小明\n8,李大同\n",
)
SIMPLIFIED = (
    "工号,姓名,部门,入职日期\n1,陈美玲,工程部,2024-03-01\n2,林志豪,保安部,2024-04-15\n",
    "房号,业主,备注\nA-1201,黄国强,电梯维修费已于上月缴清\nB-305,张雅婷,请改寄对账单至新地址\n",
    "staff_id,name\n7,王小明\n8,李大同\n",
)


@pytest.mark.parametrize("text", TRADITIONAL)
@pytest.mark.parametrize("encoding", ["big5", "cp950", "big5hkscs"])
def test_a_file_in_big5_is_read_as_big5(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    assert content.decode(chinese_encoding(content)) == text
    assert header_of(content) == set(text.partition("\n")[0].split(","))


@pytest.mark.parametrize(
    ("text", "encoding"), [(one, "gb2312") for one in SIMPLIFIED] + [(one, "gb18030") for one in (*SIMPLIFIED, *TRADITIONAL)]
)  # fmt: skip
def test_a_file_in_gb18030_is_read_as_gb18030(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    assert content.decode(chinese_encoding(content)) == text
    assert header_of(content) == set(text.partition("\n")[0].split(","))


def test_a_character_that_hong_kong_alone_has_is_read_too() -> None:
    content = "staff_id,name\n7,王小明\n8,陳大𡃁\n".encode("big5hkscs")
    assert content.decode(chinese_encoding(content)) == "staff_id,name\n7,王小明\n8,陳大𡃁\n"


COLUMNS = ("staff_id", "at", "direction")


def workbook(changed: Callable[[bytes], bytes]) -> bytes:
    """A workbook of a device, the XML of whose sheet was changed."""
    from openpyxl import Workbook  # noqa: PLC0415

    book, written, made = Workbook(), io.BytesIO(), io.BytesIO()
    for row in (COLUMNS, ("s-1", "2026-03-02 09:00", 0.5), ("s-2", "2026-03-02 09:01", None)):
        book.active.append(row)  # type: ignore[union-attr]
    book.save(written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changed(old.read(name)) if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return made.getvalue()


def test_a_workbook_is_read_whole_though_its_program_says_it_is_one_cell() -> None:
    lines, bad = read_table(workbook(lambda sheet: sheet.replace(b'ref="A1:C3"', b'ref="A1"')), COLUMNS)
    assert [line.cells["staff_id"] for line in lines] == ["s-1", "s-2"]
    assert not bad


def test_a_number_reads_as_a_spreadsheet_shows_it() -> None:
    sum_of_tenths = workbook(lambda sheet: sheet.replace(b"<v>0.5</v>", b"<v>0.30000000000000004</v>"))
    assert read_table(sum_of_tenths, COLUMNS)[0][0].cells["direction"] == "0.3"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda sheet: sheet[: len(sheet) // 2], id="cut off"),
        pytest.param(lambda sheet: sheet + b" " * (257 << 20), id="unpacks to more than there is room for"),
        pytest.param(lambda sheet: sheet.replace(b"</sheetData>", b'<row><c r="XFD4"/></row>' * 700 + b"</sheetData>"),
                     id="has more cells than there is room for"),
    ],
)  # fmt: skip
def test_a_workbook_that_cannot_be_read_is_named_and_ends_nothing(changed: Callable[[bytes], bytes]) -> None:
    content = workbook(changed)
    assert len(content) < 1_000_000
    lines, bad = read_table(content, COLUMNS)
    assert (lines, [(one.row, one.field) for one in bad]) == ([], [(1, "file")])
    with pytest.raises(FileError, match="the workbook cannot be opened"):
        read_statement(content, "auto", known_profiles())
