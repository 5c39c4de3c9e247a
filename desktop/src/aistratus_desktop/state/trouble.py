"""An error as the person sees it: a sentence, and a button that helps."""

from dataclasses import dataclass
from enum import Enum

from aistratus_desktop.gateway import GatewayError, NotFound, SignInNeeded, Unreachable


class NextStep(Enum):
    """What the button beside an error says and does."""

    RETRY = "Try again"
    SIGN_IN = "Sign in"
    NEW_CHAT = "New chat"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A sentence, and perhaps a next step for a button."""

    sentence: str
    next_step: NextStep | None = None


def trouble_of(error: GatewayError) -> Trouble:
    """The trouble to show for an error of the gateway client."""
    match error:
        case SignInNeeded():
            return Trouble(str(error), NextStep.SIGN_IN)
        case Unreachable():
            return Trouble(str(error), NextStep.RETRY)
        case NotFound():
            return Trouble(str(error), NextStep.NEW_CHAT)
        case _:
            return Trouble(str(error))
