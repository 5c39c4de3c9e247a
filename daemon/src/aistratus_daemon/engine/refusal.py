"""Why an engine has ended, for the worker beside it, which sees neither its log nor its status."""

import contextlib
from pathlib import Path


class Refusal:
    """The file in which the engine says why it has ended, for the worker; None for no file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def write(self, reason: str) -> None:
        """Leave one line. The log has it too, so a full disk costs nothing."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write_text(f"{' '.join(reason.split())}\n", encoding="utf-8")
                self._file.chmod(0o644)

    def withdraw(self) -> None:
        """The engine is ready: whatever an earlier one said no longer holds."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
