"""Beside Emmett, an event store of another language, on the same PostgreSQL. Its package is installed when asked for, never kept."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir

import sqlalchemy as sa
from bailiwick_contracts.envelope import FIRST_HASH, render, schema_address
from bailiwick_contracts.stored import read_stored
from eventsourcing.persistence import StoredEvent

from services.kernel.ids import uuid7
from tests.bench.figures import Figures
from tests.bench.place import PLACE, Place
from tests.bench.toys import TOY
from tests.kernel.toy import HOLDER, TokenTaken

PACKAGES = ("@event-driven-io/emmett", "@event-driven-io/emmett-postgresql", "pg")
HOME = Path(gettempdir()) / "bailiwick-bench-emmett"
APPENDS, BULK, BULKS, STREAM, REBUILDS = 300, 250, 8, 1_000, 5


def _installed() -> bool:
    if shutil.which("npm") is None:
        return False
    if not (HOME / "node_modules" / "@event-driven-io" / "emmett-postgresql").is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        (HOME / "package.json").write_text('{"private":true,"type":"module"}')
        done = subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=HOME, check=False, timeout=240
        )
        if done.returncode != 0:
            return False
    shutil.copy(Path(__file__).with_name("emmett.mjs"), HOME / "emmett.mjs")
    return True


def _theirs(url: str) -> dict[str, float]:
    made = sa.make_url(url)
    node = f"postgresql://{made.username}@/{made.database}?host={made.query.get('host', made.host)}"
    done = subprocess.run(
        ["node", "emmett.mjs", node, f"b{time.time_ns()}"], cwd=HOME, check=True, capture_output=True, timeout=120
    )
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def _ours(place: Place) -> dict[str, float]:
    """The same four on our store: facts rendered from their classes, read back as classes, folded to the state."""
    store = place.store(TOY)
    numbers = iter(range(10_000_000))

    def facts(stream: str, count: int) -> list[StoredEvent]:
        made = []
        for version in range(1, count + 1):
            fact = TokenTaken(holder_id=f"holder-{next(numbers)}", count=version)
            made.append(StoredEvent(stream, version, TokenTaken.wire(), _rendered(stream, version, fact)))
        return made

    def read(stream: str) -> int:
        return HOLDER.fold(read_stored(one.state, one.topic) for one in store.select_events(stream)).count

    def rate(count: int, times: int, work: Callable[[int], object]) -> float:
        begun = time.perf_counter()
        for number in range(times):
            work(number)
        return count * times / (time.perf_counter() - begun)

    def append_and_read(number: int) -> None:
        store.insert_events(facts(f"two-{number}", 1))
        read(f"two-{number}")

    for number in range(50):
        store.insert_events(facts(f"warm-{number}", 1))
    found = {
        "append": rate(1, APPENDS, lambda number: store.insert_events(facts(f"one-{number}", 1))),
        "append_read": rate(1, APPENDS, append_and_read),
        "bulk": rate(BULK, BULKS, lambda number: store.insert_events(facts(f"bulk-{number}", BULK))),
    }
    store.insert_events(facts("long", STREAM))
    found["rebuild"] = rate(STREAM, REBUILDS, lambda _: read("long"))
    return found


def _rendered(stream: str, version: int, fact: TokenTaken) -> bytes:
    now = datetime.now(UTC)
    wire = type(fact).wire()
    attributes = {
        "specversion": "1.0", "id": uuid7(), "type": wire, "source": f"/properties/{PLACE}/toy", "subject": stream,
        "time": now, "datacontenttype": "application/json", "dataschema": schema_address(wire), "sequence": f"{version:010d}",
        "recordedat": now, "log": "bench", "chainnumber": version, "previoushash": FIRST_HASH, "actor": "boss",
        "authmethod": "local", "channel": "live", "commandid": "c-1", "commandtype": wire, "commanddigest": FIRST_HASH,
        "door": "local", "correlationid": "c-1", "doorsignature": "system",
    }  # fmt: skip
    return render(attributes, fact.as_json())


async def emmett(place: Place) -> Figures:
    """Ours over theirs; nothing on SQLite, nor where npm or its registry is not to be had."""
    if place.database_url is None or not await asyncio.to_thread(_installed):
        return {}
    theirs = await asyncio.to_thread(_theirs, place.database_url)
    ours = await asyncio.to_thread(_ours, place)
    return {
        "append one, facts/s": ours["append"],
        "append one / Emmett": ours["append"] / theirs["append"],
        "append one and read back / Emmett": ours["append_read"] / theirs["append_read"],
        "bulk append / Emmett": ours["bulk"] / theirs["bulk"],
        "rebuild of 1,000 facts / Emmett": ours["rebuild"] / theirs["rebuild"],
    }
