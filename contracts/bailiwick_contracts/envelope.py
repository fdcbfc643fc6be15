"""The stored shape: one CloudEvents 1.0 document per fact, whose bytes are hashed, published and replayed unchanged.

`services/decisions/0001-stored-shape.md` says why each attribute is there. Extension attributes are lower case letters
and digits, as CloudEvents demands. Unknown attributes are ignored when read.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache, lru_cache
from importlib import import_module
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import from_json, to_json

from bailiwick_contracts.dead_letter import TEMPLATE, of_service, shared
from bailiwick_contracts.message import (
    Fact,
    Identifier,
    Instant,
    Label,
    Message,
    PropertyId,
    Record,
    Request,
)
from bailiwick_contracts.subjects import SERVICES

CONTENT_TYPE = "application/cloudevents+json"
FIRST_HASH = "0" * 64
"""The predecessor's hash of the first fact of a chain."""
MESSAGE_LIMIT_BYTES = 256 * 1024
"""No message of ours is larger, headers included."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Channel = Literal["live", "import", "system"]
F = TypeVar("F", bound=Message)


class Actor(Record):
    """Who asked: the person or system, for whom, how it was authenticated, and through which channel."""

    actor: Identifier
    """A pseudonymous staff id, or `system-<service>`."""
    onbehalfof: Identifier | None = None
    """The person whose authority is used under a delegation."""
    delegation: Identifier | None = None
    authmethod: Identifier = "local"
    """How the door knew the actor: `local`, `oidc`, `apikey`, `system`, `file`."""
    channel: Channel = "live"


class Claim(Actor):
    """What the door signs of a command, and the fact keeps: enough to check the signature from the fact alone."""

    commandid: Identifier
    commandtype: Label
    commanddigest: Digest
    """SHA-256 of the salted command body; the salt is thrown away, so the digest tells nothing of the body."""
    door: Identifier
    """The door that authenticated the actor; its public key is a company fact."""

    def statement(self, property_id: PropertyId) -> bytes:
        """The bytes a door signs with its Ed25519 key."""
        return stated(property_id, self.__dict__)


def stated(property_id: PropertyId, claim: Mapping[str, Any]) -> bytes:
    """The bytes a door signs of a claim (`Claim.statement`), from its values by name."""
    parts = (
        "bailiwick-command-v1",
        property_id,
        claim["commandid"],
        claim["commandtype"],
        claim["commanddigest"],
        claim["actor"],
        claim["onbehalfof"] or "",
        claim["delegation"] or "",
        claim["authmethod"],
        claim["channel"],
        claim["door"],
    )
    return "\n".join(parts).encode()


class Event(Claim, Generic[F]):
    """A stored fact with everything that is known about how it came to be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Identifier
    """UUIDv7 of the fact."""
    type: Label
    source: Label
    """`/properties/<property>/<service>`."""
    subject: Identifier
    """The stream: the one thing whose history this fact belongs to."""
    time: Instant
    """When it happened (occurred_at), as claimed by its source."""
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Label
    sequence: Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$")]
    """The version in the stream, from 1, as ten digits so that it also orders as text."""
    decidedat: Instant | None = None
    """When the person decided, as claimed."""
    recordedat: Instant
    """When it was stored; never goes back within a service."""
    effectiveon: date | None = None
    """From which date in the property's zone it holds."""
    log: Identifier
    """Names the store that wrote it."""
    chainnumber: Annotated[int, Field(ge=1, lt=2**31)]
    """Gapless from 1 per (log, service, property)."""
    previoushash: Digest
    """SHA-256 of the predecessor's stored bytes in that chain."""
    causationid: Identifier | None = None
    """The fact that led here, where one did."""
    correlationid: Identifier
    """Shared by everything that follows from one first request."""
    doorsignature: Label
    """Base64 Ed25519 signature of the door over the claim; `system` where a service acted on a fact."""
    importfile: Label | None = None
    importrow: int | None = None
    traceparent: Label | None = None
    data: F

    @property
    def property_id(self) -> PropertyId:
        """The property whose chain holds this fact."""
        return placed(self.source)[0]

    @property
    def service(self) -> str:
        """The service that decided it."""
        return placed(self.source)[1]

    @property
    def version(self) -> int:
        """The version in the stream."""
        return int(self.sequence)


@lru_cache(maxsize=4096)
def placed(source: str) -> tuple[PropertyId, str]:
    """The property and the service that a source names. Raises ValueError for one that names none."""
    parts = source.split("/")
    if len(parts) < 4:
        raise ValueError(f"source: {source!r} is not /properties/<property>/<service>")
    return parts[2], parts[3]


class Unknown(Fact):
    """A fact of a type this installation does not know: kept whole, judged by nobody."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str


class Precondition(Record):
    """What the asker knows of the record that a command changes; checked with the writer's lock held, before anything is stored.

    Without a `stream` nothing is known: the command is rejected when it changes one record that exists already.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: Identifier | None = None
    sequence: Annotated[int, Field(ge=0)] | None = None
    """The version the asker saw; 0: that there is none yet."""
    any_version: bool = False
    """Change it whatever its version is."""


class Command(Claim, Generic[F]):
    """A request as it travels to a service: the claim of who asks, and what is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    property: PropertyId
    salt: Label
    """Random; hides the body behind `commanddigest`, and is never stored."""
    issuedat: Instant
    """When the person decided, as claimed (the `decidedat` of the facts)."""
    occurredat: Instant | None = None
    """When what is asked about happened, where the source claims it."""
    effectiveon: date | None = None
    correlationid: Identifier | None = None
    causationid: Identifier | None = None
    importfile: Label | None = None
    importrow: int | None = None
    traceparent: Label | None = None
    precondition: Precondition | None = None
    """Not signed, for it can only hold a command back."""
    asof: Instant | None = None
    """Of a query: answer what was recorded by this instant. Not signed, for whoever may look at now may look at then."""
    doorsignature: Label
    data: F


@cache
def event_model(wire: str) -> type[BaseModel]:
    """The model that reads and validates a stored event of one wire type straight from its bytes."""
    service = wire.partition(".")[0]
    if wire not in Message.registered and shared(wire):
        of_service(service)
    elif wire not in Message.registered and service in SERVICES:
        import_module(f"bailiwick_contracts.{service}")
    known = Message.registered.get(wire)
    model: Any = Event.__class_getitem__(known if known is not None else Unknown)
    return model  # type: ignore[no-any-return]


def read_event(raw: bytes, wire: str | None = None) -> Event[Any]:
    """Read one fact. Unknown fields and attributes are ignored; an unknown type comes back as `Unknown` data.

    Args:
        raw: the whole CloudEvents document, as stored or published.
        wire: its type where the caller knows it (from the subject or the store), which saves one parse.

    Raises:
        ValueError: the bytes are no such document; the message names field, value and rule.
    """
    if wire is None:
        document = from_json(raw)
        if not isinstance(document, dict) or not isinstance(document.get("type"), str):
            raise ValueError("not a CloudEvents document: a JSON object with a `type` is expected")
        wire = document["type"]
    event = event_model(wire).__pydantic_validator__.validate_json(raw)
    if event.type != wire:
        raise ValueError(f"type: {event.type} arrived where {wire} was announced")
    placed(event.source)
    return event  # type: ignore[no-any-return]


_UNSAID: dict[str, Any] = {
    name: None if field.is_required() else field.default for name, field in Event.__pydantic_fields__.items()
}


def trusted_event(attributes: Mapping[str, Any], data: Message) -> Event[Any]:
    """An event of values that are known to be right, such as those about to be stored: nothing is checked or converted."""
    return made_event({**_UNSAID, **attributes, "data": data})


def made_event(values: dict[str, Any]) -> Event[Any]:
    """An event that has `values` for its fields, every one of them; nothing is checked or copied."""
    event: Event[Any] = Event.__new__(Event)
    object.__setattr__(event, "__dict__", values)
    object.__setattr__(event, "__pydantic_fields_set__", _SAID)
    object.__setattr__(event, "__pydantic_extra__", None)
    object.__setattr__(event, "__pydantic_private__", None)
    return event


_SAID = set(_UNSAID)


def hash_of(raw: bytes) -> Digest:
    """The link of the chain: SHA-256 of the stored bytes, as hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def render(attributes: Mapping[str, Any], data: bytes) -> bytes:
    """The canonical bytes: the attributes in the order given, those that are None left out, then the data."""
    head = to_json({name: value for name, value in attributes.items() if value is not None})
    return head[:-1] + b',"data":' + data + b"}"


def data_of(raw: bytes) -> bytes:
    """The data member of a stored fact, as JSON; `raw` is what `render` made."""
    return raw[raw.index(b',"data":') + 8 : -1]


@cache
def schema_address(wire: str) -> str:
    """The stable reference of the JSON Schema of a wire type, resolved inside this package's `schemas/`."""
    if shared(wire):
        return f"/schemas/{TEMPLATE}.{wire.partition('.')[2]}.json"
    return f"/schemas/{wire}.json"


class ChainError(ValueError):
    """A chain does not hold; the message says at which number and how."""


def check_chain(raws: Iterator[bytes], *, number: int = 0, previous: str = FIRST_HASH) -> Iterator[Event[Any]]:
    """Pass the facts of one chain on, in order, each checked against its predecessor.

    Raises:
        ChainError: a number is missing or repeated, or a stored byte was changed; names the fact.
    """
    for raw in raws:
        event = read_event(raw)
        if event.chainnumber != number + 1:
            raise ChainError(
                f"{event.source}: number {event.chainnumber} follows {number}; a fact is missing or repeated"
            )
        if event.previoushash != previous:
            raise ChainError(f"{event.source}: number {number} is not what number {event.chainnumber} was chained to")
        number, previous = event.chainnumber, hash_of(raw)
        yield event


class FactReference(Record):
    """One fact that a command led to. `data` is left out of answers that would be too large."""

    id: Identifier
    type: Label
    stream: Identifier
    sequence: int
    chainnumber: int
    data: dict[str, Any] | None = None


class RecordVersion(Record):
    """The one record that a query read, and the version it was at."""

    stream: Identifier
    sequence: int


class RowAnswer(Record):
    """What became of one row of a bulk request."""

    row: Identifier
    outcome: Literal["done", "ignored", "refused", "rejected"]
    reason: Label | None = None


class Answer(Record):
    """What a service answers. The same command id answers the same for ever.

    `done`: facts were stored; `refused`: a refusal was stored, and stands in `facts`; `ignored`: nothing new to decide;
    `rejected`: nothing was recorded, `error` says why.
    """

    commandid: Identifier
    outcome: Literal["done", "refused", "ignored", "rejected"]
    facts: tuple[FactReference, ...] = ()
    """The first of them; a bulk command leads to more than an answer holds."""
    factcount: int = 0
    """How many facts were stored in all."""
    rows: tuple[RowAnswer, ...] = ()
    result: dict[str, Any] | None = None
    """What a query found."""
    record: RecordVersion | None = None
    """Where a query read exactly one record: which, and its version."""
    replayed: bool | None = None
    """True where a command with a precondition was decided before, and this is what was answered then."""
    error: dict[str, Any] | None = None
    """`code` and `message`, with `field`, `value`, `rule` and `remedy` where they apply."""


def read_command(raw: bytes, request: type[Request]) -> Command[Any]:
    """Read a command strictly, as a service does.

    Raises:
        pydantic.ValidationError: naming each field, value and rule.
    """
    return _command_model(request).model_validate_json(raw, strict=True)


@cache
def _command_model(request: type[Request]) -> type[Command[Any]]:
    return Command[request]  # type: ignore[valid-type]
