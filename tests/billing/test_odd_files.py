"""Statement files as they come: other layouts of the same banks, footers, odd signs, damaged rows, workbooks; each says what it lacks."""

import io
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.statement import Chain

from services.billing.message_file import read_statement
from services.billing.profile import family, known_profiles, parse_profile
from tests.billing.test_statement_files import BOC, CAMT, MT940, PROFILES, read, shown

HEAD = BOC.splitlines()[1] + "\n"
README = Path(__file__).parents[2] / "services" / "billing" / "README.md"


def boc(*rows: str) -> str:
    """Rows of date, amount and balance as the bank writes them."""
    cells = [one.split("|") for one in rows]
    return HEAD + "".join(f'{on},10:00:0{n % 10},人民币,"{amount}","{balance}",x,,,y,A,6222,,\n'
                          for n, (on, amount, balance) in enumerate(cells))  # fmt: skip


@pytest.mark.parametrize(
    "day", ["2026-03-02", "2026/3/2", "2026.03.02", "20260302", "2026年3月2日", "2026-03-02 10:00:01", "46083"]
)
@pytest.mark.parametrize(
    ("written", "amount"), [("－１，０００．５０", "-1000.50"), ("−100", "-100"), ("＋5.00", "5.00"), ("￥7.00", "7.00"), ("(8.00)", "-8.00")]
)  # fmt: skip
def test_dates_and_signs_are_read_in_any_width(day: str, written: str, amount: str) -> None:
    (row,) = read(boc(f"{day}|{written}|")).rows
    assert (row.on, row.amount if row.direction == "in" else -row.amount) == (date(2026, 3, 2), Decimal(amount))


def test_footers_and_prose_are_no_rows_and_are_told() -> None:
    text = boc("2026-03-01|5.00|105.00", "2026-03-02|-5.00|100.00")
    footer = "合计,,,10.00\n本页小计：2笔\n总收入：5.00 总支出：5.00\n如有疑问请于2026年4月30日前联系\n第1页/共1页\n"
    found = read(text + footer)
    assert shown(found) == (2, 1, 1, "5.00", "5.00", 0, "closed")
    assert found.notes == ("no rows, but text: lines 6, 7, 8",)


@pytest.mark.parametrize("ends", ["\r", "\r\n"])
def test_an_unclosed_quotation_mark_swallows_no_row(ends: str) -> None:
    text = boc("2026-03-01|5.00|105.00", "2026-03-02|5.00|110.00").replace(
        ",x,,,y,A,6222,,\n2026-03-02", ',"x,,,y,A,6222,,\n2026-03-02'
    )
    assert shown(read(text.replace("\n", ends))) == (2, 2, 0, "10.00", "0", 0, "closed")
    whole = boc("2026-03-01|5.00|105.00").replace(",x,", ',"two, lines\nof it",')
    assert shown(read(whole)) == (1, 1, 0, "5.00", "0", 0, "closed")


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_breaks_at_the_row_whose_balance_is_wrong_in_either_order(backwards: bool) -> None:
    rows = [f"2026-03-0{n}|10.00|{1000 + 10 * n + (5 if n == 5 else 0)}.00" for n in range(1, 9)]
    chain = read(boc(*(reversed(rows) if backwards else rows))).chain
    assert chain == Chain(
        state="broken", row=5 if backwards else 6, expected=Decimal("1050.00"), found=Decimal("1055.00")
    )


def test_rows_of_a_day_may_stand_in_any_order_if_their_times_close_the_chain() -> None:
    rows = [
        ("12:00:00", "-5.00", "105.00"),
        ("10:00:00", "10.00", "110.00"),
        ("11:00:00", "-3.00", "107.00"),
        ("11:30:00", "3.00", "110.00"),
    ]
    text = HEAD + "".join(f"2026-03-01,{at},人民币,{amount},{balance},,,,,A,6,,\n" for at, amount, balance in rows)
    assert read(text).chain.state == "closed"


def test_a_bad_row_keeps_no_good_one_out_and_a_break_elsewhere_still_counts() -> None:
    rows = ["2026-03-01|10.00|110.00", "2026-03-02|abc|130.00", "2026-03-03|5.00|135.00", "2026-03-04|1.00|136.00"]
    found = read(boc(*rows))
    assert (len(found.rows), found.chain.state) == (3, "unavailable")
    (bad,) = found.bad
    assert (bad.row, bad.field, bad.value, bad.rule, bad.remedy) == (
        3,
        "金额",
        "abc",
        "no amount",
        "correct the amount",
    )
    assert "the balances cannot be followed over rows that were not taken: 3" in found.notes
    assert read(boc(*rows[:3], "2026-03-04|1.00|137.00")).chain.row == 5


def test_a_word_that_says_no_direction_is_a_bad_row_and_a_neutral_one_is_neutral() -> None:
    head = "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号,商户单号,备注\n"
    rows = [
        ("收入", "¥1,250.00"),
        ("支出", "-¥20.00"),
        (" 支出\t", "1"),
        ("/", "¥5.00"),
        ("中性交易", "5.00"),
        ("不计收支", "1.00"),
        ("收人", "9.00"),
    ]
    text = head + "".join(
        f'2026-03-02 10:00:00,转账,A,x,{word},"{amount}",/,支付成功,"{n}\t","/\t",/\n'
        for n, (word, amount) in enumerate(rows)
    )
    found = read(text)
    assert shown(found) == (6, 1, 2, "1250.00", "21.00", 1, "unavailable")
    assert (found.bad[0].row, found.bad[0].field, found.bad[0].value) == (8, "收/支", "收人")


def test_a_column_of_debits_may_write_each_with_a_minus_and_a_lone_minus_takes_one_back() -> None:
    head = "交易日期,交易时间,收入,支出,余额,交易类型,交易备注\n"
    signed = head + "20260301,,100.00,,100.00,x,a\n20260302,,,-1.50,98.50,x,a\n20260303,,,-2.00,96.50,x,a\n"
    assert shown(read(signed)) == (3, 1, 2, "100.00", "3.50", 0, "closed")
    reversed_ = head + "20260301,,100.00,,100.00,x,a\n20260302,,,1.50,98.50,x,a\n20260303,,,-1.50,100.00,x,冲正\n"
    assert shown(read(reversed_)) == (3, 2, 1, "101.50", "1.50", 0, "closed")


OLD_ALIPAY = """支付宝交易记录明细查询
交易号 ,商家订单号 ,交易创建时间 ,付款时间 ,交易来源地 ,交易对方 ,商品名称 ,金额（元） ,收/支 ,交易状态 ,备注 ,
1\t,T1\t,2026-03-02 10:00:00 ,2026-03-02 10:00:05 ,其他,A ,3-1502 ,250.00 ,收入 ,交易成功 , ,
2\t,T2\t,2026-03-02 11:00:00 , ,其他,B ,x ,20.00 ,支出 ,等待付款 , ,
3\t,T3\t,2026-03-02 12:00:00 ,2026-03-02 12:00:05 ,其他,B ,x ,20.00 ,支出 ,交易成功 , ,
4\t,T4\t,2026-03-02 12:00:00 ,2026-03-02 12:00:05 ,其他,B ,退款 ,5.00 , ,退款成功 , ,
------------------------------------------------------------------------------------
共4笔记录
"""
CCB_WEB = """交易时间,借方发生额（支取）,贷方发生额（收入）,余额,币种,对方户名,对方账号,记账日期,摘要,备注
20260302 10:00:00,0.00,300.00,"1,300.00",人民币元,A,6,20260302,转账,1-101
20260303 10:00:00,50.00,0.00,"1,250.00",人民币元,B,6,20260303,转账,x
"""
BY_COLUMNS = "记账日,摘要,借方金额,贷方金额,余额\n2026-03-02,x,,100.00,100.00\n2026-03-03,x,10.00,,90.00\n"
BY_WORD = "日期\t摘要\t借贷标志\t金额\t余额\n2026-03-02\tx\t贷\t100.00\t100.00\n2026-03-03\tx\t借\t10.00\t90.00\n"
BY_SIGN = "日期;金额;余额\n2026-03-02;100.00;100.00\n2026-03-03;-10.00;90.00\n"
ENGLISH = "Date,Description,Money Out,Money In,Balance\n2026-03-02,x,,100.00,100.00\n2026-03-03,x,10.00,,90.00\n"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize(
    ("text", "named", "profile", "expected"),
    [(OLD_ALIPAY, "alipay", "alipay-web", (4, 1, 1, "250.00", "20.00", 0, "unavailable")),
     (CCB_WEB, "ccb", "ccb-corporate", (2, 1, 1, "300.00", "50.00", 0, "closed")),
     (BY_COLUMNS, "table", "table-columns", (2, 1, 1, "100.00", "10.00", 0, "closed")),
     (BY_WORD, "table", "table-direction", (2, 1, 1, "100.00", "10.00", 0, "closed")),
     (BY_SIGN, "table", "table-signed", (2, 1, 1, "100.00", "10.00", 0, "closed")),
     (ENGLISH, "table", "table-columns", (2, 1, 1, "100.00", "10.00", 0, "closed"))],
)  # fmt: skip
def test_a_bank_s_other_layouts_are_found_under_its_name_and_on_their_own(
    encoding: str, text: str, named: str, profile: str, expected: tuple[Any, ...]
) -> None:
    for name in (named, "auto"):
        found = read(text.encode(encoding), name)
        assert (found.profile, *shown(found)) == (profile, *expected)
        guessed = [note for note in found.notes if note.startswith("no bank's profile fits")]
        assert bool(guessed) == (named == "table")


def test_what_nothing_fits_says_which_profile_comes_nearest_and_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="line 1 comes nearest to boc and lacks 对方账户名"):
        read("记账日期,记账时间,金额,余额x\n2026-03-02,1,1,1\n".replace("余额x", "余额"), "boc")
    with pytest.raises(ValueError, match="no profile is named nobody"):
        read(BOC, "nobody")
    assert set(family(PROFILES, "ccb")) == {"ccb", "ccb-corporate"}


def test_where_nothing_tells_what_came_in_the_report_says_so() -> None:
    (note,) = read("date,amount\n2026-03-02,5.00\n2026-03-03,6.00\n").notes
    assert note == "every amount has the same sign, so each was read as money that came in"


def workbook(*sheets: list[list[Any]]) -> bytes:
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook()
    for index, rows in enumerate(sheets):
        sheet = book.active if index == 0 else book.create_sheet()
        for row in rows:
            sheet.append(row)  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


COLUMNS = ["交易日期", "交易时间", "收入", "支出", "余额", "交易类型", "交易备注"]


def test_a_workbook_of_numbers_and_dates_on_its_second_sheet_is_read() -> None:
    rows: list[list[Any]] = [["户名", "SAMPLE"], [], COLUMNS, [datetime(2026, 3, 1), "09:00", 500.1, None, 1500.1, "x", "1-101"],  # noqa: DTZ001
            [46083, "10:00", None, 20, 1480.1, "y", None], ["合计", None, 500.1, 20]]  # fmt: skip
    assert shown(read(workbook([["说明"]], rows))) == (2, 1, 1, "500.10", "20.00", 0, "closed")


def test_what_banks_call_xls_and_is_a_web_page_or_an_xml_spreadsheet_is_read() -> None:
    cells = [
        COLUMNS,
        ["20260301", "", "500.00", "&nbsp;", "1,500.00", "x", "1-101"],
        ["20260302", "", "", "20.00", "1,480.00", "x", "y"],
    ]
    page = "".join("<tr>" + "".join(f"<td>{one}</td>" for one in row) + "</tr>" for row in cells)
    assert shown(read(f"<html><table>{page}</table></html>".encode("gbk"))) == (2, 1, 1, "500.00", "20.00", 0, "closed")
    head = "".join(f'<Cell><Data ss:Type="String">{one}</Data></Cell>' for one in COLUMNS)
    row = "<Row><Cell><Data>20260301</Data></Cell><Cell ss:Index='3'><Data>500</Data></Cell><Cell ss:Index='5'><Data>1500</Data></Cell></Row>"
    sheet = f'<?xml version="1.0"?><Workbook><Worksheet><Table><Row>{head}</Row>{row}</Table></Worksheet></Workbook>'
    assert shown(read(sheet)) == (1, 1, 0, "500.00", "0", 0, "closed")


def test_a_damaged_character_costs_no_file() -> None:
    assert len(read(BOC.encode().replace("水费".encode(), b"\xe6\xb0 x")).rows) == 3
    assert len(read(BOC.encode("gbk")[:-3]).rows) == 3


def test_one_wrong_transaction_of_an_mt940_is_named_and_the_rest_is_taken() -> None:
    found = read(MT940.replace(":61:2603020302C", ":61:2613990302C"))
    assert (len(found.rows), found.chain.state) == (1, "unavailable")
    assert [(one.row, one.field) for one in found.bad] == [(1, ":61:")]
    assert shown(read(MT940.encode("utf-16"))) == shown(read(MT940))
    taken_back = MT940.replace(":61:2603030303D", ":61:2603030303RC").replace("0302C", "0302RD")
    assert shown(read(taken_back)) == shown(read(MT940))


def test_a_camt_in_gbk_with_two_accounts_closes_for_each() -> None:
    start = CAMT.index("<Stmt>")
    one = CAMT[start : CAMT.index("</Stmt>") + 7]
    both = CAMT[:start] + "".join(
        one.replace("<Stmt>", f"<Stmt><Acct><Id><Othr><Id>{n}</Id></Othr></Id></Acct>") for n in (1, 2)
    )
    text = (
        (both + "</BkToCstmrStmt></Document>")
        .replace('version="1.0"', 'version="1.0" encoding="GBK"')
        .replace("SAMPLE A", "甲")
    )
    assert shown(read(text.encode("gbk"))) == (6, 4, 2, "100.00", "40.00", 0, "closed")


def test_the_example_of_the_cashier_s_page_is_a_profile_that_reads_its_file(tmp_path: Path) -> None:
    page = README.read_text(encoding="utf-8")
    (profile,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (sample,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    own = tmp_path / "own.toml"
    own.write_text(profile, encoding="utf-8")
    name = parse_profile(profile, "own.toml").id
    for asked in (name, "auto"):
        found = read_statement(sample.encode("gb18030"), asked, known_profiles([own]))
        assert (found.profile, *shown(found)) == (name, 3, 2, 1, "1300.50", "200.00", 0, "closed")
