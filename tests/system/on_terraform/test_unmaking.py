"""One command takes everything away, and one brings it back.

It is the last module here, by its name: what the others stand on is gone afterwards.
"""

from pathlib import Path
from typing import Final

import pytest

from support.deployed_system import ANN, DeployedSystem, deployed_system
from support.deployment import Deployment
from support.inventory import LISTS, PARTS, Inventory, beyond, inventory
from support.system import Person, signed_in

pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]

APPLY_SECONDS: Final = 180.0


def test_destroy_leaves_nothing_and_the_next_apply_needs_no_help(
    system: DeployedSystem,
    deployment: Deployment,
    person: Person,
    bare: Inventory,
    tmp_path: Path,
) -> None:
    # In use: there are conversations, users and an instance.
    assert person.http.post("/start").status_code == 202
    there = beyond(inventory(deployment.aws), bare)
    made = deployment.resource_types()
    assert made - LISTS.keys() - PARTS.keys() == set(), "add these to the inventory"
    assert {PARTS.get(kind, kind) for kind in made} | {"aws_instance"} <= there.keys()

    system.stop_worker()
    deployment.destroy()
    assert beyond(inventory(deployment.aws), bare) == {}
    assert beyond(bare, inventory(deployment.aws)) == {}, "what was there before stays"
    assert deployment.resource_types() == set()

    deployment.apply("second apply")
    with (
        deployed_system(deployment, tmp_path) as again,
        signed_in(again.state, ANN.name, ANN.password) as ann,
    ):
        assert ann.http.get("/conversations").json()["conversations"] == []
        events = ann.follow(ann.ask("What is Aistratus?")["job_id"])
        assert events[-1]["state"]["state"] == "succeeded"
        assert again.refused() == []


def test_an_apply_takes_no_more_than_three_minutes(deployment: Deployment) -> None:
    assert deployment.seconds
    assert max(deployment.seconds.values()) < APPLY_SECONDS
