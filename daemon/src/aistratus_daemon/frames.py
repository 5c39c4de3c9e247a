"""The protocol between worker and engine: one JSON object a line over a unix socket.

Worker to engine: `generate`, `cancel`, `probe`. Engine to worker: `ready` (once, on connection),
`tokens`, `notice`, `done`, `failed`, `unknown`, `stats`. A frame names its kind in `frame`.
`job_id` is the job's id and, after `#`, the number of the worker's request: a job may be requested
again.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from aistratus_contracts import codec
from aistratus_contracts.errors import ContractError, JobErrorCode
from aistratus_contracts.event import Notice, Usage
from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import FinishReason
from aistratus_daemon.errors import FrameError
from aistratus_daemon.job_context import JobContext

# Encoded: a whole line, with its end. It holds at most one conversation's text; the worker leaves
# out older turns and sends no longer line, but the engine answers even a longer one.
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
# A request's line begins with its kind and its job, so these can be read from any request.
_REQUEST_BEGINS: Final = re.compile(rb'\{"frame":"generate","job_id":("[^"\\\x00-\x1f]{1,256}")')


@dataclass(frozen=True, slots=True)
class Generate:
    """Answer this. `committed` are token ids of the answer that readers have already seen.

    `cache_key` says whose computed context may be reused: it names one conversation of one user,
    and nothing is ever shared between two keys. `left_out` counts the oldest turns, which the
    worker has already left out. `attempt` is for the log.
    """

    job_id: str
    cache_key: str
    messages: tuple[Message, ...]
    sampling: Sampling
    committed: tuple[int, ...] = ()
    left_out: int = 0
    attempt: int = 0

    @property
    def context(self) -> JobContext:
        """What the log's lines about this job carry."""
        job_id, _, _ = self.job_id.partition("#")
        _, _, conversation_id = self.cache_key.rpartition("/")
        return JobContext(job_id, conversation_id, self.attempt)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop this job; a `done` follows, unless it had ended before."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Do you have this job? An `unknown` follows only if not: the job never came, or has ended.

    Frames are read in the order in which they were sent, so an earlier request that is unknown
    was lost.
    """

    job_id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. `slots` jobs run at once, each in a context of `context` tokens."""

    slots: int
    context: int


@dataclass(frozen=True, slots=True)
class NewTokens:
    """More of one answer. The text of all frames together is the text of all tokens."""

    job_id: str
    token_ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What several answers gained since the last frame."""

    items: tuple[NewTokens, ...]


@dataclass(frozen=True, slots=True)
class JobNotice:
    """Something that the reader of one job should know."""

    job_id: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is whole (or was cancelled)."""

    job_id: str
    finish_reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """This job cannot be answered; the engine goes on."""

    job_id: str
    code: JobErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The engine has no such job; no other frame about it follows."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Stats:
    """The engine's counts; totals run from its start.

    Names follow llama-server's `/metrics`; `time_to_first_token_seconds` is vLLM's, from the
    request's arrival. Seconds of prompts and of predictions are those spent in llama.cpp.
    """

    requests_processing: int
    requests_deferred: int
    prompt_tokens_total: int
    prompt_tokens_cached_total: int
    prompt_seconds_total: float
    tokens_predicted_total: int
    tokens_predicted_seconds_total: float
    n_decode_total: int
    n_busy_slots_per_decode: float
    kv_cache_tokens: int
    kv_cache_usage_ratio: float
    time_to_first_token_seconds_sum: float
    time_to_first_token_seconds_count: int


Frame = Generate | Cancel | Probe | Ready | Tokens | JobNotice | Done | Failed | Unknown | Stats

_KINDS: Final[dict[str, type[Frame]]] = {
    "generate": Generate,
    "cancel": Cancel,
    "probe": Probe,
    "ready": Ready,
    "tokens": Tokens,
    "notice": JobNotice,
    "done": Done,
    "failed": Failed,
    "unknown": Unknown,
    "stats": Stats,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def encode_frame(frame: Frame) -> bytes:
    """A frame as one line."""
    if isinstance(frame, Tokens):
        return _encode_tokens(frame)
    line = codec.dumps({"frame": _NAMES[type(frame)], **codec.to_plain(frame)})
    return line.encode() + b"\n"


def _encode_tokens(frame: Tokens) -> bytes:
    """As `encode_frame`, without checking each value's type: this is sent every few ms."""
    items = [
        {"job_id": item.job_id, "token_ids": item.token_ids, "text": item.text}
        for item in frame.items
    ]
    return codec.dumps({"frame": "tokens", "items": items}).encode() + b"\n"


def decode_frame(line: bytes) -> Frame:
    """The reverse of `encode_frame`; raises `FrameError`."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise FrameError(
            "A line on the socket is no JSON; the other side is not ours.", job_id=job_in(line)
        ) from None
    name = document.pop("frame", None) if isinstance(document, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FrameError("A line on the socket names no frame of this protocol.")
    try:
        return codec.from_plain(kind, document)
    except ContractError as error:
        job_id = document.get("job_id")
        raise FrameError(
            f"A frame on the socket is not as agreed: {error}",
            job_id=job_id if kind is Generate and isinstance(job_id, str) else None,
        ) from error


def job_in(beginning: bytes) -> str | None:
    """The job that a request's line asks for, from its beginning alone; None for anything else."""
    found = _REQUEST_BEGINS.match(beginning)
    if found is None:
        return None
    try:
        name: str = json.loads(found[1])
    except ValueError:
        return None
    return name
