"""The two HTTP servers: llama-cpp-python's own, and llama.cpp's."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, Protocol

import httpx

from engine_bench import shape
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.errors import BenchError
from engine_bench.processes import (
    HOST,
    Process,
    Usage,
    cores,
    free_port,
    process,
    python_module,
)
from engine_bench.workload import Job, Outcome

LLAMA_SERVER_VARIABLE: Final = "LLAMA_SERVER"
SLOTS: Final = 16
TIMEOUT_SECONDS: Final = 600.0
_DATA: Final = "data: "
# By itself the client opens a hundred connections, and lets further jobs wait for one.
_ALL_AT_ONCE: Final = httpx.Limits(max_connections=None)


class _Question(Protocol):
    """How one job is asked."""

    async def __call__(self, http: httpx.AsyncClient, job: Job, asked: float) -> Outcome:
        """Ask it and return its outcome."""


@dataclass
class HttpSession:
    """A client of a running server."""

    process: Process
    url: str
    question: _Question
    start_seconds: float

    def ask(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Ask all at once, or each after its delay; the answers, in the order of the jobs."""
        return asyncio.run(self._ask_all(jobs))

    def usage(self) -> Usage:
        """What the server has used so far."""
        return self.process.usage()

    async def _ask_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        async with httpx.AsyncClient(
            base_url=self.url, timeout=TIMEOUT_SECONDS, limits=_ALL_AT_ONCE, trust_env=False
        ) as http:
            return list(await asyncio.gather(*(self._ask(http, job) for job in jobs)))

    async def _ask(self, http: httpx.AsyncClient, job: Job) -> Outcome:
        await asyncio.sleep(job.delay_seconds)
        return await self.question(http, job, time.monotonic())


async def _ask_python_server(http: httpx.AsyncClient, job: Job, asked: float) -> Outcome:
    """Ask without streaming: the answer has token counts, and streaming would slow it down."""
    turns = [{"role": role, "content": text} for role, text in job.turns]
    answer = await http.post(
        "/v1/chat/completions",
        json={"messages": turns, "max_tokens": job.max_tokens, "temperature": 0.0},
    )
    answer.raise_for_status()
    document = answer.json()
    usage = document["usage"]
    return Outcome(
        asked,
        None,
        time.monotonic(),
        usage["prompt_tokens"],
        usage["completion_tokens"],
        document["choices"][0]["message"]["content"],
    )


async def _ask_llama_server(http: httpx.AsyncClient, job: Job, asked: float) -> Outcome:
    """Ask with the rendered prompt, so that the tokens are surely the same; streamed."""
    body = {**_completion(job), "stream": True}
    first, text = None, ""
    last: dict[str, Any] = {}
    async with http.stream("POST", "/completion", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith(_DATA):
                continue
            last = json.loads(line.removeprefix(_DATA))
            if last.get("content"):
                first = first or time.monotonic()
                text += last["content"]
    if not last.get("stop"):
        raise BenchError(f"llama-server ended an answer with {last}.")
    return Outcome(
        asked, first, time.monotonic(), last["tokens_evaluated"], last["tokens_predicted"], text
    )


async def ask_llama_server_whole(http: httpx.AsyncClient, job: Job, asked: float) -> Outcome:
    """Ask without streaming; the server's own clock then says when the first token came.

    A client in Python reads some ten thousand streamed tokens a second, fewer than a card computes.
    """
    answer = await http.post("/completion", json=_completion(job))
    ended = time.monotonic()
    answer.raise_for_status()
    document = answer.json()
    return Outcome(
        asked,
        ended - document["timings"]["predicted_ms"] / 1000,
        ended,
        document["tokens_evaluated"],
        document["tokens_predicted"],
        document["content"],
    )


def _completion(job: Job) -> dict[str, Any]:
    return {
        "prompt": shape.prompt_of(job.turns),
        "n_predict": job.max_tokens,
        "temperature": 0.0,
        "cache_prompt": job.may_reuse,
    }


@contextmanager
def open_python_server(setup: Setup) -> Iterator[HttpSession]:
    """llama-cpp-python's server for the length of a block."""
    port = free_port()
    arguments = python_module(
        "llama_cpp.server",
        *("--model", str(setup.model.path), "--n_ctx", str(setup.model.context)),
        *("--n_threads", str(cores()), "--interrupt_requests", "false"),
        *("--host", HOST, "--port", str(port)),
    )
    log = setup.folder / "llama_cpp_server.log"
    with process("llama_cpp.server", arguments, log) as running:
        yield _session(running, port, "/v1/models", _ask_python_server)


@contextmanager
def open_llama_server(setup: Setup, *more: str, streamed: bool = True) -> Iterator[HttpSession]:
    """llama.cpp's server for the length of a block, with further arguments as given."""
    port = free_port()
    arguments = [
        *(llama_server_path() or "llama-server", "-m", str(setup.model.path)),
        *("-np", str(SLOTS), "-c", str(SLOTS * setup.model.context)),
        *("--threads", str(cores()), "--host", HOST, "--port", str(port), *more),
    ]
    log = setup.folder / "llama-server.log"
    with process("llama-server", arguments, log) as running:
        question = _ask_llama_server if streamed else ask_llama_server_whole
        yield _session(running, port, "/health", question)


def _session(running: Process, port: int, health: str, question: _Question) -> HttpSession:
    running.until(lambda: _is_healthy(port, health))
    started = time.monotonic() - running.began
    return HttpSession(running, f"http://{HOST}:{port}", question, started)


def _is_healthy(port: int, path: str) -> bool:
    with suppress(OSError, HTTPException), closing(HTTPConnection(HOST, port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False


def llama_server_path() -> str | None:
    """Where llama-server is: as `LLAMA_SERVER` says, else on the path."""
    return os.environ.get(LLAMA_SERVER_VARIABLE) or shutil.which("llama-server")


PYTHON_SERVER: Final = Contender("llama_cpp.server", open_python_server, is_serial=True)
LLAMA_SERVER: Final = Contender("llama-server", open_llama_server)
LLAMA_SERVER_SMALL_BATCH: Final = Contender(
    "llama-server -b 128", lambda setup: open_llama_server(setup, "-b", "128")
)
