"""Lanes: the queue's message groups, and how to tell one user's from another's.

A FIFO queue delivers no second message of a group while one is in flight. So a user's messages go
into a limited number of groups, the user's lanes: however many jobs a user has, workers hold at
most that many at once. Jobs of one conversation go into one lane.

The group also tells a worker whose message it holds, before it reads anything. The group is a
digest and names no user.
"""

import hashlib
from typing import Final

# Enough that two users never share a digest; SQS allows 128 characters for a group.
_DIGEST_CHARS: Final = 32


def message_group(owner: str, lane: int) -> str:
    """The message group of one of a user's lanes, which count from 0."""
    digest = hashlib.sha256(owner.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{digest}.{lane}"


def user_of(group: str) -> str:
    """The part of a message group that stands for the user: equal in all of a user's groups."""
    return group.partition(".")[0]
