"""The history of one decision and of one person, told from the ledger alone."""

from collections.abc import Mapping
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.registry import AuthorityMatrixAdopted, LegalPolicyAdopted
from pydantic_core import to_jsonable_python

from services.audit import ledger
from services.audit.views import chain_name
from services.audit.words import LANGUAGES, decision_words
from services.kernel.decision import Rejected
from services.kernel.service import Reading

CAUSE_DEPTH = 50
EVIDENCE_LIMIT = 200
"""Facts of evidence that one answer describes; more are counted."""


def of_decision(reading: Reading, decision_id: str) -> dict[str, Any]:
    """Who decided, for whom, under which clause, on what evidence, with what clamps, and what it led to.

    Members: `decision`, `who`, `ruling` and `clause` (None for a fact without a ruling), `versions`, `evidence`, `came_from`
    (the facts that led here, nearest first), `led_to` and `same_command` (in the order recorded), `data` (sealed fields
    closed), `words` by language.

    Raises:
        Rejected: `unknown_decision`.
    """
    event = ledger.fact(reading, decision_id) or ledger.ruled(ledger.of_command(reading, decision_id))
    if event is None:
        raise Rejected("the ledger holds neither a fact nor a command of this id", code="unknown_decision", field="decision_id",
                       value=decision_id, rule="the id of a fact or of a command", remedy="copy it from the answer to the command")  # fmt: skip
    data = to_jsonable_python(event.data, exclude_none=True)
    ruling = data.get("ruling")
    told: dict[str, Any] = {
        "decision": brief(event)
        | {
            "stream": event.subject,
            "version": event.version,
            "chain": chain_name(event.service, event.log, event.property_id),
            "chainnumber": event.chainnumber,
            "occurred_at": _text(event.time),
            "effective_on": _text(event.effectiveon),
            "channel": event.channel,
            "command_id": event.commandid,
            "command_type": event.commandtype,
        },
        "who": {
            "actor": event.actor,
            "on_behalf_of": event.onbehalfof,
            "delegation": event.delegation,
            "authenticated_by": event.authmethod,
            "door": event.door,
        },
        "ruling": ruling,
        "clause": _clause(reading, ruling),
        "versions": _versions(reading, ruling),
        "evidence": _evidence(reading, ruling),
        "came_from": _causes(reading, event),
        "led_to": _effects(reading, event),
        "same_command": [brief(other) for other in ledger.of_command(reading, event.commandid) if other.id != event.id][
            :EVIDENCE_LIMIT
        ],
        "data": {name: value for name, value in data.items() if name != "ruling"},
    }
    return told | {"words": {language: decision_words(told, language) for language in LANGUAGES}}


def of_person(
    reading: Reading, staff_id: str, after: str | None, limit: int, about: str | None = None
) -> dict[str, Any]:
    """The facts that name a person, oldest first: what, when, by whom, in which fields, with the outcome where one was given."""
    found, more = ledger.of_person(reading, staff_id, after, limit, about)
    if not found and after is None and about is None:
        raise Rejected("no fact in the ledger names this person", code="unknown_person", field="staff_id", value=staff_id,
                       rule="a pseudonymous staff id", remedy="look the person up in the registry")  # fmt: skip
    entries = [brief(event) | {"as": fields.split(" ")} | _outcome(event) for event, fields in found]
    return {"staff_id": staff_id, "facts": entries} | ({"next": more} if more else {})


def brief(event: Event[Any]) -> dict[str, Any]:
    """A fact in a few members."""
    return {
        "id": event.id,
        "type": event.type,
        "service": event.service,
        "property": event.property_id,
        "recorded_at": _text(event.recordedat),
        "decided_at": _text(event.decidedat),
        "actor": event.actor,
    }


def _outcome(event: Event[Any]) -> dict[str, Any]:
    ruling = getattr(event.data, "ruling", None)
    return {} if ruling is None else {"outcome": ruling.outcome, "reason": ruling.reason, "clause": ruling.row_id}


def _versions(reading: Reading, ruling: Mapping[str, Any] | None) -> dict[str, Any]:
    if ruling is None:
        return {}
    matrix, policy = ruling["matrix_version"], ruling.get("legal_policy_version")
    adopted = {
        (event.type, event.data.version): event
        for event in ledger.of_types(reading, (AuthorityMatrixAdopted.wire(), LegalPolicyAdopted.wire()))
    }
    return {
        name: {
            "version": version,
            "adopted_by": found.id if (found := adopted.get((wire, version))) else None,
            "holds_from": _text(found.data.holds_from) if found else None,
        }
        for name, wire, version in (
            ("matrix", AuthorityMatrixAdopted.wire(), matrix),
            ("legal_policy", LegalPolicyAdopted.wire(), policy),
        )
        if version is not None
    } | {"selected_at": ruling["selected_at"]}


def _clause(reading: Reading, ruling: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if ruling is None:
        return None
    for event in ledger.of_types(reading, (AuthorityMatrixAdopted.wire(),)):
        if event.data.version == ruling["matrix_version"]:
            row = event.data.matrix.row(ruling["row_id"], ruling["asked"]["verb"]) or event.data.matrix.row(
                ruling["row_id"]
            )
            if row is not None:
                shown: dict[str, Any] = to_jsonable_python(row, exclude_none=True)
                return shown
    return None


def _evidence(reading: Reading, ruling: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Each input with the facts it came from; a fact the ledger does not hold is named as missing."""
    inputs = (ruling or {}).get("asked", {}).get("inputs", ())
    wanted = [fact_id for item in inputs for fact_id in item["facts"]]
    found = ledger.facts(reading, list(dict.fromkeys(wanted))[:EVIDENCE_LIMIT])
    return [
        {
            "input": item["name"],
            "facts": [
                brief(found[one]) if one in found else {"id": one, "type": None}
                for one in item["facts"][:EVIDENCE_LIMIT]
            ],
            "count": len(item["facts"]),
        }
        for item in inputs
    ]


def _causes(reading: Reading, event: Event[Any]) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    cause = event.causationid
    while cause is not None and len(chain) < CAUSE_DEPTH:
        found = ledger.fact(reading, cause)
        if found is None:
            chain.append({"id": cause, "type": None})
            break
        chain.append(brief(found))
        cause = found.causationid
    return chain


def _effects(reading: Reading, event: Event[Any]) -> list[dict[str, Any]]:
    """Everything that names this fact as its cause, and what followed from that."""
    effects: list[dict[str, Any]] = []
    known, newest = {event.id}, [event.id]
    while newest and len(effects) < EVIDENCE_LIMIT:
        found = [effect for effect in ledger.caused_by(reading, newest) if effect.id not in known]
        newest = [effect.id for effect in found]
        known.update(newest)
        effects.extend(brief(effect) | {"cause": effect.causationid} for effect in found)
    return effects[:EVIDENCE_LIMIT]


def _text(value: Any) -> str | None:
    return None if value is None else str(to_jsonable_python(value))
