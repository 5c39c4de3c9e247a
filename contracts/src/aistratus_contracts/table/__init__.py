"""The one table: its keys, its items, and the fenced append that everything rests on.

| pk | sk | holds |
|---|---|---|
| `JOB#id` | `META` | the job, and its cursor; of a long job, the head |
| `JOB#id` | `DOC` | a long job (with a grammar, say), whole |
| `JOB#id` | `EV#0000000001` … | one event each |
| `USER#owner` | `CONV#id` | head of a conversation: title, times, number of turns |
| `USER#owner` | `TURN#id#000001#PROMPT` | the messages that a turn added, and its job |
| `USER#owner` | `TURN#id#000001#ANSWER` | the answer; exists if and only if the job has ended |
| `USER#owner` | `REQ#request_id` | the job that this idempotency key created |
| `USER#owner` | `LIMITS` | the user's open jobs with their lanes, and the user's prompt rate |
| `USER#owner` | `READERS#window` | how many of the user's held polls began in this window |
| `READERS` | `window` | the same, for all users together |
| `OPEN` | `time#job id` | a job that has not ended: when it was last sent, and how often |
| `FUNCTIONS` | `PLACE#000` … | a running function: which invocation it is, until when |
| `FUNCTIONS` | `USE#minute` | for how long functions ran in this minute |
| `FLEET` | `GROUP` | whether instances are wanted, since when, and what prevents them |
| `FLEET` | `WORKER#id` | a worker's last sign of life; deleted once the worker has drained |

Everything that belongs to a user is stored under that user's key, so another user's data is not
refused: it is not found. Items are in DynamoDB's typed JSON, ready for a low-level client; nothing
here talks to the network.

`keys` has the keys, `items` how items are written and read, `fenced_append` the append; all of it
is here too.
"""

# ruff: noqa: F403, F405
from aistratus_contracts.table.fenced_append import *
from aistratus_contracts.table.items import *
from aistratus_contracts.table.keys import *

# fmt: off
__all__ = [
    "DOCUMENT", "EVENT_PREFIX", "FLEET_PARTITION", "FUNCTIONS_PARTITION", "GROUP",
    "JOB_APART_VERSION", "MAX_JOB_BYTES_IN_META", "META", "OPEN_PARTITION", "PARTITION_KEY",
    "PLACE_PREFIX", "READERS_PARTITION", "RECENCY_ATTRIBUTE", "RECENCY_INDEX", "SORT_KEY",
    "TABLE_SCHEMA", "TTL_ATTRIBUTE", "TURN_VERSION", "USE_PREFIX", "WORKER_PREFIX", "Answer",
    "Append", "ConversationHead", "Item", "JobRecord", "SignOfLife", "Turn", "all_readers_key",
    "answer_item", "answer_sort_key", "append", "conversation_sort_key", "document_key",
    "event_item", "event_sort_key", "expiry_of", "function_place_key", "function_use_key",
    "group_key", "head_item", "is_event", "job_items", "job_partition", "key", "limits_key",
    "meta_item", "meta_key", "open_key", "prompt_item", "prompt_sort_key", "put_if_absent",
    "read_document", "read_event", "read_head", "read_meta", "read_turns", "read_turns_backwards",
    "read_worker", "readers_key", "request_sort_key", "title_of", "turns_prefix", "user_partition",
    "worker_item", "worker_key",
]
# fmt: on
