"""`bailiwick tickets`: the day's board, what is due, one ticket, and the month's figures; on the screen or as CSV or XLSX."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import Request
from pydantic import ValidationError

from services.cli.given import typed_property
from services.cli.output import BAD_INPUT, OUT, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.settings import Settings
from services.run.desk import Desk, system

app = typer.Typer(no_args_is_help=True)
READER = Actor(actor="system-reader", authmethod="system", channel="system")
Property = Annotated[str, typer.Option("--property", callback=typed_property, help="The property.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="As recorded at an instant, e.g. 2026-03-02T09:31:00Z.")]
AsOfNumber = Annotated[int | None, typer.Option("--as-of-number", help="As of a number of the property's chain.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write a .csv or .xlsx file instead.")]
Month = Annotated[str, typer.Argument(help="A month, e.g. 2026-03.")]
_SHOWN = ("ticket_id", "kind", "severity", "topic", "status", "accountable_id", "urgency", "reason", "late_seconds",
          "resolution_due_at")  # fmt: skip


def _asked(query: str, /, **fields: Any) -> Request:
    """A query of tickets from what was typed; what is wrong with it is said by field."""
    from bailiwick_contracts import ticket_query

    given = {name: value for name, value in fields.items() if value is not None}
    model: type[Request] = getattr(ticket_query, query)
    try:
        return model.model_validate_json(_json(given), strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        fail(f"{field}: {problem['msg']}", BAD_INPUT, field=field, value=str(problem["input"]), rule=problem["msg"])


def _json(fields: Mapping[str, Any]) -> bytes:
    from pydantic_core import to_json

    return to_json(fields)


async def _all(
    desk: Desk, request: Request, property_id: str, name: str, as_json: bool
) -> tuple[list[Any], Mapping[str, Any]]:
    """Every page of a list, all as of the moment of the first."""
    answer = settle(await desk.query(request, READER, property_id), as_json).result or {}
    rows, first = list(answer[name]), answer
    while "next" in answer:
        more: dict[str, Any] = {"after": answer["next"]}
        if "as_of" in first and getattr(request, "as_of", None) is None:
            more["as_of_number"] = first["as_of"]["number"]
        answer = settle(await desk.query(request.model_copy(update=more), READER, property_id), as_json).result or {}
        rows += answer[name]
    return rows, first


def _list(request: Request, property_id: str, name: str, title: str, columns: Sequence[str], shown: Sequence[str],
          out: Path | None, as_json: bool) -> None:  # fmt: skip
    async def read() -> tuple[list[Any], Mapping[str, Any]]:
        async with system(Settings()) as desk:
            return await _all(desk, request, property_id, name, as_json)

    rows, first = run(read(), as_json)
    _show(rows, request, first.get("as_of", {}), property_id, name, title, columns, shown, out, as_json)


def _show(rows: Sequence[Any], request: Request, as_of: Mapping[str, Any], property_id: str, name: str, title: str,
          columns: Sequence[str], shown: Sequence[str], out: Path | None, as_json: bool) -> None:  # fmt: skip
    from services.cli.report_file import Report, write

    unsaid = {"type", "after", "limit", "as_of", "as_of_number"}
    filters = {field: str(value) for field, value in request if field not in unsaid and value is not None}
    head = {"property": property_id, **filters}
    if as_of:
        head |= {"as of": f"{as_of['chain']} number {as_of['number']}, {as_of['at']}", "zone": as_of["zone"]}
    if out is not None:
        try:
            write(Report(title, head, columns, rows), out)
        except (ValueError, OSError) as error:
            fail(f"out: {error}", BAD_INPUT, as_json, field="out", value=str(out), rule="a .csv or .xlsx file")
        emit({"file": str(out), "rows": len(rows), **head}, as_json, title)
    elif as_json:
        print_json({name: rows, "filters": filters, "as_of": as_of, "rows": len(rows)})
    else:
        emit_rows(rows, shown, title)
        OUT.print("; ".join(f"{key}: {value}" for key, value in (*head.items(), ("rows", len(rows)))), highlight=False)


def _instant(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        fail(f"as-of: {value!r} is no instant", BAD_INPUT, field="as-of", value=value, rule="RFC 3339 with its offset",
             remedy="write e.g. 2026-03-02T09:31:00Z")  # fmt: skip
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at.tzinfo else value


@app.command()
def board(
    property_id: Property,
    on: Annotated[str | None, typer.Option(help="A date of the property; today by default.")] = None,
    due: Annotated[bool, typer.Option("--due", help="Only what is overdue or due on the day.")] = False,
    as_of: AsOf = None,
    as_of_number: AsOfNumber = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Every open ticket of a day with what is overdue or due, and why (D9a)."""
    from services.tickets.board import COLUMNS

    request = _asked(
        "GetBoard", on=on, only="due" if due else "all", limit=200, as_of=_instant(as_of), as_of_number=as_of_number
    )
    _list(request, property_id, "tickets", "due" if due else "board", COLUMNS, _SHOWN, out, as_json)


@app.command("list")
def list_tickets(
    property_id: Property,
    kind: Annotated[str | None, typer.Option()] = None,
    status: Annotated[str | None, typer.Option()] = None,
    accountable: Annotated[str | None, typer.Option(help="The accountable person's id.")] = None,
    topic: Annotated[str | None, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from", help="Registered on or after this date.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Registered on or before this date.")] = None,
    as_of: AsOf = None,
    as_of_number: AsOfNumber = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Tickets by kind, status, accountable person, topic and date of registration."""
    from services.tickets.board import COLUMNS

    request = _asked("ListTickets", kind=kind, status=status, accountable_id=accountable, topic=topic, first_on=first, last_on=last,
                     limit=200, as_of=_instant(as_of), as_of_number=as_of_number)  # fmt: skip
    _list(request, property_id, "tickets", "tickets", COLUMNS, _SHOWN, out, as_json)


@app.command()
def show(
    ticket_id: str, property_id: Property, as_of: AsOf = None, as_of_number: AsOfNumber = None, as_json: AsJson = False
) -> None:
    """One ticket as it stands, or as it stood; what is personal stays sealed."""
    request = _asked("GetTicket", ticket_id=ticket_id, as_of=_instant(as_of), as_of_number=as_of_number)
    emit(_one(request, property_id, as_json), as_json, ticket_id)


def _one(request: Request, property_id: str, as_json: bool) -> Mapping[str, Any]:
    async def read() -> Mapping[str, Any]:
        async with system(Settings()) as desk:
            return settle(await desk.query(request, READER, property_id), as_json).result or {}

    return run(read(), as_json)


@app.command()
def history(
    ticket_id: str,
    property_id: Property,
    by: Annotated[str | None, typer.Option(help="people, rules or machine.")] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Everything that happened to a ticket: what people did, what followed by rule, and what timers did, apart."""
    request = _asked("GetTicketHistory", ticket_id=ticket_id, by=by, limit=200)
    columns = ("number", "by", "type", "actor", "occurred_at", "recorded_at", "importfile", "importrow", "id", "data")
    _list(request, property_id, "facts", f"history of {ticket_id}", columns, columns[:6], out, as_json)


@app.command()
def accountability(ticket_id: str, property_id: Property, as_json: AsJson = False) -> None:
    """Who was accountable for a ticket from when to when; exit code 1 where it was ever nobody, or more than one."""
    found = _one(_asked("ExamineAccountability", ticket_id=ticket_id), property_id, as_json)
    if as_json:
        print_json(found)
    else:
        emit_rows(found["intervals"], ("staff_id", "since", "until", "number", "until_number", "fact_id"), ticket_id)
        OUT.print("exactly one person at every moment" if not found["faults"] else "; ".join(found["faults"]))
    if found["faults"]:
        raise typer.Exit(1)


@app.command("follow-ups")
def follow_ups(
    month: Month, property_id: Property, as_of: AsOf = None, as_of_number: AsOfNumber = None, out: Out = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The month's follow-up visits by kind and topic, beside the month before (S2-7)."""
    columns = ("kind", "topic", "due", "effective", "no_contact", "missed", "satisfied", "unsatisfied", "reopened",
               "effective_percent", "satisfied_percent", "satisfied_percent_before", "change")  # fmt: skip
    request = _asked("AnalyseFollowUps", month=month, as_of=_instant(as_of), as_of_number=as_of_number)
    _list(request, property_id, "rows", f"follow-up visits of {month}", columns, columns, out, as_json)


@app.command()
def topics(
    property_id: Property,
    first: Annotated[str, typer.Option("--from", help="A date of the property.")],
    last: Annotated[str, typer.Option("--to", help="A date of the property, included.")],
    as_of: AsOf = None,
    as_of_number: AsOfNumber = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """How many tickets were registered per topic and kind (S2-6)."""
    request = _asked("CountTopics", first_on=first, last_on=last, as_of=_instant(as_of), as_of_number=as_of_number)
    columns = ("topic", "kind", "registered", "open")
    _list(request, property_id, "rows", "topics", columns, columns, out, as_json)


@app.command()
def figures(
    month: Month, property_id: Property, as_of: AsOf = None, as_of_number: AsOfNumber = None, out: Out = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """K4, K6, K8, K9 and K10 of a month, each with numerator, denominator, target and definition."""
    request = _asked("GetFigures", month=month, as_of=_instant(as_of), as_of_number=as_of_number)
    found = _one(request, property_id, as_json)
    rows = [{"figure": name, **one} for name, one in found["figures"].items()]
    columns = ("figure", "numerator", "denominator", "percent", "target", "definition")
    _show(rows, request, found["as_of"], property_id, "figures", f"figures of {month}", columns, columns, out, as_json)


@app.command("log")
def log_figures(
    system_id: Annotated[str, typer.Argument(metavar="SYSTEM")],
    property_id: Property,
    variants: Annotated[int, typer.Option(help="How many of the most frequent variants.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What was taken over from a system, counted from our own facts: cases, entries per activity, variants."""
    emit(
        _one(_asked("GetLogFigures", system=system_id, variants_limit=variants), property_id, as_json),
        as_json,
        system_id,
    )


@app.command()
def letters(
    property_id: Property,
    year: Annotated[int | None, typer.Option(help="The issue log of a year.")] = None,
    status: Annotated[str | None, typer.Option(help="drafted, released, sent_back or issued.")] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Letters: the issue log of a year, or what waits (D7)."""
    columns = ("letter_id", "status", "year", "number", "issued_at", "about", "to_id", "means", "document_sha256")
    request = _asked("ListLetters", year=year, status=status, limit=200)
    _list(request, property_id, "letters", "letters", columns, columns[:8], out, as_json)


@app.command("adopt-terms")
def adopt_terms(
    property_id: Annotated[
        str, typer.Option("--property", help="The property; company for every one without its own.")
    ] = "company",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A policy as JSON; the shipped one by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Adopt a deadline policy at the setting up of an installation."""
    from bailiwick_contracts.deadline import DeadlinePolicy, shipped_policy
    from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy

    try:
        policy = shipped_policy() if file is None else DeadlinePolicy.model_validate_json(file.read_bytes())
        request = AdoptDeadlinePolicy(policy=policy, for_property=property_id, lead_seconds=1)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        fail(
            f"{field}: {problem['msg']}",
            BAD_INPUT,
            as_json,
            field=field,
            value=str(problem["input"]),
            rule=problem["msg"],
        )

    async def send() -> Any:
        async with system(Settings()) as desk:
            actor = Actor(actor="system-setup", authmethod="system", channel="system")
            return settle(await desk.send(request, actor, property_id), as_json)

    answer = run(send(), as_json)
    emit({"property": property_id, "version": policy.version, "outcome": answer.outcome}, as_json, "deadline policy")
