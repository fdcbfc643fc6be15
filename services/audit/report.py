"""What audit found, as stable JSON for programs and as tables for people."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bailiwick_contracts.finding import Finding
from bailiwick_contracts.readjudicate import Summary
from pydantic_core import to_jsonable_python
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.audit.completeness import ChainReport
from services.audit.log.comparison import LogDifference
from services.audit.words import OUTCOMES, REASONS, difference_words, log_difference_words, word

FINDINGS_LIMIT = 10_000
"""Findings that one answer lists; more are counted."""


def readjudication_json(
    findings: Iterator[Finding],
    summary: Summary,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    property_id: str | None = None,
    under: str | None = None,
    limit: int = FINDINGS_LIMIT,
    disclose: bool = True,
) -> dict[str, Any]:
    """A re-adjudication as a dict.

    Members: `agrees`, `judged`, `equal`, `differing`, `derivations`, `derivations_differing`, `unreadable`, `skipped` by
    reason, `retracted_since`, `under`, `period`, `findings`, `by_clause`, `not_listed`. With `under` the
    findings are what would have come out differently, which is no fault: `agrees` is then absent. Without `disclose` no
    amount from which a wage follows stands in a finding.
    """
    listed: list[dict[str, Any]] = []
    by_clause: dict[str, set[str]] = {}
    count = 0
    for finding in findings:
        count += 1
        by_clause.setdefault(finding.clause, set()).add(finding.fact_id)
        if len(listed) < limit:
            shown = to_jsonable_python(finding)
            listed.append(
                shown if disclose or not finding.confidential else shown | {"was": "sealed", "would_be": "sealed"}
            )
    result: dict[str, Any] = {
        "judged": summary.judged,
        "equal": summary.equal,
        "differing": summary.differing,
        "derivations": summary.derivations,
        "derivations_differing": summary.derivations_differing,
        "unreadable": summary.unreadable,
        "retracted_since": list(summary.retracted_since),
        "skipped": dict(summary.skipped),
        "under": under,
        "period": {"since": to_jsonable_python(since), "until": to_jsonable_python(until), "property": property_id},
        "findings": listed,
        "by_clause": {clause: sorted(facts)[:limit] for clause, facts in sorted(by_clause.items())},
        "not_listed": count - len(listed),
    }
    return result if under is not None else {"agrees": summary.agrees} | result


def completeness_json(
    reports: Iterable[ChainReport],
    against_log: Mapping[str, tuple[int, int, tuple[LogDifference, ...]]] | None = None,
) -> dict[str, Any]:
    """Members: `complete`, `facts` that agree, `chains` with their `differences`, each with its words.

    Where the logs were compared too, each chain has `log` with `agreeing`, `behind` and `differences`.
    """
    known, logs = list(reports), against_log or {}
    return {
        "complete": all(report.holds for report in known) and not any(found for _, _, found in logs.values()),
        "facts": sum(report.agreeing for report in known),
        "chains": [
            {
                "chain": report.chain,
                "holds": report.holds,
                "agreeing": report.agreeing,
                "store_reaches": report.store_reaches,
                "ledger_reaches": report.ledger_reaches,
                "differences": [
                    shown | {"words": {language: difference_words(shown, language) for language in ("en", "zh-Hant")}}
                    for shown in (difference.as_json() for difference in report.differences)
                ],
                "not_named": report.not_named,
            }
            | (_log_json(*logs[report.chain]) if report.chain in logs else {})
            for report in known
        ],
    }


def _log_json(agreeing: int, behind: int, found: tuple[LogDifference, ...]) -> dict[str, Any]:
    differences = [
        shown | {"words": {language: log_difference_words(shown, language) for language in ("en", "zh-Hant")}}
        for shown in (difference.as_json() for difference in found)
    ]
    return {"log": {"agreeing": agreeing, "behind": behind, "differences": differences}}


def history_view(history: Mapping[str, Any], language: str = "en") -> RenderableType:
    """One decision: its sentences, then evidence, causes and effects as a table."""
    table = Table(title=f"{history['decision']['type']}  {history['decision']['id']}", title_justify="left")
    for name in ("part", "fact", "type", "recorded", "by"):
        table.add_column(name, overflow="fold")
    for evidence in history["evidence"]:
        _add_facts(table, f"evidence: {evidence['input']}", evidence["facts"])
    _add_facts(table, "came from", history["came_from"])
    _add_facts(table, "led to", history["led_to"])
    _add_facts(table, "same command", history["same_command"])
    return Group(*(Text(line) for line in history["words"][language]), table)


def _add_facts(table: Table, part: str, facts: Iterable[Mapping[str, Any]]) -> None:
    for fact in facts:
        table.add_row(
            part, fact["id"], fact["type"] or "not in the ledger", fact.get("recorded_at", ""), fact.get("actor", "")
        )


def person_view(history: Mapping[str, Any], language: str = "en") -> RenderableType:
    """One person's facts, oldest first."""
    if not history["facts"]:
        return Text(f"Nothing of what was asked for names {history['staff_id']}.")
    table = Table(title=history["staff_id"], title_justify="left")
    for name in ("recorded", "type", "by", "as", "clause", "outcome", "fact"):
        table.add_column(name, overflow="fold")
    for fact in history["facts"]:
        outcome = word(OUTCOMES, fact.get("outcome", ""), language)
        reason = word(REASONS, fact.get("reason", ""), language)
        told = f"{outcome}: {reason}" if fact.get("outcome") else ""
        table.add_row(
            fact["recorded_at"],
            fact["type"],
            fact["actor"],
            ", ".join(fact["as"]),
            fact.get("clause", ""),
            told,
            fact["id"],
        )
    return table


def readjudication_view(result: Mapping[str, Any]) -> RenderableType:
    """The counts in a sentence, then the differences clause by clause, each clause with how many facts it touches."""
    lines: list[RenderableType] = [Text(readjudication_words(result))]
    for clause, facts in result["by_clause"].items():
        of_clause = [finding for finding in result["findings"] if finding["clause"] == clause]
        table = Table(title=f"{clause or 'under no clause'}: {len(facts)} facts differ", title_justify="left")
        for name in ("fact", "field", "was", "would be"):
            table.add_column(name, overflow="fold")
        for finding in of_clause:
            table.add_row(*(_shown(finding[name]) for name in ("fact_id", "field", "was", "would_be")))
        lines.append(table)
    if result["not_listed"]:
        lines.append(Text(f"and {result['not_listed']} differences more"))
    return Group(*lines)


def readjudication_words(result: Mapping[str, Any]) -> str:
    """One sentence, English."""
    skipped = "".join(f"; {count} skipped: {reason}" for reason, count in sorted(result["skipped"].items()))
    if result["under"] is not None and result["skipped"].get("version_not_in_the_ledger"):
        return f"No fact in the ledger adopted a matrix of the version {result['under']}, so nothing is said under it{skipped}."
    if result["under"] is not None:
        return f"Under {result['under']}, {result['differing']} of {result['judged']} rulings would have come out differently{skipped}."
    days = f"{result['derivations']} days were derived again"
    if result["agrees"] and not result["judged"] and not result["derivations"]:
        return f"Nothing was ruled in what was asked for, so nothing was judged{skipped}."
    if result["agrees"]:
        return f"All {result['judged']} rulings come out as recorded, from the facts alone; {days}{skipped}."
    wrong = [
        f"{result[name]} of {of} {what} do NOT come out as recorded"
        for name, of, what in (
            ("differing", result["judged"], "rulings"),
            ("derivations_differing", result["derivations"], "derived days"),
        )
        if result[name]
    ]
    if result["unreadable"]:
        wrong.append(f"{result['unreadable']} facts cannot be read")
    return f"{'; '.join(wrong)}{skipped}."


def completeness_view(result: Mapping[str, Any], language: str = "en") -> RenderableType:
    """Each chain in a row, each difference in a line below."""
    table = Table(title="chains", title_justify="left")
    for name in ("chain", "agreeing", "store", "ledger", "in the log", "holds"):
        table.add_column(name, overflow="fold")
    lines: list[Text] = []
    for chain in result["chains"]:
        table.add_row(
            chain["chain"],
            str(chain["agreeing"]),
            str(chain["store_reaches"]),
            str(chain["ledger_reaches"]),
            str(chain["log"]["agreeing"]) if "log" in chain else "",
            "yes" if chain["holds"] and not chain.get("log", {}).get("differences") else "NO",
        )
        lines.extend(
            Text(f"{chain['chain']}: {difference['words'][language]}")
            for difference in chain.get("log", {}).get("differences", ())
        )
        lines.extend(Text(f"{chain['chain']}: {difference['words'][language]}") for difference in chain["differences"])
    verdict = "Every chain holds." if result["complete"] else "NOT every chain holds."
    return Group(table, *lines, Text(f"{verdict} {result['facts']} facts agree byte for byte."))


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
