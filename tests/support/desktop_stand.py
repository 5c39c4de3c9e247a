"""An Aistratus that answers from memory: API and managed login as one small ASGI app.

Tests decide when it answers: a job's events are what `say` and `finish` put there.
"""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from aistratus_contracts.codec import format_time
from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.event import (
    Delta,
    Event,
    EventBody,
    StateChange,
    Usage,
    event_to_plain,
)
from aistratus_contracts.problem import Problem, problem_to_plain
from aistratus_contracts.states import FinishReason, JobState

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(seq: int, body: EventBody, attempt: int = 1) -> Event:
    return Event(seq, attempt, NOW, body)


def problem(status: int, code: ErrorCode, detail: str) -> Response:
    document = problem_to_plain(Problem(status, code, "Refused", detail))
    return JSONResponse(document, status, media_type="application/problem+json")


@dataclass
class StandJob:
    job_id: str
    conversation_id: str
    prompt: str
    events: list[Event] = field(default_factory=list)
    waiting: str | None = None
    cancelled: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> JobState:
        states = [item.body.state for item in self.events if isinstance(item.body, StateChange)]
        return states[-1]

    @property
    def text(self) -> str:
        return "".join(item.body.text for item in self.events if isinstance(item.body, Delta))

    def add(self, *bodies: EventBody) -> None:
        for body in bodies:
            self.events.append(event(len(self.events) + 1, body))
        self.changed.set()
        self.changed = asyncio.Event()

    def say(self, *texts: str) -> None:
        if self.state is JobState.QUEUED:
            self.add(StateChange(JobState.RUNNING))
        self.add(*(Delta(text, (1,)) for text in texts))

    def finish(
        self, state: JobState = JobState.SUCCEEDED, reason: FinishReason | None = FinishReason.STOP
    ) -> None:
        self.add(Usage(5, 0, 7), StateChange(state, reason))


@dataclass
class Stand:
    """The stand-in. `pace` seconds lie between two words when it answers by itself."""

    pace: float | None = None
    jobs: dict[str, StandJob] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    refuse_next: list[Response] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    login_forms: list[dict[str, str]] = field(default_factory=list)
    token_seconds: int = 3600
    page_size: int = 50
    ignore_cancel: bool = False
    refresh_is_good: bool = True
    # Until these are set, the API or the login handles a request but does not answer it.
    api_gate: asyncio.Event | None = None
    # The next request is not handled before this is set; others overtake it.
    hold_next: asyncio.Event | None = None
    is_holding: bool = False
    token_gate: asyncio.Event | None = None
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- what tests use ---------------------------------------------------------------------

    @property
    def last_job(self) -> StandJob:
        return list(self.jobs.values())[-1]

    def turns(self, conversation_id: str) -> list[StandJob]:
        return [job for job in self.jobs.values() if job.conversation_id == conversation_id]

    # --- the API ----------------------------------------------------------------------------

    async def infer(self, request: Request) -> Response:
        body = await request.json()
        known = self.requests.get(body["request_id"])
        if known:
            return self._accepted(self.jobs[known])
        conversation_id = body.get("conversation_id") or f"conv-{next(self._numbers):024d}"
        if conversation_id in self.deleted:
            return problem(404, ErrorCode.NOT_FOUND, "There is no such conversation.")
        job = StandJob(
            f"job-{next(self._numbers):024d}", conversation_id, body["messages"][-1]["content"]
        )
        job.add(StateChange(JobState.QUEUED))
        self.jobs[job.job_id] = job
        self.requests[body["request_id"]] = job.job_id
        if self.pace is not None:
            task = asyncio.create_task(self._answer(job, self.pace))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._accepted(job)

    async def job(self, request: Request) -> Response:
        job = self._find(request)
        if job is None:
            return problem(404, ErrorCode.NOT_FOUND, "There is no such job.")
        document: dict[str, Any] = {
            "job_id": job.job_id,
            "conversation_id": job.conversation_id,
            "state": job.state.value,
            "text": job.text,
            "events": len(job.events),
            "from_a_newer_release": True,
        }
        if job.waiting:
            document["waiting"] = {"reason": "queued", "message": job.waiting}
        return JSONResponse(document)

    async def events(self, request: Request) -> Response:
        job = self._find(request)
        if job is None:
            return problem(404, ErrorCode.NOT_FOUND, "There is no such job.")
        after = int(request.query_params.get("after", 0))
        wait = float(request.query_params.get("wait", 0))
        if wait and len(job.events) <= after and not job.state.is_final:
            with suppress(TimeoutError):
                await asyncio.wait_for(job.changed.wait(), wait)
        page = job.events[after:]
        return JSONResponse(
            {
                "job_id": job.job_id,
                "state": job.state.value,
                "events": [event_to_plain(item) for item in page],
                "next_after": after + len(page),
                "done": job.state.is_final,
            }
        )

    async def cancel(self, request: Request) -> Response:
        job = self._find(request)
        if job is None:
            return problem(404, ErrorCode.NOT_FOUND, "There is no such job.")
        if not job.state.is_final and not self.ignore_cancel:
            job.cancelled = True
            job.finish(JobState.CANCELLED, FinishReason.CANCELLED)
        return self._accepted(job)

    async def conversations(self, request: Request) -> Response:
        seen: dict[str, dict[str, Any]] = {}
        for job in self.jobs.values():
            if job.conversation_id in self.deleted:
                continue
            line = seen.setdefault(
                job.conversation_id,
                {
                    "conversation_id": job.conversation_id,
                    "title": job.prompt[:80],
                    "created_at": format_time(NOW),
                    "updated_at": format_time(NOW),
                    "turns": 0,
                },
            )
            line["turns"] += 1
        lines = list(reversed(seen.values()))
        first = int(request.query_params.get("cursor", "0"))
        document: dict[str, Any] = {"conversations": lines[first : first + self.page_size]}
        if first + self.page_size < len(lines):
            document["next_cursor"] = str(first + self.page_size)
        return JSONResponse(document)

    async def conversation(self, request: Request) -> Response:
        conversation_id = request.path_params["conversation_id"]
        turns = self.turns(conversation_id)
        if not turns or conversation_id in self.deleted:
            return problem(404, ErrorCode.NOT_FOUND, "There is no such conversation.")
        if request.method == "DELETE":
            self.deleted.add(conversation_id)
            return Response(status_code=204)
        return JSONResponse(
            {
                "conversation_id": conversation_id,
                "title": turns[0].prompt,
                "created_at": format_time(NOW),
                "updated_at": format_time(NOW),
                "turns": [_turn(number, job) for number, job in enumerate(turns, 1)],
            }
        )

    async def models(self, _request: Request) -> Response:
        card = {
            "id": "standin",
            "title": "Stand-in",
            "context": 512,
            "default_max_tokens": 128,
            "default_temperature": 0.0,
            "license": "Apache-2.0",
        }
        return JSONResponse({"models": [card]})

    # --- the login --------------------------------------------------------------------------

    async def authorize(self, _request: Request) -> Response:
        """A page with a button, as a person would see it."""
        return HTMLResponse(
            "<form method=post><h1>Stand-in login</h1><button>Sign in as Ada</button></form>"
        )

    async def authorized(self, request: Request) -> Response:
        query = dict(request.query_params)
        code = f"code-{next(self._numbers)}"
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return RedirectResponse(f"{query['redirect_uri']}?{back}", 303)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.login_forms.append(form)
        if self.token_gate:
            await self.token_gate.wait()
        if form["grant_type"] == "refresh_token":
            if not self.refresh_is_good:
                return JSONResponse({"error": "invalid_grant"}, 400)
            return JSONResponse(self._tokens())
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({**self._tokens(), "refresh_token": "refresh-1"})

    async def revoke(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.login_forms.append(form)
        return Response()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/models", self._guarded(self.models)),
                Route("/infer", self._guarded(self.infer), methods=["POST"]),
                Route("/jobs/{job_id}", self._guarded(self.job)),
                Route("/jobs/{job_id}/events", self._guarded(self.events)),
                Route("/jobs/{job_id}/cancel", self._guarded(self.cancel), methods=["POST"]),
                Route("/conversations", self._guarded(self.conversations)),
                Route(
                    "/conversations/{conversation_id}",
                    self._guarded(self.conversation),
                    methods=["GET", "DELETE"],
                ),
                Route("/oauth2/authorize", self.authorize),
                Route("/oauth2/authorize", self.authorized, methods=["POST"]),
                Route("/oauth2/token", self.token, methods=["POST"]),
                Route("/oauth2/revoke", self.revoke, methods=["POST"]),
            ]
        )

    def _guarded(self, endpoint: Any) -> Any:
        async def guarded(request: Request) -> Response:
            self.calls.append(f"{request.method} {request.url.path}")
            if self.refuse_next:
                return self.refuse_next.pop(0)
            if not request.headers.get("authorization", "").startswith("Bearer access-"):
                return JSONResponse({"message": "Unauthorized"}, 401)
            if self.hold_next and not self.is_holding:
                self.is_holding = True
                await self.hold_next.wait()
            response: Response = await endpoint(request)
            if self.api_gate:
                await self.api_gate.wait()
            return response

        return guarded

    def _find(self, request: Request) -> StandJob | None:
        job = self.jobs.get(request.path_params["job_id"])
        return None if job is None or job.conversation_id in self.deleted else job

    def _accepted(self, job: StandJob) -> Response:
        return JSONResponse(
            {
                "job_id": job.job_id,
                "conversation_id": job.conversation_id,
                "state": job.state.value,
            },
            202,
        )

    def _tokens(self) -> dict[str, Any]:
        return {
            "access_token": f"access-{next(self._numbers)}",
            "id_token": "not for us",
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
        }

    async def _answer(self, job: StandJob, pace: float) -> None:
        for word in _words(job.prompt):
            await asyncio.sleep(pace)
            if job.cancelled:
                return
            job.say(word)
        job.finish()


def _turn(number: int, job: StandJob) -> dict[str, Any]:
    turn: dict[str, Any] = {
        "turn": number,
        "job_id": job.job_id,
        "created_at": format_time(NOW),
        "messages": [{"role": "user", "content": job.prompt}],
    }
    if job.state.is_final:
        turn["answer"] = {"state": job.state.value, "text": job.text}
    return turn


def _words(prompt: str) -> Sequence[str]:
    if "long" in prompt.lower():
        return [f"{number} " for number in range(1, 400)]
    text = (
        f"You asked: *{prompt}*\n\nAistratus is your **own language model**, on your account:\n\n"
        "- a GPU that is off until somebody asks,\n- wakes by itself,\n- streams the answer, "
        "and goes away again.\n\n```python\nprint('one command')\n```\n\nThat is `make demo`."
    )
    return [f"{word} " if not word.endswith("\n") else word for word in text.split(" ")]
