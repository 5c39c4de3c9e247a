"""One running system for the tests that share it."""

from collections.abc import Iterator

import pytest

from aistratus_local.provision import User, add_user, client
from support.system import Demo, Person, access_key, signed_in, started_demo

OTHER = User("another", "another long password", "another@example.org")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with started_demo(tmp_path_factory.mktemp("demo")) as demo:
        demo.until("Ready")
        yield demo


@pytest.fixture(scope="session")
def person(demo: Demo) -> Iterator[Person]:
    with signed_in(demo.state, demo.state["user"], demo.state["password"]) as person:
        yield person


@pytest.fixture(scope="session")
def somebody_else(demo: Demo) -> Iterator[Person]:
    pools = client("cognito-idp", demo.state["emulator_url"], access_key(demo.state))
    add_user(pools, demo.state["pool_id"], OTHER)
    with signed_in(demo.state, OTHER.name, OTHER.password) as person:
        yield person
