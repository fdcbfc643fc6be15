"""A trace that a caller begins goes on through the gateway, the decision, the store and the broker to whoever takes the fact in."""

import time
from collections.abc import Iterator

import pytest
from bailiwick_contracts.message import COMPANY
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from services.kernel import tracing
from tests.gateway.conftest import NORTH, System, key

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{CALLER}-01"
SIGN_UP = "/v1/properties/company/registry/register_staff"
NAME, FACT = "樣本王小明", "registry.staff_registered.v1"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.collect(provider)
    yield exporter
    tracing.collect(None)


def person(staff_id: str) -> dict[str, str]:
    return {"staff_id": staff_id, "name": NAME, "home_property": NORTH, "hired_on": "2024-01-01"}


def taking_in(found: list[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {str((one.attributes or {})["bailiwick.service"]): one for one in found if one.name == f"process {FACT}"}


def until_taken_in(spans: InMemorySpanExporter, services: set[str]) -> list[ReadableSpan]:
    deadline = time.monotonic() + 20
    while True:
        found = [span for span in spans.get_finished_spans() if format_trace_id(span.context.trace_id) == TRACE]
        if services <= set(taking_in(found)):
            return found
        assert time.monotonic() < deadline, [span.name for span in found]
        time.sleep(0.05)


def test_one_trace_from_the_request_to_every_service_that_took_the_fact_in(
    system: System, spans: InMemorySpanExporter
) -> None:
    with system.http("hr") as http:
        answer = http.post(SIGN_UP, json=person("traced-1"), headers=key() | {"traceparent": GIVEN})
    assert answer.status_code == 200, answer.text
    fact = answer.json()["facts"][0]
    found = until_taken_in(spans, {"attendance", "tickets", "billing", "audit"})
    by_id = {format_span_id(span.context.span_id): span for span in found}

    def above(span: ReadableSpan) -> str:
        assert span.parent is not None
        return format_span_id(span.parent.span_id)

    (served,) = (span for span in found if span.kind is SpanKind.SERVER)
    (sent,) = (span for span in found if span.kind is SpanKind.CLIENT)
    (decided,) = (span for span in found if span.name == "process registry.register_staff.v1")
    (published,) = (span for span in found if span.kind is SpanKind.PRODUCER and span.name == f"publish {FACT}")
    taken_in = list(taking_in(found).values())
    assert above(served) == CALLER
    assert by_id[above(sent)] is served
    assert by_id[above(decided)] is sent
    assert above(published) == format_span_id(decided.context.span_id)
    assert {above(span) for span in taken_in} == {format_span_id(decided.context.span_id)}
    assert (decided.attributes or {})["bailiwick.facts"] == 1
    assert {(span.attributes or {})["bailiwick.event_id"] for span in taken_in} == {fact["id"]}
    with system.http("hr") as http:
        stored = http.get("/v1/events", params={"type": FACT, "property": COMPANY, "limit": 500}).json()["events"]
    (kept,) = (event for event in stored if event["id"] == fact["id"])
    assert kept["traceparent"] == f"00-{TRACE}-{format_span_id(decided.context.span_id)}-01"
    assert NAME not in "".join(span.to_json() for span in found)


def test_where_nobody_collects_the_trace_is_passed_on_as_it_came_and_what_is_none_is_left_out(system: System) -> None:
    with system.http("hr") as http:
        for staff_id, given in (("traced-2", GIVEN), ("traced-3", "no trace"), ("traced-4", "x" * 5_000)):
            answer = http.post(SIGN_UP, json=person(staff_id), headers=key() | {"traceparent": given})
            assert answer.status_code == 200, answer.text
        pages = http.get("/v1/events", params={"type": FACT, "property": COMPANY, "limit": 500}).json()["events"]
    kept = {event["data"]["staff_id"]: event.get("traceparent") for event in pages}
    assert (kept["traced-2"], kept["traced-3"], kept["traced-4"]) == (GIVEN, None, None)
