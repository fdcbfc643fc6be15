"""The wiring of waivers: asked for by the director, decided above (B4)."""

from collections.abc import Sequence
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.tariff import Standing
from bailiwick_contracts.waiver import CLAUSE, DecideWaiver, RequestWaiver, waiver_stream

from services.billing import gathering as gather
from services.billing import waiver as waivers
from services.billing.waiver import WAIVER
from services.kernel.decision import Rejected
from services.kernel.service import Unit


def on_request_waiver(unit: Unit, command: Command[RequestWaiver]) -> None:
    """Ask for a waiver (B4): it is forwarded to whoever stands above."""
    request, place = command.data, unit.property_id
    stream = waiver_stream(request.waiver_id)
    ruling = _ruled(unit, command, "apply")
    waiver = unit.state(WAIVER, stream)
    charges = gather.existing_charges(unit, place, [line.charge_id for line in request.lines])
    currency = gather.setting(unit, place).currency
    unit.append(
        stream, *waivers.request(request, waiver, charges, currency, command.onbehalfof or command.actor, ruling)
    )


def on_decide_waiver(unit: Unit, command: Command[DecideWaiver]) -> None:
    """Grant or decline a waiver (B4)."""
    request, place = command.data, unit.property_id
    stream = waiver_stream(request.waiver_id)
    waiver = unit.state(WAIVER, stream)
    known = waiver.forwarded
    ruling = _ruled(unit, command, "approve", (known.requested_by, waiver.asked_by) if known else ())
    charges: dict[str, Standing] = {}
    if known is not None:
        charges = gather.charges(unit, place, [line.charge_id for line in known.lines])
        for line in known.lines:
            if line.charge_id not in charges and waiver.status == "forwarded" and request.grant:
                raise Rejected("a charge of this waiver was reversed", code="no_such_charge", field="charge_id",
                               value=line.charge_id, rule="a standing charge", remedy="decline it, and ask for a new one")  # fmt: skip
    on = gather.today(unit, place)
    unit.append(stream, *waivers.decide(request, waiver, charges, on, ruling))


def _ruled(unit: Unit, command: Command[Any], verb: Verb, requested_by: Sequence[str] = ()) -> Ruling:
    found = gather.gate(unit, command, CLAUSE, verb, requested_by=requested_by)
    if found.ruling is None:
        raise Rejected("a waiver is asked for and decided by people", code="people_only", field="actor", value=command.actor,
                       rule="B4", remedy="ask as the director, decide as the property manager")  # fmt: skip
    return found.ruling
