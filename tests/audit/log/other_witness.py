"""A witness of other people's making, over HTTP: C2SP tlog-witness on tlog-scales, without a line of ours."""

import base64
import http.server
import threading
from typing import Any

from tlog_scales.signing import MLDSA44CosignatureSigner, Vkey
from tlog_scales.tlog import Checkpoint, ConsistencyProof


class OtherWitness:
    """Remembers the last checkpoint of each log it was told to trust; `url` is its submission prefix."""

    def __init__(self, *vkeys: str, seed: bytes = bytes(range(3, 35)), name: str = "other.example/w1") -> None:
        self.signer = MLDSA44CosignatureSigner(name, seed)
        self.trusted = [Vkey.from_string(one) for one in vkeys]
        self.remembered: dict[str, Checkpoint] = {}
        self.asked: list[tuple[int, int]] = []
        """(old size, status) of each request."""
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status, kind, text = witness.add_checkpoint(body) if self.path == "/w/add-checkpoint" else (404, "", "")
                self.send_response(status)
                self.send_header("content-type", kind or "text/plain")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/w"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def vkey(self) -> str:
        return str(self.signer.vkey.serialize())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_checkpoint(self, body: str) -> tuple[int, str, str]:
        head, _, note = body.partition("\n\n")
        lines = head.split("\n")
        word, old_text = lines[0].split(" ")
        old = int(old_text)
        status, kind, text = (
            self._judge(old, [base64.b64decode(line, validate=True) for line in lines[1:]], note)
            if word == "old" and str(old) == old_text and len(lines) <= 64
            else (400, "", "malformed")
        )
        self.asked.append((old, status))
        return status, kind, text

    def _judge(self, old: int, proof: list[bytes], note: str) -> tuple[int, str, str]:
        found = Checkpoint.from_text(note)
        keys = [key for key in self.trusted if key.name == found.origin]
        if not keys:
            return 404, "", "unknown log"
        for key in keys:
            try:
                found.verify(key)
                break
            except Exception:  # noqa: BLE001, S112 - whatever is wrong with it, this key does not vouch for it
                continue
        else:
            return 403, "", "not signed by the log"
        if old > found.size:
            return 400, "", "the old size is larger than the new"
        before = self.remembered.get(found.origin)
        size = before.size if before is not None else 0
        if old != size:
            return 409, "text/x.tlog.size", f"{size}\n"
        if before is not None and old == found.size and before.root_hash != found.root_hash:
            return 409, "", "another root of the same size"
        if before is not None:
            try:
                ConsistencyProof(old, found.size, proof).check(before.root_hash, found.root_hash)
            except Exception as error:  # noqa: BLE001 - the proof does not hold
                return 422, "", str(error)
        self.remembered[found.origin] = found
        return 200, "", self.signer.sign(found).serialize() + "\n"
