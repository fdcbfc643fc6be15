"""What every message has in common: facts are read leniently, requests strictly, and every type is registered by its wire name."""

import re
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

# Ids become tokens of NATS subjects and keys of streams, so their alphabet is closed and checked here alone.
IDENTIFIER_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
PROPERTY_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
PropertyId = Annotated[str, StringConstraints(pattern=PROPERTY_PATTERN)]
COMPANY: PropertyId = "company"
"""The reserved property token of what belongs to the whole company: matrix, legal policy, people."""


def in_utc(value: datetime) -> datetime:
    """The same instant, with the zone that all of ours share: two of one zone compare fifteen times faster.

    Raises:
        ValueError: it has no offset from UTC, or another one than none.
    """
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("a time needs its offset from UTC (RFC 3339); write e.g. 2026-03-02T09:31:00Z")
    if offset:
        raise ValueError("a time in a message is UTC (RFC 3339, ending in Z); convert it before sending")
    return datetime.combine(value, value.time(), UTC)


_not_text = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def one_line(value: str) -> str:
    """A text as it is. Raises ValueError where a character of it is none, or turns the direction of what follows."""
    found = None if value.isprintable() else _not_text.search(value)
    if found is None:
        return value
    character = ord(found.group())
    if character < 0x20:
        raise ValueError(f"control character U+{character:04X} is not text; remove it")
    if character < 0xE000 and character >= 0xD800:
        raise ValueError("a lone surrogate is not text; send well-formed UTF-8")
    raise ValueError(f"bidirectional override U+{character:04X} hides text; remove it")


Instant = Annotated[datetime, Field(strict=False), AfterValidator(in_utc)]
"""An instant in UTC, RFC 3339 on the wire."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(one_line)]
"""Free text of at most 2,000 characters, without control characters or direction overrides."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(one_line)]
"""A short name or code, at most 128 characters."""


def of_the_calendar(month: str) -> str:
    """A month, `2026-03`, whose neighbours are months as well. Raises ValueError."""
    if not 1 < int(month[:4]) < 9999:
        raise ValueError("a year from 0002 to 9998")
    return month


class Record(BaseModel):  # noqa: PLW1641 - a frozen model is given its hash
    """A part of a message: immutable, strict in its types, no NaN; unknown fields are ignored when it is read."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, ser_json_timedelta="float", validate_default=False
    )

    def __eq__(self, other: object) -> bool:
        """As of every model; two of one class that hold the same are found equal without a look at anything else."""
        alike = type(self) is type(other) and self.__pydantic_private__ is None and self.__pydantic_extra__ is None
        if alike and self.__dict__ == other.__dict__:
            return True
        return super().__eq__(other)


R = TypeVar("R", bound=Record)


def built(model: type[R], values: dict[str, Any]) -> R:
    """A record from values that were checked before, every field given; for what is made by the hundred thousand."""
    made: R = _new(model)
    _set_values(made, values)
    _set_said(made, _every_field(model))
    _set_extra(made, None)
    _set_private(made, None)
    return made


_new: Any = object.__new__
# What a model keeps itself in, set directly: `object.__setattr__` looks each of the four up by name.
_set_values, _set_said, _set_extra, _set_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


def made(model: type[R], **values: Any) -> R:
    """A record of values that were worked out here from checked ones; what is not given has its default.

    Raises:
        TypeError: a name that is none of its fields, or a field without a default that is not given.
    """
    defaults, required = _fields(model)
    fields = defaults | values
    if len(fields) > len(defaults) or not required <= values.keys():
        wrong = sorted((values.keys() - defaults.keys()) | (required - values.keys()))
        raise TypeError(f"{model.__name__} has no {', '.join(wrong)}")
    return built(model, fields)


@cache
def _fields(model: type[Record]) -> tuple[dict[str, Any], frozenset[str]]:
    """Every field in order with its default, and those that have none."""
    known = model.__pydantic_fields__
    required = frozenset(name for name, field in known.items() if field.is_required())
    return {
        name: None if name in required else field.get_default(call_default_factory=True, validated_data={})
        for name, field in known.items()
    }, required


@cache
def _every_field(model: type[Record]) -> set[str]:
    return set(model.__pydantic_fields__)


class Message(Record):
    """A fact or a request. `type` is its wire name, `<service>.<name>.v<N>`, chosen by hand and frozen once released."""

    registered: ClassVar[dict[str, type["Message"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        field = cls.__pydantic_fields__.get("type")
        names = () if field is None else get_args(field.annotation)
        if not names:
            return
        (wire,) = names
        known = Message.registered.get(wire)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"{wire} is already the wire name of {known.__qualname__}")
        Message.registered[wire] = cls

    @classmethod
    @cache
    def wire(cls) -> str:
        """The wire name of this class, e.g. `attendance.penalty_decided.v1`."""
        (wire,) = get_args(cls.__pydantic_fields__["type"].annotation)
        return str(wire)


class Fact(Message):
    """Something that happened, in the past tense. The class is what is stored, published and replayed."""

    def as_json(self) -> bytes:
        """The data member of the stored envelope."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class Refusal(Fact):
    """A request that policy turned down: recorded with its evidence, never rendered text. Its name ends in `Refused`."""

    reason: Identifier
    """A code of the service's closed list; parameters stand in the fields beside it."""


class Request(Message):
    """Something asked for, imperative. Unknown fields, loose types and naive times are errors that record nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request's JSON body strictly.

        Raises:
            pydantic.ValidationError: naming each field, its value and the rule.
        """
        return cls.model_validate_json(body, strict=True)


def message_types() -> MappingProxyType[str, type[Message]]:
    """Every message class by its wire name, of the modules imported so far."""
    return MappingProxyType(Message.registered)
