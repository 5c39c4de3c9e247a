"""Readers: how many polls may be held at once, for one user and for all together.

A held poll occupies one of the function's environments while it waits, and prompts need some. The
table counts held polls by the time window in which they began. A poll that ends is taken off its
window's count, and one whose process died is forgotten with its window. No poll is longer than a
window, so every held poll began in the current window or the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts import table
from aistratus_contracts.limits import MAX_EVENT_WAIT_SECONDS
from aistratus_contracts.table import Item
from aistratus_router.log import describe, logger
from aistratus_router.store.table import Table
from aistratus_router.user_limits import UserLimits
from aistratus_router.wire.problems import too_many_readers

WINDOW_SECONDS: Final = MAX_EVENT_WAIT_SECONDS + 10
KEPT_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Lease:
    """A held poll's place: the keys of the counts that include it."""

    keys: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Readers:
    """One user's held polls, among those of all users."""

    the_table: Table
    owner: str
    limits: UserLimits
    clock: Callable[[], datetime]

    def enter(self) -> Lease | None:
        """A place to wait in; None if all users' places are taken, 429 if this user's are."""
        window = int(self.clock().timestamp()) // WINDOW_SECONDS
        own, everybody = table.readers_key(self.owner, window), table.all_readers_key(window)
        earlier = table.readers_key(self.owner, window - 1), table.all_readers_key(window - 1)
        counts = {
            item[table.PARTITION_KEY]["S"]: int(item["held"]["N"])
            for item in self.the_table.get_many(earlier)
        }
        own_room, room = (
            most - counts.get(key[table.PARTITION_KEY]["S"], 0)
            for key, most in zip(
                earlier, (self.limits.readers_per_user, self.limits.readers), strict=True
            )
        )
        if not self._count(own, own_room, window):
            raise too_many_readers(self.limits.readers_per_user)
        if not self._count(everybody, room, window):
            self.leave(Lease((own,)))
            return None
        return Lease((own, everybody))

    def leave(self, lease: Lease) -> None:
        """Give a place back. If that fails, it expires with its window."""
        for key in lease.keys:
            try:
                self.the_table.update(
                    Key=key,
                    ConditionExpression="attribute_exists(pk)",
                    UpdateExpression="ADD held :minus_one",
                    ExpressionAttributeValues={":minus_one": {"N": "-1"}},
                )
            except (BotoCoreError, ClientError) as error:
                logger.warning("a reader's place comes back later", **describe(error))

    def _count(self, key: Item, room: int, window: int) -> bool:
        """Count one more; False if there is no room for it."""
        if room < 1:
            return False
        expires_at = (window + 1) * WINDOW_SECONDS + KEPT_SECONDS
        return self.the_table.update(
            Key=key,
            ConditionExpression="attribute_not_exists(held) OR held < :room",
            UpdateExpression=f"SET {table.TTL_ATTRIBUTE} = :expires_at ADD held :one",
            ExpressionAttributeValues={
                ":room": {"N": str(room)},
                ":one": {"N": "1"},
                ":expires_at": {"N": str(expires_at)},
            },
        )
