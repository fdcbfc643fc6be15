"""Statement files: encodings, padding, signs, footers, refunds, wrong counts; what cannot be read says why."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.statement import Chain, StatementRow, check_chain

from services.billing.layout import ReadStatement
from services.billing.message_file import read_statement
from services.billing.profile import Profile, ProfileError, known_profiles, parse_profile
from services.billing.sheet import FileError, money, rows_of

REAL = Path(__file__).parents[3] / "shared" / "data" / "bank"
PROFILES = known_profiles()
BOC = """中国银行交易流水明细单
记账日期,记账时间,币别,金额,余额,交易名称,渠道,网点名称,附言,对方账户名,对方卡号/账号,对方开户行,借记卡号
2026-03-02,10:00:02,人民币,"-1,200.00","8,900.00",转账,网银,---,水费,SAMPLE A,6222****0001,---,3167
2026-03-02,10:00:01,人民币,100.00,"10,100.00",转账,网银,---,3栋1502 管理费,SAMPLE B,6222****0002,---,3167
2026-03-01,09:00:00,人民币,"10,000.00","10,000.00",转账,网银,---,---,SAMPLE C,6222****0003,---,3167
"""


def read(content: bytes | str, profile: str = "auto") -> ReadStatement:
    return read_statement(content.encode() if isinstance(content, str) else content, profile, PROFILES)


def shown(found: ReadStatement) -> tuple[Any, ...]:
    (credits_, credit_total), (debits, debit_total) = found.of("in"), found.of("out")
    return len(found.rows), credits_, debits, str(credit_total), str(debit_total), len(found.bad), found.chain.state


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real statements lie at {REAL}")
@pytest.mark.parametrize(
    ("name", "profile", "expected"),
    [("wechat.csv", "wechat", (27, 5, 11, "28.49", "2904.53", 0, "unavailable")),
     ("boc-debit.csv", "boc", (17, 4, 13, "9821.00", "9394.30", 0, "closed")),
     ("icbc-debit.csv", "icbc", (11, 5, 6, "2841.74", "4241.08", 0, "unavailable"))],
)  # fmt: skip
def test_the_real_statements_come_out_right_under_their_profile_and_on_their_own(
    name: str, profile: str, expected: tuple[Any, ...]
) -> None:
    content = (REAL / name).read_bytes()
    assert shown(read(content, profile)) == expected
    found = read(content)
    assert (found.profile, *shown(found)) == (profile, *expected)


def test_a_real_header_with_a_wrong_count_is_noted() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real statements lie at {REAL}")
    assert read((REAL / "wechat.csv").read_bytes()).notes == ("the file says 43 rows and has 27",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_statement_reads_the_same_in_every_encoding(encoding: str, ends: str) -> None:
    found = read(BOC.replace("\n", ends).encode(encoding))
    assert shown(found) == (3, 2, 1, "10100.00", "1200.00", 0, "closed")
    assert [row.key for row in found.rows] == [row.key for row in read(BOC).rows]


def test_padding_and_another_order_of_columns_change_no_rows_identity() -> None:
    padded = BOC.replace(",SAMPLE A,", ',"  SAMPLE A \t",').replace(",水费,", ', "水费 ",')
    assert [row.key for row in read(padded).rows] == [row.key for row in read(BOC).rows]


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("1,234.56", "1234.56"), ("¥1,234.56", "1234.56"), ("-1,234.50", "-1234.50"), ("+10000.00", "10000.00"), ("50.0", "50.00"),
     ("10", "10.00"), ("12,3456.00", "123456.00"), ("(12.00)", "-12.00"),
     ("12.00-", "-12.00"), ("131.77(已退款89.84)", "131.77"), ("１２.３４", "12.34"),
     ("CNY 13.50", "13.50"), ("12.00元", "12.00"), ("－8.00", "-8.00"), ("0.00", "0.00"), (".", None), ("-", None), ("--", None),
     ("", None), ("/", None)],
)  # fmt: skip
def test_an_amount_reads_as_it_is_written(cell: str, amount: str | None) -> None:
    assert money(cell) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    "cell", ["xx,yyyy.zz", "12.345", "1e5", "12.3.4", "****", "12a", "NaN", "9" * 16, "12,50", "1,23,456.00", "1,234,5"]
)
def test_what_is_no_amount_is_none(cell: str) -> None:
    if cell == "****":
        assert money(cell) is None
    else:
        with pytest.raises(ValueError, match=r"amount|decimals"):
            money(cell)


def test_a_decimal_comma_is_read_where_the_profile_says_so() -> None:
    assert money("1.234,56", ",") == Decimal("1234.56")
    with pytest.raises(ValueError, match="no amount"):
        money("12.50", ",")


def test_bad_rows_are_named_and_the_rest_is_taken() -> None:
    text = BOC + "2026-13-40,,人民币,5.00,,,,,,,,,\n2026-03-03,,人民币,abc,,,,,,,,,\n2026-03-03,,美元,5.00,,,,,,,,,\n"
    found = read(text)
    assert [(one.row, one.field, one.value) for one in found.bad] == [
        (6, "记账日期", "2026-13-40"), (7, "金额", "abc"), (8, "币别", "美元"),
    ]  # fmt: skip
    assert len(found.rows) == 3


def test_totals_blank_lines_and_repeated_headers_are_no_rows() -> None:
    head = BOC.splitlines()[1]
    found = read(BOC + f"\n ,,,\n{head}\n合计,,,8900.00,,,,,,,,,\n")
    assert shown(found) == (3, 2, 1, "10100.00", "1200.00", 0, "closed")


ALIPAY = """------------------------------------------------
导出信息：
共3笔记录
------------------------支付宝（中国）网络技术有限公司  电子客户回单------------------------
交易时间            ,交易分类  ,交易对方  ,对方账号 ,商品说明 ,收/支   ,金额   ,收/付款方式 ,交易状态 ,交易订单号 ,商家订单号 ,备注 ,
2026-03-02 21:32:14 ,转账红包  ,SAMPLE A ,a***@example.com ,2-301 物业费 ,收入 ,250.00 ,余额 ,交易成功 ,20260302000111\t,T1\t, ,
2026-03-02 21:33:00 ,日用百货  ,SAMPLE B ,/ ,x ,支出 ,20.00 ,余额 ,交易成功 ,20260302000112\t,T2\t, ,
2026-03-02 21:34:00 ,退款  ,SAMPLE B ,/ ,退款-x ,不计收支 ,20.00 ,余额 ,退款成功 ,20260302000113\t,T3\t, ,
2026-03-02 21:35:00 ,日用百货  ,SAMPLE C ,/ ,y ,支出 ,82.00 , ,交易关闭 ,20260302000114\t,T4\t, ,
"""
CMB = """记账日期,货币,交易金额,联机余额,交易摘要,对手信息,客户摘要
2026-03-01,CNY,"1,234.00","1,271.66",转账汇款,SAMPLE A 1111,3-1502
2026-03-01,CNY,"-1,000.00",271.66,转账汇款,SAMPLE B 6666,转账
"""
CMB_WEB = """# 招商银行交易记录
# 起始日期: [20260301]
"交易日期","交易时间","收入","支出","余额","交易类型","交易备注"
"\t20260301","\t09:00:00","500.00","","1500.00","\t转账","\t1-101"
"\t20260302","\t10:00:00","","20.00","1480.00","\t手续费","\t"
# 收入合计: 1 笔，共 500.00 元
"""
ABC = """交易日期,交易时间,交易摘要,交易金额,本次余额,对手信息,日 志 号,交易渠道,交易附言
20260302,123456,转存,+10000.00,11000.00,SAMPLE A,369396693,超级网银,1-101
20260303,,消费,-10.00,10990.00,SAMPLE B,369333999
"""
CCB = """中国建设银行个人活期账户全部交易明细
卡号/账号: 6217****0001
序号,摘要,币别,钞汇,交易日期,交易金额,账户余额,交易地点/附言,对方账号与户名
1,转账存入,人民币元,钞,20260302,300.00,"1,300.00",1-101 管理费,6222****/SAMPLE A
2,消费,人民币元,钞,20260303,-50.00,"1,250.00",超市,SAMPLE B
"""
BOCOM = """序号,交易日期,交易时间,交易类型,借贷,交易金额,余额,对方账号,对方户名,交易地点,摘要
1,2026-03-01,00:00:00,转账,贷 Cr,100.00,1100.00,6222,SAMPLE A,网银,1-101
2,2026-03-02,13:15:12,转账,借 Dr,50.00,1050.00,6222,SAMPLE B,其他,
"""


@pytest.mark.parametrize(
    ("text", "profile", "expected"),
    [(ALIPAY, "alipay", (4, 1, 1, "250.00", "20.00", 0, "unavailable")), (CMB, "cmb", (2, 1, 1, "1234.00", "1000.00", 0, "closed")),
     (CMB_WEB, "cmb-web", (2, 1, 1, "500.00", "20.00", 0, "closed")), (ABC, "abc", (2, 1, 1, "10000.00", "10.00", 0, "closed")),
     (CCB, "ccb", (2, 1, 1, "300.00", "50.00", 0, "closed")), (BOCOM, "bocom", (2, 1, 1, "100.00", "50.00", 0, "closed"))],
)  # fmt: skip
def test_statements_of_other_banks_are_known_by_their_columns(
    text: str, profile: str, expected: tuple[Any, ...]
) -> None:
    found = read(text.encode("gb18030"))
    assert (found.profile, *shown(found)) == (profile, *expected)


def test_a_workbook_reads_as_its_rows() -> None:
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook()
    for row in csv_rows(BOC):
        book.active.append(row)  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    assert shown(read(out.getvalue())) == (3, 2, 1, "10100.00", "1200.00", 0, "closed")


def test_a_table_on_a_further_sheet_is_said_not_to_be_read() -> None:
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook()
    for month in ("january", "february", "march"):
        sheet = book.create_sheet(month)
        for row in csv_rows(BOC):
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    found = read(out.getvalue())
    assert len(found.rows) == 3
    assert "not read: sheet 3, 4 of the workbook; save each as a file of its own" in found.notes


def csv_rows(text: str) -> list[list[str]]:
    import csv  # noqa: PLC0415

    return list(csv.reader(io.StringIO(text)))


MT940 = """:20:STARTUMS
:25:62220000/0001
:28C:00001/001
:60F:C260301CNY8300,00
:61:2603020302C2681831,46NTRFNONREF//B1
:86:SAMPLE A 3-1502
:61:2603030303D2554737,23NTRFNONREF//B2
:86:SAMPLE B
:62F:C260303CNY135394,23
-
"""


def test_an_mt940_of_the_worked_case_closes_and_a_wrong_closing_balance_is_found() -> None:
    """C16: opening 8,300.00, in 2,681,831.46, out 2,554,737.23, closing 135,394.23."""
    assert shown(read(MT940)) == (2, 1, 1, "2681831.46", "2554737.23", 0, "closed")
    broken = read(MT940.replace("135394,23", "135394,24"))
    assert (broken.chain.state, broken.chain.expected, broken.chain.found) == (
        "broken", Decimal("135394.23"), Decimal("135394.24"),
    )  # fmt: skip


CAMT = """<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">130.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="CNY">50.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-02</Dt></BookgDt>
<NtryDtls><TxDtls><Amt Ccy="CNY">30.00</Amt><RltdPties><Dbtr><Nm>SAMPLE A</Nm></Dbtr></RltdPties><RmtInf><Ustrd>1-101</Ustrd></RmtInf></TxDtls>
<TxDtls><Amt Ccy="CNY">20.00</Amt></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="CNY">20.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-03</Dt></BookgDt></Ntry>
<Ntry><Amt Ccy="CNY">9.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts><BookgDt><Dt>2026-03-03</Dt></BookgDt></Ntry>
</Stmt></BkToCstmrStmt></Document>"""


def test_a_camt_statement_takes_a_batch_apart_and_leaves_out_what_is_pending() -> None:
    found = read(CAMT)
    assert shown(found) == (3, 2, 1, "50.00", "20.00", 0, "closed")
    assert found.notes == ("entry 3 is PDNG, not booked, and left out",)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing,of,that\n1,2,3\n", b"\xd0\xcf\x11\xe0old", b"PK\x03\x04broken", b"\xff\xfe\x00\xd8\x00\xd8",
     b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Document><BkToCstmrStmt>&a;</BkToCstmrStmt></Document>'],
)  # fmt: skip
def test_what_is_no_statement_says_so(content: bytes) -> None:
    with pytest.raises((FileError, UnicodeDecodeError)):
        read(content)


def test_a_profile_of_ones_own_needs_no_code(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'id = "own"\ntitle = "A bank of one\'s own"\nheader = ["Buchung", "Betrag"]\ndate = "Buchung"\namount = "Betrag"\n'
        'balance = "Saldo"\ndecimal = ","\nday_first = true\n', encoding="utf-8",
    )  # fmt: skip
    text = "Buchung;Betrag;Saldo\n02.03.2026;1.000,00;1.500,00\n03.03.2026;-250,50;1.249,50\n"
    found = read_statement(text.encode(), "auto", known_profiles([tmp_path]))
    assert (found.profile, *shown(found)) == ("own", 2, 1, 1, "1000.00", "250.50", 0, "closed")
    assert [row.on for row in found.rows] == [date(2026, 3, 2), date(2026, 3, 3)]


@pytest.mark.parametrize(
    ("text", "named"),
    [("nonsense", "TOML"), ('id = "x"', "title"), ('id="x"\ntitle="x"\nheader="a"\ndate="a"', "amount"),
     ('id="x"\ntitle="x"\nheader="a"\ndate="a"\namount="b"\ncolour="red"', "colour")],
)  # fmt: skip
def test_a_profile_that_is_wrong_names_its_field(text: str, named: str) -> None:
    with pytest.raises(ProfileError, match=named):
        parse_profile(text, "own.toml")


def test_every_shipped_profile_is_whole() -> None:
    assert all(isinstance(one, Profile) and one.header for one in PROFILES.values())
    assert {"wechat", "alipay", "boc", "icbc", "ccb", "cmb", "abc"} <= set(PROFILES)


def row(
    number: int, amount: str, balance: str | None, direction: str = "in", on: date = date(2026, 3, 2)
) -> StatementRow:
    return StatementRow.model_validate(
        {
            "row": number,
            "key": "0" * 32,
            "ordinal": 0,
            "on": on,
            "direction": direction,
            "amount": amount,
            "balance": balance,
        }
    )


def test_a_chain_is_closed_broken_at_its_line_or_unavailable() -> None:
    """C16."""
    good = [row(1, "5.00", "15.00"), row(2, "3.00", "12.00", "out"), row(3, "1.00", None), row(4, "1.00", "14.00")]
    assert check_chain(good) == Chain(state="closed")
    bad = [*good[:3], row(4, "1.00", "14.01")]
    assert check_chain(bad) == Chain(state="broken", row=4, expected=Decimal("14.00"), found=Decimal("14.01"))
    assert check_chain([row(1, "5.00", None), row(2, "5.00", None)]) == Chain(state="unavailable")
    opening, closing = Decimal("8300.00"), Decimal("135394.23")
    worked = [row(1, "2681831.46", None), row(2, "2554737.23", None, "out")]
    assert check_chain(worked, opening=opening, closing=closing) == Chain(state="closed")
    assert check_chain(worked, opening=opening, closing=closing + 1).state == "broken"


def test_a_cell_that_is_too_long_is_unreadable_and_changes_no_limit_of_the_process() -> None:
    before = csv.field_size_limit()
    found = [line.cells for line in rows_of(f"1,2\n{'9' * 100_001},2\n3,4\n", ",")]
    assert [cells[0][:10] for cells in found[:3]] == ["1", "unreadable", "3"]
    assert csv.field_size_limit() == before
