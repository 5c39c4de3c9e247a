"""Deletes a conversation, its jobs and their events.

What a worker could still write to goes first; what a person finds the conversation by goes last.
So a repeated request finishes a deletion that was cut short.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aistratus_router.errors import Unavailable
from aistratus_router.jobs.places import Places
from aistratus_router.ports import utc_now
from aistratus_router.store.conversations import ConversationStore
from aistratus_router.store.jobs import JobStore
from aistratus_router.wire.problems import not_found

# A deletion gives up with this much of the function's time left, for one more job and the answer.
RESERVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Remover:
    """Deletes one owner's conversations."""

    jobs: JobStore
    conversations: ConversationStore
    places: Places
    owner: str
    left_seconds: Callable[[], float]
    clock: Callable[[], datetime] = utc_now

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation; refuses with 404.

        Raises `Unavailable` when the function's time is up; what was deleted stays deleted.
        """
        is_there = False
        while (head := self.conversations.head(conversation_id)) is not None:
            is_there = True
            self._check_time()
            for turn in self.conversations.each_turn(conversation_id):
                self._check_time()
                self.jobs.delete(self.owner, turn.job_id, turn.created_at)
            self.conversations.delete_turns(conversation_id)
            self.places.forget(conversation_id, self.clock())
            # False: a turn was added meanwhile, which must go too.
            if self.conversations.delete_head(head):
                return
        if not is_there:
            raise not_found("conversation")

    def _check_time(self) -> None:
        if self.left_seconds() < RESERVE_SECONDS:
            raise Unavailable("There is more to delete than fits in one request.")
