"""Servers in containers: whether there is an engine, and NATS and PostgreSQL on it."""

import contextlib
import functools
import gc
import os
import sys
import warnings
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from tests.launching import ServerError

CONTAINERS = "BAILIWICK_TEST_CONTAINERS"
NATS_IMAGE = "nats:2"
POSTGRES_IMAGE = "postgres:15"
"""The oldest release that is supported; the wheel brings 16."""
NO_ENGINE = "no Docker engine answers: start one (`docker info` says whether it runs and whether you may use it), or set DOCKER_HOST"


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine can be reached."""
    import docker  # noqa: PLC0415 - slow to import, and few runs need it

    with warnings.catch_warnings():
        # The client leaves its socket open when nobody answers.
        warnings.simplefilter("ignore", ResourceWarning)
        with (
            contextlib.suppress(docker.errors.DockerException),
            contextlib.closing(docker.from_env(timeout=5)) as client,
        ):
            return bool(client.ping())
        gc.collect()
    return False


def containers_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this run takes its servers from containers. Raises ServerError where it was asked to and no engine answers."""
    wanted = environment.get(CONTAINERS) == "1"
    if wanted and not engine_answers():
        raise ServerError(f"{CONTAINERS}=1, but {NO_ENGINE}")
    return wanted


@contextlib.contextmanager
def nats_container() -> Iterator[str]:
    """The URL of a NATS server with JetStream in a container."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - see engine_answers
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    described = DockerContainer(NATS_IMAGE).with_command("-js").with_exposed_ports(4222)
    with described.waiting_for(LogMessageWaitStrategy("Server is ready")) as container:
        yield f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"


@contextlib.contextmanager
def postgres_container() -> Iterator[sa.URL]:
    """The URL of a PostgreSQL server in a container."""
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - see engine_answers

    with PostgresContainer(POSTGRES_IMAGE, driver="psycopg") as container:
        yield sa.make_url(container.get_connection_url())


def missing() -> str:
    """What keeps this machine from running servers in containers, in one sentence; empty where nothing does."""
    if not engine_answers():
        return NO_ENGINE
    import docker  # noqa: PLC0415 - see engine_answers

    with contextlib.closing(docker.from_env()) as client:
        for image in (NATS_IMAGE, POSTGRES_IMAGE):
            try:
                client.images.get(image)
            except docker.errors.ImageNotFound:
                try:
                    client.images.pull(image)
                except docker.errors.APIError as error:
                    return f"the image {image} is not here and cannot be pulled: {error.explanation or error}"
    return ""


if __name__ == "__main__":
    sys.exit(missing() or 0)
