"""Refuses a commit whose subject is too long; git runs it as the commit-msg hook."""

import re
import sys
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Final

MAX_CHARACTERS: Final = 72
_AUTOSQUASH: Final = re.compile(r"((fixup|squash|amend)! )+")


def subject(message: str) -> str:
    """The first paragraph as one line, as `git log --format=%s` shows it."""
    lines = (line.strip() for line in message.split("\n") if not line.startswith("#"))
    return " ".join(takewhile(bool, dropwhile(lambda line: not line, lines)))


def check(message: str) -> str:
    """What is wrong with the message, as one sentence, or the empty string."""
    text = _AUTOSQUASH.sub("", subject(message), count=1)
    if len(text) <= MAX_CHARACTERS:
        return ""
    return (
        f"The commit's subject has {len(text)} characters; keep it to {MAX_CHARACTERS} and put "
        "the rest below an empty line."
    )


def main(path: str) -> int:
    """Reads the message that git is about to commit; 1 refuses the commit."""
    if wrong := check(Path(path).read_text(encoding="utf-8")):
        sys.stderr.write(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
