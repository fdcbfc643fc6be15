"""Which services there are, and how each is made."""

from collections.abc import Mapping
from importlib import import_module

from bailiwick_contracts.subjects import SERVICES

from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.run.embedded import ServiceFactory


def _factory(name: str) -> ServiceFactory:
    def make(keys: KeyStore) -> Service:
        module = import_module(f"services.{name}.app")
        made: Service = module.service(keys) if hasattr(module, "service") else module.SERVICE
        return made

    return make


def factories(*names: str) -> Mapping[str, ServiceFactory]:
    """Factories of the named services, by default of all. Raises KeyError for a name that is none."""
    unknown = set(names) - set(SERVICES)
    if unknown:
        raise KeyError(f"{', '.join(sorted(unknown))}: not a service; there are {', '.join(SERVICES)}")
    return {name: _factory(name) for name in (names or SERVICES)}
