"""The other end of a webhook: a receiver that behaves as it is told, and the ways in which one misbehaves."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def fine(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(204)
    handler.end_headers()


def failing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(500)
    handler.end_headers()


def hanging(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def redirecting(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/latest/meta-data")
    handler.end_headers()


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff not HTTP at all \r\n\r\n" * 50)
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(500)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x" * 65_536)


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """Ten megabytes of nothing, packed into ten kilobytes."""
    packed = gzip.compress(b"\0" * 10_000_000)
    handler.send_response(500)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(packed)))
    handler.end_headers()
    handler.wfile.write(packed)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A header a second, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(8):
        time.sleep(0.5)
        handler.wfile.write(f"X-{number}: y\r\n".encode())
        handler.wfile.flush()


def gone(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(410)
    handler.end_headers()


class Receiver:
    """Another system's end of a webhook; it behaves as it is told, and can go away and come back on its port."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = fine
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.asked = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/events"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Given up on the way, as when an attempt took too long.
                    self.close_connection = True
                    return
                receiver.asked += 1
                if receiver.behaviour is fine:
                    receiver.taken.append(({k.lower(): v for k, v in self.headers.items()}, body))
                try:
                    receiver.behaviour(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]
