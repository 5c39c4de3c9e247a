"""On one machine a person sets how much one user may have, and measurements ask for much."""

from aistratus_local.gateway.__main__ import HELD_POLLS
from aistratus_local.gateway.function import ENVIRONMENTS_PER_USER, MAX_ENVIRONMENTS
from aistratus_local.stack import WIDE_LIMITS, chosen_limits
from aistratus_router.user_limits import UserLimits


def test_the_environment_sets_limits_and_nothing_else() -> None:
    environment = {
        "AISTRATUS_OPEN_JOBS_PER_USER": "5",
        "AISTRATUS_REGISTRY": "/somebody/elses",
        "PATH": "/bin",
    }
    assert chosen_limits(environment) == {"AISTRATUS_OPEN_JOBS_PER_USER": "5"}


def test_measurements_are_not_held_up() -> None:
    limits = UserLimits.from_environment(WIDE_LIMITS)
    assert limits.open_jobs == 1000
    assert limits.prompt_burst > 10_000


def test_held_polls_leave_room_for_prompts() -> None:
    assert HELD_POLLS < MAX_ENVIRONMENTS
    assert UserLimits().readers_per_user < ENVIRONMENTS_PER_USER < MAX_ENVIRONMENTS
