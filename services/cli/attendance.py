"""`bailiwick attendance`: what a person at the office asks for and reads, one command per request, made from its fields."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from bailiwick_contracts import (
    appraisal,
    attendance,
    breach,
    conduct,
    house_rules,
    leave,
    month,
    notice,
    offsite,
    overtime,
    payroll,
    swap,
    team,
    temporary,
)
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import Request
from bailiwick_contracts.registry import OffsetChange
from pydantic import ValidationError

from services.cli import form, verdict
from services.cli.given import SETUP, Property
from services.cli.output import BAD_INPUT, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.ids import uuid7
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.desk import Desk, system
from services.wall_clock import BadCell, Clocks

_FOR_PROGRAMS = ("data", "place")
READER = Actor(actor="system-reader", authmethod="system", channel="system")


class Verb(NamedTuple):
    """A command: the request it makes, and the field that is given a new id where none is typed."""

    request: type[Request]
    made_up: str | None = None


VERBS: Mapping[str, Mapping[str, Verb]] = {
    "leave": {
        "request": Verb(leave.RequestLeave, "leave_id"),
        "decide": Verb(leave.DecideLeave),
        "cancel": Verb(leave.CancelLeave),
        "balance": Verb(leave.SetLeaveBalance),
        "show": Verb(leave.GetLeave),
    },
    "overtime": {
        "submit": Verb(overtime.SubmitOvertime, "overtime_id"),
        "confirm": Verb(overtime.ConfirmOvertime),
        "comp-leave": Verb(overtime.GrantCompLeave),
        "pay": Verb(overtime.RecommendOvertimePay),
        "show": Verb(overtime.GetOvertime),
    },
    "case": {
        "open": Verb(breach.OpenCase, "case_id"),
        "statement": Verb(breach.RecordStatement),
        "decide": Verb(breach.DecideCase),
        "notice": Verb(breach.GiveCaseNotice),
        "appeal": Verb(breach.AppealCase),
        "outcome": Verb(breach.DecideAppeal),
        "show": Verb(breach.GetConduct),
    },
    "confirm": {
        "missed-punch": Verb(attendance.ConfirmMissedPunch, "confirmation_id"),
        "offsite": Verb(offsite.ConfirmOffsiteWork, "confirmation_id"),
    },
    "penalty": {
        "decide": Verb(conduct.DecidePenalty, "penalty_id"),
        "notice": Verb(notice.GivePenaltyNotice, "notice_id"),
        "withdraw": Verb(conduct.WithdrawPenalty),
        "import": Verb(conduct.ImportPenalty),
        "show": Verb(conduct.GetPenalty),
        "list": Verb(conduct.ListPenalties),
    },
    "month": {
        "supply": Verb(month.SupplyAttendance),
        "confirm": Verb(month.ConfirmAttendance),
        "dispute": Verb(month.DisputeAttendance),
        "close": Verb(month.CloseMonth),
        "hand-over": Verb(payroll.HandOverPayroll),
        "show": Verb(month.GetMonth),
    },
    "appraisal": {
        "open": Verb(appraisal.OpenAppraisals),
        "submit": Verb(appraisal.SubmitAppraisal),
        "show": Verb(appraisal.GetAppraisals),
    },
    "team": {
        "reward": Verb(team.DecideReward, "matter_id"),
        "transfer": Verb(team.DecideTransfer, "matter_id"),
        "appoint": Verb(team.AppointToTeam, "matter_id"),
        "dismissal": Verb(team.RecommendDismissal, "matter_id"),
        "pay": Verb(team.RecommendPayChange, "matter_id"),
        "show": Verb(team.GetTeam),
    },
    "temporary": {
        "hire": Verb(temporary.HireTemp, "hire_id"),
        "end": Verb(temporary.EndTemp),
        "show": Verb(temporary.GetTemporary),
    },
    "roster": {
        "publish": Verb(attendance.PublishRoster, "roster_id"),
        "swap": Verb(swap.SwapShifts),
        "own-days": Verb(house_rules.OverrideCalendar),
        "working-days": Verb(month.ListWorkingDays),
    },
    "day": {
        "derive": Verb(attendance.DeriveDays),
        "show": Verb(attendance.GetDay),
        "list": Verb(attendance.ListDays),
        "punches": Verb(attendance.ListPunches),
        "counts": Verb(month.GetPersonCounts),
    },
    "rules": {"adopt": Verb(house_rules.AdoptHouseRules), "show": Verb(house_rules.GetHouseRules)},
}
"""Every noun and its verbs. Punches come from devices and files (`bailiwick import punches`), the payroll file from `bailiwick payroll`."""
_SAID = {
    "leave": "Leave (A12): asked for, approved up to a day, forwarded beyond, cancelled; balances.",
    "overtime": "Overtime (A11): submitted, confirmed, made up for by leave (A5) or by pay that is only recommended (A6).",
    "case": "Breaches (D4b): opened, the person heard, decided by the adopted ladder, told, appealed.",
    "confirm": "Punches that are missing: forgotten ones (A10, three a year) and work outside (A9).",
    "penalty": "Penalties (A13-A15): decided, announced in writing (T12), withdrawn by a new fact.",
    "month": "HR's monthly sheet (A7): supplied, confirmed or disputed, closed, handed over.",
    "appraisal": "Monthly appraisal sheets (A8), due on the 2nd (D4c).",
    "team": "Rewards, re-posting, appointments (A1), dismissal (A2) and pay (A4), which are only recommended.",
    "temporary": "Temporary staff within the approved headcount (A3).",
    "roster": "Rosters, swaps and the property's own working days (A5).",
    "day": "What a person's days came to, and from which punches.",
    "rules": "The house's rules: leave kinds, offence ladders, headcount, appraisal form (S4).",
}
app = typer.Typer(no_args_is_help=True)
By = Annotated[str, typer.Option("--by", help="Staff id of who asks; none for the set-up.")]
Behalf = Annotated[
    str | None, typer.Option("--on-behalf-of", help="Whose authority is used, where one is lent (delegation).")
]
Delegation = Annotated[str | None, typer.Option("--delegation", help="The delegation that lends it.")]


def _register() -> None:
    for noun, verbs in VERBS.items():
        group = typer.Typer(no_args_is_help=True, help=_SAID[noun])
        for name, verb in verbs.items():
            group.command(name, help=inspect.cleandoc(verb.request.__doc__ or "").partition("\n")[0])(
                _command(noun, name, verb)
            )
        app.add_typer(group, name=noun)


def _command(noun: str, name: str, verb: Verb) -> Any:
    asks = verb.request.__name__.startswith(("Get", "List"))

    def command(
        property_id: str,
        as_json: bool,
        by: str = "",
        behalf: str | None = None,
        delegation: str | None = None,
        **typed: Any,
    ) -> None:
        actor = READER if asks else Actor(actor=by, onbehalfof=behalf, delegation=delegation) if by else SETUP
        work = _read if asks else _sent
        run(work(verb, typed, actor, property_id, f"{noun} {name}", as_json), as_json)

    common: list[tuple[str, Any, Any]] = [
        ("property_id", Property, inspect.Parameter.empty),
        ("as_json", AsJson, False),
    ]
    if not asks:
        common += [("by", By, ""), ("behalf", Behalf, None), ("delegation", Delegation, None)]
    fixed = [inspect.Parameter(key, form.KEYWORD, default=default, annotation=kind) for key, kind, default in common]
    command.__signature__ = inspect.Signature([*form.options(verb.request, verb.made_up), *fixed])  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


async def _made(desk: Desk, verb: Verb, typed: Mapping[str, Any], place: str, title: str, as_json: bool) -> Request:
    """The request that was typed; what is wrong with it is said by field, value, rule and remedy."""
    from services.cli import taking_in

    changes: Sequence[OffsetChange] = ()
    if form.asks_for_clocks(verb.request, typed):
        zone = await taking_in.zone_of(desk, place)
        changes = tuple(OffsetChange.model_validate(change) for change in zone["changes"])
    remedy = f"bailiwick attendance {title} --help"
    try:
        return verb.request.parse(form.body(verb.request, typed, lambda: Clocks(changes)))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"])) or title
        value = "" if problem["type"] == "missing" else str(problem["input"])[:80]
        fail(
            f"{field}: {problem['msg']}",
            BAD_INPUT,
            as_json,
            field=field,
            value=value,
            rule=problem["msg"],
            remedy=remedy,
        )
    except BadCell as wrong:
        fail(f"{wrong.name}: {wrong.rule}", BAD_INPUT, as_json, field=wrong.name, value=wrong.value, rule=wrong.rule,
             remedy=wrong.remedy)  # fmt: skip
    except ValueError as error:
        fail(str(error), BAD_INPUT, as_json, rule="a JSON file", remedy=remedy)


async def _sent(verb: Verb, typed: Mapping[str, Any], actor: Actor, place: str, title: str, as_json: bool) -> None:
    named = {verb.made_up: uuid7()} if verb.made_up is not None and typed.get(verb.made_up) is None else {}
    async with system(Settings()) as desk:
        request = await _made(desk, verb, {**typed, **named}, place, title, as_json)
        await caught_up(desk.client, "attendance", "registry")
        answer = await desk.send(request, actor, place)
    known_by = {verb.made_up: getattr(request, verb.made_up)} if verb.made_up is not None else {}
    verdict.show(answer, request, place, known_by, title, as_json)


async def _read(verb: Verb, typed: Mapping[str, Any], actor: Actor, place: str, title: str, as_json: bool) -> None:
    async with system(Settings()) as desk:
        request = await _made(desk, verb, typed, place, title, as_json)
        found = dict(settle(await desk.query(request, actor, place), as_json).result or {})
        paged = next((name for name, value in found.items() if isinstance(value, list)), None)
        while paged is not None and "next" in found:
            more = request.model_copy(update={"after": found.pop("next")})
            page = dict(settle(await desk.query(more, actor, place), as_json).result or {})
            found = {**page, paged: [*found[paged], *page[paged]]}
    if as_json:
        print_json(found)
        return
    rows = {name: _rows(value) for name, value in found.items()}
    emit({name: _cell(value) for name, value in found.items() if rows[name] is None}, as_json, title)
    for name, part in rows.items():
        if part:
            emit_rows(part, list(dict.fromkeys(key for row in part for key in row)), name)


def _rows(value: Any) -> list[dict[str, str]] | None:
    """A list of records, or records by id, as rows of a table; None for what is neither. Ids of facts are for `--json`."""
    if isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
        value = [{"id": key, **one} for key, one in value.items()]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return None
    rows = [
        {
            key: _cell(cell)
            for key, cell in row.items()
            if key not in _FOR_PROGRAMS and not key.endswith(("_fact", "fact_id"))
        }
        for row in value
    ]
    told = {key for row in rows for key, cell in row.items() if cell}
    return [{key: cell for key, cell in row.items() if key in told} for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return "sealed" if "ciphertext" in value else ", ".join(f"{key} {_cell(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(
            " ".join(map(_cell, one.values())) if isinstance(one, Mapping) else _cell(one) for one in value
        )
    return (
        ""
        if value is None
        else {True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )


_register()
