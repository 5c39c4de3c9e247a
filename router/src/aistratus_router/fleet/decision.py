"""The decision in the table, carried out on the Auto Scaling group."""

from typing import Final

from aistratus_router.fleet.group import Group
from aistratus_router.store.fleet import FleetStore

# After the capacity is set, the decision is read again. It hardly ever changes more often
# than this during one call; if it does, the steward corrects the capacity.
MAX_TRIES: Final = 3


def carry_out(store: FleetStore, group: Group, *, is_on: bool) -> None:
    """Apply the decision to the group, then check whether it is still the decision.

    A process that changed it meanwhile may have called the group before us. Then our call has
    undone its call, so we apply the new decision.
    """
    for _ in range(MAX_TRIES):
        group.set_desired(1 if is_on else 0)
        wanted = store.wanted().is_on
        if wanted is is_on:
            return
        is_on = wanted
