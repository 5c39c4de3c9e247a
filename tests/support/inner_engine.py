"""The engine without its process: a scheduler that a test steps by hand, and all that it sends."""

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aistratus_contracts.job import Message, Sampling
from aistratus_daemon.engine.forms import Forms
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.scheduler import Scheduler
from aistratus_daemon.engine.settings import EngineSettings
from aistratus_daemon.frames import Done, Failed, Frame, Generate, Tokens
from support.engine_process import MODEL, Heard, greedy, user


def settings(**changes: Any) -> EngineSettings:
    """The stand-in model in four slots, in chunks of 64 tokens."""
    fields: dict[str, Any] = {
        "socket": Path("unused.sock"),
        "model_file": MODEL,
        "model_sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "slots": 4,
        "batch_tokens": 64,
        **changes,
    }
    return EngineSettings(**fields)


class InnerForms(Forms):
    """Forms for a scheduler that a test steps; several, one after the other, may share them."""

    def __init__(self, llama: Llama) -> None:
        self.one_is_ready = threading.Event()
        super().__init__(llama.vocabulary, self.one_is_ready.set)

    def until_one_is_ready(self) -> None:
        """Wait until there is something to take."""
        assert self.one_is_ready.wait(60), "no form gets ready"
        self.one_is_ready.clear()


@dataclass
class InnerEngine:
    """A scheduler, and what it has said about each job."""

    llama: Llama
    forms: "InnerForms"
    options: dict[str, Any] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options = {"parked_bytes": 2**26, **self.options}
        self.scheduler = Scheduler(self.llama, self._take, self.forms, **options)

    def _take(self, frame: Frame) -> None:
        match frame:
            case Tokens(items):
                for item in items:
                    self.of(item.job_id).ids += item.token_ids
                    self.of(item.job_id).text += item.text
            case Done() | Failed():
                self.of(frame.job_id).end = frame

    def of(self, job_id: str) -> Heard:
        return self.heard.setdefault(job_id, Heard())

    def ask(
        self,
        job_id: str,
        text: str | tuple[Message, ...],
        sampling: Sampling | None = None,
        **more: Any,
    ) -> Heard:
        """Hand in a request; nothing is computed yet."""
        fields = {"cache_key": f"someone/{job_id}", **more}
        messages = user(text) if isinstance(text, str) else text
        self.scheduler.generate(
            Generate(job_id, fields.pop("cache_key"), messages, sampling or greedy(), **fields)
        )
        return self.of(job_id)

    def run(self) -> None:
        """Step until nothing is left to compute."""
        while not self.scheduler.is_idle or self.scheduler.is_forming:
            if self.scheduler.is_idle:
                self.forms.until_one_is_ready()
            self.scheduler.step()

    def answer(
        self, text: str | tuple[Message, ...], sampling: Sampling | None = None, **more: Any
    ) -> Heard:
        """Ask and run."""
        job_id = f"job-{len(self.heard)}"
        self.ask(job_id, text, sampling, **more)
        self.run()
        return self.of(job_id)
