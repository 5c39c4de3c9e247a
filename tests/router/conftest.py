"""Every promise is tested twice: in memory, and through HTTP against the emulator."""

from collections.abc import Iterator

import pytest

from support.router_api import Api, Emulator, emulator_api, memory_api, running_emulator


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture(params=["memory", "emulator"])
def api(request: pytest.FixtureRequest) -> Api:
    """The router; its tables are empty."""
    if request.param == "memory":
        return memory_api()
    return emulator_api(request.getfixturevalue("emulator"))


@pytest.fixture
def quick_api() -> Api:
    """The router in memory, for what never reaches the table."""
    return memory_api()
