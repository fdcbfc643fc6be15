"""`bailiwick audit`: who decided, under which clause, on what evidence, and does it still come out the same?"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.message import Request
from bailiwick_contracts.subjects import SERVICES
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from services.audit import inspection, report
from services.cli.output import BAD_INPUT, ERR, OUT, REFUSED, AsJson, fail, print_json, run, settle
from services.cli.properties import SETUP
from services.kernel.reactor import caught_up as reached
from services.kernel.reactor import read_feed, read_heads
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.run.desk import Desk, system

app = typer.Typer(no_args_is_help=True, help="Replay the history of decisions.")
AuditOf = Callable[[Desk, inspection.Query], Awaitable[dict[str, Any]]]
Language = Annotated[str, typer.Option(help="en or zh-Hant.")]
PropertyOption = Annotated[str | None, typer.Option("--property", help="Only this property.")]
CAUGHT_UP_SECONDS = 30


@app.command()
def history(decision: str, language: Language = "en", as_json: AsJson = False) -> None:
    """Everything about one decision: the clause, the evidence, the clamps, what it led to. DECISION is a fact's id."""
    _answer(
        lambda _, query: inspection.history(query, decision),
        lambda found: report.history_view(found, language),
        as_json,
    )


@app.command()
def person(staff: str, language: Language = "en", as_json: AsJson = False) -> None:
    """Everything the ledger holds about one person."""
    _answer(
        lambda _, query: inspection.person(query, staff), lambda found: report.person_view(found, language), as_json
    )


@app.command()
def readjudicate(
    since: Annotated[str | None, typer.Option(help="RFC 3339 instant or date (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339 instant or date (UTC).")] = None,
    property_id: PropertyOption = None,
    under: Annotated[str | None, typer.Option(help="Judge under this version of the matrix instead.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Directory of the keys to judge with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Derive every input and give every ruling again. Exit code 1 when one does not come out as recorded."""
    first, last = _instant("since", since, as_json), _instant("until", until, as_json)
    found = _answer(
        lambda desk, query: readjudicated(
            desk, query, since=first, until=last, property_id=property_id, under=under, keys=keys, quiet=as_json
        ),
        report.readjudication_view,
        as_json,
    )
    if under is None and not found["agrees"]:
        raise typer.Exit(REFUSED)


@app.command()
def complete(property_id: PropertyOption = None, language: Language = "en", as_json: AsJson = False) -> None:
    """Compare every chain of every store with the ledger. Exit code 1 when a fact was deleted, altered or moved."""
    found = _answer(
        lambda desk, query: completeness(desk, query, property_id=property_id, quiet=as_json),
        lambda result: report.completeness_view(result, language),
        as_json,
    )
    if not found["complete"]:
        raise typer.Exit(REFUSED)


async def readjudicated(
    desk: Desk,
    query: inspection.Query,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    property_id: str | None = None,
    under: str | None = None,
    keys: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Re-adjudicate in this process with the keys of a directory, by default those of the installation."""
    await caught_up(desk)
    held = KeyStore(keys or Settings().keys_dir)
    with bar("re-adjudicating", quiet) as progress:
        return await inspection.rulings(
            query, held, since=since, until=until, property_id=property_id, under=under, progress=progress
        )


async def completeness(
    desk: Desk, query: inspection.Query, *, property_id: str | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Compare the stores with the ledger over the services' feeds."""
    await caught_up(desk)
    with bar("comparing", quiet) as progress:
        return await inspection.complete(
            query,
            lambda service, owner, after: read_feed(desk.client, service, owner, after),
            lambda service: read_heads(desk.client, service),
            property_id=property_id,
            progress=progress,
        )


async def caught_up(desk: Desk) -> None:
    """Wait until the ledger reaches what the services hold, or 30 seconds; what is missing then is a finding."""
    for source in SERVICES:
        if source != "audit":
            with contextlib.suppress(TimeoutError):
                await reached(desk.client, "audit", source, seconds=CAUGHT_UP_SECONDS)


def query_of(desk: Desk, as_json: bool = False) -> inspection.Query:
    """Ask audit as this machine's operator; anything but an answer ends the command with what was said."""

    async def query(request: Request) -> Mapping[str, Any]:
        return settle(await desk.query(request, SETUP, "company"), as_json).result or {}

    return query


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


def _answer(ask: AuditOf, view: Callable[[dict[str, Any]], RenderableType], as_json: bool) -> dict[str, Any]:
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


def _instant(field: str, value: str | None, as_json: bool) -> datetime | None:
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
