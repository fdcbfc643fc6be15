"""The audit service: takes in every fact of every service, and answers what was decided, why, and whether it still holds."""

import base64
from typing import Any

from bailiwick_contracts.audit import (
    ChainBroken,
    ChainVerified,
    CompletenessCheck,
    HistoryOfDecision,
    HistoryOfPerson,
    ListChains,
    Readjudicate,
    ReadjudicationReported,
    ReadLedger,
    ReportCompleteness,
    ReportReadjudication,
)
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.readjudicate import Summary, readjudicate
from bailiwick_contracts.subjects import SERVICES

from services.audit import history, ledger
from services.audit.completeness import compare
from services.audit.examination import (
    completeness_facts,
    completeness_stream,
    readjudication_facts,
    readjudication_stream,
)
from services.audit.report import completeness_json, readjudication_json
from services.audit.views import VIEWS
from services.kernel.sealing import KeyStore
from services.kernel.service import Reading, Service, Unit

ANSWERED_FINDINGS = 200
"""Findings in one answer, so that it stays a message; the command line lists them all."""


def on_history_of_decision(reading: Reading, command: Command[HistoryOfDecision]) -> dict[str, Any]:
    """One decision."""
    return history.of_decision(reading, command.data.decision_id)


def on_history_of_person(reading: Reading, command: Command[HistoryOfPerson]) -> dict[str, Any]:
    """One person."""
    asked = command.data
    return history.of_person(reading, asked.staff_id, asked.after, asked.limit)


def on_readjudicate(reading: Reading, command: Command[Readjudicate]) -> dict[str, Any]:
    """Every ruling again, with the keys that this service holds; amounts stay with who holds the payroll key."""
    asked = command.data
    summary = Summary()
    chosen = {"since": asked.since, "until": asked.until, "property_id": asked.property_id, "under": asked.under}
    found = readjudicate(ledger.every_raw(reading), reading.keys, summary=summary, **chosen)  # type: ignore[arg-type]
    return readjudication_json(found, summary, limit=ANSWERED_FINDINGS, disclose=False, **chosen)  # type: ignore[arg-type]


def on_completeness_check(reading: Reading, command: Command[CompletenessCheck]) -> dict[str, Any]:
    """The ledger's own chains: numbers, hashes and heads."""
    heads = ledger.chains(reading, command.data.property_id)
    return completeness_json(
        compare(
            chain, ledger.every_raw_of(reading, chain), ledger.every_raw_of(reading, chain), head=head, ledger_head=head
        )
        for chain, head in heads.items()
    )


def on_list_chains(reading: Reading, _: Command[ListChains]) -> dict[str, Any]:
    """Every chain."""
    return {
        "chains": [
            {"chain": chain, "property": chain.split("/")[2], "number": number, "hash": link}
            for chain, (number, link) in ledger.chains(reading).items()
        ]
    }


def on_read_ledger(reading: Reading, command: Command[ReadLedger]) -> dict[str, Any]:
    """A page of stored bytes."""
    asked = command.data
    page = (
        ledger.in_order(reading, asked.after)
        if asked.chain is None
        else ledger.of_chain(reading, asked.chain, asked.after)
    )
    return {"raws": [base64.b64encode(raw).decode() for raw in page.raws]} | ({"next": page.next} if page.next else {})


def on_report_completeness(unit: Unit, command: Command[ReportCompleteness]) -> None:
    """A comparison, on record."""
    unit.append(completeness_stream(command.data.chain), *completeness_facts(command.data))


def on_report_readjudication(unit: Unit, command: Command[ReportReadjudication]) -> None:
    """A re-adjudication, on record."""
    unit.append(readjudication_stream(command.property), *readjudication_facts(command.data))


SERVICE = Service(
    "audit",
    publishes=(ChainVerified, ChainBroken, ReadjudicationReported),
    commands={ReportCompleteness: on_report_completeness, ReportReadjudication: on_report_readjudication},
    queries={
        HistoryOfDecision: on_history_of_decision,
        HistoryOfPerson: on_history_of_person,
        Readjudicate: on_readjudicate,
        CompletenessCheck: on_completeness_check,
        ListChains: on_list_chains,
        ReadLedger: on_read_ledger,
    },
    views=VIEWS,
    consumes=tuple(name for name in SERVICES if name != "audit"),
)


def service(_: KeyStore) -> Service:
    """The service; the keys it judges with are those of the installation."""
    return SERVICE
