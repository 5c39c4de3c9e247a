"""The fenced append that everything rests on."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aistratus_contracts.event import Event, EventBody, StateChange
from aistratus_contracts.job import Cursor
from aistratus_contracts.table.items import (
    Answer,
    JobRecord,
    answer_item,
    event_item,
    put_if_absent,
)
from aistratus_contracts.table.keys import Item, meta_key, open_key


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
