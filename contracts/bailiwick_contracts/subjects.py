"""Every NATS subject of the system, made and taken apart here and nowhere else.

`bailiwick.<property>.<service>.<event|command|query>.<name>.v<N>`: a property is `bailiwick.north-court.>`, an auditor
reads `bailiwick.*.*.event.>`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from bailiwick_contracts.message import PROPERTY_PATTERN, PropertyId

Kind = Literal["event", "command", "query"]
SERVICES = ("registry", "attendance", "tickets", "billing", "audit", "gateway")
_wire = re.compile(r"^([a-z]+)\.([a-z][a-z0-9_]*)\.v([1-9][0-9]*)$")
_subject = re.compile(r"^bailiwick\.([^.]+)\.([a-z]+)\.(event|command|query)\.([a-z][a-z0-9_]*)\.v([1-9][0-9]*)$")
_property = re.compile(PROPERTY_PATTERN)


@dataclass(frozen=True)
class Subject:
    """A subject taken apart."""

    property_id: PropertyId
    service: str
    kind: Kind
    name: str
    version: int

    @property
    def wire(self) -> str:
        """The message type that travels on it."""
        return f"{self.service}.{self.name}.v{self.version}"


def subject_of(wire: str, property_id: str, kind: Kind) -> str:
    """Where a message type of a property travels; `*` as the property is every property.

    Raises:
        ValueError: the property or the wire name is not one; nothing is ever published on a guessed subject.
    """
    if property_id != "*" and not _property.fullmatch(property_id):
        raise ValueError(f"property: {property_id!r} is not a property id; it matches {PROPERTY_PATTERN}")
    found = _wire.fullmatch(wire)
    if found is None:
        raise ValueError(f"type: {wire!r} is not <service>.<name>.v<N>")
    service, name, version = found.groups()
    return f"bailiwick.{property_id}.{service}.{kind}.{name}.v{version}"


def parse(subject: str) -> Subject:
    """Take a subject apart. Raises ValueError for one that is not ours."""
    found = _subject.fullmatch(subject)
    if found is None or not _property.fullmatch(found.group(1)):
        raise ValueError(f"subject: {subject!r} is not bailiwick.<property>.<service>.<kind>.<name>.v<N>")
    property_id, service, kind, name, version = found.groups()
    return Subject(property_id, service, kind, name, int(version))  # type: ignore[arg-type]


def events_of(service: str, property_id: str = "*") -> str:
    """The filter for every event of a service."""
    return f"bailiwick.{property_id}.{service}.event.>"


def stream_of(service: str) -> str:
    """The JetStream stream that carries a service's events."""
    return f"BAILIWICK_{service.upper()}"


def feed_of(service: str) -> str:
    """The request/reply subject on which a service gives stored facts from a position."""
    return f"bailiwick.feed.{service}"
