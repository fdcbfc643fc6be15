"""Settings of a process, from `BAILIWICK_…` variables. Nothing of the domain is a setting: that is adopted by facts."""

import contextlib
import ipaddress
import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_core import from_json
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class SettingError(ValueError):
    """A setting that nothing can be started with; the message names the variable and the way out."""


def sqlite_url(file: Path) -> str:
    """The SQLAlchemy URL of a file: what stands for something in a URL, such as ? and %, stands there for itself."""
    return f"sqlite:///{quote(os.fsencode(file))}"


def masked(text: str) -> str:
    """The same without what stands before the `@` of an address in it: a user's name and password."""
    return re.sub(r"//[^/,]*@", "//**********@", text)


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _networks(value: Any) -> Any:
    """Networks with commas between, or as JSON has a list. Raises ValueError, which names one that is none."""
    if isinstance(value, str):
        value = from_json(value) if value.startswith("[") else [one.strip() for one in value.split(",") if one.strip()]
    for one in value:
        ipaddress.ip_network(one, strict=False)
    return value


def _directory(value: Any) -> Any:
    """Nothing at all would be whichever directory a command happens to run in."""
    if not str(value):
        raise ValueError("a directory is named")
    return value


class Settings(BaseSettings):
    """Where things lie. The defaults are the embedded run below one data directory."""

    model_config = SettingsConfigDict(env_prefix="BAILIWICK_", extra="ignore")

    data_dir: Annotated[Path, BeforeValidator(_directory)] = Path("var/bailiwick")
    nats_url: str = "nats://127.0.0.1:4222"
    """The server; every node of a cluster, separated by commas."""
    nats_nkeys_dir: Path | None = None
    """Where the seeds of the NATS users lie, `<user>.nk` each, as `bailiwick nats-accounts` writes them."""
    nats_nkey_file: Path | None = None
    """The seed of the one user this process is, where it holds no other."""
    nats_ca_file: Path | None = None
    """The certificate authority of the NATS server, in PEM; unset, the system's."""
    unsafe_nats_without_tls: bool = False
    """Connect to another machine in clear text: only where the network itself is protected."""
    database_url: SecretStr | None = None
    """`postgresql+psycopg://…`, one schema per service; unset, a SQLite file per service lies in the data directory."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, ge=0, le=65_535)
    """Where the gateway listens; 0: a free port, which `bailiwick up` prints."""
    http_certificate_file: Path | None = None
    http_key_file: Path | None = None
    """TLS of the gateway; to another machine than this one nothing is served without it."""
    unsafe_http_without_tls: bool = False
    """Serve other machines in clear text: only behind something that speaks TLS to them."""
    http_rate_per_second: float = Field(100, gt=0)
    http_burst: int = Field(1_000, ge=1)
    """How many requests one caller may make, in a second on average and at once."""
    oidc_issuer: str | None = None
    """The identity provider, exactly as its tokens name it; unset, there are only local accounts and API keys."""
    oidc_jwks_url: str | None = None
    """Where its public keys are; never taken from a token."""
    oidc_audience: str = "bailiwick"
    oidc_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"] = "RS256"
    oidc_system: str = "oidc"
    """The system under which the registry maps the provider's subjects to people (external ids of `company`)."""
    webhook_networks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_networks)] = ()
    """Private networks that webhooks may reach, such as `10.1.0.0/16,192.168.7.0/24`; without one only public addresses."""
    webhook_log_days: int = Field(90, ge=7)
    """How long the log of deliveries keeps what was delivered; what waits is kept until it is delivered or its webhook removed."""
    batch_limit: int = Field(500, ge=1)
    """How many messages share a transaction, a publish window and a pull. The bench holds it to one to see what that costs."""
    replicas: int = Field(1, ge=1, le=5)
    """Copies of each JetStream stream: 3 on a cluster."""
    relay: bool = True
    """Whether services publish their own log; off where a relay runs as a process of its own."""
    checkpoint_seconds: float = Field(5.0, gt=0, allow_inf_nan=False)
    """How long a fact waits at most before the log of its property is signed over it."""
    checkpoint_entries: int = Field(10_000, ge=1)
    """How many facts wait at most."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)] = "INFO"
    retry_seconds: Annotated[
        tuple[Annotated[float, Field(gt=0, le=86_400)], ...], NoDecode, BeforeValidator(_listed)
    ] = (
        1,
        5,
        15,
        60,
    )
    """Waits between the tries of a handler that fails by a bug, in seconds: 5 tries within 81, then it becomes a dead letter."""
    progress_seconds: float = Field(60, gt=0, allow_inf_nan=False)
    """How long a process may make no progress before it ends itself (`services.kernel.liveness`)."""
    nats_monitor_url: str | None = None
    """The http address of a node of the cluster, from which `bailiwick doctor` reads how it keeps what it stores."""
    health_seconds: float = Field(10, gt=0, allow_inf_nan=False)
    """How often a service looks at its own health."""
    health_port: int | None = Field(None, ge=0, le=65_535)
    """Port of loopback for `/health/live`, `/health/ready`, `/metrics` and `/version`: 0 chooses a free one, unset none."""

    @property
    def keys_dir(self) -> Path:
        """Keys of persons, payrolls and command ids; back them up apart from the databases, and briefly."""
        return self.data_dir / "keys"

    @property
    def doors_dir(self) -> Path:
        """Public keys of the doors that are trusted, and the private key of the local one."""
        return self.data_dir / "doors"

    @property
    def http_url(self) -> str:
        """Where the gateway listens."""
        scheme = "http" if self.http_certificate_file is None else "https"
        return f"{scheme}://{self.http_host}:{self.http_port}"

    def store_url(self, service: str) -> str:
        """The SQLAlchemy URL of a service's store. Raises SettingError for a database of another kind."""
        if self.database_url is not None:
            url = self.database_url.get_secret_value()
            if not url.startswith("postgresql+psycopg://"):
                raise SettingError(
                    "BAILIWICK_DATABASE_URL: it begins with postgresql+psycopg://; unset, a SQLite file per service lies in the "
                    "data directory"
                )
            return url
        self.data_dir.mkdir(parents=True, exist_ok=True)
        return sqlite_url(self.data_dir.absolute() / f"{service}.sqlite")

    def nats_options(self, user: str) -> dict[str, Any]:
        """How a user of NATS connects: its key, an inbox that nobody else may read, and TLS to another machine.

        Raises:
            SettingError: a server cannot be connected to by what it is called, or is on another machine and the connection is not
                protected, or a file is not there.
        """
        parts = [_server(url) for url in self.nats_url.split(",")]
        options: dict[str, Any] = {"inbox_prefix": f"_INBOX_{user}".encode()}
        seed = self.nats_nkey_file
        if self.nats_nkeys_dir is not None:
            seed = self.nats_nkeys_dir / f"{user}.nk"
        if seed is not None:
            if not seed.is_file():
                raise SettingError(
                    f"BAILIWICK_NATS_NKEYS_DIR, BAILIWICK_NATS_NKEY_FILE: there is no {seed}; bailiwick nats-accounts writes it"
                )
            key_pair(seed).wipe()
            options["nkeys_seed"] = str(seed)
        if self.nats_ca_file is not None or any(part.scheme == "tls" for part in parts):
            try:
                options["tls"] = ssl.create_default_context(
                    cafile=str(self.nats_ca_file) if self.nats_ca_file else None
                )
            except OSError as error:
                said = f"BAILIWICK_NATS_CA_FILE: {self.nats_ca_file}: {error.strerror}; name the authority's certificate, in PEM"
                raise SettingError(said) from None
        elif not self.unsafe_nats_without_tls and not all(is_here(part.hostname or "") for part in parts):
            raise SettingError(
                "BAILIWICK_NATS_URL: commands would cross the network in clear text; use tls:// (and BAILIWICK_NATS_CA_FILE), "
                "or set BAILIWICK_UNSAFE_NATS_WITHOUT_TLS where the network itself is protected"
            )
        return options


def key_pair(seed: Path) -> Any:
    """The nkey that a file holds the seed of. Raises SettingError where it holds none, as after a disk without room."""
    import nkeys  # type: ignore[import-untyped]  # noqa: PLC0415 - only where NATS asks for a key

    try:
        return nkeys.from_seed(bytearray(seed.read_bytes().strip()))
    except (nkeys.NkeysError, ValueError):
        said = f"{seed} holds no seed; put its backup back, or delete it and let bailiwick nats-accounts make another"
        raise SettingError(said) from None


def _server(url: str) -> SplitResult:
    """The parts of one server's address. What is none is not shown: it may be half of a password with a comma in it."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("nats", "tls") and parts.hostname and parts.port != 0:
            return parts
    raise SettingError(
        "BAILIWICK_NATS_URL: each server is nats://HOST:PORT or tls://HOST:PORT, several of them with a comma between; "
        "a password in it has neither comma nor slash"
    )


def is_here(host: str) -> bool:
    """Whether a host is this machine, by loopback."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
