"""A signed-in user who means no good; everything that is heard is written down."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import anyio
import httpx

from system.hostile.evidence import Evidence

# A poll is held for 20 s, and then its answer has to come.
ANSWER_SECONDS: Final = 40.0
POLL_SECONDS: Final = 20


@dataclass
class Caller:
    """Asks over HTTP, with a token or without one. A broken connection is counted, and is None.

    `jobs` are those that were accepted and whose end has not been seen.
    """

    http: httpx.AsyncClient
    evidence: Evidence
    jobs: dict[str, None] = field(default_factory=dict)
    _posts: set[asyncio.Task[httpx.Response | None]] = field(default_factory=set)

    async def request(
        self, method: str, path: str, label: str = "", **more: Any
    ) -> httpx.Response | None:
        """One request; `label` says what it is in the report."""
        began = time.monotonic()
        try:
            answer = await _unless_cancelled(self.http.request(method, path, **more))
        except httpx.HTTPError as error:
            self.evidence.broken[type(error).__name__] += 1
            return None
        said = label or f"{method} /{path.strip('/').partition('/')[0].partition('?')[0]}"
        self.evidence.answered(said, answer, time.monotonic() - began)
        return answer

    async def post(self, content: bytes) -> httpx.Response | None:
        """A prompt as it is. What was sent is heard to its end: an accepted job must be known."""
        headers = {"content-type": "application/json"}
        post = asyncio.create_task(self.request("POST", "/infer", content=content, headers=headers))
        self._posts.add(post)
        post.add_done_callback(self._remember)
        return await asyncio.shield(post)

    async def ask(self, text: str, **more: Any) -> dict[str, Any] | None:
        """A prompt; what was accepted, or None."""
        body = {"messages": [{"role": "user", "content": text}], **more}
        answer = await self.post(json.dumps(body).encode())
        if answer is None or answer.status_code != 202:
            return None
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def ask_when_it_may(self, text: str, **more: Any) -> dict[str, Any] | None:
        """A prompt by somebody who waits as long as it is told to, and so gets round a rate."""
        body = json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode()
        answer = await self.post(body)
        if answer is not None and answer.status_code == 429:
            # Nothing tells when a rate allows more, but the answer itself.
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
            return await self.ask_when_it_may(text, **more)
        if answer is None or answer.status_code != 202:
            return None
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def cancel(self, job_id: str) -> None:
        """Stop a job."""
        await self.request("POST", f"/jobs/{job_id}/cancel", "POST /jobs/cancel")

    async def delete(self, conversation_id: str) -> None:
        """Forget a conversation."""
        await self.request("DELETE", f"/conversations/{conversation_id}")

    async def poll(
        self, job_id: str, after: int = 0, wait: int = POLL_SECONDS
    ) -> httpx.Response | None:
        """A page of a job's events."""
        path, query = f"/jobs/{job_id}/events", {"after": after, "wait": wait}
        return await self.request("GET", path, "GET /jobs/events", params=query)

    async def follow(
        self, job_id: str, *, only_until_text: bool = False
    ) -> list[dict[str, Any]] | None:
        """A job's events to its end, or to its first words; None if there is no such job.

        Who is told to wait waits. What cannot be read ends where it broke.
        """
        events: list[dict[str, Any]] = []
        while True:
            answer = await self.poll(job_id, events[-1]["seq"] if events else 0)
            if answer is not None and answer.status_code in (429, 503):
                await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
                continue
            if answer is not None and answer.status_code == 404:
                self.jobs.pop(job_id, None)
                return None
            if answer is None or answer.status_code != 200:
                return events
            page = answer.json()
            events += page["events"]
            has_text = any("delta" in event for event in page["events"])
            if page["done"] and job_id in self.jobs:
                del self.jobs[job_id]
                self.evidence.ended(events)
            if page["done"] or (only_until_text and has_text):
                return events
            await asyncio.sleep(page.get("retry_after", 0.0))

    async def until_heard(self) -> None:
        """Return when all that was posted is answered."""
        while self._posts:
            await asyncio.wait(self._posts)

    def _remember(self, post: "asyncio.Task[httpx.Response | None]") -> None:
        self._posts.discard(post)
        answer = None if post.cancelled() else post.result()
        if answer is not None and answer.status_code == 202:
            with contextlib.suppress(ValueError, KeyError):
                job_id = answer.json()["job_id"]
                if job_id not in self.jobs:
                    self.jobs[job_id] = None
                    self.evidence.accepted += 1


async def _unless_cancelled(request: Awaitable[httpx.Response]) -> httpx.Response:
    """Await a request; where it is cancelled, all its connections are closed.

    httpcore closes connections in anyio's scopes, which a task's own cancellation breaks into: the
    rest of a pool's expired connections would stay open. So it is cancelled by such a scope.
    """
    scope = anyio.CancelScope()

    async def within() -> httpx.Response | None:
        with scope:
            return await request
        return None

    running = asyncio.create_task(within())
    try:
        answer = await asyncio.shield(running)
    except asyncio.CancelledError:
        scope.cancel()
        await asyncio.wait([running])
        running.exception()
        raise
    assert answer is not None, "only this function cancels the scope"
    return answer


@asynccontextmanager
async def calling(url: str, token: str, evidence: Evidence) -> AsyncIterator[Caller]:
    """A caller of that address, with as many connections as it likes."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=url,
        headers=headers,
        limits=limits,
        timeout=ANSWER_SECONDS,
        trust_env=False,
        verify=_tls(),
    ) as http:
        yield Caller(http, evidence)


@cache
def _tls() -> ssl.SSLContext:
    """Nothing here is encrypted, but each client would read all certificates again."""
    return ssl.create_default_context()
