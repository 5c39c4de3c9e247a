"""What each route takes and answers, as data for the OpenAPI document.

The routes themselves stand in `app`; a test holds that both say the same.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from aistratus_contracts.job import CONVERSATION_ID_PATTERN, JOB_ID_PATTERN
from aistratus_contracts.registry import Scope
from aistratus_router import VERSION, requests, responses

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
class PathParameter:
    """A variable part of a path."""

    name: str
    pattern: str
    description: str
    example: str


JOB_ID: Final = PathParameter("job_id", JOB_ID_PATTERN, "The job, as `POST /infer` named it.", _JOB)
CONVERSATION_ID: Final = PathParameter(
    "conversation_id", CONVERSATION_ID_PATTERN, "The conversation.", _CONVERSATION
)


@dataclass(frozen=True, slots=True)
class Link:
    """A request that makes sense after this one: its parameters, out of the answer's body."""

    operation_id: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `refusals` are the statuses of its problem documents beside the usual ones."""

    operation_id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    status: int
    answers: str
    answer: type[BaseModel] | None
    example: Any = None
    scope: Scope | None = Scope.INFER
    path_parameter: PathParameter | None = None
    query: type[BaseModel] = requests.NoQuery
    body: type[BaseModel] | None = None
    body_examples: dict[str, Any] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    links: tuple[Link, ...] = ()


_JOB_LINKS: Final = tuple(
    Link(operation_id, {"job_id": "$response.body#/job_id"})
    for operation_id in ("get_job", "get_job_events", "cancel_job")
)
_CONVERSATION_LINKS: Final = tuple(
    Link(operation_id, {"conversation_id": "$response.body#/conversation_id"})
    for operation_id in ("get_conversation", "delete_conversation")
)

OPERATIONS: Final = (
    Operation(
        operation_id="get_health",
        method="GET",
        path="/health",
        tag="service",
        summary="Is the service up?",
        description="Answers without a token and without looking at anything else.",
        status=200,
        answers="The service is up.",
        answer=responses.Health,
        example={"status": "ok", "version": VERSION},
        scope=None,
    ),
    Operation(
        operation_id="get_openapi",
        method="GET",
        path="/openapi.json",
        tag="service",
        summary="This document",
        description="The OpenAPI document of the release that answers.",
        status=200,
        answers="This document.",
        answer=None,
        scope=None,
    ),
    Operation(
        operation_id="list_models",
        method="GET",
        path="/models",
        tag="service",
        summary="Which models can be asked?",
        description="The models of this deployment; the first is the default.",
        status=200,
        answers="The models.",
        answer=responses.Models,
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
    Operation(
        operation_id="infer",
        method="POST",
        path="/infer",
        tag="jobs",
        summary="Ask",
        description=(
            "Accepts a prompt as a job and answers at once; the answer is read from the job. What "
            "is accepted is stored: it ends exactly once, whatever dies on the way. Turns of one "
            "conversation are answered in order. Send a `request_id` to be able to repeat a "
            "request whose answer got lost. A user has so many jobs at most that have not ended, "
            "and so many prompts a minute; more get 429 with `Retry-After`."
        ),
        status=202,
        answers="The job is stored; `Location` is where it can be read.",
        answer=responses.JobAccepted,
        example=_ACCEPTED,
        body=requests.InferRequest,
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
        refusals=(400, 404, 409, 413, 415),
        links=_JOB_LINKS + _CONVERSATION_LINKS,
    ),
    Operation(
        operation_id="get_job",
        method="GET",
        path="/jobs/{job_id}",
        tag="jobs",
        summary="How does a job stand?",
        description="The job, its answer so far, and, while it is queued, why it waits.",
        status=200,
        answers="The job.",
        answer=responses.JobView,
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
        path_parameter=JOB_ID,
        refusals=(404,),
    ),
    Operation(
        operation_id="get_job_events",
        method="GET",
        path="/jobs/{job_id}/events",
        tag="jobs",
        summary="What is new in a job?",
        description=(
            "Events after `after`, at most 1000. With `wait`, holds the answer until there is one"
            " or the time is over; a user has so many held answers at most. Go on with "
            "`next_after` until `done`. What was read once never changes."
        ),
        status=200,
        answers="New events, perhaps none.",
        answer=responses.Events,
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
        path_parameter=JOB_ID,
        query=requests.EventsQuery,
        refusals=(404,),
    ),
    Operation(
        operation_id="cancel_job",
        method="POST",
        path="/jobs/{job_id}/cancel",
        tag="jobs",
        summary="Stop a job",
        description=(
            "A queued job ends here; a running one is asked to stop and ends soon, with what it "
            "has said so far; an ended one stays as it is. Asking again does no harm."
        ),
        status=202,
        answers="The job as it stands now.",
        answer=responses.JobAccepted,
        example={**_ACCEPTED, "state": "cancelled"},
        path_parameter=JOB_ID,
        refusals=(404,),
    ),
    Operation(
        operation_id="list_conversations",
        method="GET",
        path="/conversations",
        tag="conversations",
        summary="Which conversations are there?",
        description="Your conversations, the last used first.",
        status=200,
        answers="A page of conversations; `next_cursor` is there if more follow.",
        answer=responses.Conversations,
        example={"conversations": [{**_CONVERSATION_HEAD, "turns": 1}]},
        query=requests.ConversationsQuery,
    ),
    Operation(
        operation_id="get_conversation",
        method="GET",
        path="/conversations/{conversation_id}",
        tag="conversations",
        summary="What was said?",
        description=(
            "A conversation and its turns, oldest first. A long one comes in parts, the newest "
            "first: `next_before` is there if there are earlier turns."
        ),
        status=200,
        answers="The conversation.",
        answer=responses.ConversationView,
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
        path_parameter=CONVERSATION_ID,
        query=requests.TurnsQuery,
        refusals=(404,),
    ),
    Operation(
        operation_id="delete_conversation",
        method="DELETE",
        path="/conversations/{conversation_id}",
        tag="conversations",
        summary="Forget a conversation",
        description=(
            "Removes a conversation, its jobs and their events; jobs that still run are stopped. "
            "If it answers 503, part of it is removed: ask again."
        ),
        status=204,
        answers="It is gone.",
        answer=None,
        path_parameter=CONVERSATION_ID,
        refusals=(404,),
    ),
    Operation(
        operation_id="get_fleet",
        method="GET",
        path="/fleet",
        tag="fleet",
        summary="How does the GPU stand?",
        description=(
            "`off`, `requested` (wanted, and no worker is ready yet), `running`, or `draining` "
            "(not wanted any more, and not gone yet)."
        ),
        status=200,
        answers="The fleet.",
        answer=responses.FleetOut,
        example=_FLEET,
    ),
    Operation(
        operation_id="set_fleet",
        method="PUT",
        path="/fleet",
        tag="fleet",
        summary="After how long without work does the GPU go off?",
        description="Sets the idle timeout. It holds everywhere within a minute.",
        status=200,
        answers="The fleet.",
        answer=responses.FleetOut,
        example=_FLEET,
        scope=Scope.OPERATE,
        body=requests.FleetRequest,
        body_examples={
            "half an hour": {"summary": "30 minutes", "value": {"idle_timeout_seconds": 1800}}
        },
        refusals=(400, 409, 413, 415),
    ),
    Operation(
        operation_id="start_fleet",
        method="POST",
        path="/start",
        tag="fleet",
        summary="Wake the GPU before the first prompt",
        description="Without a prompt it goes off again when the idle timeout has passed.",
        status=202,
        answers="The fleet as it stands now.",
        answer=responses.FleetOut,
        example={**_FLEET, "state": "requested", "queue_depth": 0},
        scope=Scope.OPERATE,
        refusals=(409,),
    ),
    Operation(
        operation_id="stop_fleet",
        method="POST",
        path="/stop",
        tag="fleet",
        summary="Turn the GPU off now",
        description=(
            "Running jobs go back to the queue and go on, from what was read, at the next wake. "
            "A stop holds until the next `POST /infer` or `POST /start`: jobs that wait do not "
            "undo it."
        ),
        status=202,
        answers="The fleet as it stands now.",
        answer=responses.FleetOut,
        example={**_FLEET, "state": "draining"},
        scope=Scope.OPERATE,
        refusals=(409,),
    ),
)
