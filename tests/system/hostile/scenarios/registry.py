"""All scenarios, in the order in which they run: what may spoil the system comes late."""

from typing import Final

from system.hostile.scenario import Scenario
from system.hostile.scenarios import (
    bodies,
    crowds,
    doors,
    grammars,
    histories,
    marks,
    operations,
    pages,
)

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *bodies.SCENARIOS,
    *doors.SCENARIOS,
    *crowds.SCENARIOS,
    *grammars.SCENARIOS,
    *(scenario for scenario in histories.SCENARIOS if not scenario.is_raised),
    *(scenario for scenario in operations.SCENARIOS if not scenario.is_raised),
    *pages.SCENARIOS,
    doors.GUESSING,
    *(
        scenario
        for scenario in (*marks.SCENARIOS, *histories.SCENARIOS, *operations.SCENARIOS)
        if scenario.is_raised
    ),
)


def by_name(names: list[str]) -> tuple[Scenario, ...]:
    """Those that are named, by whole names or beginnings; raises ValueError for an unknown one."""
    chosen = tuple(it for it in SCENARIOS if any(it.name.startswith(name) for name in names))
    for name in names:
        if not any(it.name.startswith(name) for it in chosen):
            known = ", ".join(it.name for it in SCENARIOS)
            raise ValueError(f"There is no scenario {name!r}. There are: {known}.")
    return chosen
