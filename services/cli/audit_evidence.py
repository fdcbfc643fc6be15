"""`bailiwick audit export, bundle, archive, restore`: what leaves the house, each with how to verify it."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.asyncapi import choices
from bailiwick_contracts.subjects import SERVICES

from services.audit import inspection
from services.audit.evidence import archive as cold
from services.audit.evidence import gathering
from services.audit.evidence.paper import FONTS_DIRECTORY
from services.audit.log.note import NoteError, trusted
from services.audit.mining.export import FORMATS, ExportError, export
from services.audit.selection import Selection
from services.cli import audit_log
from services.cli.audit_desk import acting, bar, caught_up, in_order, instant_of, operating, query_of, writable
from services.cli.output import BAD_INPUT, OUT, REFUSED, AsJson, directory, emit, emit_rows, fail, print_json, run
from services.kernel.settings import Settings
from services.run.desk import system

Out = Annotated[Path, typer.Option(help="The file to write.")]
PropertyOption = Annotated[str | None, typer.Option("--property", help="Only this property.")]
ServiceOption = Annotated[str | None, typer.Option("--service", help="Only this service.")]
Since = Annotated[str | None, typer.Option(help="Recorded at or after: an RFC 3339 instant or a date (UTC).")]
Until = Annotated[str | None, typer.Option(help="Recorded before: an RFC 3339 instant or a date (UTC).")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="As the ledger stood at this instant.")]


def export_to(
    out: Out,
    format_: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "ocel2-json",
    case: Annotated[
        str, typer.Option(help="For xes: stream, or a type of object such as ticket or person.")
    ] = "stream",
    property_id: PropertyOption = None,
    service: ServiceOption = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Only facts of this type, e.g. tickets.ticket_closed.v1.")
    ] = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write an event log that process-mining and BPM tools read; it states its filter and how far each chain was read."""
    if format_ not in FORMATS:
        fail(
            f"format: {format_!r} is none",
            BAD_INPUT,
            as_json,
            field="format",
            value=format_,
            rule=f"one of {', '.join(FORMATS)}",
        )
    writable(out, as_json)
    if type_ is not None and (type_ not in choices() or type_.endswith("*")):
        fail(f"type: {type_!r} is none", BAD_INPUT, as_json, field="type", value=type_,
             rule="the type of a fact, e.g. tickets.ticket_closed.v1",
             remedy="leave --type away: the export names every type")  # fmt: skip
    selection = replace(selected(property_id, service, since, until, as_of, as_json), type=type_)

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            with bar("exporting", as_json) as progress:
                return await inspection.through(
                    query_of(desk, as_json),
                    lambda raws: export(raws, selection, format_, out, case=case),
                    progress=progress,
                )

    try:
        result = run(work(), as_json)
    except ExportError as error:
        fail(str(error), BAD_INPUT, as_json, field="case", value=case, rule="stream, or a type of object",
             remedy="an export as ocel2-json names the types there are")  # fmt: skip
    if as_json:
        print_json(result)
    else:
        emit(result | {"written": str(out)}, as_json, "export")


def selected(
    property_id: str | None, service: str | None, since: str | None, until: str | None, as_of: str | None, as_json: bool
) -> Selection:
    """The filter that a command line asks for."""
    first, last = instant_of("since", since, as_json), instant_of("until", until, as_json)
    in_order(first, last, as_json)
    if service is not None and service not in SERVICES:
        fail(f"service: {service!r} is none", BAD_INPUT, as_json, field="service", value=service,
             rule=f"one of {', '.join(SERVICES)}")  # fmt: skip
    return Selection(
        property_id=property_id, service=service, since=first, until=last, as_of=instant_of("as_of", as_of, as_json)
    )


def bundle(
    out: Out,
    decision: Annotated[str | None, typer.Option(help="The id of a fact or a command.")] = None,
    person: Annotated[str | None, typer.Option(help="A pseudonymous staff id.")] = None,
    period: Annotated[str | None, typer.Option(help="FIRST..LAST, two dates (UTC), both included.")] = None,
    property_id: PropertyOption = None,
    as_of: AsOf = None,
    fonts: Annotated[
        Path, typer.Option(envvar="BAILIWICK_FONTS_DIR", help="A directory with a font that has Chinese.")
    ] = FONTS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """One archive with facts, proofs, checkpoint, schemas, versions, a PDF/A, and how to verify it with other people's software.

    Made again with the `as_of` that it names, it is the same bytes; an instant that is yet to come is taken for now.
    """
    if sum(one is not None for one in (decision, person, period)) != 1:
        fail("name one of --decision, --person and --period", BAD_INPUT, as_json, rule="a bundle is about one thing")
    if decision is not None and property_id is not None:
        fail("--property narrows a person's or a period's bundle", BAD_INPUT, as_json, field="property", value=property_id,
             rule="a decision's bundle holds what it rests on, of whatever property", remedy="leave --property away")  # fmt: skip
    writable(out, as_json)
    selection = Selection(property_id=property_id) if property_id is not None else None
    if period is not None:
        selection = _period(period, property_id, as_json)
    instant = instant_of("as_of", as_of, as_json)

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            await audit_log.built(desk, None, as_json)
            now = datetime.now(UTC)
            with bar("gathering", as_json) as progress:
                made = await gathering.bundle(
                    query_of(desk, as_json),
                    lambda request: desk.query(request, acting(), "company"),
                    min(instant or now, now),
                    decision=decision,
                    person=person,
                    selection=selection,
                    progress=progress,
                )
            if not made.raws:
                fail(
                    "nothing in the ledger belongs to this",
                    BAD_INPUT,
                    as_json,
                    remedy="ask `bailiwick audit person` or `history` first",
                )
            size = made.write(out, fonts)
            return {"written": str(out), "bytes": size, "facts": len(made.raws), "proved": len(made.proofs), "as_of": made.as_of.isoformat(),
                    "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}  # fmt: skip

    emit(run(work(), as_json), as_json, "bundle")


def archive(
    out: Out, until: Until = None, since: Since = None, property_id: PropertyOption = None, as_json: AsJson = False
) -> None:
    """Old facts, with the log that proves them and its salts, into one file for a cold place. Nothing leaves the ledger."""
    operating(as_json)
    writable(out, as_json)
    settings = Settings()
    selection = selected(property_id, None, since, until, None, as_json)

    async def work() -> dict[str, Any]:
        async with system(settings) as desk:
            await caught_up(desk, property_id, as_json)
            await audit_log.built(desk, None, as_json)
            with bar("archiving", as_json) as progress:
                return await inspection.through(
                    query_of(desk, as_json),
                    lambda raws: cold.archive(raws, selection, settings.data_dir / "tlog", settings.keys_dir, out),
                    progress=progress,
                )

    try:
        made = run(work(), as_json)
        if not made["facts"]:
            out.unlink(missing_ok=True)
            fail("no fact was recorded in what was asked for: nothing is archived", BAD_INPUT, as_json)
        emit(made | {"written": str(out)}, as_json, "archive")
    except cold.ArchiveError as error:
        fail(str(error), REFUSED, as_json)


def restore(
    archived: Annotated[Path, typer.Argument(metavar="ARCHIVE")],
    to: Annotated[Path, typer.Option(help="An empty directory.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", help="A vkey that you trust; by default those in the archive.")
    ] = None,
    checkpoint: audit_log.Taken = None,
    as_json: AsJson = False,
) -> None:
    """Unpack an archive and verify all of it: signatures, the whole log, every fact. Exit code 1 when something does not hold."""
    remembered = [one for path in checkpoint or () for one in audit_log.checkpoints(path, as_json)]
    directory(to, as_json, "to")
    try:
        result = cold.restore(archived, to, policy=trusted(key) if key else None, remembered=remembered)
    except (cold.ArchiveError, NoteError) as error:
        fail(str(error), BAD_INPUT, as_json)
    if as_json:
        print_json(result)
    else:
        emit_rows(result["properties"], ("property", "facts", "proved", "holds", "problems"), f"restored to {to}")
        stated = ", ".join(f"{name} {value}" for name, value in result["filter"].items() if value) or "everything"
        OUT.print(f"The archive says of itself: {result['expected']} facts, of {stated}.", highlight=False)
    if not result["holds"]:
        raise typer.Exit(REFUSED)


def _period(text: str, property_id: str | None, as_json: bool) -> Selection:
    first, separator, last = text.partition("..")
    since, until = instant_of("period", first, as_json), instant_of("period", last or first, as_json)
    if not separator or since is None or until is None or until < since:
        fail(
            f"period: {text!r} is none",
            BAD_INPUT,
            as_json,
            field="period",
            value=text,
            rule="FIRST..LAST",
            remedy="write 2026-03-01..2026-03-31",
        )
    # The calendar's last day has none after it, and stands for no end at all.
    end = until + timedelta(days=1) if until.date() < date.max else None
    return Selection(property_id=property_id, since=since, until=end)
