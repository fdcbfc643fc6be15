"""Files as devices and spreadsheets write them: what is wrong with a row is said, and the rest is taken."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from bailiwick_contracts.registry import OffsetChange
from openpyxl import Workbook

from services.attendance.imports import (
    PunchMapping,
    RosterMapping,
    read_calendar,
    read_mapping,
    read_punches,
    read_roster,
    read_staff,
    read_workdays,
)
from tests.attendance.office import local

SHANGHAI = (OffsetChange(at=datetime(1991, 9, 15, tzinfo=UTC), offset_seconds=28_800),)
BERLIN = (
    OffsetChange(at=datetime(2025, 10, 26, 1, tzinfo=UTC), offset_seconds=3600),
    OffsetChange(at=datetime(2026, 3, 29, 1, tzinfo=UTC), offset_seconds=7200),
    OffsetChange(at=datetime(2026, 10, 25, 1, tzinfo=UTC), offset_seconds=3600),
)
GOOD = "staff_id,at,direction\n7,2026-03-02T09:10:00,in\n7,2026-03-02T17:00:00,out\n"


def test_local_times_become_instants() -> None:
    read = read_punches(GOOD.encode(), SHANGHAI)
    assert [(one.row, one.external_id, one.at, one.direction) for one in read.rows] == [
        (2, "7", local("09:10"), "in"), (3, "7", local("17:00"), "out"),
    ]  # fmt: skip
    assert read.bad == ()


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode(), GOOD.replace(",", ";").encode(),
     GOOD.replace(",", "\t").encode(), GOOD.replace("in\n", "上班\n").replace("out\n", "下班\n").encode(),
     GOOD.replace("in\n", "上班\n").replace("out\n", "下班\n").encode("gb18030"),
     GOOD.replace("2026-03-02T09:10:00", "2026/3/2 9:10").encode(), (GOOD + "\n\n").encode(),
     GOOD.replace("09:10:00", "09:10:00+08:00").encode(), GOOD.replace("7,", '"7",').encode(),
     b"at,note,direction,staff_id\n2026-03-02T09:10:00,x,in,7\n2026-03-02T17:00:00,,out,7\n"],
    ids=["bom", "crlf", "semicolon", "tab", "chinese", "gb18030", "slashes", "blank lines", "offset", "quoted", "order"],
)  # fmt: skip
def test_the_same_file_is_read_however_it_was_written(content: bytes) -> None:
    read = read_punches(content, SHANGHAI)
    assert [(one.external_id, one.at, one.direction) for one in read.rows] == [
        ("7", local("09:10"), "in"), ("7", local("17:00"), "out"),
    ]  # fmt: skip
    assert read.bad == ()


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [(b"=HYPERLINK(1),2026-03-02T09:10:00,in", "staff_id", "no cell begins"),
     (b"+7,2026-03-02T09:10:00,in", "staff_id", "no cell begins"), (b"-7,2026-03-02T09:10:00,in", "staff_id", "no cell begins"),
     (b"@7,2026-03-02T09:10:00,in", "staff_id", "no cell begins"),
     (b"7,2026-03-02T09:10:00", "row", "3 cells"), (b"7,2026-03-02T09:10:00,in,x", "row", "3 cells"),
     (b",2026-03-02T09:10:00,in", "staff_id", "not empty"), (b"7,,in", "at", "not empty"),
     (b"7,yesterday,in", "at", "a time such as"), (b"7,2026-02-30T09:00:00,in", "at", "that exist"),
     (b"7,2026-03-02T25:00:00,in", "at", "that exist"), (b"7,1899-12-30T09:00:00,in", "at", "a year from"),
     (b"7,2026-03-02T09:10:00,sideways", "direction", "one of"), (b"7\x00,2026-03-02T09:10:00,in", "staff_id", "control"),
     (b"\xff\xfe,2026-03-02T09:10:00,in", "staff_id", "UTF-8"), (b"7" * 200 + b",2026-03-02T09:10:00,in", "staff_id", "at most")],
)  # fmt: skip
def test_a_bad_row_is_named_with_number_field_value_rule_and_way_out_and_the_rest_is_taken(
    row: bytes, field: str, rule: str
) -> None:
    header, first, second, _ = GOOD.encode().split(b"\n")
    read = read_punches(b"\n".join([header, first, row, second]), SHANGHAI)
    assert [one.row for one in read.rows] == [2, 4]
    (bad,) = read.bad
    assert (bad.row, bad.field) == (3, field)
    assert rule in bad.rule
    assert bad.remedy
    assert bad.value.isprintable()


def test_invalid_utf8_in_a_chinese_file_spoils_its_own_row_alone() -> None:
    content = "staff_id,at,direction\n张,2026-03-02T09:10:00,in\n".encode() + b"\xe5\xbc,2026-03-02T09:10:00,in\n"
    read = read_punches(content, SHANGHAI)
    assert [one.external_id for one in read.rows] == ["张"]
    assert [one.row for one in read.bad] == [3]


@pytest.mark.parametrize(
    "content", [b"", b"staff_id,at\n7,2026-03-02T09:10:00\n", b"staff_id:at:direction\n7:2026-03-02:in\n"]
)
def test_a_file_without_the_columns_says_which_and_what_they_are(content: bytes) -> None:
    read = read_punches(content, SHANGHAI)
    assert read.rows == ()
    assert read.bad[-1].field == "direction"
    assert "staff_id, at, direction" in read.bad[-1].rule


def test_a_mapping_reads_a_device_that_names_things_otherwise() -> None:
    mapping = PunchMapping(staff_id="工号", at="时间", direction="状态", words={"0": "in", "1": "out"})
    read = read_punches("工号,时间,状态\n7,2026-03-02 09:10:00,0\n".encode("gb18030"), SHANGHAI, mapping)
    assert [(one.external_id, one.direction) for one in read.rows] == [("7", "in")]
    undirected = read_punches(GOOD.encode(), SHANGHAI, PunchMapping(direction=None))
    assert {one.direction for one in undirected.rows} == {"unknown"}


def test_the_hour_that_is_skipped_is_no_time_and_of_the_hour_that_comes_twice_the_first_is_meant() -> None:
    content = b"staff_id,at,direction\n7,2026-03-29T02:30:00,in\n7,2026-10-25T02:30:00,in\n7,2026-10-25T03:30:00,in\n"
    read = read_punches(content, BERLIN)
    assert [one.row for one in read.bad] == [2]
    assert [one.at for one in read.rows] == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, 30, tzinfo=UTC),
    ]  # fmt: skip


def test_people_and_working_days_are_read_by_name() -> None:
    people = read_staff(
        b"staff_id,department,job_role,job_level,monthly_income\n1,Sales,Clerk,2,4350\n2,Sales,Clerk,2,4.3e3\n"
    )
    assert [(one.external_id, one.monthly_income) for one in people.rows] == [("1", Decimal(4350))]
    assert [(one.row, one.field) for one in people.bad] == [(3, "monthly_income")]
    assert read_workdays(b"date\n2026-03-02\nMarch\n").rows == (date(2026, 3, 2),)


def test_shifts_of_people_are_read_with_days_of_rest_and_several_a_day() -> None:
    content = "工號,日期,上,下\n7,2026-03-02,09:00,12:00\n7,2026-03-02,13:00,17:00\n7,2026-03-03,,\n8,2026-03-02,23:00,07:00\n"
    mapping = read_mapping('{"staff_id": "工號", "date": "日期", "start": "上", "end": "下"}'.encode(), RosterMapping)
    read = read_roster(content.encode("gb18030"), mapping)
    assert read.bad == ()
    assert [(one.external_id, one.day.day, one.start, one.end) for one in read.rows] == [
        ("7", 2, time(9), time(12)), ("7", 2, time(13), time(17)), ("7", 3, None, None), ("8", 2, time(23), time(7)),
    ]  # fmt: skip


@pytest.mark.parametrize(("cells", "field"), [("09:00,", "start"), ("25:00,26:00", "start"), ("9am,17:00", "start")])
def test_a_shift_that_is_none_is_named_with_its_row(cells: str, field: str) -> None:
    read = read_roster(f"staff_id,date,start,end\n7,2026-03-02,{cells}\n".encode())
    assert [(one.row, one.field) for one in read.bad] == [(2, field)]


def test_a_propertys_own_days_are_read_in_either_language() -> None:
    read = read_calendar("date,kind\n2026-03-07,working_day\n2026-03-09,休息\n2026-03-10,party\n".encode())
    assert [(day.day, kind) for day, kind in read.rows] == [(7, "working_day"), (9, "rest_day")]
    assert [(one.row, one.value) for one in read.bad] == [(4, "party")]


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b'{"colour": "red"}', b'{"at": 7}', b'{"at": null}', b'{"words": {"in": 7}}']
)
def test_a_mapping_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|object|column"):
        read_mapping(content, PunchMapping)


def test_a_mapping_serves_other_columns_and_words() -> None:
    mapping = read_mapping(
        b'{"staff_id": "id", "at": "clock", "direction": "way", "words": {"KOMMT": "in", "geht": "out"}}', PunchMapping
    )
    content = b"id,clock,way\n7,2026-03-02T09:10:00,Kommt\n7,2026-03-02T17:00:00,geht\n"
    assert [one.direction for one in read_punches(content, SHANGHAI, mapping).rows] == ["in", "out"]
    without = read_mapping(b'{"staff_id": "id", "at": "clock", "direction": null}', PunchMapping)
    assert [one.direction for one in read_punches(content, SHANGHAI, without).rows] == ["unknown", "unknown"]


def test_a_quote_that_is_never_closed_costs_its_own_row_alone() -> None:
    first, second = '7,"2026-03-02T09:10:00,in\n', "7,2026-03-02T17:00:00,out\n"
    for content, good, wrong in (
        (GOOD + first + second, [2, 3, 5], [4]),
        (GOOD + first + first + second, [2, 3, 6], [4, 5]),
        (GOOD + first, [2, 3], [4]),
    ):
        read = read_punches(content.encode(), SHANGHAI)
        assert [one.row for one in read.rows] == good
        assert [(one.row, one.field) for one in read.bad] == [(number, "row") for number in wrong]
        assert all(one.remedy for one in read.bad)


def test_a_cell_in_quotes_may_hold_a_line_break_and_rows_after_it_keep_their_numbers() -> None:
    content = 'staff_id,note,at,direction\n7,"late\nbus",2026-03-02T09:10:00,in\n8,,yesterday,in\n'
    read = read_punches(content.encode(), SHANGHAI)
    assert [one.row for one in read.rows] == [2]
    assert [one.row for one in read.bad] == [4]


@pytest.mark.parametrize(
    "content", [GOOD.encode("utf-16"), GOOD.replace("\n", "\r").encode(), GOOD.replace("\n", "\n\n \n").encode()],
    ids=["utf-16", "carriage returns", "blank rows"],
)  # fmt: skip
def test_a_file_of_an_old_machine_is_read_too(content: bytes) -> None:
    read = read_punches(content, SHANGHAI)
    assert [(one.at, one.direction) for one in read.rows] == [(local("09:10"), "in"), (local("17:00"), "out")]
    assert read.bad == ()


def test_a_column_that_stands_twice_is_named_and_nothing_is_guessed() -> None:
    read = read_punches(b"staff_id,at,at,direction\n7,2026-03-02T09:10:00,2026-03-02T09:20:00,in\n", SHANGHAI)
    assert (read.rows, [(one.row, one.field, one.rule) for one in read.bad]) == ((), [(1, "at", "each column once")])


def test_the_first_sheet_of_a_workbook_is_read_like_a_file_and_a_formula_in_it_is_not_taken() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    at = local("09:10").astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    for row in (
        ["staff_id", "at", "direction"],
        [7, at, "in"],
        [None, None, None],
        ["=1+1", at, "in"],
        ["8", "2026-03-02 17:00", "out"],
    ):
        sheet.append(row)
    made = BytesIO()
    book.save(made)
    read = read_punches(made.getvalue(), SHANGHAI)
    assert [(one.row, one.external_id, one.at) for one in read.rows] == [
        (2, "7", local("09:10")),
        (5, "8", local("17:00")),
    ]
    assert [(one.row, one.field) for one in read.bad] == [(4, "staff_id")]
    assert [one.field for one in read_punches(b"PK\x03\x04 no workbook", SHANGHAI).bad] == ["file"]
