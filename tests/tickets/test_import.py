"""Another system's log: every entry with its own time and place, whatever is odd about it, once; and the real one, unchanged."""

import gzip
import io
import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bailiwick_contracts.ticket_import import ImportTickets, LogCase
from bailiwick_contracts.ticket_query import GetLogFigures, GetTicketHistory

from services.cli.ticket_import import _parts
from services.registry.expansion import offset_changes
from services.table import BadRow
from services.tickets.log_file import (
    CSV_MAPPING,
    LogMapping,
    UnreadableError,
    handlers_in,
    is_xes,
    mapping_of,
    read_log,
)
from tests.tickets.office import Office

DATA = Path(os.environ.get("BAILIWICK_TEST_DATA", str(Path(__file__).parents[3] / "shared" / "data")))
LOG = DATA / "helpdesk.xes.gz"
SHANGHAI = offset_changes("Asia/Shanghai", 2030)


def xes(*traces: str, head: str = "") -> bytes:
    return f'<?xml version="1.0"?>{head}<log xmlns="http://www.xes-standard.org/">{"".join(traces)}</log>'.encode()


def trace(name: str, *events: tuple[str, str] | tuple[str, str, str]) -> str:
    made = "".join(
        f'<event><string key="concept:name" value="{one[0]}"/><date key="time:timestamp" value="{one[1]}"/>'
        f'<string key="org:resource" value="{one[2] if len(one) > 2 else "Kim"}"/></event>'
        for one in events
    )
    return f'<trace><string key="concept:name" value="{name}"/>{made}</trace>'


def at(clock: str, day: int = 1) -> str:
    return f"2020-01-{day:02}T{clock}:00+00:00"


def read(content: bytes, mapping: LogMapping | None = None) -> tuple[list[LogCase], list[BadRow]]:
    named = mapping or (LogMapping() if is_xes(content[:64]) else CSV_MAPPING)
    found = list(read_log(io.BytesIO(content), named, "helpdesk", SHANGHAI, {"Known": "ann-sample"}))
    return [one for one in found if isinstance(one, LogCase)], [one for one in found if isinstance(one, BadRow)]


def take_in(office: Office, cases: list[LogCase]) -> list[str]:
    outcomes: list[str] = []
    for part in _parts(iter(cases)):
        answer = office.ask(
            ImportTickets(system="helpdesk", cases=part), by="system-import", channel="import", import_file="log.xes"
        )
        assert answer.error is None, answer
        outcomes += [row.outcome for row in answer.rows]
    return outcomes


def anomalies(office: Office) -> list[tuple[str, tuple[str, ...]]]:
    return [(e.data.activity, e.data.anomalies) for e in office.facts("activity_imported")]


def test_entries_keep_their_times_their_order_and_where_they_came_from(office: Office) -> None:
    cases, bad = read(
        xes(trace("Case 1", ("Insert ticket", at("09:00")), ("Resolve ticket", at("11:30")), ("Closed", at("12:00"))))
    )
    assert bad == []
    take_in(office, cases)
    facts = office.facts("activity_imported")
    assert [(e.data.number, e.data.activity, e.time) for e in facts] == [
        (1, "Insert ticket", datetime(2020, 1, 1, 9, tzinfo=UTC)),
        (2, "Resolve ticket", datetime(2020, 1, 1, 11, 30, tzinfo=UTC)),
        (3, "Closed", datetime(2020, 1, 1, 12, tzinfo=UTC)),
    ]
    assert [(e.importfile, e.importrow, e.channel) for e in facts] == [("log.xes", n, "import") for n in (1, 2, 3)]
    shown = office.read(GetTicketHistory(ticket_id=facts[0].data.ticket_id))["facts"]
    assert {one["by"] for one in shown} == {"people"}


def test_what_is_odd_is_kept_and_named(office: Office) -> None:
    cases, _ = read(
        xes(
            trace("out of order", ("Wait", at("10:00")), ("Take in charge ticket", at("09:00"))),
            trace("twice", ("Wait", at("10:00")), ("Wait", at("10:00"))),
            trace(
                "after the end",
                ("Closed", at("10:00")),
                ("Take in charge ticket", at("11:00")),
                ("Closed", at("12:00")),
            ),
            trace("closed twice", ("Wait", at("09:00")), ("Closed", at("10:00")), ("Closed", at("11:00"))),
            trace("nobody knows", ("Sing a song", at("10:00"))),
            trace("empty"),
        )
    )
    take_in(office, cases)
    assert anomalies(office) == [
        ("Wait", ()),
        ("Take in charge ticket", ("before_its_predecessor",)),
        ("Wait", ()),
        ("Wait", ("same_instant",)),
        ("Closed", ("not_begun",)),
        ("Take in charge ticket", ("after_closing",)),
        ("Closed", ()),
        ("Wait", ()),
        ("Closed", ()),
        ("Closed", ("closed_again",)),
        ("Sing a song", ("unknown_activity",)),
    ]
    assert office.facts("ticket_imported")[-1].data.anomalies == ("no_entries",)


def test_the_same_log_again_changes_nothing_and_a_longer_one_adds_what_is_new(office: Office) -> None:
    entries = [("Insert ticket", at("09:00")), ("Wait", at("10:00")), ("Wait", at("10:00"))]
    assert take_in(office, read(xes(trace("Case 1", *entries)))[0]) == ["done"]
    before = len(office.facts())
    assert take_in(office, read(xes(trace("Case 1", *entries)))[0]) == ["ignored"]
    assert len(office.facts()) == before
    assert take_in(office, read(xes(trace("Case 1", *entries, ("Closed", at("11:00")))))[0]) == ["done"]
    assert [e.data.activity for e in office.facts()[before:]] == ["Closed"]


def test_rows_that_cannot_be_taken_are_named_and_the_rest_is(office: Office) -> None:
    cases, bad = read(
        xes(
            trace("Case 1", ("Insert ticket", at("09:00")), ("Wait", "yesterday"), ("", at("10:00"))),
            trace("", ("Wait", at("09:00"))),
            trace("Case 2", ("Closed", at("09:00"))),
        )
    )
    assert [(row.row, row.field) for row in bad] == [(2, "time:timestamp"), (3, "concept:name"), (4, "concept:name")]
    assert [(case.external_id, len(case.entries)) for case in cases] == [("Case 1", 1), ("Case 2", 1)]


@pytest.mark.parametrize(
    "content",
    [
        xes(head='<!DOCTYPE log [<!ENTITY a "aaaa">]>'),
        xes(head='<!DOCTYPE log SYSTEM "file:///etc/passwd">'),
        b"<log><trace>",
        b"<html></html>",
        gzip.compress(xes(trace("Case 1", ("Wait", at("09:00")))))[:-20],
    ],
    ids=["entity", "outside", "half", "no log", "half packed"],
)
def test_what_is_no_log_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(content)


def test_a_table_is_read_by_its_mapping_and_times_without_offset_are_the_propertys(office: Office) -> None:
    mapping = mapping_of(
        '{"ticket": "工單號", "activity": "動作", "at": "時間", "handler": "經手人", "topic": "類別", "kind": "類型",'
        ' "kinds": {"維修": "repair"}, "meanings": {"回訪": "noted", "已處理": "completed"}}'
    )
    table = (
        "工單號,動作,時間,經手人,類別,類型\r\n"
        "A1,受理,2020/1/1 9:00,Known,漏水,維修\r\n"
        "A2,受理,2020/1/1 9:30,Unknown,電梯,其他\r\n"
        "A1,已處理,2020/1/1 11:00,Known,漏水,維修\r\n"
        "A3,受理,,Known,,\r\n"
    )
    cases, bad = read(table.encode("utf-8-sig"), mapping)
    assert [(c.external_id, c.kind, c.topic, len(c.entries)) for c in cases] == [
        ("A1", "repair", "漏水", 2),
        ("A2", "help_request", "電梯", 1),
    ]
    first = cases[0].entries
    assert (first[0].at, first[0].handler_id, first[1].meaning) == (
        datetime(2020, 1, 1, 1, tzinfo=UTC),
        "ann-sample",
        "completed",
    )
    assert cases[1].entries[0].handler_id.startswith("x-")
    assert [(row.row, row.field) for row in bad] == [(5, "時間")]
    assert handlers_in(io.BytesIO(table.encode()), mapping) == {"Known", "Unknown"}


def test_a_table_with_a_row_per_ticket_is_read_by_its_columns_of_times() -> None:
    mapping = mapping_of(
        '{"ticket": "id", "handler": null, "entries": ['
        '{"at": "opened", "activity": "opened", "meaning": "registered"}, {"at": "closed", "activity": "closed"}]}'
    )
    cases, bad = read(
        b"id,opened,closed\n1,2020-01-01T09:00:00Z,2020-01-02T09:00:00Z\n2,2020-01-01T09:00:00Z,\n", mapping
    )
    assert bad == []
    assert [[entry.meaning for entry in case.entries] for case in cases] == [["registered", "closed"], ["registered"]]


def test_a_mapping_that_is_no_text_is_said_to_be_none() -> None:
    assert mapping_of(b"\xef\xbb\xbf" + b'{"ticket": "id"}').ticket == "id"
    with pytest.raises(UnreadableError, match="mapping: file: "):
        mapping_of(bytes(range(256)))


def test_a_mapping_that_names_no_field_of_ours_says_which() -> None:
    with pytest.raises(UnreadableError, match="tickte"):
        mapping_of('{"tickte": "id"}')


def test_cells_that_a_spreadsheet_would_run_are_not_taken() -> None:
    _, bad = read(b"ticket,activity,at,handler\n=1+1,Wait,2020-01-01T09:00:00Z,x\n")
    assert [row.row for row in bad] == [2]


def test_a_case_longer_than_a_request_keeps_its_order(office: Office) -> None:
    entries = [("Wait", f"2020-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}+00:00") for n in range(2_500)]
    cases, _ = read(xes(trace("long", *entries)))
    assert take_in(office, cases) == ["done"] * 3
    assert [e.data.number for e in office.facts("activity_imported")] == list(range(1, 2_501))


def by_hand(path: Path) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """The same figures from the file's own elements, without a line of ours."""
    activities: Counter[str] = Counter()
    variants: Counter[tuple[str, ...]] = Counter()
    with gzip.open(path) as file:
        for case in ET.parse(file).getroot():  # noqa: S314 - the public data set
            if not case.tag.endswith("trace"):
                continue
            names = tuple(
                field.get("value", "")
                for event in case
                if event.tag.endswith("event")
                for field in event
                if field.get("key") == "concept:name"
            )
            activities.update(names)
            variants[names] += 1
    return activities, variants


@pytest.mark.skipif(not LOG.is_file(), reason="the public data set is not here")
def test_the_figures_of_the_real_log_come_out_of_our_store_unchanged(office: Office) -> None:
    with LOG.open("rb") as file:
        cases = [one for one in read_log(file, LogMapping(), "helpdesk", (), {}) if isinstance(one, LogCase)]
    outcomes = Counter(take_in(office, cases))
    assert outcomes == {"done": 4_580}
    shown: Mapping[str, Any] = office.read(GetLogFigures(system="helpdesk", variants_limit=500))
    activities, variants = by_hand(LOG)
    assert shown["activities"] == dict(activities)
    assert (shown["tickets"], shown["events"], shown["variants"]["distinct"]) == (4_580, 21_348, len(variants))
    assert {tuple(one["activities"]): one["tickets"] for one in shown["variants"]["most_frequent"]} == dict(variants)
    odd = Counter(one for _, found in anomalies(office) for one in found)
    assert odd["closed_again"] > 0
    assert odd["after_closing"] > 0
    before = len(office.facts())
    assert Counter(take_in(office, cases)) == {"ignored": 4_580}
    assert len(office.facts()) == before
