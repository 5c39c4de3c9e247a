"""`make soak`: attack the system for as long as one likes, and prove from its history that it held.

The verdict and all that was measured go into a JSON file. Where a promise was broken, what shows
it is printed, the history is kept, and the same command does the same again.
"""

import json
import os
import shlex
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from system.faults import disconnects
from system.faults.figures import figures
from system.faults.options import parser
from system.faults.rig import Orders, Outcome, run

SHOWN_VIOLATIONS: Final = 20


def main(arguments: list[str] | None = None) -> int:
    """0 if all promises held, 1 if one did not, 2 for arguments that make no sense."""
    asked = parser().parse_args(arguments)
    # Live progress is for people: it comes line by line, also through a pipe.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    orders = Orders(
        seed=asked.seed if asked.seed is not None else int.from_bytes(os.urandom(3)),
        workers=asked.workers,
        jobs=asked.jobs,
        kills=asked.kills,
        stops=asked.stops,
        seconds=asked.seconds,
        mean_pause=asked.pause,
        clients=asked.clients or 4 * asked.workers,
        step_seconds=asked.step,
        visibility_seconds=asked.visibility,
    )
    _say(f"Seed {orders.seed}. Again: {command(orders)}")
    folder = Path(tempfile.mkdtemp(prefix="aistratus-soak-"))
    _say(f"Logs: {folder}")
    outcome = run(orders, folder, _say)
    held = judge(outcome, folder, _say)
    reading = disconnects.run(orders.seed, asked.disconnects, _say) if asked.disconnects else None
    result = result_of(outcome)
    if reading is not None:
        result["readers"] = reading.figures
        for violation in reading.violations[:SHOWN_VIOLATIONS]:
            _say(str(violation))
        held = held and not reading.violations
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _say(json.dumps(result, indent=2))
    _say(f"Written to {asked.output}.")
    return 0 if held else 1


def judge(outcome: Outcome, folder: Path, tell: Any) -> bool:
    """Whether every promise held; where not, says what shows it, and keeps the history."""
    if not outcome.violations:
        return True
    path = folder / "history.jsonl"
    outcome.history.write(path)
    for violation in outcome.violations[:SHOWN_VIOLATIONS]:
        tell(str(violation))
    tell(
        f"{len(outcome.violations)} violations with seed {outcome.orders.seed}. History: {path}. "
        f"Again: {command(outcome.orders)}"
    )
    return False


def result_of(outcome: Outcome) -> dict[str, Any]:
    """What is kept of a run."""
    orders = {
        name: value for name, value in asdict(outcome.orders).items() if value != float("inf")
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(outcome.orders),
        "orders": orders,
        "cores": os.cpu_count(),
        "wall_seconds": round(outcome.wall_seconds, 1),
        **figures(outcome.history, outcome.violations),
        "worker_exits_unclean": outcome.unclean_exits,
        "connections_reset": outcome.resets,
        "readers_hung_up": outcome.hang_ups,
    }


def command(orders: Orders) -> str:
    """What does the same again."""
    given = {
        "--seed": orders.seed,
        "--workers": orders.workers,
        "--jobs": orders.jobs,
        "--kills": orders.kills,
        "--stops": orders.stops,
        "--pause": orders.mean_pause,
        "--step": orders.step_seconds,
        "--clients": orders.clients,
        "--visibility": orders.visibility_seconds,
    }
    if orders.seconds != float("inf"):
        given["--seconds"] = orders.seconds
    text = " ".join(f"{name} {value}" for name, value in given.items())
    return f"make soak ARGS={shlex.quote(text)}"


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
