"""The application: its paths, and what becomes of a failure."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.administration import Administration
from services.gateway.events import Events
from services.gateway.limits import Limits, TooLargeError
from services.gateway.login import Doorway
from services.gateway.operations import Operations
from services.gateway.pages import Pages
from services.gateway.problem import ProblemError
from services.gateway.traced import Traced
from services.kernel.failure import place_of

LOG = structlog.get_logger()
Handler = Callable[[HttpRequest], Awaitable[Response]]
_OPERATION = re.compile(r"/v(?P<version>[0-9]{1,9})/properties/(?P<property>[^/]+)/(?P<service>[^/]+)/(?P<name>[^/]+)")
_EVENTS = "/v1/events"
_LOOKING = frozenset({"GET", "HEAD"})
_STATUSES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


@dataclass(frozen=True)
class Parts:
    """What answers."""

    operations: Operations
    events: Events
    doorway: Doorway
    administration: Administration
    pages: Pages


def routes(parts: Parts) -> list[Route]:
    """Every path with its methods. The generated operations share one, and are found by name."""
    admin, pages = parts.administration, parts.pages
    listed: list[tuple[str, list[str], Handler]] = [
        ("/v{version:int}/properties/{property}/{service}/{name}", ["GET", "POST"], parts.operations),
        ("/v1/properties/{property}/records/{service}/{stream}", ["GET"], parts.events.record),
        (_EVENTS, ["GET"], parts.events),
        ("/v1/tokens", ["POST"], parts.doorway.token),
        ("/v1/session", ["POST", "DELETE"], _by_method(POST=parts.doorway.session, DELETE=parts.doorway.leave)),
        ("/v1/accounts", ["GET", "POST"], admin.accounts),
        ("/v1/accounts/{account}", ["PUT", "DELETE"], admin.account),
        ("/v1/api-keys", ["GET", "POST"], admin.api_keys),
        ("/v1/api-keys/{key_id}/revoke", ["POST"], admin.api_key),
        ("/v1/webhooks", ["GET", "POST"], admin.webhooks),
        ("/v1/webhooks/{webhook_id}", ["DELETE"], admin.webhook),
        ("/v1/webhooks/{webhook_id}/deliveries", ["GET"], admin.deliveries),
        ("/v1/webhooks/{webhook_id}/deliveries/{event_id}/resend", ["POST"], admin.resend),
        *(
            (f"/v1/webhooks/{{webhook_id}}/{act}", ["POST"], _acting(admin, act))
            for act in ("rotate", "disable", "enable")
        ),
        *((path, ["GET"], handler) for path, handler in pages.paths().items()),
    ]
    return [Route(path, _endpoint(handler), methods=methods) for path, methods, handler in listed]


def _by_method(**handlers: Handler) -> Handler:
    """One path, one route: two of them would each know of their own methods alone."""

    async def handler(request: HttpRequest) -> Response:
        return await handlers[request.method](request)

    return handler


def _acting(admin: Administration, act: str) -> Handler:
    async def handler(request: HttpRequest) -> Response:
        request.path_params["act"] = act
        return await admin.webhook(request)

    return handler


def _endpoint(handler: Handler) -> Handler:
    async def endpoint(request: HttpRequest) -> Response:
        try:
            return await handler(request)
        except ProblemError as problem:
            return problem.response(request.url.path)

    return endpoint


class Direct:
    """Takes what is asked most straight to its handler, past the routes and layers that the few other paths need."""

    def __init__(self, app: ASGIApp, operations: Handler, events: Handler) -> None:
        """`app` answers every other path."""
        self._app, self._operations, self._events = app, operations, events

    def _handler(self, scope: Scope) -> tuple[Handler, dict[str, Any]] | None:
        if scope["type"] != "http":
            return None
        if scope["path"] == _EVENTS:
            return (self._events, {}) if scope["method"] in _LOOKING else None
        found = _OPERATION.fullmatch(scope["path"])
        return None if found is None else (self._operations, {**found.groupdict(), "version": int(found["version"])})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = self._handler(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        handler, parameters = found
        request = HttpRequest({**scope, "path_params": parameters}, receive)
        try:
            response = await handler(request)
        except ProblemError as problem:
            response = problem.response(request.url.path)
        except TooLargeError:
            raise
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller is answered
            response = failed(request, error)
        await response(scope, receive, send)


def failed(request: HttpRequest, error: Exception) -> Response:
    """The answer to what nobody foresaw; the log has its place and nothing of what was asked."""
    LOG.error("http.failed", path=request.url.path, method=request.method, error=place_of(error))
    return ProblemError("internal").response(request.url.path)


def served(app: FastAPI, parts: Parts, *, secure: bool) -> ASGIApp:
    """The application with what holds for every request around it. `secure`: it speaks TLS itself."""
    return Traced(Limits(Direct(app, parts.operations, parts.events), secure=secure))


def application(parts: Parts) -> FastAPI:
    """Every path, and what becomes of a failure there."""
    app = FastAPI(title="bailiwick", openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.router.routes.extend(routes(parts))
    app.openapi = lambda: parts.pages.openapi  # type: ignore[method-assign]

    async def on_problem(request: HttpRequest, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 - registered for it
        return error.response(request.url.path)

    async def on_http(request: HttpRequest, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        code = _STATUSES.get(error.status_code, "malformed")
        headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
        return ProblemError(code, headers=headers).response(request.url.path)

    async def on_failure(request: HttpRequest, error: Exception) -> Response:
        return failed(request, error)

    async def on_gone(_: HttpRequest, __: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    async def on_too_large(request: HttpRequest, _: Exception) -> Response:
        return ProblemError("too_large").response(request.url.path)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(TooLargeError, on_too_large)
    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(Exception, on_failure)
    return app
