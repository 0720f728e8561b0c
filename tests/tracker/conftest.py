"""One running service for the tests of the interface; each test takes an organization of its own."""

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conftest import Postgres
from tests.server import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Server]:
    environment = {"TRACKER_DATABASE_URL": postgres.database()}
    with Server(tmp_path_factory.mktemp("service"), **environment) as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server:
    """The service on each database. What only reads from the store takes that on one: it makes no difference."""
    running: Server = request.getfixturevalue(f"{request.param}_server")
    return running


@pytest.fixture
def organization() -> str:
    return f"org-{next(_numbers)}"


@pytest.fixture
def client_with(server: Server, organization: str) -> Iterator[Callable[..., httpx.Client]]:
    """Makes clients of the test's organization, with the scopes and repositories that are named."""
    opened: list[httpx.Client] = []

    def make(scope: str = "admin", *repositories: str) -> httpx.Client:
        client = server.client(server.token(scope, organization, repositories))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(client_with: Callable[..., httpx.Client]) -> httpx.Client:
    return client_with()
