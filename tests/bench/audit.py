"""`python -m tests.bench.audit [FACTS]`: a ledger of a million facts, its log, its views; each figure beside a reference of the same run.

The facts are those of a small office, rendered again under new ids, numbers and people until there are enough. Re-adjudication
has a ledger of its own of as many facts (`tests.bench.company`), whose every ruling comes out again; it streams from the database
in a process of its own, whose memory is stated. Memory is the most that a process held, from the operating system.
"""

import hashlib
import itertools
import multiprocessing
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import hash_of, read_event
from bailiwick_contracts.readjudicate import Summary, readjudicate
from pydantic_core import from_json, to_json

from services.audit import ledger
from services.audit.app import service
from services.audit.log.files import at, entries_of, entry_at, hash_tiles
from services.audit.log.keeper import Keeper
from services.audit.log.note import Policy
from services.audit.log.proof import Proof
from services.audit.log.tree import WIDTH, Tree
from services.audit.log.verification import verify
from services.audit.views import CHAINS, LEDGER, MENTIONS, fold
from services.kernel.heap import collect_less
from services.kernel.reading import QueryReading
from services.kernel.rebuild import Rebuild, Rebuilt, together
from services.kernel.sealing import KeyStore
from services.kernel.service import Put, Service
from services.kernel.store import Store
from tests.audit.office import Office, month
from tests.bench.company import Company

PEOPLE = 2_000
AT_ONCE = 5_000
PROPERTY = "north-court"


def facts(templates: list[dict[str, Any]], count: int) -> Iterator[bytes]:
    """So many stored facts of one chain; templates are numbered and named anew."""
    previous = "0" * 64
    shapes = []
    for template in templates:
        text = to_json(
            template | {"id": "@id@", "chainnumber": 0, "previoushash": "@previous@", "subject": "@stream@"}
        ).decode()
        shapes.append(re.sub(r'"s-[0-9]+"', '"@who@"', text.replace('"chainnumber":0', '"chainnumber":@number@')))
    for number in range(1, count + 1):
        shape = shapes[number % len(shapes)]
        raw = (
            shape.replace("@id@", f"0197{number:028x}")
            .replace("@number@", str(number))
            .replace("@previous@", previous)
            .replace("@stream@", f"stream-{number % 50_000}")
            .replace("@who@", f"s-{number % PEOPLE}")
            .encode()
        )
        previous = hash_of(raw)
        yield raw


def timed(what: str, count: int, work: Callable[[], Any], reference: float | None = None) -> tuple[Any, float]:
    """Run and print a rate, what it would be by this process's CPU time alone, and its ratio to a reference rate."""
    begun, spent = time.perf_counter(), time.process_time()
    result = work()
    rate, of_cpu = count / (time.perf_counter() - begun), count / max(1e-9, time.process_time() - spent)
    shown = f"   {rate / reference:6.3f} of reading the rows" if reference else ""
    print(f"  {what:<58} {rate:12,.0f}/s  by CPU {of_cpu:12,.0f}/s{shown}", flush=True)
    return result, rate


def store_all(store: Store, raws: Iterator[bytes]) -> None:
    """Fold facts into the ledger's tables, as its views do, a batch at a time."""
    while batch := list(itertools.islice(raws, AT_ONCE)):
        rows: dict[sa.Table, dict[Any, Any]] = {LEDGER: {}, MENTIONS: {}, CHAINS: {}}
        for raw in batch:
            for change in fold(read_event(raw), raw):
                if isinstance(change, Put):
                    key = tuple(change.row[column.name] for column in change.table.primary_key.columns)
                    rows[change.table][key] = change.row
        with store.transaction() as connection:
            for table, members in rows.items():
                store.put(connection, table, list(members.values()))


def read_all(reading: QueryReading) -> int:
    """The reference: the same rows, read from the database in the order of their chain, as the builder reads them."""
    after, count = 0, 0
    while True:
        query = (
            sa.select(LEDGER.c.chainnumber, LEDGER.c.raw)
            .where(LEDGER.c.service == "attendance", LEDGER.c.property_id == PROPERTY, LEDGER.c.chainnumber > after)
            .order_by(LEDGER.c.chainnumber)
            .limit(AT_ONCE)
        )
        rows = reading.rows(query)
        count += len(rows)
        if len(rows) < AT_ONCE:
            return count
        after = rows[-1].chainnumber


def penalties_of(reading: QueryReading, person: str) -> int:
    """One person's penalty history, page by page as audit answers it."""
    found, after = 0, None
    while True:
        page, after = ledger.of_person(reading, person, after, 200, "penalty")
        found += len(page)
        if after is None:
            return found


def rebuilt(audit: Service, store: Store, reading: QueryReading) -> Rebuilt:
    """Every view of audit folded anew from its source's feed and swapped, as `bailiwick rebuild` does it."""
    log = f"{reading.rows(sa.select(CHAINS.c.log))[0].log}:{PROPERTY}"

    def feed(_: str, __: str, after: int) -> list[bytes]:
        query = sa.select(LEDGER.c.raw).where(LEDGER.c.service == "attendance", LEDGER.c.property_id == PROPERTY)
        rows = reading.rows(query.where(LEDGER.c.chainnumber > after).order_by(LEDGER.c.chainnumber).limit(1_000))
        return [bytes(row.raw) for row in rows]

    with store.transaction() as connection:
        last = reading.rows(sa.select(CHAINS.c.number, CHAINS.c.hash))[0]
        store.track(connection, log, last.number, last.hash)
    return Rebuild(audit, store, together(audit, "ledger-attendance"), feed).run()


def milliseconds(work: Callable[[Any], Any], arguments: list[Any]) -> tuple[float, float]:
    """Median and worst."""
    taken = []
    for argument in arguments:
        begun = time.perf_counter()
        work(argument)
        taken.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(taken), max(taken)


def compared(what: str, work: Callable[[Any], Any], reads: Callable[[Any], Any], arguments: list[Any]) -> None:
    """Print median and worst in milliseconds, beside reading the same rows from the database, each first and each second."""
    half = len(arguments) // 2
    first, again = milliseconds(work, arguments[:half]), milliseconds(reads, arguments[:half])
    reads_first, work_again = milliseconds(reads, arguments[half:]), milliseconds(work, arguments[half:])
    median, worst = (first[0] + work_again[0]) / 2, max(first[1], work_again[1])
    read = (again[0] + reads_first[0]) / 2
    print(
        f"  {what:<58} {median:12.2f} {worst:8.2f}   {median / read:6.1f} times reading its rows ({read:.2f} ms)",
        flush=True,
    )


def plainly(reading: QueryReading, person: str, limit: int, about: str | None = "penalty") -> int:
    """The reference: the stored rows of one person, a page of them after the other, and nothing made of them."""
    order = (MENTIONS.c.recordedat, MENTIONS.c.event_id)
    query = (
        sa.select(*order, MENTIONS.c.fields, LEDGER.c.raw, LEDGER.c.type)
        .join(LEDGER, LEDGER.c.event_id == MENTIONS.c.event_id)
        .where(MENTIONS.c.staff_id == person)
        .order_by(*order)
        .limit(limit)
    )
    if about is not None:
        query = query.where(MENTIONS.c.type.like(f"%.{about}%"))
    return sum(len(row.raw) for row in reading.rows(query))


def memory() -> int:
    """The most memory that this process held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def judged(place: Path) -> tuple[float, float, int, Summary]:
    """Re-adjudicate a ledger in this process: seconds, seconds of CPU time, MiB, and what it came to."""
    store, keys = Store(f"sqlite:///{place}/company.sqlite"), KeyStore(place / "office" / "keys")
    collect_less()
    summary = Summary()
    begun, spent = time.perf_counter(), time.process_time()
    with store.reading() as connection:
        reading = QueryReading(service(keys), store, keys, connection)
        for finding in readjudicate(ledger.every_raw(reading), keys, summary=summary):
            print(f"  does not come out: {finding}")
    taken = time.perf_counter() - begun, time.process_time() - spent
    store.close()
    return *taken, memory(), summary


def readjudication(place: Path, own: list[bytes], office: Office, count: int) -> None:
    """Every ruling of a ledger of so many facts given again, beside reading the same rows in the same order."""
    company = Company(own, office.keys)
    copies = company.copies_of(count)
    total = company.once + copies * company.per_copy
    audit = service(office.keys)
    store = Store(f"sqlite:///{place}/company.sqlite", views=[t for view in audit.views for t in view.tables])
    timed(f"re-adjudication: {total:,} facts written for it", total, lambda: store_all(store, company.raws(copies)))
    with store.reading() as connection:
        reading = QueryReading(audit, store, office.keys, connection)

        def read() -> None:
            assert sum(1 for _ in ledger.every_raw(reading)) == total

        _, reference = timed("reference: reading the rows from the database, as recorded", total, read)
    store.close()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        seconds, of_cpu, held, summary = executor.submit(judged, place).result()
    rate = total / seconds
    ratio = f"{rate / reference:6.3f} of reading the rows"
    print(f"  {'re-adjudication, facts':<58} {rate:12,.0f}/s  by CPU {total / of_cpu:12,.0f}/s   {ratio}")
    rulings = f"{summary.judged:,} rulings and {summary.derivations:,} days again; all agree: {summary.agrees}"
    print(f"  {'  ' + rulings:<58} {summary.judged / seconds:12,.0f}/s")
    print(f"  {'  memory of its process, MiB':<58} {held:12,}", flush=True)


def main(count: int) -> None:
    """Print every figure, in a process that looks for cycles as a service does."""
    collect_less()
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "office").mkdir()
        office = Office(place / "office")
        office.set_up()
        month(office)
        own = office.raws()
        templates = [
            from_json(raw) for raw in own if read_event(raw).property_id == PROPERTY and b"attendance" in raw[:400]
        ]
        templates = [one for one in templates if one["type"].startswith("attendance.")]
        print(f"{count:,} facts of one property, {sum(map(len, own)) // len(own)} bytes each on average (SQLite)")
        keys = KeyStore(place / "keys")
        audit = service(keys)
        store = Store(f"sqlite:///{place}/audit.sqlite", views=[t for view in audit.views for t in view.tables])
        _, folded = timed(
            "views: folded into ledger, mentions and chains", count, lambda: store_all(store, facts(templates, count))
        )
        with store.reading() as connection:
            reading = QueryReading(audit, store, keys, connection)
            timed("reference: reading the rows from the database, cold", count, lambda: read_all(reading))
            found, reference = timed(
                "reference: reading the rows from the database, again", count, lambda: read_all(reading)
            )
            assert found == count
            print(f"  {'views: folding / reading the rows':<58} {folded / reference:12.3f}")
            keeper = Keeper(place / "tlog", keys)
            built, rate = timed(
                "log: built, signed, synced (goal 20,000/s)", count, lambda: keeper.build(reading, PROPERTY), reference
            )
            log, size = keeper.log(PROPERTY), count
            assert built.added == count
            fetch, policy = at(log.directory), log.policy() or Policy(())

            def hashing() -> None:
                for start in range(0, size, WIDTH):
                    for entry in entries_of(fetch, start // WIDTH, min(WIDTH, size - start)):
                        hashlib.sha256(b"\x00" + entry).digest()

            _, hashes = timed("reference: SHA-256 over the same entries alone", count, hashing)
            print(f"  {'log: build / hashing alone':<58} {rate / hashes:12.3f}")
            one, _ = timed("log: verified whole (goal 50,000/s)", count, lambda: verify(fetch, policy), reference)
            with ProcessPoolExecutor(2) as executor:
                two, _ = timed(
                    "log: verified whole, two processes",
                    count,
                    lambda: verify(fetch, policy, executor=executor),
                    reference,
                )
            assert one.holds
            assert two.holds
            checkpoint = log.current()
            assert checkpoint is not None
            proofs: list[str] = []

            def prove(index: int) -> None:
                entry = entry_at(fetch, index, size)
                hashes = tuple(Tree(size, hash_tiles(fetch)).inclusion(index))
                proof = Proof(index, hashes, checkpoint, log.salts.read(index) or b"")
                proof.check(entry, policy)
                proofs.append(str(proof))

            (chain,) = reading.rows(sa.select(CHAINS.c.log))
            picked = [chance.randrange(size) for _ in range(200)]

            def row_of(index: int) -> None:
                place = {"service": "attendance", "log": chain.log, "property_id": PROPERTY, "chainnumber": index + 1}
                query = sa.select(LEDGER.c.raw).where(*(LEDGER.c[name] == value for name, value in place.items()))
                assert len(reading.rows(query)) == 1

            compared("proof made and checked, ms, median and worst (goal 5)", prove, row_of, picked)
            print(f"  {'proof, bytes at most (goal 2,048)':<58} {max(map(len, proofs)):12,}")
            people = [f"s-{number}" for number in range(2, 42)]
            print(f"  {'  facts about penalties of one person':<58} {penalties_of(reading, 's-42'):12,}")
            compared(
                "one person, penalty history, ms, median and worst (goal 100)",
                lambda person: penalties_of(reading, person),
                lambda person: plainly(reading, person, 1_000),
                people,
            )
            compared(
                "one person, everything, a page of 100, ms",
                lambda person: ledger.of_person(reading, person, None, 100),
                lambda person: plainly(reading, person, 100, None),
                people,
            )
            compared(
                "who decided every penalty, the first 100 of them, ms",
                lambda person: ledger.of_person(reading, person, None, 100, "penalty"),
                lambda person: plainly(reading, person, 100),
                ["s-director"] * 20,
            )
            done, _ = timed(
                "views: every one of audit rebuilt and swapped",
                count,
                lambda: rebuilt(audit, store, reading),
                reference,
            )
            print(f"  {'  of which commands waited for the swap, s':<58} {done.locked_seconds:12.2f}")
        store.close()
        print(f"  {'memory of this process so far, MiB':<58} {memory():12,}")
        (place / "audit.sqlite").unlink()
        readjudication(place, own, office, count)
        office.close()


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "").replace(",", "")) if len(sys.argv) > 1 else 1_000_000)
