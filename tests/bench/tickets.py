"""`python -m tests.bench.tickets [LOG]`: a log taken over, and a typhoon's hour of tickets with timers due, each beside a reference."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.ticket_query import GetBoard
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.cli.ticket_import import import_tickets
from services.kernel.doors import Door
from services.kernel.settings import Settings
from services.run.desk import Desk, system
from services.run.logs import configure
from tests.tickets.office import NORTH
from tests.tickets.running import Running, reported, terms_of_seconds

OPEN, BURST, CALLERS = 850, 2_000, 50
"""Tickets with six timers each that are open before the burst (5,100 timers); tickets of the burst; callers at once."""


def made_up_log(cases: int = 4_580, entries: int = 5) -> bytes:
    """A log of the size of a real help desk's, where none is given."""
    words = ("Insert ticket", "Take in charge ticket", "Wait", "Resolve ticket", "Closed")
    made = []
    for case in range(cases):
        events = "".join(
            f'<event><string key="concept:name" value="{words[n % len(words)]}"/>'
            f'<date key="time:timestamp" value="2020-01-{1 + case % 28:02}T{8 + n:02}:{case % 60:02}:00Z"/>'
            f'<string key="org:resource" value="Value {case % 22}"/></event>'
            for n in range(entries)
        )
        made.append(f'<trace><string key="concept:name" value="Case {case}"/>{events}</trace>')
    return f"<log>{''.join(made)}</log>".encode()


async def _log(path: Path, directory: Path) -> None:
    async with system(Settings(data_dir=directory)) as desk:
        for run in ("first import", "second import"):
            begun = time.perf_counter()
            report = await import_tickets(desk, path, None, "log", None, dry_run=False, quiet=True)
            seconds = time.perf_counter() - begun
            _say(f"{run}, s", seconds)
            _say("  entries/s", report["events"] / seconds)
            print(f"  {report['tickets']} tickets, {report['events']} entries, {report['new_events']} new")


async def _burst(directory: Path) -> None:
    with Running(directory, terms_of_seconds(response=45, resolution=60)) as running:
        client = await running.client()
        await running.set_up(client)
        reference = await _bare(client)
        await _many(running, client, range(OPEN))
        running.kill("tickets")
        running.start("tickets")
        begun = time.perf_counter()
        taken = await _many(running, client, range(OPEN, OPEN + BURST))
        seconds = time.perf_counter() - begun
        desk = Desk(client, Door(running.settings.doors_dir))
        asked = time.perf_counter()
        await desk.query(GetBoard(limit=200), Actor(actor="system-reader", channel="system"), NORTH)
        board = time.perf_counter() - asked
        await running.nothing_due(300)
        facts = running.facts()
        late = sorted((event.recordedat - event.time).total_seconds() for event in facts if event.channel == "system")
        _say(f"{BURST} tickets through {CALLERS} callers, tickets/s", BURST / seconds)
        _say("  answer p50, ms", statistics.median(taken) * 1000)
        _say("  answer p50 / bare NATS request p50", statistics.median(taken) * 1000 / reference)
        _say("  answer, longest, s", max(taken))
        _say("a board's page of 200 then, s", board)
        _say("timers fired, of 6 a ticket", len(late) / (OPEN + BURST))
        _say("  lateness p50, s", late[len(late) // 2])
        _say("  lateness, longest, s", late[-1])
        await client.close()


async def _many(running: Running, client: Client, numbers: range) -> list[float]:
    waiting, taken = iter(numbers), []

    async def caller() -> None:
        for number in waiting:
            begun = time.perf_counter()
            await running.until_answered(client, reported(number))
            taken.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return taken


async def _bare(client: Client) -> float:
    """The median of a bare request of 600 bytes over the same NATS, in ms."""

    async def answer(message: Msg) -> None:
        await message.respond(message.data)

    await client.subscribe("bench.echo", cb=answer)
    one: Callable[[], Awaitable[object]] = lambda: client.request("bench.echo", b"x" * 600)  # noqa: E731
    taken = []
    for _ in range(200):
        begun = time.perf_counter()
        await one()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _say(what: str, value: float) -> None:
    print(f"  {what:<52} {value:10.2f}")
    sys.stdout.flush()


def main() -> None:
    """Measure both; nothing fails on a number."""
    configure("ERROR")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else directory / "log.xes"
        if len(sys.argv) == 1:
            path.write_bytes(made_up_log())
        print(f"a log taken over: {path.name}")
        asyncio.run(_log(path, directory / "log"))
        print("a typhoon's hour, as fast as it can be sent")
        (directory / "burst").mkdir()
        asyncio.run(_burst(directory / "burst"))


if __name__ == "__main__":
    main()
