"""A user's places: how many jobs may be open, in which lanes, and how fast prompts may come.

One item of the table holds a user's open jobs and prompt rate. A prompt's transaction replaces the
item only if it has not changed since it was read. So of two prompts at once one is retried, and no
limit is exceeded. A job enters the item in the transaction that stores it. Nothing removes it when
it ends, so the worker's last append leaves the item alone and cannot conflict with a prompt. Ended
jobs are looked for when places run short; only a deletion removes its jobs at once.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from aistratus_contracts import codec, table
from aistratus_contracts.lanes import message_group
from aistratus_contracts.states import JobState
from aistratus_contracts.table import Item
from aistratus_router.errors import Unavailable
from aistratus_router.store.jobs import Place
from aistratus_router.store.table import Table
from aistratus_router.user_limits import UserLimits
from aistratus_router.wire.problems import rate_limited, too_many_open_jobs

# How far the clocks of two environments may be apart before one of them counts as broken.
CLOCK_SLACK: Final = timedelta(seconds=5)
FORGET_TRIES: Final = 8
EMPTY_KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seat:
    """An open job's lane and conversation."""

    lane: int
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A LIMITS item: a user's open jobs, as far as known, and prompt rate.

    `due_at` is when the next prompt would come if prompts came evenly (GCRA's theoretical arrival
    time, ITU-T I.371); a burst's prompts come before it. `version` is 0 while there is no item.
    """

    version: int = 0
    seats: Mapping[str, Seat] = field(default_factory=dict)
    due_at: datetime | None = None

    def is_crowded(self, conversation_id: str, limits: UserLimits) -> bool:
        """Whether it matters which of the listed jobs have ended."""
        if len(self.seats) >= limits.open_jobs:
            return True
        lane = self.lane_of(conversation_id)
        if lane is None:
            return len({seat.lane for seat in self.seats.values()}) >= limits.lanes
        return any(
            seat.lane == lane and seat.conversation_id != conversation_id
            for seat in self.seats.values()
        )

    def lane_of(self, conversation_id: str) -> int | None:
        """The lane of a conversation's open jobs."""
        return next(
            (s.lane for s in self.seats.values() if s.conversation_id == conversation_id), None
        )

    def choose_lane(self, conversation_id: str, limits: UserLimits) -> int:
        """The conversation's own lane, else a free one, else the one with the fewest jobs."""
        lane = self.lane_of(conversation_id)
        if lane is not None:
            return lane
        loads = Counter(seat.lane for seat in self.seats.values())
        return min(range(limits.lanes), key=lambda each: loads[each])

    def next_due(self, now: datetime, limits: UserLimits) -> datetime:
        """The `due_at` after a prompt that comes now; refuses with 429 if it comes too soon."""
        step = timedelta(minutes=1) / limits.prompts_per_minute
        most_ahead = step * limits.prompt_burst
        due_at = now if self.due_at is None else max(now, self.due_at)
        if due_at - now > most_ahead + CLOCK_SLACK:
            # No user can be this far ahead: a wrong clock wrote this.
            due_at = now
        due_at += step
        too_soon = due_at - now - most_ahead
        if too_soon > timedelta(0):
            raise rate_limited(limits.prompts_per_minute, ceil(too_soon.total_seconds()))
        return due_at


@dataclass(frozen=True, slots=True)
class Places:
    """One user's places."""

    the_table: Table
    owner: str
    limits: UserLimits

    def find(self, job_id: str, conversation_id: str, now: datetime) -> Place:
        """A place for a job; refuses with 429. Its write takes it."""
        standing = self._read()
        due_at = standing.next_due(now, self.limits)
        if standing.is_crowded(conversation_id, self.limits):
            standing = self._without_ended(standing)
        if len(standing.seats) >= self.limits.open_jobs:
            raise too_many_open_jobs(self.limits.open_jobs)
        lane = standing.choose_lane(conversation_id, self.limits)
        seats = {**standing.seats, job_id: Seat(lane, conversation_id)}
        after = Standing(standing.version + 1, seats, due_at)
        return Place(message_group(self.owner, lane), self._write(standing, after, now))

    def forget(self, conversation_id: str, now: datetime) -> None:
        """Give back the places of a conversation whose jobs are gone; raises `Unavailable`."""
        for _ in range(FORGET_TRIES):
            standing = self._read()
            seats = {
                job_id: seat
                for job_id, seat in standing.seats.items()
                if seat.conversation_id != conversation_id
            }
            if len(seats) == len(standing.seats):
                return
            after = replace(standing, version=standing.version + 1, seats=seats)
            if not self.the_table.transact([self._write(standing, after, now)]):
                return
        raise Unavailable("Prompts of the same user kept changing what places there are.")

    def _read(self) -> Standing:
        item = self.the_table.get(table.limits_key(self.owner))
        return Standing() if item is None else _standing(item)

    def _without_ended(self, standing: Standing) -> Standing:
        """The same, without the jobs that have ended or are gone.

        A job and its seat are stored in one transaction, so a job without an item was deleted.
        """
        items = self.the_table.get_many(
            [table.meta_key(job_id) for job_id in standing.seats],
            ProjectionExpression="pk, #state",
            ExpressionAttributeNames={"#state": "state"},
        )
        open_partitions = {
            item[table.PARTITION_KEY]["S"]
            for item in items
            if not JobState(item["state"]["S"]).is_final
        }
        seats = {
            job_id: seat
            for job_id, seat in standing.seats.items()
            if table.job_partition(job_id) in open_partitions
        }
        return replace(standing, seats=seats)

    def _write(self, before: Standing, after: Standing, now: datetime) -> Item:
        put = table.put_if_absent(self.the_table.name, _item(self.owner, after, now))
        if before.version:
            put["Put"]["ConditionExpression"] = "version = :before"
            put["Put"]["ExpressionAttributeValues"] = {":before": {"N": str(before.version)}}
        return put


def _item(owner: str, standing: Standing, now: datetime) -> Item:
    seats = {job_id: [s.lane, s.conversation_id] for job_id, s in standing.seats.items()}
    assert standing.due_at is not None, "a prompt has come"  # noqa: S101
    # Kept as long as its newest job; without jobs, until `due_at` is past.
    is_empty = not seats and standing.due_at < now + EMPTY_KEPT
    expires_at = int((now + EMPTY_KEPT).timestamp()) if is_empty else table.expiry_of(now)
    return {
        **table.limits_key(owner),
        "version": {"N": str(standing.version)},
        "seats": {"S": codec.dumps(seats)},
        "due_at": {"S": codec.format_time(standing.due_at)},
        table.TTL_ATTRIBUTE: {"N": str(expires_at)},
    }


def _standing(item: Item) -> Standing:
    seats = codec.parse("Seats", item["seats"]["S"])
    return Standing(
        version=int(item["version"]["N"]),
        seats={job_id: Seat(lane, conversation) for job_id, (lane, conversation) in seats.items()},
        due_at=codec.parse_time(item["due_at"]["S"]),
    )
