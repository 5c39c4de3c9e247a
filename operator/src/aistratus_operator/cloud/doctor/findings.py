"""What a check found: ok, a problem with its next step, or that it could not look."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_operator.cloud.aws import code_of, said_by
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.errors import OperatorError
from aistratus_router.errors import RouterError


class Verdict(StrEnum):
    """A finding in a word."""

    OK = "ok"
    PROBLEM = "problem"
    NOT_SEEN = "not seen"


class NotSeen(OperatorError):
    """The check could not look; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `says` is what was seen, or what is wrong and what to do."""

    check: str
    verdict: Verdict
    says: str


@dataclass(frozen=True, slots=True)
class Check:
    """A named look at the patient.

    `look` returns what it saw. It raises `NotSeen` if it cannot tell, and another `OperatorError`
    if something is wrong.
    """

    name: str
    look: Callable[[Patient], str]

    def find(self, patient: Patient) -> Finding:
        """Look; whatever AWS answers becomes a finding."""
        try:
            return Finding(self.name, Verdict.OK, self.look(patient))
        except NotSeen as error:
            return self.not_seen(str(error))
        except (OperatorError, RouterError) as error:
            return Finding(self.name, Verdict.PROBLEM, str(error))
        except ClientError as error:
            return self.not_seen(
                f"AWS refused {error.operation_name}: {said_by(error)[:200]} ({code_of(error)}). "
                "Get the right to it, then run the same command again."
            )
        except BotoCoreError as error:
            gist = " ".join(str(error).split()).rstrip(".")
            return self.not_seen(f"A call to AWS failed: {gist}. Run the same command again.")

    def not_seen(self, why: str) -> Finding:
        """The finding of a check that was not made."""
        return Finding(self.name, Verdict.NOT_SEEN, why)
