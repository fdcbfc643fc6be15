"""What every audit command shares: asking audit at the desk, waiting for the ledger, the progress bar."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.consultation import AnnounceReading
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import Request
from bailiwick_contracts.sealed import Keys, SealingError
from bailiwick_contracts.subjects import SERVICES
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from services.audit import inspection
from services.cli.output import BAD_INPUT, ERR, OUT, REFUSED, fail, print_json, run, settle
from services.cli.properties import SETUP
from services.kernel.reactor import caught_up as reached
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.run.desk import Desk, system

AuditOf = Callable[[Desk, inspection.Query], Awaitable[dict[str, Any]]]
CAUGHT_UP_SECONDS = 30
Language = Annotated[str, typer.Option(help="en or zh-Hant.")]
_acting: list[Actor] = [SETUP]


def act_as(who: str | None) -> None:
    """Ask in the name of somebody from now on; this machine's operator where nobody is named."""
    _acting[0] = SETUP if who is None else Actor(actor=who, authmethod="cli")


def acting() -> Actor:
    """In whose name audit is asked."""
    return _acting[0]


def operating(as_json: bool) -> None:
    """End a command that writes on this machine, where it is asked in the name of a reader."""
    if acting() is not SETUP:
        fail(f"{acting().actor} reads and changes nothing", REFUSED, as_json, rule="only this machine's operator may",
             remedy="leave --as away")  # fmt: skip


def keys_of(directory: Path | None) -> Keys:
    """The keys to judge with: of a directory, or those of the installation for its operator, and none for a reader."""
    if directory is None and acting() is not SETUP:
        return _none_held
    return KeyStore(directory or Settings().keys_dir)


def _none_held(name: str) -> bytes:
    raise SealingError(f"no key named {name} is held by a reader; name a directory of keys with --keys")


async def caught_up(desk: Desk) -> None:
    """Wait until the ledger reaches what the services hold, or 30 seconds; what is missing then is a finding."""
    for source in SERVICES:
        if source != "audit":
            with contextlib.suppress(TimeoutError):
                await reached(desk.client, "audit", source, seconds=CAUGHT_UP_SECONDS)


def query_of(desk: Desk, as_json: bool = False) -> inspection.Query:
    """Ask audit, in whose name it is; anything but an answer ends the command with what was said."""

    async def query(request: Request) -> Mapping[str, Any]:
        return settle(await desk.query(request, acting(), "company"), as_json).result or {}

    return query


async def elsewhere(desk: Desk, request: Request, property_id: str, about: str, as_json: bool) -> Mapping[str, Any]:
    """Ask another service for what it shows about somebody or something: the reading is on record before it is asked."""
    await query_of(desk, as_json)(AnnounceReading(query=type(request).wire(), about=about))
    return settle(await desk.query(request, acting(), property_id), as_json).result or {}


@contextlib.contextmanager
def bar(title: str, quiet: bool) -> Iterator[inspection.Progress]:
    """A progress bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, disable=quiet, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=max(done, total))


def answered(ask: AuditOf, view: Callable[[dict[str, Any]], RenderableType], as_json: bool) -> dict[str, Any]:
    """Ask audit, print what it says, and answer it."""

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            query = query_of(desk, as_json)
            await caught_up(desk)
            return await ask(desk, query)

    found = run(work(), as_json)
    if as_json:
        print_json(found)
    else:
        OUT.print(view(found))
    return found


def instant_of(field: str, value: str | None, as_json: bool) -> datetime | None:
    """An instant or date as the command line was given it, in UTC; anything else ends the command."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        fail(f"{field}: {value!r} is no instant", BAD_INPUT, as_json, field=field, value=value,
             rule="RFC 3339", remedy="write e.g. 2026-03-01 or 2026-03-01T08:00:00Z")  # fmt: skip
    if len(value) == len("2026-03-01"):
        found = datetime.combine(date.fromisoformat(value), time(), UTC)
    if found.utcoffset() is None:
        fail(f"{field}: {value!r} has no offset", BAD_INPUT, as_json, field=field, value=value,
             rule="an instant names its offset from UTC", remedy=f"write {value}Z or {value}+08:00")  # fmt: skip
    return found.astimezone(UTC)
