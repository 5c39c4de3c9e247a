"""Every promise is tested twice: in memory, and through HTTP against the emulator."""

import io
from collections.abc import Iterator

import pytest

from aistratus_router.log import logger
from support.doubles.aws import Client
from support.fleet_group import GROUP
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


@pytest.fixture
def fleet(api: Api, request: pytest.FixtureRequest) -> Api:
    """A router with a fleet that is off."""
    if isinstance(api.dynamodb._client, Client):
        api.give_fleet(GROUP)
    else:
        api.give_fleet(request.getfixturevalue("emulator").create_group())
    return api


@pytest.fixture
def quick_fleet(quick_api: Api) -> Api:
    quick_api.give_fleet(GROUP)
    return quick_api


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream
