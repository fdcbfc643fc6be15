"""`bailiwick audit`: who decided, under which clause, on what evidence, and does it still come out the same?"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.judges import JudgingError

from services.audit import inspection, report
from services.audit.log.comparison import LogCopy
from services.audit.log.files import Salts, at
from services.audit.log.tree import TileMissingError
from services.cli import audit_evidence, audit_log, audit_replay, audit_views
from services.cli.audit_desk import Language, act_as, answered, bar, caught_up, in_order, instant_of, keys_of
from services.cli.output import BAD_INPUT, REFUSED, UNAVAILABLE, AsJson, fail
from services.kernel.heap import collect_less
from services.kernel.reactor import read_feed, read_heads
from services.kernel.settings import Settings
from services.run.desk import Desk

app = typer.Typer(no_args_is_help=True)
PropertyOption = Annotated[str | None, typer.Option("--property", help="Only this property.")]
app.add_typer(audit_log.app, name="log")
app.command("verify")(audit_log.verify)
app.command("proof")(audit_log.proof)
app.command("cosign")(audit_log.cosign)
app.command("views")(audit_views.views)
app.command("replay")(audit_replay.replay)
app.command("state")(audit_replay.state)
app.command("report")(audit_replay.report)
app.command("oversight")(audit_replay.oversight)
app.command("appoint")(audit_replay.appoint)
app.command("dismiss")(audit_replay.dismiss)
app.command("export")(audit_evidence.export_to)
app.command("bundle")(audit_evidence.bundle)
app.command("archive")(audit_evidence.archive)
app.command("restore")(audit_evidence.restore)


@app.callback()
def reading(
    who: Annotated[
        str | None, typer.Option("--as", help="Ask as this appointed auditor, who reads and changes nothing.")
    ] = None,
) -> None:
    """Replay the history of decisions."""
    act_as(who)


@app.command()
def history(decision: str, language: Language = "en", as_json: AsJson = False) -> None:
    """Everything about one decision: the clause, the evidence, the clamps, what it led to. DECISION is a fact's id."""
    answered(
        lambda _, query: inspection.history(query, decision),
        lambda found: report.history_view(found, language),
        as_json,
    )


@app.command()
def person(
    staff: str,
    about: Annotated[str | None, typer.Option(help="Only facts whose name begins so, e.g. penalty.")] = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Everything the ledger holds about one person."""
    answered(
        lambda _, query: inspection.person(query, staff, about=about),
        lambda found: report.person_view(found, language),
        as_json,
    )


@app.command()
def readjudicate(
    since: Annotated[str | None, typer.Option(help="RFC 3339 instant or date (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339 instant or date (UTC).")] = None,
    property_id: PropertyOption = None,
    under: Annotated[str | None, typer.Option(help="Judge under this version of the matrix instead.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Directory of the keys to judge with.")] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="How many judge a long history side by side, each with a share of the people."
        ),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Derive every input and give every ruling again. Exit code 1 when one does not come out as recorded."""
    first, last = instant_of("since", since, as_json), instant_of("until", until, as_json)
    in_order(first, last, as_json)
    found = answered(
        lambda desk, query: readjudicated(
            desk,
            query,
            since=first,
            until=last,
            property_id=property_id,
            under=under,
            keys=keys,
            processes=processes,
            quiet=as_json,
        ),
        report.readjudication_view,
        as_json,
    )
    if under is not None and found["skipped"].get("version_not_in_the_ledger"):
        raise typer.Exit(BAD_INPUT)
    if under is None and not found["agrees"]:
        raise typer.Exit(REFUSED)


@app.command()
def complete(property_id: PropertyOption = None, language: Language = "en", as_json: AsJson = False) -> None:
    """Compare every chain of every store with the ledger. Exit code 1 when a fact was deleted, altered or moved."""
    found = answered(
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
    processes: int = 1,
    quiet: bool = False,
) -> dict[str, Any]:
    """Re-adjudicate in this process with the keys of a directory, by default those of the installation."""
    await caught_up(desk, property_id, quiet)
    collect_less()
    held = keys_of(keys, quiet)
    with bar("re-adjudicating", quiet) as progress:
        try:
            return await inspection.rulings(
                query,
                held,
                since=since,
                until=until,
                property_id=property_id,
                under=under,
                processes=processes,
                progress=progress,
            )
        except JudgingError as error:
            fail(str(error), UNAVAILABLE, quiet)


async def completeness(
    desk: Desk,
    query: inspection.Query,
    *,
    property_id: str | None = None,
    logs_dir: Path | None = None,
    keys_dir: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Compare the stores with the ledger over the services' feeds, and with the logs that lie in `logs_dir`."""
    await caught_up(desk, property_id, quiet)
    logs = _logs(logs_dir or Settings().data_dir / "tlog", keys_dir or Settings().keys_dir, property_id, quiet)
    with bar("comparing", quiet) as progress:
        return await inspection.complete(
            query,
            lambda service, owner, after: read_feed(desk.client, service, owner, after),
            lambda service: read_heads(desk.client, service),
            property_id=property_id,
            progress=progress,
            logs=logs,
        )


def _logs(directory: Path, keys: Path, property_id: str | None, quiet: bool) -> dict[str, LogCopy]:
    """The logs on this machine; one whose files do not hold together is for `audit verify` to say."""
    found = {}
    for log in sorted(path.parent for path in directory.glob("*/checkpoint")):
        if property_id in (None, log.name):
            with bar(f"log of {log.name}", quiet) as progress:
                try:
                    found[log.name] = LogCopy.read(at(log), Salts(keys / f"tlogsalts.{log.name}.bin"), progress)
                except (TileMissingError, ValueError) as error:
                    fail(
                        f"the log of {log.name} cannot be read: {error}",
                        REFUSED,
                        quiet,
                        remedy=f"bailiwick audit verify {log}",
                    )
    return found
