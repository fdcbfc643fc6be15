"""A month of a company's billing by stage: `python -m tests.bench.billing [--units 100000] [--database sqlite|postgres]`.

Fifty properties' units with 3.5 charges each (a water meter at every second one), receipts for 110 % of them, rates of all
properties; straight through the service's writer, without a bus. Wall clock, and how long this process and the database's
worked, which a busy machine stretches less; the most memory this process held. Each figure stands beside a reference of the
same run: plain rows of the same number put into the same database by the same driver. Nothing fails on a number.
"""

import argparse
import contextlib
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from bailiwick_contracts.billing import UNITS_LIMIT, AdoptTariff, RegisterUnits
from bailiwick_contracts.charge import RUN_LIMIT, ChargeUnits, FinishChargeRun, StartChargeRun
from bailiwick_contracts.collection import Figures, GetCollection, figures, movements_of
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.meter import METERS_LIMIT, READINGS_LIMIT, RecordReadings, RegisterMeters
from bailiwick_contracts.receipt import RECEIPTS_LIMIT, AllocateReceipts, PostReceipts, ReceiptRow
from bailiwick_contracts.registry import AddProperty
from bailiwick_contracts.tariff import first_of

from services.billing.sums import COLLECTED
from services.billing.views import CHARGES, RECEIPTS
from services.kernel.heap import collect_less
from tests import servers
from tests.billing.office import SETUP, Accounts, flat, line, local, spell, tariff

LINES = (
    line("mgmt", price="2.80"),
    line("lift", fee_class="other", basis="per_unit", price="35.00"),
    line("parking", fee_class="parking", basis="per_bay", price="180.00"),
    line("water", fee_class="water", basis="per_meter", price="3.45", meter_kind="water"),
)
MONTH = "2026-03"
FEES = ("management", "water", "electricity", "parking", "rent")


class Company:
    """Properties of 2,000 units, or fewer; a run and an allocation ask for `at_once` units or receipts a request."""

    at_once = min(RUN_LIMIT, RECEIPTS_LIMIT)

    def __init__(self, url: str, directory: Path, units: int, since: date = date(2026, 3, 1)) -> None:
        accounts = Accounts(url, directory)
        accounts.now = local(since)
        self._of(accounts.set_up(tariffs=(), terms=None), units)
        self.accounts.register(*(AddProperty(property_id=place, name=place) for place in self.places))

    @classmethod
    def resumed(cls, accounts: Accounts, units: int) -> Self:
        """The same company in another process, prepared before."""
        found = cls.__new__(cls)
        found._of(accounts, units)
        return found

    def _of(self, accounts: Accounts, units: int) -> None:
        self.accounts = accounts
        each = min(2_000, units)
        self.places = [f"court-{number:02d}" for number in range(units // each)]
        self.ids = [f"{1 + number // 200}-{number % 200:03d}" for number in range(each)]
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self.database_processor_seconds: dict[str, float] = {}
        self.server = server_of(self.accounts)

    def send(self, request: Request, place: str) -> Any:
        (answer,) = self.accounts.billing.process([self.accounts.sign(request, SETUP, place)])
        assert not isinstance(answer, Exception), answer
        assert answer.outcome in ("done", "ignored"), answer
        return answer

    def send_all(self, requests: Sequence[tuple[Request, str]]) -> None:
        """Many commands that wait together: one transaction, as the writer takes them."""
        signed = [self.accounts.sign(request, SETUP, place) for request, place in requests]
        for answer in self.accounts.billing.process(signed):
            assert not isinstance(answer, Exception), answer
            assert answer.outcome in ("done", "ignored"), answer

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun, worked, served = time.perf_counter(), time.process_time(), worked_by(self.server)
        yield
        self.seconds[name] = round(time.perf_counter() - begun, 2)
        self.processor_seconds[name] = round(time.process_time() - worked, 2)
        self.database_processor_seconds[name] = round(worked_by(self.server) - served, 2)
        sys.stderr.write(
            f"{name}: {self.seconds[name]} s, of which this process worked {self.processor_seconds[name]} s "
            f"and the database server {self.database_processor_seconds[name]} s\n"
        )

    def prepare(self) -> None:
        for place in self.places:
            self.send(AdoptTariff(tariff=tariff("2026-a", *LINES), effective_on=date(2026, 1, 1)), place)
            units = [flat(one, f"{60 + index % 90}.5", bays=1) for index, one in enumerate(self.ids)]
            for start in range(0, len(units), UNITS_LIMIT):
                self.send(RegisterUnits(units=tuple(units[start : start + UNITS_LIMIT])), place)
            meters = [
                {"meter_id": f"w-{one}", "unit_id": one, "kind": "water", "installed_on": "2026-01-01"}
                for one in self.ids[::2]
            ]
            for start in range(0, len(meters), METERS_LIMIT):
                body = json.dumps({"meters": meters[start : start + METERS_LIMIT]})
                self.send(RegisterMeters.model_validate_json(body), place)

    def read_meters(self) -> None:
        for place in self.places:
            rows = [
                {
                    "reading_id": f"r-{one}",
                    "meter_id": f"w-{one}",
                    "read_on": date(2026, 3, 1),
                    "value": str(5 + index % 30),
                }
                for index, one in enumerate(self.ids[::2])
            ]
            for start in range(0, len(rows), READINGS_LIMIT):
                part = tuple(rows[start : start + READINGS_LIMIT])
                self.send(RecordReadings.model_validate({"rows": part}), place)

    def charge(self) -> int:
        made = 0
        for place in self.places:
            self.send(StartChargeRun(month=MONTH), place)
            for start in range(0, len(self.ids), self.at_once):
                request = ChargeUnits(month=MONTH, unit_ids=tuple(self.ids[start : start + self.at_once]))
                made += self.send(request, place).result["charges"]
            self.send(FinishChargeRun(month=MONTH), place)
        return made

    def receipts(self) -> Iterator[tuple[str, list[ReceiptRow]]]:
        """For each unit a receipt of what it owes and a little more; for each tenth a second one."""
        for place in self.places:
            rows = []
            for index, one in enumerate([*self.ids, *self.ids[::10]]):
                name = hashlib.sha256(f"{place}{index}".encode()).hexdigest()[:24]
                amount = Decimal(60 + index % len(self.ids) % 90) * Decimal("2.80") + Decimal(216 + index % 5)
                rows.append(
                    ReceiptRow(
                        receipt_id=name,
                        received_on=date(2026, 3, 5) + timedelta(days=index % 20),
                        amount=amount,
                        unit_id=one,
                    )
                )
            yield place, rows

    def post(self) -> int:
        posted = 0
        for place, rows in self.receipts():
            for start in range(0, len(rows), self.at_once):
                self.send(PostReceipts(rows=tuple(rows[start : start + self.at_once]), allocate=False), place)
            posted += len(rows)
        return posted

    def allocate(self) -> int:
        paid = 0
        for place, rows in self.receipts():
            for start in range(0, len(rows), self.at_once):
                ids = tuple(row.receipt_id for row in rows[start : start + self.at_once])
                paid += sum(row.outcome == "done" for row in self.send(AllocateReceipts(receipt_ids=ids), place).rows)
        return paid

    def totals(self) -> dict[str, str]:
        charged = sum((self.accounts.last_finished(place) for place in self.places), Decimal(0))
        received = {name: Decimal(0) for name in ("received", "allocated", "unapplied")}
        for place in self.places:
            for name, value in self.accounts.totals(place).items():
                if name in received:
                    received[name] += value
        return {"charged": f"{charged:.2f}", **{name: f"{value:.2f}" for name, value in received.items()}}


def server_of(accounts: Accounts) -> int | None:
    """The process id of the database's server, if it runs on this machine."""
    if accounts.url.startswith("sqlite"):
        return None
    with accounts.store.reading() as connection:
        backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    fields = _stat(int(backend))
    return int(fields[1]) if fields else None


def worked_by(server: int | None) -> float:
    """Seconds that a database's server and its children have worked, those that ended included; 0 where none is seen."""
    if server is None:
        return 0.0
    ticks = 0
    for pid in [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]:
        fields = _stat(pid)
        if fields and (pid == server or int(fields[1]) == server):
            ticks += sum(map(int, fields[11:15] if pid == server else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def reference(accounts: Accounts, rows: int) -> float:
    """Seconds to put so many plain rows into a table of the same database, 2,000 at a time."""
    table = sa.Table(
        "bench_reference", sa.MetaData(), *(sa.Column(c.name, c.type, primary_key=c.primary_key) for c in RECEIPTS.c)
    )
    row = {c.name: "x" for c in RECEIPTS.c} | {"amount": 1, "fee": 0, "refunded": 0, "unapplied": 1, "bounced": False}
    begun = time.perf_counter()
    with accounts.store.transaction() as connection:
        table.create(connection)
    for start in range(0, rows, 2_000):
        with accounts.store.transaction() as connection:
            part = [row | {"receipt_id": f"{number:09d}"} for number in range(start, min(rows, start + 2_000))]
            connection.execute(sa.insert(table), part)
    return round(time.perf_counter() - begun, 2)


def measure(url: str, directory: Path, units: int) -> dict[str, Any]:
    """One month, by stage."""
    company = Company(url, directory, units)
    accounts = company.accounts
    with company.stage("prepare"):
        company.prepare()
    with company.stage("readings"):
        company.read_meters()
    with company.stage("charge run"):
        charges = company.charge()
    accounts.now = local(date(2026, 3, 26))
    with company.stage("post receipts"):
        receipts = company.post()
    with company.stage("allocate"):
        allocated = company.allocate()
    with company.stage("rates"):
        found = accounts.read(GetCollection(month=MONTH, as_of=date(2026, 3, 26)), COMPANY)
    shown = {
        "units": len(company.places) * len(company.ids),
        "charges": charges,
        "receipts": receipts,
        "allocated": allocated,
    }
    plain = reference(accounts, charges)
    result = {
        **shown, "rates_for": len(found["properties"]), "seconds": company.seconds,
        "processor_seconds": company.processor_seconds,
        "database_processor_seconds": company.database_processor_seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "reference_rows_seconds": plain,
        "charges_per_second": round(charges / company.seconds["charge run"]),
        "receipts_allocated_per_second": round(allocated / company.seconds["allocate"]),
        "charge_run_over_reference": round(company.seconds["charge run"] / plain, 1), "totals": company.totals(),
    }  # fmt: skip
    accounts.close()
    return result


def two_years(url: str, directory: Path, units: int) -> dict[str, Any]:
    """Rates of every property as of days of the last two years, from the views, and one property's rebuilt from its events.

    What a rate is summed from has a row a day and class, however many units pay: with 2,700 units somebody pays of each class
    on each day, and 100,000 units make no more rows.
    """
    company = Company(url, directory, units, date(2023, 12, 1))
    accounts = company.accounts
    accounts.now = local(date(2024, 1, 1))
    fifty = [f"court-{number:02d}" for number in range(50)]
    accounts.register(*(AddProperty(property_id=place, name=place) for place in fifty if place not in company.places))
    company.places, company.ids = fifty, company.ids[: units // 50]
    with company.stage("prepare"):
        for place in fifty:
            lines = [line(fee, fee_class=fee, basis="per_unit", price="40.00") for fee in FEES]
            company.send(AdoptTariff(tariff=tariff("2024", *lines), effective_on=date(2024, 1, 1)), place)
            halves = [("owner", date(2020, 1, 1)), ("developer", date(2020, 1, 1))]
            found = [flat(one, spells=(spell(*halves[index % 2]),)) for index, one in enumerate(company.ids)]
            company.send(RegisterUnits(units=tuple(found)), place)
    months = [f"{2024 + number // 12}-{number % 12 + 1:02d}" for number in range(24)]
    with company.stage("two years of charges and receipts"):
        for month in months:
            first = first_of(month)
            accounts.now = max(accounts.now, local(first))
            company.send_all([(StartChargeRun(month=month), place) for place in fifty])
            company.send_all([(ChargeUnits(month=month, unit_ids=tuple(company.ids)), place) for place in fifty])
            for index, day in enumerate(range(1, 28)):
                on = first + timedelta(days=day)
                accounts.now = local(on)
                posts: list[tuple[Request, str]] = []
                for place in fifty:
                    named = [(f"{place}-{month}-{one}", one) for one in company.ids[index::27]]
                    rows = [
                        ReceiptRow(receipt_id=name, received_on=on, amount=Decimal("197.50"), unit_id=one)
                        for name, one in named
                    ]
                    posts += [(PostReceipts(rows=tuple(rows)), place)] if rows else []
                company.send_all(posts)
    days = [date(2024, 3, 9), date(2024, 12, 31), date(2025, 6, 15), date(2025, 12, 26)]
    taken, worked = [], []
    for on in days:
        begun, was = time.perf_counter(), time.process_time() + worked_by(company.server)
        found_ = accounts.read(GetCollection(month=f"{on:%Y-%m}", as_of=on), COMPANY)["properties"]
        taken.append(round(time.perf_counter() - begun, 3))
        worked.append(round(time.process_time() + worked_by(company.server) - was, 3))
        assert len(found_) == 50
        moved = [one for event in accounts.facts("", "court-07") for one in movements_of(event.data)]
        again = figures(moved, f"{on:%Y-%m}", definition="strict/1", grace_days=10, as_of=on)
        assert Figures.model_validate(found_["court-07"]) == again, on
        assert again.of_year, "nothing was due by then"
    with accounts.store.reading() as connection:
        summed = connection.execute(sa.select(sa.func.count()).select_from(COLLECTED)).scalar()
        charges = connection.execute(sa.select(sa.func.count()).select_from(CHARGES)).scalar()
    accounts.close()
    return {
        "charges": charges, "rows_summed_from": summed, "properties": 50, "as_of": [str(day) for day in days],
        "seconds_for_all_properties": taken, "processor_seconds_for_all_properties": worked, "equal_to_the_events": True,
        "processor_seconds": company.processor_seconds,
    }  # fmt: skip


def main() -> None:
    """Print one JSON document a database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=0, help="100,000; with --two-years 2,700")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--two-years", action="store_true", help="rates as of days of two years instead")
    chosen = parser.parse_args()
    chosen.units = chosen.units or (2_700 if chosen.two_years else 100_000)
    if chosen.database == "both":
        for kind in ("sqlite", "postgres"):
            subprocess.run([sys.executable, "-m", "tests.bench.billing", *sys.argv[1:], "--database", kind], check=True)
        return
    collect_less()
    work = two_years if chosen.two_years else measure
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        directory = Path(folder)
        url = f"sqlite:///{directory / 'store.sqlite'}"
        if chosen.database == "postgres":
            url = stack.enter_context(servers.database(stack.enter_context(servers.postgres())))
        print(json.dumps({"database": chosen.database, **work(url, directory, chosen.units)}, indent=2))


if __name__ == "__main__":
    main()
