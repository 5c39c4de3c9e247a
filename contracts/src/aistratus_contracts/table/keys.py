"""The table's keys and indexes, and what `CreateTable` needs."""

from datetime import datetime
from typing import Any, Final

from aistratus_contracts import codec

Item = dict[str, Any]

PARTITION_KEY: Final = "pk"
SORT_KEY: Final = "sk"
TTL_ATTRIBUTE: Final = "expires_at"
RECENCY_INDEX: Final = "by_recency"
RECENCY_ATTRIBUTE: Final = "listed_at"
META: Final = "META"
DOCUMENT: Final = "DOC"
OPEN_PARTITION: Final = "OPEN"
FLEET_PARTITION: Final = "FLEET"
READERS_PARTITION: Final = "READERS"
FUNCTIONS_PARTITION: Final = "FUNCTIONS"
EVENT_PREFIX: Final = "EV#"
WORKER_PREFIX: Final = "WORKER#"
PLACE_PREFIX: Final = "PLACE#"
USE_PREFIX: Final = "USE#"
GROUP: Final = "GROUP"

# What CreateTable needs besides the name; Terraform repeats it in HCL.
TABLE_SCHEMA: Final[dict[str, Any]] = {
    "AttributeDefinitions": [
        {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
        {"AttributeName": SORT_KEY, "AttributeType": "S"},
        {"AttributeName": RECENCY_ATTRIBUTE, "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
        {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": RECENCY_INDEX,
            "KeySchema": [
                {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
                {"AttributeName": RECENCY_ATTRIBUTE, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def key(pk: str, sk: str) -> Item:
    """A primary key."""
    return {PARTITION_KEY: {"S": pk}, SORT_KEY: {"S": sk}}


def job_partition(job_id: str) -> str:
    """The partition of a job and its events."""
    return f"JOB#{job_id}"


def user_partition(owner: str) -> str:
    """The partition of everything that belongs to one user."""
    return f"USER#{owner}"


def event_sort_key(seq: int) -> str:
    """Sorts by `seq` and before `META`, so one query reads the new events and the job."""
    return f"{EVENT_PREFIX}{seq:010d}"


def conversation_sort_key(conversation_id: str) -> str:
    """The sort key of a conversation's head."""
    return f"CONV#{conversation_id}"


def turns_prefix(conversation_id: str) -> str:
    """The prefix of the sort keys of a conversation's turns."""
    return f"TURN#{conversation_id}#"


def prompt_sort_key(conversation_id: str, turn: int) -> str:
    """The sort key of the messages that a turn added."""
    return f"{turns_prefix(conversation_id)}{turn:06d}#PROMPT"


def answer_sort_key(conversation_id: str, turn: int) -> str:
    """The sort key of a turn's answer; it sorts before the turn's prompt."""
    return f"{turns_prefix(conversation_id)}{turn:06d}#ANSWER"


def request_sort_key(request_id: str) -> str:
    """The sort key of a caller's idempotency key."""
    return f"REQ#{request_id}"


def meta_key(job_id: str) -> Item:
    """The primary key of a job's META item."""
    return key(job_partition(job_id), META)


def document_key(job_id: str) -> Item:
    """The primary key of a long job's DOC item, which sorts before its events."""
    return key(job_partition(job_id), DOCUMENT)


def open_key(job_id: str, created_at: datetime) -> Item:
    """The primary key of a job's entry in the list of open jobs, which sorts by age."""
    return key(OPEN_PARTITION, f"{codec.format_time(created_at)}#{job_id}")


def limits_key(owner: str) -> Item:
    """The primary key of the item with a user's open jobs and prompt rate."""
    return key(user_partition(owner), "LIMITS")


def readers_key(owner: str, window: int) -> Item:
    """The primary key of the count of a user's held polls that began in a window."""
    return key(user_partition(owner), f"READERS#{window}")


def all_readers_key(window: int) -> Item:
    """The same, for all users together."""
    return key(READERS_PARTITION, str(window))


def worker_key(worker_id: str) -> Item:
    """The primary key of a worker's item."""
    return key(FLEET_PARTITION, f"{WORKER_PREFIX}{worker_id}")


def group_key() -> Item:
    """The primary key of the item that says whether instances are wanted."""
    return key(FLEET_PARTITION, GROUP)


def function_place_key(place: int) -> Item:
    """The primary key of a place that a running function holds; places count from 0.

    `holder` is the invocation that holds it, `lease_until` (epoch seconds) for how long.
    """
    return key(FUNCTIONS_PARTITION, f"{PLACE_PREFIX}{place:03d}")


def function_use_key(minute: int) -> Item:
    """The primary key of what functions ran in a minute (since the epoch): `ms`, milliseconds."""
    return key(FUNCTIONS_PARTITION, f"{USE_PREFIX}{minute:010d}")
