"""Event logs by case: XES (IEEE 1849), which BPM and process-mining tools read. The log states what it is of."""

from collections.abc import Iterable, Mapping
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from services.audit.mining.events import MinedEvent
from services.audit.mining.ocel import ATTRIBUTES, text_of

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value=""/></global>
<global scope="event"><string key="concept:name" value=""/><date key="time:timestamp" value="1970-01-01T00:00:00Z"/></global>
<classifier name="Activity" keys="concept:name"/>
"""


def write_xes(events: Iterable[MinedEvent], about: Mapping[str, Any], file: IO[str], *, case: str) -> dict[str, int]:
    """Write XES; answers how many events and cases.

    Args:
        events: as mined.
        about: stated as attributes of the log.
        file: text to write to.
        case: `stream` (each fact in the one history it belongs to) or a type of object; an event that touches several objects
            of the type stands in each of their cases, and one that touches none in no case.
    """
    cases: dict[str, list[MinedEvent]] = {}
    for event in events:
        for name in event.case(case):
            cases.setdefault(name, []).append(event)
    file.write(_HEAD)
    for name, value in sorted(about.items()):
        file.write(f"<string key={quoteattr('about:' + name)} value={quoteattr(text_of(value))}/>\n")
    count = 0
    for name, members in sorted(cases.items()):
        file.write(f'<trace><string key="concept:name" value={quoteattr(name)}/>\n')
        for event in sorted(members, key=lambda one: one.time):
            count += 1
            file.write(
                f'<event><string key="concept:name" value={quoteattr(event.activity)}/>'
                f'<date key="time:timestamp" value={quoteattr(event.time)}/>'
                f'<string key="org:resource" value={quoteattr(event.attributes["actor"])}/>'
                f'<string key="id" value={quoteattr(event.id)}/><string key="type" value={quoteattr(event.type)}/>'
            )
            for attribute in ATTRIBUTES:
                if attribute in event.attributes and attribute != "actor":
                    file.write(f"<string key={quoteattr(attribute)} value={quoteattr(event.attributes[attribute])}/>")
            file.write("</event>\n")
        file.write("</trace>\n")
    file.write("</log>\n")
    return {"events": count, "cases": len(cases)}
