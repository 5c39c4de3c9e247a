"""A prompt's whole journey, as in the demo, over what Terraform made and with its roles' rights."""

import pytest

from support.deployed_system import DeployedSystem
from system.test_journey import *  # noqa: F403

# The first of them waits for an apply.
pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]


def test_nobody_was_refused_anything(system: DeployedSystem) -> None:
    assert system.refused() == []
