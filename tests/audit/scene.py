"""The scene that audit's examples are taken from: `python -m tests.audit.scene` writes those that are missing."""

import json
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from bailiwick_contracts.consultation import AnnounceReading, AppointAuditor, DismissAuditor, RecordConsultation
from bailiwick_contracts.envelope import Actor, read_command
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.oversight import AdoptOversight, OversightSettings
from bailiwick_contracts.transparency import BuildLog, ChangeLogKey, ListLogs, ProveDecision, RecordCheckpoint

from services.audit.app import service
from services.kernel.beside import system_command
from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from tests.contracts.examples import DOOR, keep_facts, keep_requests, keys_in

NOW = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
OWNER = Actor(actor="owner-1")


def play(directory: Path) -> tuple[list[bytes], list[Request]]:
    """Stored facts of audit, and requests of each kind."""
    keys_in(directory)
    keys = KeyStore(directory / "keys")
    audit = service(keys)
    store = Store(f"sqlite:///{directory}/audit.sqlite", views=[t for v in audit.views for t in v.tables])
    writer = Writer(audit, store, keys, clock=lambda: NOW)
    door = Door(directory / "doors", DOOR)
    golden = Path(__file__).parents[1] / "replay/golden/0.1.0/attendance-north-court.ndjson"
    raws = golden.read_bytes().splitlines()
    log = json.loads(raws[0])["log"]
    assert writer.process([Intake(f"{log}:north-court", tuple(raws))]) == [None]

    def asked(request: Request) -> Any:
        body = door.sign(request, OWNER, COMPANY, issued_at=NOW)
        return writer.process([read_command(body, type(request))])[0]

    def by_itself(request: Request, property_id: str) -> Any:
        return writer.process([system_command("audit", request, property_id, f"own-{len(requests)}", NOW)])[0]

    def read(request: Request) -> Any:
        with store.reading() as connection:
            command = system_command("audit", request, COMPANY, "query", NOW)
            return audit.queries[type(request)](QueryReading(audit, store, keys, connection), command)

    requests: list[Request] = [BuildLog(property_id="north-court"), ListLogs()]
    read(requests[0])
    found = read(requests[1])["logs"][0]
    root = found["note"].split("\n")[2]
    keys_of = tuple(found["keys"])
    requests.append(
        RecordCheckpoint(origin=found["origin"], size=found["size"], root=root, note=found["note"], keys=keys_of)
    )
    by_itself(requests[-1], "north-court")
    requests.append(ProveDecision(decision_id=json.loads(raws[-1])["id"]))
    for request in (
        ChangeLogKey(property_id="north-court", reason="yearly"),
        AppointAuditor(auditor_id="auditor-1", until=date(2026, 12, 31), grounds="年度審計"),
        DismissAuditor(auditor_id="auditor-1", grounds="審計完成"),
    ):
        requests.append(request)
        answer = asked(request)
        assert answer.outcome == "done", answer
    settings = OversightSettings(version="oversight-2", late_escalation_seconds=300, splitting_days=60)
    requests += [AdoptOversight(settings=settings), AnnounceReading(query="registry.get_staff.v1", about="s-0007")]
    assert by_itself(requests[-2], COMPANY).outcome == "done"
    assert asked(requests[-2]).outcome == "refused"
    roles: tuple[Literal["auditor"] | None, ...] = ("auditor", None)
    for role in roles:
        reading = RecordConsultation(
            reader_id="auditor-1", query="audit.history_of_person.v1", about="s-0007", role=role
        )
        requests.append(reading)
        by_itself(reading, COMPANY)
    stored = [fact.raw for fact in store.after(0, 1_000)]
    store.close()
    return stored, requests


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        facts, made = play(Path(place))
        print(keep_facts(facts) + keep_requests(made))  # noqa: T201
