"""`bailiwick demo`: from nothing to decisions that were all judged again, and what that proved."""

import contextlib
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from bailiwick_contracts.envelope import Answer
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from services.audit.words import OUTCOMES, REASONS, word
from services.cli import audit, audit_desk, audit_log
from services.cli.output import BAD_INPUT, ERR, OUT, REFUSED, UNAVAILABLE, AsJson, emit_rows, fail, print_json, run
from services.demo import billing, elsewhere, people, stage, tickets
from services.demo.cases import Case, of_our_office, of_real_office
from services.kernel.settings import Settings
from services.run.desk import Desk, system

MARK = "made-by-demo"


def demo(
    data: Annotated[Path | None, typer.Option(help="A directory with punches-2015.csv and staff-2015.csv.")] = None,
    only: Annotated[str | None, typer.Option(help="Show only the decisions under this clause, e.g. A10.")] = None,
    language: audit_desk.Language = "en",
    as_json: AsJson = False,
) -> None:
    """Run a month of an office, decide at, under and over each limit, and judge everything again."""
    settings = Settings()
    directory = settings.data_dir.parent / f"{settings.data_dir.name}-demo"
    _clear(directory, as_json)
    try:
        result = run(_demo(directory, data, only, quiet=as_json), as_json)
    except stage.StageError as error:
        fail(str(error), UNAVAILABLE, as_json)
    if only is not None and not result["decisions"]:
        fail(f"nothing is decided under {only!r} here", BAD_INPUT, as_json, field="only", value=only,
             rule=f"one of {', '.join(result['clauses'])}", remedy="name one of them")  # fmt: skip
    if as_json:
        print_json(result)
    else:
        _show(result, directory, language)
    if not result["agrees"]:
        raise typer.Exit(REFUSED)


def _clear(directory: Path, as_json: bool) -> None:
    if directory.exists():
        if not (directory / MARK).exists():
            fail(f"{directory} exists and was not made by a demo; move it away", UNAVAILABLE, as_json)
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / MARK).touch()


async def _demo(directory: Path, data: Path | None, only: str | None, *, quiet: bool) -> dict[str, Any]:
    begun = time.monotonic()
    office = stage.our_office() if data is None else stage.real_office(data)
    async with system(Settings(data_dir=directory)) as desk:
        with _bars(quiet) as progress:
            await stage.set_up(desk, office, progress)
            if data is None:
                await stage.adopt_terms(desk, progress)
                await stage.register(desk, people.above(stage.HIRED), progress)
            await stage.in_force(desk)
            punched = time.monotonic()
            rows = await stage.take_in(desk, office, progress)
            punched = time.monotonic() - punched
            await stage.confirm_months(desk, office, progress)
            cases = await _cases(desk, office, real=data is not None)
            decided = []
            for number, case in enumerate(cases):
                decided.append(_row(case, await stage.decide(desk, case.request, case.actor, case.property_id)))
                progress("decisions", number + 1, len(cases))
            if data is None:
                await stage.keep_accounts(desk, [*people.prepared(), *billing.prepared()])
            today = datetime.now(ZoneInfo(office.zone)).date()
            steps = [*people.scene(today), *tickets.scene(), *billing.scene()] if data is None else []
            for number, step in enumerate(steps):
                decided.append(_step(step, await stage.decide(desk, step.request, step.actor, tickets.PLACE)))
                progress("people, tickets, accounts", number + 1, len(steps))
        query = audit_desk.query_of(desk, quiet)
        judged = await audit.readjudicated(desk, query, keys=directory / "keys", quiet=quiet)
        logs = await audit_log.built(desk, None, quiet)
        complete = await audit.completeness(
            desk, query, logs_dir=directory / "tlog", keys_dir=directory / "keys", quiet=quiet
        )
    by_others = [elsewhere.verified(directory / "tlog" / log["property"]) for log in logs]
    unexpected = [row["case"] for row in decided if row["fact"] != row["expected"]]
    return {
        "properties": len(office.properties),
        "staff": len(office.staff),
        "days": len(office.days),
        "punches": rows,
        "take_in_seconds": round(punched, 1),
        "clauses": sorted({row["clause"] for row in decided}),
        "decisions": [row for row in decided if only in (None, row["clause"])],
        "facts": complete["facts"],
        "judged": judged["judged"],
        "differing": judged["differing"],
        "findings": judged["findings"],
        "complete": complete["complete"],
        "logs": by_others,
        "unexpected": unexpected,
        "agrees": judged["agrees"]
        and complete["complete"]
        and all(log["holds"] for log in by_others)
        and not unexpected,
        "seconds": round(time.monotonic() - begun, 1),
    }


async def _cases(desk: Desk, office: stage.Office, *, real: bool) -> list[Case]:
    if not real:
        return list(of_our_office(list(office.days)))
    within_grade = {person.staff_id for person in office.staff if person.grade in ("staff", "team_leader")}
    return list(of_real_office(await stage.days_of(desk, office), within_grade))


def _row(case: Case, answer: Answer) -> dict[str, Any]:
    fact = next((f for f in answer.facts if f.type.split(".")[1].startswith(("penalty_", "missed_punch_"))), None)
    if fact is None or fact.data is None:
        raise stage.StageError(f"{case.title}: {answer.outcome}, {answer.error}")
    ruling = fact.data.get("ruling") or {}
    clamps = [clamp["kind"] for clamp in ruling.get("clamps", ()) if clamp["bound"]]
    return {
        "case": case.title,
        "clause": case.clause,
        "fact": fact.type.split(".")[1],
        "expected": case.expected,
        "outcome": ruling.get("outcome", "refused"),
        "reason": fact.data.get("reason") or ruling.get("reason", ""),
        "next_in_line": ruling.get("escalate_to") or "",
        "clamps": clamps,
        "id": fact.id,
    }


def _step(step: tickets.Step, answer: Answer) -> dict[str, Any]:
    if not answer.facts or answer.facts[0].data is None:
        raise stage.StageError(f"{step.title}: {answer.outcome}, {answer.error}")
    fact, data = answer.facts[0], answer.facts[0].data
    ruling = data.get("ruling") or {}
    refused = fact.type.split(".")[1].endswith("_refused")
    return {
        "case": step.title,
        "clause": step.clause,
        "fact": fact.type.split(".")[1],
        "expected": step.expected,
        "outcome": "refused" if refused else ruling.get("outcome", "granted"),
        "reason": data.get("reason") or ruling.get("reason", ""),
        "next_in_line": (ruling.get("escalate_to") or "") if refused or "escalate_to" in ruling else "",
        "clamps": [],
        "id": fact.id,
    }


def _show(result: dict[str, Any], directory: Path, language: str) -> None:
    rows = [
        row
        | {
            "outcome": word(OUTCOMES, row["outcome"], language),
            "reason": word(REASONS, row["reason"], language),
            "clamps": ", ".join(row["clamps"]),
        }
        for row in result["decisions"]
    ]
    emit_rows(rows, ("clause", "case", "outcome", "reason", "next_in_line", "clamps"), "decisions")
    facts = Counter(row["fact"] for row in result["decisions"])
    OUT.print(
        f"{result['staff']} staff in {result['properties']} properties, {result['days']} days, "
        f"{sum(result['punches'].values())} punches ({result['punches']['ignored']} doubled); "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in facts.items()),
        highlight=False,
    )
    if result["agrees"]:
        OUT.print(
            f"[bold green]proved[/] {result['judged']} rulings derived again from {result['facts']} facts: none differs; "
            f"every chain is complete; every decision came out as the manual says ({result['seconds']} s)",
            highlight=False,
        )
    else:
        OUT.print(
            f"[bold red]not proved[/] {result['differing']} rulings differ, complete: {result['complete']}, "
            f"unexpected: {result['unexpected']}",
            highlight=False,
        )
    for log in result["logs"]:
        colour, told = ("green", "verified") if log["holds"] else ("red", "NOT verified")
        OUT.print(
            f"[bold {colour}]{told}[/] by {log['by']}: the log of {log['property']}, {log['entries']} entries{log['why']}",
            highlight=False,
        )
    if result["logs"]:
        OUT.print(f"verify it yourself: {result['logs'][-1]['command']}", highlight=False, soft_wrap=True)
    if result["decisions"]:
        last = result["decisions"][-1]["id"]
        place, command = shlex.quote(str(directory)), shlex.quote(sys.argv[0])
        OUT.print(
            f"look closer: BAILIWICK_DATA_DIR={place} {command} audit history {last}",
            highlight=False,
            soft_wrap=True,
        )


@contextlib.contextmanager
def _bars(quiet: bool) -> Iterator[stage.Progress]:
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, console=ERR, disable=quiet, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = progress.add_task(title, total=total)
            progress.update(tasks[title], completed=done, total=total)

        yield show
