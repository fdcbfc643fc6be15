"""The users of NATS: an nkey each, and exactly the subjects that each needs.

Allowing less than all of `$JS.API` is the point: whoever may use the whole of it reads every stream, whatever event
subjects are denied (reliability.md, experiment s1).
"""

import ipaddress
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nkeys  # type: ignore[import-untyped]
from bailiwick_contracts.message import PROPERTY_PATTERN, PropertyId
from bailiwick_contracts.subjects import events_of, feed_of, stream_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.kernel.service import Service
from services.kernel.settings import SettingError, key_pair

GATEWAY, OFFICE, PROVISION = "gateway", "office", "provision"
CERTIFICATE_DAYS = 825
RESPONSES = {"max": 1, "expires": "2m"}
ASKED = ("bailiwick.*.*.command.>", "bailiwick.*.*.query.>", "bailiwick.feed.*")
EVERY_EVENT = "bailiwick.*.*.event.>"
_SUBSCRIBER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class User:
    """A user of NATS with what it may publish and what it may subscribe to."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False
    """Whether it may answer what it was asked."""


def inbox_of(name: str) -> str:
    """Where a user is answered, and nobody else listens."""
    return f"_INBOX_{name}.>"


def users(services: Sequence[Service], subscribers: Mapping[str, PropertyId | None]) -> list[User]:
    """Everybody who connects.

    Args:
        services: each publishes its own events, answers what it is asked, and reads through its own durables.
        subscribers: other systems by name, each with the property whose events it may read (None: every one).
    """
    names = [service.name for service in services]
    return [
        *map(_service, services),
        User(OFFICE, ASKED + tuple(_state_of(name) for name in names), (EVERY_EVENT, inbox_of(OFFICE))),
        _provision(services),
        *(_subscriber(name, place, names) for name, place in subscribers.items()),
    ]


def _state_of(service: str) -> str:
    return f"$JS.API.STREAM.INFO.{stream_of(service)}"


def _service(service: Service) -> User:
    name = service.name
    publish = [events_of(name), feed_of(name), _state_of(name), f"$JS.API.STREAM.MSG.GET.{stream_of(name)}"]
    for source in service.consumes:
        stream = stream_of(source)
        publish += [feed_of(source), _state_of(source), f"$JS.API.CONSUMER.INFO.{stream}.{name}"]
        publish += [f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", f"$JS.ACK.{stream}.{name}.>"]
    subscribe = [f"bailiwick.*.{name}.command.>", f"bailiwick.*.{name}.query.>", feed_of(name), inbox_of(name)]
    if name == GATEWAY:
        publish += ASKED
        subscribe.append(EVERY_EVENT)
    return User(name, tuple(dict.fromkeys(publish)), tuple(subscribe), responds=True)


def _provision(services: Sequence[Service]) -> User:
    publish = []
    for service in services:
        publish += [_state_of(service.name), f"$JS.API.STREAM.CREATE.{stream_of(service.name)}"]
        for source in service.consumes:
            for act in ("INFO", "CREATE", "DURABLE.CREATE"):
                publish.append(f"$JS.API.CONSUMER.{act}.{stream_of(source)}.{service.name}")
    return User(PROVISION, tuple(publish), (inbox_of(PROVISION),))


def _subscriber(name: str, place: PropertyId | None, services: Iterable[str]) -> User:
    """Reads events through a durable of its own name. The filter is part of the subject that makes it, so it cannot be wider."""
    publish = []
    for service in services:
        stream, events = stream_of(service), events_of(service, place or "*")
        publish += [f"$JS.API.CONSUMER.CREATE.{stream}.{name}.{events}", f"$JS.API.CONSUMER.INFO.{stream}.{name}"]
        publish += [f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", f"$JS.ACK.{stream}.{name}.>"]
    return User(name, tuple(publish), (f"bailiwick.{place or '*'}.*.event.>", inbox_of(name)))


def subscribers_of(given: Iterable[str], services: Sequence[Service]) -> dict[str, PropertyId | None]:
    """Other systems as they are typed: NAME, or NAME:PROPERTY.

    Raises:
        SettingError: one is called as a user is that this system has itself, whose seed it would be given, or twice; or it is bound
            to what is no property, such as nothing at all, and would read every one's events.
    """
    own = {OFFICE, PROVISION, *(service.name for service in services)}
    found: dict[str, PropertyId | None] = {}
    for one in given:
        name, bound, place = one.partition(":")
        if _SUBSCRIBER.fullmatch(name) is None or name in own or name in found:
            rule = "a name of its own, of lower-case letters, digits and hyphens, 32 at most"
            raise SettingError(f"--subscriber {one!r}: {rule}, and none of {', '.join(sorted(own))}; choose another")
        if bound and re.fullmatch(PROPERTY_PATTERN, place) is None:
            raise SettingError(
                f"--subscriber {one!r}: {place!r} is no property's id; bailiwick property list names those there are"
            )
        found[name] = place or None
    return found


def write(
    directory: Path,
    services: Sequence[Service],
    subscribers: Mapping[str, PropertyId | None],
    hosts: Sequence[str] = (),
) -> list[str]:
    """Write `<user>.nk` for each user, `accounts.conf` for the server, and with `hosts` a certificate for them.

    A seed that is there is kept, so that running it again after an update only adds users and subjects. Answers the users.

    Raises:
        SettingError: a host is none, before anything is written; or a seed that is there cannot be read.
    """
    names = [_name(host) for host in hosts]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = []
    made = users(services, subscribers)
    for user in made:
        public = _public_key(directory / f"{user.name}.nk")
        allowed = {"publish": {"allow": user.publish}, "subscribe": {"allow": user.subscribe}}
        permissions = allowed | ({"allow_responses": RESPONSES} if user.responds else {})
        lines.append(f"    # {user.name}\n    {{ nkey: {public}, permissions: {json.dumps(permissions, indent=2)} }}")
    text = "# Written by `bailiwick nats-accounts`; run it again after an update.\n"
    text += "authorization {\n  timeout: 2\n  users: [\n" + "\n".join(lines) + "\n  ]\n}\n"
    (directory / "accounts.conf").write_text(text, encoding="utf-8")
    if names and not (directory / "server.pem").exists():
        _certify(directory, names)
    return [user.name for user in made]


def _public_key(path: Path) -> str:
    if not path.exists():
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        _secret(path, seed)
    return key_pair(path).public_key.decode()  # type: ignore[no-any-return]


def _secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _certify(directory: Path, names: Sequence[x509.GeneralName]) -> None:
    """An authority of the installation's own, and the server's certificate for these names and addresses."""
    now, authority_key, server_key = (
        datetime.now(UTC),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bailiwick NATS")])
    begin, end = now - timedelta(minutes=5), now + timedelta(days=CERTIFICATE_DAYS)

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(authority).public_key(key.public_key())
        return made.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)

    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    top = certificate(authority, authority_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    top = top.add_extension(usage, critical=True).add_extension(identifier, critical=False)
    # Whom it is for stand in its alternative names alone: a common name holds 64 characters, and nobody reads it any more.
    server = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bailiwick NATS server")]), server_key)
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    server = server.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
    )
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(top.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    (directory / "server.pem").write_bytes(server.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    private = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _secret(directory / "server.key", private)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if _HOST.fullmatch(host) is None or len(host) > 253:
            said = f"--host {host!r}: no name or address of a server; a name in letters of its own is written as xn--…"
            raise SettingError(said) from None
        return x509.DNSName(host)
