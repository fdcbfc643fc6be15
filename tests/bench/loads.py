"""The loads that the door and the route beside it are measured under: our own, and the tools that others measure with.

Each keeps 64 connections busy, every one with one request at a time. What a load costs is taken from the same processors, so the
dearer it is the nearer every ratio comes to one: ours and wrk cost little, locust more than a bare route does.
"""

import asyncio
import csv
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 64
DOOR = "/v1/properties/north-court/attendance"
"""Where the door takes what a bare route takes at its root."""
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Came(NamedTuple):
    """What a load came to: requests a second, and the 50th and 99th percentile in milliseconds."""

    rate: float
    p50: float
    p99: float


class Sent(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


def requests(kind: str, authorization: str, first: int) -> Iterator[Sent]:
    """`command`: a roster for a day of its own, from the day `first` on, so that each stores facts. `query`: one day."""
    headers = {"Authorization": authorization} if authorization else {}
    for number in count(first):
        if kind == "query":
            yield Sent("GET", "/get_day?staff_id=guard&day=2026-03-02", b"", headers)
            continue
        body = {"type": "attendance.publish_roster.v1", "roster_id": uuid.uuid4().hex, "staff_ids": ["guard"],
                "days": [{"day": str(date.fromordinal(number))}]}  # fmt: skip
        told = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        yield Sent("POST", "/publish_roster", json.dumps(body).encode(), headers | told)


def own(url: str, kind: str, authorization: str, seconds: float, first: int) -> Came:
    """A few lines of asyncio in a process of their own; an answer other than 200 ends it."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=_run, args=(url, kind, authorization, seconds, first, out))
    process.start()
    found: Came = out.get(timeout=seconds + 20)
    process.join()
    return found


def _run(url: str, kind: str, authorization: str, seconds: float, first: int, out: Any) -> None:
    out.put(asyncio.run(_load(url, requests(kind, authorization, first), seconds)))


async def _load(url: str, asked: Iterator[Sent], seconds: float) -> Came:
    times: list[float] = []
    end = time.perf_counter() + seconds
    place = urlsplit(url)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while time.perf_counter() < end:
            method, path, body, headers = next(asked)
            head = f"{method} {place.path}{path} HTTP/1.1\r\nHost: {place.netloc}\r\n" + "".join(
                f"{name}: {value}\r\n" for name, value in headers.items()
            )
            began = time.perf_counter()
            writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status = await reader.readline()
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
            if b" 200 " not in status:
                raise RuntimeError(f"{path}: {status!r}")
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    ordered = sorted(times)
    return Came(len(times) / seconds, ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.99)] * 1000)


def wrk(url: str, kind: str, authorization: str, seconds: float, first: int) -> Came:
    """wrk, in one thread."""
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:.0f}s",
        "--latency",
        "-s",
        str(Path(__file__).with_name("door.lua")),
        url,
    ]
    place = urlsplit(url).path
    told = subprocess.run([*command, "--", kind, place, authorization, str(first)], capture_output=True, text=True, check=True).stdout  # fmt: skip
    if "Non-2xx" in told:
        raise RuntimeError(told)
    found = {line.split()[0].rstrip(":"): line.split()[1] for line in told.splitlines() if len(line.split()) == 2}
    return Came(float(found["Requests/sec"]), _milliseconds(found["50%"]), _milliseconds(found["99%"]))


def _milliseconds(told: str) -> float:
    number = told.rstrip("musn")
    return float(number) * _MILLISECONDS[told[len(number) :]]


def locust(url: str, kind: str, authorization: str, seconds: float, first: int) -> Came:
    """Locust without its page, every user without a pause."""
    place = urlsplit(url)
    with tempfile.TemporaryDirectory() as directory:
        given = {
            "DOOR_KIND": kind,
            "DOOR_PLACE": place.path,
            "DOOR_AUTHORIZATION": authorization,
            "DOOR_FIRST": str(first),
        }
        command = ["locust", "-f", str(Path(__file__).with_name("locustfile.py")), "--headless", "--only-summary", f"-u{CONNECTIONS}",
                   f"-r{CONNECTIONS}", f"-t{seconds:.0f}s", "--host", f"{place.scheme}://{place.netloc}", "--csv", f"{directory}/came"]  # fmt: skip
        environment = os.environ | given | {"PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run(command, env=environment, capture_output=True, check=True)
        with Path(directory, "came_stats.csv").open(newline="") as file:
            row = next(row for row in csv.DictReader(file) if row["Name"] == kind)
    return Came(float(row["Requests/s"]), float(row["50%"]), float(row["99%"]))


TOOLS: Mapping[str, Callable[[str, str, str, float, int], Came]] = {"own": own, "wrk": wrk, "locust": locust}
