"""What an auditor looks for in rulings: at or beyond a limit, waivers and quotas used, late escalations, own cases, split amounts.

Read from stored facts and the matrices adopted among them, of whatever service. An amount that is confidential is read with its
property's key; without it the ruling's own outcome alone tells, and how many amounts stayed sealed is said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, assert_never

from bailiwick_contracts.consultation import AuditChangeRefused
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.oversight import AdoptOversight, OversightAdopted, OversightSettings, shipped
from bailiwick_contracts.registry import AuthorityMatrixAdopted
from bailiwick_contracts.sealed import Confidential, Keys, SealingError, open_field
from pydantic_core import from_json

from services.kernel.decision import Noun, Rejected

STREAM = "oversight"
"""The stream of every adoption."""
REPORTS = ("at_limit", "beyond_limit", "waivers", "quotas", "late_escalations", "own_cases", "splitting")
_QUOTAS = frozenset({"times_per_year", "late_times_in_year"})


@dataclass(frozen=True)
class Adopted:
    """Every version adopted, oldest first."""

    settings: tuple[OversightSettings, ...] = ()


def adopt(
    request: AdoptOversight, known: Adopted, *, operates: bool
) -> tuple[OversightAdopted | AuditChangeRefused, ...]:
    """Adopt a version; the one in force again is nothing new.

    Raises:
        Rejected: the version is known with other content.
    """
    if not operates:
        return (AuditChangeRefused(reason="not_the_operator", asked_for=AdoptOversight.wire()),)
    asked = request.settings
    if known.settings and known.settings[-1] == asked:
        return ()
    if any(one.version == asked.version and one != asked for one in (shipped(), *known.settings)):
        raise Rejected("this version is known with other content", code="version_reused", field="settings.version",
                       value=asked.version, rule="a version never changes", remedy="adopt it under a new version")  # fmt: skip
    return (OversightAdopted(version=asked.version, settings=asked),)


def evolve(known: Adopted, event: Event[OversightAdopted | AuditChangeRefused]) -> Adopted:
    """Remember a version."""
    match event.data:
        case OversightAdopted():
            return Adopted((*known.settings, event.data.settings))
        case AuditChangeRefused():
            return known
        case _:
            assert_never(event.data)


NOUN = Noun("oversight", Adopted(), evolve)


@dataclass(frozen=True)
class _Granted:
    at: datetime
    amount: Fraction
    event_id: str


@dataclass
class Oversight:
    """Every report, filled fact by fact in the order recorded."""

    found: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in REPORTS})
    settings: OversightSettings = field(default_factory=shipped)
    """Those in force where the reading stands."""
    versions: list[dict[str, Any]] = field(default_factory=list)
    """Every version that facts were held against, with the fact that adopted it; none for the shipped one."""
    keys: Keys | None = None
    sealed: int = 0
    """Amounts under a limit that no key at hand opened: whether they reach it, or were split, is not told."""
    _rows: dict[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    _granted: dict[tuple[str, ...], list[_Granted]] = field(default_factory=dict)
    _quota: dict[tuple[str, str, str, str], int] = field(default_factory=dict)

    def read(self, documents: Iterable[tuple[dict[str, Any], bool]]) -> "Oversight":
        """Take in facts; the second of each pair says whether it is within what was asked for."""
        self.versions.append(self.settings.model_dump() | {"adopted_by": None})
        for document, chosen in documents:
            if document["type"] == AuthorityMatrixAdopted.wire():
                self._adopt(document["data"]["matrix"])
            if document["type"] == OversightAdopted.wire():
                self.settings = OversightSettings.model_validate(document["data"]["settings"])
                self.versions.append(self.settings.model_dump() | {"adopted_by": document["id"]})
            if chosen:
                self._take(document)
        return self

    def _adopt(self, matrix: Mapping[str, Any]) -> None:
        for row in matrix["rows"]:
            self._rows[matrix["version"], row["row_id"] if "row_id" in row else row["id"], row["verb"]] = row

    def _take(self, document: dict[str, Any]) -> None:
        data = document.get("data") or {}
        ruling = data.get("ruling")
        told = {
            "id": document["id"],
            "type": document["type"],
            "recorded_at": document["recordedat"],
            "actor": document["actor"],
            "property": document["source"].split("/")[2],
        }
        self._escalation(document, told)
        if not isinstance(ruling, dict) or "asked" not in ruling:
            if data.get("reason") == "own_case":
                self.found["own_cases"].append(told | {"clause": "", "on_behalf_of": document.get("onbehalfof")})
            return
        asked = ruling["asked"]
        told |= {
            "clause": ruling["row_id"],
            "outcome": ruling["outcome"],
            "reason": ruling["reason"],
            "subject": asked.get("subject_id"),
        }
        if ruling["reason"] == "own_case":
            self.found["own_cases"].append(told | {"on_behalf_of": document.get("onbehalfof")})
        if ruling.get("limit") is not None:
            measure = ruling["limit"]["measure"]
            shown = {
                "measure": measure,
                "value": self._measured(document, asked, measure),
                "limit": _bound(ruling["limit"]),
            }
            self.found["beyond_limit"].append(told | shown)
        if "waiver" in document["type"].partition(".")[2]:
            self.found["waivers"].append(told)
        self._measures(document, ruling, told)

    def _measures(self, document: dict[str, Any], ruling: Mapping[str, Any], told: dict[str, Any]) -> None:
        asked = ruling["asked"]
        row = self._rows.get((ruling["matrix_version"], ruling["row_id"], asked["verb"]), {})
        limits = {limit["measure"]: limit for limit in row.get("limits", ())}
        for measured in asked.get("measures", ()):
            limit = limits.get(measured["measure"])
            value = None if limit is None else self._value(document, measured)
            if value is None or limit is None:
                self.sealed += limit is not None and bool(measured.get("confidential"))
                continue
            upper = _number((limit.get("upper") or {}).get("value"))
            shown = told | {
                "measure": measured["measure"],
                "value": _text(value, measured["measure"]),
                "limit": _bound(limit),
            }
            if upper is not None and value == upper:
                self.found["at_limit"].append(shown)
            if measured["measure"] in _QUOTAS:
                self.found["quotas"].append(shown)
            if measured["measure"] == "amount" and upper is not None and _kept_within(ruling):
                self._split(document, ruling, value, upper, shown)

    def _measured(self, document: dict[str, Any], asked: Mapping[str, Any], measure: str) -> str:
        """What a ruling measured; nothing where that is confidential and no key opens it."""
        found = (self._value(document, one) for one in asked.get("measures", ()) if one["measure"] == measure)
        value = next(found, None)
        return "" if value is None else _text(value, measure)

    def _value(self, document: dict[str, Any], measured: Mapping[str, Any]) -> Fraction | None:
        """A measure's value, out of the sealed figures of its fact where it is confidential."""
        figures = document["data"].get("figures")
        if not measured.get("confidential") or measured["measure"] != "amount" or not figures or self.keys is None:
            return _number(measured.get("value"))
        try:
            sealed = Confidential.model_validate(figures)
            opened = open_field(sealed, event_id=document["id"], path="figures", keys=self.keys)
            return _number(from_json(opened).get("amount"))
        except (SealingError, ValueError):
            return None

    def _split(
        self,
        document: dict[str, Any],
        ruling: Mapping[str, Any],
        value: Fraction,
        upper: Fraction,
        shown: dict[str, Any],
    ) -> None:
        """Several decisions or recommendations that each stay under a limit and together pass it."""
        asked = ruling["asked"]
        subject = asked.get("subject_id") or _first_thing(document["data"])
        key = (asked["actor_id"], ruling["row_id"], subject)
        at = datetime.fromisoformat(document["recordedat"])
        window = timedelta(days=self.settings.splitting_days)
        grants = [one for one in self._granted.get(key, ()) if at - one.at <= window]
        grants.append(_Granted(at, value, document["id"]))
        self._granted[key] = grants
        total = sum((one.amount for one in grants), Fraction(0))
        if len(grants) > 1 and total > upper:
            facts = [one.event_id for one in grants]
            held = {"days": window.days, "settings": self.settings.version}
            self.found["splitting"].append(shown | {"total": _text(total, "amount"), "facts": facts} | held)

    def _escalation(self, document: dict[str, Any], told: dict[str, Any]) -> None:
        name = document["type"].partition(".")[2]
        if "escalat" not in name and "breach" not in name:
            return
        due, recorded = (datetime.fromisoformat(document[one]) for one in ("time", "recordedat"))
        bound = self.settings.late_escalation_seconds
        if document.get("channel") == "system" and recorded - due > timedelta(seconds=bound):
            late = int((recorded - due).total_seconds())
            held = {"late_after_seconds": bound, "settings": self.settings.version}
            self.found["late_escalations"].append(told | {"due_at": document["time"], "late_seconds": late} | held)


def _first_thing(data: Mapping[str, Any]) -> str:
    """What a decision is about where no person is its subject: the first id that is not its own number."""
    ids: Iterator[str] = (
        str(data[name])
        for name in ("unit_id", "ticket_id", "account_id", "staff_id")
        if isinstance(data.get(name), str)
    )
    return next(ids, "")


def _number(value: Any) -> Fraction | None:
    if not isinstance(value, dict):
        return None
    if "amount" in value:
        return Fraction(Decimal(value["amount"]))
    return Fraction(int(value["numerator"]), int(value["denominator"])) if "numerator" in value else None


def _kept_within(ruling: Mapping[str, Any]) -> bool:
    """Whether the clause allowed what was asked, be it to decide or, where that is all it gives, to recommend."""
    return ruling["outcome"] in ("granted", "recommend_only") and ruling.get("limit") is None


def _text(value: Fraction, measure: str) -> str:
    """An amount as money is written, anything else as the fraction that was compared."""
    return str(Decimal(value.numerator) / value.denominator) if measure == "amount" else str(value)


def _bound(limit: Mapping[str, Any]) -> str:
    upper = limit.get("upper") or limit.get("lower") or {}
    number = _number(upper.get("value"))
    return (
        ""
        if number is None
        else _text(number, limit["measure"]) + ("" if upper.get("inclusive", True) else " excluded")
    )
