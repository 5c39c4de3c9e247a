"""The gateway client: all calls to the API from the app and the terminal."""

from aistratus_desktop.gateway.client import GatewayClient, new_request_id
from aistratus_desktop.gateway.errors import (
    GatewayError,
    NotFound,
    Refused,
    SignInNeeded,
    Unreachable,
    Unreadable,
)
from aistratus_desktop.gateway.pace import Pace
from aistratus_desktop.gateway.replies import (
    Accepted,
    Conversation,
    ConversationPage,
    ConversationSummary,
    ConversationTurn,
    EventPage,
    JobView,
    TurnAnswer,
    Waiting,
)
from aistratus_desktop.gateway.tokens import TokenSource

__all__ = [
    "Accepted",
    "Conversation",
    "ConversationPage",
    "ConversationSummary",
    "ConversationTurn",
    "EventPage",
    "GatewayClient",
    "GatewayError",
    "JobView",
    "NotFound",
    "Pace",
    "Refused",
    "SignInNeeded",
    "TokenSource",
    "TurnAnswer",
    "Unreachable",
    "Unreadable",
    "Waiting",
    "new_request_id",
]
