"""A property's tariffs and terms, in versions with dates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.billing import (
    AdoptTariff,
    AdoptTerms,
    DisputeSet,
    SetDispute,
    TariffAdopted,
    Terms,
    TermsAdopted,
    UnitRegistered,
)
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.tariff import BilledUnit, Dated

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Setting:
    """Every version adopted, in the order of adoption."""

    tariffs: tuple[Dated, ...] = ()
    terms: tuple[tuple[date, Terms], ...] = ()

    def terms_on(self, on: date) -> Terms:
        """The terms that hold on a date; before any was adopted, those that ask for nothing but the manual's own."""
        held = [one for since, one in sorted(self.terms, key=lambda pair: pair[0]) if since <= on]
        return held[-1] if held else Terms(version="unset")

    @property
    def currency(self) -> str:
        """The currency of the property's tariffs."""
        return self.tariffs[-1].tariff.currency if self.tariffs else "CNY"


def adopt_tariff(
    request: AdoptTariff, setting: Setting, charged: Sequence[str], ruling: Ruling | None
) -> list[TariffAdopted]:
    """Adopt a version; the same version again is nothing new.

    Raises:
        Rejected: the version is known with other content, its currency differs, or it reaches back into a charged month.
    """
    known = next((one for one in setting.tariffs if one.tariff.version == request.tariff.version), None)
    if known is not None:
        if (known.tariff, known.effective_on) == (request.tariff, request.effective_on):
            return []
        raise Rejected("this version is adopted with other content", code="version_reused", field="tariff.version",
                       value=request.tariff.version, rule="a version never changes", remedy="adopt it under a new version")  # fmt: skip
    if setting.tariffs and request.tariff.currency != setting.currency:
        raise Rejected("a property has one currency", code="currency_differs", field="tariff.currency",
                       value=request.tariff.currency, rule=setting.currency, remedy="keep the property's currency")  # fmt: skip
    same_day = next((one for one in setting.tariffs if one.effective_on == request.effective_on), None)
    if same_day is not None:
        raise Rejected("another version holds from that date", code="date_taken", field="effective_on",
                       value=request.effective_on.isoformat(), rule="one version from a date",
                       remedy=f"{same_day.tariff.version} holds from it; choose a later date")  # fmt: skip
    late = [month for month in charged if f"{request.effective_on:%Y-%m}" <= month]
    if late:
        raise Rejected("a month from that date on was closed", code="month_closed", field="effective_on",
                       value=request.effective_on.isoformat(), rule=f"later than {max(late)}",
                       remedy="let the version begin after the last closed month")  # fmt: skip
    return [TariffAdopted(tariff=request.tariff, effective_on=request.effective_on, ruling=ruling)]


def adopt_terms(request: AdoptTerms, setting: Setting, ruling: Ruling | None) -> list[TermsAdopted]:
    """Adopt terms; the same version again is nothing new. Raises Rejected for a version known with other content."""
    known = next((pair for pair in setting.terms if pair[1].version == request.terms.version), None)
    if known == (request.effective_on, request.terms):
        return []
    if known is not None:
        raise Rejected("this version is adopted with other content", code="version_reused", field="terms.version",
                       value=request.terms.version, rule="a version never changes", remedy="adopt it under a new version")  # fmt: skip
    return [TermsAdopted(terms=request.terms, effective_on=request.effective_on, ruling=ruling)]


def evolve(setting: Setting, event: Event[Any]) -> Setting:
    """Remember each version."""
    match event.data:
        case TariffAdopted():
            dated = Dated(tariff=event.data.tariff, effective_on=event.data.effective_on, fact_id=event.id)
            return replace(setting, tariffs=(*setting.tariffs, dated))
        case TermsAdopted():
            return replace(setting, terms=(*setting.terms, (event.data.effective_on, event.data.terms)))
        case _:
            return setting


SETTING = Noun("setting", Setting(), evolve)


@dataclass(frozen=True)
class BillingUnit:
    """A unit as billing knows it, and whether its charges are in dispute."""

    unit: BilledUnit | None = None
    disputed: bool = False


def register(unit: BilledUnit, known: BillingUnit, ruling: Ruling | None) -> list[UnitRegistered]:
    """Register a unit or what changed of it; the same again is nothing new."""
    return [] if known.unit == unit else [UnitRegistered(unit=unit, ruling=ruling)]


def dispute(request: SetDispute, known: BillingUnit, ruling: Ruling | None) -> list[DisputeSet]:
    """Mark a unit as in dispute or no longer; what it is already is nothing new. Raises Rejected for an unknown unit."""
    if known.unit is None:
        raise unknown_unit(request.unit_id)
    if known.disputed == request.disputed:
        return []
    return [DisputeSet(unit_id=request.unit_id, disputed=request.disputed, grounds=request.grounds, ruling=ruling)]


def unknown_unit(unit_id: str) -> Rejected:
    """The rejection of a request about a unit that nobody registered."""
    return Rejected(f"{unit_id} is not a unit that billing knows", code="unknown_unit", field="unit_id", value=unit_id,
                    rule="a unit that was registered", remedy="register it with RegisterUnits")  # fmt: skip


def evolve_unit(known: BillingUnit, event: Event[Any]) -> BillingUnit:
    """Remember the unit and its dispute."""
    match event.data:
        case UnitRegistered():
            return replace(known, unit=event.data.unit)
        case DisputeSet():
            return replace(known, disputed=event.data.disputed)
        case _:
            return known


UNIT = Noun("unit", BillingUnit(), evolve_unit)
