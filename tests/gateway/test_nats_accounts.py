"""NATS with an nkey per user: the whole system works under the least it needs, and nobody does what is not its own."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.registry import AddProperty
from bailiwick_contracts.subjects import SERVICES, events_of, feed_of, stream_of
from cryptography import x509
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from services.kernel.bus import connect, provision
from services.kernel.doors import Door, ask
from services.kernel.reactor import caught_up
from services.kernel.sealing import KeyStore
from services.kernel.settings import SettingError, Settings
from services.run.catalogue import factories
from services.run.embedded import Supervisor
from services.run.nats import free_port, nats_binary
from services.run.nats_accounts import subscribers_of, write
from tests.servers import NatsServer

SETUP = Actor(actor="system-setup", authmethod="system", channel="system")


class Guarded:
    """A server that knows nobody but the users that were made for it, over TLS."""

    def __init__(self, directory: Path) -> None:
        self.keys = directory / "nkeys"
        self.services = [factory(KeyStore(directory / "keys")) for factory in factories().values()]
        self.users = write(
            self.keys, self.services, {"payroll": "north-court", "group": None}, ["127.0.0.1", "localhost"]
        )
        tls = f'tls {{ cert_file: "{self.keys}/server.pem", key_file: "{self.keys}/server.key" }}'
        accounts = (self.keys / "accounts.conf").read_text()
        self.server = NatsServer(directory / "nats", config=f"{accounts}\n{tls}")
        self.directory = directory

    def settings(self, **more: Any) -> Settings:
        url = self.server.url.replace("nats://", "tls://")
        given: dict[str, Any] = {"nats_url": url, "nats_nkeys_dir": self.keys, "nats_ca_file": self.keys / "ca.pem"}
        return Settings(data_dir=self.directory / "data", http_port=free_port(), **(given | more))

    async def client(self, user: str) -> tuple[Client, list[str]]:
        errors: list[str] = []

        async def on_error(error: Exception) -> None:
            errors.append(str(error).lower())

        client = Client()
        await client.connect(
            error_cb=on_error,
            servers=self.server.url.replace("nats://", "tls://"),
            **self.settings().nats_options(user),
        )
        return client, errors


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    made = Guarded(tmp_path)
    with made.server:
        yield made


@contextlib.asynccontextmanager
async def provisioned(guarded: Guarded) -> AsyncIterator[None]:
    settings = guarded.settings()
    client = await connect(settings.nats_url, "provision", **settings.nats_options("provision"))
    try:
        for service in guarded.services:
            await provision(client.jetstream(timeout=5), service.name, service.consumes)
        yield
    finally:
        await client.close()


@pytest.mark.timeout(180)
async def test_the_whole_system_runs_on_its_own_keys_over_tls(guarded: Guarded) -> None:
    async with provisioned(guarded):
        settings = guarded.settings()
        supervisor = Supervisor(settings, factories())
        running = asyncio.create_task(supervisor.run())
        try:
            await supervisor.wait_ready()
            office = await connect(settings.nats_url, "office", **settings.nats_options("office"))
            body = Door(settings.doors_dir).sign(AddProperty(property_id="north-court", name="n"), SETUP, "north-court")
            assert (await ask(office, body, AddProperty, "north-court")).outcome == "done"
            for service in ("attendance", "gateway", "audit"):
                assert await caught_up(office, service, "registry"), service
            async with httpx.AsyncClient(base_url=settings.http_url) as http:
                assert (await http.get("/openapi.json")).status_code == 200
            outside, _ = await guarded.client("payroll")
            config = ConsumerConfig(
                name="payroll", durable_name="payroll", filter_subject=events_of("registry", "north-court")
            )
            await outside.jetstream().add_consumer(stream_of("registry"), config)
            inbox = await outside.subscribe(outside.new_inbox())
            await outside.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{stream_of('registry')}.payroll", b"1", reply=inbox.subject
            )
            message = await inbox.next_msg(timeout=5)
            assert b'"registry.property_added.v1"' in message.data
            await outside.close()
            await office.close()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.timeout(180)
async def test_nobody_publishes_or_reads_what_is_not_its_own(guarded: Guarded) -> None:
    async with provisioned(guarded):
        for user in guarded.users:
            client, errors = await guarded.client(user)
            forbidden = list(_forbidden(user))
            for subject in forbidden:
                await client.publish(subject, b"{}", reply=client.new_inbox())
            await client.flush()
            await asyncio.sleep(0.1)
            refused = {error.split('publish to "')[1].split('"')[0] for error in errors if 'publish to "' in error}
            assert refused == {subject.lower() for subject in forbidden}, (user, set(forbidden) ^ refused)
            errors.clear()
            for subject in _unheard(user):
                await client.subscribe(subject)
            await client.flush()
            await asyncio.sleep(0.1)
            deaf = {
                error.split('subscription to "')[1].split('"')[0] for error in errors if 'subscription to "' in error
            }
            assert deaf == {subject.lower() for subject in _unheard(user)}, (user, set(_unheard(user)) ^ deaf)
            await client.close()
        for service in guarded.services:
            client, _ = await guarded.client(service.name)
            assert (await client.jetstream().stream_info(stream_of(service.name))).state.messages == 0
            await client.close()


def _forbidden(user: str) -> list[str]:
    """What a user must not be able to publish: forged events, other people's commands, and the rest of JetStream's API."""
    found = []
    for service in SERVICES:
        stream = stream_of(service)
        found += [
            f"$JS.API.STREAM.{act}.{stream}"
            for act in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE", "SNAPSHOT", "RESTORE")
        ]
        found += [f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.CONSUMER.DELETE.{stream}.audit", f"$JS.API.CONSUMER.CREATE.{stream}.spy",
                  f"$JS.API.CONSUMER.CREATE.{stream}.spy.bailiwick.>", f"$JS.API.CONSUMER.MSG.NEXT.{stream}.spy",
                  f"$JS.ACK.{stream}.spy.1.1.1.1.1"]  # fmt: skip
        if service != user:
            found += [f"bailiwick.north-court.{service}.event.forged.v1", f"$JS.API.STREAM.MSG.GET.{stream}"]
        if user not in ("gateway", "office"):
            found += [
                f"bailiwick.north-court.{service}.command.do.v1",
                f"bailiwick.north-court.{service}.query.look.v1",
            ]
        if user == "payroll":
            found += [f"$JS.API.CONSUMER.CREATE.{stream}.payroll.{events_of(service, 'south-court')}",
                      f"$JS.API.CONSUMER.CREATE.{stream}.payroll.{events_of(service)}", feed_of(service)]  # fmt: skip
    return [
        *found,
        "_INBOX.anybody.1",
        "_INBOX_registry.1",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.NAMES",
        "$SYS.REQ.SERVER.PING",
    ]


def _unheard(user: str) -> list[str]:
    """What a user must not be able to listen to."""
    found = [f"bailiwick.*.{service}.command.>" for service in SERVICES if service != user]
    found += [feed_of(service) for service in SERVICES if service != user]
    if user not in ("gateway", "office", "group"):
        found += [f"bailiwick.south-court.{service}.event.>" for service in SERVICES]
    other = "audit" if user != "audit" else "registry"
    return [*found, f"_INBOX_{other}.>", "_INBOX.>", ">", "$JS.>"]


async def test_a_stranger_is_not_let_in(guarded: Guarded) -> None:
    client = Client()
    with pytest.raises(Exception, match=r"(?i)authorization|nkey"):
        await client.connect(
            guarded.server.url.replace("nats://", "tls://"), allow_reconnect=False, max_reconnect_attempts=0,
            tls=guarded.settings().nats_options("office")["tls"],
        )  # fmt: skip


def test_seeds_are_kept_secret_and_kept(tmp_path: Path) -> None:
    services = [factory(KeyStore(tmp_path / "keys")) for factory in factories().values()]
    write(tmp_path / "made", services, {})
    seeds = {path.name: path.read_bytes() for path in (tmp_path / "made").glob("*.nk")}
    assert {f"{name}.nk" for name in (*SERVICES, "office", "provision")} == set(seeds)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "made").glob("*.nk"))
    write(tmp_path / "made", services, {"later": None})
    assert {name: (tmp_path / "made" / name).read_bytes() for name in seeds} == seeds


@pytest.mark.parametrize(
    "given",
    [("registry",), ("office",), ("provision",), ("crm:",), ("crm:>",), ("crm:*",), ("crm:North Court",), ("A.>",), ("",),
     ("crm:north-court", "crm:south-court")],
)  # fmt: skip
def test_a_subscriber_is_given_no_seed_of_another_and_nothing_beyond_its_property(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    """One called registry shared the registry's seed, and no server took the file; one bound to nothing, `crm:`, read every event."""
    services = [factory(KeyStore(tmp_path / "keys")) for factory in factories().values()]
    assert subscribers_of(("crm:north-court", "group"), services) == {"crm": "north-court", "group": None}
    with pytest.raises(SettingError, match=re.escape(f"--subscriber {given[-1]!r}: ")):
        subscribers_of(given, services)


@pytest.mark.parametrize(
    "host", ["", "a b", "例え.example", "-x.example", "x..example", "n" * 64, ".".join(["n" * 60] * 5)]
)
def test_a_host_that_can_be_none_is_named_before_anything_is_written(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingError, match="--host"):
        write(tmp_path / "made", [], {}, [host])
    assert not (tmp_path / "made").exists()


def test_a_name_longer_than_a_common_name_has_its_certificate(tmp_path: Path) -> None:
    name = f"{'n' * 60}.elb.eu-central-1.example"
    write(tmp_path / "made", [], {}, [name, "192.0.2.7"])
    made = x509.load_pem_x509_certificate((tmp_path / "made" / "server.pem").read_bytes())
    told = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert told.get_values_for_type(x509.DNSName) == [name]


def test_commands_never_cross_the_network_in_clear_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clear text"):
        Settings(data_dir=tmp_path, nats_url="nats://nats.example:4222").nats_options("registry")
    assert "tls" in Settings(data_dir=tmp_path, nats_url="tls://nats.example:4222").nats_options("registry")
    assert "tls" not in Settings(data_dir=tmp_path, nats_url="nats://127.0.0.1:4222").nats_options("registry")


def test_the_server_s_configuration_takes_the_users_that_were_made(tmp_path: Path) -> None:
    services = [factory(KeyStore(tmp_path / "keys")) for factory in factories().values()]
    write(tmp_path / "made", services, {}, ["nats"])
    shipped = (Path(__file__).parents[2] / "infra/nats/nats.conf").read_text()
    (tmp_path / "nats.conf").write_text(
        shipped.replace("/etc/nats/", f"{tmp_path}/").replace('"/data"', f'"{tmp_path}/data"')
    )
    checked = subprocess.run(
        [nats_binary(), "-t", "-c", str(tmp_path / "nats.conf")], capture_output=True, text=True, check=False,
        env={"NATS_SERVER_NAME": "nats"},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
