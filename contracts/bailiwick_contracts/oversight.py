"""What an auditor's reports hold to be late or split: adopted data with a version, and the one that is shipped."""

from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.message import Fact, Identifier, Record, Request
from bailiwick_contracts.part import whole


class OversightSettings(Record):
    """One version. It changes what a report lists, and no decision."""

    version: Identifier
    late_escalation_seconds: Annotated[int, Field(ge=0, le=31 * 86_400)]
    """An escalation by a timer came late when it was recorded more than so many seconds after it was due."""
    splitting_days: Annotated[int, Field(ge=1, le=3_660)]
    """Grants of one actor under one clause for one subject within so many days are added up."""


class AdoptOversight(Request):
    """Adopt a version for the whole installation; the operator's to ask."""

    type: Literal["audit.adopt_oversight.v1"] = "audit.adopt_oversight.v1"
    settings: Annotated[OversightSettings, whole(OversightSettings)]


class OversightAdopted(Fact):
    """A version holds for facts recorded after this one; what was recorded before is judged by the version of its time."""

    type: Literal["audit.oversight_adopted.v1"] = "audit.oversight_adopted.v1"
    version: Identifier
    settings: OversightSettings


def shipped() -> OversightSettings:
    """The version that holds until another is adopted."""
    text = (files("bailiwick_contracts") / "shipped" / "oversight.json").read_text(encoding="utf-8")
    return OversightSettings.model_validate_json(text)
