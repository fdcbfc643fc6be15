"""The registry: properties, people, positions, delegations, and the versions of authority that everyone else goes by."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bailiwick_contracts.authority import Delegation, Measured, Ruling
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio
from bailiwick_contracts.message import COMPANY, Fact, Identifier, Instant, Label, PropertyId, Record, Refusal, Request
from bailiwick_contracts.money import Currency
from bailiwick_contracts.part import whole
from bailiwick_contracts.staff import ExternalIdAsked

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?$")]
"""A BCP 47 tag such as `zh-Hant` or `en-GB`."""
CalendarCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
"""A country by ISO 3166-1, with a subdivision where its holidays differ: `CN`, `GB-SCT`."""
ZoneName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$", max_length=64)]
"""A zone of the IANA time-zone database."""
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""Base64 of the 32 bytes of an Ed25519 public key."""
LeadSeconds = Annotated[int, Field(ge=1, le=31 * 86_400)]
PAID_DAYS_PER_MONTH = Ratio(numerator=87, denominator=4)
"""21.75, the national convention for a day's wage (C18); a setting of each property."""


class AddProperty(Request):
    """Take a property into the system. Its four settings are independent; none is derived from another."""

    type: Literal["registry.add_property.v1"] = "registry.add_property.v1"
    property_id: PropertyId
    name: Label
    language: Language = "zh-Hant"
    currency: Currency = "CNY"
    calendar: CalendarCode = "CN"
    time_zone: ZoneName = "Asia/Shanghai"
    paid_days_per_month: Annotated[Ratio, whole(Ratio)] = PAID_DAYS_PER_MONTH


class PropertyAdded(Fact):
    """A property, with its settings."""

    type: Literal["registry.property_added.v1"] = "registry.property_added.v1"
    property_id: PropertyId
    name: Label
    language: Language
    currency: Currency
    calendar: CalendarCode
    time_zone: ZoneName
    paid_days_per_month: Ratio = PAID_DAYS_PER_MONTH


class AdoptCalendar(Request):
    """Take the holidays of a property's calendar anew from the table that is installed, for these years."""

    type: Literal["registry.adopt_calendar.v1"] = "registry.adopt_calendar.v1"
    property_id: PropertyId
    first_year: Annotated[int, Field(ge=1990, le=2100)]
    last_year: Annotated[int, Field(ge=1990, le=2100)]


class CalendarDay(Record):
    """A day that is not what its weekday says."""

    on: date
    kind: Literal["holiday", "working_day"]
    """`working_day`: a weekend day worked in exchange for a holiday."""


class CalendarAdopted(Fact):
    """A calendar as expanded dates: a new release of the table it came from changes nothing that was decided."""

    type: Literal["registry.calendar_adopted.v1"] = "registry.calendar_adopted.v1"
    property_id: PropertyId
    calendar: CalendarCode
    first_on: date
    last_on: date
    days: tuple[CalendarDay, ...]
    table: Label
    """The library and release the dates came from."""


class OffsetChange(Record):
    """From `at` on, local time is UTC plus this."""

    at: Instant
    offset_seconds: Annotated[int, Field(gt=-86_400, lt=86_400)]


class ZoneAdopted(Fact):
    """A time zone as expanded offset changes, in order; the first holds for everything before it too."""

    type: Literal["registry.zone_adopted.v1"] = "registry.zone_adopted.v1"
    property_id: PropertyId
    time_zone: ZoneName
    last_year: int
    changes: tuple[OffsetChange, ...]
    table: Label

    def local(self, at: datetime) -> datetime:
        """The wall clock of the zone at an instant, without offset."""
        changes = self.changes
        for change in reversed(changes):
            if change.at <= at:
                break
        else:
            change = changes[0]
        return datetime.combine(at.date(), at.time()) + timedelta(0, change.offset_seconds)


class AddUnitOfOrganisation(Request):
    """Add a department or team to an office."""

    type: Literal["registry.add_unit_of_organisation.v1"] = "registry.add_unit_of_organisation.v1"
    property_id: PropertyId
    unit_id: Identifier
    name: Label
    kind: Literal["office", "department", "team"] = "department"
    parent_id: Identifier | None = None


class UnitOfOrganisationAdded(Fact):
    """A department or team of an office."""

    type: Literal["registry.unit_of_organisation_added.v1"] = "registry.unit_of_organisation_added.v1"
    property_id: PropertyId
    unit_id: Identifier
    name: Label
    kind: Literal["office", "department", "team"]
    parent_id: Identifier | None = None


class SetReportingLine(Request):
    """Say to which position another reports in an office; it is the next in line of every limit that names none."""

    type: Literal["registry.set_reporting_line.v1"] = "registry.set_reporting_line.v1"
    property_id: PropertyId
    position: Label
    reports_to: Label


class ReportingLineSet(Fact):
    """A position reports to another in this office."""

    type: Literal["registry.reporting_line_set.v1"] = "registry.reporting_line_set.v1"
    property_id: PropertyId
    position: Label
    reports_to: Label


class DelegateAuthority(Request):
    """Lend one's authority at a property to somebody, from a date to a date."""

    type: Literal["registry.delegate_authority.v1"] = "registry.delegate_authority.v1"
    delegation_id: Identifier
    from_staff_id: Identifier
    to_staff_id: Identifier
    property_id: PropertyId
    row_ids: tuple[Identifier, ...] = ()
    """Empty: every row."""
    first_on: date
    last_on: date
    ceilings: tuple[Annotated[Measured, whole(Measured)], ...] = ()
    """Narrower upper limits; one above the delegator's own changes nothing."""


class AuthorityDelegated(Fact):
    """Authority is lent; the delegate never has more than the delegator."""

    type: Literal["registry.authority_delegated.v1"] = "registry.authority_delegated.v1"
    delegation: Delegation


class RevokeDelegation(Request):
    """Take lent authority back, from now on."""

    type: Literal["registry.revoke_delegation.v1"] = "registry.revoke_delegation.v1"
    delegation_id: Identifier
    why: Label


class DelegationRevoked(Fact):
    """Lent authority ended."""

    type: Literal["registry.delegation_revoked.v1"] = "registry.delegation_revoked.v1"
    delegation_id: Identifier
    property_id: PropertyId
    revoked_at: Instant
    why: Label


class AdoptAuthorityMatrix(Request):
    """Adopt a version of the matrix for the whole company."""

    type: Literal["registry.adopt_authority_matrix.v1"] = "registry.adopt_authority_matrix.v1"
    matrix: Annotated[AuthorityMatrix, whole(AuthorityMatrix)]
    holds_from: Instant | None = None
    lead_seconds: LeadSeconds = 60


class AuthorityMatrixAdopted(Fact):
    """A matrix holds from `holds_from`: what was asked for, or the end of the lead time where that is later.

    A version adopted with a date in the past therefore changes no ruling that was given.
    """

    type: Literal["registry.authority_matrix_adopted.v1"] = "registry.authority_matrix_adopted.v1"
    version: Identifier
    holds_from: Instant
    asked_from: Instant | None = None
    lead_seconds: int
    matrix: AuthorityMatrix


class AdoptLegalPolicy(Request):
    """Adopt a version of the legal policy for one property, or for every property that has none of its own."""

    type: Literal["registry.adopt_legal_policy.v1"] = "registry.adopt_legal_policy.v1"
    policy: Annotated[LegalPolicy, whole(LegalPolicy)]
    for_property: PropertyId = COMPANY
    holds_from: Instant | None = None
    lead_seconds: LeadSeconds = 60


class LegalPolicyAdopted(Fact):
    """A legal policy holds from `holds_from` for a property, or for the company."""

    type: Literal["registry.legal_policy_adopted.v1"] = "registry.legal_policy_adopted.v1"
    version: Identifier
    for_property: PropertyId
    holds_from: Instant
    asked_from: Instant | None = None
    lead_seconds: int
    policy: LegalPolicy


class TrustDoor(Request):
    """Trust a door: whoever it signs for is believed to be who it says."""

    type: Literal["registry.trust_door.v1"] = "registry.trust_door.v1"
    door: Identifier
    public_key: PublicKey


class DoorTrusted(Fact):
    """A door's Ed25519 public key; anyone can check with it who asked for what."""

    type: Literal["registry.door_trusted.v1"] = "registry.door_trusted.v1"
    door: Identifier
    public_key: PublicKey


class RegistryChangeRefused(Refusal):
    """Somebody without the authority asked for a change of the registry."""

    type: Literal["registry.registry_change_refused.v1"] = "registry.registry_change_refused.v1"
    asked_for: Label
    """The wire type of the request."""
    subject_id: Identifier | None = None
    ruling: Ruling


class GetProperty(Request):
    """One property with its units, reporting lines and adopted tables."""

    type: Literal["registry.get_property.v1"] = "registry.get_property.v1"
    property_id: PropertyId
    as_of: Instant | None = None


class ListProperties(Request):
    """Every property by id, in pages; `after` stands in the answer where there are more."""

    type: Literal["registry.list_properties.v1"] = "registry.list_properties.v1"
    after: PropertyId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class ListStaff(Request):
    """People by id, in pages; sealed fields stay sealed."""

    type: Literal["registry.list_staff.v1"] = "registry.list_staff.v1"
    home_property: PropertyId | None = None
    after: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class GetStaff(Request):
    """One person by id or by another system's id, now or as recorded at an instant."""

    type: Literal["registry.get_staff.v1"] = "registry.get_staff.v1"
    staff_id: Identifier | None = None
    external: ExternalIdAsked | None = None
    as_of: Instant | None = None


class GetMatrix(Request):
    """The matrix, and a property's legal policy, in force at an instant."""

    type: Literal["registry.get_matrix.v1"] = "registry.get_matrix.v1"
    as_of: Instant | None = None
    version: Identifier | None = None
    property_id: PropertyId = COMPANY
