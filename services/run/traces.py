"""Where spans go: to the OpenTelemetry collector that the standard variables name, or nowhere."""

import os
from collections.abc import Mapping

from services.kernel import tracing

_NAMED_BY = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""https://opentelemetry.io/docs/specs/otel/protocol/exporter/; the other `OTEL_` variables of that page hold as well."""


def configure(environment: Mapping[str, str] = os.environ) -> bool:
    """Send spans by OTLP over HTTP where an endpoint is named; answers whether one is."""
    if not any(environment.get(name) for name in _NAMED_BY):
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME", "bailiwick")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracing.collect(provider)
    return True
