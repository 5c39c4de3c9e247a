"""A router with dead letters, in memory and on the emulator, and the emulator by itself."""

from collections.abc import Iterator

import pytest

from support.emulator_process import running_emulator_process
from support.router_api import Api, Emulator, emulator_api, memory_api


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    with running_emulator_process() as url:
        yield url


@pytest.fixture(scope="session")
def emulator(emulator_url: str) -> Emulator:
    return Emulator(emulator_url)


@pytest.fixture(params=["memory", "emulator"])
def api(request: pytest.FixtureRequest) -> Api:
    """The router; its tables are empty."""
    if request.param == "memory":
        return memory_api()
    return emulator_api(request.getfixturevalue("emulator"))
