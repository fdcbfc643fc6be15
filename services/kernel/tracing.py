"""Traces by OpenTelemetry: each decision, intake, timer and publication is a span, and the fact carries its context on.

The context stands in the fact as the CloudEvents attribute `traceparent` (W3C Trace Context), so a trace goes through the store:
what follows a year later still names what it followed from. Where nobody collects spans, the context is passed on as it came.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bailiwick_contracts.envelope import Command, Event
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    format_span_id,
    format_trace_id,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()
_tracer: Tracer | None = None


def collect(provider: TracerProvider | None) -> None:
    """From now on the spans of this process go to a provider; with None, nowhere."""
    global _tracer  # noqa: PLW0603 - one for a process, like the provider itself
    _tracer = provider.get_tracer("bailiwick") if provider is not None else None


def begin(name: str, parent: str | None, kind: SpanKind, attributes: Mapping[str, Any]) -> Span | None:
    """A span below `parent` (a `traceparent`; None begins a trace), or None where nobody collects spans."""
    if _tracer is None:
        return None
    return _tracer.start_span(name, _context(parent), kind, attributes)


def _context(parent: str | None) -> Context:
    """What a `traceparent` says; one that is none says nothing, as W3C Trace Context asks for."""
    return _W3C.extract({"traceparent": parent} if parent else {}, Context())


def handling(service: str, message: Event[Any] | Command[Any]) -> Span | None:
    """The span of what a service makes of a command, a timer or a fact."""
    if _tracer is None:
        return None
    wire = message.type if isinstance(message, Event) else message.commandtype
    named = {f"bailiwick.{name}": value for name, value in about(message).items() if name != "trace_id"}
    return begin(f"process {wire}", message.traceparent, SpanKind.CONSUMER, {
        "messaging.system": "nats", "messaging.operation.type": "process", "bailiwick.service": service, **named,
    })  # fmt: skip


def traceparent_of(span: Span | None, otherwise: str | None) -> str | None:
    """The context of a span as it is handed on."""
    return otherwise if span is None else _text(span)


def _text(span: Span) -> str | None:
    found = span.get_span_context()
    if not found.is_valid:
        return None
    return f"00-{format_trace_id(found.trace_id)}-{format_span_id(found.span_id)}-{found.trace_flags:02x}"


def end(span: Span | None, error: type[BaseException] | None = None, attributes: Mapping[str, Any] = {}) -> None:
    """End a span. An error is told by its kind alone: its text may hold what nobody should read."""
    if span is None:
        return
    span.set_attributes(attributes)
    if error is not None:
        span.set_attribute("error.type", error.__name__)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


@contextmanager
def within(name: str, parent: str | None, kind: SpanKind, attributes: Mapping[str, Any]) -> Iterator[None]:
    """A span around a block; what is begun in the block below `current()` belongs to it, also where nobody collects spans."""
    if _tracer is None and parent is None:
        yield
        return
    span, error = begin(name, parent, kind, attributes), None
    inside = span or trace.get_current_span(_context(parent))
    try:
        with trace.use_span(inside, record_exception=False, set_status_on_exception=False):
            yield
    except BaseException as caught:
        error = type(caught)
        raise
    finally:
        end(span, error)


def current() -> str | None:
    """The `traceparent` of the block that runs."""
    return _text(trace.get_current_span())


def published(facts: Iterable[tuple[bytes, str]]) -> list[Span]:
    """A span for each fact (its bytes, its wire type) that is being published, below the decision that made it."""
    if _tracer is None:
        return []
    found = (
        begin(
            f"publish {wire}", _parent_in(raw), SpanKind.PRODUCER,
            {"messaging.system": "nats", "messaging.operation.type": "send", "messaging.destination.template": wire},
        )
        for raw, wire in facts
    )  # fmt: skip
    return [span for span in found if span is not None]


def _parent_in(raw: bytes) -> str | None:
    _, found, rest = raw.partition(b'"traceparent":"')
    return rest[: rest.index(b'"')].decode() if found else None


def about(message: Event[Any] | Command[Any]) -> dict[str, str]:
    """What a log line says of a fact or a command: ids alone, nothing of what is in it."""
    named = {"event_id": message.id} if isinstance(message, Event) else {"command_id": message.commandid}
    place = {"property": message.property_id if isinstance(message, Event) else message.property}
    parent = message.traceparent
    return named | place | ({"trace_id": parent.split("-")[1]} if parent and parent.count("-") == 3 else {})
