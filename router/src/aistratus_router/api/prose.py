"""What the OpenAPI document says about each route beyond its declaration: words and examples.

Only the document loads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aistratus_router import VERSION

_JOB: Final = "job-a2b3c4d5e6f7g2h3i4j5k6l7"
_CONVERSATION: Final = "conv-m2n3o4p5q6r7s2t3u4v5w6x7"
_MODEL: Final = "tinyllama-1.1b-chat"
_TIME: Final = "2026-11-23T10:00:00.000Z"
_QUESTION: Final = {"role": "user", "content": "Why is the sky blue?"}
_ACCEPTED: Final = {"job_id": _JOB, "conversation_id": _CONVERSATION, "state": "queued"}
_FLEET: Final = {
    "managed": True,
    "state": "running",
    "queue_depth": 2,
    "idle_timeout_seconds": 600,
    "purchase": "spot",
}
_CONVERSATION_HEAD: Final = {
    "conversation_id": _CONVERSATION,
    "title": "Why is the sky blue?",
    "created_at": _TIME,
    "updated_at": _TIME,
}


@dataclass(frozen=True, slots=True)
class Prose:
    """`answers` says what the answer is; `headers` and `links` are the document's own form."""

    tag: str
    description: str
    answers: str
    example: Any = None
    body_examples: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)


def retry_after(description: str) -> dict[str, Any]:
    """The header, as the document has it."""
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


def _links(name: str, *operations: str) -> dict[str, Any]:
    """Requests that make sense next: their id stands in the answer's body."""
    parameters = {name: f"$response.body#/{name}"}
    return {each: {"operationId": each, "parameters": parameters} for each in operations}


IDS: Final = {
    "job_id": {"description": "The job, as `POST /infer` named it.", "example": _JOB},
    "conversation_id": {"description": "The conversation.", "example": _CONVERSATION},
}

PROSE: Final = {
    "get_health": Prose(
        tag="service",
        description="Needs no token and checks nothing else.",
        answers="The service is up.",
        example={"status": "ok", "version": VERSION},
    ),
    "get_openapi": Prose(
        tag="service",
        description="The OpenAPI document of the release that answers.",
        answers="This document.",
    ),
    "list_models": Prose(
        tag="service",
        description="The models of this deployment; the first is the default.",
        answers="The models.",
        example={
            "models": [
                {
                    "id": _MODEL,
                    "title": "TinyLlama 1.1B Chat",
                    "context": 2048,
                    "default_max_tokens": 512,
                    "default_temperature": 0.7,
                    "license": "Apache-2.0",
                }
            ]
        },
    ),
    "infer": Prose(
        tag="jobs",
        description=(
            "Stores a prompt as a job and returns at once; read the answer from the job. An "
            "accepted job ends exactly once, whatever fails on the way. Turns of one conversation "
            "are answered in order. Send a `request_id`, and you can safely repeat a request "
            "whose reply was lost. The number of open jobs and of prompts a minute is limited for "
            "each user; beyond a limit the reply is 429 with `Retry-After`."
        ),
        answers="The job is stored; read it at `Location`.",
        example=_ACCEPTED,
        body_examples={
            "new": {
                "summary": "A new conversation",
                "value": {"messages": [_QUESTION], "request_id": "5f0e6a3c-1", "max_tokens": 200},
            },
            "instructed": {
                "summary": "A new conversation with instructions",
                "value": {
                    "messages": [{"role": "system", "content": "Answer in one line."}, _QUESTION],
                    "temperature": 0,
                    "stop": ["\n"],
                },
            },
            "next": {
                "summary": "The next turn; earlier ones are known",
                "value": {
                    "conversation_id": _CONVERSATION,
                    "messages": [{"role": "user", "content": "And at dusk?"}],
                },
            },
        },
        headers={
            "Location": {
                "required": True,
                "description": "Where the job can be read.",
                "schema": {"type": "string", "pattern": "^/jobs/job-[a-z2-7]{24}$"},
            }
        },
        links={
            **_links("job_id", "get_job", "get_job_events", "cancel_job"),
            **_links("conversation_id", "get_conversation", "delete_conversation"),
        },
    ),
    "get_job": Prose(
        tag="jobs",
        description="The job, its answer so far, and, while it is queued, why it waits.",
        answers="The job.",
        example={
            "job_id": _JOB,
            "conversation_id": _CONVERSATION,
            "state": "succeeded",
            "model": _MODEL,
            "text": "Because air scatters blue light more than red.",
            "attempt": 1,
            "created_at": _TIME,
            "events": 5,
            "notices": [],
            "usage": {"prompt_tokens": 21, "cached_tokens": 0, "completion_tokens": 10},
            "finish_reason": "stop",
        },
    ),
    "get_job_events": Prose(
        tag="jobs",
        description=(
            "Events after `after`, at most 1000. With `wait`, the reply is held until there is an "
            "event or the time is over; the number of held replies is limited, for each user and "
            "for all. With `retry_after` in the reply, ask again after that many seconds. Go on "
            "with `next_after` until `done`. An event never changes."
        ),
        answers="New events, perhaps none.",
        example={
            "job_id": _JOB,
            "state": "running",
            "events": [
                {"v": 1, "seq": 2, "attempt": 1, "at": _TIME, "state": {"state": "running"}},
                {
                    "v": 1,
                    "seq": 3,
                    "attempt": 1,
                    "at": _TIME,
                    "delta": {"text": "Because", "token_ids": [7311]},
                },
            ],
            "next_after": 3,
            "done": False,
        },
        headers={
            "Retry-After": retry_after(
                "Seconds to wait before you ask again, rounded up; only if the reply was not held "
                "and has no event."
            )
        },
    ),
    "cancel_job": Prose(
        tag="jobs",
        description=(
            "A queued job ends at once. A running job is asked to stop and ends soon, with the "
            "answer so far. A job that has ended stays as it is. Repeating the request is safe."
        ),
        answers="The job as it stands now.",
        example={**_ACCEPTED, "state": "cancelled"},
    ),
    "list_conversations": Prose(
        tag="conversations",
        description="Your conversations, the most recently used first.",
        answers="A page of conversations; `next_cursor` is there if more follow.",
        example={"conversations": [{**_CONVERSATION_HEAD, "turns": 1}]},
    ),
    "get_conversation": Prose(
        tag="conversations",
        description=(
            "A conversation and its turns, oldest first. A long conversation comes in pages, the "
            "newest turns first; `next_before` leads to the earlier ones."
        ),
        answers="The conversation.",
        example={
            **_CONVERSATION_HEAD,
            "turns": [
                {
                    "turn": 1,
                    "job_id": _JOB,
                    "created_at": _TIME,
                    "messages": [_QUESTION],
                    "answer": {"state": "succeeded", "text": "Because air scatters blue light."},
                }
            ],
        },
    ),
    "delete_conversation": Prose(
        tag="conversations",
        description=(
            "Deletes a conversation, its jobs and their events, and stops jobs that still run. "
            "If the reply is 503, only a part is deleted: send the request again."
        ),
        answers="The conversation is deleted.",
    ),
    "get_fleet": Prose(
        tag="fleet",
        description=(
            "The state is `off`, `requested` (an instance is wanted, but no worker is ready yet), "
            "`running`, or `draining` (no instance is wanted, but one is not gone yet)."
        ),
        answers="The fleet.",
        example=_FLEET,
    ),
    "set_fleet": Prose(
        tag="fleet",
        description="Sets the idle timeout. It takes effect within a minute.",
        answers="The fleet.",
        example=_FLEET,
        body_examples={
            "half an hour": {"summary": "30 minutes", "value": {"idle_timeout_seconds": 1800}}
        },
    ),
    "start_fleet": Prose(
        tag="fleet",
        description="Without a prompt, the GPU is turned off again after the idle timeout.",
        answers="The fleet as it stands now.",
        example={**_FLEET, "state": "requested", "queue_depth": 0},
    ),
    "stop_fleet": Prose(
        tag="fleet",
        description=(
            "Running jobs go back to the queue and continue where they were after the next wake. "
            "A stop holds until the next `POST /infer` or `POST /start`; waiting jobs do not end "
            "it."
        ),
        answers="The fleet as it stands now.",
        example={**_FLEET, "state": "draining"},
    ),
}
