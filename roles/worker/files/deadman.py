"""The dead man's switch: powers the machine off after too long a run, or too long an idle time.

The steward does that from outside, within minutes. This switch is for the day when the steward
fails: it needs no network, no credentials and neither of the two services. The machine counts as
idle while the engine uses almost no processor time, or does not run at all.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

# A waiting engine uses less than a hundredth of a core, a computing one at least a whole core.
BUSY_SHARE: Final = 0.05
_SECONDS_PER_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seen:
    """One observation, in seconds; `at` and `busy_at` count from the machine's start.

    `pid` is the engine's process id, 0 for none; `used` is its processor time so far.
    """

    at: float
    pid: int
    used: float
    busy_at: float


def decide(seen: Seen, *, idle_hours: float, hours: float) -> str | None:
    """Why the machine should be turned off now, or None; a limit of 0 hours means never."""
    if hours and seen.at >= hours * 3600:
        return f"it has been on for {seen.at / 3600:.2f} hours, and {hours:g} are the limit"
    idle = seen.at - seen.busy_at
    if idle_hours and idle >= idle_hours * 3600:
        return f"the engine was idle for {idle / 3600:.2f} hours, and {idle_hours:g} are the limit"
    return None


def compare(now: Seen, before: Seen | None) -> Seen:
    """`now`, with the time at which the engine was last seen busy."""
    if before is None or before.at > now.at:
        return now
    same = now.pid == before.pid
    worked = now.used - (before.used if same else 0.0)
    passed = max(now.at - before.at, 1.0)
    is_busy = now.pid != 0 and worked / passed >= BUSY_SHARE
    return Seen(now.at, now.pid, now.used, now.at if is_busy else before.busy_at)


def look(unit: str) -> Seen:
    """Observe the machine and the engine now; `busy_at` is left at 0."""
    # Not /proc/uptime, which in a container is the host's.
    began = int(_show("--property=UserspaceTimestampMonotonic") or 0) / 1_000_000
    at = time.clock_gettime(time.CLOCK_MONOTONIC) - began
    pid = int(_show("--property=MainPID", unit) or 0)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return Seen(at, 0, 0.0, 0.0)
    # utime and stime, proc(5); the first field after the name is the third.
    used = (int(fields[11]) + int(fields[12])) * _SECONDS_PER_TICK
    return Seen(at, pid, used, 0.0)


def _show(*what: str) -> str:
    shown = subprocess.run(
        ["/usr/bin/systemctl", "show", "--value", *what],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip()


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
    parser.add_argument("--unit", required=True, help="the engine's unit")
    parser.add_argument(
        "--state", type=Path, required=True, help="the file that keeps the last observation"
    )
    chosen = parser.parse_args()
    seen = compare(look(chosen.unit), read(chosen.state))
    chosen.state.write_text(json.dumps(asdict(seen)), encoding="utf-8")
    why = decide(seen, idle_hours=chosen.idle_hours, hours=chosen.hours)
    if why is None:
        return 0
    sys.stderr.write(f"Turning this machine off: {why}.\n")
    return subprocess.run(["/usr/bin/systemctl", "poweroff"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
