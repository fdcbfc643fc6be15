"""Tickets from another system's log: XES, plain or gzip, or CSV with a mapping. Parsed only; what is taken is asked for elsewhere.

XES is read by a parser that refuses document types, entities and anything outside the file, entry by entry, so that a log of any
size fits.
"""

import codecs
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Annotated, Any
from xml.etree.ElementTree import Element, ParseError

from bailiwick_contracts.deadline import Kind
from bailiwick_contracts.message import Label, Record
from bailiwick_contracts.registry import OffsetChange
from bailiwick_contracts.ticket_import import LogCase, LogEntry, Meaning, pseudonym
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.table import BadRow, Line, read_table, shown
from services.wall_clock import BadCell, instant_of

_UNPACKED_LIMIT = 4 * 2**30
_LABEL = TypeAdapter(Label)
_GZIP = b"\x1f\x8b"


class EntryColumn(Record):
    """One entry of a file that has a row per ticket: the column with its time, and what it is called here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    activity: Label
    meaning: Meaning | None = None


class LogMapping(Record):
    """How a log names things: columns of a CSV, or attributes of an XES trace and its events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket: str = "concept:name"
    activity: str = "concept:name"
    at: str = "time:timestamp"
    handler: str | None = "org:resource"
    topic: str | None = None
    kind: str | None = None
    """Where the kind of a ticket stands; without it every ticket is of `default_kind`."""
    kinds: Mapping[str, Kind] = Field(default_factory=dict)
    default_kind: Kind = "help_request"
    meanings: Mapping[str, Meaning] = Field(default_factory=dict)
    """What an activity means here, in lower case; before the shipped words."""
    entries: Annotated[tuple[EntryColumn, ...], Field(max_length=50)] = ()
    """For a file with one row per ticket: its columns of times, in the order in which they happen."""


WORDS: Mapping[str, Meaning] = {
    **dict.fromkeys(("insert ticket", "create", "created", "open", "opened", "registered", "new", "登記", "受理", "受理登记",
                     "报修", "報修"), "registered"),
    **dict.fromkeys(("assign seriousness", "classify", "classified", "triage", "分類", "分类"), "classified"),
    **dict.fromkeys(("take in charge ticket", "assign", "assigned", "accept", "accepted", "in progress", "接單", "接单", "派工"),
                    "accepted"),
    **dict.fromkeys(("wait", "hold", "on hold", "pending", "掛起", "挂起", "等待"), "held"),
    **dict.fromkeys(("resume", "resumed", "恢復", "恢复"), "resumed"),
    **dict.fromkeys(("require upgrade", "escalate", "escalated", "上報", "上报", "升級", "升级"), "escalated"),
    **dict.fromkeys(("create sw anomaly", "schedule intervention", "dispatch", "work order", "派單", "派单", "工作單", "工單"),
                    "work_order"),
    **dict.fromkeys(("resolve sw anomaly", "work done"), "work_done"),
    **dict.fromkeys(("resolve ticket", "resolve", "resolved", "complete", "completed", "done", "完成", "完工"), "completed"),
    **dict.fromkeys(("verified", "verify", "驗收", "验收"), "verified"),
    **dict.fromkeys(("closed", "close", "關閉", "关闭", "結案", "结案"), "closed"),
    **dict.fromkeys(("invalid", "withdrawn", "cancelled", "撤銷", "撤销"), "withdrawn"),
    **dict.fromkeys(("duplicate", "merged", "重複", "重复"), "duplicate"),
}  # fmt: skip
"""What the usual words of logs mean here; any other activity is kept as `noted`."""


class UnreadableError(Exception):
    """The whole file cannot be read; the message says why and what to do."""


class _Reader:
    """What is remembered over a file: which entries agree, so that each is known again at the next import."""

    def __init__(
        self, mapping: LogMapping, system: str, zone: Sequence[OffsetChange], handlers: Mapping[str, str]
    ) -> None:
        self.mapping, self.system, self.zone, self.handlers = mapping, system, zone, handlers
        self._seen: dict[str, Counter[tuple[str, datetime, str]]] = {}
        self._words = {**WORDS, **{name.lower(): meaning for name, meaning in mapping.meanings.items()}}

    def entry(
        self, ticket: str, activity: str, at: datetime, handler: str, row: int, meaning: Meaning | None = None
    ) -> LogEntry:
        name = self.handlers.get(handler) or pseudonym(self.system, handler)
        seen = self._seen.setdefault(ticket, Counter())
        seen[activity, at, name] += 1
        return LogEntry(
            activity=activity,
            meaning=meaning or self._words.get(activity.lower(), "noted"),
            at=at,
            handler_id=name,
            occurrence=seen[activity, at, name],
            row=row,
        )

    def case(self, ticket: str, first: Mapping[str, str], row: int, entries: Sequence[LogEntry]) -> LogCase:
        named = first.get(self.mapping.kind, "") if self.mapping.kind else ""
        topic = first.get(self.mapping.topic, "") if self.mapping.topic else ""
        return LogCase(
            external_id=_label(self.mapping.ticket, ticket),
            kind=self.mapping.kinds.get(named, self.mapping.default_kind),
            topic=_label(self.mapping.topic or "topic", topic) if topic else "other",
            row=row,
            entries=tuple(entries),
        )


def _label(column: str, value: str) -> str:
    try:
        return _LABEL.validate_python(value)
    except ValidationError as error:
        rule = error.errors(include_url=False)[0]["msg"]
        raise BadCell(column, value, f"1 to 128 characters of text ({rule})", "shorten or fill in the name") from None


def is_xes(head: bytes) -> bool:
    """Whether a file that begins so is an XES log, plain or gzip, and no table."""
    return head.startswith(_GZIP) or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def handlers_in(file: IO[bytes], mapping: LogMapping) -> set[str]:
    """Everybody a log names as handler, in the other system's words."""
    found: set[str] = set()
    if mapping.handler is None:
        return found
    head = file.read(64)
    file.seek(0)
    if is_xes(head):
        for _, event in _elements(file):
            if _local(event) == "event":
                found.add(_attributes(event).get(mapping.handler, ""))
    else:
        columns = [mapping.ticket] if mapping.entries else [mapping.ticket, mapping.handler]
        for line in read_table(file.read(), columns)[0]:
            found.add(line.cells.get(mapping.handler, ""))
    file.seek(0)
    return found


def read_log(
    file: IO[bytes], mapping: LogMapping, system: str, zone: Sequence[OffsetChange], handlers: Mapping[str, str]
) -> Iterator[LogCase | BadRow]:
    """The cases of a log with their entries in its order, and what cannot be taken, as the file is read.

    Args:
        file: opened for reading bytes, at its beginning.
        mapping: how it names things.
        system: the system that keeps it; other systems' people get pseudonyms of it.
        zone: offset changes of the property's zone, for times without an offset.
        handlers: our ids of people, by the other system's names.

    Raises:
        UnreadableError: the file is no log.
    """
    reader = _Reader(mapping, system, zone, handlers)
    head = file.read(64)
    file.seek(0)
    yield from _xes(file, reader) if is_xes(head) else _csv(file.read(), reader)


def _elements(file: IO[bytes]) -> Iterator[tuple[str, Element]]:
    head = file.read(2)
    file.seek(0)
    packed: Any = gzip.GzipFile(fileobj=file) if head == _GZIP else file
    source: Any = _Bounded(packed)
    root: Element | None = None
    try:
        for kind, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
            if root is None:
                root = element
                if _local(root) != "log":
                    raise UnreadableError(
                        f"the document is <{_local(root)}>, not <log>; export the log as XES (IEEE 1849)"
                    )
            elif kind == "end":
                yield kind, element
                if _local(element) == "trace":
                    root.clear()
    except DefusedXmlException as error:
        raise UnreadableError(
            f"{type(error).__name__}: a log holds no document type and no entity; export it anew"
        ) from None
    except (ParseError, OSError, EOFError) as error:
        raise UnreadableError(f"not a whole XES file: {error}; export it anew") from None


class _Bounded(io.RawIOBase):
    """Bytes of an unpacked file, up to a limit that no log reaches."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._left = source, _UNPACKED_LIMIT

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(min(size, 2**20) if size > 0 else 2**20)
        self._left -= len(chunk)
        if self._left < 0:
            raise UnreadableError(f"the file unpacks to more than {_UNPACKED_LIMIT >> 30} GiB; split the log")
        return chunk


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _attributes(element: Element) -> dict[str, str]:
    return {child.get("key", ""): child.get("value", "") for child in element if child.get("key")}


def _xes(file: IO[bytes], reader: _Reader) -> Iterator[LogCase | BadRow]:
    mapping, number = reader.mapping, 0
    for _, trace in _elements(file):
        if _local(trace) != "trace":
            continue
        found = _attributes(trace)
        first = number + 1
        events = [_attributes(child) for child in trace if _local(child) == "event"]
        ticket = found.get(mapping.ticket, "")
        entries: list[LogEntry] = []
        bad: list[BadRow] = []
        for event in events:
            number += 1
            try:
                entries.append(_xes_entry(event, ticket, number, reader))
            except BadCell as wrong:
                bad.append(wrong.of(number))
        try:
            yield reader.case(ticket, {**(events[0] if events else {}), **found}, first, entries)
        except BadCell as wrong:
            yield wrong.of(first)
        yield from bad


def _xes_entry(event: Mapping[str, str], ticket: str, number: int, reader: _Reader) -> LogEntry:
    mapping = reader.mapping
    activity = _label(mapping.activity, event.get(mapping.activity, ""))
    at = instant_of(mapping.at, event.get(mapping.at, "").strip(), reader.zone)
    handler = event.get(mapping.handler, "") if mapping.handler else ""
    return reader.entry(ticket, activity, at, handler, number)


def _csv(content: bytes, reader: _Reader) -> Iterator[LogCase | BadRow]:
    mapping = reader.mapping
    needed = [
        mapping.ticket,
        *([one.at for one in mapping.entries] if mapping.entries else [mapping.activity, mapping.at]),
    ]
    needed += [name for name in (mapping.handler, mapping.topic, mapping.kind) if name]
    lines, bad = read_table(content, needed)
    yield from bad
    cases: dict[str, tuple[Line, list[LogEntry]]] = {}
    for line in lines:
        try:
            ticket = _label(mapping.ticket, line.cells[mapping.ticket])
            entries = list(_row_entries(line, ticket, reader))
        except BadCell as wrong:
            yield wrong.of(line.number)
            continue
        cases.setdefault(ticket, (line, []))[1].extend(entries)
    for ticket, (first, entries) in cases.items():
        try:
            yield reader.case(ticket, first.cells, first.number, entries)
        except BadCell as wrong:
            yield wrong.of(first.number)


def _row_entries(line: Line, ticket: str, reader: _Reader) -> Iterator[LogEntry]:
    mapping, cells = reader.mapping, line.cells
    handler = cells[mapping.handler] if mapping.handler else ""
    for column in mapping.entries:
        if cells[column.at]:
            at = instant_of(column.at, cells[column.at], reader.zone)
            yield reader.entry(ticket, column.activity, at, handler, line.number, column.meaning)
    if not mapping.entries:
        activity = _label(mapping.activity, cells[mapping.activity])
        at = instant_of(mapping.at, cells[mapping.at], reader.zone)
        yield reader.entry(ticket, activity, at, handler, line.number)


def mapping_of(content: bytes | str) -> LogMapping:
    """A mapping file's JSON, with or without a BOM.

    Raises:
        UnreadableError: naming the field, its value and the rule.
    """
    try:
        return LogMapping.model_validate_json(
            content.removeprefix(codecs.BOM_UTF8) if isinstance(content, bytes) else content
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise UnreadableError(f"mapping: {field or 'file'}: {shown(str(problem['input']))}: {problem['msg']}") from None


CSV_MAPPING = LogMapping(ticket="ticket", activity="activity", at="at", handler="handler")
"""What a table is taken for that comes without a mapping."""
