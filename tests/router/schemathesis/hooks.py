"""Rules of `POST /infer` that no schema can say, kept by data that is meant to be good.

The document says them in words: who speaks when, that `max_tokens` leaves room for the prompt,
and that `model` is one of `GET /models`. Data that is meant to be bad is sent as it is.
"""

from typing import Any

import schemathesis
from schemathesis import Case, HookContext

SMALLEST_CONTEXT = 2048


@schemathesis.hook
def before_call(context: HookContext, case: "Case[Any]", kwargs: dict[str, Any]) -> None:
    body: Any = case.body
    is_good = case.meta is not None and case.meta.generation.mode.is_positive
    if case.operation.label != "POST /infer" or not is_good or not isinstance(body, dict):
        return
    messages = body["messages"]
    goes_on = body.get("conversation_id") is not None
    has_system = messages[0]["role"] == "system" and not goes_on and len(messages) > 1
    spoken = messages[1:] if has_system else messages
    if len(spoken) % 2 == 0:
        spoken = spoken[:-1]
    speakers = ["assistant" if position % 2 else "user" for position in range(len(spoken))]
    case.body = body = {
        **body,
        "messages": [
            *messages[: int(has_system)],
            *({**message, "role": role} for message, role in zip(spoken, speakers, strict=True)),
        ],
    }
    if body.get("max_tokens") is not None:
        body["max_tokens"] = min(body["max_tokens"], SMALLEST_CONTEXT - 1)
    if body.get("model") is not None:
        body["model"] = "small"
