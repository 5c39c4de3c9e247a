"""The dead man's switch: powers the machine off after too long a run, or too long without a job.

The steward does that from outside, within minutes. This switch is for the day when the steward
fails: it needs no network, no credentials and neither of the two services. The worker touches a
file whenever a job has moved on, that is, after each append that is in the table. The machine is
idle while nobody touches it: no jobs come, or the worker hangs or is gone. How busy the processor
or the card is does not count: a model on a card may answer once a minute, and a loop compute
forever.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True)
class Seen:
    """One observation. `at` and `busy_at` are in seconds, and count from the machine's start.

    `mark` is when the file was last touched, in the clock's nanoseconds, 0 for never. Only its
    change counts, so a clock that is set moves nothing.
    """

    at: float
    mark: int
    busy_at: float


def decide(seen: Seen, *, idle_hours: float, hours: float) -> str | None:
    """Why the machine should be turned off now, or None; a limit of 0 hours means never."""
    if hours and seen.at >= hours * 3600:
        return f"it has been on for {seen.at / 3600:.2f} hours, and {hours:g} are the limit"
    idle = seen.at - seen.busy_at
    if idle_hours and idle >= idle_hours * 3600:
        return f"no job moved on for {idle / 3600:.2f} hours, and {idle_hours:g} are the limit"
    return None


def compare(now: Seen, before: Seen | None, clock: int) -> Seen:
    """`now`, with the time at which a job last moved on.

    Without an earlier observation the file's age tells, by `clock`, in nanoseconds.
    """
    if before is None or before.at > now.at:
        age = max(0.0, (clock - now.mark) / _NANOSECONDS)
        return Seen(now.at, now.mark, max(0.0, now.at - age))
    is_busy = now.mark not in (0, before.mark)
    return Seen(now.at, now.mark, now.at if is_busy else before.busy_at)


def look(last_job: Path) -> Seen:
    """Observe the machine and the worker's file now; `busy_at` is left at 0."""
    # Not /proc/uptime, which in a container is the host's.
    shown = subprocess.run(
        ["/usr/bin/systemctl", "show", "--value", "--property=UserspaceTimestampMonotonic"],
        capture_output=True,
        text=True,
        check=False,
    )
    began = int(shown.stdout.strip() or 0) / 1_000_000
    at = time.clock_gettime(time.CLOCK_MONOTONIC) - began
    try:
        mark = last_job.stat().st_mtime_ns
    except OSError:
        mark = 0
    return Seen(at, mark, 0.0)


def read(state: Path) -> Seen | None:
    """The last observation; None if there was none or it cannot be read."""
    try:
        return Seen(**json.loads(state.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def main() -> int:
    """Observe once, and turn the machine off if it should be off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--idle-hours", type=float, required=True, help="power off after this idle time; 0: never"
    )
    parser.add_argument(
        "--hours", type=float, required=True, help="power off this long after the start; 0: never"
    )
    parser.add_argument(
        "--last-job", type=Path, required=True, help="the file that the worker touches for a job"
    )
    parser.add_argument(
        "--state", type=Path, required=True, help="the file that keeps the last observation"
    )
    chosen = parser.parse_args()
    seen = compare(look(chosen.last_job), read(chosen.state), time.time_ns())
    chosen.state.write_text(json.dumps(asdict(seen)), encoding="utf-8")
    why = decide(seen, idle_hours=chosen.idle_hours, hours=chosen.hours)
    if why is None:
        return 0
    sys.stderr.write(f"Turning this machine off: {why}.\n")
    return subprocess.run(["/usr/bin/systemctl", "poweroff"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
