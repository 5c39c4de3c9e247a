"""`VERSION=v1.2.3 python -m release_notes`: writes dist/release-notes.md."""

import os
import sys

from housekeeping import ROOT
from release_notes.notes import NotesError, notes


def main() -> int:
    """Write the notes; returns 1 if there are none."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        text = notes(changelog, os.environ.get("VERSION", ""))
    except NotesError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    target = ROOT / "dist" / "release-notes.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
