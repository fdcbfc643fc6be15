"""Who somebody is at the door today, looked up in the gateway's own copies and remembered for a moment."""

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.sealed import Personal, SealingError, open_field
from pydantic_core import from_json

from services.gateway.permission import Key, Who
from services.gateway.views import ACCOUNTS, API_KEYS, EMPLOYED, ENDS, HOMES, NAMES, POSITIONS, POWERS, PROPERTIES
from services.kernel.sealing import KeyStore
from services.kernel.store import Store

REMEMBERED_SECONDS = 1.0
"""How long a position that ended may still count."""
REMEMBERED = 10_000
T = TypeVar("T")


class Standing:
    """Accounts, keys, positions and powers, each looked up at most once a second."""

    def __init__(self, store: Store, keys: KeyStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read from the gateway's store."""
        self._store, self._keys, self._now = store, keys, now
        self._known: dict[tuple[Any, ...], tuple[float, Any]] = {}

    def who(self, actor: str, authmethod: str, caller: str, key: Key | None = None) -> Who:
        """Somebody with the positions held today."""
        staff_id, positions, is_person = self._remember(("held", actor), lambda: self._positions(actor))
        powers, doorkeepers = self._remember(("powers",), self._powers)
        return Who(staff_id, authmethod, caller, positions, powers, doorkeepers, key, is_person)

    def account(self, name: str) -> tuple[str, str, datetime] | None:
        """`staff_id`, the Argon2id hash and since when it holds; None for no account, or an erased person's."""
        with self._store.reading() as connection:
            row = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.account == name)).first()
        if row is None:
            return None
        try:
            sealed = Personal.model_validate_json(row.sealed)
            opened = open_field(sealed, event_id=row.event_id, path="password_hash", keys=self._keys)
        except SealingError:
            return None
        return row.staff_id, opened, datetime.fromisoformat(row.since)

    def account_since(self, name: str) -> tuple[str, datetime] | None:
        """Whose account it is, and since when its password holds."""
        found = self._remember(("account", name), lambda: self.account(name))
        return None if found is None else (found[0], found[2])

    def api_key(self, key_id: str, secret: str) -> tuple[str, Key] | None:
        """The actor of a key and what it was made for, where the secret is the right one."""
        row = self._remember(("key", key_id), lambda: self._key(key_id))
        found = hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
        if row is None or not _same(row.secret_hash, found):
            return None
        return row.acts_as, Key(key_id, frozenset(from_json(row.properties)), frozenset(from_json(row.access)))

    def person_of(self, system: str, external_id: str) -> str | None:
        """Whom an identity provider's subject means."""
        query = sa.select(NAMES.c.staff_id).where(NAMES.c.system == system, NAMES.c.external_id == external_id)
        found: str | None = self._remember(("name", system, external_id), lambda: self._scalar(query))
        return found

    def properties(self) -> tuple[str, ...]:
        """Every property, without the company."""
        query = sa.select(PROPERTIES.c.property_id).order_by(PROPERTIES.c.property_id)
        return self._remember(("properties",), lambda: tuple(row[0] for row in self._rows(query)))

    def is_place(self, property_id: str) -> bool:
        """Whether it is a property, or the company. One that is not remembered is looked for again: it may be of this moment."""
        if property_id not in everything(self):
            self._known.pop(("properties",), None)
        return property_id in everything(self)

    def is_person(self, staff_id: str) -> bool:
        """Whether the registry knows a person by this id. One that is remembered as unknown is looked for again, as with `is_place`."""
        if not self.who(staff_id, "", "").is_person:
            self._known.pop(("held", staff_id), None)
        return self.who(staff_id, "", "").is_person

    def seen_at(self, staff_id: str, property_id: str | None) -> bool:
        """Whether a person belongs to a property (None: to any), or holds or held a position there or at the company."""
        found = self._remember(("seen", staff_id), lambda: self._places(staff_id))
        return bool(found) if property_id is None else property_id in found or COMPANY in found

    def accounts(self) -> int:
        """How many accounts there are."""
        return self._scalar(sa.select(sa.func.count()).select_from(ACCOUNTS)) or 0

    def _remember(self, name: tuple[Any, ...], look: Callable[[], T]) -> T:
        now = time.monotonic()
        found = self._known.get(name)
        if found is not None and found[0] > now:
            return found[1]  # type: ignore[no-any-return]
        value = look()
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[name] = (now + REMEMBERED_SECONDS, value)
        return value

    def forget(self) -> None:
        """Look everything up anew."""
        self._known.clear()

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self._store.reading() as connection:
            return list(connection.execute(query))

    def _scalar(self, query: sa.Select[Any]) -> Any:
        rows = self._rows(query)
        return rows[0][0] if rows else None

    def _key(self, key_id: str) -> Any:
        rows = self._rows(sa.select(API_KEYS).where(API_KEYS.c.key_id == key_id))
        return rows[0] if rows else None

    def _positions(self, actor: str) -> tuple[str, dict[str, str], bool]:
        """The id that remains after merges, the position held at each property today, and whether it is a person's."""
        today = self._now().date()
        for _ in range(10):
            rows = self._rows(sa.select(EMPLOYED).where(EMPLOYED.c.staff_id == actor))
            if not rows or rows[0].into is None:
                break
            actor = rows[0].into
        if not rows or rows[0].gone or (rows[0].last_on is not None and rows[0].last_on < today):
            return actor, {}, bool(rows)
        return actor, self._held(actor, today), True

    def _held(self, staff_id: str, today: date) -> dict[str, str]:
        query = sa.select(POSITIONS).where(POSITIONS.c.staff_id == staff_id, POSITIONS.c.effective_on <= today)
        last = sa.select(sa.func.max(ENDS.c.last_on)).where(ENDS.c.staff_id == staff_id, ENDS.c.last_on < today)
        ended = self._scalar(last)
        if ended is not None:
            query = query.where(POSITIONS.c.effective_on > ended)
        rows = self._rows(query.order_by(POSITIONS.c.effective_on, POSITIONS.c.number))
        return {row.property_id: row.position for row in rows}

    def _places(self, staff_id: str) -> frozenset[str]:
        home = self._rows(sa.select(HOMES.c.property_id).where(HOMES.c.staff_id == staff_id))
        held = self._rows(sa.select(POSITIONS.c.property_id).where(POSITIONS.c.staff_id == staff_id))
        return frozenset(row[0] for row in (*home, *held))

    def _powers(self) -> tuple[frozenset[str], frozenset[str]]:
        """Of the matrix in force: the positions that hold any power, and the doorkeepers."""
        rows = self._rows(sa.select(POWERS))
        now = self._now()
        held = [row for row in rows if datetime.fromisoformat(row.holds_from) <= now]
        if not held:
            return frozenset(), frozenset()
        last = max(held, key=lambda row: (datetime.fromisoformat(row.holds_from), row.number))
        return frozenset(from_json(last.holders)), frozenset(from_json(last.doorkeepers))


def _same(left: str, right: str) -> bool:

    return hmac.compare_digest(left.encode(), right.encode())


def everything(standing: Standing) -> frozenset[str]:
    """Every property and the company."""
    return frozenset({*standing.properties(), COMPANY})
