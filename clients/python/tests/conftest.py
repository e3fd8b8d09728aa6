"""Fixtures: a server for all tests, and each client as one that blocks."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from support import serve

from tactful import AsyncClient, Client

Connect = Callable[..., Client]


class Blocking:
    """An AsyncClient whose calls block, so that one test serves both clients."""

    def __init__(self, client: AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not inspect.iscoroutinefunction(value):
            return value

        def call(*args: Any, **keys: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(value(*args, **keys), self._loop).result()

        return call


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serve(tmp_path_factory.mktemp("server")) as port:
        yield port


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Connect]:
    """Makes a client for a port or an address; tests run with both clients."""
    clients: list[Client] = []

    def make(address: int | str, **options: Any) -> Client:
        url = f"http://127.0.0.1:{address}" if isinstance(address, int) else address
        if request.param == "blocking":
            client = Client(url, **options)
        else:
            client = cast(Client, Blocking(AsyncClient(url, **options), loop))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def customer(request: pytest.FixtureRequest) -> str:
    """A customer of this test alone."""
    name: str = request.node.name
    return name


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"
