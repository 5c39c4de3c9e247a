"""Lanes: the queue's message groups, and how one user's are told from another's.

A FIFO queue gives out no second message of a group while one is in flight. So a user's messages
go in a bounded number of groups, the user's lanes: however many jobs a user has, no more than
that many are in workers' hands at once. Jobs of one conversation go in one lane.

The group also tells a worker whose message it holds, before it has read anything. It names no
user: it is a digest.
"""

import hashlib
from typing import Final

# Enough that two users never share one; SQS takes 128 characters for a group.
_DIGEST_CHARS: Final = 32


def message_group(owner: str, lane: int) -> str:
    """The message group of one of a user's lanes, which count from 0."""
    digest = hashlib.sha256(owner.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{digest}.{lane}"


def user_of(group: str) -> str:
    """What stands for the user in a message group: equal for two groups of one user."""
    return group.partition(".")[0]
