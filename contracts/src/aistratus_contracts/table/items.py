"""The table's items: how each is written, and read back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from aistratus_contracts import codec
from aistratus_contracts.event import Event, decode_event, encode_event
from aistratus_contracts.job import (
    Cursor,
    Job,
    JobHead,
    Message,
    decode_job,
    decode_job_head,
    encode_job,
    encode_job_head,
)
from aistratus_contracts.limits import (
    JOB_RETENTION_DAYS,
    MAX_TITLE_CHARS,
    SIGN_OF_LIFE_RETENTION_DAYS,
)
from aistratus_contracts.states import JobState, WorkerKind
from aistratus_contracts.table.keys import (
    EVENT_PREFIX,
    PARTITION_KEY,
    RECENCY_ATTRIBUTE,
    SORT_KEY,
    TTL_ATTRIBUTE,
    WORKER_PREFIX,
    Item,
    answer_sort_key,
    conversation_sort_key,
    document_key,
    event_sort_key,
    job_partition,
    key,
    meta_key,
    prompt_sort_key,
    user_partition,
    worker_key,
)

T = TypeVar("T")

# The version of prompts and answers. They never named one, and do not while it is 1.
TURN_VERSION: Final = 1

# The longest job that META holds itself, in bytes of JSON. DynamoDB bills an item's whole size at
# each change of its cursor, in steps of 1 KB; keys, cursor and idempotency key take up to 240.
MAX_JOB_BYTES_IN_META: Final = 784
# What META says instead of a longer job. A reader from before such jobs does not know this version,
# and leaves them to others. So it is taken: the next version of a whole job is 3.
JOB_APART_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A META item: the job, or only its head where the job is long, and its cursor."""

    job: JobHead
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
    names. A newer engine may report more of them; a reader uses those that it knows. `refusal` is
    what its engine said when it would not start, empty unless it did. `kind` is what it runs on.
    """

    worker_id: str
    seen_at: datetime
    slots: int
    held_jobs: int
    stats: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""
    kind: WorkerKind = WorkerKind.INSTANCE


@dataclass(frozen=True, slots=True)
class _Prompt:
    job_id: str
    messages: tuple[Message, ...]
    created_at: datetime


def expiry_of(created_at: datetime) -> int:
    """When the table may expire a job created at `created_at`, in epoch seconds."""
    return int((created_at + timedelta(days=JOB_RETENTION_DAYS)).timestamp())


def job_items(record: JobRecord) -> list[Item]:
    """All items of a new job: META, and DOC if the job is long. `record` has the whole job."""
    job = _whole(record)
    meta = meta_item(record)
    if "head" not in meta:
        return [meta]
    document = {
        **document_key(job.job_id),
        "job": {"S": encode_job(job)},
        TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }
    return [meta, document]


def meta_item(record: JobRecord) -> Item:
    """A job's META item, which holds a long job's head alone. `record` has the whole job."""
    job = _whole(record)
    text = encode_job(job)
    attributes = {"job": {"S": text}}
    if len(text.encode()) > MAX_JOB_BYTES_IN_META:
        attributes = {
            "job": {"S": codec.dumps({codec.VERSION_KEY: JOB_APART_VERSION})},
            "head": {"S": encode_job_head(job.head)},
        }
    return {
        **meta_key(job.job_id),
        **attributes,
        "state": {"S": record.cursor.state.value},
        "attempt": {"N": str(record.cursor.attempt)},
        "next_seq": {"N": str(record.cursor.next_seq)},
        "cancel_requested": {"BOOL": record.cursor.cancel_requested},
        "append_id": {"S": record.cursor.append_id},
        "failures": {"N": str(record.cursor.failures)},
        TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }


def _whole(record: JobRecord) -> Job:
    if not isinstance(record.job, Job):
        raise TypeError(f"Only the head of job {record.job.job_id} is known.")
    return record.job


def read_meta(item: Item) -> JobRecord:
    """The reverse of `meta_item`; of a long job it gives the head."""
    head = item.get("head")
    return JobRecord(
        job=decode_job(item["job"]["S"]) if head is None else decode_job_head(head["S"]),
        cursor=Cursor(
            state=JobState(item["state"]["S"]),
            attempt=int(item["attempt"]["N"]),
            next_seq=int(item["next_seq"]["N"]),
            cancel_requested=item["cancel_requested"]["BOOL"],
            append_id=item["append_id"]["S"],
            failures=int(item["failures"]["N"]),
        ),
    )


def read_document(item: Item) -> Job:
    """A long job, from its DOC item."""
    return decode_job(item["job"]["S"])


def event_item(job: JobHead, event: Event) -> Item:
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


def prompt_item(job: JobHead, messages: tuple[Message, ...]) -> Item:
    """The PROMPT item of a job's turn."""
    prompt = _Prompt(job.job_id, messages, job.created_at)
    return {
        **key(user_partition(job.owner), prompt_sort_key(job.conversation_id, job.turn)),
        "prompt": {"S": codec.dumps(codec.to_plain(prompt))},
    }


def answer_item(job: JobHead, answer: Answer) -> Item:
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
        **({"refusal": {"S": sign.refusal}} if sign.refusal else {}),
        **({} if sign.kind is WorkerKind.INSTANCE else {"kind": {"S": sign.kind.value}}),
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
        refusal=item.get("refusal", {}).get("S", ""),
        kind=WorkerKind(item.get("kind", {}).get("S", WorkerKind.INSTANCE)),
    )


def title_of(messages: Sequence[Message]) -> str:
    """A conversation's title: the start of the user's first message, on one line."""
    said = next((m.content for m in messages if m.role == "user"), "")
    line = " ".join(said.split())
    return line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1] + "…"


def put_if_absent(table_name: str, item: Item) -> Item:
    """A transaction's put that fails if the key is taken."""
    return {
        "Put": {
            "TableName": table_name,
            "Item": item,
            "ConditionExpression": f"attribute_not_exists({PARTITION_KEY})",
        }
    }
