"""One message on the screen, and how a job's events change it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import flet as ft

from aistratus_contracts.event import Delta, Event, JobError, Notice, StateChange
from aistratus_contracts.states import FinishReason, JobState, Role

SENDING: Final = "Sending …"
QUEUED: Final = "In the queue – waiting for a worker"
THINKING: Final = "Thinking …"
STOPPING: Final = "Stopping …"
STOPPED: Final = "Stopped."
CUT: Final = "The answer reached its longest allowed length, and was cut here."
FAILED: Final = "This answer failed. Ask again, perhaps in other words."

_numbers: Iterator[int] = itertools.count()


@ft.observable
@dataclass(eq=False)
class Bubble:
    """A message. An answer grows while its job runs; `state` is None for the person's messages.

    `status` describes progress while the answer is open, `remark` how it ended if that needs a
    word, `error` why it failed, `notices` what else the person should know.
    """

    role: Role
    text: str = ""
    state: JobState | None = None
    status: str = ""
    remark: str = ""
    error: str = ""
    notices: list[str] = field(default_factory=list)
    last_seq: int = 0
    key: str = field(default_factory=lambda: f"bubble-{next(_numbers)}")

    @property
    def is_open(self) -> bool:
        """Whether the answer is unfinished."""
        return self.state is not None and not self.state.is_final

    def take(self, event: Event) -> None:
        """Apply the next event of this answer's job."""
        self.last_seq = event.seq
        match event.body:
            case Delta(text=text):
                self.text += text
            case Notice(message=message):
                self.notices.append(message)
            case JobError(message=message):
                self.error = message
            case StateChange(state=state, finish_reason=reason):
                self.become(state, reason)

    def become(self, state: JobState, reason: FinishReason | None = None) -> None:
        """Set the job's new state."""
        self.state = state
        match state:
            case JobState.RUNNING:
                self.status = THINKING
            case JobState.SUCCEEDED:
                self.status = ""
                self.remark = CUT if reason is FinishReason.LENGTH else ""
            case JobState.CANCELLED:
                self.status, self.remark = "", STOPPED
            case JobState.FAILED:
                self.status = ""
                self.error = self.error or FAILED
            case JobState.QUEUED:
                self.status = QUEUED


def said(text: str) -> Bubble:
    """A message from the person."""
    return Bubble(Role.USER, text)


def awaited() -> Bubble:
    """An answer that has not begun."""
    return Bubble(Role.ASSISTANT, state=JobState.QUEUED, status=SENDING)


def answered(text: str, state: JobState) -> Bubble:
    """An earlier answer, from the history."""
    bubble = Bubble(Role.ASSISTANT, text)
    bubble.become(state)
    return bubble
