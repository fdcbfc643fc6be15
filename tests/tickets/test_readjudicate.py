"""Everything about tickets is judged again from the facts alone: rulings under their rows, terms and breaches by their arithmetic."""

from collections.abc import Iterator

import pytest
from bailiwick_contracts.envelope import read_event, render
from bailiwick_contracts.handling import HoldTicket, ResumeTicket
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.readjudicate import in_recorded_order
from bailiwick_contracts.ticket import ClassifyTicket, RegisterTicket
from pydantic_core import from_json

from tests.judged import judged
from tests.tickets.examples import play
from tests.tickets.office import ANN, DIRECTOR, LONDON, NORTH, SOUTH, Office


def raws(office: Office) -> Iterator[bytes]:
    chains = [
        (fact.raw for fact in store.chain(place, 0, 100_000))
        for store in (office.registry_store, office.store)
        for place in (COMPANY, NORTH, SOUTH, LONDON)
    ]
    return in_recorded_order(*chains)


def reclassify(office: Office) -> None:
    """A ticket that was on hold becomes major, is lowered again by the director, and had another topic in between."""
    first: list[tuple[Request, str]] = [
        (RegisterTicket(ticket_id="c1", kind="complaint", description="Sample."), ANN),
        (HoldTicket(ticket_id="c1", waits_for="a part"), ANN),
    ]
    for request, by in first:
        assert office.ask(request, by=by).outcome == "done"
    office.later(hours=3)
    then: list[tuple[Request, str]] = [
        (ResumeTicket(ticket_id="c1"), ANN),
        (ClassifyTicket(ticket_id="c1", severity="major"), ANN),
        (ClassifyTicket(ticket_id="c1", topic="lift"), DIRECTOR),
        (ClassifyTicket(ticket_id="c1", kind="repair", severity="ordinary"), DIRECTOR),
    ]
    for request, by in then:
        assert office.ask(request, by=by).outcome == "done", request


def test_the_terms_of_a_ticket_that_became_another_come_out_again(office: Office) -> None:
    reclassify(office)
    findings, summary = judged(raws(office), office.keys)
    assert findings == []
    assert len(office.facts("ticket_classified")) == 3
    assert summary.judged >= 3


def test_every_ruling_and_every_term_comes_out_again(office: Office) -> None:
    play(office)
    findings, summary = judged(raws(office), office.keys)
    assert findings == []
    assert summary.judged > 30
    assert summary.agrees


@pytest.mark.parametrize(
    ("kind", "path", "value", "field"),
    [
        ("ticket_registered", ("deadlines", 1, "due_at"), "2026-03-03T10:00:00Z", "deadlines"),
        ("deadline_breached", ("reckoning", "due_at"), "2026-03-02T01:00:00Z", "reckoning"),
        ("ticket_resumed", ("held", "until"), "2026-03-04T10:00:00Z", "deadlines"),
        ("ticket_assigned", ("ruling", "outcome"), "refused", "ruling"),
        ("work_order_issued", ("ruling", "row_id"), "P6", "ruling"),
        ("renovation_forwarded", ("to",), "cleaning", "to"),
        ("ticket_classified", ("deadlines", 1, "due_at"), "2026-03-03T10:00:00Z", "deadlines"),
        ("ticket_classified", ("terms", "response_seconds"), 60, "terms"),
        ("ticket_classified", ("was_severity",), "ordinary", "was_severity"),
        ("ticket_classified", ("ruling",), None, "ruling"),
    ],
)
def test_what_was_altered_is_found(
    office: Office, kind: str, path: tuple[str | int, ...], value: str | int | None, field: str
) -> None:
    play(office)
    reclassify(office)
    lines = list(raws(office))
    index = max(n for n, raw in enumerate(lines) if f"tickets.{kind}." in read_event(raw).type)
    document = from_json(lines[index])
    place = document["data"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    attributes = {name: part for name, part in document.items() if name != "data"}
    from pydantic_core import to_json  # noqa: PLC0415

    lines[index] = render(attributes, to_json(document["data"]))
    findings, _ = judged(lines, office.keys)
    assert any(one.fact_id == document["id"] and one.field.startswith(field) for one in findings), findings
