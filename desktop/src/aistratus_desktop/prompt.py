"""The prompt from a command line; needs only Python's standard library."""

import sys
from typing import Final, TextIO

STANDARD_INPUT: Final = "-"


class WrongPrompt(ValueError):
    """There is nothing to ask; the text says what to do."""


def check_prompt(text: str) -> str:
    """The prompt or "-", if it is not empty and valid UTF-8; raises `WrongPrompt`."""
    if not text.strip():
        raise WrongPrompt('Say what to ask: make ask PROMPT="What is Aistratus?"')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongPrompt(
            "The question is not UTF-8. Write it in UTF-8, or set the terminal to it."
        ) from None
    return text


def read_prompt(text: str, source: TextIO | None = None) -> str:
    """The prompt; "-" reads it from standard input. Raises `WrongPrompt`."""
    if text != STANDARD_INPUT:
        return check_prompt(text)
    try:
        return check_prompt((source or sys.stdin).read())
    except UnicodeDecodeError:
        raise WrongPrompt(
            "What came on standard input is not UTF-8 text. Convert it, and ask again."
        ) from None
