"""The whole local path: what a client of the API sees, through router, queue, worker and engine."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from aistratus_contracts.event import Delta, StateChange, event_from_plain
from aistratus_contracts.event import Usage as TokenUsage
from aistratus_contracts.models import ModelCard
from aistratus_contracts.states import JobState
from aistratus_local.models import LocalModel
from aistratus_local.ports import PortNumbers
from aistratus_local.signin import sign_in
from aistratus_local.stack import WIDE_LIMITS, Stack, StackSettings, running
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.errors import BenchError
from engine_bench.models import BenchModel
from engine_bench.processes import Usage, usage_of
from engine_bench.workload import Job, Outcome

POLL_SECONDS: Final = 20
PATIENCE_SECONDS: Final = 900.0


@dataclass
class LocalSession:
    """A signed-in client of a running system. The bench's own usage is not counted."""

    runner: asyncio.Runner
    stack: Stack
    http: httpx.AsyncClient
    start_seconds: float

    def ask(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Ask all at once, or each after its delay; the answers, in the order of the jobs."""
        return self.runner.run(self._ask_all(jobs))

    def usage(self) -> Usage:
        """What all processes of the system have used so far."""
        children = self.stack.children.values()
        return usage_of([child.pid for child in children if child.pid is not None])

    async def _ask_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return list(await asyncio.gather(*(self._ask(job) for job in jobs)))

    async def _ask(self, job: Job) -> Outcome:
        await asyncio.sleep(job.delay_seconds)
        turns = [{"role": role, "content": text} for role, text in job.turns]
        asked = time.monotonic()
        answer = await self.http.post(
            "/infer", json={"messages": turns, "max_tokens": job.max_tokens}
        )
        answer.raise_for_status()
        url = f"/jobs/{answer.json()['job_id']}/events"
        return await self._follow(url, asked)

    async def _follow(self, url: str, asked: float) -> Outcome:
        after, first, text = 0, None, ""
        usage = TokenUsage(0, 0, 0)
        while True:
            page = await self.http.get(url, params={"after": after, "wait": POLL_SECONDS})
            page.raise_for_status()
            now = time.monotonic()
            for event in map(event_from_plain, page.json()["events"]):
                after = event.seq
                match event.body:
                    case Delta() as delta:
                        first = first or now
                        text += delta.text
                    case TokenUsage():
                        usage = event.body
                    case StateChange(state) if event.ends_job:
                        if state is not JobState.SUCCEEDED:
                            raise BenchError(f"A job ended as {state} and not as succeeded.")
                        return Outcome(
                            asked, first, now, usage.prompt_tokens, usage.completion_tokens, text
                        )
                    case _:
                        pass
            await asyncio.sleep(page.json().get("retry_after", 0.0))


@contextmanager
def open_local(setup: Setup) -> Iterator[LocalSession]:
    """An idle system without the app, and a signed-in client, for the length of a block."""
    settings = StackSettings(
        PortNumbers(0, 0, 0, 0),
        _local_model(setup.model),
        setup.folder / "local",
        with_app=False,
        limits=WIDE_LIMITS,
    )
    with asyncio.Runner() as runner:
        began = time.monotonic()
        system = running(settings, lambda *_: None)
        stack = runner.run(_entered(system))
        try:
            state = runner.run(stack.start())
            start_seconds = time.monotonic() - began
            tokens = runner.run(
                sign_in(state.login_url, state.client_id, state.user, state.password)
            )
            http = httpx.AsyncClient(
                base_url=state.api_url,
                headers={"authorization": f"Bearer {tokens.access_token}"},
                timeout=httpx.Timeout(POLL_SECONDS * 3),
                trust_env=False,
            )
            try:
                yield LocalSession(runner, stack, http, start_seconds)
            finally:
                runner.run(http.aclose())
        finally:
            runner.run(_left(system))


async def _entered(system: Any) -> Stack:
    stack: Stack = await system.__aenter__()
    return stack


async def _left(system: Any) -> None:
    await system.__aexit__(None, None, None)


def _local_model(model: BenchModel) -> LocalModel:
    card = ModelCard(
        id=f"bench-{model.name}",
        title="Bench",
        context=model.context,
        default_max_tokens=256,
        default_temperature=0.0,
        license="Apache-2.0",
    )
    return LocalModel(card, model.path, model.sha256)


LOCAL: Final = Contender("local path", open_local)
