"""`bailiwick registry`: people, positions, wages and lent authority; the matrix, the law and the calendars that hold."""

from collections.abc import Mapping

from bailiwick_contracts import registry, staff
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY, Request

from services.cli.asked import Verb, commands

VERBS: Mapping[str, Mapping[str, Verb]] = {
    "matrix": {
        "adopt": Verb(registry.AdoptAuthorityMatrix, shipped=("matrix", manual_matrix)),
        "show": Verb(registry.GetMatrix),
    },
    "policy": {"adopt": Verb(registry.AdoptLegalPolicy)},
    "staff": {
        "register": Verb(staff.RegisterStaff, "staff_id"),
        "correct": Verb(staff.CorrectStaff),
        "map": Verb(staff.MapExternalId),
        "end": Verb(staff.EndEmployment),
        "rehire": Verb(staff.RehireStaff),
        "merge": Verb(staff.MergeStaff),
        "retract": Verb(staff.RetractFact),
        "erase": Verb(staff.ErasePerson),
        "erase-subject": Verb(staff.EraseDataSubject),
        "show": Verb(registry.GetStaff),
        "list": Verb(registry.ListStaff),
    },
    "position": {"assign": Verb(staff.AssignPosition)},
    "wage": {"set": Verb(staff.SetBaseWage)},
    "delegation": {
        "lend": Verb(registry.DelegateAuthority, "delegation_id"),
        "revoke": Verb(registry.RevokeDelegation),
    },
    "property": {
        "line": Verb(registry.SetReportingLine),
        "unit": Verb(registry.AddUnitOfOrganisation),
        "calendar": Verb(registry.AdoptCalendar),
        "show": Verb(registry.GetProperty),
    },
    "door": {"trust": Verb(registry.TrustDoor)},
}
"""Every noun and its verbs. Properties are added and listed by `bailiwick property`."""
_SAID = {
    "matrix": "The authority matrix (R5): adopted, the shipped one where none is given; what holds.",
    "policy": "The legal policy (R5, T12): what the law of a place allows of deductions, as a lawyer confirmed it.",
    "staff": "People (R1, R2, R8): registered, corrected, merged, gone, come back, erased.",
    "position": "Who holds which position where (R2), at the company too.",
    "wage": "Monthly base wages (R3).",
    "delegation": "Authority lent for dates, and taken back (R4).",
    "property": "A property's reporting lines (R2), units and calendars (R6).",
    "door": "Doors whose signatures are believed (R7).",
}
_AT_THEIR_PROPERTY = (
    registry.SetReportingLine,
    registry.AddUnitOfOrganisation,
    registry.AdoptCalendar,
    registry.GetProperty,
)


def _place(request: Request) -> str:
    """What belongs to one property goes there; all else is the company's."""
    return request.property_id if isinstance(request, _AT_THEIR_PROPERTY) else COMPANY


app = commands("registry", VERBS, _SAID, place=_place)
