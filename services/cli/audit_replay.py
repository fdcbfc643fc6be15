"""`bailiwick audit replay, state, report` and who may read: decisions step by step, states of a moment, what to look at."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.consultation import AppointAuditor, DismissAuditor
from bailiwick_contracts.message import Request
from bailiwick_contracts.oversight import AdoptOversight, OversightSettings, shipped
from bailiwick_contracts.registry import GetProperty, GetStaff
from bailiwick_contracts.ticket import OPEN
from bailiwick_contracts.ticket_query import GetBoard, GetTicket
from pydantic import ValidationError

from services.audit import inspection
from services.audit.account import account_of
from services.audit.office import office_of
from services.audit.oversight import REPORTS, Oversight
from services.audit.replay import replay_of, replay_view
from services.audit.selection import Reached, Selection
from services.cli.audit_desk import Language, acting, answered, bar, caught_up, elsewhere, instant_of, keys_of, query_of
from services.cli.audit_evidence import PropertyOption, Since, Until, selected
from services.cli.output import BAD_INPUT, OUT, AsJson, emit, emit_rows, fail, invalid, print_json, run, settle
from services.kernel.settings import Settings
from services.run.desk import Desk, system

TO_COME = "that instant is still to come: this is what is recorded until now"
REPORTED = ("recorded_at", "clause", "actor", "on_behalf_of", "subject", "outcome", "measure", "value", "limit", "total",
            "due_at", "late_seconds", "id")  # fmt: skip
"""What a report shows of a finding, as far as any of its findings has it."""
KINDS = ("person", "property", "office", "ticket", "account")


def replay(decision: str, language: Language = "en", as_json: AsJson = False) -> None:
    """A decision step by step: what was asked, the facts gathered, the versions, each clamp, the outcome, causes and effects."""

    async def ask(_: Desk, query: inspection.Query) -> dict[str, Any]:
        history = await inspection.history(query, decision)
        facts = {one["id"] for item in history["evidence"] for one in item["facts"]} | {history["decision"]["id"]}

        def gather(raws: Iterator[bytes]) -> dict[str, dict[str, Any]]:
            reached = Reached()
            return {d["id"]: d for _, d in reached.passing(raws, Selection()) if d["id"] in facts}

        return replay_of(history, await inspection.through(query, gather))

    answered(ask, lambda found: replay_view(found, language), as_json)


def state(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}.")],
    thing: Annotated[str, typer.Argument(metavar="ID", help="A staff, property, ticket or unit id.")],
    property_id: PropertyOption = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As recorded at this instant.")] = None,
    as_json: AsJson = False,
) -> None:
    """The state of a person, a property, its office, a ticket or a unit's account, now or as recorded at an instant.

    An account and an office are told from the ledger; a person, a property and a ticket by the service whose they are.
    """
    instant = instant_of("as_of", as_of, as_json)
    if kind not in KINDS:
        fail(
            f"{kind} {thing}: no such kind",
            BAD_INPUT,
            as_json,
            field="kind",
            value=kind,
            rule=f"one of {', '.join(KINDS)}",
        )
    owner = thing if kind in ("property", "office") else property_id
    if kind == "ticket" and owner is None:
        fail(
            "which property's?",
            BAD_INPUT,
            as_json,
            field="property",
            rule="a ticket is one property's",
            remedy="--property ID",
        )

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            asked_at = datetime.now(UTC)
            found = await _state(desk, kind, thing, owner, instant, as_json)
        until = asked_at if instant is None else min(instant, asked_at)
        told = {"kind": kind, "id": thing, "as_of": as_of or "now", "recorded_until": until.isoformat()}
        return told | ({"note": TO_COME} if instant is not None and instant > asked_at else {}) | {"state": found}

    print_json(run(work(), as_json))


async def _state(
    desk: Desk, kind: str, thing: str, owner: str | None, instant: datetime | None, as_json: bool
) -> Mapping[str, Any]:
    try:
        if kind == "account":
            return await inspection.through(
                query_of(desk, as_json), lambda raws: account_of(raws, thing, instant, owner)
            )
        if kind == "office":
            return await _office(desk, thing, instant or datetime.now(UTC), as_json)
        request: Request = (
            GetStaff(staff_id=thing, as_of=instant) if kind == "person"
            else GetProperty(property_id=thing, as_of=instant) if kind == "property"
            else GetTicket(ticket_id=thing, as_of=instant)
        )  # fmt: skip
        place = owner if kind == "ticket" and owner is not None else "company"
        return {kind: await elsewhere(desk, request, place, thing, as_json, instant)}
    except ValidationError as error:
        fail(f"{kind} {thing}: {error.errors()[0]['msg']}", BAD_INPUT, as_json, field="id", value=thing,
             rule="the form of an id")  # fmt: skip
    except LookupError as error:
        fail(str(error), BAD_INPUT, as_json, field="id", value=thing, rule="recorded by that instant",
             remedy="name a later instant, or look the id up")  # fmt: skip


async def _office(desk: Desk, property_id: str, at: datetime, as_json: bool) -> dict[str, Any]:
    """The office from the ledger, with its open tickets as the tickets service folds them."""
    found = await inspection.through(query_of(desk, as_json), lambda raws: office_of(raws, property_id, at))
    tickets: list[Mapping[str, Any]] = []
    after: str | None = None
    while True:
        asked = GetBoard(as_of=at, after=after, limit=200)
        page = await elsewhere(desk, asked, property_id, property_id, as_json)
        tickets.extend(one for one in page["tickets"] if one["status"] in OPEN)
        after = page.get("next")
        if after is None:
            return found | {"open_tickets": {"count": len(tickets), "tickets": tickets}}


def report(
    name: Annotated[str, typer.Argument(help=f"all, or one of {', '.join(REPORTS)}.")] = "all",
    property_id: PropertyOption = None,
    since: Since = None,
    until: Until = None,
    keys: Annotated[Path | None, typer.Option(help="Directory of the keys to open amounts with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decisions at or beyond a limit, waivers and quotas used, late escalations, own cases, amounts split under a limit."""
    if name not in (*REPORTS, "all"):
        fail(
            f"report: {name!r} is none",
            BAD_INPUT,
            as_json,
            field="report",
            value=name,
            rule=f"all, or one of {', '.join(REPORTS)}",
        )
    selection = selected(property_id, None, since, until, None, as_json)
    held = keys_of(keys, as_json)

    def read(raws: Iterator[bytes]) -> dict[str, Any]:
        every = Reached().passing(raws, Selection())
        made = Oversight(keys=held).read((document, selection.takes(document)) for _, document in every)
        return {"settings": made.versions, "sealed": made.sealed, "reports": made.found}

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            with bar("reading", as_json) as progress:
                return await inspection.through(query_of(desk, as_json), read, progress=progress)

    result = run(work(), as_json)
    found = {one: rows for one, rows in result["reports"].items() if name in ("all", one)}
    if as_json:
        print_json({"filter": selection.as_json(), **result, "reports": found})
        return
    emit_rows(
        result["settings"], ("version", "late_escalation_seconds", "splitting_days", "adopted_by"), "held against"
    )
    for one, rows in found.items():
        if not rows:
            OUT.print(f"{one}: none")
            continue
        shown = [name for name in REPORTED if any(row.get(name) not in (None, "", []) for row in rows)]
        emit_rows(rows, shown, f"{one}: {len(rows)}")
    if result["sealed"]:
        OUT.print(
            f"{result['sealed']} amounts stayed sealed: whether they reach a limit, or were split, needs their key (--keys)"
        )


def oversight(
    adopt: Annotated[
        Path | None, typer.Option(help="A JSON file with version, late_escalation_seconds and splitting_days.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What the reports hold to be late or split: the version that is shipped; with --adopt, another one from now on."""
    if adopt is None:
        emit(shipped().model_dump(), as_json, "shipped")
        return
    try:
        settings = OversightSettings.model_validate_json(adopt.read_bytes())
    except OSError as error:
        fail(f"{adopt}: {error.strerror}", BAD_INPUT, as_json, field="adopt", value=str(adopt))
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"]))
        fail(f"{adopt}: {named + ': ' if named else ''}{first['msg']}", BAD_INPUT, as_json, field=named or "adopt",
             value=str(adopt), rule="version, late_escalation_seconds and splitting_days",
             remedy="begin with what `bailiwick audit oversight --json` prints")  # fmt: skip
    _send(lambda: AdoptOversight(settings=settings), as_json)


def appoint(
    auditor: Annotated[str, typer.Argument(help="A pseudonymous id.")],
    grounds: Annotated[str, typer.Option(help="Why, for the record.")],
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody read the audit service. The role reads and never decides."""
    last: date | None = until.date() if until else None
    if last is not None and last < datetime.now(UTC).date():
        fail("the last day is over", BAD_INPUT, as_json, field="until", value=last.isoformat(),
             rule="today, or a day that is still to come", remedy="name a later day, or none")  # fmt: skip
    _send(lambda: AppointAuditor(auditor_id=auditor, until=last, grounds=grounds), as_json)


def dismiss(
    auditor: Annotated[str, typer.Argument(help="A pseudonymous id.")],
    grounds: Annotated[str, typer.Option(help="Why, for the record.")],
    as_json: AsJson = False,
) -> None:
    """End the role of an auditor."""
    _send(lambda: DismissAuditor(auditor_id=auditor, grounds=grounds), as_json)


def _send(made: Callable[[], Request], as_json: bool) -> None:
    try:
        request = made()
    except ValidationError as error:
        invalid(error, as_json)

    async def work() -> Any:
        async with system(Settings()) as desk:
            return settle(await desk.send(request, acting(), "company"), as_json)

    answer = run(work(), as_json)
    emit({"outcome": answer.outcome, "facts": [fact.id for fact in answer.facts]}, as_json, type(request).__name__)
