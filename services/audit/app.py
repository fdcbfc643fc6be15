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
from bailiwick_contracts.consultation import (
    AnnounceReading,
    AppointAuditor,
    AuditChangeRefused,
    AuditorAppointed,
    AuditorDismissed,
    ConsultationRefused,
    DismissAuditor,
    PersonalDataConsulted,
    RecordConsultation,
)
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.oversight import AdoptOversight, OversightAdopted
from bailiwick_contracts.readjudicate import Summary, readjudicate
from bailiwick_contracts.subjects import SERVICES
from bailiwick_contracts.transparency import (
    BuildLog,
    ChangeLogKey,
    CheckpointIssued,
    ListLogs,
    LogKeyChanged,
    ProveDecision,
    RecordCheckpoint,
)

from services.audit import consultation, history, ledger, oversight
from services.audit.completeness import compare
from services.audit.examination import (
    completeness_facts,
    completeness_stream,
    readjudication_facts,
    readjudication_stream,
)
from services.audit.gate import Gate
from services.audit.log.keeper import Keeper
from services.audit.log.keeping import Keeping
from services.audit.report import completeness_json, readjudication_json
from services.audit.views import VIEWS
from services.kernel.sealing import KeyStore
from services.kernel.service import CommandHandler, Reading, Service, Unit

ANSWERED_FINDINGS = 200
"""Findings in one answer, so that it stays a message; the command line lists them all."""


def on_history_of_decision(reading: Reading, command: Command[HistoryOfDecision]) -> dict[str, Any]:
    """One decision."""
    return history.of_decision(reading, command.data.decision_id)


def on_history_of_person(reading: Reading, command: Command[HistoryOfPerson]) -> dict[str, Any]:
    """One person."""
    asked = command.data
    return history.of_person(reading, asked.staff_id, asked.after, asked.limit, asked.about)


def on_readjudicate(reading: Reading, command: Command[Readjudicate]) -> dict[str, Any]:
    """Every ruling again, with the keys that this service holds; amounts stay with who holds the payroll key."""
    asked = command.data
    summary = Summary()
    chosen = {"since": asked.since, "until": asked.until, "property_id": asked.property_id, "under": asked.under}
    found = readjudicate(ledger.every_raw(reading), reading.keys, summary=summary, **chosen)  # type: ignore[arg-type]
    return readjudication_json(found, summary, limit=ANSWERED_FINDINGS, disclose=False, **chosen)  # type: ignore[arg-type]


def on_completeness_check(reading: Reading, command: Command[CompletenessCheck]) -> dict[str, Any]:
    """The ledger's own chains: numbers, hashes and heads."""
    named = command.data.property_id
    heads = ledger.chains(reading) if named is None else ledger.of_property(reading, named)
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


def on_announce_reading(_: Reading, command: Command[AnnounceReading]) -> dict[str, Any]:
    """What will be read elsewhere; the gate put it on record."""
    return {"query": command.data.query, "about": command.data.about}


def on_adopt_oversight(unit: Unit, command: Command[AdoptOversight]) -> None:
    """A version of what the reports hold to be late or split."""
    known = unit.state(oversight.NOUN, oversight.STREAM)
    unit.append(oversight.STREAM, *oversight.adopt(command.data, known, operates=command.actor.startswith("system-")))


def changing(handler: CommandHandler) -> CommandHandler:
    """The handler of a change, which no auditor may ask for, and nobody of a property that is not there: it would begin a chain."""

    def on_change(unit: Unit, command: Command[Any]) -> Any:
        ledger.of_property(unit, command.property)
        stream = consultation.stream(command.actor)
        refused = consultation.barred(command.commandtype, unit.state(consultation.NOUN, stream), on=unit.now.date())
        if refused:
            unit.append(consultation.readings_stream(command.actor), *refused)
            return None
        return handler(unit, command)

    return on_change


def on_report_completeness(unit: Unit, command: Command[ReportCompleteness]) -> None:
    """A comparison, on record."""
    unit.append(completeness_stream(command.data.chain), *completeness_facts(command.data))


def on_report_readjudication(unit: Unit, command: Command[ReportReadjudication]) -> None:
    """A re-adjudication, on record."""
    unit.append(readjudication_stream(command.property), *readjudication_facts(command.data))


def on_appoint_auditor(unit: Unit, command: Command[AppointAuditor]) -> None:
    """A role given."""
    stream = consultation.stream(command.data.auditor_id)
    unit.append(stream, *consultation.appoint(command.data, unit.state(consultation.NOUN, stream), by=command.actor))


def on_dismiss_auditor(unit: Unit, command: Command[DismissAuditor]) -> None:
    """A role ended."""
    stream = consultation.stream(command.data.auditor_id)
    unit.append(stream, *consultation.dismiss(command.data, unit.state(consultation.NOUN, stream)))


def on_record_consultation(unit: Unit, command: Command[RecordConsultation]) -> None:
    """A reading, or the refusal of one."""
    consultation.only_of_itself(command.actor, "a reading")
    unit.append(consultation.readings_stream(command.data.reader_id), consultation.record(command.data))


def service(keys: KeyStore, gate: Gate | None = None) -> Service:
    """The service; the keys it judges with are those of the installation, and its logs lie beside them.

    Args:
        keys: of the installation.
        gate: through which personal data is read; by default one that records in this service.
    """
    keeping = Keeping(Keeper(keys.directory.parent / "tlog", keys), gate or Gate())
    behind = keeping.gate.before
    return Service(
        "audit",
        publishes=(
            ChainVerified, ChainBroken, ReadjudicationReported, CheckpointIssued, LogKeyChanged, AuditorAppointed,
            AuditorDismissed, PersonalDataConsulted, ConsultationRefused, AuditChangeRefused, OversightAdopted,
        ),
        commands={
            ReportCompleteness: changing(on_report_completeness),
            ReportReadjudication: changing(on_report_readjudication),
            RecordCheckpoint: changing(keeping.on_record_checkpoint),
            ChangeLogKey: changing(keeping.on_change_log_key),
            AppointAuditor: changing(on_appoint_auditor),
            DismissAuditor: changing(on_dismiss_auditor),
            AdoptOversight: changing(on_adopt_oversight),
            RecordConsultation: on_record_consultation,
        },
        queries={
            HistoryOfDecision: behind(on_history_of_decision, lambda asked: asked.decision_id),
            HistoryOfPerson: behind(on_history_of_person, lambda asked: asked.staff_id),
            Readjudicate: behind(on_readjudicate, lambda asked: asked.property_id or "everything"),
            ReadLedger: behind(on_read_ledger, lambda asked: asked.chain or "everything"),
            AnnounceReading: behind(on_announce_reading, lambda asked: asked.about, lambda asked: asked.query),
            ProveDecision: keeping.on_prove_decision,
            CompletenessCheck: on_completeness_check,
            ListChains: on_list_chains,
            BuildLog: keeping.on_build_log,
            ListLogs: keeping.on_list_logs,
        },
        now_only=frozenset({BuildLog, ProveDecision}),
        views=VIEWS,
        consumes=tuple(name for name in SERVICES if name != "audit"),
        alongside=(keeping.run,),
    )  # fmt: skip
