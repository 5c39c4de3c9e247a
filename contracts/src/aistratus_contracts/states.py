"""The life of a job: queued, running, then one of three ends."""

from enum import StrEnum

from aistratus_contracts.codes import OpenCode


class JobState(StrEnum):
    """State of a job. A final state never changes."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True for the three ends."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class FleetState(StrEnum):
    """Where the GPU instances stand, as far as it is known."""

    OFF = "off"
    REQUESTED = "requested"  # wanted, but no worker is ready yet
    RUNNING = "running"
    DRAINING = "draining"  # no longer wanted, but not gone yet


class WorkerKind(StrEnum):
    """What a worker runs on."""

    INSTANCE = "instance"
    FUNCTION = "function"


class GpuMode(StrEnum):
    """When an instance is started, where functions can answer too."""

    AUTO = "auto"  # when it is quicker or cheaper than functions
    ALWAYS = "always"  # for each prompt; functions answer until it is ready
    NEVER = "never"


class Purchase(StrEnum):
    """How an instance is paid."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(OpenCode):
    """Why an answer ended."""

    STOP = "stop"  # the model ended it, or a stop string did
    LENGTH = "length"  # max_tokens or the context was reached
    CANCELLED = "cancelled"
    OTHER = "other"


class ResponseFormatType(StrEnum):
    """What an answer's form is described by."""

    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    GRAMMAR = "grammar"
