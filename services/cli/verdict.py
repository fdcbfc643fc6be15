"""What became of a request, for people: the fact, and of its ruling the clause, the limit, what was asked and who may."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import typer
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.message import Request
from pydantic_core import to_jsonable_python

from services.audit.words import REASONS, word
from services.cli.output import BAD_INPUT, ERR, REFUSED, emit, fail, print_json

_CALLED = ("recommended_to", "forwarded_to", "balance", "standing", "late_for", "month")


def show(answer: Answer, request: Request, place: str, named: Mapping[str, Any], title: str, as_json: bool) -> None:
    """Print what was answered and end with its exit code: 1 for a recorded refusal, 2 for what made no sense.

    Args:
        answer: of a command.
        request: what was asked; a confidential value is its own to read.
        place: the property.
        named: what it is known by, by field.
        title: what it was.
        as_json: whether to print one JSON document.
    """
    if answer.outcome == "rejected":
        error = dict(answer.error or {"message": "rejected"})
        fail(error.pop("message"), BAD_INPUT, as_json, **error)
    told = said(answer, request)
    if answer.outcome == "refused":
        if as_json:
            print_json({"error": {"message": f"refused, and recorded as {told['fact_id']}", **told}})
        else:
            ERR.print(f"[bold red]refused[/] and recorded as {told['fact_id']}", highlight=False)
            for name, value in told.items():
                ERR.print(f"  {name.replace('_', ' ')}: {value}", highlight=False, markup=False)
        raise typer.Exit(REFUSED)
    shown: dict[str, Any] = {"property": place, "outcome": answer.outcome, **named, **told, **(answer.result or {})}
    if as_json:
        shown["facts"] = [{"id": fact.id, "type": fact.type} for fact in answer.facts]
    emit(shown, as_json, title)


def said(answer: Answer, request: Request) -> dict[str, Any]:
    """Of the fact that matters: `fact_id`, `fact`, `clause`, `reason`, `why`, `limit`, `asked`, `who_may`, as far as it has them."""
    facts = [fact for fact in answer.facts if fact.data is not None]
    if not facts:
        return {}
    refused = (fact for fact in facts if fact.type.split(".")[1].endswith("_refused"))
    ruled = (fact for fact in facts if (fact.data or {}).get("ruling"))
    fact = next(refused, None) or next(ruled, None) or facts[0]
    data = fact.data or {}
    ruling: Mapping[str, Any] = data.get("ruling") or {}
    reason = str(data.get("reason") or ruling.get("reason") or "")
    told = {
        "fact_id": fact.id,
        "fact": fact.type,
        "clause": ruling.get("row_id") or data.get("clause"),
        "ruling": ruling.get("outcome"),
        "reason": reason or None,
        "why": word(REASONS, reason, "en") if reason in REASONS else None,
        "limit": limit_in_words(ruling["limit"]) if ruling.get("limit") else None,
        "asked": ", ".join(_measured(item, request) for item in ruling.get("asked", {}).get("measures", ())) or None,
        "condition": ruling.get("condition"),
        "clamps": ", ".join(clamp["kind"] for clamp in ruling.get("clamps", ()) if clamp["bound"]) or None,
        "who_may": ruling.get("escalate_to"),
        **{name: _quantity(data[name]) for name in _CALLED if data.get(name)},
    }
    return {name: value for name, value in told.items() if value is not None}


def limit_in_words(limit: Mapping[str, Any]) -> str:
    """A limit of the matrix: `days: at most 1`."""
    parts = []
    for end, within, short_of in (("lower", "at least", "more than"), ("upper", "at most", "less than")):
        bound = limit.get(end)
        if bound:
            parts.append(f"{within if bound.get('inclusive', True) else short_of} {_quantity(bound['value'])}")
    return f"{limit['measure'].replace('_', ' ')}: {' and '.join(parts)}"


def _measured(item: Mapping[str, Any], request: Request) -> str:
    value = item.get("value")
    if value is None and hasattr(request, item["measure"]):
        value = to_jsonable_python(getattr(request, item["measure"]))
    return f"{item['measure'].replace('_', ' ')} {_quantity(value) if value is not None else '(confidential)'}"


def _quantity(value: Any) -> Any:
    if isinstance(value, Mapping) and "numerator" in value:
        exact = Fraction(value["numerator"], value.get("denominator", 1))
        return str(exact) if exact.denominator == 1 else f"{exact} ({float(exact):.2f})"
    if isinstance(value, Mapping) and "amount" in value:
        return f"{value['amount']} {value.get('currency', 'CNY')}"
    return value
