"""Rebuilds views from the facts, beside the ones in use, and swaps them in one transaction while commands flow.

Own views are folded from the log, local copies from their source's feed, as far as the service took that source in. Views
that share a table are rebuilt together. What is folded lies in tables of its own until the swap, so a rebuild may be killed at
any point and begun again. All coordination is in the database: the service may run in another process, or in several.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from bailiwick_contracts.dead_letter import DeadLetterDropped
from bailiwick_contracts.envelope import Event, read_event
from eventsourcing.persistence import OperationalError

from services.kernel import parked
from services.kernel.change import added, key_of
from services.kernel.crash import crash_point
from services.kernel.dead_letter import letter_stream
from services.kernel.failure import place_of, told
from services.kernel.intake import readable
from services.kernel.service import Add, Change, Put, Remove, Service, View
from services.kernel.store import LOG_POSITION, Store
from services.kernel.versions import rebuilt

LOG = structlog.get_logger()
PAGE = 1_000
TAIL = 2_000
"""Facts that are folded while the writers' lock is held, at most."""
SWAPS = 10
ROUNDS = 20
AGAIN_SECONDS = 0.5
SHADOW, OLD = "__new", "__old"
GONE = 500
"""Rows that SQLite takes out at a time of a table that nobody uses: it overwrites what goes, a million rows in most of a minute."""
Feed = Callable[[str, str, int], Sequence[bytes]]
"""A source's facts of a property's chain after a number, waited for."""
Progress = Callable[[int, int], None]
"""Told how many facts of how many are folded."""


Tables = dict[sa.Table, dict[tuple[Any, ...], Change]]
"""What is to be written: of each table the last change of each row, by its primary key."""


class RebuildError(Exception):
    """A view could not be rebuilt; the message says why. The one in use is as it was."""


class _NotYetError(Exception):
    """Too much was stored since: more is to be folded before the lock is taken again."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild came to."""

    views: tuple[str, ...]
    tables: tuple[str, ...]
    facts: int
    seconds: float
    locked_seconds: float
    """How long commands waited for the swap."""


def together(service: Service, name: str) -> list[View]:
    """A view with all that share a table with it. Raises RebuildError for an unknown name."""
    group = [view for view in service.views if view.name == name]
    if not group:
        known = ", ".join(view.name for view in service.views) or "none"
        raise RebuildError(f"{service.name} has no view {name!r}; it has {known}")
    while True:
        tables = {table for view in group for table in view.tables}
        wider = [view for view in service.views if tables & set(view.tables)]
        if len(wider) == len(group):
            return wider
        group = wider


def collect(tables: Tables, table: sa.Table, change: Change) -> None:
    """Keep a change to be written into `table`, together with those of the same row before it."""
    values = change.row if isinstance(change, Put) else change.key
    key = tuple([values[name] for name in key_of(change.table)])
    rows = tables.setdefault(table, {})
    rows[key] = added(rows.get(key), change) if isinstance(change, Add) else change


def write_changes(store: Store, connection: sa.Connection, tables: Tables) -> None:
    """Write what was collected, in one statement per table and kind of change."""
    for table, changes in tables.items():
        store.put(connection, table, [c.row for c in changes.values() if isinstance(c, Put)])
        store.remove(connection, table, [c.key for c in changes.values() if isinstance(c, Remove)])
        store.add(connection, table, [{**c.key, **c.amounts} for c in changes.values() if isinstance(c, Add)])


def forgone(store: Store, connection: sa.Connection, event: Event[Any]) -> bool:
    """Whether the view in use lacks this fact too: its letter waits to be mended, or was dropped."""
    row = parked.row_of(connection, f"{event.log}:{event.property_id}", event.chainnumber)
    if row is not None:
        return not row["copied"]
    stream = letter_stream(event.id)
    told = store.facts_of(connection, [stream])[stream]
    return any(isinstance(read_event(fact.raw, fact.type).data, DeadLetterDropped) for fact in told)


class Rebuild:
    """One rebuild of views that belong together."""

    def __init__(
        self,
        service: Service,
        store: Store,
        views: Sequence[View],
        feed: Feed,
        *,
        progress: Progress = lambda _, __: None,
        stop: threading.Event | None = None,
        tries: int | None = 1,
    ) -> None:
        """`feed` gives the facts of other services, asked `tries` times or for ever; `stop` ends it between two pages."""
        self._service, self._store, self._views, self._feed = service, store, list(views), feed
        self._progress, self._stop, self._tries = progress, stop or threading.Event(), tries
        self._locked, self._total = False, 0
        self._tables = list(dict.fromkeys(table for view in views for table in view.tables))
        self._mark = secrets.token_hex(4)
        self._shadow = dict(zip(self._tables, map(self._beside, self._tables), strict=True))
        self._done: dict[str, int] = {}
        """Where each source stands: `""` the own log, else `<log>:<property>`."""
        self.facts = 0

    def run(self) -> Rebuilt:
        """Fold everything, then swap.

        Raises:
            RebuildError: a fold failed on a fact, another rebuild of the same views began, or it was stopped.
            PersistenceError: the database failed.
        """
        began = time.monotonic()
        self._begin()
        # What comes from another service is fetched before the lock is taken, but for what is taken in meanwhile.
        near = TAIL // 4 if all(view.source == self._service.name for view in self._views) else 0
        for attempt in range(SWAPS):
            for _ in range(ROUNDS):
                if self._missing(reached := self._reached()) <= near:
                    break
                self._fold(reached, self._in_transaction)
            try:
                locked = self._swap()
            except _NotYetError:
                continue
            except OperationalError as error:
                # A reader that takes long keeps PostgreSQL from exchanging the table under it.
                if attempt == SWAPS - 1:
                    raise
                LOG.warning("rebuild.swap", service=self._service.name, error=told(error))
                self._rest(1)
            else:
                seconds = time.monotonic() - began
                # What is left, because somebody else began or it was stopped, the next one takes out.
                with contextlib.suppress(RebuildError, OperationalError):
                    self._take_out(OLD)
                names = tuple(view.name for view in self._views), tuple(table.name for table in self._tables)
                return Rebuilt(*names, self.facts, seconds, locked)
        raise RebuildError(
            f"{self._service.name}: more was stored than folded, {SWAPS} times; try when less is going on"
        )

    # -- tables -----------------------------------------------------------------------------------------------------

    def _beside(self, table: sa.Table) -> sa.Table:
        made = table.to_metadata(sa.MetaData(), name=f"{table.name}{SHADOW}")
        for number, index in enumerate(sorted(made.indexes, key=lambda one: one.name or "")):
            index.name = sa.quoted_name(f"{table.name[:40]}_{self._mark}_{number}", quote=None)
        return made

    def _begin(self) -> None:
        """Make the tables anew; whatever a rebuild left that was killed goes."""
        with self._store.transaction() as connection:
            for table in self._tables:
                self._store.set_setting(connection, f"rebuild:{table.name}", self._mark)
        for suffix in (SHADOW, OLD):
            self._take_out(suffix)
        with self._store.transaction() as connection:
            self._check_mine(connection)
            for shadow in self._shadow.values():
                shadow.create(connection)

    def _take_out(self, suffix: str) -> None:
        """Drop tables that nobody uses, so that commands hardly wait: on SQLite their rows go first, some at a time."""
        for table in self._tables:
            gone = False
            while not gone:
                began = time.monotonic()
                with self._store.transaction() as connection:
                    self._limit_waiting(connection)
                    self._check_mine(connection)
                    gone = _taken_out(connection, f"{table.name}{suffix}")
                if not gone:
                    self._tell()
                    self._rest(time.monotonic() - began)

    def _check_mine(self, connection: sa.Connection) -> None:
        for table in self._tables:
            if self._store.setting(connection, f"rebuild:{table.name}") != self._mark:
                raise RebuildError(f"{self._service.name}: another rebuild of {table.name} began; this one ends")
        if self._stop.is_set():
            raise RebuildError(f"{self._service.name}: stopped; the view in use is as it was")

    # -- folding ----------------------------------------------------------------------------------------------------

    def _reached(self) -> dict[str, int]:
        """How far the views in use reach."""
        with self._store.reading() as connection:
            return self._reached_in(connection)

    def _reached_in(self, connection: sa.Connection) -> dict[str, int]:
        reached = {}
        for source in dict.fromkeys(view.source for view in self._views):
            if source == self._service.name:
                reached[""] = self._store.head(connection, LOG_POSITION).number
            else:
                tracked = self._store.tracked(connection, f"{source}-%")
                reached |= {
                    chain: number for chain, (number, _) in tracked.items() if parked.service_of(chain) == source
                }
        return reached

    def _missing(self, reached: dict[str, int]) -> int:
        self._tell(sum(reached.values()))
        return sum(number - self._done.get(chain, 0) for chain, number in reached.items())

    def _tell(self, total: int | None = None) -> None:
        """Tell how far it is; also while it waits for a source or takes rows out, which is no standstill."""
        self._total = self._total if total is None else total
        self._progress(self.facts, max(self.facts, self._total))

    def _fold(self, reached: dict[str, int], write: Callable[[list[tuple[str, Event[Any], bytes]]], None]) -> None:
        for chain, until in reached.items():
            while (have := self._done.get(chain, 0)) < until:
                page = self._own(have, until) if chain == "" else self._copied(chain, have, until)
                write(page)
                self.facts += len(page)
                self._tell(sum(reached.values()))

    def _own(self, have: int, until: int) -> list[tuple[str, Event[Any], bytes]]:
        facts = [fact for fact in self._store.after(have, PAGE) if fact.position <= until]
        self._done[""] = facts[-1].position if facts else until
        return [(self._service.name, read_event(fact.raw, fact.type), fact.raw) for fact in facts]

    def _copied(self, chain: str, have: int, until: int) -> list[tuple[str, Event[Any], bytes]]:
        log, _, property_id = chain.partition(":")
        source = parked.service_of(chain)
        page = []
        for raw in self._asked(source, property_id, have)[: until - have]:
            event, unread = readable(raw)
            if event.log != log or event.chainnumber != have + 1:
                raise RebuildError(
                    f"{source} gives number {event.chainnumber} of {event.log} where {have + 1} of {log} is due"
                )
            have += 1
            if unread is None:
                page.append((source, event, raw))
        if have == self._done.get(chain, 0):
            raise RebuildError(f"{source} gives nothing after number {have} of {chain}, of which {until} were taken in")
        self._done[chain] = have
        return page

    def _asked(self, source: str, property_id: str, have: int) -> Sequence[bytes]:
        """A page of a source's facts; while the lock is held it is asked for once, and quickly."""
        attempt = 0
        while True:
            try:
                return self._feed(source, property_id, have)
            except Exception as error:
                attempt += 1
                if self._locked:
                    raise _NotYetError from error
                if attempt == self._tries or self._stop.is_set():
                    raise RebuildError(
                        f"{source} does not give its facts ({type(error).__name__}); is it running?"
                    ) from error
                self._tell()
                self._rest(AGAIN_SECONDS)

    def _in_transaction(self, page: list[tuple[str, Event[Any], bytes]]) -> None:
        began = time.monotonic()
        with self._store.beside() as connection:
            self._check_mine(connection)
            self._write(connection, page)
        crash_point("rebuild-page")
        if self._store.sqlite:
            # The file has one writer at a time, and the service's is to have its turn.
            self._rest(min(0.2, time.monotonic() - began))

    def _write(self, connection: sa.Connection, page: Sequence[tuple[str, Event[Any], bytes]]) -> None:
        """Write what a page of facts comes to; where that fails, in smaller parts without those that the view in use lacks."""
        driver = connection.dialect.loaded_dbapi
        try:
            with connection.begin_nested():
                write_changes(self._store, connection, self._changes(page))
        except (driver.OperationalError, driver.InterfaceError):
            raise
        except Exception as error:
            if len(page) > 1:
                self._write(connection, page[: len(page) // 2])
                self._write(connection, page[len(page) // 2 :])
                return
            ((source, event, _),) = page
            if not forgone(self._store, connection, event):
                names = ", ".join(view.name for view in self._views if view.source == source)
                raise RebuildError(
                    f"{self._service.name}: view {names} fails on {event.type} {event.id}: {place_of(error)}"
                ) from error

    def _changes(self, page: Iterable[tuple[str, Event[Any], bytes]]) -> Tables:
        tables: Tables = {}
        for source, event, raw in page:
            for view in self._views:
                if view.source == source:
                    for change in view.fold(event, raw):
                        collect(tables, self._shadow[change.table], change)
        return tables

    # -- the swap ---------------------------------------------------------------------------------------------------

    def _swap(self) -> float:
        """Fold what was stored meanwhile and exchange the tables, with the writers' lock held."""
        with self._store.transaction() as connection:
            began = time.monotonic()
            self._limit_waiting(connection)
            self._check_mine(connection)
            reached = self._reached_in(connection)
            if self._missing(reached) > TAIL:
                raise _NotYetError
            before, facts, self._locked = dict(self._done), self.facts, True
            try:
                self._fold(reached, lambda page: self._write(connection, page))
                crash_point("rebuild-swap")
                for table, shadow in self._shadow.items():
                    _rename(connection, table.name, f"{table.name}{OLD}")
                    _rename(connection, shadow.name, table.name)
                rebuilt(self._store, connection, self._views)
            except BaseException:
                self._done, self.facts = before, facts
                raise
            finally:
                self._locked = False
        crash_point("rebuild-swapped")
        return time.monotonic() - began

    def _limit_waiting(self, connection: sa.Connection) -> None:
        """Commands wait while this waits for a reader of a table, so it gives up soon."""
        if not self._store.sqlite:
            connection.execute(sa.text("SET LOCAL lock_timeout = '2s'"))

    def _rest(self, seconds: float) -> None:
        self._stop.wait(seconds)


def _rename(connection: sa.Connection, name: str, new: str) -> None:
    quote = connection.dialect.identifier_preparer.quote
    connection.execute(sa.text(f"ALTER TABLE {quote(name)} RENAME TO {quote(new)}"))


def _taken_out(connection: sa.Connection, name: str) -> bool:
    """Whether a table is gone; else some of its rows are."""
    quote, inspector = connection.dialect.identifier_preparer.quote, sa.inspect(connection)
    if connection.dialect.name == "sqlite" and inspector.has_table(name):
        keys = ", ".join(map(quote, inspector.get_pk_constraint(name)["constrained_columns"])) or "rowid"
        some = f"DELETE FROM {quote(name)} WHERE ({keys}) IN (SELECT {keys} FROM {quote(name)} LIMIT {GONE})"  # noqa: S608 - names of ours
        if connection.execute(sa.text(some)).rowcount == GONE:
            return False
    connection.execute(sa.text(f"DROP TABLE IF EXISTS {quote(name)}"))
    return True
