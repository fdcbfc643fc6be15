"""`python -m tests.bench.gateway`: the door against a bare FastAPI route with the same body, both over loopback in the same run.

The gateway and the services are one process (with `--apart` two), the route another, the load a third (`tests.bench.loads`); each is
measured alone, in turns, under the same load.
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from bailiwick_contracts.subjects import SERVICES
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.loads import DOOR, TOOLS
from tests.gateway.conftest import NORTH, System, running, settle

TOLD = 20
"""Events of each measurement of listeners."""
_first = count(date(2300, 1, 1).toordinal(), 20_000)


class Day(BaseModel):
    """A day of the reference's body."""

    day: date


class Roster(BaseModel):
    """The reference's body: the same members, read by FastAPI as it does by itself."""

    type: str
    roster_id: str
    staff_ids: list[str]
    days: list[Day]


def bare(listening: socket.socket) -> None:
    """The reference: one FastAPI route with the same request model, and one that answers the same document."""
    app = FastAPI()

    @app.post("/publish_roster")
    async def command(body: Roster) -> dict[str, Any]:
        return {"outcome": "done", "roster_id": body.roster_id, "people": len(body.staff_ids), "days": len(body.days)}

    @app.get("/get_day")
    async def query(staff_id: str, day: str) -> dict[str, Any]:
        return {"staff_id": staff_id, "day": day, "shifts": [], "punches": [], "confirmations": [], "revision": 0}

    uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False)).run(sockets=[listening])


class Listener(asyncio.Protocol):
    """One open stream: counts itself once it is open, and notes when each event came."""

    def __init__(self, token: str, opened: list[float], arrived: list[float]) -> None:
        """`opened` and `arrived` are everybody's."""
        self._head = (
            f"GET /v1/events?property={NORTH}&type=attendance.roster_published.v1 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {token}\r\nAccept: text/event-stream\r\n\r\n"
        ).encode()
        self._opened, self._arrived = opened, arrived

    def connection_made(self, transport: Any) -> None:
        """Ask for the stream."""
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """What came of it."""
        now = time.perf_counter()
        if b"\nretry: " in data:
            self._opened.append(now)
        self._arrived.extend([now] * data.count(b"\ndata: "))


async def _listeners(url: str, token: str, many: int) -> list[float]:
    """The delays, in milliseconds, from sending a command to its event at each of `many` listeners."""
    raw = httpx.URL(url)
    opened: list[float] = []
    arrived: list[float] = []
    loop = asyncio.get_running_loop()
    lines = []
    for number in range(many):
        lines.append(
            (await loop.create_connection(lambda: Listener(token, opened, arrived), str(raw.host), raw.port or 80))[0]
        )
        while len(opened) < number - 20:  # noqa: ASYNC110 - told by a protocol
            await asyncio.sleep(0.01)
    while len(opened) < many:  # noqa: ASYNC110 - told by a protocol
        await asyncio.sleep(0.05)
    delays: list[float] = []
    async with httpx.AsyncClient(base_url=url, headers={"authorization": token}, timeout=60) as http:
        for number in range(TOLD):
            arrived.clear()
            body = {"type": "attendance.publish_roster.v1", "roster_id": uuid.uuid4().hex, "staff_ids": ["guard"],
                    "days": [{"day": str(date(2200, 1, 1) + timedelta(days=many * TOLD + number))}]}  # fmt: skip
            began = time.perf_counter()
            answer = await http.post(
                f"/v1/properties/{NORTH}/attendance/publish_roster",
                json=body,
                headers={"Idempotency-Key": uuid.uuid4().hex},
            )
            if answer.json().get("outcome") != "done":
                raise RuntimeError(answer.text)
            for _ in range(1_000):
                if len(arrived) >= many:
                    break
                await asyncio.sleep(0.01)
            if len(arrived) != many:
                raise RuntimeError(f"{len(arrived)} of {many} listeners were told")
            delays += [max(0.0, (at - began) * 1000) for at in arrived]
            await asyncio.sleep(0.2)
    for line in lines:
        line.close()
    return delays


def listeners(url: str, token: str, many: int, out: Any) -> None:
    """Runs in a process of its own."""
    out.put(asyncio.run(_listeners(url, token, many)))


def told(url: str, token: str, many: int) -> list[float]:
    """The delays at so many listeners, which live in a process of their own."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=listeners, args=(url, token, many, out))
    process.start()
    found: list[float] = out.get(timeout=300)
    process.join()
    return found


def cpu_seconds(process_id: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def deployed(directory: Path, *, apart: bool) -> Iterator[tuple[System, dict[str, int]]]:
    """Everything in this process, or the door in one of its own beside it, as `bailiwick serve gateway` runs it.

    With the processes that answer, by what they are.
    """
    if not apart:
        with running(directory) as system:
            yield system, {"door and services": os.getpid()}
        return
    with running(directory, tuple(name for name in SERVICES if name != "gateway")) as system:
        settings = system.settings
        given = {"DATA_DIR": str(settings.data_dir), "NATS_URL": settings.nats_url, "HTTP_PORT": str(settings.http_port),
                 "HTTP_RATE_PER_SECOND": "100000", "HTTP_BURST": "1000000"}  # fmt: skip
        environment = os.environ | {f"BAILIWICK_{name}": value for name, value in given.items()}
        door = subprocess.Popen([sys.executable, "-m", "services.cli.entry", "serve", "gateway"], env=environment)
        try:
            for _ in range(300):
                with suppress(httpx.TransportError):
                    httpx.get(f"{settings.http_url}/openapi.json")
                    break
                time.sleep(0.1)
            yield system, {"door": door.pid, "services": os.getpid()}
        finally:
            door.terminate()
            door.wait(20)


def main() -> None:
    """Measure and print; nothing fails on a number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--listeners", type=int, default=500, help="how many are told beside one; 0: none are measured")
    parser.add_argument("--tool", choices=TOOLS, default="own", help="what asks; wrk and locust are to be on the path")
    parser.add_argument("--apart", action="store_true", help="the door in a process of its own")
    chosen = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as uvicorn's own have it
    context = multiprocessing.get_context("fork")
    reference = context.Process(target=bare, args=(listening,), daemon=True)
    reference.start()
    bare_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with (
        tempfile.TemporaryDirectory() as directory,
        deployed(Path(directory), apart=chosen.apart) as (system, processes),
    ):
        settle(system)
        token = system.http("director").headers["authorization"]
        for kind in ("command", "query"):
            ratios, ours, theirs = [], [], []
            processes |= {"bare route": int(reference.pid or 0)}
            used = {name: -cpu_seconds(one) for name, one in processes.items()}
            for _ in range(chosen.rounds):
                theirs.append(TOOLS[chosen.tool](bare_url, kind, "", chosen.seconds, next(_first)))
                ours.append(
                    TOOLS[chosen.tool](system.settings.http_url + DOOR, kind, token, chosen.seconds, next(_first))
                )
                ratios.append(ours[-1][0] / theirs[-1][0])
            a, b = ours[-1], theirs[-1]
            print(f"{kind}: {a[0]:.0f}/s (p50 {a[1]:.1f}, p99 {a[2]:.1f} ms); bare route {b[0]:.0f}/s (p50 {b[1]:.1f}, p99 {b[2]:.1f} ms); "
                  f"ratio {statistics.median(ratios):.2f} of {[round(r, 2) for r in ratios]}")  # fmt: skip
            for name, one in processes.items():
                sent = sum(found[0] for found in (theirs if name == "bare route" else ours)) * chosen.seconds
                print(f"{kind}: {name} {(used[name] + cpu_seconds(one)) / sent * 1000:.2f} ms of a processor each")
        for many in sorted({1, chosen.listeners} if chosen.listeners else ()):
            delays = sorted(told(system.settings.http_url, token, many))
            middle, late = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
            print(f"events to {many} listeners: p50 {middle:.0f} ms, p99 {late:.0f} ms after the command was sent")
    reference.terminate()


if __name__ == "__main__":
    main()
