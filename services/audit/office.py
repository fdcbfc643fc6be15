"""An office as of an instant, from the ledger: who held which position, which versions held, which cases and months stood how."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from bailiwick_contracts.billing import TariffAdopted, TermsAdopted
from bailiwick_contracts.breach import AppealDecided, CaseAppealed, CaseDecided, CaseForwarded, CaseOpened, CaseReversed
from bailiwick_contracts.collection import CollectionMonthClosed
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted, policy_holding
from bailiwick_contracts.envelope import Event, read_event
from bailiwick_contracts.house_rules import HouseRulesAdopted
from bailiwick_contracts.matrix import in_force, policy_in_force
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.month import AttendanceConfirmed, AttendanceDisputed, AttendanceSupplied, MonthClosed
from bailiwick_contracts.registry import (
    AuthorityDelegated,
    AuthorityMatrixAdopted,
    CalendarAdopted,
    DelegationRevoked,
    LegalPolicyAdopted,
    PropertyAdded,
    ZoneAdopted,
)
from bailiwick_contracts.staff import (
    EmploymentEnded,
    FactRetracted,
    PositionAssigned,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)
from bailiwick_contracts.standing import post_of, remaining_id, same_person
from pydantic_core import from_json

_OF_PEOPLE = (PositionAssigned, EmploymentEnded, StaffRegistered, StaffRehired)
_EVERYWHERE = (
    AuthorityMatrixAdopted, LegalPolicyAdopted, DeadlinePolicyAdopted, HouseRulesAdopted, FactRetracted, StaffMerged,
    AuthorityDelegated, DelegationRevoked,
)  # fmt: skip
_HERE = (
    PropertyAdded, CalendarAdopted, ZoneAdopted, TariffAdopted, TermsAdopted, CaseOpened, CaseForwarded, CaseDecided,
    CaseAppealed, AppealDecided, CaseReversed, AttendanceSupplied, AttendanceDisputed, AttendanceConfirmed, MonthClosed,
    CollectionMonthClosed,
)  # fmt: skip
_READ = frozenset(kind.wire() for kind in (*_OF_PEOPLE, *_EVERYWHERE, *_HERE))
CASES: Mapping[type, str] = {
    CaseOpened: "opened", CaseForwarded: "forwarded", CaseDecided: "decided", CaseAppealed: "appealed",
    AppealDecided: "appeal_decided", CaseReversed: "reversed",
}  # fmt: skip
OPEN_CASES = ("opened", "forwarded", "appealed")
MONTHS: Mapping[type, str] = {
    AttendanceSupplied: "supplied", AttendanceDisputed: "disputed", AttendanceConfirmed: "confirmed", MonthClosed: "closed",
    CollectionMonthClosed: "closed",
}  # fmt: skip


class OfficeError(LookupError):
    """The ledger knows of no such property at that instant."""


@dataclass
class _Seen:
    """The facts that an office's state is told from, in the order recorded."""

    events: dict[type, list[Event[Any]]] = field(default_factory=dict)
    people: dict[str, list[Event[Any]]] = field(default_factory=dict)
    facts: int = 0

    def of(self, kind: type) -> list[Event[Any]]:
        return self.events.get(kind, [])


def office_of(raws: Iterable[bytes], property_id: str, as_of: datetime) -> dict[str, Any]:
    """The office of a property as recorded by `as_of`, inclusive. A post, tariff or term holds on that instant's local date.

    Members: `property`, `as_of`, `on`; `positions` (`position`, `staff_id`, `grade`, `unit_id`, `at` the property or `company`,
    `fact_id`, by position); `versions` by kind with `version`, `holds_from` and `adopted_by`; `delegations` in force;
    `open_cases` with `state` and `since`; `months` by service and month with `state`; `facts`, how many had been recorded here.

    Raises:
        OfficeError: the property had not been added.
    """
    seen = _read(raws, property_id, as_of)
    added = seen.of(PropertyAdded)
    if not added:
        raise OfficeError(f"no fact up to {as_of.isoformat()} adds the property {property_id}")
    on = _local_date(seen.of(ZoneAdopted), as_of)
    return {
        "property": property_id,
        "as_of": as_of.isoformat(),
        "on": on.isoformat(),
        "positions": _positions(seen, property_id, on),
        "versions": _versions(seen, property_id, as_of, on),
        "delegations": _delegations(seen, property_id, on),
        "open_cases": _cases(seen),
        "months": _months(seen),
        "facts": seen.facts,
    }


def _read(raws: Iterable[bytes], property_id: str, as_of: datetime) -> _Seen:
    seen = _Seen()
    everywhere = {kind.wire() for kind in (*_OF_PEOPLE, *_EVERYWHERE)}
    for raw in raws:
        try:
            document = from_json(raw)
            _, _, place, _ = document["source"].split("/")
            wire = document["type"]
            if datetime.fromisoformat(document["recordedat"]) > as_of:
                continue
        except (ValueError, KeyError, TypeError):
            continue
        seen.facts += place == property_id
        named = (document.get("data") or {}).get("property_id")
        if wire not in _READ or (wire not in everywhere and property_id not in (place, named)):
            continue
        event = read_event(raw, wire)
        if isinstance(event.data, _OF_PEOPLE):
            seen.people.setdefault(event.data.staff_id, []).append(event)
        else:
            seen.events.setdefault(type(event.data), []).append(event)
    return seen


def _local_date(zones: list[Event[ZoneAdopted]], at: datetime) -> date:
    """The property's date, by its adopted zone; UTC before one was adopted."""
    if not zones:
        return at.date()
    changes = zones[-1].data.changes
    offset = next((one.offset_seconds for one in reversed(changes) if one.at <= at), changes[0].offset_seconds)
    return (at + timedelta(seconds=offset)).date()


def _positions(seen: _Seen, property_id: str, on: date) -> list[dict[str, Any]]:
    merges, retracted = seen.of(StaffMerged), seen.of(FactRetracted)
    found = []
    for staff_id in sorted({remaining_id(merges, one) for one in seen.people}):
        ids = same_person(merges, staff_id)
        known = [*retracted, *(event for one in ids for event in seen.people.get(one, ()))]
        post = post_of(known, ids, property_id, on)
        if post is not None and post.property_id in (property_id, COMPANY):
            told = {"position": post.position, "staff_id": staff_id, "grade": post.grade, "unit_id": post.unit_id}
            found.append(told | {"at": post.property_id, "fact_id": post.fact_id})
    return sorted(found, key=lambda one: (one["position"], one["staff_id"]))


def _versions(seen: _Seen, property_id: str, as_of: datetime, on: date) -> dict[str, Any]:
    def told(version: str, holds_from: Any, facts: Iterable[Event[Any]], data: Any) -> dict[str, Any]:
        by = next((event.id for event in facts if event.data is data), None)
        return {"version": version, "holds_from": holds_from.isoformat(), "adopted_by": by}

    found: dict[str, Any] = {}
    matrices, policies = seen.of(AuthorityMatrixAdopted), seen.of(LegalPolicyAdopted)
    if matrix := in_force([event.data for event in matrices], as_of):
        found["matrix"] = told(matrix.version, matrix.holds_from, matrices, matrix)
    if policy := policy_in_force([event.data for event in policies], property_id, as_of):
        found["legal_policy"] = told(policy.version, policy.holds_from, policies, policy)
    deadlines = [(event.data, event.id) for event in seen.of(DeadlinePolicyAdopted)]
    if deadline := policy_holding(deadlines, property_id, as_of):
        at = deadline[0].holds_from.isoformat()
        found["deadline_policy"] = {"version": deadline[0].version, "holds_from": at, "adopted_by": deadline[1]}
    rules = seen.of(HouseRulesAdopted)
    own = [event for event in rules if event.property_id == property_id]
    for event in (own or [event for event in rules if event.property_id == COMPANY])[-1:]:
        found["house_rules"] = told(event.data.version, event.recordedat, rules, event.data)
    for name, events in (("calendar", seen.of(CalendarAdopted)), ("zone", seen.of(ZoneAdopted))):
        for event in events[-1:]:
            found[name] = told(event.data.table, event.recordedat, events, event.data)
    for name, events in (("tariff", seen.of(TariffAdopted)), ("terms", seen.of(TermsAdopted))):
        held = sorted((e for e in events if e.data.effective_on <= on), key=lambda e: e.data.effective_on)
        for event in held[-1:]:
            version = getattr(event.data, name).version
            found[name] = told(version, event.data.effective_on, events, event.data)
    return found


def _delegations(seen: _Seen, property_id: str, on: date) -> list[dict[str, Any]]:
    ended = {event.data.delegation_id for event in seen.of(DelegationRevoked)}
    lent = [(event.data.delegation, event.id) for event in seen.of(AuthorityDelegated)]
    return [
        one.model_dump(mode="json", exclude_none=True) | {"fact_id": fact_id}
        for one, fact_id in lent
        if one.property_id == property_id and one.first_on <= on <= one.last_on and one.delegation_id not in ended
    ]


def _cases(seen: _Seen) -> list[dict[str, Any]]:
    facts = sorted((e for kind in CASES for e in seen.of(kind)), key=lambda e: (e.recordedat, e.chainnumber))
    last = {event.data.case_id: event for event in facts}
    return [
        {
            "case_id": case_id,
            "state": CASES[type(event.data)],
            "since": event.recordedat.isoformat(),
            "fact_id": event.id,
        }
        for case_id, event in sorted(last.items())
        if CASES[type(event.data)] in OPEN_CASES
    ]


def _months(seen: _Seen) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for event in sorted((e for kind in MONTHS for e in seen.of(kind)), key=lambda e: (e.recordedat, e.chainnumber)):
        state = {"state": MONTHS[type(event.data)], "since": event.recordedat.isoformat(), "fact_id": event.id}
        found.setdefault(event.service, {})[event.data.month] = state
    return {service: dict(sorted(months.items())) for service, months in sorted(found.items())}
