"""One user cannot stop the others: each hostile scenario for a moment, a quiet user beside it.

`make attack` is the long form. What fails here, it runs alone: make attack ARGS="--only NAME".
"""

from collections.abc import Iterator

import pytest

from system.hostile import slots
from system.hostile.campaign import Campaign
from system.hostile.scenario import Scenario
from system.hostile.scenarios.registry import SCENARIOS

SHORT = [scenario for scenario in SCENARIOS if scenario.is_short]


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    campaign = Campaign(is_short=True)
    yield campaign
    campaign.close()


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
def test_a_quiet_user_is_served_beside_it(campaign: Campaign, scenario: Scenario) -> None:
    verdict = campaign.one(scenario)
    assert verdict.faults == (), verdict.line
    assert verdict.quiet["rounds"] > 0


def test_every_slot_serves_after_all_of_it(campaign: Campaign) -> None:
    rig = campaign.rig()
    assert slots.serving(rig) == rig.slots
