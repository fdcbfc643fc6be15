"""Dunning: stages as data, each once, never to a unit in dispute; letters and reports to the byte."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.billing import SetDispute
from bailiwick_contracts.collection import GetReport, IssueCollectionReport
from bailiwick_contracts.dunning import IssueNotices, ListNotices, RecordPrinting
from pypdf import PdfReader

from services.billing.paper import (
    FONTS_DIRECTORY,
    MONTHLY_HEAD,
    FontsMissingError,
    csv_bytes,
    fonts_in,
    letters_pdf,
    monthly_rows,
    report_pdf,
    xlsx_bytes,
)
from tests.billing.office import ANN, DIRECTOR, NORTH, Accounts, flat, local

NO_FONTS = "no font with Chinese lies in the directory (apt-get install fonts-noto-cjk)"


@pytest.fixture
def owing(accounts: Accounts) -> Accounts:
    """Three units that owe March, due on the 10th."""
    accounts.units(flat("1-101", label="1栋101"), flat("1-102"), flat("1-103"))
    accounts.run(unit_ids=("1-101", "1-102", "1-103"))
    return accounts


def issue(accounts: Accounts, batch: str, on: date, by: str = DIRECTOR) -> dict[str, int] | None:
    accounts.now = max(accounts.now, local(on))
    return accounts.ask(IssueNotices(batch_id=batch, as_of=on), by=by).result


def test_a_notice_is_sent_at_its_stage_once_and_at_the_next_stage_again(owing: Accounts) -> None:
    assert issue(owing, "b1", date(2026, 4, 8)) == {"sent": 0, "in_dispute": 0, "remaining": 0}
    assert issue(owing, "b2", date(2026, 4, 9)) == {"sent": 3, "in_dispute": 0, "remaining": 0}
    assert issue(owing, "b3", date(2026, 4, 20)) == {"sent": 0, "in_dispute": 0, "remaining": 0}
    owing.receive("r1", "250.00", "1-102")
    assert (issue(owing, "b4", date(2026, 5, 9)) or {})["sent"] == 2
    notice = owing.facts("arrears_notice_sent")[0].data
    assert (notice.stage, notice.overdue_days, notice.body) == (1, 30, "Unit 1栋101 owes 250.00 CNY since 2026-03-10.")
    assert [event.data.stage for event in owing.facts("arrears_notice_sent")] == [1, 1, 1, 2, 2]


def test_a_unit_in_dispute_gets_no_notice_until_the_dispute_ends(owing: Accounts) -> None:
    dispute = SetDispute(unit_id="1-102", disputed=True, grounds="leak")
    assert owing.ask(dispute, by=ANN).outcome == "refused"
    assert [owing.ask(dispute, by=DIRECTOR).outcome for _ in range(2)] == ["done", "ignored"]
    assert issue(owing, "b1", date(2026, 4, 9)) == {"sent": 2, "in_dispute": 1, "remaining": 0}
    owing.done(SetDispute(unit_id="1-102", disputed=False, grounds="settled"), by=DIRECTOR)
    assert (issue(owing, "b2", date(2026, 4, 9)) or {})["sent"] == 1
    assert owing.ask(SetDispute(unit_id="9-999", disputed=True, grounds="x"), by=DIRECTOR).outcome == "rejected"


def test_a_notice_is_not_sent_ahead_of_its_day(owing: Accounts) -> None:
    answer = owing.ask(IssueNotices(batch_id="b1", as_of=owing.today + timedelta(days=1)), by=DIRECTOR)
    assert (answer.error or {})["code"] == "as_of_in_future"
    assert not owing.facts("arrears_notice_sent")


def test_only_the_offices_director_sends_notices(owing: Accounts) -> None:
    assert issue(owing, "b1", date(2026, 4, 9), by="south-director") is None
    assert owing.last("billing_refused").data.reason == "outside_own_office"


def test_a_directory_without_fonts_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(FontsMissingError, match="fonts-noto-cjk"):
        fonts_in(tmp_path)


def _fonts() -> tuple[str, str]:
    try:
        return fonts_in(FONTS_DIRECTORY)
    except FontsMissingError:
        pytest.skip(NO_FONTS)


def test_letters_are_one_pdf_a_page_a_unit_the_same_to_the_byte(owing: Accounts) -> None:
    family, digest = _fonts()
    issue(owing, "b1", date(2026, 4, 9))
    notices = owing.read(ListNotices(batch_id="b1"))["notices"]
    made = letters_pdf(notices, FONTS_DIRECTORY, family)
    assert made == letters_pdf(list(reversed(notices)), FONTS_DIRECTORY, family)
    reader = PdfReader(io.BytesIO(made))
    assert len(reader.pages) == 3
    assert "催繳通知" in reader.pages[0].extract_text()
    printed = RecordPrinting(batch_id="b1", letters=3, pdf_sha256="ab" * 32, fonts_sha256=digest)
    assert owing.ask(printed, by=ANN).outcome == "refused"
    assert [owing.ask(printed, by=DIRECTOR).outcome for _ in range(2)] == ["done", "ignored"]


def test_a_report_is_made_from_its_fact_the_same_to_the_byte(owing: Accounts) -> None:
    family, digest = _fonts()
    owing.receive("r1", "100.00")
    owing.done(IssueCollectionReport(report_id="rep", month="2026-03", fonts_sha256=digest))
    first = owing.read(GetReport(report_id="rep"))
    owing.receive("r2", "100.00")
    again = owing.read(GetReport(report_id="rep"))
    makers: tuple[Callable[[Any], bytes], ...] = (
        lambda one: csv_bytes(MONTHLY_HEAD, monthly_rows(one["report"])),
        lambda one: xlsx_bytes(one, NORTH),
        lambda one: report_pdf(one, NORTH, FONTS_DIRECTORY, family),
    )
    for make in makers:
        assert make(first) == make(again)
    text = csv_bytes(MONTHLY_HEAD, monthly_rows(first["report"])).decode("utf-8-sig")
    assert "month 月,all,all,750.00,0.00,0.00,100.00,0.00,13.33,13.33,13.33" in text
    assert (
        "收費報表" in PdfReader(io.BytesIO(report_pdf(first, NORTH, FONTS_DIRECTORY, family))).pages[0].extract_text()
    )
