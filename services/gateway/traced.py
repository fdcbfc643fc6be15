"""A trace that a caller began goes on inside: `traceparent` of the request, by W3C Trace Context."""

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kernel import tracing


class Traced:
    """A span around each request. What it asks of the services belongs to it, and so do the facts they record."""

    def __init__(self, app: ASGIApp) -> None:
        """Around `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
        parent, method = given.decode("latin-1") if given is not None else None, scope["method"]
        with tracing.within(method, parent, SpanKind.SERVER, {"http.request.method": method}):
            await self._app(scope, receive, send)
