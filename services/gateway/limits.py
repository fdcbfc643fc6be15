"""What holds for every request before it is read: its size, its encoding, how many there are, and the headers of every answer."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from bailiwick_contracts.envelope import MESSAGE_LIMIT_BYTES
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.problem import ProblemError

BULK_LIMIT_BYTES = 10 * 1024 * 1024
BULK_TYPES = ("application/x-ndjson", "text/csv")
CALLERS = 20_000
ENVELOPE_BYTES = 8 * 1024
"""What the command around a body may take of a message's 256 KiB."""
POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
OF_PAGES = [(b"referrer-policy", b"no-referrer"), (b"cross-origin-opener-policy", b"same-origin")]
"""What rules a document that a browser shows, and means nothing on any other answer."""


class Rates:
    """A bucket per caller: so many at once, refilled at so many a second."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` answers seconds."""
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one request. Raises ProblemError when there were too many."""
        now = self._clock()
        left, at = self._left.pop(caller, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        while len(self._left) >= CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            self._left[caller] = (left, now)
            wait = max(1, round((1 - left) / self._per_second + 0.5))
            raise ProblemError("too_many_requests", headers={"Retry-After": str(wait)})
        self._left[caller] = (left - 1, now)


class TooLargeError(Exception):
    """The body went on beyond what is taken."""


class Limits:
    """Refuses what is too large or compressed before it is read, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        """`secure`: TLS is spoken here, so browsers may be told to insist on it."""
        self._app = app
        self._headers = [*SECURITY_HEADERS, (b"cache-control", b"no-store")]
        if secure:
            self._headers.append((b"strict-transport-security", b"max-age=63072000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = dict(message["headers"])
                ours = (
                    [*self._headers, *OF_PAGES]
                    if present.get(b"content-type", b"")[:9] == b"text/html"
                    else self._headers
                )
                message["headers"] = [*message["headers"], *(one for one in ours if one[0] not in present)]
            await send(message)

        # Of a header that stands there twice the first counts, as it does for whoever reads the body.
        headers = dict(reversed(scope["headers"]))
        try:
            limit = limit_of(headers)
            await self._app(scope, _bounded(receive, limit), guarded)
        except ProblemError as problem:
            await problem.response(scope["path"])(scope, receive, guarded)
        except TooLargeError:
            if not started:
                await ProblemError("too_large").response(scope["path"])(scope, receive, guarded)


def limit_of(headers: dict[bytes, bytes]) -> int:
    """How many bytes of body are taken. Raises ProblemError for one that says it is larger, or is compressed."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ProblemError("unsupported_media_type", "Content-Encoding: send the body as it is", headers={"Accept-Encoding": "identity"})  # fmt: skip
    bulk = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower() in BULK_TYPES
    limit = BULK_LIMIT_BYTES if bulk else MESSAGE_LIMIT_BYTES - ENVELOPE_BYTES
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > limit):
        raise ProblemError("too_large", f"the body may have at most {limit} bytes")
    return limit


def _bounded(receive: Receive, limit: int) -> Callable[[], Awaitable[Any]]:
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise TooLargeError
        return message

    return bounded
