"""Which services there are, and how each is made."""

from collections.abc import Mapping
from importlib import import_module

from bailiwick_contracts.subjects import SERVICES

from services.kernel.dead_letter_requests import with_dead_letters
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.run.embedded import ServiceFactory

GATEWAY = "gateway"


def _factory(name: str) -> ServiceFactory:
    def make(keys: KeyStore) -> Service:
        module = import_module(f"services.{name}.app")
        if name == GATEWAY:
            return module.service(keys, lambda: others(keys))  # type: ignore[no-any-return]
        made: Service = module.service(keys) if hasattr(module, "service") else module.SERVICE
        return made

    return make


def others(keys: KeyStore) -> list[Service]:
    """Every service but the gateway, with all it takes: what the gateway lets in."""
    return [with_dead_letters(_factory(name)(keys)) for name in SERVICES if name != GATEWAY]


def factories(*names: str) -> Mapping[str, ServiceFactory]:
    """Factories of the named services, by default of all. Raises KeyError for a name that is none."""
    unknown = set(names) - set(SERVICES)
    if unknown:
        raise KeyError(f"{', '.join(sorted(unknown))}: not a service; there are {', '.join(SERVICES)}")
    return {name: _factory(name) for name in (names or SERVICES)}
