"""One structured log. No event, token or conversation text ever goes into it."""

import traceback
from typing import Any

from aws_lambda_powertools import Logger

from aistratus_router.errors import RouterError

logger = Logger(service="router")


def describe(error: BaseException) -> dict[str, Any]:
    """An error for the log: its kind, its place and AWS's code; its text only if it is ours.

    Other errors may quote what was sent, and that may be a prompt.
    """
    kinds: list[str] = []
    words: list[str] = []
    frames: list[str] = []
    link: BaseException | None = error
    while link is not None and len(kinds) < 5:
        response = getattr(link, "response", None)
        code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
        kinds.append(f"{type(link).__name__}({code})" if code else type(link).__name__)
        if isinstance(link, RouterError):
            words.append(str(link))
        frames += [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(link.__traceback__)
        ]
        link = link.__cause__ or link.__context__
    return {"error_kinds": kinds, "error_words": words, "error_stack": frames}
