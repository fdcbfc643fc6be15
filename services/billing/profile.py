"""Profiles: how a bank's or provider's statement is laid out, as data; a user adds one as a file, without code.

`services/billing/README.md` explains each field. Column names are compared without spaces, case or width.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from bailiwick_contracts.message import Identifier, Label, Record, Text
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Columns = Annotated[tuple[Label, ...], BeforeValidator(_several)]
"""One name or several, of which the first that stands in the file counts."""


class ProfileError(ValueError):
    """A profile cannot be used; the message says which file, field and why."""


class _Part(Record):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DirectionColumn(_Part):
    """A column that says whether money came in or went out."""

    column: Columns
    credit: Columns = ()
    debit: Columns = ()
    neutral: Columns = ()
    """Values of the column, compared from their beginning, whatever their case and width. Any other value is neutral too, unless
    `neutral` says which are: then a row with another one is turned down."""


class Void(_Part):
    """Rows in which no money moved, such as a trade that was closed unpaid."""

    column: Columns
    values: Columns


class Profile(_Part):
    """The layout of one kind of statement."""

    id: Identifier
    title: Label
    header: Annotated[tuple[Text, ...], BeforeValidator(_several)]
    """Columns that tell this kind from others; all of them stand in one line of the file. `a|b`: one of the two."""
    date: Columns
    time: Columns = ()
    amount: Columns = ()
    credit: Columns = ()
    debit: Columns = ()
    """`amount`: one column, signed or with a `direction`; `credit` and `debit`: one column each."""
    direction: DirectionColumn | None = None
    inverted: bool = False
    """A positive amount went out, as in statements of a credit card."""
    balance: Columns = ()
    counterparty: Columns = ()
    account: Columns = ()
    said: Columns = ()
    """All of these are read: what the payer wrote."""
    reference: Columns = ()
    currency: Columns = ()
    void: Void | None = None
    footer: Columns = ()
    """How a line of totals begins."""
    count: Label | None = None
    """A pattern with one group: how many rows the file says it has."""
    decimal: Annotated[str, Field(pattern=r"^[.,]$")] = "."
    day_first: bool = False
    """Dates are written 31/12/2026."""
    guessed: bool = False
    """Of no bank's own: read by the names of its columns, which the report says."""


def normal(text: str) -> str:
    """A column's name as it is compared."""
    flat = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s\"'`\ufeff]", "", flat)


def wanting(profile: Profile, names: set[str]) -> list[str]:
    """The columns of a profile's header that a line of these (normal) names has not."""
    return [column for column in profile.header if not any(normal(one) in names for one in column.split("|"))]


def family(profiles: Mapping[str, Profile], name: str) -> dict[str, Profile]:
    """The profile of a name and its variants, `name-…`: one bank exports in several layouts."""
    return {key: one for key, one in profiles.items() if key == name or key.startswith(f"{name}-")}


def parse_profile(text: str, where: str) -> Profile:
    """Read a profile from TOML.

    Raises:
        ProfileError: naming the file and the field.
    """
    try:
        profile = Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where}: this is no TOML: {error}") from None
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in found["loc"])
        raise ProfileError(f"{where}: {field}: {found['msg']}") from None
    if not profile.amount and not (profile.credit and profile.debit):
        raise ProfileError(f"{where}: amount: name the column of the amount, or both `credit` and `debit`")
    return profile


def shipped() -> dict[str, Profile]:
    """The profiles that come with the product, by id."""
    folder = files("services.billing").joinpath("profiles")
    found = [
        parse_profile(one.read_text(encoding="utf-8"), one.name)
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    ]
    return {profile.id: profile for profile in sorted(found, key=lambda one: one.id)}


def known_profiles(extra: Iterable[Path] = ()) -> dict[str, Profile]:
    """Every profile, those of `extra` files and directories over the shipped ones.

    Raises:
        ProfileError: a file is no profile.
    """
    found = shipped()
    for path in extra:
        for file in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
            profile = parse_profile(file.read_text(encoding="utf-8"), str(file))
            found[profile.id] = profile
    return found
