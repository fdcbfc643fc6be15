"""In what encoding a table of another system comes is found by what is common in it, with no word from whoever sends it."""

import pytest

from services.table import chinese_encoding, header_of

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
