"""The one table: its keys, its items, and the fenced append that everything rests on.

| pk | sk | holds |
|---|---|---|
| `JOB#id` | `META` | the job, and its cursor |
| `JOB#id` | `EV#0000000001` … | one event each |
| `USER#owner` | `CONV#id` | head of a conversation: title, times, number of turns |
| `USER#owner` | `TURN#id#000001#PROMPT` | the messages that a turn added, and its job |
| `USER#owner` | `TURN#id#000001#ANSWER` | the answer; exists if and only if the job has ended |
| `USER#owner` | `REQ#request_id` | the job that this idempotency key created |
| `USER#owner` | `LIMITS` | the user's open jobs with their lanes, and the user's prompt rate |
| `USER#owner` | `READERS#window` | how many of the user's held polls began in this window |
| `READERS` | `window` | the same, for all users together |
| `OPEN` | `time#job id` | a job that has not ended: when it was last sent, and how often |
| `FLEET` | `GROUP` | whether instances are wanted, since when, and what prevents them |
| `FLEET` | `WORKER#id` | a worker's last sign of life; deleted once the worker has drained |

Everything that belongs to a user is stored under that user's key, so another user's data is not
refused: it is not found. Items are in DynamoDB's typed JSON, ready for a low-level client; nothing
here talks to the network.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from aistratus_contracts import codec
from aistratus_contracts.event import Event, EventBody, StateChange, decode_event, encode_event
from aistratus_contracts.job import Cursor, Job, Message, decode_job, encode_job
from aistratus_contracts.limits import (
    JOB_RETENTION_DAYS,
    MAX_TITLE_CHARS,
    SIGN_OF_LIFE_RETENTION_DAYS,
)
from aistratus_contracts.states import JobState

Item = dict[str, Any]
T = TypeVar("T")

PARTITION_KEY: Final = "pk"
SORT_KEY: Final = "sk"
TTL_ATTRIBUTE: Final = "expires_at"
RECENCY_INDEX: Final = "by_recency"
RECENCY_ATTRIBUTE: Final = "listed_at"
META: Final = "META"
OPEN_PARTITION: Final = "OPEN"
FLEET_PARTITION: Final = "FLEET"
READERS_PARTITION: Final = "READERS"
EVENT_PREFIX: Final = "EV#"
WORKER_PREFIX: Final = "WORKER#"
GROUP: Final = "GROUP"
# The version of prompts and answers. They never named one, and do not while it is 1.
TURN_VERSION: Final = 1

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


# --- keys ---------------------------------------------------------------------------------


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


# --- items --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A META item: the job and its cursor."""

    job: Job
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class ConversationHead:
    """A CONV item."""

    conversation_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn's answer: its job's final state and text (which may be cut short or empty)."""

    state: JobState
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a conversation; `answer` is None until its job has ended."""

    turn: int
    job_id: str
    messages: tuple[Message, ...]
    created_at: datetime
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """A WORKER item: what a worker last reported about itself.

    `slots` is how many jobs its engine runs at once, 0 while it has no engine; `held_jobs` is
    how many jobs it holds from the queue. `stats` are its engine's counters, under llama-server's
    names. A newer engine may report more of them; a reader uses those that it knows.
    """

    worker_id: str
    seen_at: datetime
    slots: int
    held_jobs: int
    stats: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Prompt:
    job_id: str
    messages: tuple[Message, ...]
    created_at: datetime


def expiry_of(created_at: datetime) -> int:
    """When the table may expire a job created at `created_at`, in epoch seconds."""
    return int((created_at + timedelta(days=JOB_RETENTION_DAYS)).timestamp())


def meta_item(record: JobRecord) -> Item:
    """A job's META item."""
    return {
        **meta_key(record.job.job_id),
        "job": {"S": encode_job(record.job)},
        "state": {"S": record.cursor.state.value},
        "attempt": {"N": str(record.cursor.attempt)},
        "next_seq": {"N": str(record.cursor.next_seq)},
        "cancel_requested": {"BOOL": record.cursor.cancel_requested},
        "append_id": {"S": record.cursor.append_id},
        "failures": {"N": str(record.cursor.failures)},
        TTL_ATTRIBUTE: {"N": str(record.job.expires_at)},
    }


def read_meta(item: Item) -> JobRecord:
    """The reverse of `meta_item`."""
    return JobRecord(
        job=decode_job(item["job"]["S"]),
        cursor=Cursor(
            state=JobState(item["state"]["S"]),
            attempt=int(item["attempt"]["N"]),
            next_seq=int(item["next_seq"]["N"]),
            cancel_requested=item["cancel_requested"]["BOOL"],
            # Older jobs lack these.
            append_id=item.get("append_id", {}).get("S", ""),
            failures=int(item.get("failures", {}).get("N", "0")),
        ),
    )


def event_item(job: Job, event: Event) -> Item:
    """An event's item."""
    return {
        **key(job_partition(job.job_id), event_sort_key(event.seq)),
        "event": {"S": encode_event(event)},
        TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }


def read_event(item: Item) -> Event:
    """The reverse of `event_item`."""
    return decode_event(item["event"]["S"])


def is_event(item: Item) -> bool:
    """Whether an item of a job's partition is an event."""
    return str(item[SORT_KEY]["S"]).startswith(EVENT_PREFIX)


def prompt_item(job: Job, messages: tuple[Message, ...]) -> Item:
    """The PROMPT item of a job's turn."""
    prompt = _Prompt(job.job_id, messages, job.created_at)
    return {
        **key(user_partition(job.owner), prompt_sort_key(job.conversation_id, job.turn)),
        "prompt": {"S": codec.dumps(codec.to_plain(prompt))},
    }


def answer_item(job: Job, answer: Answer) -> Item:
    """The ANSWER item of a job's turn."""
    return {
        **key(user_partition(job.owner), answer_sort_key(job.conversation_id, job.turn)),
        "answer": {"S": codec.dumps(codec.to_plain(answer))},
    }


def read_turns(items: Sequence[Item]) -> list[Turn]:
    """A conversation's turns, in order, from its PROMPT and ANSWER items in key order."""
    return list(reversed(list(read_turns_backwards(reversed(items)))))


def read_turns_backwards(items: Iterable[Item]) -> Iterator[Turn]:
    """A conversation's turns, newest first, from its items in reverse key order.

    It consumes no more items than a turn needs, so a conversation can be streamed.
    """
    prompt: tuple[int, _Prompt] | None = None
    for item in items:
        number = int(item[SORT_KEY]["S"].split("#")[2])
        if "answer" in item:
            if prompt is not None and prompt[0] == number:
                yield _turn(*prompt, _decode(Answer, item["answer"]))
                prompt = None
            continue
        if prompt is not None:
            yield _turn(*prompt, None)
        prompt = number, _decode(_Prompt, item["prompt"])
    if prompt is not None:
        yield _turn(*prompt, None)


def _decode(cls: type[T], attribute: Item) -> T:
    return codec.decode(cls, attribute["S"], TURN_VERSION, unsaid=TURN_VERSION)


def _turn(number: int, prompt: _Prompt, answer: Answer | None) -> Turn:
    return Turn(number, prompt.job_id, prompt.messages, prompt.created_at, answer)


def head_item(owner: str, head: ConversationHead) -> Item:
    """A conversation's head item."""
    return {
        **key(user_partition(owner), conversation_sort_key(head.conversation_id)),
        "title": {"S": head.title},
        "created_at": {"S": codec.format_time(head.created_at)},
        RECENCY_ATTRIBUTE: {"S": codec.format_time(head.updated_at)},
        "turns": {"N": str(head.turns)},
    }


def read_head(item: Item) -> ConversationHead:
    """The reverse of `head_item`."""
    return ConversationHead(
        conversation_id=item[SORT_KEY]["S"].removeprefix("CONV#"),
        title=item["title"]["S"],
        created_at=codec.parse_time(item["created_at"]["S"]),
        updated_at=codec.parse_time(item[RECENCY_ATTRIBUTE]["S"]),
        turns=int(item["turns"]["N"]),
    )


def worker_item(sign: SignOfLife) -> Item:
    """A worker's item."""
    expires_at = sign.seen_at + timedelta(days=SIGN_OF_LIFE_RETENTION_DAYS)
    return {
        **worker_key(sign.worker_id),
        "seen_at": {"S": codec.format_time(sign.seen_at)},
        "slots": {"N": str(sign.slots)},
        "held_jobs": {"N": str(sign.held_jobs)},
        "stats": {"S": codec.dumps(dict(sign.stats))},
        TTL_ATTRIBUTE: {"N": str(int(expires_at.timestamp()))},
    }


def read_worker(item: Item) -> SignOfLife:
    """The reverse of `worker_item`."""
    return SignOfLife(
        worker_id=item[SORT_KEY]["S"].removeprefix(WORKER_PREFIX),
        seen_at=codec.parse_time(item["seen_at"]["S"]),
        slots=int(item["slots"]["N"]),
        held_jobs=int(item["held_jobs"]["N"]),
        stats=codec.parse("Stats", item["stats"]["S"]),
    )


def title_of(messages: Sequence[Message]) -> str:
    """A conversation's title: the start of the user's first message, on one line."""
    said = next((m.content for m in messages if m.role == "user"), "")
    line = " ".join(said.split())
    return line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1] + "…"


# --- the fenced append --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Append:
    """A transaction that adds events to a job's log, and the cursor once it has committed."""

    transact_items: list[Item]
    events: list[Event]
    cursor: Cursor


def append(
    table_name: str,
    record: JobRecord,
    bodies: Sequence[EventBody],
    at: datetime,
    *,
    new_attempt: bool = False,
    unless_cancelled: bool = False,
    answer_text: str = "",
    failures: int | None = None,
) -> Append:
    """A transaction that appends `bodies` if and only if `record.cursor` is still current.

    The fence is a condition on `attempt` and `next_seq` in the table: a writer that has lost the
    job can write nothing, and the check costs the same however long the answer is. The last
    `StateChange` in `bodies` becomes the job's state. A final one also stores the turn's answer,
    `answer_text`, and removes the job from the list of open jobs. So a job has ended if and only
    if its turn has an answer, and the steward no longer looks at it.

    `new_attempt`: the writer takes the job over, and its events carry the next attempt.
    `unless_cancelled`: also refuse if the job's owner has asked to cancel it.
    `failures`: the new count of engines that the job has brought down.

    Two writers may try the same attempt and the same `seq`, and one of them fails. The attempt and
    the `seq` do not tell it whether the append that succeeded was its own, sent twice by the SDK,
    or the other writer's. The cursor's `append_id` does.
    """
    job, old = record.job, record.cursor
    attempt = old.attempt + 1 if new_attempt else old.attempt
    events = [Event(old.next_seq + n, attempt, at, body) for n, body in enumerate(bodies)]
    states = [body.state for body in bodies if isinstance(body, StateChange)]
    state = states[-1] if states else old.state
    cursor = replace(
        old,
        state=state,
        attempt=attempt,
        next_seq=old.next_seq + len(events),
        append_id=secrets.token_hex(8),
        failures=old.failures if failures is None else failures,
    )
    condition = "attempt = :attempt AND next_seq = :next_seq"
    if unless_cancelled:
        condition += " AND cancel_requested = :false"
    values: Item = {
        ":attempt": {"N": str(old.attempt)},
        ":next_seq": {"N": str(old.next_seq)},
        ":new_attempt": {"N": str(cursor.attempt)},
        ":new_next_seq": {"N": str(cursor.next_seq)},
        ":new_state": {"S": cursor.state.value},
        ":append_id": {"S": cursor.append_id},
        ":failures": {"N": str(cursor.failures)},
    }
    if unless_cancelled:
        values[":false"] = {"BOOL": False}
    items: list[Item] = [
        {
            "Update": {
                "TableName": table_name,
                "Key": meta_key(job.job_id),
                "ConditionExpression": condition,
                "UpdateExpression": (
                    "SET attempt = :new_attempt, next_seq = :new_next_seq, #state = :new_state, "
                    "append_id = :append_id, failures = :failures"
                ),
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": values,
            }
        }
    ]
    items += [put_if_absent(table_name, event_item(job, event)) for event in events]
    if state.is_final:
        answer = Answer(state, answer_text)
        items.append({"Put": {"TableName": table_name, "Item": answer_item(job, answer)}})
        entry = open_key(job.job_id, job.created_at)
        items.append({"Delete": {"TableName": table_name, "Key": entry}})
    return Append(items, events, cursor)


def put_if_absent(table_name: str, item: Item) -> Item:
    """A transaction's put that fails if the key is taken."""
    return {
        "Put": {
            "TableName": table_name,
            "Item": item,
            "ConditionExpression": f"attribute_not_exists({PARTITION_KEY})",
        }
    }
