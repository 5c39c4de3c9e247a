"""Long answers whose length and shape are known, so that a lost or repeated piece shows.

A grammar forces them: the model may choose the letters, and not how many.
"""

from typing import Any, Final

QUESTION: Final = "Write a long story about a lighthouse, in small letters."
_LINES: Final = 60
_LETTERS: Final = 40
FORM: Final[dict[str, Any]] = {
    "type": "grammar",
    "grammar": f'root ::= line{{{_LINES}}}\nline ::= [a-z ]{{{_LETTERS}}} "\\n"\n',
}
# The rest of the model's context is for the answer: a letter may take a token.
PROMPT_TOKENS: Final = 128


def has_shape(text: str, *, is_cut: bool) -> bool:
    """Whether no letter of an answer is missing or there twice; `is_cut`: it was too long."""
    *lines, last = text.split("\n")
    if any(len(line) != _LETTERS for line in lines):
        return False
    return len(lines) == _LINES and not last if not is_cut else len(lines) <= _LINES
