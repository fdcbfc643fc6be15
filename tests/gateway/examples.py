"""`python -m tests.gateway.examples` keeps an example of each message of the gateway that has none yet."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bailiwick_contracts import gateway as g
from bailiwick_contracts.envelope import Actor, read_command
from bailiwick_contracts.message import COMPANY, Request

from services.gateway.app import service
from services.gateway.token import hash_password
from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests.contracts.examples import DOOR, PERSON, keep_facts, keep_requests, keys_in

HASH = hash_password("sample-password-1")
SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi0zMi1ieXRlcy1sb25nIQ=="
REQUESTS: tuple[Request, ...] = (
    g.AddAccount(account="sample", staff_id=PERSON, password_hash=HASH),
    g.ChangePassword(account="sample", password_hash=hash_password("sample-password-2")),
    g.RemoveAccount(account="sample"),
    g.AddApiKey(key_id="k-gate", name="gate controller", acts_as="gate-1", properties=("north-court",), access=("command",),
                secret_hash="0" * 64),
    g.RevokeApiKey(key_id="k-gate", why="the device was replaced"),
    g.AddWebhook(webhook_id="w-payroll", url="https://payroll.example/events", property_id="north-court",
                 types=("attendance.*",), secret=SECRET),
    g.RotateWebhookSecret(webhook_id="w-payroll", secret=SECRET, previous_until=datetime(2026, 3, 3, 12, tzinfo=UTC)),
    g.DisableWebhook(webhook_id="w-payroll", why="moved to another host"),
    g.EnableWebhook(webhook_id="w-payroll"),
    g.RemoveWebhook(webhook_id="w-payroll"),
    g.ListAccounts(),
    g.ListApiKeys(),
    g.ListWebhooks(),
)  # fmt: skip


def play(directory: Path) -> list[bytes]:
    """The facts that these requests lead to."""
    keys_in(directory)
    keys, door = KeyStore(directory / "keys"), Door(directory / "doors", DOOR)
    made = service(keys)
    store = Store(
        f"sqlite:///{directory / 'gateway.sqlite'}", views=[table for view in made.views for table in view.tables]
    )
    writer = Writer(made, store, keys, clock=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))
    commands: list[Any] = [
        read_command(
            door.sign(one, Actor(actor="s-0003"), COMPANY, issued_at=datetime(2026, 3, 2, 12, tzinfo=UTC)), type(one)
        )
        for one in REQUESTS
        if type(one) in made.commands
    ]
    for answer in writer.process(commands):
        assert answer.outcome == "done", answer
    raws = [fact.raw for fact in store.after(0, 100)]
    writer.close()
    store.close()
    return raws


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_in:
        print(keep_facts(play(Path(made_in))), keep_requests(REQUESTS))  # noqa: T201
