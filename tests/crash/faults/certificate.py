"""The server's certificate expires under connections that stand, and is renewed."""

import asyncio
import random
import signal
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.kernel.bus import connect
from tests.crash.parts import PARTS
from tests.crash.system import System
from tests.kernel.toy import TakeToken

HOUR = timedelta(hours=1)


class Certificate:
    """A server's certificate for loopback and the authority that signs it; `write` makes it anew with the same key."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.authority, self.certificate, self.key_file = (
            directory / n for n in ("ca.pem", "server.pem", "server.key")
        )
        self._signer, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.key_file.write_bytes(self._key.private_bytes(serialization.Encoding.PEM, *form))
        top = self._made("authority", self._signer, HOUR)
        self._save(self.authority, top.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True))

    def _made(self, name: str, key: ec.EllipticCurvePrivateKey, ends_in: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority")]
        made = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
        return (
            made.serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * HOUR)
            .not_valid_after(now + ends_in)
        )

    def _save(self, file: Path, made: x509.CertificateBuilder) -> None:
        file.write_bytes(made.sign(self._signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def write(self, ends_in: timedelta) -> None:
        """Valid from two hours ago until then."""
        made = self._made("server", self._key, ends_in)
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        self._save(self.certificate, made.add_extension(here, critical=False))


async def expires(system: System, chance: random.Random, soak: bool) -> None:
    """Everyone speaks TLS; the server comes back with a certificate that is over; once it is renewed, everyone is back."""
    made = Certificate(system.directory / "tls")
    made.write(HOUR)
    with system.without("nats", *PARTS):
        system.tls = made.certificate, made.key_file, made.authority
    try:
        await _taken(system, made.authority, "valid")
        made.write(-HOUR)
        system.restart("nats")
        await _turned_away(system, "relay")
        await asyncio.sleep(chance.uniform(2, 15 if soak else 4))
        made.write(HOUR)
        system.processes["nats"].send_signal(signal.SIGHUP)
        await _taken(system, made.authority, "renewed")
    finally:
        with system.without("nats", *PARTS):
            system.tls = None


async def _turned_away(system: System, part: str) -> None:
    """Started now, a part has never been connected, and finds the certificate over."""
    system.kill(part)
    log = system.directory / f"{part}.log"
    before = log.stat().st_size
    system.start(part)
    for _ in range(300):
        if "certificate has expired" in log.read_text(errors="replace")[before:]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{part} took an expired certificate")


async def _taken(system: System, authority: Path, name: str) -> None:
    url = f"nats://office:right@127.0.0.1:{system.port}"
    client = await connect(url, "test", tls=ssl.create_default_context(cafile=str(authority)))
    try:
        await system.until_answered(client, TakeToken(holder_id="unbounded"), f"{name}-{system.flows}", "north-court")
    finally:
        await client.close()
