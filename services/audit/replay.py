"""A decision replayed step by step from its history and the facts it rested on."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.audit.words import CLAMPS, OUTCOMES, REASONS, word

STEPS: Mapping[str, tuple[str, str]] = {
    "request": ("what was asked", "請求"),
    "gathered": ("facts gathered", "所據事實"),
    "versions": ("versions in force", "生效版本"),
    "clause": ("the clause", "條文"),
    "measured": ("measured", "量度"),
    "condition": ("condition shown", "已證條件"),
    "clamp": ("clamp", "限制"),
    "outcome": ("outcome", "結果"),
    "cause": ("came from", "起因"),
    "effect": ("led to", "後果"),
}


def replay_of(history: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A replay as a dict: the history's members, `facts` (each gathered fact in full, sealed fields closed) and `steps`."""
    return dict(history) | {"facts": dict(facts), "steps": list(_steps(history))}


def _steps(history: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each step in order: `step`, `what`, and `facts` where it rests on some."""
    decision, ruling = history["decision"], history.get("ruling")
    yield {
        "step": "request",
        "what": {"command": decision["command_type"], "id": decision["command_id"], **history["who"]},
    }
    for item in history["evidence"]:
        yield {
            "step": "gathered",
            "what": {"input": item["input"], "count": item["count"]},
            "facts": [one["id"] for one in item["facts"]],
        }
    if history["versions"]:
        yield {"step": "versions", "what": history["versions"]}
    if history["clause"]:
        yield {
            "step": "clause",
            "what": {"row": ruling["row_id"] if ruling else "", "sentence": history["clause"]["sentence"]},
        }
    if ruling:
        for measured in ruling["asked"].get("measures", ()):
            yield {"step": "measured", "what": measured}
        for code in ruling["asked"].get("conditions", ()):
            yield {"step": "condition", "what": code}
        for clamp in ruling.get("clamps", ()):
            yield {"step": "clamp", "what": clamp}
        told = {
            name: ruling[name]
            for name in ("outcome", "reason", "limit", "condition", "escalate_to", "see")
            if ruling.get(name)
        }
        yield {"step": "outcome", "what": told}
    else:
        yield {"step": "outcome", "what": {"fact": decision["type"], "reason": (history["data"] or {}).get("reason")}}
    for cause in history["came_from"]:
        yield {"step": "cause", "what": cause["type"], "facts": [cause["id"]]}
    for effect in history["led_to"]:
        yield {"step": "effect", "what": effect["type"], "facts": [effect["id"]]}


def replay_view(replay: Mapping[str, Any], language: str) -> RenderableType:
    """The decision's sentences, then each step in a row."""
    table = Table(title=f"{replay['decision']['type']}  {replay['decision']['id']}", title_justify="left")
    for name in ("#", "step", "what", "facts"):
        table.add_column(name, overflow="fold")
    for number, step in enumerate(replay["steps"], start=1):
        facts = step.get("facts", ())
        shown = ", ".join(facts[:3]) + (f" +{len(facts) - 3}" if len(facts) > 3 else "")
        table.add_row(str(number), word(STEPS, step["step"], language), _said(step, language), shown)
    return Group(*(Text(line) for line in replay["words"][language]), table)


def _said(step: Mapping[str, Any], language: str) -> str:
    what = step["what"]
    if step["step"] == "clamp":
        return f"{what['step']}. {word(CLAMPS, what['kind'], language)} ({what['rule']}): {'bound' if what['bound'] else '-'}"
    if step["step"] == "outcome" and "outcome" in what:
        return f"{word(OUTCOMES, what['outcome'], language)}: {word(REASONS, what['reason'], language)}"
    return (
        "; ".join(f"{name}: {_plain(value)}" for name, value in what.items() if value)
        if isinstance(what, dict)
        else str(what)
    )


def _plain(value: Any) -> str:
    """A value as a person writes it: a ratio as a fraction, a version with where it comes from."""
    match value:
        case {"numerator": above, "denominator": below}:
            return str(Fraction(int(above), int(below)))
        case {"amount": amount, **rest}:
            return f"{amount} {rest.get('currency', '')}".rstrip()
        case {"version": version, "adopted_by": fact, "holds_from": since}:
            return f"{version} (from {since}, adopted by {fact})"
        case dict():
            return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
        case _:
            return str(value)
