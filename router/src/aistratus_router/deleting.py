"""A conversation's end: it, its jobs and their events are removed.

What a worker could still write goes first, what a person finds it by goes last. So a deletion
that was cut short is finished by asking again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aistratus_router.access import Caller
from aistratus_router.conversation_store import ConversationStore
from aistratus_router.job_store import JobStore
from aistratus_router.places import Places
from aistratus_router.ports import utc_now
from aistratus_router.problems import Unavailable, not_found

# What is left of the function's time when a deletion gives up, for one more job and the answer.
RESERVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Remover:
    """Deletes one caller's conversations."""

    jobs: JobStore
    conversations: ConversationStore
    places: Places
    caller: Caller
    left_seconds: Callable[[], float]
    clock: Callable[[], datetime] = utc_now

    def delete(self, conversation_id: str) -> None:
        """Remove a conversation; refuses with 404.

        Raises `Unavailable` when the function's time is over; what is done stays done.
        """
        is_there = False
        while (head := self.conversations.head(conversation_id)) is not None:
            is_there = True
            self._check_time()
            for turn in self.conversations.each_turn(conversation_id):
                self._check_time()
                self.jobs.delete(self.caller.owner, turn.job_id, turn.created_at)
            self.conversations.delete_turns(conversation_id)
            self.places.forget(conversation_id, self.clock())
            # False: a turn came in meanwhile, which has to go too.
            if self.conversations.delete_head(head):
                return
        if not is_there:
            raise not_found("conversation")

    def _check_time(self) -> None:
        if self.left_seconds() < RESERVE_SECONDS:
            raise Unavailable("There is more to delete than fits in one request.")
