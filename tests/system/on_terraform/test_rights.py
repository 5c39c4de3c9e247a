"""Router, steward and worker may do what they do, and nothing else.

Every call that they make passes a gate, which asks the role that Terraform gave its caller. So
what is missing is refused here as it would be in the cloud; and what no call has needed, although
everything happened that happens in a deployment's life, is a right too many.
"""

from typing import Final

import pytest

from support.deployed_system import DeployedSystem, user_data_variables
from support.iam.policies import Permission
from support.system import Person
from system.on_terraform.life import Life

pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]

LAMBDA: Final = "Lambda itself does this for the function, with its role."
AGENT: Final = "The CloudWatch agent does this on the instance, with the worker's role."

# Rights that none of our calls needs: whose, which, and why they are there.
NOT_OURS: Final = {
    ("router", "logs:CreateLogStream"): LAMBDA,
    ("router", "logs:PutLogEvents"): LAMBDA,
    ("router", "xray:PutTelemetryRecords"): LAMBDA,
    ("router", "xray:PutTraceSegments"): LAMBDA,
    ("steward", "logs:CreateLogStream"): LAMBDA,
    ("steward", "logs:PutLogEvents"): LAMBDA,
    ("steward", "xray:PutTelemetryRecords"): LAMBDA,
    ("steward", "xray:PutTraceSegments"): LAMBDA,
    ("worker", "logs:CreateLogStream"): AGENT,
    ("worker", "logs:PutLogEvents"): AGENT,
    ("worker", "cloudwatch:PutMetricData"): AGENT,
}


@pytest.fixture(scope="module")
def lived(system: DeployedSystem, person: Person) -> DeployedSystem:
    """The system after all that may happen to it."""
    life = Life(system, person)
    life.a_prompt_wakes_the_fleet()
    life.an_idle_fleet_is_turned_off()
    life.without_spot_one_is_bought()
    life.an_instance_is_taken_away()
    life.answers_are_stopped_and_conversations_deleted()
    life.nobody_can_read_a_message()
    life.a_message_is_moved_by_sqs()
    life.a_job_is_lost_while_it_should_stop()
    return system


def test_everything_that_was_done_is_allowed(lived: DeployedSystem) -> None:
    assert lived.refused() == []
    assert all(gate.judged for gate in lived.gates)


def test_nothing_else_is_allowed(lived: DeployedSystem) -> None:
    unneeded = unneeded_permissions(lived)
    assert [each for each in unneeded if who_and_what(each) not in NOT_OURS] == []


def test_every_exception_is_one(lived: DeployedSystem) -> None:
    unneeded = {who_and_what(each) for each in unneeded_permissions(lived)}
    assert NOT_OURS.keys() - unneeded == set()


def unneeded_permissions(system: DeployedSystem) -> list[Permission]:
    """What a role grants, and nobody needed."""
    return [
        permission
        for gate in system.gates
        for permission in gate.role.permissions()
        if not any(permission.covers(each.access) for each in gate.judged)
    ]


def who_and_what(permission: Permission) -> tuple[str, str]:
    return permission.role.rpartition("-")[2], permission.action


def test_the_instance_is_told_what_its_services_need(system: DeployedSystem) -> None:
    assert user_data_variables(system.deployment) == {
        "AISTRATUS_REGISTRY": system.outputs["registry_prefix"],
        "AWS_DEFAULT_REGION": system.outputs["region"],
    }
