"""One environment that Terraform has made, and the system on it, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from support.deployed_system import ANN, BOB, DeployedSystem, deployed_system
from support.deployment import Deployment
from support.emulator_process import client, running_emulator_process
from support.inventory import Inventory, inventory
from support.system import Person, signed_in


@pytest.fixture(scope="session")
def account() -> Iterator[str]:
    """The address of an account in which nothing was made."""
    with running_emulator_process() as url:
        yield url


@pytest.fixture(scope="session")
def bare(account: str) -> Inventory:
    """What is there before anything is made."""
    return inventory(lambda service: client(service, account))


@pytest.fixture(scope="session")
def deployment(
    account: str, bare: Inventory, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    model = local_model(STANDIN, Console()).card
    made = Deployment(account, tmp_path_factory.mktemp("deployment"), model)
    made.apply("first apply")
    return made


@pytest.fixture(scope="session")
def system(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DeployedSystem]:
    with deployed_system(deployment, tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="session")
def demo(system: DeployedSystem) -> DeployedSystem:
    """To the tests of the demo, this is one."""
    return system


@pytest.fixture(scope="session")
def person(system: DeployedSystem) -> Iterator[Person]:
    with signed_in(system.state, ANN.name, ANN.password) as person:
        yield person


@pytest.fixture(scope="session")
def somebody_else(system: DeployedSystem) -> Iterator[Person]:
    with signed_in(system.state, BOB.name, BOB.password) as person:
        yield person
