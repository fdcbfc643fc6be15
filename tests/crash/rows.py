"""The rows of the fault matrix that one machine can run; those of a cluster are in `tests/crash/test_cluster.py`."""

from dataclasses import dataclass

from tests.crash.faults import broker, certificate, clock, database, load, process, release, tampering
from tests.crash.faults.fault import Fault

BOTH, SQLITE, POSTGRES = ("sqlite", "postgres"), ("sqlite",), ("postgres",)


@dataclass(frozen=True)
class Row:
    """One row: its number in the matrix, what happens, and on which databases it can."""

    name: str
    fault: Fault
    databases: tuple[str, ...] = BOTH
    smoke_on: tuple[str, ...] = SQLITE
    """On which databases the smoke runs; the rounds run on all."""


ROWS: tuple[Row, ...] = (
    Row("1 writer killed before its commit", process.at("toy", "before-commit")),
    Row("1 writer killed between commit and answer", process.at("toy", "after-commit"), smoke_on=BOTH),
    Row("1 any part killed at random", process.any_part, smoke_on=BOTH),
    Row("2 relay killed before it publishes", process.at("relay", "before-publish", 2)),
    Row("2 relay killed between publishing and acknowledgement", process.at("relay", "after-publish", 2)),
    Row("3 two relays at once", process.two_relays),
    Row("4 consumer killed before its commit", process.at("echo", "intake", 2)),
    Row("4 consumer killed after its commit", process.at("echo", "after-commit", 2)),
    Row("4 consumer killed before its acknowledgement", process.at("echo", "before-ack", 2), smoke_on=BOTH),
    Row("4 killed while a timer fires", process.timer_killed),
    Row("4 killed while it handles again what failed", process.retry_killed),
    Row("4 killed while it takes over", process.lease_taker_killed),
    Row("5 NATS killed and started again", broker.nats_killed),
    Row("6 NATS away", broker.nats_away_long),
    Row("7 NATS frozen", broker.nats_frozen),
    Row("11 power loss: an older copy of the stream comes back", broker.power_loss),
    Row("12 JetStream wiped", broker.stream_wiped),
    Row("12 stream deleted", broker.stream_deleted),
    Row("12 durable deleted", broker.durable_deleted),
    Row("12 settings drifted", broker.settings_drifted),
    Row("13 the broker's newest file torn", broker.file_torn),
    Row("14 PostgreSQL backend killed", database.backend_killed, POSTGRES, POSTGRES),
    Row("14 PostgreSQL's postmaster killed", database.postmaster_killed, POSTGRES, POSTGRES),
    Row("14 PostgreSQL backends terminated", database.backends_terminated, POSTGRES, POSTGRES),
    Row("15 slow commits", database.commit_slow, POSTGRES, POSTGRES),
    Row("15 the writers' lock held by another", database.lock_held, smoke_on=BOTH),
    Row("16 PostgreSQL connections exhausted", database.connections_exhausted, POSTGRES, POSTGRES),
    Row("17 database disk full", database.disk_full, SQLITE),
    Row("18 NATS disk full", broker.nats_disk_full),
    Row("19 authorisation revoked, then restored", broker.authorisation_revoked),
    Row("19 certificate expired, then renewed", certificate.expires),
    Row("20 line cut, slow, acknowledgements lost", broker.line_cut_and_slow),
    Row("21 consumer slower than the broker waits", process.consumer_slow),
    Row("22 garbage of every kind", load.garbage),
    Row("23 many ask for the same at once", load.one_winner),
    Row("23 far more than is taken in at once", load.backlog),
    Row("23 a mebibyte", load.too_big),
    Row("24 SIGTERM in the middle of work", process.terminated),
    Row("25 the clock jumps", clock.jumps),
    Row("25 month ends, leap day, summer and winter time", clock.days_of_the_calendar),
    Row("26 two releases side by side, and back", release.upgraded_and_back),
    Row("27 rows altered by hand", tampering.rows_altered),
    Row("28 an older database restored", database.restored_older),
    Row("12 stream emptied by age", broker.stream_aged_out),
)
