"""`bailiwick audit replay, state, report` and who may read: decisions step by step, states of a moment, what to look at."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any

import typer
from bailiwick_contracts.billing import GetUnit
from bailiwick_contracts.consultation import AppointAuditor, DismissAuditor
from bailiwick_contracts.message import Request
from bailiwick_contracts.registry import GetMatrix, GetProperty, GetStaff
from bailiwick_contracts.ticket_query import GetTicket
from pydantic import ValidationError

from services.audit import inspection
from services.audit.oversight import REPORTS, Oversight
from services.audit.replay import replay_of, replay_view
from services.audit.selection import Reached, Selection
from services.cli.audit_desk import Language, answered, bar, caught_up, instant_of, query_of
from services.cli.audit_evidence import PropertyOption, Since, Until, selected
from services.cli.output import BAD_INPUT, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.cli.properties import SETUP
from services.kernel.settings import Settings
from services.run.desk import Desk, system

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
    """The state of a person, a property, its office, a ticket or a unit's account, now or as recorded at an instant."""
    instant = instant_of("as_of", as_of, as_json)
    try:
        requests = _states(kind, thing, instant)
    except (KeyError, ValidationError) as error:
        fail(
            f"{kind} {thing}: no such kind or id: {error}",
            BAD_INPUT,
            as_json,
            rule=f"one of {', '.join(KINDS)}, and its id",
        )
    owner = thing if kind in ("property", "office") else property_id

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            if kind == "account" and instant is not None:
                return await _account(desk, thing, instant, as_json)
            found = {}
            for name, request, where in requests:
                place = where or owner
                if place is None:
                    fail(
                        "which property's?",
                        BAD_INPUT,
                        as_json,
                        field="property",
                        rule="a ticket or account is one property's",
                        remedy="--property ID",
                    )
                found[name] = settle(await desk.query(request, SETUP, place), as_json).result
            return {"kind": kind, "id": thing, "as_of": as_of or "now", "state": found}

    print_json(run(work(), as_json))


def _states(kind: str, thing: str, instant: datetime | None) -> list[tuple[str, Request, str | None]]:
    """What to ask whom: each service answers for its own. Raises KeyError, ValidationError."""
    match kind:
        case "person":
            return [("person", GetStaff(staff_id=thing, as_of=instant), "company")]
        case "property":
            return [("property", GetProperty(property_id=thing, as_of=instant), "company")]
        case "office":
            office = GetProperty(property_id=thing, as_of=instant)
            return [("property", office, "company"), ("matrix", GetMatrix(as_of=instant), "company")]
        case "ticket":
            return [("ticket", GetTicket(ticket_id=thing, as_of=instant), None)]
        case "account":
            return [("account", GetUnit(unit_id=thing), None)]
    raise KeyError(kind)


async def _account(desk: Desk, unit_id: str, instant: datetime, as_json: bool) -> dict[str, Any]:
    """A unit's account as of an instant, from the ledger and the contracts' own booking rules."""
    from services.audit.replay import account_of

    await caught_up(desk)
    found = await inspection.through(query_of(desk, as_json), lambda raws: account_of(raws, unit_id, instant))
    if not found["facts"]:
        fail(
            f"no fact up to {instant.isoformat()} names the unit {unit_id}",
            BAD_INPUT,
            as_json,
            remedy="look it up: bailiwick billing",
        )
    return {"kind": "account", "id": unit_id, "as_of": instant.isoformat(), "state": found}


def report(
    name: Annotated[str, typer.Argument(help=f"all, or one of {', '.join(REPORTS)}.")] = "all",
    property_id: PropertyOption = None,
    since: Since = None,
    until: Until = None,
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

    def read(raws: Iterator[bytes]) -> dict[str, Any]:
        every = Reached().passing(raws, Selection())
        return Oversight().read((document, selection.takes(document)) for _, document in every).found

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk)
            with bar("reading", as_json) as progress:
                return await inspection.through(query_of(desk, as_json), read, progress=progress)

    found = {one: rows for one, rows in run(work(), as_json).items() if name in ("all", one)}
    if as_json:
        print_json({"filter": selection.as_json(), "reports": found})
        return
    for one, rows in found.items():
        emit_rows(
            rows,
            ("recorded_at", "clause", "actor", "subject", "outcome", "measure", "value", "limit", "id"),
            f"{one}: {len(rows)}",
        )


def appoint(
    auditor: Annotated[str, typer.Argument(help="A pseudonymous id.")],
    grounds: Annotated[str, typer.Option(help="Why, for the record.")],
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody read the audit service. The role reads and never decides."""
    last: date | None = until.date() if until else None
    _send(AppointAuditor(auditor_id=auditor, until=last, grounds=grounds), as_json)


def dismiss(
    auditor: Annotated[str, typer.Argument(help="A pseudonymous id.")],
    grounds: Annotated[str, typer.Option(help="Why, for the record.")],
    as_json: AsJson = False,
) -> None:
    """End the role of an auditor."""
    _send(DismissAuditor(auditor_id=auditor, grounds=grounds), as_json)


def _send(request: Request, as_json: bool) -> None:
    async def work() -> Any:
        async with system(Settings()) as desk:
            return settle(await desk.send(request, SETUP, "company"), as_json)

    answer = run(work(), as_json)
    emit({"outcome": answer.outcome, "facts": [fact.id for fact in answer.facts]}, as_json, type(request).__name__)
