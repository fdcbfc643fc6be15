"""Settings of a process, from `BAILIWICK_…` variables. Nothing of the domain is a setting: that is adopted by facts."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things lie. The defaults are the embedded run below one data directory."""

    model_config = SettingsConfigDict(env_prefix="BAILIWICK_", extra="ignore")

    data_dir: Path = Path("var/bailiwick")
    nats_url: str = "nats://127.0.0.1:4222"
    database_url: SecretStr | None = None
    """`postgresql+psycopg://…`, one schema per service; unset, a SQLite file per service lies in the data directory."""
    replicas: int = 1
    """Copies of each JetStream stream: 3 on a cluster."""
    relay: bool = True
    """Whether services publish their own log; off where a relay runs as a process of its own."""
    log_level: str = "INFO"

    @property
    def keys_dir(self) -> Path:
        """Keys of persons, payrolls and command ids; back them up apart from the databases, and briefly."""
        return self.data_dir / "keys"

    @property
    def doors_dir(self) -> Path:
        """Public keys of the doors that are trusted, and the private key of the local one."""
        return self.data_dir / "doors"

    def store_url(self, service: str) -> str:
        """The SQLAlchemy URL of a service's store."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{self.data_dir.absolute() / service}.sqlite"
