"""What a run showed: verdicts with their evidence, times, and what went wrong."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_desktop.gateway import GatewayError
from aistratus_operator.cloud.aws import code_of, said_by
from aistratus_operator.cloud.smoke.expectations import Sighting, Verdict
from aistratus_operator.errors import OperatorError
from aistratus_router.errors import RouterError

EXPECTED: Final = (OperatorError, RouterError, GatewayError, ClientError, BotoCoreError)
"""What AWS, the API or a check may raise: the run ends, and says so."""


@dataclass
class Report:
    """What a run showed. Times are seconds, by what took them."""

    environment: str
    region: str
    at: datetime
    is_emulated: bool
    versions: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    sightings: dict[str, Sighting] = field(default_factory=dict)
    failure: str = ""
    left: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every step was done, and nothing was other than expected."""
        differs = any(each.verdict is Verdict.DIFFERS for each in self.sightings.values())
        return not (self.failure or self.left or differs)

    def see(self, name: str, holds: bool, evidence: str) -> None:
        """Note that something is as expected, or is not."""
        self.note(Sighting(name, Verdict.SEEN if holds else Verdict.DIFFERS, evidence))

    def note(self, sighting: Sighting) -> None:
        """Note what was seen."""
        self.sightings[sighting.name] = sighting


def sentence(error: BaseException) -> str:
    """What an error says, as one sentence."""
    if isinstance(error, ClientError):
        return f"AWS refused {error.operation_name}: {said_by(error)[:200]} ({code_of(error)})."
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."
