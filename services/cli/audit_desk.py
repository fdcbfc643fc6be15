"""What every audit command shares: asking audit at the desk, waiting for the ledger, the progress bar."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.audit import ListChains
from bailiwick_contracts.consultation import AnnounceReading
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import Request
from bailiwick_contracts.sealed import Keys, SealingError
from bailiwick_contracts.subjects import SERVICES
from pydantic import ValidationError
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from services.audit import inspection
from services.audit.words import LANGUAGES
from services.cli.output import BAD_INPUT, ERR, OUT, REFUSED, fail, invalid, print_json, run, settle
from services.cli.properties import SETUP
from services.kernel.reactor import caught_up as reached
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.run.desk import Desk, system

AuditOf = Callable[[Desk, inspection.Query], Awaitable[dict[str, Any]]]
CAUGHT_UP_SECONDS = 30


def _spoken(language: str) -> str:
    if language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is none; one of {', '.join(LANGUAGES)}")
    return language


Language = Annotated[str, typer.Option(help="en or zh-Hant.", callback=_spoken)]
_acting: list[Actor] = [SETUP]


def act_as(who: str | None) -> None:
    """Ask in the name of somebody from now on; this machine's operator where nobody is named."""
    try:
        _acting[0] = SETUP if who is None else Actor(actor=who, authmethod="cli")
    except ValidationError as error:
        invalid(error, as_json=False)


def acting() -> Actor:
    """In whose name audit is asked."""
    return _acting[0]


def operating(as_json: bool) -> None:
    """End a command that writes on this machine, where it is asked in the name of a reader."""
    if acting() is not SETUP:
        fail(f"{acting().actor} reads and changes nothing", REFUSED, as_json, rule="only this machine's operator may",
             remedy="leave --as away")  # fmt: skip


def keys_of(directory: Path | None, as_json: bool = False) -> Keys:
    """The keys to judge with: of a directory, or those of the installation for its operator, and none for a reader."""
    if directory is not None and not directory.is_dir():
        fail(f"{directory} is no directory", BAD_INPUT, as_json, field="keys", value=str(directory), rule="a directory of keys",
             remedy="leave --keys away to judge with the keys of this installation")  # fmt: skip
    if directory is None and acting() is not SETUP:
        return _none_held
    return KeyStore(directory or Settings().keys_dir)


def _none_held(name: str) -> bytes:
    raise SealingError(f"no key named {name} is held by a reader; name a directory of keys with --keys")


async def caught_up(desk: Desk, property_id: str | None = None, as_json: bool = False) -> None:
    """Wait until the ledger reaches what the services hold, or 30 seconds; what is missing then is a finding.

    A property of which the ledger holds nothing ends the command: it would find nothing amiss in nothing.
    """
    for source in SERVICES:
        if source != "audit":
            with contextlib.suppress(TimeoutError):
                await reached(desk.client, "audit", source, seconds=CAUGHT_UP_SECONDS)
    if property_id is None:
        return
    known = await properties(desk, as_json)
    if property_id not in known:
        fail(f"the ledger holds no fact of {property_id!r}", BAD_INPUT, as_json, field="property", value=property_id,
             rule="a property with a chain of facts", remedy=f"one of {', '.join(known)}")  # fmt: skip


async def properties(desk: Desk, as_json: bool) -> list[str]:
    """Every property that the ledger has a chain of, and the company."""
    listed = settle(await desk.query(ListChains(), acting(), "company"), as_json).result or {}
    return sorted({chain["property"] for chain in listed["chains"]})


def query_of(desk: Desk, as_json: bool = False) -> inspection.Query:
    """Ask audit, in whose name it is; anything but an answer ends the command with what was said."""

    async def query(request: Request) -> Mapping[str, Any]:
        return settle(await desk.query(request, acting(), "company"), as_json).result or {}

    return query


async def elsewhere(
    desk: Desk, request: Request, property_id: str, about: str, as_json: bool, by: datetime | None = None
) -> Mapping[str, Any]:
    """Ask another service for what it shows about somebody or something: the reading is on record before it is asked.

    `by` is the instant that is asked for, where one is, so that what was not there yet is said to be so.
    """
    await query_of(desk, as_json)(AnnounceReading(query=type(request).wire(), about=about))
    answer = await desk.query(request, acting(), property_id)
    if by is not None and answer.error is not None:
        rule = f"{answer.error.get('rule', 'recorded')}, recorded by {by.isoformat()}"
        error = {**answer.error, "rule": rule, "remedy": "name a later instant, or look the id up"}
        answer = answer.model_copy(update={"error": error})
    return settle(answer, as_json).result or {}


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
        if re.match(r"\d{4}-\d\d-\d\d(T|$)", value) is None:
            raise ValueError(value)
        found = datetime.fromisoformat(value)
    except ValueError:
        fail(f"{field}: {value!r} is no instant", BAD_INPUT, as_json, field=field, value=value,
             rule="RFC 3339", remedy="write e.g. 2026-03-01 or 2026-03-01T08:00:00Z")  # fmt: skip
    if len(value) == len("2026-03-01"):
        found = datetime.combine(date.fromisoformat(value), time(), UTC)
    if found.utcoffset() is None:
        fail(f"{field}: {value!r} has no offset", BAD_INPUT, as_json, field=field, value=value,
             rule="an instant names its offset from UTC", remedy=f"write {value}Z or {value}+08:00")  # fmt: skip
    try:
        return found.astimezone(UTC)
    except OverflowError:
        fail(f"{field}: {value!r} is beyond the calendar", BAD_INPUT, as_json, field=field, value=value,
             rule="an instant of the years 1 to 9999 in UTC", remedy="name one within them")  # fmt: skip


def in_order(since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """End a command that is asked for a time that is none."""
    if since is not None and until is not None and until <= since:
        said, remedy = ("lies before since", "exchange them") if until < since else ("is since", "name a later one")
        fail(f"until {said}: no instant lies between them", BAD_INPUT, as_json, field="until", value=until.isoformat(),
             rule="a period ends after it begins, and until is no more of it", remedy=remedy)  # fmt: skip


def writable(out: Path, as_json: bool) -> None:
    """End a command whose file could not be written, before anything is read for it."""
    if out.is_dir() or not out.absolute().parent.is_dir():
        fail(f"{out} cannot be written", BAD_INPUT, as_json, field="out", value=str(out),
             rule="a file in a directory that is there", remedy="make the directory, or name another file")  # fmt: skip
