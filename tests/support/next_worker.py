"""The worker of the release after this one: `-m support.next_worker`.

Whenever it takes up a job it writes an event of a kind that this release does not know, and a
notice with such a code.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import pytest

from aistratus_contracts import event, table
from aistratus_contracts.event import EventBody, Notice, StateChange
from aistratus_contracts.states import JobState
from aistratus_contracts.table import Append, JobRecord
from aistratus_daemon.worker.__main__ import main
from support.next_release import next_release

VERSION_VARIABLE: Final = "TEST_NEXT_VERSION"
NEW_CODE: Final = "sources_found"
NEW_SENTENCE: Final = "Two sources were found."


@dataclass(frozen=True, slots=True)
class Citation:
    """A kind of event that this release does not know."""

    url: str


def say_more(patch: pytest.MonkeyPatch) -> None:
    before = table.append
    patch.setitem(event._NAMES, cast("Any", Citation), "citation")

    def append(
        name: str, record: JobRecord, bodies: Sequence[EventBody], at: datetime, **options: Any
    ) -> Append:
        if bodies[0] == StateChange(JobState.RUNNING):
            news = Citation("https://example.org"), Notice(cast("Any", NEW_CODE), NEW_SENTENCE)
            bodies = [*bodies, *cast("Any", news)]
        return before(name, record, bodies, at, **options)

    patch.setattr(table, "append", append)


if __name__ == "__main__":
    version = int(os.environ[VERSION_VARIABLE])
    with next_release(version), pytest.MonkeyPatch.context() as context:
        say_more(context)
        sys.exit(main())
