"""A door for machines that look after machines: health, metrics and version over HTTP on loopback.

It runs in a thread of its own, so that it answers, and says what is wrong, also while the loop stands still.
"""

import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import Any

from services.kernel.health import Health
from services.kernel.settings import Settings
from services.kernel.telemetry import Numbers, exposition

Healths = Callable[[], list[Health]]
_LOOPBACK = "127.0.0.1"


def check(settings: Settings) -> None:
    """Raises ValueError, saying what to do, where the port that is asked for cannot be had."""
    if settings.health_port is None:
        return
    try:
        socket.create_server((_LOOPBACK, settings.health_port)).close()
    except OSError as error:
        said = (
            f"BAILIWICK_HEALTH_PORT: {settings.health_port}: {error.strerror}; name another port, or 0 for a free one"
        )
        raise ValueError(said) from None


def observe(port: int, numbers: Numbers, healths: Healths, alive: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer on a port of loopback, 0 for a free one; every service of `healths` makes the process ready, `alive` the loop's heart."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path, numbers, healths, alive)
            status, kind, body = found
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Who looks at the health is not worth a line."""

    server = ThreadingHTTPServer((_LOOPBACK, port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="observe", daemon=True).start()
    return server


def answer(path: str, numbers: Numbers, healths: Healths, alive: Callable[[], bool]) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    path = path.partition("?")[0]
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4; charset=utf-8", exposition(numbers)
    if path == "/version":
        return 200, "application/json", json.dumps({"bailiwick": version("bailiwick")}).encode()
    if path == "/health/live":
        return (200 if alive() else 503), "application/json", json.dumps({"alive": alive()}).encode()
    if path == "/health/ready":
        found = healths()
        ready = all(health.ready for health in found)
        document = {"ready": ready, "services": [health.document() for health in found]}
        return (200 if ready else 503), "application/json", json.dumps(document).encode()
    return 404, "application/json", b'{"paths": ["/health/live", "/health/ready", "/metrics", "/version"]}'
